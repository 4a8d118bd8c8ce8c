//! Commands and their answers, in the words of no contract.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use smallvec::SmallVec;

use super::Deadline;
use crate::money::Amount;
use crate::protocol::events::EventType;
use crate::protocol::record::{
    Api, BalancesAfter, Body, DeclineCode, ExchangeRow, Follows, Kind, Maker, Posting, RequestHash, Rows, TransactionId,
};

/// A posting as requested.
#[derive(Clone, Debug)]
pub struct PostingCommand {
    /// The id of the account that pays.
    pub debit: String,
    /// The id of the account that is paid.
    pub credit: String,
    /// May be zero or negative.
    pub amount: Amount,
    /// May be no currency.
    pub currency: String,
    /// Decimals of the currency; 0 if the currency is unknown.
    pub exponent: u8,
}

/// A transaction as requested. Every field is within its limits; nothing else was checked.
#[derive(Clone, Debug)]
pub struct Command {
    pub tenant: Arc<str>,
    pub api: Api,
    pub kind: Kind,
    /// The idempotency key as the caller gave it.
    pub key: Option<String>,
    /// Tells a repeat from another request under the same key.
    pub request: RequestHash,
    /// At least one.
    pub postings: SmallVec<[PostingCommand; 1]>,
    /// Free text of the caller.
    pub reference: Option<String>,
    /// Free text of the caller.
    pub description: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    pub correlation: Option<String>,
    pub maker: Maker,
    pub deadline: Deadline,
    pub action: Action,
    /// A decline for an account's own floor or ceiling binds the key: a repeat gets the same decline.
    pub declines_bind: bool,
    /// Whether the answer should have the balances after each posting.
    pub with_balances: bool,
}

/// For each transaction whose count of what was given back changes: how much less counts; negative: more.
pub type Undone = SmallVec<[(TransactionId, Amount); 1]>;

/// What a command does with its postings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Post,
    /// Posts them, and counts them as given back of a payment.
    Refund {
        payment: TransactionId,
        /// The payment's amount, which all refunds together never exceed.
        limit: Amount,
    },
    /// Posts them, and counts the transaction that they undo as given back in whole.
    Reverse {
        original: TransactionId,
        /// The amount of its first posting, against which refunds count too.
        limit: Amount,
        /// If it was a refund or reversal itself: how the counts of what it gave back change.
        undone: Undone,
    },
    Exchange(ExchangeRow),
    /// Holds the amount of the one posting.
    Hold {
        /// When what is left is released.
        expires_at: DateTime<Utc>,
    },
    /// Holds the amount of the one posting, and starts the saga that sends it out through the provider. The metadata
    /// have the `instrument`.
    Payout {
        /// When what is left is released, whatever has become of the saga.
        expires_at: DateTime<Utc>,
    },
    /// Starts the saga that takes the amount of the one posting from a card. Nothing is moved yet, and only the payee's
    /// account approves. The metadata have the `instrument`.
    CardTopup,
    /// Posts them out of a hold.
    Capture {
        hold: TransactionId,
        /// What is released beside that; zero: the rest stays held.
        voided: Amount,
    },
    /// Releases the amount of the one posting from a hold.
    Void {
        /// The id of the transaction that opened it.
        hold: TransactionId,
    },
}

/// A business answer: both kinds are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Completed {
        id: TransactionId,
        /// When it was accepted for processing.
        created_at: DateTime<Utc>,
        /// Whether it was done before, under the same key.
        replayed: bool,
        /// After each posting. `None`: not wanted, or not known without a read.
        balances: Option<Box<[BalancesAfter]>>,
    },
    /// Declined by a rule of money: it moved nothing.
    Declined {
        /// The id of the record of the decline.
        id: TransactionId,
        /// When it was accepted for processing.
        created_at: DateTime<Utc>,
        code: DeclineCode,
        /// For people.
        message: String,
    },
}

/// The body and the rows of a command's record.
pub(super) fn effect(action: &Action, postings: SmallVec<[Posting; 1]>) -> (Body, Vec<Rows>) {
    let Some(Posting { debit, credit, amount }) = postings.first().copied() else {
        return (Body::Postings(postings), Vec::new());
    };
    let nothing = || Body::Postings(SmallVec::new());
    match *action {
        Action::Post | Action::Exchange(_) => (Body::Postings(postings), Vec::new()),
        Action::Refund { payment, limit } => {
            (Body::Postings(postings), vec![Rows::Refund { payment, limit, given: amount }])
        }
        Action::Reverse { original, limit, ref undone } => {
            let mut rows = vec![Rows::Refund { payment: original, limit, given: limit }];
            rows.extend(undone.iter().map(|&(payment, given)| Rows::Undone { payment, given }));
            (Body::Postings(postings), rows)
        }
        Action::CardTopup => (nothing(), Vec::new()),
        Action::Hold { expires_at } | Action::Payout { expires_at } => {
            (nothing(), vec![Rows::Hold { debit, credit, amount, expires_at }])
        }
        Action::Capture { hold, voided } => {
            (Body::Postings(postings), vec![Rows::Take { hold, debit, credit, captured: amount, voided }])
        }
        Action::Void { hold } => {
            (nothing(), vec![Rows::Take { hold, debit, credit, captured: Amount::ZERO, voided: amount }])
        }
    }
}

/// What a command's record refers to, whether done or declined.
pub(super) fn follows(action: &Action) -> Follows {
    match *action {
        Action::Refund { payment, .. } => Follows::Refund(payment),
        Action::Reverse { original, .. } => Follows::Reversal(original),
        Action::Exchange(row) => Follows::Exchange(row),
        Action::Capture { hold, .. } | Action::Void { hold } => Follows::Hold(hold),
        Action::Post | Action::Hold { .. } | Action::Payout { .. } | Action::CardTopup => Follows::Nothing,
    }
}

/// The event of a command that is done, or declined; `None`: it has none.
pub(super) fn event(command: &Command, declined: bool) -> Option<EventType> {
    Some(match (command.api, &command.action) {
        (Api::PaymentV1, _) if declined => EventType::PaymentDeclined,
        (Api::PaymentV1, _) => EventType::PaymentAuthorized,
        _ if declined => EventType::TransactionDeclined,
        (_, Action::Hold { .. } | Action::Payout { .. }) => EventType::HoldAuthorized,
        (_, Action::Void { .. }) => EventType::HoldVoided,
        (_, Action::CardTopup) => return None, // nothing has moved yet
        (
            _,
            Action::Post
            | Action::Refund { .. }
            | Action::Reverse { .. }
            | Action::Exchange(_)
            | Action::Capture { .. },
        ) => EventType::TransactionPosted,
    })
}

/// The decline of a command that requests more than is left.
pub(super) fn exceeded(action: &Action) -> (DeclineCode, String) {
    match action {
        Action::Capture { hold, .. } | Action::Void { hold } => {
            (DeclineCode::HoldExceeded, format!("Less than that is left of hold {}", hold.0))
        }
        Action::Refund { payment, .. } => {
            (DeclineCode::RefundExceeded, format!("Less than that is left to refund of payment {}", payment.0))
        }
        Action::Reverse { original, .. } => (
            DeclineCode::RefundExceeded,
            format!("Transaction {}, or what it had undone, was given back already, in part or whole", original.0),
        ),
        Action::Post | Action::Exchange(_) | Action::Hold { .. } | Action::Payout { .. } | Action::CardTopup => {
            (DeclineCode::LimitExceeded, "More than there is".into())
        }
    }
}
