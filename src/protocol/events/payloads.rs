//! The payloads, field by field as consumers read them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};

#[derive(Clone, Copy, Debug, Serialize)]
pub struct PaymentAuthorized<'a> {
    /// ULID text.
    pub payment_id: &'a str,
    /// The id of the account that paid, as callers use it.
    pub payer_account_id: &'a str,
    /// The id of the account that was paid.
    pub payee_account_id: &'a str,
    /// In the currency's minor units.
    pub amount_cents: i64,
    pub currency: &'a str,
    /// Left out when the caller gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
}

/// A payment that was declined, with the request as it was, wrong as it may be.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PaymentDeclined<'a> {
    /// `None`, and then left out, where the answer to the caller carried none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<&'a str>,
    /// May be the id of no account.
    pub payer_account_id: &'a str,
    /// May be the id of no account.
    pub payee_account_id: &'a str,
    /// As requested, in minor units: may be zero or negative.
    pub amount_cents: i64,
    /// As requested: may be no currency.
    pub currency: &'a str,
    /// Such as `INSUFFICIENT_FUNDS`.
    pub error_code: &'a str,
    /// For people.
    pub error_message: &'a str,
}

/// A transaction with its postings; Florin's own event.
#[derive(Clone, Copy, Debug)]
pub struct TransactionPayload<'a> {
    /// UUID text.
    pub transaction_id: &'a str,
    /// The name of a [`Kind`](crate::protocol::record::Kind), such as `payment` or `transfer`.
    pub kind: &'a str,
    pub outcome: Outcome<'a>,
    /// In the order of the request.
    pub postings: &'a [PostingPayload<'a>],
    /// Free text of the caller.
    pub reference: Option<&'a str>,
    /// Left out when empty.
    pub metadata: &'a BTreeMap<String, String>,
    pub follows: Follows<'a>,
}

/// The transaction, hold or rate that a transaction refers to.
#[derive(Clone, Copy, Debug)]
pub enum Follows<'a> {
    Nothing,
    /// It captures this hold: UUID text.
    Hold(&'a str),
    /// It refunds this payment, in part or in whole: UUID text.
    RefundOf(&'a str),
    /// It undoes this transaction: UUID text.
    Reverses(&'a str),
    /// It exchanges money at this rate.
    Exchange(RatePayload<'a>),
}

/// The exchange rate of a transaction: one unit of `base` is `rate` units of `quote`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RatePayload<'a> {
    /// The rate's number in the database.
    pub rate_id: i64,
    /// Currency code.
    pub base: &'a str,
    /// Currency code.
    pub quote: &'a str,
    /// Decimal text.
    pub rate: &'a str,
}

/// A step of a hold that posts nothing; Florin's own event. A capture is a transaction like any other.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HoldPayload<'a> {
    /// UUID text: the transaction that authorized it.
    pub hold_id: &'a str,
    /// UUID text: the transaction of this step.
    pub transaction_id: &'a str,
    /// The account whose money is held.
    pub debit_account_id: &'a str,
    /// The payee for whom it is held.
    pub credit_account_id: &'a str,
    /// What is held, or released, as decimal text in the currency's unit.
    pub amount: &'a str,
    pub currency: &'a str,
    /// When the hold's rest is released by itself; `None` in the event of a void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<&'a str>,
    /// Free text of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a str>,
}

#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    Posted,
    Declined {
        /// Such as `INSUFFICIENT_FUNDS`.
        code: &'a str,
        /// For people.
        message: &'a str,
    },
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct PostingPayload<'a> {
    /// The account that money leaves.
    pub debit_account_id: &'a str,
    /// The account at which it arrives.
    pub credit_account_id: &'a str,
    /// Decimal text in the currency's unit, such as `12.50`.
    pub amount: &'a str,
    pub currency: &'a str,
}

impl Serialize for TransactionPayload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("transaction_id", self.transaction_id)?;
        map.serialize_entry("kind", self.kind)?;
        map.serialize_entry("postings", self.postings)?;
        if let Some(reference) = self.reference {
            map.serialize_entry("reference", reference)?;
        }
        if !self.metadata.is_empty() {
            map.serialize_entry("metadata", self.metadata)?;
        }
        match self.follows {
            Follows::Nothing => {}
            Follows::Hold(id) => map.serialize_entry("hold_id", id)?,
            Follows::RefundOf(id) => map.serialize_entry("refund_of", id)?,
            Follows::Reverses(id) => map.serialize_entry("reverses", id)?,
            Follows::Exchange(rate) => map.serialize_entry("exchange", &rate)?,
        }
        if let Outcome::Declined { code, message } = self.outcome {
            map.serialize_entry("error_code", code)?;
            map.serialize_entry("error_message", message)?;
        }
        map.end()
    }
}
