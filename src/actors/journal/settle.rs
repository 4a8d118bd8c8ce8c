//! How records in flight are resolved: their accounts are told first, then their callers.

use std::time::Instant;

use hashbrown::{HashMap, HashSet};

use super::recent::Recent;
use super::{Lane, Sent, Shared, lock};
use crate::protocol::account::{AccountMessage, Known, UsedKeys};
use crate::protocol::record::{AccountId, Body, TransactionId};
use crate::protocol::slip::{Abort, Outcome, Taken, release_legs};

/// Whether the group is all that is in flight, in order, as it is most often.
fn is_all(in_flight: &[Taken], group: &[TransactionId]) -> bool {
    in_flight.len() == group.len() && in_flight.iter().zip(group).all(|(taken, id)| taken.record.id == *id)
}

/// Picks records out of those in flight.
pub(super) struct Resolved;

impl Resolved {
    pub(super) fn of<'a>(in_flight: &'a [Taken], group: &[TransactionId]) -> impl Iterator<Item = &'a Taken> + use<'a> {
        let all = is_all(in_flight, group);
        let group: HashSet<TransactionId> = if all { HashSet::new() } else { group.iter().copied().collect() };
        in_flight.iter().filter(move |taken| all || group.contains(&taken.record.id))
    }

    fn of_mut<'a>(
        in_flight: &'a mut [Taken],
        group: &[TransactionId],
    ) -> impl Iterator<Item = &'a mut Taken> + use<'a> {
        let group: HashSet<TransactionId> = group.iter().copied().collect();
        in_flight.iter_mut().filter(move |taken| group.contains(&taken.record.id))
    }
}

impl Taken {
    /// Tells the accounts that it is durable, and `recent` what they are after it.
    fn settle(&self, after: &HashMap<AccountId, Known>, recent: &mut Recent) {
        let change = if let Body::AccountChange(change) = &self.record.body { Some(change) } else { None };
        for stop in &self.stops {
            let after = after.get(&stop.account.identity.id).copied();
            let (posted, wake) = stop.account.cell.settle(after, change, self.record.id);
            recent.settle(stop.account.identity.id, posted);
            if wake {
                let _ = stop.account.actor.cast(AccountMessage::Wake); // an actor that ended has nobody waiting
            }
        }
    }

    /// Answers the caller; the accounts must have been told.
    pub(super) fn answer(mut self, outcome: Outcome) {
        if !matches!(outcome, Outcome::Done { .. }) {
            release_legs(&mut self.stops, self.record.id);
        }
        drop(self.permit); // before the answer: whoever hears it may ask what else is in flight under its key
        let _ = self.reply.send(outcome); // who asked may have left
    }
}

impl Lane {
    /// Takes records out of those in flight, to be answered.
    fn remove(&self, group: &[TransactionId]) -> Vec<Taken> {
        let mut in_flight = lock(&self.in_flight);
        if is_all(&in_flight, group) {
            return std::mem::take(&mut *in_flight);
        }
        let group: HashSet<_> = group.iter().collect();
        in_flight.extract_if(.., |taken| group.contains(&taken.record.id)).collect()
    }

    /// Settles the batches that were sent, in order, up to the database's last one.
    pub(super) fn settle_sent(&self, last: i64, shared: &Shared) {
        loop {
            let next = lock(&self.sent).front().filter(|sent| sent.batch.number <= last).cloned();
            let Some(sent) = next else { break };
            self.settle_batch(&sent, shared);
            lock(&self.sent).pop_front();
        }
    }

    /// A batch is durable: every account is told before any caller is answered. If the actor dies in here, it is done
    /// again, which changes nothing that was done.
    fn settle_batch(&self, Sent { group, batch, .. }: &Sent, shared: &Shared) {
        *lock(&self.last) = Some(batch.number);
        {
            let (in_flight, mut recent) = (lock(&self.in_flight), lock(&shared.recent));
            for taken in Resolved::of(&in_flight, group) {
                taken.settle(&batch.after, &mut recent);
            }
        }
        shared.config.faults.point("lane.settled");
        for taken in self.remove(group) {
            let (id, created_at) = (taken.record.id, taken.record.created_at);
            let balances = if taken.record.with_balances { batch.balances_after(id) } else { None };
            taken.answer(Outcome::Done { id, created_at, balances });
        }
        shared.config.committed.notify_one();
    }

    /// Takes records out of `group` whose keys are used: by themselves, in a batch whose answer was lost, or by another
    /// record.
    pub(super) fn resolve_used(&self, group: &mut Vec<TransactionId>, used: &UsedKeys) {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for taken in Resolved::of_mut(&mut lock(&self.in_flight), group) {
            match used.get(&taken.record.key) {
                Some(used) if used.transaction == taken.record.id && used.request == taken.record.request => {
                    if !used.retired {
                        // another's, if it repeats an id that its source gave it
                        taken.record.created_at = used.created_at;
                    }
                    own.push(taken.record.id);
                }
                Some(_) => others.push(taken.record.id),
                None => {}
            }
        }
        group.retain(|id| !own.contains(id) && !others.contains(id));
        for taken in self.remove_some(&others) {
            let outcome = used[&taken.record.key].verdict(None, taken.record.request);
            taken.answer(outcome);
        }
        self.settle_done(&own);
        // Repeats that wait in the queue would each make a batch fail.
        let repeats: Vec<_> = lock(&self.queue).extract_if(.., |slip| used.contains_key(&slip.key())).collect();
        for slip in repeats {
            let outcome = used[&slip.key()].verdict(None, slip.request());
            slip.answer(outcome);
        }
    }

    /// These were done before, by a batch that memory has settled, or that was folded before the accounts were loaded.
    pub(super) fn settle_done(&self, done: &[TransactionId]) {
        let done = self.remove_some(done);
        for taken in &done {
            taken.settle(&HashMap::new(), &mut Recent::default());
        }
        for taken in done {
            let (id, created_at) = (taken.record.id, taken.record.created_at);
            taken.answer(Outcome::Done { id, created_at, balances: None });
        }
    }

    /// Takes records out of `group` that are past their cut-off: no payment is executed an hour later with nobody
    /// waiting.
    pub(super) fn resolve_late(&self, group: &mut Vec<TransactionId>, now: Instant) {
        let late: Vec<_> = lock(&self.in_flight)
            .iter()
            .filter(|taken| taken.record.cutoff <= now && group.contains(&taken.record.id))
            .map(|taken| taken.record.id)
            .collect();
        group.retain(|id| !late.contains(id));
        for taken in self.remove_some(&late) {
            taken.answer(Outcome::Aborted(Abort::TooLate));
        }
    }

    /// Answers everything in flight: nothing of it was done.
    pub(super) fn abort_all(&self, why: Abort) {
        for taken in std::mem::take(&mut *lock(&self.in_flight)) {
            taken.answer(Outcome::Aborted(why));
        }
    }

    pub(super) fn remove_some(&self, group: &[TransactionId]) -> Vec<Taken> {
        if group.is_empty() { Vec::new() } else { self.remove(group) }
    }
}
