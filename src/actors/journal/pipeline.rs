//! Batches written side by side: each is laid out from what those before it will have done, and they are committed in
//! order.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use hashbrown::HashSet;

use super::lane::{LaneState, Stopped};
use super::lock;
use crate::protocol::batch::Batch;
use crate::protocol::record::TransactionId;
use crate::store::StoreError;
use crate::store::journal::{WriterSession, is_out_of_order};
use crate::telemetry::metrics::{JOURNAL_BATCH_SIZE, JOURNAL_COMMIT};

/// The batches that are being written, in order of their numbers.
pub(super) type Running =
    FuturesOrdered<Pin<Box<dyn Future<Output = (WriterSession, Arc<Batch>, Result<(), StoreError>)> + Send>>>;

/// Batches that one `Flush` begins: after that, callers who wait for a barrier have their turn.
const BEGUN_MAX: usize = 32;
/// The fewest records that are worth a batch beside another. On two cores that payments keep busy, smaller ones cost a
/// tenth of the throughput.
const BESIDE_MIN: usize = 256;

impl LaneState {
    /// Commits what has gathered, batch after batch, several side by side: each is laid out from what those before it
    /// will have done. They are committed in order, so when one fails, all behind it fail too; then they are written
    /// again, one at a time.
    pub(super) async fn flush(&mut self) -> Result<(), Stopped> {
        let (mut running, mut begun) = (Running::new(), 0);
        let mut laid = self.committed;
        let mut alone: Option<Arc<Batch>> = None; // laid out, and waits until nothing else is being written
        let mut failed = None;
        loop {
            if running.is_empty() && failed.is_none() && alone.is_none() {
                self.gather().await;
            }
            while failed.is_none() && alone.is_none() && begun < BEGUN_MAX && self.may_begin(running.len()) {
                self.config().faults.point("lane.before_take");
                let ids = self.lane.take(self.batch_max(), &self.journal.0.quarantine);
                if ids.is_empty() {
                    break;
                }
                self.config().faults.point("lane.taken");
                let is_full = laid.rows >= self.config().partition_rows;
                if is_full && !running.is_empty() {
                    failed = Some((ids, None)); // whether there is another partition is asked between two batches
                    break;
                }
                let next_partition = match self.sessions.last_mut() {
                    Some(session) if is_full => session.has_next_partition(laid.batch).await?,
                    _ => false,
                };
                let Some(batch) = self.lane.lay_out(&ids, laid.batch, next_partition) else { break };
                if !batch.outside.is_empty() {
                    lock(&self.lane.sent).pop_back();
                    failed = Some((ids, None));
                    break;
                }
                laid = laid.and(&batch);
                begun += 1;
                if batch.may_run_beside() || running.is_empty() {
                    self.begin(batch, &mut running);
                } else {
                    alone = Some(batch);
                }
            }
            if running.is_empty() {
                match alone.take() {
                    Some(batch) if failed.is_none() => self.begin(batch, &mut running),
                    _ => break,
                }
            }
            let is_alone = alone.is_some()
                || failed.is_some()
                || begun == BEGUN_MAX
                || self.sessions.is_empty()
                || !self.lane.is_beside();
            let enough = if is_alone { 0 } else { self.enough() };
            self.lane.enough.store(enough, Ordering::Release);
            let queued = lock(&self.lane.queue).len();
            self.lane.tell_enough(queued);
            tokio::select! {
                biased;
                Some((session, batch, result)) = running.next() => {
                    self.sessions.push(session);
                    match result {
                        Ok(()) => self.settle(&batch),
                        Err(error) if failed.as_ref().is_none_or(|(_, why): &(_, Option<StoreError>)| why.is_none()) => {
                            // It is the first that failed: those behind it cannot be committed any more.
                            // One that did not find the one before it is written again, alone: only then is it known
                            // whether the database is another.
                            let group = self.lane.group_of(batch.number);
                            failed = Some((group, (!is_out_of_order(&error)).then_some(error)));
                        }
                        // its connection is lost
                        Err(error) if is_lost(&error) => failed = failed.map(|(group, _)| (group, Some(error))),
                        Err(_) => {}
                    }
                }
                () = self.lane.more.notified() => {}
            }
        }
        self.lane.enough.store(0, Ordering::Release);
        if let Some((group, error)) = failed {
            if let Some(error) = error.as_ref().filter(|error| is_lost(error)) {
                return Err(Stopped::Lost(error.clone())); // what was sent may be there
            }
            lock(&self.lane.sent).clear();
            let mut groups = self.rest_of(&group);
            match error {
                Some(error) => self.resolve(error, group, &mut groups).await?,
                None => groups.push(group),
            }
            self.run(groups).await?;
        }
        self.lane.scheduled.store(false, Ordering::Release); // whoever queues from here on asks for another flush
        // Slips of an account that is being set right wait for it, and whoever lets it go on asks for a flush.
        let quarantine = &self.journal.0.quarantine;
        if lock(&self.lane.queue).iter().any(|slip| !quarantine.holds_up(slip)) {
            self.lane.schedule();
        }
        Ok(())
    }

    /// Waits until the queue is worth a batch, or has waited long enough.
    async fn gather(&self) {
        let (enough, Some(until)) = (self.pace.enough(), self.pace.until()) else { return };
        loop {
            self.lane.enough.store(enough, Ordering::Release);
            let queued = lock(&self.lane.queue).len();
            if queued == 0 || queued >= enough {
                break;
            }
            tokio::select! {
                () = self.lane.more.notified() => {}
                () = tokio::time::sleep_until(until.into()) => break,
            }
        }
        self.lane.enough.store(0, Ordering::Release);
    }

    /// The number of records that are worth a batch beside the others: as many as the last one has, but not few. Each
    /// waits for the flush of the one before.
    fn enough(&self) -> usize {
        let last = lock(&self.lane.sent).back().map_or(0, |sent| sent.group.len());
        last.max(BESIDE_MIN).min(self.batch_max())
    }

    /// Whether another batch may be begun now.
    fn may_begin(&self, running: usize) -> bool {
        let queued = lock(&self.lane.queue).len();
        !self.sessions.is_empty() && (running == 0 || (self.lane.is_beside() && queued >= self.enough()))
    }

    /// Sends a batch that is laid out.
    pub(super) fn begin(&mut self, batch: Arc<Batch>, running: &mut Running) {
        let Some(mut session) = self.sessions.pop() else { return };
        let (faults, cutoff, beside) =
            (self.config().faults.clone(), self.lane.cutoff(batch.number), !running.is_empty());
        self.pace.begin(Instant::now());
        running.push_back(Box::pin(async move {
            faults.pause("lane.before_commit").await;
            let began = Instant::now();
            let result = session.commit(&batch, cutoff, beside).await;
            faults.pause("lane.after_commit").await;
            if result.is_ok() {
                metrics::histogram!(JOURNAL_COMMIT).record(began.elapsed());
            }
            (session, batch, result)
        }));
    }

    /// A batch is committed.
    pub(super) fn settle(&mut self, batch: &Batch) {
        metrics::histogram!(JOURNAL_BATCH_SIZE).record(count(self.lane.records_of(batch.number)));
        self.committed = self.committed.and(batch);
        self.limit = self.limit.saturating_add(self.limit / 8 + 1); // one that was too slow is not tried again soon
        self.pace.settle(Instant::now(), self.journal.depth());
        self.lane.settle_sent(batch.number, &self.journal.0);
    }

    /// All records in flight but these, in order, as one group to be written again; empty if there are none.
    fn rest_of(&self, group: &[TransactionId]) -> Vec<Vec<TransactionId>> {
        let group: HashSet<_> = group.iter().collect();
        let rest: Vec<_> = self.lane.ids().into_iter().filter(|id| !group.contains(id)).collect();
        if rest.is_empty() { Vec::new() } else { vec![rest] }
    }
}

/// Whether it is unknown if the batch was committed, or the connection is gone.
pub(super) fn is_lost(error: &StoreError) -> bool {
    error.is_transient() || error.code().is_none()
}

#[expect(clippy::cast_precision_loss, reason = "a histogram is of floats")]
fn count(n: usize) -> f64 {
    n as f64
}
