//! What an action writes beside its postings, and what it is called when there is less than it asks for.

use smallvec::SmallVec;

use super::Action;
use crate::money::Amount;
use crate::protocol::record::{Body, DeclineCode, Posting, Rows};

/// What a command writes.
pub(super) fn effect(action: Action, postings: SmallVec<[Posting; 1]>) -> (Body, Vec<Rows>) {
    let Some(Posting { debit, credit, amount }) = postings.first().copied() else { return (Body::Postings(postings), Vec::new()) };
    let nothing = || Body::Postings(SmallVec::new());
    match action {
        Action::Post => (Body::Postings(postings), Vec::new()),
        Action::Refund { payment, limit } => (Body::Postings(postings), vec![Rows::Refund { payment, limit, given: amount }]),
        Action::CardTopup => (nothing(), Vec::new()),
        Action::Hold { expires_at } | Action::Payout { expires_at } => (nothing(), vec![Rows::Hold { debit, credit, amount, expires_at }]),
        Action::Capture { hold, voided } => (Body::Postings(postings), vec![Rows::Take { hold, debit, captured: amount, voided }]),
        Action::Void { hold } => (nothing(), vec![Rows::Take { hold, debit, captured: Amount::ZERO, voided: amount }]),
    }
}

/// Less is left than a command asks for.
pub(in crate::gateway::ledger) fn exceeded(action: Action) -> (DeclineCode, String) {
    match action {
        Action::Capture { hold, .. } | Action::Void { hold } => (DeclineCode::HoldExceeded, format!("Less than that is left of hold {}", hold.0)),
        Action::Refund { payment, .. } => (DeclineCode::RefundExceeded, format!("Less than that is left to refund of payment {}", payment.0)),
        Action::Post | Action::Hold { .. } | Action::Payout { .. } | Action::CardTopup => (DeclineCode::LimitExceeded, "More than there is".into()),
    }
}
