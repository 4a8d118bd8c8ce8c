//! A payee is paid out of a hold.

use chrono::{DateTime, Utc};

use super::Movement;
use super::void::hold_exceeded;
use crate::money::Amount;
use crate::protocol::record::{DeclineCode, Follows, Kind, Posting, RequestHash, Rows, TransactionId};

#[derive(Clone, Copy, Debug)]
pub struct Capture {
    pub hold: TransactionId,
    /// What is released beside what is paid; zero: the rest stays held.
    pub voided: Amount,
    /// Whether all of it follows from what was left of the hold when that was read.
    pub is_rest: bool,
}

impl Capture {
    /// `amount`: as requested; `None`: all that is left. `is_last`: what is left afterwards is released.
    pub fn request(hold: TransactionId, amount: Option<Amount>, is_last: bool, reference: Option<&str>) -> RequestHash {
        let amount = amount.map(|amount| amount.minor_units().to_le_bytes());
        RequestHash::of(&[
            b"capture",
            hold.0.as_bytes(),
            amount.as_ref().map_or(&[], <[u8; 16]>::as_slice),
            &[u8::from(is_last)],
            reference.unwrap_or_default().as_bytes(),
        ])
    }
}

impl Movement for Capture {
    fn kind(&self) -> Kind {
        Kind::CAPTURE
    }

    fn rows(&self, _: TransactionId, _: DateTime<Utc>, first: Posting) -> Vec<Rows> {
        let Posting { debit, credit, amount } = first;
        vec![Rows::Take { hold: self.hold, debit, credit, captured: amount, voided: self.voided }]
    }

    fn follows(&self) -> Follows {
        Follows::Hold(self.hold)
    }

    fn may_be_stale(&self) -> bool {
        self.is_rest
    }

    fn exceeded(&self) -> (DeclineCode, String) {
        hold_exceeded(self.hold)
    }
}
