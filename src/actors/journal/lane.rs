//! One lane: adaptive group commit. One record alone is committed at once; under load a batch is what gathered while the one before
//! was being written.
//!
//! Its actor owns the session and nothing else. Between `Flush` messages it holds no record; during one the batch is in
//! [`Lane::in_flight`]. If it dies there, the next lane raises the session (which waits out the old backend), looks the keys up and
//! runs the rest again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use hashbrown::HashSet;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::settle::Resolved;
use super::{Journal, JournalConfig, Lane, Reach, lock};
use crate::protocol::account::UsedKeys;
use crate::protocol::batch::Batch;
use crate::protocol::record::{KeyHash, TransactionId};
use crate::protocol::slip::{Abort, Outcome, Slip};
use crate::store::StoreError;
use crate::store::journal::{LaneSession, OpenError, code, is_key_used};

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

/// What a lane is made of.
pub struct LaneArgs {
    pub(super) journal: Journal,
    pub(super) lane: u16,
}

/// What the actor owns.
pub struct LaneState {
    journal: Journal,
    lane: Arc<Lane>,
    session: Option<LaneSession>,
    barriers: Vec<oneshot::Sender<()>>,
    backoff: ExponentialBackoff,
    /// The journal was told that this lane reaches the database.
    healthy: bool,
}

/// Why a batch was given up for now.
enum Stopped {
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
    type Arguments = LaneArgs;

    async fn pre_start(&self, myself: ActorRef<LaneMessage>, args: LaneArgs) -> Result<LaneState, ActorProcessingErr> {
        let lane = args.journal.0.lanes[usize::from(args.lane)].clone();
        *lane.actor.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(myself.clone());
        myself.cast(LaneMessage::Recover)?;
        let backoff = ExponentialBackoff {
            initial_interval: Duration::from_millis(20),
            max_interval: Duration::from_secs(1),
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Ok(LaneState { journal: args.journal, lane, session: None, barriers: Vec::new(), backoff, healthy: false })
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
        let mut queue = lock(&self.lane.queue);
        let now = Instant::now();
        let (mut keys, mut later, mut dropped, mut taken) = (HashSet::new(), Vec::new(), Vec::new(), Vec::new());
        for slip in queue.drain(..) {
            if taken.len() == self.config().batch_max || !keys.insert(slip.key()) {
                later.push(slip);
            } else if slip.stops().iter().any(|stop| stop.account.cell.is_dead()) {
                dropped.push((slip, Abort::Interrupted));
            } else if slip.record().cutoff <= now {
                dropped.push((slip, Abort::TooLate));
            } else {
                taken.push(slip);
            }
        }
        *queue = later;
        let more = !queue.is_empty();
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
            let (batch, cutoff) = lane.lay_out(&group);
            if batch.keys.is_empty() {
                continue; // all were resolved, or the journal was closed meanwhile
            }
            config.faults.pause("lane.before_commit").await;
            let began = Instant::now();
            let result = session.commit(&batch, cutoff).await;
            config.faults.pause("lane.after_commit").await;
            match result {
                Ok(totals) => {
                    metrics::histogram!("florin_journal_commit_seconds").record(began.elapsed());
                    metrics::histogram!("florin_journal_batch_size").record(count(group.len()));
                    lane.settle(&group, &batch, &totals, &config.faults);
                    if !batch.event_types.is_empty() {
                        (config.published)();
                    }
                }
                Err(error) => match error.code() {
                    Some(code::FENCED) => return Err(Stopped::Fenced { known: true }), // it failed whole
                    _ if is_key_used(&error) => {
                        let used = session.used_keys(&lane.keys(&group)).await?;
                        lane.resolve_used(&mut group, &used, session).await?;
                        groups.push(group);
                    }
                    Some(code::TOO_LATE) => {
                        let now = session.now().await?;
                        lane.resolve_late(&mut group, now);
                        groups.push(group);
                    }
                    _ if error.is_transient() || error.code().is_none() => return Err(error.into()),
                    _ if group.len() > 1 => {
                        metrics::counter!("florin_journal_splits_total").increment(1);
                        let second = group.split_off(group.len() / 2);
                        groups.extend([second, group]);
                    }
                    _ => lane.resolve_guilty(group[0], &error, session).await?,
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
        let lane = i32::from(self.lane.number);
        let mut session = match LaneSession::open(&config.database, lane, config.epoch, config.answer_timeout).await {
            Ok(session) => session,
            Err(OpenError::Fenced) => return Err(Stopped::Fenced { known: false }),
            Err(OpenError::Store(error)) => return Err(error.into()),
        };
        // The fence is up: only now may anything be called not done.
        let mut ids = self.lane.ids();
        if !ids.is_empty() {
            let used: UsedKeys = session.used_keys(&self.lane.keys(&ids)).await?;
            self.lane.resolve_used(&mut ids, &used, &mut session).await?;
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
                        shared.reach(self.lane.number, Reach::Well);
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
                tracing::warn!(lane = self.lane.number, epoch = shared.config.epoch, "fenced off: another process has taken over");
                self.journal.close();
                self.barriers.clear(); // nothing is loaded under this epoch any more
                (shared.config.fenced)();
            }
            Err(Stopped::Lost(error)) => {
                if !lock(&self.lane.in_flight).is_empty() {
                    metrics::counter!("florin_journal_unknown_total").increment(1);
                }
                (self.session, self.healthy) = (None, false);
                shared.reach(self.lane.number, Reach::Away(error.to_string()));
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

    /// The arrays of a group, and its earliest cut-off.
    fn lay_out(&self, group: &[TransactionId]) -> (Batch, Instant) {
        let in_flight = lock(&self.in_flight);
        let records: Vec<_> = Resolved::of(&in_flight, group).map(|taken| &*taken.record).collect();
        let cutoff = records.iter().map(|record| record.cutoff).min().unwrap_or_else(Instant::now);
        (Batch::of(records.iter().copied()), cutoff)
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
