//! The columns of a batch.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Side, facts, key_of, status_of};
use crate::protocol::record::{AccountId, Record};

/// Rows of `journal`, one vector per column; row `n` is the `n`th element of each.
#[derive(Debug, Default)]
pub struct Columns {
    pub debit: Vec<Option<i64>>,
    pub credit: Vec<Option<i64>>,
    pub debit_prevs: Vec<Option<i64>>,
    pub credit_prevs: Vec<Option<i64>>,
    pub created: Vec<DateTime<Utc>>,
    pub ids: Vec<Uuid>,
    pub keys: Vec<Option<Uuid>>,
    pub requests: Vec<Option<Uuid>>,
    pub follows: Vec<Option<Uuid>>,
    pub events: Vec<Option<i16>>,
    pub kinds: Vec<i16>,
    pub statuses: Vec<i16>,
    pub apis: Vec<i16>,
    pub ns: Vec<i16>,
    pub postings: Vec<i16>,
    pub amounts: Vec<Option<i128>>,
    pub held: Vec<Option<i128>>,
    pub debit_afters: Vec<Option<i128>>,
    pub credit_afters: Vec<Option<i128>>,
    pub tenants: Vec<String>,
    pub key_texts: Vec<Option<String>>,
    pub references: Vec<Option<String>>,
    pub descriptions: Vec<Option<String>>,
    pub metadatas: Vec<Option<String>>,
    pub correlations: Vec<Option<String>>,
    pub made_by: Vec<Option<String>>,
    pub made_from: Vec<Option<String>>,
    pub bodies: Vec<Option<String>>,
}

impl Columns {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Adds the first row of a record, which carries what belongs to the whole record.
    pub(super) fn head(&mut self, record: &Record, postings: usize) {
        self.row(record, 0, postings);
        self.keys.push(key_of(record));
        self.requests.push(Some(record.request.0));
        self.follows.push(record.follows.transaction().map(|id| id.0));
        self.key_texts.push(record.key_text.clone());
        self.references.push(record.reference.clone());
        self.descriptions.push(record.description.clone());
        self.metadatas.push(record.metadata.clone());
        self.correlations.push(record.correlation.clone());
        self.made_by.push(record.maker.name.as_deref().map(str::to_owned));
        self.made_from.push(record.maker.address.as_deref().map(str::to_owned));
        self.bodies.push(facts::of(record));
    }

    /// Adds a row for one more posting of the record.
    pub(super) fn next(&mut self, record: &Record, n: usize, postings: usize) {
        self.row(record, n, postings);
        self.keys.push(None);
        self.requests.push(None);
        self.follows.push(None);
        for column in [
            &mut self.key_texts,
            &mut self.references,
            &mut self.descriptions,
            &mut self.metadatas,
            &mut self.correlations,
            &mut self.made_by,
            &mut self.made_from,
            &mut self.bodies,
        ] {
            column.push(None);
        }
    }

    fn row(&mut self, record: &Record, n: usize, postings: usize) {
        let small = |n: usize| i16::try_from(n).unwrap_or(i16::MAX); // the gateway takes 100 postings at most
        self.debit.push(None);
        self.credit.push(None);
        self.debit_prevs.push(None);
        self.credit_prevs.push(None);
        self.created.push(record.created_at);
        self.ids.push(record.id.0);
        self.events.push(record.event.map(crate::protocol::events::EventType::code));
        self.kinds.push(record.kind.code());
        self.statuses.push(status_of(record));
        self.apis.push(record.api.code());
        self.ns.push(small(n));
        self.postings.push(small(postings));
        self.amounts.push(None);
        self.held.push(None);
        self.debit_afters.push(None);
        self.credit_afters.push(None);
        self.tenants.push(record.tenant.to_string());
    }

    pub(super) fn debit(&mut self, at: usize, account: AccountId, side: Side) {
        self.debit[at] = Some(account.0);
        self.debit_prevs[at] = Some(side.previous);
        self.debit_afters[at] = Some(side.after);
    }

    pub(super) fn credit(&mut self, at: usize, account: AccountId, side: Side) {
        self.credit[at] = Some(account.0);
        self.credit_prevs[at] = Some(side.previous);
        self.credit_afters[at] = Some(side.after);
    }
}

/// Rows of `holds`: one element per new hold.
#[derive(Debug, Default)]
pub struct HoldColumns {
    pub ids: Vec<Uuid>,
    pub debits: Vec<i64>,
    pub credits: Vec<i64>,
    pub amounts: Vec<i128>,
    pub expires: Vec<DateTime<Utc>>,
    pub seqs: Vec<i64>,
}

/// What transactions take from holds: one element per take, amounts in minor units.
#[derive(Debug, Default)]
pub struct TakeColumns {
    pub holds: Vec<Uuid>,
    pub captured: Vec<i128>,
    pub voided: Vec<i128>,
}
