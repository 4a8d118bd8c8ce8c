//! How rows of the store are answered: amounts as decimal text with their currency's own decimals, times as text, names
//! of kinds and states. Each wire answers these structs and formats nothing: REST as they are, gRPC field by field.

mod account;
mod currency;
mod customer;
mod hold;
mod invoice;
mod mail;
mod operator;
mod rate;
mod saga;
mod transaction;

use std::collections::HashMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub use self::account::{Account, Entry};
pub use self::currency::{Currency, CurrencyType};
pub use self::customer::{All, Customer, Entity, TaxRate};
pub use self::hold::{Hold, HoldMade};
pub use self::invoice::{
    CreditedInvoice, CustomerPayment, DraftedInvoice, Invoice, InvoiceExchange, InvoiceLine, InvoicePayment,
    InvoiceTax, SettledInvoice, Settlement,
};
pub use self::mail::{Mail, SentInvoice};
pub use self::operator::OperatorAction;
pub use self::rate::Rate;
pub use self::saga::Saga;
pub use self::transaction::{Decline, PinnedRate, PostedTransaction, Posting, Transaction, TransactionStatus};
use crate::billing::invoice::Status as InvoiceStatus;
use crate::ledger::Status;
use crate::protocol::record::{AccountKind, DeclineCode, DocumentKind, NormalSide, SettlementKind};
use crate::store::holds::HoldState;
use crate::store::mails::documents::MailState;
use crate::teller::native::fields::metadata_map;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// Where the next page begins; null after the last.
    pub next_page_token: Option<String>,
}

impl<T> Page<T> {
    /// Of these rows, and the next page's token.
    pub fn of<R: Into<T>>(rows: Vec<R>, next_page_token: Option<String>) -> Self {
        Self { items: rows.into_iter().map(Into::into).collect(), next_page_token }
    }
}

/// A JSON object as it was stored; where there is none it shows as an empty one.
#[derive(Clone, Debug, Default)]
pub struct Metadata(Option<String>);

impl From<Option<String>> for Metadata {
    fn from(stored: Option<String>) -> Self {
        Self(stored)
    }
}

impl Metadata {
    /// As texts by name; values that are not texts are shown as JSON.
    pub fn texts(&self) -> HashMap<String, String> {
        metadata_map(self.0.as_deref())
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_deref().and_then(|text| serde_json::from_str::<&RawValue>(text).ok()) {
            Some(stored) => stored.serialize(serializer),
            None => serializer.serialize_map(Some(0))?.end(),
        }
    }
}

/// A value of a closed list, which texts call by its name.
trait Named: Copy {
    fn name(self) -> &'static str;
}

macro_rules! named {
    ($($type:ty),*) => { $(impl Named for $type { fn name(self) -> &'static str { <$type>::name(self) } })* };
}

named!(
    AccountKind,
    NormalSide,
    Status,
    HoldState,
    DeclineCode,
    CurrencyType,
    TransactionStatus,
    DocumentKind,
    SettlementKind,
    InvoiceStatus,
    MailState
);

/// Writes a value as its name.
fn name<T: Named, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_shows_as_it_was_stored_or_as_texts() {
        for (stored, shown, texts) in [
            (None, "{}", vec![]),
            (Some("no JSON"), "{}", vec![]),
            (Some(r#"{"a":"1"}"#), r#"{"a":"1"}"#, vec![("a", "1")]),
            (Some(r#"{"b":[1, true]}"#), r#"{"b":[1, true]}"#, vec![("b", "[1,true]")]),
        ] {
            let metadata = Metadata::from(stored.map(str::to_owned));
            assert_eq!(serde_json::to_string(&metadata).unwrap(), shown);
            let texts = texts.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
            assert_eq!(metadata.texts(), texts, "{stored:?}");
        }
    }
}
