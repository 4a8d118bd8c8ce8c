//! Money leaves in one currency and arrives in another, over the house's clearing accounts: two postings.

use super::{Movement, Transfer};
use crate::money::Currency;
use crate::protocol::record::{ExchangeRow, Follows, Kind, RequestHash, RequestedPosting};

#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// The rate that it pins.
    pub rate: ExchangeRow,
}

impl Exchange {
    /// What arrives is not part of what was requested: a repeat hears what arrived then. `rate`: its number; `None`:
    /// the newest.
    pub fn request(
        paid: &RequestedPosting,
        to: Currency,
        rate: Option<i64>,
        reference: Option<&str>,
        metadata: Option<&str>,
    ) -> RequestHash {
        let paid = Transfer::request(Kind::FX, std::slice::from_ref(paid), reference, metadata);
        RequestHash::of(&[paid.0.as_bytes(), to.code.as_str().as_bytes(), &rate.unwrap_or_default().to_le_bytes()])
    }
}

impl Movement for Exchange {
    fn kind(&self) -> Kind {
        Kind::FX
    }

    fn follows(&self) -> Follows {
        Follows::Exchange(self.rate)
    }
}
