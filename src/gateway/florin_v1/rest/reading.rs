//! Fields that several calls of this API have in common.

use crate::gateway::florin_v1::rest::requests::{
    AMOUNT, CURRENCY, DESCRIPTION, DESTINATION, KEY, METADATA, REFERENCE, SOURCE,
};
use crate::gateway::http::body::Object;
use crate::gateway::http::query::Query;
use crate::gateway::http::text::AmountText;
use crate::protocol::record::RequestedPosting;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::pages::{SIZE_DEFAULT, TOKEN_LENGTH};
use crate::teller::native::post::{self, Words};
use crate::teller::native::{fields, names};

/// Bytes of a time's text.
const TIME_MAX: usize = 64;

/// From whom to whom, and how much, as it was sent.
pub struct Asked {
    source: String,
    destination: String,
    amount: AmountText,
    currency: String,
}

/// Takes the fields of a posting.
pub fn posting(fields: &mut Object<'_>) -> Asked {
    Asked {
        source: fields.read(&SOURCE),
        destination: fields.read(&DESTINATION),
        amount: fields.read(&AMOUNT),
        currency: fields.read(&CURRENCY),
    }
}

impl Asked {
    /// Its currency's code.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// With its amount in the currency's minor unit; `prefix` stands before the field's name in what is said of it. The
    /// ledger was made to know the currency.
    ///
    /// # Errors
    /// `Invalid`: not a currency of this ledger, or an amount that it cannot carry.
    pub fn checked(self, ledger: &Ledger, prefix: &str) -> Result<RequestedPosting, Failure> {
        post::posting(ledger, prefix, (self.source, self.destination), &self.amount.text, self.currency)
    }
}

/// Takes the caller's key and reference.
pub fn words(fields: &mut Object<'_>) -> Words {
    Words { key: fields.read(&KEY), reference: fields.read(&REFERENCE), ..Words::default() }
}

/// Takes all of the caller's words.
pub fn all_words(fields: &mut Object<'_>) -> Words {
    let words = words(fields);
    let description = fields.read(&DESCRIPTION);
    let texts = fields.read(&METADATA);
    let metadata = fields.checked(fields::metadata(&texts)).flatten();
    Words { description, metadata, ..words }
}

/// Takes the times from when, and before when.
pub fn times(query: &mut Query, (from, to): (&str, &str)) -> fields::Times {
    let [start, end] = [from, to].map(|name| query.text(name, TIME_MAX).unwrap_or_default());
    fields::times((from, &start), (to, &end)).unwrap_or_else(|failure| {
        query.fault(failure.to_string());
        (None, None)
    })
}

/// Takes the size of a page and the token of where it begins.
pub fn page(query: &mut Query) -> (u32, String) {
    (
        query.number("limit", 1..=1_000, SIZE_DEFAULT, ""),
        query.text(names::PAGE_TOKEN.rest, TOKEN_LENGTH).unwrap_or_default(),
    )
}
