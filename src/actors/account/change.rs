//! Changes of status and limits: what they forbid binds admission at once, what they allow once it is written; and they are written
//! when the legs that were open before them have settled. Those opened since fit the old guards and the new, so they need not be
//! waited for: on an account that is never idle that would be for ever.

use std::collections::{HashSet, VecDeque};

use super::AccountState;
use crate::ledger;
use crate::protocol::account::{AccountMessage, ChangeOrder, Posted, UsedKey};
use crate::protocol::record::{AccountChange, Body, TransactionId};
use crate::protocol::slip::{Abort, Outcome, Slip};

/// Changes in order; the first binds.
#[derive(Default)]
pub(super) struct Changes {
    queue: VecDeque<Box<ChangeOrder>>,
    step: Step,
    /// Admitted under the old guards alone, and still open.
    before: HashSet<TransactionId>,
}

#[derive(Default, PartialEq, Eq)]
enum Step {
    #[default]
    None,
    /// Binding; legs from before it are open.
    Settling,
    /// Binding; the database is asked for the key.
    Reading,
    /// Binding; in the journal.
    Writing(TransactionId),
}

impl Changes {
    pub(super) fn queue(&mut self, order: Box<ChangeOrder>) {
        self.queue.push_back(order);
    }

    /// Whether the guards that admission goes by are a change's, not the database's.
    pub(super) fn is_binding(&self) -> bool {
        self.step != Step::None
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.is_binding() || !self.queue.is_empty()
    }

    /// A transaction of this account ended: perhaps the change.
    pub(super) fn closed(&mut self, transaction: TransactionId, posted: &Posted, account: &mut ledger::Account<TransactionId>) {
        self.before.remove(&transaction);
        if self.step == Step::Writing(transaction) {
            self.step = Step::None;
            account.see_guards(posted.held, posted.floor, posted.ceiling, posted.status); // the new ones, if they were written
        }
    }

    /// The change at the head cannot be decided now.
    pub(super) fn abort(&mut self, why: Abort, posted: &Posted, account: &mut ledger::Account<TransactionId>) {
        self.step = Step::None;
        account.see_guards(posted.held, posted.floor, posted.ceiling, posted.status);
        if let Some(order) = self.queue.pop_front() {
            let _ = order.reply.send(Outcome::Aborted(why));
        }
    }
}

impl AccountState {
    /// Takes the change at the head of the queue one step further.
    pub(super) fn next_change(&mut self) {
        let Some(order) = self.changes.queue.front() else { return };
        if self.changes.step == Step::None {
            let now = self.cell.posted();
            let change = order.change(&now);
            // The stricter of old and new: the database holds to the old ones until the change is written, to the new ones after it.
            let floor = now.floor.max(change.floor); // none is the lowest
            let ceiling = [now.ceiling, change.ceiling].into_iter().flatten().min();
            self.account.see_guards(now.held, floor, ceiling, now.status.max(change.status));
            self.changes.before = self.account.open_transactions().collect();
            self.changes.step = Step::Settling;
        }
        if self.changes.step == Step::Settling {
            if self.changes.before.is_empty() {
                self.changes.step = Step::Reading;
                let key = order.record.key;
                self.reading.want_change(key);
            } else if !self.cell.ask_to_be_woken() {
                let _ = self.reading.actor().cast(AccountMessage::Wake); // something came meanwhile
            }
        }
    }

    /// All legs have settled and the key is known: the change is refused, or written.
    pub(super) fn decide_change(&mut self, used: &[UsedKey]) {
        let Some(order) = self.changes.queue.pop_front() else { return };
        let posted = self.cell.posted();
        let AccountChange { status, floor, ceiling, .. } = order.change(&posted);
        let before = ledger::Account::<TransactionId>::new(posted.totals, posted.held, posted.floor, posted.ceiling, posted.status);
        let ChangeOrder { account, mut record, reply, permit, .. } = *order;
        let outcome = match used.iter().find(|used| used.key == record.key) {
            Some(used) if used.retired => Outcome::KeyRetired,
            Some(used) if used.request == record.request => Outcome::Replayed { id: used.transaction, created_at: used.created_at },
            Some(_) => Outcome::KeyReused,
            None => match before.decide_change(status, floor, ceiling) {
                Err(rejection) => Outcome::Refused { account: self.identity.id, rejection, permit },
                Ok(()) => {
                    record.body = Body::AccountChange(AccountChange { account: self.identity.id, status, floor, ceiling });
                    let id = record.id;
                    match Slip::new(Box::new(record), &[&account], usize::MAX, reply, permit) {
                        Ok(slip) => {
                            self.changes.step = Step::Writing(id);
                            self.approve(slip);
                        }
                        Err(_) => self.unbind(&posted),
                    }
                    return;
                }
            },
        };
        let _ = reply.send(outcome);
        self.unbind(&posted);
    }

    fn unbind(&mut self, posted: &Posted) {
        self.changes.step = Step::None;
        self.account.see_guards(posted.held, posted.floor, posted.ceiling, posted.status);
    }
}
