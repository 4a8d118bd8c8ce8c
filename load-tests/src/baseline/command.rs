//! One payment, with all that is to be written: hashes, id, event. Made with the same work and the same text as
//! Florin's, before any connection is taken.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use ulid::Ulid;
use uuid::Uuid;

/// One payment to be written.
pub struct Command<'a> {
    /// What must be unique.
    pub key: Uuid,
    /// What was asked.
    pub request: Uuid,
    /// The payment.
    pub id: Uuid,
    /// The caller's key.
    pub key_text: &'a str,
    /// Who pays.
    pub payer: &'a str,
    /// Who is paid.
    pub payee: &'a str,
    /// How much, in minor units.
    pub cents: i64,
    /// The event's key: the payment's id as ULID text.
    pub aggregate: String,
    /// The event, as Florin writes it.
    pub body: String,
    /// Now.
    pub at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Event<'a> {
    event_id: String,
    aggregate_type: &'static str,
    aggregate_id: &'a str,
    event_type: &'static str,
    payload: Payload<'a>,
    timestamp: String,
}

#[derive(Serialize)]
struct Payload<'a> {
    payment_id: &'a str,
    payer_account_id: &'a str,
    payee_account_id: &'a str,
    amount_cents: i64,
    currency: &'a str,
}

impl<'a> Command<'a> {
    /// Hashes, draws the id, encodes the event.
    ///
    /// # Panics
    /// Never: texts and integers always encode.
    #[must_use]
    pub fn new(key_text: &'a str, payer: &'a str, payee: &'a str, cents: i64, currency: &str) -> Self {
        let (id, at) = (Uuid::now_v7(), Utc::now());
        let aggregate = Ulid(id.as_u128()).to_string();
        let event = Event {
            event_id: Ulid(Uuid::now_v7().as_u128()).to_string(),
            aggregate_type: "Payment",
            aggregate_id: &aggregate,
            event_type: "PaymentAuthorized",
            payload: Payload {
                payment_id: &aggregate,
                payer_account_id: payer,
                payee_account_id: payee,
                amount_cents: cents,
                currency,
            },
            timestamp: timestamp(at),
        };
        let body = serde_json::to_string(&event).expect("texts and integers encode");
        Self {
            key: hash(&[&[1], b"default", key_text.as_bytes()]), // API and tenant, too
            request: hash(&[payer.as_bytes(), payee.as_bytes(), &cents.to_le_bytes(), currency.as_bytes()]),
            id,
            key_text,
            payer,
            payee,
            cents,
            aggregate,
            body,
            at,
        }
    }
}

/// A time as payment.v1 and the events write it.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// The first 128 bits of the SHA-256 of all parts, each after its length.
fn hash(parts: &[&[u8]]) -> Uuid {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        sha.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&sha.finalize()[..16]);
    Uuid::from_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_one_of_florins() {
        let schema = serde_json::from_str(include_str!("../../../schemas/payment-authorized.json")).unwrap();
        let schema = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
        let command = Command::new("key", "load-1", "load-2", 12_50, "USD");
        let event: serde_json::Value = serde_json::from_str(&command.body).unwrap();
        let errors: Vec<_> = schema.iter_errors(&event).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} in {event}");
        assert_eq!(event["payload"]["payment_id"], command.aggregate.as_str());
    }
}
