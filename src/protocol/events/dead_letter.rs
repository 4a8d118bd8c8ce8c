//! The record that stands on the dead-letter topic for an event that Kafka refused: the envelope, shortened, and why.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{EventNumber, EventType, timestamp};

/// Texts longer than this are cut, in characters.
const TEXT_CHARS_MAX: usize = 256;
/// Lists and maps longer than this are cut, in items.
const ITEMS_MAX: usize = 16;
/// What is nested deeper than this is left out.
const DEPTH_MAX: usize = 4;
/// A payload that is longer than this even when cut is left out, in bytes.
const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// The body of an event that cannot be read.
pub const NOTHING: &str = "{}";
/// How the reason begins where an event's amounts may be wrong.
pub const SUSPECT: &str = "quarantine";

/// What the dead-letter topic says of an event that could not be published.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    pub event: EventNumber,
    pub aggregate: &'a str,
    /// The whole event, as it should have been published.
    pub body: &'a str,
    pub retry_count: i32,
    pub failed_at: DateTime<Utc>,
    pub error: &'a str,
}

impl DeadLetter<'_> {
    /// Writes the record as JSON: small and an envelope whatever the event looked like. The database keeps the whole
    /// body.
    pub fn encode(&self) -> String {
        let body: Map<String, Value> = serde_json::from_str(self.body).unwrap_or_default();
        let text = |field: &str, other: &str| body.get(field).and_then(Value::as_str).map_or_else(|| cut(other), cut);
        let failed_at = timestamp(self.failed_at);
        let payload = body
            .get("payload")
            .filter(|payload| payload.is_object())
            .map_or_else(|| json!({}), |payload| shorten(payload, DEPTH_MAX));
        let payload = if payload.to_string().len() > PAYLOAD_BYTES_MAX { json!({}) } else { payload };
        json!({
            "event_id": text("event_id", &ulid::Ulid::nil().to_string()),
            "aggregate_type": text("aggregate_type", self.event.known().map_or("unknown", EventType::aggregate_type)),
            "aggregate_id": text("aggregate_id", self.aggregate),
            "event_type": text("event_type", self.event.name()),
            "payload": payload,
            "timestamp": text("timestamp", &failed_at),
            "retry_count": self.retry_count,
            "failed_at": failed_at,
            "error": cut(self.error),
        })
        .to_string()
    }
}

fn shorten(value: &Value, depth: usize) -> Value {
    match value {
        Value::String(text) => Value::String(cut(text)),
        Value::Array(_) | Value::Object(_) if depth == 0 => Value::Null,
        Value::Array(items) => items.iter().take(ITEMS_MAX).map(|item| shorten(item, depth - 1)).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().take(ITEMS_MAX).map(|(key, item)| (cut(key), shorten(item, depth - 1))).collect())
        }
        other => other.clone(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
