//! The steps of a saga that the ledger does, as records. Their ids are derived from the saga, so that a step done twice is done once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use smallvec::SmallVec;
use ulid::Ulid;
use uuid::Uuid;

use super::workflow::CUTOFF;
use crate::money::Amount;
use crate::protocol::events::{self, Event, HoldPayload, Payload, PostingPayload, TransactionPayload};
use crate::protocol::record::{AccountId, Api, Body, FactRow, KeyHash, Kind, Posting, Record, RequestHash, Rows, TransactionId};
use crate::saga::{Order, Step, Task};

/// Whose step it is.
pub(super) struct Source<'a> {
    pub saga: TransactionId,
    pub tenant: &'a Arc<str>,
    pub correlation: Option<&'a str>,
    pub order: &'a Order,
}

/// The accounts that approve a step, who pays first.
pub(super) fn accounts<'a>(order: &'a Order, task: &Task) -> Vec<&'a str> {
    match (task.step, task.undo) {
        (Step::Hold, true) => vec![&order.account],
        (Step::Credit, _) => vec![&order.counter, &order.account],
        _ => vec![&order.account, &order.counter],
    }
}

/// The record of a step with the fact that it is done; none if it is not the ledger's, or has been done when the saga began. The accounts are
/// those of [`accounts`].
pub(super) fn record(source: &Source<'_>, task: &Task, accounts: &[AccountId], fact: FactRow, at: DateTime<Utc>) -> Option<Record> {
    let Source { saga, tenant, order, .. } = *source;
    let name = task.step.name(task.undo);
    let id = TransactionId::derived(saga, name);
    let posting = |debit, credit| Posting { debit, credit, amount: order.amount };
    let (kind, postings, take): (Kind, SmallVec<[Posting; 1]>, Option<Rows>) = match (task.step, task.undo, accounts) {
        (Step::Hold, true, [debit]) => {
            (Kind::VOID, SmallVec::new(), Some(Rows::Take { hold: saga, debit: *debit, captured: Amount::ZERO, voided: order.amount }))
        }
        (Step::Capture, false, [debit, credit]) => {
            let take = Rows::Take { hold: saga, debit: *debit, captured: order.amount, voided: Amount::ZERO };
            (Kind::CAPTURE, [posting(*debit, *credit)].into_iter().collect(), Some(take))
        }
        (Step::Credit, false, [debit, credit]) => (Kind::TOPUP, [posting(*debit, *credit)].into_iter().collect(), None),
        _ => return None,
    };
    let event = if kind == Kind::VOID { voided(source, id, at) } else { posted(source, id, kind, at) };
    Some(Record {
        id,
        tenant: tenant.clone(),
        api: Api::FlorinV1,
        kind,
        key: KeyHash::own(id),
        key_text: None,
        request: RequestHash::of(&[b"saga", name.as_bytes(), saga.0.as_bytes()]),
        reference: order.reference.clone(),
        description: Some(format!("{} of {} {}", name, order.workflow.as_str(), saga.0)),
        metadata: None,
        correlation: source.correlation.map(str::to_owned),
        created_at: at,
        cutoff: Instant::now() + CUTOFF,
        body: Body::Postings(postings),
        rows: take.into_iter().chain([Rows::Fact(fact)]).collect(),
        with_balances: false,
        event: Some(event),
    })
}

fn voided(source: &Source<'_>, id: TransactionId, at: DateTime<Utc>) -> Event {
    let (order, hold_id, transaction_id) = (source.order, source.saga.0.to_string(), id.0.to_string());
    let payload = HoldPayload {
        hold_id: &hold_id,
        transaction_id: &transaction_id,
        debit_account_id: &order.account,
        credit_account_id: &order.counter,
        amount: &order.amount.text(order.exponent),
        currency: &order.currency,
        expires_at: None,
        reference: order.reference.as_deref(),
    };
    Event::caused(fresh(), &Ulid(source.saga.0.as_u128()).to_string(), &Payload::Hold(&payload), at, source.correlation)
}

fn posted(source: &Source<'_>, id: TransactionId, kind: Kind, at: DateTime<Utc>) -> Event {
    let (order, transaction_id) = (source.order, id.0.to_string());
    let (debit, credit) = if kind == Kind::TOPUP { (&order.counter, &order.account) } else { (&order.account, &order.counter) };
    let amount = order.amount.text(order.exponent);
    let posting = PostingPayload { debit_account_id: debit, credit_account_id: credit, amount: &amount, currency: &order.currency };
    let payload = TransactionPayload {
        transaction_id: &transaction_id,
        kind: kind.as_str(),
        outcome: events::Outcome::Posted,
        postings: &[posting],
        reference: order.reference.as_deref(),
        metadata: &BTreeMap::new(),
        follows: events::Follows::Nothing,
    };
    Event::caused(fresh(), &Ulid(id.0.as_u128()).to_string(), &Payload::Transaction(&payload), at, source.correlation)
}

fn fresh() -> Ulid {
    Ulid(Uuid::now_v7().as_u128())
}
