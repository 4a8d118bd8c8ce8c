//! What Kafka hears of transactions that are not payments: florin's own, richer form.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use smallvec::SmallVec;
use ulid::Ulid;
use uuid::Uuid;

use super::ledger::{Action, Command};
use crate::protocol::events::{Event, Follows, HoldPayload, Outcome, Payload, PostingPayload, RatePayload, TransactionPayload, timestamp};
use crate::protocol::record::{DeclineCode, TransactionId};

/// A fresh event's id.
pub fn event_id() -> Ulid {
    Ulid(Uuid::now_v7().as_u128())
}

/// Metadata as a map of texts; what came over REST may be any JSON object: then values that are no texts are shown as JSON.
pub fn metadata_texts(json: Option<&str>) -> BTreeMap<String, String> {
    let object: serde_json::Map<String, serde_json::Value> = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let text = |value| if let serde_json::Value::String(text) = value { text } else { value.to_string() };
    object.into_iter().map(|(key, value)| (key, text(value))).collect()
}

/// It took effect.
pub fn posted(command: &Command, id: TransactionId, at: DateTime<Utc>) -> Event {
    match command.action {
        Action::Hold { expires_at } | Action::Payout { expires_at } => hold(command, id, id, Some(&timestamp(expires_at)), at),
        Action::Void { hold: held } => hold(command, held, id, None, at),
        Action::Post | Action::Refund { .. } | Action::Reverse { .. } | Action::Exchange(_) | Action::Capture { .. } | Action::CardTopup => {
            transaction(command, id, at, Outcome::Posted)
        }
    }
}

/// A step of a hold: events of one hold keep their order.
fn hold(command: &Command, hold: TransactionId, id: TransactionId, expires_at: Option<&str>, at: DateTime<Utc>) -> Event {
    let (posting, hold_text, id_text) = (&command.postings[0], hold.0.to_string(), id.0.to_string());
    let payload = HoldPayload {
        hold_id: &hold_text,
        transaction_id: &id_text,
        debit_account_id: &posting.debit,
        credit_account_id: &posting.credit,
        amount: &posting.amount.text(posting.exponent),
        currency: &posting.currency,
        expires_at,
        reference: command.reference.as_deref(),
    };
    Event::caused(event_id(), &Ulid(hold.0.as_u128()).to_string(), &Payload::Hold(&payload), at, command.correlation.as_deref())
}

/// It was refused.
pub fn declined(command: &Command, id: TransactionId, at: DateTime<Utc>, code: DeclineCode, message: &str) -> Event {
    transaction(command, id, at, Outcome::Declined { code: code.name(), message })
}

fn transaction(command: &Command, id: TransactionId, at: DateTime<Utc>, outcome: Outcome<'_>) -> Event {
    let amounts: SmallVec<[String; 4]> = command.postings.iter().map(|posting| posting.amount.text(posting.exponent)).collect();
    let postings = command.postings.iter().zip(&amounts).map(|(posting, amount)| PostingPayload {
        debit_account_id: &posting.debit,
        credit_account_id: &posting.credit,
        amount,
        currency: &posting.currency,
    });
    let postings: SmallVec<[PostingPayload<'_>; 4]> = postings.collect();
    let metadata: BTreeMap<String, String> = metadata_texts(command.metadata.as_deref());
    let text_id = id.0.to_string();
    let (original, rate): (String, String);
    let follows = match &command.action {
        Action::Refund { payment, .. } => {
            original = payment.0.to_string();
            Follows::RefundOf(&original)
        }
        Action::Reverse { original: reversed, .. } => {
            original = reversed.0.to_string();
            Follows::Reverses(&original)
        }
        Action::Exchange(row) => {
            rate = row.rate.to_string();
            Follows::Exchange(RatePayload { rate_id: row.rate_id, base: row.base.as_str(), quote: row.quote.as_str(), rate: &rate })
        }
        Action::Post | Action::Hold { .. } | Action::Capture { .. } | Action::Void { .. } | Action::Payout { .. } | Action::CardTopup => {
            Follows::Nothing
        }
    };
    let payload = TransactionPayload {
        transaction_id: &text_id,
        kind: command.kind.as_str(),
        outcome,
        postings: &postings,
        reference: command.reference.as_deref(),
        metadata: &metadata,
        follows,
    };
    Event::caused(event_id(), &Ulid(id.0.as_u128()).to_string(), &Payload::Transaction(&payload), at, command.correlation.as_deref())
}
