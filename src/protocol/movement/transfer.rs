//! Money moves from one account to another, whatever the reason is called.

use smallvec::{SmallVec, smallvec};

use super::Movement;
use crate::protocol::record::{Kind, RequestHash, RequestedPosting};

#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// One that can be posted directly, such as a payment or a fee.
    pub kind: Kind,
}

impl Transfer {
    /// All but the description counts.
    pub fn request(
        kind: Kind,
        postings: &[RequestedPosting],
        reference: Option<&str>,
        metadata: Option<&str>,
    ) -> RequestHash {
        let (kind, count) = (kind.code().to_le_bytes(), postings.len().to_le_bytes());
        let amounts: SmallVec<[[u8; 16]; 4]> =
            postings.iter().map(|posting| posting.amount.minor_units().to_le_bytes()).collect();
        let mut parts: SmallVec<[&[u8]; 16]> = smallvec![&kind[..], &count[..]];
        for (posting, amount) in postings.iter().zip(&amounts) {
            parts.extend([
                posting.debit.as_bytes(),
                posting.credit.as_bytes(),
                amount.as_slice(),
                posting.currency.as_bytes(),
            ]);
        }
        parts.extend([reference.unwrap_or_default().as_bytes(), metadata.unwrap_or_default().as_bytes()]);
        RequestHash::of(&parts)
    }
}

impl Movement for Transfer {
    fn kind(&self) -> Kind {
        self.kind
    }
}
