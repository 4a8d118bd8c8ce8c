//! What a hold has left is released, by a call, by a saga or because it expired. It posts nothing.

use chrono::{DateTime, Utc};

use super::{Approval, Movement};
use crate::money::Amount;
use crate::protocol::events::EventType;
use crate::protocol::record::{DeclineCode, Follows, Kind, Posting, RequestHash, Rows, TransactionId};

#[derive(Clone, Copy, Debug)]
pub struct Void {
    pub hold: TransactionId,
}

impl Void {
    pub fn request(hold: TransactionId, reference: Option<&str>) -> RequestHash {
        RequestHash::of(&[b"void", hold.0.as_bytes(), reference.unwrap_or_default().as_bytes()])
    }
}

impl Movement for Void {
    fn kind(&self) -> Kind {
        Kind::VOID
    }

    fn rows(&self, _: TransactionId, _: DateTime<Utc>, first: Posting) -> Vec<Rows> {
        let Posting { debit, credit, amount } = first;
        vec![Rows::Take { hold: self.hold, debit, credit, captured: Amount::ZERO, voided: amount }]
    }

    fn follows(&self) -> Follows {
        Follows::Hold(self.hold)
    }

    fn event(&self) -> Option<EventType> {
        Some(EventType::HoldVoided)
    }

    fn approval(&self) -> Approval {
        Approval::Payer
    }

    fn may_be_stale(&self) -> bool {
        true // how much it releases follows from what was left when that was read
    }

    fn exceeded(&self) -> (DeclineCode, String) {
        hold_exceeded(self.hold)
    }
}

/// The decline of what takes more from a hold than it has left.
pub(super) fn hold_exceeded(hold: TransactionId) -> (DeclineCode, String) {
    (DeclineCode::HoldExceeded, format!("Less than that is left of hold {}", hold.0))
}
