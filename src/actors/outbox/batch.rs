//! Turns events into records: as they are, or, if they cannot be sent, as shortened dead letters in their place.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::messaging::producer::Outgoing;
use crate::messaging::topics::Topics;
use crate::protocol::events::{DeadLetter, EventType, NOTHING, SUSPECT, Stream};
use crate::store::live::JournalEvent;
use crate::store::outbox::Letter;

/// Why an event is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    pub reason: String,
    pub retries: u32,
}

/// One event, and the record that is sent for it.
pub(super) struct Item<'a> {
    pub source: &'a JournalEvent,
    pub event: Option<EventType>,
    pub dead: Option<Dead>,
    key: Cow<'a, str>,
    /// The event as it should have been published.
    whole: &'a str,
    /// What is published.
    body: Cow<'a, str>,
}

impl Item<'_> {
    /// The label of metrics.
    pub fn label(&self) -> &'static str {
        self.source.number.name()
    }

    pub fn outgoing<'s>(&'s self, topics: &'s Topics) -> Outgoing<'s> {
        let topic = match (self.event, &self.dead) {
            (Some(event), None) => topics.of(event),
            _ => &topics.dead_letters,
        };
        let is_contract = |event: EventType| matches!(event.stream(), Stream::Payments(_));
        let is_own = self.dead.is_none() && self.event.is_some_and(|event| !is_contract(event));
        Outgoing {
            topic,
            partition: None,
            key: Some(&self.key),
            body: &self.body,
            tenant: is_own.then_some(self.source.tenant.as_str()),
        }
    }

    /// What the topic of the orders contract gets beside it, without keys and headers; nothing for a dead letter.
    pub fn copies<'s>(&'s self, topics: &'s Topics) -> impl Iterator<Item = Outgoing<'s>> {
        let copies = match (&self.source.event, &self.dead) {
            (Ok(event), None) => event.copies.as_slice(),
            _ => &[],
        };
        copies.iter().map(|body| Outgoing { topic: &topics.billing, partition: None, key: None, body, tenant: None })
    }

    /// As PostgreSQL keeps it, if it is a dead letter.
    pub fn letter<'s>(&'s self, error: &'s str, retry_count: i32) -> Letter<'s> {
        let JournalEvent { seq, tenant, number, .. } = self.source;
        Letter { seq: *seq, tenant, event: *number, aggregate: &self.key, body: self.whole, error, retry_count }
    }
}

/// One item per event. An event that cannot be read becomes a dead letter too.
pub(super) fn build<'a>(source: &'a [JournalEvent], dead: &BTreeMap<i64, Dead>, now: DateTime<Utc>) -> Vec<Item<'a>> {
    source
        .iter()
        .map(|source| {
            let event = source.number.known();
            let (key, whole) = match &source.event {
                Ok(event) => (Cow::Borrowed(&*event.key), &*event.body),
                Err(_) => (Cow::Owned(source.transaction.to_string()), NOTHING),
            };
            let unreadable =
                || source.event.as_ref().err().map(|why| Dead { reason: format!("invalid_record: {why}"), retries: 0 });
            let suspect = || {
                source
                    .suspect
                    .map(|account| Dead { reason: format!("{SUSPECT}: account {account} is suspect"), retries: 0 })
            };
            let dead = dead.get(&source.seq).cloned().or_else(unreadable).or_else(suspect);
            let body = match &dead {
                None => Cow::Borrowed(whole),
                Some(dead) => {
                    let retry_count = i32::try_from(dead.retries).unwrap_or(i32::MAX);
                    let letter = DeadLetter {
                        event: source.number,
                        aggregate: &key,
                        body: whole,
                        retry_count,
                        failed_at: now,
                        error: &dead.reason,
                    };
                    Cow::Owned(letter.encode())
                }
            };
            Item { source, event, dead, key, whole, body }
        })
        .collect()
}

/// A hash that tells an event from another one at the same place.
pub(super) fn hash(source: &JournalEvent) -> String {
    let (key, body) = source.event.as_ref().map_or(("", ""), |event| (&event.key, &event.body));
    let mut hash = Sha256::new();
    hash.update(source.number.0.to_be_bytes());
    hash.update(source.transaction.as_bytes());
    hash.update(key.as_bytes());
    hash.update([0]);
    hash.update(body.as_bytes());
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}
