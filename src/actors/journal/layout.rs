//! What is in flight: records taken from the queue and laid out into batches, in order.

use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashSet;

use super::settle::Resolved;
use super::{Lane, Quarantine, Sent, lock};
use crate::protocol::batch::Batch;
use crate::protocol::journal::next_batch;
use crate::protocol::record::{AccountId, KeyHash, TransactionId};
use crate::protocol::slip::{Abort, Outcome, Slip, Taken};

/// From this many rows of the journal on, a batch takes no further record: one may have 100.
const ROWS_MAX: usize = 10_000;

impl Lane {
    pub(super) fn ids(&self) -> Vec<TransactionId> {
        lock(&self.in_flight).iter().map(|taken| taken.record.id).collect()
    }

    pub(super) fn keys(&self, group: &[TransactionId]) -> Vec<KeyHash> {
        let in_flight = lock(&self.in_flight);
        Resolved::of(&in_flight, group).map(|taken| taken.record.key).collect()
    }

    /// Lays a group out behind the batch `prior`, as the next one to send. It builds on what is settled, and on what
    /// the batches sent before it will have done. `None`: nothing is left of the group.
    pub(super) fn lay_out(&self, group: &[TransactionId], prior: i64, in_next_partition: bool) -> Option<Arc<Batch>> {
        let in_flight = lock(&self.in_flight);
        let cutoff = Resolved::of(&in_flight, group).map(|taken| taken.record.cutoff).min()?;
        let mut sent = lock(&self.sent);
        let known = |taken: &Taken, id: AccountId| {
            let stop = taken.stops.iter().find(|stop| stop.account.identity.id == id)?;
            let mut posted = stop.account.cell.posted();
            if let Some(after) = sent.iter().rev().find_map(|sent| sent.batch.after.get(&id)) {
                (posted.totals, posted.last) = (after.totals, after.last);
            }
            Some(posted)
        };
        let known = &known;
        let records = Resolved::of(&in_flight, group).map(|taken| (&*taken.record, move |id| known(taken, id)));
        let batch = Arc::new(Batch::of(next_batch(prior, in_next_partition), prior, records));
        sent.push_back(Sent { group: group.to_vec(), batch: batch.clone(), cutoff });
        Some(batch)
    }

    /// The records of a batch that was sent.
    pub(super) fn group_of(&self, batch: i64) -> Vec<TransactionId> {
        lock(&self.sent)
            .iter()
            .find(|sent| sent.batch.number == batch)
            .map(|sent| sent.group.clone())
            .unwrap_or_default()
    }

    /// How many records a batch that was sent has.
    pub(super) fn records_of(&self, batch: i64) -> usize {
        lock(&self.sent).iter().find(|sent| sent.batch.number == batch).map_or(0, |sent| sent.group.len())
    }

    /// The earliest cut-off of a batch that was sent.
    pub(super) fn cutoff(&self, batch: i64) -> Instant {
        lock(&self.sent).iter().find(|sent| sent.batch.number == batch).map_or_else(Instant::now, |sent| sent.cutoff)
    }

    /// Whether another batch may be written beside those that were sent.
    pub(super) fn is_beside(&self) -> bool {
        lock(&self.sent).iter().all(|sent| sent.batch.may_run_beside())
    }

    /// Whether the database's last batch is the one that memory knows, or one that was sent.
    pub(super) fn is_successor(&self, batch: i64) -> bool {
        let sent = lock(&self.sent).iter().any(|sent| sent.batch.number == batch);
        let mut last = lock(&self.last);
        let is = last.is_none_or(|last| last == batch) || sent;
        if is && last.is_none() {
            *last = Some(batch);
        }
        is
    }

    /// Answers slips in the queue that are past their cut-off, while the database is away.
    pub(super) fn refuse_late(&self) {
        let now = Instant::now();
        let late: Vec<_> = lock(&self.queue).extract_if(.., |slip| slip.record().cutoff <= now).collect();
        for slip in late {
            slip.answer(Outcome::Aborted(Abort::DatabaseAway));
        }
    }

    /// Moves slips from the queue to what is in flight: the first of each key, up to `batch_max`. Slips whose approvals
    /// are void, that are past their cut-off, or whose account is in quarantine are answered.
    pub(super) fn take(&self, batch_max: usize, quarantine: &Quarantine) -> Vec<TransactionId> {
        let underway: HashSet<KeyHash> = lock(&self.in_flight).iter().map(|taken| taken.record.key).collect();
        let mut queue = lock(&self.queue);
        let now = Instant::now();
        let (mut keys, mut later, mut dropped, mut taken, mut waiting) =
            (HashSet::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut rows = 0;
        for slip in queue.drain(..) {
            if taken.len() == batch_max
                || rows >= ROWS_MAX
                || underway.contains(&slip.key())
                || !keys.insert(slip.key())
            {
                later.push(slip);
            } else if slip.stops().iter().any(|stop| stop.account.cell.is_dead()) {
                dropped.push((slip, Abort::Interrupted));
            } else if slip.record().cutoff <= now {
                dropped.push((slip, Abort::TooLate));
            } else if slip.stops().iter().any(|stop| quarantine.has(stop.account.identity.id)) {
                dropped.push((slip, Abort::Guard));
            } else if quarantine.holds_up(&slip) {
                waiting.push(slip);
            } else {
                rows += slip.record().body.rows();
                taken.push(slip);
            }
        }
        later.append(&mut waiting);
        *queue = later;
        drop(queue);
        for (slip, why) in dropped {
            slip.answer(Outcome::Aborted(why));
        }
        let mut in_flight = lock(&self.in_flight);
        let first = in_flight.len();
        in_flight.extend(taken.into_iter().map(Slip::take));
        in_flight[first..].iter().map(|taken| taken.record.id).collect()
    }
}
