//! One payment, with all that is to be written: hashes, id, event. Made the way Florin's gateway makes it, before any
//! connection is taken.

use chrono::{DateTime, Utc};
use florin::protocol::events::{Payload, PaymentAuthorized, envelope};
use florin::protocol::record::{Api, KeyHash, RequestHash, TransactionId, now_micros};
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

impl<'a> Command<'a> {
    /// Hashes, draws the id, encodes the event.
    #[must_use]
    pub fn new(key_text: &'a str, payer: &'a str, payee: &'a str, cents: i64, currency: &str) -> Self {
        let (id, at) = (TransactionId::draw().0, now_micros());
        let aggregate = Ulid(id.as_u128()).to_string();
        let payload = PaymentAuthorized {
            payment_id: &aggregate,
            payer_account_id: payer,
            payee_account_id: payee,
            amount_cents: cents,
            currency,
            description: None,
        };
        let body = envelope(Ulid(Uuid::now_v7().as_u128()), &aggregate, &Payload::Authorized(&payload), at, None);
        Self {
            key: KeyHash::of(Api::PaymentV1, "default", key_text).0,
            request: RequestHash::of(&[payer.as_bytes(), payee.as_bytes(), &cents.to_le_bytes(), currency.as_bytes()])
                .0,
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
