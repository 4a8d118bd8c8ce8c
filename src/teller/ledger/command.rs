//! Commands and their answers, in the words of no contract.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use smallvec::SmallVec;

use super::Deadline;
use crate::money::Amount;
use crate::protocol::events::EventType;
use crate::protocol::record::{Api, BalancesAfter, Body, DeclineCode, ExchangeRow, Follows, Kind, Maker, Posting, RequestHash, Rows, TransactionId};

/// A posting as asked for.
#[derive(Clone, Debug)]
pub struct PostingCommand {
    /// Who pays.
    pub debit: String,
    /// Who is paid.
    pub credit: String,
    /// How much, of any sign.
    pub amount: Amount,
    /// In which currency.
    pub currency: String,
    /// Decimals of that currency; 0 if it is none of ours.
    pub exponent: u8,
}

/// A transaction as asked for: every field is within its bounds, nothing else is known of it.
#[derive(Clone, Debug)]
pub struct Command {
    /// Whose it is.
    pub tenant: Arc<str>,
    /// Where it came in.
    pub api: Api,
    /// What it is.
    pub kind: Kind,
    /// The caller's key, if any.
    pub key: Option<String>,
    /// What makes a repeat the same request.
    pub request: RequestHash,
    /// At least one.
    pub postings: SmallVec<[PostingCommand; 1]>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's words.
    pub description: Option<String>,
    /// A JSON object of texts.
    pub metadata: Option<String>,
    /// The request's correlation id.
    pub correlation: Option<String>,
    /// Who makes it.
    pub maker: Maker,
    /// When it ends.
    pub deadline: Deadline,
    /// What it does with its postings.
    pub action: Action,
    /// A refusal for an account's own limits is an answer with an id, which binds the key.
    pub declines_bind: bool,
    /// The answer should have the balances after each posting.
    pub with_balances: bool,
}

/// Counts of what was given back that change, and by how much less.
pub type Undone = SmallVec<[(TransactionId, Amount); 1]>;

/// What a command does with its postings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Posts them.
    Post,
    /// Posts them, and counts them as given back of a payment.
    Refund {
        /// The payment.
        payment: TransactionId,
        /// The payment's amount.
        limit: Amount,
    },
    /// Posts them, and counts the transaction that they undo as given back whole.
    Reverse {
        /// The transaction.
        original: TransactionId,
        /// The amount of its first posting: what a refund counts against, too.
        limit: Amount,
        /// It was a refund itself, or a reversal: of these, so much may be given back again, or, below zero, no more.
        undone: Undone,
    },
    /// Posts them at this rate.
    Exchange(ExchangeRow),
    /// Holds the one posting's money.
    Hold {
        /// When what is left is let go.
        expires_at: DateTime<Utc>,
    },
    /// Holds the one posting's money, and starts the workflow that sends it out through a provider. The metadata have its `instrument`.
    Payout {
        /// When what is left is let go, whatever has become of the workflow.
        expires_at: DateTime<Utc>,
    },
    /// Starts the workflow that takes the one posting's money from a card. Nothing is moved yet; only the payee approves. The metadata as above.
    CardTopup,
    /// Posts them out of what is held, and lets so much more go.
    Capture {
        /// The hold.
        hold: TransactionId,
        /// What else is let go.
        voided: Amount,
    },
    /// Lets the one posting's money go.
    Void {
        /// The hold.
        hold: TransactionId,
    },
}

/// A business answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Durable.
    Completed {
        /// The transaction.
        id: TransactionId,
        /// When it was accepted.
        created_at: DateTime<Utc>,
        /// It was done before, under the same key.
        replayed: bool,
        /// After each posting, if they were wanted and are known without asking the database.
        balances: Option<Box<[BalancesAfter]>>,
    },
    /// Refused; the refusal is durable, and moved nothing.
    Declined {
        /// The record of the refusal.
        id: TransactionId,
        /// When.
        created_at: DateTime<Utc>,
        /// Why.
        code: DeclineCode,
        /// Why, in words.
        message: String,
    },
}

/// What a command writes.
pub(super) fn effect(action: &Action, postings: SmallVec<[Posting; 1]>) -> (Body, Vec<Rows>) {
    let Some(Posting { debit, credit, amount }) = postings.first().copied() else { return (Body::Postings(postings), Vec::new()) };
    let nothing = || Body::Postings(SmallVec::new());
    match *action {
        Action::Post | Action::Exchange(_) => (Body::Postings(postings), Vec::new()),
        Action::Refund { payment, limit } => (Body::Postings(postings), vec![Rows::Refund { payment, limit, given: amount }]),
        Action::Reverse { original, limit, ref undone } => {
            let mut rows = vec![Rows::Refund { payment: original, limit, given: limit }];
            rows.extend(undone.iter().map(|&(payment, given)| Rows::Undone { payment, given }));
            (Body::Postings(postings), rows)
        }
        Action::CardTopup => (nothing(), Vec::new()),
        Action::Hold { expires_at } | Action::Payout { expires_at } => (nothing(), vec![Rows::Hold { debit, credit, amount, expires_at }]),
        Action::Capture { hold, voided } => (Body::Postings(postings), vec![Rows::Take { hold, debit, credit, captured: amount, voided }]),
        Action::Void { hold } => (nothing(), vec![Rows::Take { hold, debit, credit, captured: Amount::ZERO, voided: amount }]),
    }
}

/// What a command follows from, done or declined.
pub(super) fn follows(action: &Action) -> Follows {
    match *action {
        Action::Refund { payment, .. } => Follows::Refund(payment),
        Action::Reverse { original, .. } => Follows::Reversal(original),
        Action::Exchange(row) => Follows::Exchange(row),
        Action::Capture { hold, .. } | Action::Void { hold } => Follows::Hold(hold),
        Action::Post | Action::Hold { .. } | Action::Payout { .. } | Action::CardTopup => Follows::Nothing,
    }
}

/// What Kafka hears of a command that is done, or declined.
pub(super) fn event(command: &Command, declined: bool) -> Option<EventType> {
    Some(match (command.api, &command.action) {
        (Api::PaymentV1, _) if declined => EventType::PaymentDeclined,
        (Api::PaymentV1, _) => EventType::PaymentAuthorized,
        _ if declined => EventType::TransactionDeclined,
        (_, Action::Hold { .. } | Action::Payout { .. }) => EventType::HoldAuthorized,
        (_, Action::Void { .. }) => EventType::HoldVoided,
        (_, Action::CardTopup) => return None, // nothing has moved yet
        (_, Action::Post | Action::Refund { .. } | Action::Reverse { .. } | Action::Exchange(_) | Action::Capture { .. }) => {
            EventType::TransactionPosted
        }
    })
}

/// Less is left than a command asks for.
pub(super) fn exceeded(action: &Action) -> (DeclineCode, String) {
    match action {
        Action::Capture { hold, .. } | Action::Void { hold } => (DeclineCode::HoldExceeded, format!("Less than that is left of hold {}", hold.0)),
        Action::Refund { payment, .. } => (DeclineCode::RefundExceeded, format!("Less than that is left to refund of payment {}", payment.0)),
        Action::Reverse { original, .. } => {
            (DeclineCode::RefundExceeded, format!("Transaction {}, or what it had undone, was given back already, in part or whole", original.0))
        }
        Action::Post | Action::Exchange(_) | Action::Hold { .. } | Action::Payout { .. } | Action::CardTopup => {
            (DeclineCode::LimitExceeded, "More than there is".into())
        }
    }
}
