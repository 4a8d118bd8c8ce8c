//! What Kafka hears of transactions that came in here.

use chrono::{DateTime, Utc};

use crate::gateway::ledger::Command;
use crate::protocol::events::{Event, EventType};
use crate::protocol::record::{DeclineCode, TransactionId};

/// A transaction is done.
pub(super) fn on_completed(_command: &Command, id: TransactionId, _created_at: DateTime<Utc>) -> Event {
    Event { event: EventType::PaymentAuthorized, aggregate: id.0.to_string(), body: "{}".into() }
}

/// A transaction was declined.
pub(super) fn on_declined(_command: &Command, id: TransactionId, _created_at: DateTime<Utc>, _code: DeclineCode, _message: &str) -> Event {
    Event { event: EventType::PaymentAuthorized, aggregate: id.0.to_string(), body: "{}".into() }
}
