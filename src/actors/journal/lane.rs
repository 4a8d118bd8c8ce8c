//! One lane: adaptive group commit. One record alone is committed at once; under load a batch is what gathered while the one before
//! was being written.
//!
//! Its actor owns the session and nothing else. Between `Flush` messages it holds no record; during one the batch is in
//! [`Lane::in_flight`] and [`Lane::sent`]. If it dies there, the next lane raises the session (which waits out the old backend), asks for the
//! last batch, and runs again what was not in it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
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
use crate::store::journal::{OpenError, WriterSession, code, is_key_used};

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
    session: Option<WriterSession>,
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
        Ok(LaneState { journal, lane, session: None, barriers: Vec::new(), backoff, healthy: false })
    }

    async fn handle(&self, myself: ActorRef<LaneMessage>, message: LaneMessage, state: &mut LaneState) -> Result<(), ActorProcessingErr> {
        let result = match message {
            LaneMessage::Barrier(reply) => {
                state.barriers.push(reply);
                Ok(())
            }
            LaneMessage::Flush if state.session.is_none() => Ok(()), // the recovery that is under way flushes
            LaneMessage::Flush => state.flush().await,
            LaneMessage::Recover => state.recover().await,
        };
        state.after(result, &myself);
        Ok(())
    }
}

impl LaneState {
    fn config(&self) -> &JournalConfig {
        &self.journal.0.config
    }

    /// Takes what has gathered and commits it.
    async fn flush(&mut self) -> Result<(), Stopped> {
        self.lane.scheduled.store(false, Ordering::Release); // whoever queues from here on asks for another flush
        self.config().faults.point("lane.before_take");
        let ids = self.take();
        if ids.is_empty() {
            return Ok(());
        }
        self.config().faults.point("lane.taken");
        self.run(ids).await
    }

    /// Moves slips from the queue to the batch in flight: the first of each key, up to the limit, except those whose approvals are
    /// void and those past their cut-off.
    fn take(&self) -> Vec<TransactionId> {
        let quarantine = &self.journal.0.quarantine;
        let mut queue = lock(&self.lane.queue);
        let now = Instant::now();
        let (mut keys, mut later, mut dropped, mut taken, mut waiting) = (HashSet::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for slip in queue.drain(..) {
            if taken.len() == self.config().batch_max || !keys.insert(slip.key()) {
                later.push(slip);
            } else if slip.stops().iter().any(|stop| stop.account.cell.is_dead()) {
                dropped.push((slip, Abort::Interrupted));
            } else if slip.record().cutoff <= now {
                dropped.push((slip, Abort::TooLate));
            } else if slip.stops().iter().any(|stop| quarantine.has(stop.account.identity.id)) {
                dropped.push((slip, Abort::Guard));
            } else if slip.stops().iter().any(|stop| quarantine.is_suspended(stop.account.identity.id)) {
                waiting.push(slip); // whoever lets the account go on asks for a flush
            } else {
                taken.push(slip);
            }
        }
        let more = !later.is_empty();
        later.append(&mut waiting);
        *queue = later;
        drop(queue);
        if more {
            self.lane.schedule();
        }
        for (slip, why) in dropped {
            slip.answer(Outcome::Aborted(why));
        }
        let mut in_flight = lock(&self.lane.in_flight);
        let first = in_flight.len();
        in_flight.extend(taken.into_iter().map(Slip::take));
        in_flight[first..].iter().map(|taken| taken.record.id).collect()
    }

    /// Commits these records of the batch in flight; whatever is wrong with one is found by splitting.
    async fn run(&mut self, ids: Vec<TransactionId>) -> Result<(), Stopped> {
        let (journal, lane) = (self.journal.clone(), self.lane.clone());
        let config = &journal.0.config;
        let session = self.session.as_mut().ok_or_else(|| Stopped::Lost(StoreError::Lost("no session".into())))?;
        let mut groups = vec![ids];
        while let Some(mut group) = groups.pop() {
            let is_full = session.rows() >= config.partition_rows && session.has_next_partition().await?;
            let Some(cutoff) = lane.lay_out(&group, session.batch(), is_full) else { continue }; // all were resolved, or the journal was closed meanwhile
            config.faults.pause("lane.before_commit").await;
            let began = Instant::now();
            let Some(batch) = lock(&lane.sent).as_ref().map(|sent| sent.batch.clone()) else { continue };
            if !batch.outside.is_empty() {
                *lock(&lane.sent) = None;
                let error =
                    StoreError::Unreadable(format!("accounts {:?} would be outside the limits that their actors admitted under", batch.outside));
                lane.split(group, &error, session, &mut groups).await?;
                continue;
            }
            let result = session.commit(&batch, cutoff).await;
            config.faults.pause("lane.after_commit").await;
            match result {
                Ok(()) => {
                    metrics::histogram!("florin_journal_commit_seconds").record(began.elapsed());
                    metrics::histogram!("florin_journal_batch_size").record(count(group.len()));
                    lane.settle_sent(session.batch(), &journal.0);
                }
                Err(error) => match error.code() {
                    Some(code::FENCED) => return Err(Stopped::Fenced { known: true }), // it failed whole
                    Some(code::NOT_SUCCESSOR) => {
                        tracing::error!(%error, "the database is not the one that memory was built on: the epoch ends");
                        return Err(Stopped::Fenced { known: true });
                    }
                    _ if is_key_used(&error) => {
                        let used = session.used_keys(&lane.keys(&group)).await?;
                        lane.resolve_used(&mut group, &used);
                        groups.push(group);
                    }
                    Some(code::TOO_LATE) => {
                        let now = session.now().await?;
                        lane.resolve_late(&mut group, now);
                        groups.push(group);
                    }
                    _ if error.is_transient() || error.code().is_none() => return Err(error.into()),
                    _ => lane.split(group, &error, session, &mut groups).await?,
                },
            }
        }
        Ok(())
    }

    /// A new session; then what became of the batch in flight; then the rest of it again.
    async fn recover(&mut self) -> Result<(), Stopped> {
        if self.session.is_some() {
            return Ok(());
        }
        self.lane.refuse_late();
        let config = self.config();
        config.faults.point("lane.recover");
        let mut session = match WriterSession::open(&config.database, config.epoch, config.answer_timeout).await {
            Ok(session) => session,
            Err(OpenError::Fenced) => return Err(Stopped::Fenced { known: false }),
            Err(OpenError::Store(error)) => return Err(error.into()),
        };
        // The fence is up: only now may anything be called not done. What was sent is there if it is the last batch.
        if !self.lane.is_successor(session.batch()) {
            tracing::error!(batch = session.batch(), "the database is not the one that memory was built on: the epoch ends");
            return Err(Stopped::Fenced { known: false });
        }
        lock(&self.journal.0.recent).begin(place(session.batch() + 1, 0) - 1);
        self.lane.settle_sent(session.batch(), &self.journal.0);
        let mut ids = self.lane.ids();
        if !ids.is_empty() {
            let now = session.now().await?;
            self.lane.resolve_late(&mut ids, now);
        }
        self.session = Some(session);
        self.run(ids).await?;
        self.lane.scheduled.store(false, Ordering::Release);
        self.flush().await
    }

    /// What a batch's end means for those who wait, and for health.
    fn after(&mut self, result: Result<(), Stopped>, myself: &ActorRef<LaneMessage>) {
        let shared = &self.journal.0;
        match result {
            Ok(()) => {
                if self.session.is_some() {
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
                self.session = None;
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
                (self.session, self.healthy) = (None, false);
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

    /// Lays a group out behind the last batch, as what is sent next; answers its earliest cut-off. None if nothing is left of it.
    fn lay_out(&self, group: &[TransactionId], prior: i64, in_next_partition: bool) -> Option<Instant> {
        let in_flight = lock(&self.in_flight);
        let cutoff = Resolved::of(&in_flight, group).map(|taken| taken.record.cutoff).min()?;
        let known =
            |taken: &Taken, id: AccountId| taken.stops.iter().find(|stop| stop.account.identity.id == id).map(|stop| stop.account.cell.posted());
        let records = Resolved::of(&in_flight, group).map(|taken| (&*taken.record, move |id| known(taken, id)));
        let batch = Arc::new(Batch::of(next_batch(prior, in_next_partition), prior, records));
        *lock(&self.sent) = Some(Sent { group: group.to_vec(), batch });
        Some(cutoff)
    }

    /// Whether the database's last batch is the one that memory knows, or the one that was sent.
    fn is_successor(&self, batch: i64) -> bool {
        let sent = lock(&self.sent).as_ref().map(|sent| sent.batch.number);
        let mut last = lock(&self.last);
        let is = last.is_none_or(|last| last == batch) || sent == Some(batch);
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

#[expect(clippy::cast_precision_loss, reason = "a histogram is of floats")]
fn count(n: usize) -> f64 {
    n as f64
}
