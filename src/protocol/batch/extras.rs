//! Rows of a batch that most batches do not have, as the one JSON argument that carries them all.

mod billing;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use self::billing::{Invoice, Released, Settlement};
use crate::protocol::record::{AccountRow, Kind, Record, RequestedPosting, Rows, TransactionId};

/// The SQL function `apply_extras` reads these fields by name. A list that is empty is left out.
#[derive(Debug, Default, Serialize)]
pub struct Extras {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<Account>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refunds: Vec<Refund>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undone: Vec<Undone>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sagas: Vec<Saga>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facts: Vec<Fact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    derived: Vec<Derived>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    declines: Vec<Decline>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replays: Vec<Replay>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    invoices: Vec<Invoice>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settlements: Vec<Settlement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    released: Vec<Released>,
}

#[derive(Debug, Serialize)]
struct Account {
    tenant: String,
    name: String,
    kind: i16,
    normal_side: i16,
    currency: String,
    owner: String,
    owner_type: String,
    subtype: Option<String>,
    metadata: Option<String>,
    floor: Option<String>,
    ceiling: Option<String>,
}

#[derive(Debug, Serialize)]
struct Refund {
    payment: Uuid,
    limit: String,
    given: String,
    reversal: bool,
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
    seq: i64,
}

#[derive(Debug, Serialize)]
struct Fact {
    saga: Uuid,
    n: i32,
    seq: i64,
    at: DateTime<Utc>,
    status: i16,
    wake_at: Option<DateTime<Utc>>,
    asked: Option<Uuid>,
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

#[derive(Debug, Serialize)]
struct Derived {
    id: Uuid,
    seq: i64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Decline {
    tenant: String,
    account: String,
    seq: i64,
}

#[derive(Debug, Serialize)]
struct Replay {
    letter: i64,
    seq: i64,
}

impl Extras {
    pub fn is_empty(&self) -> bool {
        let Self {
            accounts,
            refunds,
            undone,
            sagas,
            facts,
            actions,
            derived,
            declines,
            replays,
            invoices,
            settlements,
            released,
        } = self;
        accounts.is_empty()
            && refunds.is_empty()
            && undone.is_empty()
            && sagas.is_empty()
            && facts.is_empty()
            && actions.is_empty()
            && derived.is_empty()
            && declines.is_empty()
            && replays.is_empty()
            && invoices.is_empty()
            && settlements.is_empty()
            && released.is_empty()
    }

    pub(super) fn derived(&mut self, id: TransactionId, seq: i64) {
        self.derived.push(Derived { id: id.0, seq });
    }

    /// A decline is listed under each account that it names, once.
    pub(super) fn declined(&mut self, record: &Record, postings: &[RequestedPosting], seq: i64) {
        for account in postings.iter().flat_map(|posting| [&posting.debit, &posting.credit]) {
            let row = Decline { tenant: record.tenant.to_string(), account: account.clone(), seq };
            if !self.declines.iter().rev().take_while(|other| other.seq == seq).any(|other| *other == row) {
                self.declines.push(row);
            }
        }
    }

    /// Adds a row; holds and takes are no extras and are ignored.
    pub(super) fn push(&mut self, record: &Record, row: &Rows, seq: i64) {
        let (id, tenant, at) = (record.id.0, || record.tenant.to_string(), record.created_at);
        match row {
            Rows::Hold { .. } | Rows::Take { .. } => {} // in arrays of their own
            Rows::Refund { payment, limit, given } => self.refunds.push(Refund {
                payment: payment.0,
                limit: limit.minor_units().to_string(),
                given: given.minor_units().to_string(),
                reversal: record.kind == Kind::REVERSAL,
            }),
            Rows::Undone { payment, given } => {
                self.undone.push(Undone { payment: payment.0, given: given.minor_units().to_string() })
            }
            Rows::Saga { workflow } => {
                self.sagas.push(Saga {
                    id,
                    tenant: tenant(),
                    workflow: *workflow,
                    correlation: record.correlation.clone(),
                    at,
                    seq,
                });
            }
            Rows::Fact(row) => {
                self.facts.push(Fact {
                    saga: row.saga.0,
                    n: row.n,
                    seq,
                    at,
                    status: row.status,
                    wake_at: row.wake_at,
                    asked: row.asked,
                });
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
            Rows::Account(row) => self.accounts.push(account(tenant(), row)),
            Rows::Replay { letter } => self.replays.push(Replay { letter: *letter, seq }),
            Rows::Invoice(row) => self.invoices.push(Invoice::of(row, tenant(), seq, at)),
            Rows::Settlement(row) => self.settlements.push(Settlement::of(row, seq, at)),
            Rows::Released { parked } => self.released.push(Released { parked: *parked }),
        }
    }
}

fn account(tenant: String, row: &AccountRow) -> Account {
    let limit = |limit: Option<i128>| limit.map(|units| units.to_string());
    Account {
        tenant,
        name: row.name.clone(),
        kind: row.kind.code(),
        normal_side: row.normal_side.code(),
        currency: row.currency.to_string(),
        owner: row.owner.clone(),
        owner_type: row.owner_type.clone(),
        subtype: row.subtype.clone(),
        metadata: row.metadata.clone(),
        floor: limit(row.floor),
        ceiling: limit(row.ceiling),
    }
}

/// The text as a JSON value; `None` also when it is not JSON.
fn json(text: Option<&String>) -> Option<Box<RawValue>> {
    RawValue::from_string(text?.clone()).ok()
}
