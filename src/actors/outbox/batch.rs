//! From outbox rows to records: events as they are, what cannot be sent as shortened dead letters, in their place.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::messaging::producer::Outgoing;
use crate::messaging::topics::Topics;
use crate::protocol::events::{DeadLetter, EventType};
use crate::store::outbox::Row;

/// Why a row is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    pub reason: String,
    pub retries: u32,
}

/// What one row became: one record each.
pub(super) struct Item<'a> {
    pub row: &'a Row,
    pub event: Option<EventType>,
    pub dead: Option<Dead>,
    body: Cow<'a, str>,
}

impl Item<'_> {
    /// The metrics' label.
    pub fn label(&self) -> &'static str {
        self.event.map_or("unknown", EventType::name)
    }

    pub fn outgoing<'s>(&'s self, topics: &'s Topics) -> Outgoing<'s> {
        let topic = match (self.event, &self.dead) {
            (Some(event), None) => topics.of(event),
            _ => &topics.dead_letters,
        };
        Outgoing { topic, partition: None, key: &self.row.aggregate, body: &self.body }
    }
}

/// One item per row. A row whose event nobody knows is a dead letter, too.
pub(super) fn build<'a>(rows: &'a [Row], dead: &BTreeMap<i64, Dead>, now: DateTime<Utc>) -> Vec<Item<'a>> {
    rows.iter()
        .map(|row| {
            let event = EventType::from_code(row.event);
            let unknown = || event.is_none().then(|| Dead { reason: format!("invalid_record: there is no event {}", row.event), retries: 0 });
            let dead = dead.get(&row.id).cloned().or_else(unknown);
            let body = match &dead {
                None => Cow::Borrowed(row.body.as_str()),
                Some(dead) => {
                    let retry_count = i32::try_from(dead.retries).unwrap_or(i32::MAX);
                    let letter =
                        DeadLetter { event: row.event, aggregate: &row.aggregate, body: &row.body, retry_count, failed_at: now, error: &dead.reason };
                    Cow::Owned(letter.encode())
                }
            };
            Item { row, event, dead, body }
        })
        .collect()
}

/// Tells a row from another of the same id.
pub(super) fn hash(row: &Row) -> String {
    let mut hash = Sha256::new();
    hash.update(row.event.to_be_bytes());
    hash.update(row.aggregate.as_bytes());
    hash.update([0]);
    hash.update(row.body.as_bytes());
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}
