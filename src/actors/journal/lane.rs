//! One lane: adaptive group commit. One record alone is committed at once; under load a batch is what gathered while the ones before
//! were being written, over several connections side by side.
//!
//! Its actor owns the session and nothing else. Between `Flush` messages it holds no record; during one the batches are in
//! [`Lane::in_flight`] and [`Lane::sent`]. If it dies there, the next lane raises the session (which waits out an old backend that is committing), asks for the
//! last batch, and runs again what is not in it or before it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use hashbrown::HashSet;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::settle::Resolved;
use super::{Journal, JournalConfig, Lane, Sent, lock};
use crate::protocol::batch::Batch;
use crate::protocol::journal::{next_batch, place};
use crate::protocol::record::{AccountId, KeyHash, TransactionId};
use crate::protocol::slip::{Abort, Outcome, Slip, Taken};
use crate::store::StoreError;
use crate::store::journal::{Committed, OpenError, WriterSession, code, is_key_used, is_out_of_order};

/// The actor; all it has is in its state.
pub struct LaneActor;

/// What a lane is told.
pub enum LaneMessage {
    /// Something is queued.
    Flush,
    /// Try to reach the database again, and find out what became of the batch in flight.
    Recover,
    /// Say when every batch begun before this is resolved.
    Barrier(oneshot::Sender<()>),
}

/// What the actor owns.
pub struct LaneState {
    journal: Journal,
    lane: Arc<Lane>,
    /// Those that write nothing now.
    sessions: Vec<WriterSession>,
    /// The last batch that was committed, and its partition's rows.
    committed: Committed,
    barriers: Vec<oneshot::Sender<()>>,
    backoff: ExponentialBackoff,
    /// The journal was told that this lane reaches the database.
    healthy: bool,
}

/// Why a batch was given up for now.
pub(super) enum Stopped {
    /// Nobody knows what became of it.
    Lost(StoreError),
    /// The epoch is another's. `known`: nothing in flight was done; else nobody knows.
    Fenced {
        /// Whether what is in flight was certainly not done.
        known: bool,
    },
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Lost(error)
    }
}

impl Actor for LaneActor {
    type Msg = LaneMessage;
    type State = LaneState;
    type Arguments = Journal;

    async fn pre_start(&self, myself: ActorRef<LaneMessage>, journal: Journal) -> Result<LaneState, ActorProcessingErr> {
        let lane = journal.0.lane.clone();
        *lane.actor.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(myself.clone());
        myself.cast(LaneMessage::Recover)?;
        let backoff = ExponentialBackoff {
            initial_interval: Duration::from_millis(20),
            max_interval: Duration::from_secs(1),
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Ok(LaneState {
            journal,
            lane,
            sessions: Vec::new(),
            committed: Committed { batch: 0, rows: 0 },
            barriers: Vec::new(),
            backoff,
            healthy: false,
        })
    }

    async fn handle(&self, myself: ActorRef<LaneMessage>, message: LaneMessage, state: &mut LaneState) -> Result<(), ActorProcessingErr> {
        let result = match message {
            LaneMessage::Barrier(reply) => {
                state.barriers.push(reply);
                Ok(())
            }
            LaneMessage::Flush if state.sessions.is_empty() => Ok(()), // the recovery that is under way flushes
            LaneMessage::Flush => state.flush().await,
            LaneMessage::Recover => state.recover().await,
        };
        state.after(result, &myself);
        Ok(())
    }
}

/// A batch that is being written: in order of their numbers.
type Running = FuturesOrdered<Pin<Box<dyn Future<Output = (WriterSession, Arc<Batch>, Result<(), StoreError>)> + Send>>>;

/// Batches begun by one `Flush`, at most: then whoever waits for a barrier has its turn.
const BEGUN_MAX: usize = 32;
/// So many records at least are worth a batch beside another: on two cores that payments fill by themselves, smaller ones cost a tenth.
const BESIDE_MIN: usize = 256;

impl LaneState {
    fn config(&self) -> &JournalConfig {
        &self.journal.0.config
    }

    /// Takes what has gathered and commits it, batch after batch, several side by side: each is laid out from what those before it will have done. They are committed one
    /// behind the other, so what fails takes all behind it along; then they are written again, one at a time.
    async fn flush(&mut self) -> Result<(), Stopped> {
        let (mut running, mut begun) = (Running::new(), 0);
        let mut laid = self.committed;
        let mut alone: Option<Arc<Batch>> = None; // laid out, and waits until nothing else is being written
        let mut failed = None;
        loop {
            while failed.is_none() && alone.is_none() && begun < BEGUN_MAX && self.may_begin(running.len()) {
                self.config().faults.point("lane.before_take");
                let ids = self.take();
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
            let is_alone = alone.is_some() || failed.is_some() || begun == BEGUN_MAX || self.sessions.is_empty() || !self.lane.is_beside();
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
                            // One that lost sight of the one before it is written again, alone: only then is it known whether the database is another.
                            let group = self.lane.group_of(batch.number);
                            failed = Some((group, (!is_out_of_order(&error)).then_some(error)));
                        }
                        Err(error) if is_lost(&error) => failed = failed.map(|(group, _)| (group, Some(error))), // its connection is lost
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

    /// So many records are worth a batch beside the others: as many as the last one has, and not few. Each waits for the flush of the one before.
    fn enough(&self) -> usize {
        let last = lock(&self.lane.sent).back().map_or(0, |sent| sent.group.len());
        last.max(BESIDE_MIN).min(self.config().batch_max)
    }

    /// Whether another batch may be begun now.
    fn may_begin(&self, running: usize) -> bool {
        let queued = lock(&self.lane.queue).len();
        !self.sessions.is_empty() && (running == 0 || (self.lane.is_beside() && queued >= self.enough()))
    }

    /// Sends a batch that is laid out.
    fn begin(&mut self, batch: Arc<Batch>, running: &mut Running) {
        let Some(mut session) = self.sessions.pop() else { return };
        let (faults, cutoff, beside) = (self.config().faults.clone(), self.lane.cutoff(batch.number), !running.is_empty());
        running.push_back(Box::pin(async move {
            faults.pause("lane.before_commit").await;
            let began = Instant::now();
            let result = session.commit(&batch, cutoff, beside).await;
            faults.pause("lane.after_commit").await;
            if result.is_ok() {
                metrics::histogram!("florin_journal_commit_seconds").record(began.elapsed());
            }
            (session, batch, result)
        }));
    }

    /// A batch is committed.
    fn settle(&mut self, batch: &Batch) {
        metrics::histogram!("florin_journal_batch_size").record(count(self.lane.records_of(batch.number)));
        self.committed = self.committed.and(batch);
        self.lane.settle_sent(batch.number, &self.journal.0);
    }

    /// What is in flight besides these, in order, last first: what waits to be written again.
    fn rest_of(&self, group: &[TransactionId]) -> Vec<Vec<TransactionId>> {
        let group: HashSet<_> = group.iter().collect();
        let rest: Vec<_> = self.lane.ids().into_iter().filter(|id| !group.contains(id)).collect();
        if rest.is_empty() { Vec::new() } else { vec![rest] }
    }

    /// Moves slips from the queue to the batch in flight: the first of each key, up to the limit, except those whose approvals are
    /// void and those past their cut-off.
    fn take(&self) -> Vec<TransactionId> {
        let quarantine = &self.journal.0.quarantine;
        let underway: HashSet<KeyHash> = lock(&self.lane.in_flight).iter().map(|taken| taken.record.key).collect();
        let mut queue = lock(&self.lane.queue);
        let now = Instant::now();
        let (mut keys, mut later, mut dropped, mut taken, mut waiting) = (HashSet::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for slip in queue.drain(..) {
            if taken.len() == self.config().batch_max || underway.contains(&slip.key()) || !keys.insert(slip.key()) {
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
                taken.push(slip);
            }
        }
        later.append(&mut waiting);
        *queue = later;
        drop(queue);
        for (slip, why) in dropped {
            slip.answer(Outcome::Aborted(why));
        }
        let mut in_flight = lock(&self.lane.in_flight);
        let first = in_flight.len();
        in_flight.extend(taken.into_iter().map(Slip::take));
        in_flight[first..].iter().map(|taken| taken.record.id).collect()
    }

    /// Commits these records of those in flight, one batch at a time, the last group first; whatever is wrong with one is found by splitting.
    async fn run(&mut self, mut groups: Vec<Vec<TransactionId>>) -> Result<(), Stopped> {
        while let Some(group) = groups.pop() {
            let is_full = self.committed.rows >= self.config().partition_rows;
            let session = self.sessions.last_mut().ok_or_else(no_session)?;
            let next_partition = is_full && session.has_next_partition(self.committed.batch).await?;
            let Some(batch) = self.lane.lay_out(&group, self.committed.batch, next_partition) else { continue }; // all were resolved, or the journal was closed meanwhile
            if !batch.outside.is_empty() {
                lock(&self.lane.sent).clear();
                let error =
                    StoreError::Unreadable(format!("accounts {:?} would be outside the limits that their actors admitted under", batch.outside));
                self.lane.split(group, &error, session, &mut groups).await?;
                continue;
            }
            let mut running = Running::new();
            self.begin(batch, &mut running);
            let Some((session, batch, result)) = running.next().await else { continue };
            self.sessions.push(session);
            match result {
                Ok(()) => self.settle(&batch),
                Err(error) if is_lost(&error) => return Err(error.into()), // what was sent may be there
                Err(error) => {
                    lock(&self.lane.sent).clear();
                    self.resolve(error, group, &mut groups).await?;
                }
            }
        }
        Ok(())
    }

    /// A batch of these records failed whole, and nothing is laid out behind it: what is left to do with them is pushed on `groups`.
    async fn resolve(&mut self, error: StoreError, mut group: Vec<TransactionId>, groups: &mut Vec<Vec<TransactionId>>) -> Result<(), Stopped> {
        let session = self.sessions.last_mut().ok_or_else(no_session)?;
        match error.code() {
            Some(code::FENCED) => return Err(Stopped::Fenced { known: true }), // it failed whole
            _ if is_out_of_order(&error) => {
                tracing::error!(%error, "the database is not the one that memory was built on: the epoch ends");
                return Err(Stopped::Fenced { known: true });
            }
            _ if is_key_used(&error) => {
                let used = session.used_keys(&self.lane.keys(&group)).await?;
                self.lane.resolve_used(&mut group, &used);
                groups.push(group);
            }
            Some(code::TOO_LATE) => {
                let now = session.now().await?;
                self.lane.resolve_late(&mut group, now);
                groups.push(group);
            }
            _ => self.lane.split(group, &error, session, groups).await?,
        }
        Ok(())
    }

    /// A new session; then what became of the batch in flight; then the rest of it again.
    async fn recover(&mut self) -> Result<(), Stopped> {
        if !self.sessions.is_empty() {
            return Ok(());
        }
        self.lane.refuse_late();
        let config = self.config();
        config.faults.point("lane.recover");
        let (mut sessions, committed) = match WriterSession::open(&config.database, config.epoch, config.answer_timeout, config.writers).await {
            Ok(opened) => opened,
            Err(OpenError::Fenced) => return Err(Stopped::Fenced { known: false }),
            Err(OpenError::Store(error)) => return Err(error.into()),
        };
        // The fence is up: only now may anything be called not done. What was sent is there if it is the last batch.
        if !self.lane.is_successor(committed.batch) {
            tracing::error!(batch = committed.batch, "the database is not the one that memory was built on: the epoch ends");
            return Err(Stopped::Fenced { known: false });
        }
        lock(&self.journal.0.recent).begin(place(committed.batch + 1, 0) - 1);
        self.lane.settle_sent(committed.batch, &self.journal.0);
        lock(&self.lane.sent).clear();
        let mut ids = self.lane.ids();
        if !ids.is_empty()
            && let Some(session) = sessions.last_mut()
        {
            let now = session.now().await?;
            self.lane.resolve_late(&mut ids, now);
        }
        (self.sessions, self.committed) = (sessions, committed);
        self.run(vec![ids]).await?;
        self.flush().await
    }

    /// What a batch's end means for those who wait, and for health.
    fn after(&mut self, result: Result<(), Stopped>, myself: &ActorRef<LaneMessage>) {
        let shared = &self.journal.0;
        match result {
            Ok(()) => {
                if !self.sessions.is_empty() {
                    if !std::mem::replace(&mut self.healthy, true) {
                        self.backoff.reset();
                        shared.reach(None);
                    }
                    for barrier in self.barriers.drain(..) {
                        let _ = barrier.send(()); // who asked may have left
                    }
                }
            }
            Err(Stopped::Fenced { known }) => {
                self.sessions.clear();
                if known {
                    self.lane.abort_all(Abort::NotLeader);
                }
                tracing::warn!(epoch = shared.config.epoch, "fenced off: another process has taken over");
                self.journal.close();
                self.barriers.clear(); // nothing is loaded under this epoch any more
                (shared.config.fenced)();
            }
            Err(Stopped::Lost(error)) => {
                if !lock(&self.lane.in_flight).is_empty() {
                    metrics::counter!("florin_journal_unknown_total").increment(1);
                }
                self.sessions.clear();
                self.healthy = false;
                shared.reach(Some(error.to_string()));
                self.journal.refuse_queued(Abort::DatabaseAway);
                let delay = self.backoff.next_backoff().unwrap_or(Duration::from_secs(1));
                drop(myself.send_after(delay, || LaneMessage::Recover));
            }
        }
    }
}

impl Lane {
    fn ids(&self) -> Vec<TransactionId> {
        lock(&self.in_flight).iter().map(|taken| taken.record.id).collect()
    }

    fn keys(&self, group: &[TransactionId]) -> Vec<KeyHash> {
        let in_flight = lock(&self.in_flight);
        Resolved::of(&in_flight, group).map(|taken| taken.record.key).collect()
    }

    /// Lays a group out behind the batch `prior`, as what is sent next, from what is settled and what those that were sent before it will have done. None if nothing is
    /// left of it.
    fn lay_out(&self, group: &[TransactionId], prior: i64, in_next_partition: bool) -> Option<Arc<Batch>> {
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
    fn group_of(&self, batch: i64) -> Vec<TransactionId> {
        lock(&self.sent).iter().find(|sent| sent.batch.number == batch).map(|sent| sent.group.clone()).unwrap_or_default()
    }

    /// How many those are.
    fn records_of(&self, batch: i64) -> usize {
        lock(&self.sent).iter().find(|sent| sent.batch.number == batch).map_or(0, |sent| sent.group.len())
    }

    /// The earliest cut-off of a batch that was sent.
    fn cutoff(&self, batch: i64) -> Instant {
        lock(&self.sent).iter().find(|sent| sent.batch.number == batch).map_or_else(Instant::now, |sent| sent.cutoff)
    }

    /// Whether another batch may be written beside those that are.
    fn is_beside(&self) -> bool {
        lock(&self.sent).iter().all(|sent| sent.batch.may_run_beside())
    }

    /// Whether the database's last batch is the one that memory knows, or one that was sent.
    fn is_successor(&self, batch: i64) -> bool {
        let sent = lock(&self.sent).iter().any(|sent| sent.batch.number == batch);
        let mut last = lock(&self.last);
        let is = last.is_none_or(|last| last == batch) || sent;
        if is && last.is_none() {
            *last = Some(batch);
        }
        is
    }

    /// While the database is away: nobody waits in the queue beyond its cut-off.
    fn refuse_late(&self) {
        let now = Instant::now();
        let late: Vec<_> = lock(&self.queue).extract_if(.., |slip| slip.record().cutoff <= now).collect();
        for slip in late {
            slip.answer(Outcome::Aborted(Abort::DatabaseAway));
        }
    }
}

/// Nobody knows whether it was committed, or the connection is gone.
fn is_lost(error: &StoreError) -> bool {
    error.is_transient() || error.code().is_none()
}

fn no_session() -> Stopped {
    Stopped::Lost(StoreError::Lost("no session".into()))
}

#[expect(clippy::cast_precision_loss, reason = "a histogram is of floats")]
fn count(n: usize) -> f64 {
    n as f64
}
