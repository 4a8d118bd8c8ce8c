//! The steps of a saga that the ledger does, as records. Their ids are derived from the saga, so that a step done twice
//! has one effect.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use smallvec::SmallVec;

use super::facts::CUTOFF;
use crate::money::Amount;
use crate::protocol::events::EventType;
use crate::protocol::record::{
    AccountId, Api, Body, FactRow, Follows, Kind, Posting, Record, RequestHash, Rows, TransactionId,
};
use crate::saga::{Order, Step, Task};

/// The saga that a step belongs to.
pub(super) struct Source<'a> {
    pub saga: TransactionId,
    pub tenant: &'a Arc<str>,
    pub correlation: Option<&'a str>,
    pub order: &'a Order,
}

/// How many of a step's accounts must approve it: a void pays nobody, so only the payer's.
pub(super) fn approving(task: &Task) -> usize {
    if (task.step, task.undo) == (Step::Hold, true) { 1 } else { 2 }
}

/// The ids of a step's accounts, the payer's first.
pub(super) fn accounts<'a>(order: &'a Order, task: &Task) -> Vec<&'a str> {
    match (task.step, task.undo) {
        (Step::Credit, _) => vec![&order.counter, &order.account],
        _ => vec![&order.account, &order.counter],
    }
}

/// The record of a step, with the fact that it is done. `None`: the provider does it, or it was done when the saga
/// began. `accounts` are those of the function [`accounts`].
pub(super) fn record(
    source: &Source<'_>,
    task: &Task,
    accounts: &[AccountId],
    fact: FactRow,
    at: DateTime<Utc>,
) -> Option<Record> {
    let Source { saga, tenant, order, .. } = *source;
    let name = task.step.name(task.undo);
    let id = TransactionId::derived(saga, name);
    let posting = |debit, credit| Posting { debit, credit, amount: order.amount };
    let (kind, postings, take): (Kind, SmallVec<[Posting; 1]>, Option<Rows>) = match (task.step, task.undo, accounts) {
        (Step::Hold, true, [debit, credit]) => (
            Kind::VOID,
            SmallVec::new(),
            Some(Rows::Take {
                hold: saga,
                debit: *debit,
                credit: *credit,
                captured: Amount::ZERO,
                voided: order.amount,
            }),
        ),
        (Step::Capture, false, [debit, credit]) => {
            let take =
                Rows::Take { hold: saga, debit: *debit, credit: *credit, captured: order.amount, voided: Amount::ZERO };
            (Kind::CAPTURE, [posting(*debit, *credit)].into_iter().collect(), Some(take))
        }
        (Step::Credit, false, [debit, credit]) => (Kind::TOPUP, [posting(*debit, *credit)].into_iter().collect(), None),
        _ => return None,
    };
    let request = RequestHash::of(&[b"saga", name.as_bytes(), saga.0.as_bytes()]);
    Some(Record {
        reference: order.reference.clone(),
        description: Some(format!("{} of {} {}", name, order.workflow.as_str(), saga.0)),
        correlation: source.correlation.map(str::to_owned),
        created_at: at,
        body: Body::Postings(postings),
        follows: if take.is_some() { Follows::Hold(saga) } else { Follows::Nothing },
        rows: take.into_iter().chain([Rows::Fact(fact)]).collect(),
        event: Some(if kind == Kind::VOID { EventType::HoldVoided } else { EventType::TransactionPosted }),
        ..Record::new(id, tenant.clone(), Api::FlorinV1, kind, request, Instant::now() + CUTOFF)
    })
}
