//! Rows that a record brings beside its postings.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{AccountId, TransactionId};
use crate::money::{Amount, CurrencyCode};

/// Rows of its own that a record brings beside its postings: the same batch writes them, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// It gives back part of a payment, or all.
    Refund {
        /// The payment.
        payment: TransactionId,
        /// The payment's amount: no more is ever given back.
        limit: Amount,
        /// How much of it goes back.
        given: Amount,
    },
    /// It takes back what gave back: so much of the payment may be given back again. Below zero: what gave back counts again.
    Undone {
        /// The payment.
        payment: TransactionId,
        /// What does not count any more.
        given: Amount,
    },
    /// It promises money; its id is the hold's.
    Hold {
        /// Whose money.
        debit: AccountId,
        /// Who will be paid.
        credit: AccountId,
        /// How much.
        amount: Amount,
        /// When the rest is let go.
        expires_at: DateTime<Utc>,
    },
    /// It takes from a hold, by its postings or by letting go.
    Take {
        /// The hold.
        hold: TransactionId,
        /// Whose money is held.
        debit: AccountId,
        /// Who was to be paid.
        credit: AccountId,
        /// Paid by this record's postings.
        captured: Amount,
        /// Let go.
        voided: Amount,
    },
    /// It starts a workflow; its id is the workflow's.
    Saga {
        /// Which; `sagas.workflow`.
        workflow: i16,
    },
    /// It is a step of a workflow, or what happened to one.
    Fact(FactRow),
    /// An operator did it.
    Action(OperatorAction),
    /// It opens an account.
    Account(Box<AccountRow>),
    /// It tells a dead letter's event again.
    Replay {
        /// The dead letter's number.
        letter: i64,
    },
}

/// An account to be opened, as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// As the caller calls it.
    pub name: String,
    /// `accounts.kind`.
    pub kind: i16,
    /// `accounts.normal_side`.
    pub normal_side: i16,
    /// What it is kept in.
    pub currency: CurrencyCode,
    /// The caller's words for its owner.
    pub owner: String,
    /// And for what kind of owner that is.
    pub owner_type: String,
    /// The caller's finer kind of account.
    pub subtype: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    /// The lowest available balance allowed, in minor units.
    pub floor: Option<i128>,
    /// The highest balance allowed, in minor units.
    pub ceiling: Option<i128>,
}

/// The rate that a transaction pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeRow {
    /// `rates.id`.
    pub rate_id: i64,
    /// One unit of this currency
    pub base: CurrencyCode,
    /// is this many
    pub rate: Decimal,
    /// of this.
    pub quote: CurrencyCode,
    /// How the amount that arrives was rounded.
    pub rounding: &'static str,
}

/// What happened to a workflow: its `n`th fact, counted from 1. Whoever writes it first is right; for the other the record fails as
/// [`Abort::Exceeded`](crate::protocol::slip::Abort::Exceeded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactRow {
    /// The workflow.
    pub saga: TransactionId,
    /// Which fact.
    pub n: i32,
    /// A JSON object.
    pub body: String,
    /// What the workflow is after it; `sagas.status`.
    pub status: i16,
    /// When it goes on; `None`: it has ended, or is stuck.
    pub wake_at: Option<DateTime<Utc>>,
    /// It is what an operator asked for, by this; if nobody asks for it any more, the record fails in the same way.
    pub asked: Option<Uuid>,
}

/// Who makes a change, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// A key's or a certificate's name; `anonymous` without authentication.
    pub name: Arc<str>,
    /// In their own words, at most 1,024 bytes; empty: they gave none.
    pub reason: String,
    /// From which address; none: from here.
    pub address: Option<Arc<str>>,
}

impl Operator {
    /// What is kept of a change of theirs; before and after are JSON objects.
    pub fn did(&self, action: &'static str, subject: &str, before: Option<String>, after: Option<String>) -> OperatorAction {
        OperatorAction { actor: self.name.to_string(), action, subject: subject.to_owned(), reason: self.reason.clone(), before, after }
    }
}

/// A change that an operator made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorAction {
    /// Who: a key's or a certificate's name.
    pub actor: String,
    /// What, such as `account.limits`.
    pub action: &'static str,
    /// To what: an account's name, a currency's code, a workflow's id.
    pub subject: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// How it was; a JSON object.
    pub before: Option<String>,
    /// How it is; a JSON object.
    pub after: Option<String>,
}

impl Rows {
    /// The account on which this record holds more money, or less, and how much more.
    pub fn held(&self) -> Option<(AccountId, i128)> {
        match self {
            Self::Refund { .. }
            | Self::Undone { .. }
            | Self::Saga { .. }
            | Self::Fact(_)
            | Self::Action(_)
            | Self::Account(_)
            | Self::Replay { .. } => None,
            Self::Hold { debit, amount, .. } => Some((*debit, amount.minor_units())),
            Self::Take { debit, captured, voided, .. } => Some((*debit, -captured.minor_units() - voided.minor_units())),
        }
    }

    /// Who is to be paid what this record holds, or lets go.
    pub fn promised_to(&self) -> Option<AccountId> {
        match self {
            Self::Hold { credit, .. } | Self::Take { credit, .. } => Some(*credit),
            _ => None,
        }
    }
}
