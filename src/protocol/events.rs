//! Events: their names, their topics and their form on the wire.
//!
//! The journal keeps only which event a transaction has. [`render`] makes the event from the journal's rows, for Kafka
//! and for live streams. The schemas in `schemas/` describe every shape. Nothing may be added to the payment events:
//! they are a contract.

mod accounts;
mod dead_letter;
mod invoices;
mod payloads;
mod render;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use ulid::Ulid;

pub use accounts::{AccountChanged, AccountCreated, GuardsText};
pub use dead_letter::{DeadLetter, NOTHING, SUSPECT};
pub use invoices::{
    BillingFacts, DocumentFacts, DocumentIssued, InvoicePaymentFailed, InvoicesSettled, SettlementFacts,
};
pub use payloads::{
    Follows, HoldPayload, Outcome, PaymentAuthorized, PaymentDeclined, PostingPayload, RatePayload, TransactionPayload,
};
pub use render::{Named, Unreadable, event_id, render};

/// The journal keeps its number, which therefore never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    PaymentAuthorized = 1,
    PaymentDeclined = 2,
    /// A transaction took effect: Florin's own event, with all postings.
    TransactionPosted = 3,
    /// A transaction was declined: Florin's own event, with all postings.
    TransactionDeclined = 4,
    /// Money was reserved for a payee: nothing was posted.
    HoldAuthorized = 5,
    /// A hold's rest was released, by a call or because it expired: nothing was posted.
    HoldVoided = 6,
    AccountCreated = 7,
    /// An account's status, floor or ceiling changed.
    AccountChanged = 8,
    /// An invoice was issued.
    InvoiceIssued = 9,
    /// A credit note was issued, and credits its invoice.
    CreditNoteIssued = 10,
    /// Invoices were paid, in part or in whole.
    InvoicePaid = 11,
    /// What an invoice posted was undone.
    InvoiceVoided = 12,
    /// What was due of an invoice was given up.
    InvoiceWrittenOff = 13,
    /// Nobody expects an invoice to be paid any more.
    InvoiceUncollectible = 14,
    /// An invoice was not paid in time.
    InvoiceOverdue = 15,
    /// A payment of invoices was declined: it moved nothing.
    InvoicePaymentFailed = 16,
}

/// The number of an event, as the journal and dead letters keep it. That of a newer Florin may be unknown to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventNumber(pub i16);

impl EventNumber {
    /// `None`: this version knows no such event.
    pub fn known(self) -> Option<EventType> {
        EventType::from_code(self.0)
    }

    /// The name of the event; `unknown` if there is none.
    pub fn name(self) -> &'static str {
        self.known().map_or("unknown", EventType::name)
    }
}

impl EventType {
    pub const ALL: [Self; 16] = [
        Self::PaymentAuthorized,
        Self::PaymentDeclined,
        Self::TransactionPosted,
        Self::TransactionDeclined,
        Self::HoldAuthorized,
        Self::HoldVoided,
        Self::AccountCreated,
        Self::AccountChanged,
        Self::InvoiceIssued,
        Self::CreditNoteIssued,
        Self::InvoicePaid,
        Self::InvoiceVoided,
        Self::InvoiceWrittenOff,
        Self::InvoiceUncollectible,
        Self::InvoiceOverdue,
        Self::InvoicePaymentFailed,
    ];

    /// All that share a topic.
    pub fn of(stream: Stream) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |event| event.stream() == stream)
    }

    pub const fn code(self) -> i16 {
        match self {
            Self::PaymentAuthorized => 1,
            Self::PaymentDeclined => 2,
            Self::TransactionPosted => 3,
            Self::TransactionDeclined => 4,
            Self::HoldAuthorized => 5,
            Self::HoldVoided => 6,
            Self::AccountCreated => 7,
            Self::AccountChanged => 8,
            Self::InvoiceIssued => 9,
            Self::CreditNoteIssued => 10,
            Self::InvoicePaid => 11,
            Self::InvoiceVoided => 12,
            Self::InvoiceWrittenOff => 13,
            Self::InvoiceUncollectible => 14,
            Self::InvoiceOverdue => 15,
            Self::InvoicePaymentFailed => 16,
        }
    }

    /// `None`: no event has this number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.code() == code)
    }

    /// The name in the envelope's `event_type`, and the metrics' label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PaymentAuthorized => "PaymentAuthorized",
            Self::PaymentDeclined => "PaymentDeclined",
            Self::TransactionPosted => "TransactionPosted",
            Self::TransactionDeclined => "TransactionDeclined",
            Self::HoldAuthorized => "HoldAuthorized",
            Self::HoldVoided => "HoldVoided",
            Self::AccountCreated => "AccountCreated",
            Self::AccountChanged => "AccountChanged",
            Self::InvoiceIssued => "InvoiceIssued",
            Self::CreditNoteIssued => "CreditNoteIssued",
            Self::InvoicePaid => "InvoicePaid",
            Self::InvoiceVoided => "InvoiceVoided",
            Self::InvoiceWrittenOff => "InvoiceWrittenOff",
            Self::InvoiceUncollectible => "InvoiceUncollectible",
            Self::InvoiceOverdue => "InvoiceOverdue",
            Self::InvoicePaymentFailed => "InvoicePaymentFailed",
        }
    }

    /// The kind of thing that it happened to, for the envelope.
    pub const fn aggregate_type(self) -> &'static str {
        match self {
            Self::PaymentAuthorized | Self::PaymentDeclined => "Payment",
            Self::TransactionPosted | Self::TransactionDeclined => "Transaction",
            Self::HoldAuthorized | Self::HoldVoided => "Hold",
            Self::AccountCreated | Self::AccountChanged => "Account",
            Self::InvoiceIssued
            | Self::CreditNoteIssued
            | Self::InvoicePaid
            | Self::InvoiceVoided
            | Self::InvoiceWrittenOff
            | Self::InvoiceUncollectible
            | Self::InvoiceOverdue
            | Self::InvoicePaymentFailed => "Invoice",
        }
    }

    /// The topic that it is published on.
    pub const fn stream(self) -> Stream {
        match self {
            Self::PaymentAuthorized => Stream::Payments("paymentauthorized"),
            Self::PaymentDeclined => Stream::Payments("paymentdeclined"),
            Self::TransactionPosted
            | Self::TransactionDeclined
            | Self::HoldAuthorized
            | Self::HoldVoided
            | Self::AccountCreated
            | Self::AccountChanged => Stream::Transactions,
            Self::InvoiceIssued
            | Self::CreditNoteIssued
            | Self::InvoicePaid
            | Self::InvoiceVoided
            | Self::InvoiceWrittenOff
            | Self::InvoiceUncollectible
            | Self::InvoiceOverdue
            | Self::InvoicePaymentFailed => Stream::Invoices,
        }
    }
}

/// Events that share a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Events of payment.v1, each on a topic of its own: the part of its name after the prefix.
    Payments(&'static str),
    /// Florin's own events of money and accounts.
    Transactions,
    /// Florin's own events of billing.
    Invoices,
}

/// The payload of an event, which also says which event it is.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    Authorized(&'a PaymentAuthorized<'a>),
    Declined(&'a PaymentDeclined<'a>),
    /// The payload's `outcome` says whether it was posted or declined.
    Transaction(&'a TransactionPayload<'a>),
    /// A hold was opened or voided: `expires_at` says which.
    Hold(&'a HoldPayload<'a>),
    AccountCreated(&'a AccountCreated<'a>),
    AccountChanged(&'a AccountChanged<'a>),
    DocumentIssued(EventType, &'a DocumentIssued),
    InvoicesSettled(EventType, &'a InvoicesSettled),
    InvoicePaymentFailed(&'a InvoicePaymentFailed),
}

impl Payload<'_> {
    pub const fn event(&self) -> EventType {
        match self {
            Self::Authorized(_) => EventType::PaymentAuthorized,
            Self::Declined(_) => EventType::PaymentDeclined,
            Self::Transaction(TransactionPayload { outcome: Outcome::Posted, .. }) => EventType::TransactionPosted,
            Self::Transaction(TransactionPayload { outcome: Outcome::Declined { .. }, .. }) => {
                EventType::TransactionDeclined
            }
            Self::Hold(HoldPayload { expires_at: Some(_), .. }) => EventType::HoldAuthorized,
            Self::Hold(HoldPayload { expires_at: None, .. }) => EventType::HoldVoided,
            Self::AccountCreated(_) => EventType::AccountCreated,
            Self::AccountChanged(_) => EventType::AccountChanged,
            Self::DocumentIssued(event, _) | Self::InvoicesSettled(event, _) => *event,
            Self::InvoicePaymentFailed(_) => EventType::InvoicePaymentFailed,
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a, P> {
    event_id: &'a str,
    aggregate_type: &'static str,
    aggregate_id: &'a str,
    event_type: &'static str,
    payload: P,
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
}

/// Writes the whole envelope as JSON; `aggregate` is the message key. `correlation` is given for Florin's own events
/// only: nothing may be added to the payment events.
///
/// # Panics
/// Never: texts, integers and maps of texts always encode.
pub fn envelope(
    id: Ulid,
    aggregate: &str,
    payload: &Payload<'_>,
    at: DateTime<Utc>,
    correlation: Option<&str>,
) -> String {
    let (event, mut buffer, timestamp) = (payload.event(), [0; ulid::ULID_LEN], timestamp(at));
    let id: &str = id.array_to_str(&mut buffer);
    match payload {
        Payload::Authorized(payload) => write(event, id, aggregate, payload, &timestamp, correlation),
        Payload::Declined(payload) => write(event, id, aggregate, payload, &timestamp, correlation),
        Payload::Transaction(payload) => write(event, id, aggregate, payload, &timestamp, correlation),
        Payload::Hold(payload) => write(event, id, aggregate, payload, &timestamp, correlation),
        Payload::AccountCreated(payload) => write(event, id, aggregate, payload, &timestamp, correlation),
        Payload::AccountChanged(payload) => write(event, id, aggregate, payload, &timestamp, correlation),
        Payload::DocumentIssued(_, payload) => write(event, id, aggregate, payload, &timestamp, correlation),
        Payload::InvoicesSettled(_, payload) => write(event, id, aggregate, payload, &timestamp, correlation),
        Payload::InvoicePaymentFailed(payload) => write(event, id, aggregate, payload, &timestamp, correlation),
    }
}

/// A time as every event writes it: RFC 3339 with microseconds and `+00:00`.
pub fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, false)
}

fn write(
    event: EventType,
    id: &str,
    aggregate: &str,
    payload: impl Serialize,
    timestamp: &str,
    correlation_id: Option<&str>,
) -> String {
    let (aggregate_type, event_type) = (event.aggregate_type(), event.name());
    let envelope = Envelope {
        event_id: id,
        aggregate_type,
        aggregate_id: aggregate,
        event_type,
        payload,
        timestamp,
        correlation_id,
    };
    let mut text = Vec::with_capacity(512);
    serde_json::to_writer(&mut text, &envelope).expect("texts and integers encode");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// Metadata as a map of texts. Over REST it may be any JSON object: values that are not texts are shown as JSON, with
/// numbers digit by digit as they were sent.
pub fn metadata_texts(json: Option<&str>) -> BTreeMap<String, String> {
    let Some(json) = json else { return BTreeMap::new() };
    let object: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
    let text = |value: &RawValue| serde_json::from_str(value.get()).unwrap_or_else(|_| without_blanks(value.get()));
    object.into_iter().map(|(key, value)| (key, text(value))).collect()
}

/// JSON without the blanks between its parts; those in its texts stay.
fn without_blanks(json: &str) -> String {
    let (mut in_text, mut is_escaped) = (false, false);
    let stays = |c: &char| {
        let ends_or_begins = *c == '"' && !is_escaped;
        is_escaped = in_text && *c == '\\' && !is_escaped;
        in_text ^= ends_or_begins;
        in_text || !c.is_ascii_whitespace()
    };
    json.chars().filter(stays).collect()
}

#[cfg(test)]
mod tests;
