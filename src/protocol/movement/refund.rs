//! Money of a payment is given back, in part or in whole.

use chrono::{DateTime, Utc};

use super::Movement;
use crate::money::Amount;
use crate::protocol::record::{DeclineCode, Follows, Kind, Posting, RequestHash, Rows, TransactionId};

#[derive(Clone, Copy, Debug)]
pub struct Refund {
    pub payment: TransactionId,
    /// The payment's amount, which all refunds together never exceed.
    pub limit: Amount,
    /// Whether its amount is what was left of the payment when that was read.
    pub is_rest: bool,
    /// Whether it was read once only.
    pub is_doubtful: bool,
}

impl Refund {
    /// `amount`: as requested; `None`: all that was not given back yet.
    pub fn request(
        payment: TransactionId,
        amount: Option<Amount>,
        reference: Option<&str>,
        metadata: Option<&str>,
    ) -> RequestHash {
        let amount = amount.map(|amount| amount.minor_units().to_le_bytes());
        RequestHash::of(&[
            b"refund",
            payment.0.as_bytes(),
            amount.as_ref().map_or(&[], <[u8; 16]>::as_slice),
            reference.unwrap_or_default().as_bytes(),
            metadata.unwrap_or_default().as_bytes(),
        ])
    }
}

impl Movement for Refund {
    fn kind(&self) -> Kind {
        Kind::REFUND
    }

    fn rows(&self, _: TransactionId, _: DateTime<Utc>, first: Posting) -> Vec<Rows> {
        vec![Rows::Refund { payment: self.payment, limit: self.limit, given: first.amount }]
    }

    fn follows(&self) -> Follows {
        Follows::Refund(self.payment)
    }

    fn gives_back(&self, first: Amount) -> Option<(TransactionId, Amount)> {
        Some((self.payment, first))
    }

    fn may_be_stale(&self) -> bool {
        self.is_rest
    }

    fn is_amount_doubtful(&self) -> bool {
        self.is_doubtful
    }

    fn exceeded(&self) -> (DeclineCode, String) {
        let text = format!("Less than that is left to refund of payment {}", self.payment.0);
        (DeclineCode::RefundExceeded, text)
    }
}
