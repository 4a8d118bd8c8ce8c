//! Money of a payer is reserved for a payee. It posts nothing.

use chrono::{DateTime, Utc};

use super::{Approval, Movement, Transfer};
use crate::protocol::events::{EventType, timestamp};
use crate::protocol::record::{Kind, Posting, RequestHash, RequestedPosting, Rows, TransactionId};

#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// When what is left of it is released.
    pub expires_at: DateTime<Utc>,
}

impl Hold {
    /// `expires_at`: as requested; `None`: after the usual time.
    pub fn request(
        held: &RequestedPosting,
        expires_at: Option<DateTime<Utc>>,
        reference: Option<&str>,
        metadata: Option<&str>,
    ) -> RequestHash {
        let held = Transfer::request(Kind::HOLD, std::slice::from_ref(held), reference, metadata);
        RequestHash::of(&[held.0.as_bytes(), expires_at.map(timestamp).unwrap_or_default().as_bytes()])
    }
}

impl Movement for Hold {
    fn kind(&self) -> Kind {
        Kind::HOLD
    }

    fn rows(&self, _: TransactionId, _: DateTime<Utc>, first: Posting) -> Vec<Rows> {
        let Posting { debit, credit, amount } = first;
        vec![Rows::Hold { debit, credit, amount, expires_at: self.expires_at }]
    }

    fn event(&self) -> Option<EventType> {
        Some(EventType::HoldAuthorized)
    }

    fn approval(&self) -> Approval {
        Approval::Payer
    }
}
