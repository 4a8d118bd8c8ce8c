//! Rows of other tables that a record brings with it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{AccountId, AccountKind, InvoiceRow, NormalSide, SettlementRow, TransactionId};
use crate::money::{Amount, CurrencyCode};

/// Rows of other tables that a record brings with it. They are written in the same batch as the record, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// It refunds a payment, in part or in whole.
    Refund {
        payment: TransactionId,
        /// The payment's amount, which all refunds together never exceed.
        limit: Amount,
        /// What this record refunds.
        given: Amount,
    },
    /// It reverses a refund: this much of the payment may be refunded again.
    Undone {
        payment: TransactionId,
        /// What does not count as refunded any more; negative: a reversal is itself reversed, and the refund counts
        /// again.
        given: Amount,
    },
    /// It opens a hold; the record's id is the hold's.
    Hold {
        /// The account whose money is held.
        debit: AccountId,
        /// The payee for whom it is held.
        credit: AccountId,
        amount: Amount,
        /// When what is left of it is released.
        expires_at: DateTime<Utc>,
    },
    /// It captures a hold, voids it, or both.
    Take {
        hold: TransactionId,
        /// The account whose money is held.
        debit: AccountId,
        /// The payee for whom it is held.
        credit: AccountId,
        /// Paid by this record's postings; zero: it only releases.
        captured: Amount,
        /// Released; zero: the rest stays held.
        voided: Amount,
    },
    /// It starts a saga; the record's id is the saga's.
    Saga {
        /// The number in `sagas.workflow`.
        workflow: i16,
    },
    /// It is a step of a saga, or something that happened to one.
    Fact(FactRow),
    /// It is recorded as an operator's action.
    Action(OperatorAction),
    Account(Box<AccountRow>),
    /// It publishes a dead letter's event again.
    Replay {
        /// The number of the dead letter.
        letter: i64,
    },
    /// It issues an invoice or a credit note.
    Invoice(Box<InvoiceRow>),
    /// It changes what is due of an invoice, or its status.
    Settlement(Box<SettlementRow>),
    /// It bills an order that was parked.
    Released {
        /// The number in `parked_orders.id`.
        parked: i64,
    },
}

/// An account to be opened, named as the table's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// The id that callers use.
    pub name: String,
    pub kind: AccountKind,
    pub normal_side: NormalSide,
    pub currency: CurrencyCode,
    /// Free text of the caller.
    pub owner: String,
    /// What kind of owner that is; free text of the caller.
    pub owner_type: String,
    /// A finer kind of account; free text of the caller.
    pub subtype: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    /// The lowest available balance allowed, in minor units; `None`: any.
    pub floor: Option<i128>,
    /// The highest balance allowed, in minor units; `None`: any.
    pub ceiling: Option<i128>,
}

/// The exchange rate of a transaction: one unit of `base` is `rate` units of `quote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeRow {
    /// The number in `rates.id`.
    pub rate_id: i64,
    pub base: CurrencyCode,
    pub rate: Decimal,
    pub quote: CurrencyCode,
    /// How the amount that arrives was rounded: the name of a mode.
    pub rounding: &'static str,
}

/// What happened to a saga. Whoever writes the `n`th fact first is right: for a second one the record fails as
/// [`Abort::Exceeded`](crate::protocol::slip::Abort::Exceeded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactRow {
    pub saga: TransactionId,
    /// Counts the saga's facts, from 1.
    pub n: i32,
    /// A JSON object.
    pub body: String,
    /// The saga's status after it; the number in `sagas.status`.
    pub status: i16,
    /// When the saga goes on; `None`: it has ended, or is stuck.
    pub wake_at: Option<DateTime<Utc>>,
    /// The id of the operator's request that it answers. If that request is not open any more, the record fails as
    /// above.
    pub asked: Option<Uuid>,
}

/// Who makes a change, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name of an API key or a certificate; `anonymous` without authentication.
    pub name: Arc<str>,
    /// In the operator's own words, at most 1,024 bytes; empty: none given.
    pub reason: String,
    /// The operator's IP address; `None`: Florin itself.
    pub address: Option<Arc<str>>,
}

impl Operator {
    /// The record of one change; `before` and `after` are JSON objects.
    pub fn did(
        &self,
        action: &'static str,
        subject: &str,
        before: Option<String>,
        after: Option<String>,
    ) -> OperatorAction {
        OperatorAction {
            actor: self.name.to_string(),
            action,
            subject: subject.to_owned(),
            reason: self.reason.clone(),
            before,
            after,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorAction {
    /// The name of an API key or a certificate.
    pub actor: String,
    /// Such as `account.limits`.
    pub action: &'static str,
    /// What was changed: the id of an account, the code of a currency, the id of a saga.
    pub subject: String,
    /// In the operator's own words.
    pub reason: String,
    /// A JSON object.
    pub before: Option<String>,
    /// A JSON object.
    pub after: Option<String>,
}

impl Rows {
    /// The account whose held money changes, and by how much in minor units; negative: it shrinks.
    pub fn held(&self) -> Option<(AccountId, i128)> {
        match self {
            Self::Refund { .. }
            | Self::Undone { .. }
            | Self::Saga { .. }
            | Self::Fact(_)
            | Self::Action(_)
            | Self::Account(_)
            | Self::Replay { .. }
            | Self::Invoice(_)
            | Self::Settlement(_)
            | Self::Released { .. } => None,
            Self::Hold { debit, amount, .. } => Some((*debit, amount.minor_units())),
            Self::Take { debit, captured, voided, .. } => {
                Some((*debit, -captured.minor_units() - voided.minor_units()))
            }
        }
    }

    /// The payee of the hold that this row opens or takes from.
    pub fn promised_to(&self) -> Option<AccountId> {
        match self {
            Self::Hold { credit, .. } | Self::Take { credit, .. } => Some(*credit),
            _ => None,
        }
    }
}
