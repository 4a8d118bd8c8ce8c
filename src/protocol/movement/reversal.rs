//! What a transaction did is undone by its opposite: each posting the other way round, the last first.

use chrono::{DateTime, Utc};
use smallvec::SmallVec;

use super::Movement;
use crate::money::Amount;
use crate::protocol::record::{DeclineCode, Follows, Kind, Posting, RequestHash, Rows, TransactionId};

#[derive(Clone, Debug)]
pub struct Reversal {
    pub original: TransactionId,
    /// The amount of the original's first posting, against which refunds count too.
    pub limit: Amount,
    /// If the original gave something back itself: for each transaction whose count changes, how much less counts;
    /// negative: more.
    pub undone: SmallVec<[(TransactionId, Amount); 1]>,
}

impl Reversal {
    pub fn request(original: TransactionId, reference: Option<&str>) -> RequestHash {
        RequestHash::of(&[b"reverse", original.0.as_bytes(), reference.unwrap_or_default().as_bytes()])
    }
}

impl Movement for Reversal {
    fn kind(&self) -> Kind {
        Kind::REVERSAL
    }

    fn rows(&self, _: TransactionId, _: DateTime<Utc>, _: Posting) -> Vec<Rows> {
        let whole = Rows::Refund { payment: self.original, limit: self.limit, given: self.limit };
        let undone = self.undone.iter().map(|&(payment, given)| Rows::Undone { payment, given });
        [whole].into_iter().chain(undone).collect()
    }

    fn follows(&self) -> Follows {
        Follows::Reversal(self.original)
    }

    fn gives_back(&self, _: Amount) -> Option<(TransactionId, Amount)> {
        Some((self.original, self.limit))
    }

    fn exceeded(&self) -> (DeclineCode, String) {
        let text =
            format!("Transaction {}, or what it had undone, was given back already, in part or whole", self.original.0);
        (DeclineCode::RefundExceeded, text)
    }
}
