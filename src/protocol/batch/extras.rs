//! Rows of a batch that are rare, as the one JSON argument that carries them all.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::protocol::record::{Record, Rows};

/// By table, or by what is done; what is empty is left out. The fields are named as `apply_extras` reads them.
#[derive(Debug, Default, Serialize)]
pub struct Extras {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exchanges: Vec<Exchange>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undone: Vec<Undone>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sagas: Vec<Saga>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facts: Vec<Fact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
}

#[derive(Debug, Serialize)]
struct Exchange {
    transaction: Uuid,
    rate_id: i64,
    base: String,
    quote: String,
    rate: String,
    rounding: &'static str,
}

#[derive(Debug, Serialize)]
struct Undone {
    payment: Uuid,
    given: String,
}

#[derive(Debug, Serialize)]
struct Saga {
    id: Uuid,
    tenant: String,
    workflow: i16,
    correlation: Option<String>,
    at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct Fact {
    saga: Uuid,
    n: i32,
    body: Option<Box<RawValue>>,
    at: DateTime<Utc>,
    status: i16,
    wake_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
struct Action {
    id: Uuid,
    tenant: String,
    at: DateTime<Utc>,
    actor: String,
    action: &'static str,
    subject: String,
    reason: String,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
    correlation: Option<String>,
}

impl Extras {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty() && self.undone.is_empty() && self.sagas.is_empty() && self.facts.is_empty() && self.actions.is_empty()
    }

    /// Takes a row that is one of these.
    pub(super) fn push(&mut self, record: &Record, row: &Rows) {
        let (id, tenant, at) = (record.id.0, || record.tenant.to_string(), record.created_at);
        match row {
            Rows::Refund { .. } | Rows::Hold { .. } | Rows::Take { .. } => {} // in arrays of their own
            Rows::Undone { payment, given } => self.undone.push(Undone { payment: payment.0, given: given.minor_units().to_string() }),
            Rows::Exchange(row) => self.exchanges.push(Exchange {
                transaction: id,
                rate_id: row.rate_id,
                base: row.base.to_string(),
                quote: row.quote.to_string(),
                rate: row.rate.to_string(),
                rounding: row.rounding,
            }),
            Rows::Saga { workflow } => {
                self.sagas.push(Saga { id, tenant: tenant(), workflow: *workflow, correlation: record.correlation.clone(), at });
            }
            Rows::Fact(row) => {
                self.facts.push(Fact { saga: row.saga.0, n: row.n, body: json(Some(&row.body)), at, status: row.status, wake_at: row.wake_at })
            }
            Rows::Action(row) => self.actions.push(Action {
                id,
                tenant: tenant(),
                at,
                actor: row.actor.clone(),
                action: row.action,
                subject: row.subject.clone(),
                reason: row.reason.clone(),
                before: json(row.before.as_ref()),
                after: json(row.after.as_ref()),
                correlation: record.correlation.clone(),
            }),
        }
    }
}

/// Text that is JSON, as it is.
fn json(text: Option<&String>) -> Option<Box<RawValue>> {
    RawValue::from_string(text?.clone()).ok()
}
