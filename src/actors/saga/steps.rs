//! The steps of a saga that the ledger does, as records. Their ids are derived from the saga, so that a step done twice
//! has one effect.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use smallvec::smallvec;

use super::facts::CUTOFF;
use crate::ledger::Leg;
use crate::money::Amount;
use crate::protocol::movement::{self, Approval, Capture, Movement, Transfer, Void};
use crate::protocol::record::{AccountId, Api, FactRow, Kind, Posting, Record, RequestHash, Rows, TransactionId};
use crate::saga::{Order, Step, Task, Workflow};

/// The saga that a step belongs to.
pub(super) struct Source<'a> {
    pub saga: TransactionId,
    pub tenant: &'a Arc<str>,
    pub correlation: Option<&'a str>,
    pub order: &'a Order,
}

/// The ids of a step's accounts, the payer's first.
pub(super) fn accounts<'a>(order: &'a Order, task: &Task) -> Vec<&'a str> {
    match (task.step, task.undo) {
        (Step::Credit, _) => vec![&order.counter, &order.account],
        _ => vec![&order.account, &order.counter],
    }
}

/// What the postings that follow will do to those accounts, once the provider has moved the money.
pub(super) fn legs(order: &Order) -> [Leg; 2] {
    let amount = order.amount.minor_units();
    match order.workflow {
        Workflow::Payout => [Leg::with_hold(amount, 0, -amount), Leg::net(0, amount)],
        Workflow::CardTopup => [Leg::net(0, amount), Leg::net(amount, 0)],
    }
}

/// The record of a step, with the fact that it is done, and whose accounts must approve it. `None`: the provider does
/// it, or it was done when the saga began. `accounts` are those of the function [`accounts`].
pub(super) fn record(
    source: &Source<'_>,
    task: &Task,
    accounts: &[AccountId],
    fact: FactRow,
    at: DateTime<Utc>,
) -> Option<(Record, Approval)> {
    let Source { saga, tenant, order, .. } = *source;
    let name = task.step.name(task.undo);
    let movement: Box<dyn Movement> = match (task.step, task.undo) {
        (Step::Hold, true) => Box::new(Void { hold: saga }),
        (Step::Capture, false) => Box::new(Capture { hold: saga, voided: Amount::ZERO, is_rest: false }),
        (Step::Credit, false) => Box::new(Transfer { kind: Kind::TOPUP }),
        _ => return None,
    };
    let [debit, credit] = *accounts else { return None };
    let postings = smallvec![Posting { debit, credit, amount: order.amount }];
    let source_of = movement::Source {
        id: TransactionId::derived(saga, name),
        tenant: tenant.clone(),
        api: Api::FlorinV1,
        request: RequestHash::of(&[b"saga", name.as_bytes(), saga.0.as_bytes()]),
        at,
        cutoff: Instant::now() + CUTOFF,
    };
    let mut record = Record::of(&*movement, postings, source_of);
    record.reference = order.reference.clone();
    record.description = Some(format!("{} of {} {}", name, order.workflow.as_str(), saga.0));
    record.correlation = source.correlation.map(str::to_owned);
    record.rows.push(Rows::Fact(fact));
    Some((record, movement.approval()))
}
