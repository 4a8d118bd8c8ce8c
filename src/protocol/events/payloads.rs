//! The payloads, field by field as consumers read them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};

/// A payment that took effect.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PaymentAuthorized<'a> {
    /// ULID text.
    pub payment_id: &'a str,
    /// Who paid: free text as the caller gave it.
    pub payer_account_id: &'a str,
    /// Who was paid.
    pub payee_account_id: &'a str,
    /// In the currency's minor unit.
    pub amount_cents: i64,
    /// Currency code.
    pub currency: &'a str,
    /// Left out when the caller gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
}

/// A payment that was refused: what was asked, wrong as it may be, and why not.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PaymentDeclined<'a> {
    /// Left out where the answer carried none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<&'a str>,
    /// Who should have paid; the account need not exist.
    pub payer_account_id: &'a str,
    /// Who should have been paid; the account need not exist.
    pub payee_account_id: &'a str,
    /// As asked: may be zero or negative.
    pub amount_cents: i64,
    /// As asked.
    pub currency: &'a str,
    /// The refusal's code, such as `INSUFFICIENT_FUNDS`.
    pub error_code: &'a str,
    /// The refusal in words.
    pub error_message: &'a str,
}

/// A transaction with its postings: florin's own event.
#[derive(Clone, Copy, Debug)]
pub struct TransactionPayload<'a> {
    /// UUID text.
    pub transaction_id: &'a str,
    /// `payment`, `transfer`, ...
    pub kind: &'a str,
    /// Whether it took effect.
    pub outcome: Outcome<'a>,
    /// In order.
    pub postings: &'a [PostingPayload<'a>],
    /// The caller's reference.
    pub reference: Option<&'a str>,
    /// The caller's metadata; left out when empty.
    pub metadata: &'a BTreeMap<String, String>,
    /// What it follows from.
    pub follows: Follows<'a>,
}

/// What a transaction follows from.
#[derive(Clone, Copy, Debug)]
pub enum Follows<'a> {
    /// Nothing but its request.
    Nothing,
    /// It takes from this hold: UUID text.
    Hold(&'a str),
    /// It gives back this payment, in part or whole: UUID text.
    RefundOf(&'a str),
    /// It undoes this transaction: UUID text.
    Reverses(&'a str),
    /// It exchanges money at a rate.
    Exchange(RatePayload<'a>),
}

/// The rate that a transaction pins.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RatePayload<'a> {
    /// Its number.
    pub rate_id: i64,
    /// One unit of this currency
    pub base: &'a str,
    /// of this
    pub quote: &'a str,
    /// is so many, as decimal text.
    pub rate: &'a str,
}

/// A step of a hold that posts nothing: florin's own event. A capture is a transaction like any other.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HoldPayload<'a> {
    /// UUID text: the transaction that authorized it.
    pub hold_id: &'a str,
    /// UUID text: the transaction of this step.
    pub transaction_id: &'a str,
    /// Whose money.
    pub debit_account_id: &'a str,
    /// Who is to be paid.
    pub credit_account_id: &'a str,
    /// How much is promised, or let go.
    pub amount: &'a str,
    /// Currency code.
    pub currency: &'a str,
    /// When what is left is let go; none in the event of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<&'a str>,
    /// The caller's reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a str>,
}

/// Whether a transaction took effect.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// It did.
    Posted,
    /// It did not, and why.
    Declined {
        /// The refusal's code.
        code: &'a str,
        /// The refusal in words.
        message: &'a str,
    },
}

/// One posting of a transaction.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PostingPayload<'a> {
    /// Money leaves this account.
    pub debit_account_id: &'a str,
    /// And enters this one.
    pub credit_account_id: &'a str,
    /// Decimal text in the currency's unit, such as `12.50`.
    pub amount: &'a str,
    /// Currency code.
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
