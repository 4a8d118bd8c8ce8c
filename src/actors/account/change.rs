//! Changes of status, floor and ceiling. As soon as one arrives, new slips wait for it, so that it gets its turn even
//! on a busy account. It is decided when the open legs have closed and the database has been asked about its key; it
//! takes effect when it is written.

use std::collections::VecDeque;

use super::AccountState;
use crate::ledger;
use crate::protocol::account::{AccountMessage, ChangeOrder, Identity, Posted, UsedKey};
use crate::protocol::events::{EventType, GuardsText};
use crate::protocol::record::{AccountChange, Body, Operator, Record, Rows, TransactionId};
use crate::protocol::slip::{Abort, Outcome, Slip};

/// Changes in order of arrival, done one at a time.
#[derive(Default)]
pub(super) struct Changes {
    queue: VecDeque<Box<ChangeOrder>>,
    step: Step,
}

/// How far the first change in the queue is.
#[derive(Default, PartialEq, Eq)]
enum Step {
    #[default]
    None,
    /// Waits for the open legs to close.
    Settling,
    /// Waits for a read that tells whether its key was used.
    Reading,
    /// In the journal, as this transaction.
    Writing(TransactionId),
}

impl Changes {
    pub(super) fn queue(&mut self, order: Box<ChangeOrder>) {
        self.queue.push_back(order);
    }

    /// Whether a change is being done or waits: then slips wait too.
    pub(super) fn is_under_way(&self) -> bool {
        self.step != Step::None || !self.queue.is_empty()
    }

    /// Called when a transaction of this account ended, which may be the change.
    pub(super) fn closed(&mut self, transaction: TransactionId) {
        if self.step == Step::Writing(transaction) {
            self.step = Step::None;
        }
    }

    /// Answers the first change with an abort: it cannot be decided now.
    pub(super) fn abort(&mut self, why: Abort) {
        self.step = Step::None;
        if let Some(order) = self.queue.pop_front() {
            let _ = order.reply.send(Outcome::Aborted(why)); // who asked may have left
        }
    }
}

impl AccountState {
    /// Takes the first change in the queue one step further.
    pub(super) fn next_change(&mut self) {
        let Some(order) = self.changes.queue.front() else { return };
        if self.changes.step == Step::None {
            self.changes.step = Step::Settling;
        }
        match self.changes.step {
            Step::None | Step::Reading => {} // a read comes back by itself
            Step::Settling if self.account.open_legs() == 0 => {
                self.changes.step = Step::Reading;
                let key = order.record.key;
                self.reading.want_change(key);
            }
            // Legs are open, or the change before this one is being written.
            Step::Settling | Step::Writing(_) => {
                if !self.cell.ask_to_be_woken() {
                    let _ = self.reading.actor().cast(AccountMessage::Wake); // something came meanwhile
                }
            }
        }
    }

    /// Refuses the first change, or writes it: all legs have closed, and `used` tells about its key.
    pub(super) fn decide_change(&mut self, used: &[UsedKey]) {
        self.changes.step = Step::None;
        let Some(order) = self.changes.queue.pop_front() else { return };
        let posted = self.cell.posted();
        let (change, action) = (order.change(&posted), order.action());
        let now = ledger::Account::<TransactionId>::new(posted.totals, posted.guards);
        let ChangeOrder { account, mut record, by, reply, permit, .. } = *order;
        let outcome = match used.iter().find(|used| used.key == record.key) {
            Some(used) => used.verdict(None, record.request),
            None => match now.decide_change(change.guards) {
                Err(rejection) => Outcome::Refused { account: self.identity.id, rejection, permit },
                Ok(()) => {
                    record.body = Body::AccountChange(change);
                    tell(&mut record, &self.identity, &by, action, &posted, &change);
                    let id = record.id;
                    if let Ok(slip) = Slip::new(Box::new(record), &[&account], usize::MAX, reply, permit) {
                        self.changes.step = Step::Writing(id);
                        self.approve(slip);
                    }
                    return;
                }
            },
        };
        let _ = reply.send(outcome); // who asked may have left
    }
}

/// What the fold sets, in minor units. Floor or ceiling may be set past the balance: it then binds where the balance or
/// available money stood.
fn set(was: &Posted, is: &AccountChange) -> serde_json::Value {
    let is = is.guards;
    let balance = was.totals.credits - was.totals.debits;
    let available = balance - was.totals.held;
    let text = |units: Option<i128>| units.map(|units| units.to_string());
    let floor_from = is.floor.filter(|floor| available < *floor).map(|_| available);
    let ceiling_from = is.ceiling.filter(|ceiling| balance > *ceiling).map(|_| balance);
    serde_json::json!({
        "status": is.status.code(), "floor": text(is.floor), "ceiling": text(is.ceiling), "floor_from": text(floor_from), "ceiling_from": text(ceiling_from),
    })
}

/// Adds to the change's record: the operator's action, and an event if anything differs.
fn tell(
    record: &mut Record,
    account: &Identity,
    by: &Operator,
    action: &'static str,
    was: &Posted,
    is: &AccountChange,
) {
    let currency = account.currency;
    let before = GuardsText::of(was.guards, currency);
    let after = GuardsText::of(is.guards, currency);
    record.rows.push(Rows::Action(by.did(action, &account.name, Some(before.json()), Some(after.json()))));
    record.facts =
        Some(format!("{{\"before\":{},\"after\":{},\"set\":{}}}", before.json(), after.json(), set(was, is)));
    record.event = (before != after).then_some(EventType::AccountChanged);
}
