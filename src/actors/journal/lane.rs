//! One lane: adaptive group commit. A single record is committed at once; under load a batch is what gathered while
//! earlier ones were being written, over several connections side by side.
//!
//! Its actor owns only the sessions. Between `Flush` messages it holds no record; during one, the batches are in
//! [`Lane::in_flight`] and [`Lane::sent`]. If it dies then, the next lane raises the session (which waits for an old
//! backend that is committing), reads the number of the last batch, and runs again what is not committed.

use std::sync::Arc;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use futures::StreamExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::pace::Pace;
use super::pipeline::{Running, is_lost};
use super::{Journal, JournalConfig, Lane, lock};
use crate::protocol::journal::place;
use crate::protocol::record::TransactionId;
use crate::protocol::slip::Abort;
use crate::store::StoreError;
use crate::store::journal::{Committed, OpenError, WriterSession};
use crate::telemetry::metrics::JOURNAL_UNKNOWN;

pub struct LaneActor;

pub enum LaneMessage {
    /// Something is queued.
    Flush,
    /// Connect to the database again, and find out which batches in flight are committed.
    Recover,
    /// Answer when every batch begun before this is resolved.
    Barrier(oneshot::Sender<()>),
}

pub struct LaneState {
    pub(super) journal: Journal,
    pub(super) lane: Arc<Lane>,
    /// The sessions that are writing nothing now.
    pub(super) sessions: Vec<WriterSession>,
    /// The last batch that was committed, and how many rows its partition has.
    pub(super) committed: Committed,
    pub(super) pace: Pace,
    barriers: Vec<oneshot::Sender<()>>,
    backoff: ExponentialBackoff,
    /// Whether the journal was told that this lane reaches the database.
    healthy: bool,
    /// Records in a batch, if that is fewer than the journal's bound: half of those that were not written in time.
    pub(super) limit: usize,
}

/// Why writing stopped.
pub(super) enum Stopped {
    /// It is not known whether what was sent is committed.
    Lost(StoreError),
    /// The database has a newer epoch, or is not the one that memory was built on.
    Fenced {
        /// Whether what is in flight was certainly not done; else that is not known.
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

    async fn pre_start(
        &self,
        myself: ActorRef<LaneMessage>,
        journal: Journal,
    ) -> Result<LaneState, ActorProcessingErr> {
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
            pace: Pace::default(),
            barriers: Vec::new(),
            backoff,
            healthy: false,
            limit: usize::MAX,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<LaneMessage>,
        message: LaneMessage,
        state: &mut LaneState,
    ) -> Result<(), ActorProcessingErr> {
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

impl LaneState {
    pub(super) fn config(&self) -> &JournalConfig {
        &self.journal.0.config
    }

    /// Records in the next batch.
    pub(super) fn batch_max(&self) -> usize {
        self.limit.min(self.config().batch_max).max(1)
    }

    /// Commits these groups of records in flight, one batch at a time, the last group first. A record that is refused
    /// is found by splitting its group.
    pub(super) async fn run(&mut self, mut groups: Vec<Vec<TransactionId>>) -> Result<(), Stopped> {
        while let Some(group) = groups.pop() {
            let is_full = self.committed.rows >= self.config().partition_rows;
            let session = self.sessions.last_mut().ok_or_else(no_session)?;
            let next_partition = is_full && session.has_next_partition(self.committed.batch).await?;
            // all were resolved, or the journal was closed meanwhile
            let Some(batch) = self.lane.lay_out(&group, self.committed.batch, next_partition) else { continue };
            if !batch.outside.is_empty() {
                lock(&self.lane.sent).clear();
                let error = StoreError::Unreadable(format!(
                    "accounts {:?} would be outside the limits that their actors admitted under",
                    batch.outside
                ));
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

    /// Opens a new session, then finds out what is committed of the batches that were sent, then writes the rest again.
    async fn recover(&mut self) -> Result<(), Stopped> {
        if !self.sessions.is_empty() {
            return Ok(());
        }
        self.lane.refuse_late();
        let config = self.config();
        config.faults.point("lane.recover");
        let (mut sessions, committed) = match WriterSession::open(
            &config.database,
            (config.epoch, &config.holder),
            config.answer_timeout,
            config.writers,
        )
        .await
        {
            Ok(opened) => opened,
            Err(OpenError::Fenced) => return Err(Stopped::Fenced { known: false }),
            Err(OpenError::Store(error)) => return Err(error.into()),
        };
        // The fence is up: only now may anything be called not done. What was sent is there if it is the last batch.
        if !self.lane.is_successor(committed.batch) {
            tracing::error!(
                batch = committed.batch,
                "the database is not the one that memory was built on: the epoch ends"
            );
            return Err(Stopped::Fenced { known: false });
        }
        lock(&self.journal.0.recent).begin(place(committed.batch + 1, 0) - 1);
        self.lane.settle_sent(committed.batch, &self.journal.0);
        let unwritten = lock(&self.lane.sent).drain(..).map(|sent| sent.group.len()).max();
        let mut ids = self.lane.ids();
        if !ids.is_empty()
            && let Some(session) = sessions.last_mut()
        {
            let now = session.now().await?;
            self.lane.resolve_late(&mut ids, now);
        }
        (self.sessions, self.committed) = (sessions, committed);
        if let Some(records) = unwritten {
            self.limit = (records / 2).max(1);
        }
        // the last of them is run first
        self.run(ids.rchunks(self.batch_max()).map(<[_]>::to_vec).collect()).await?;
        self.flush().await
    }

    /// Tells waiting callers and health how a message ended, and plans the next attempt.
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
                    metrics::counter!(JOURNAL_UNKNOWN).increment(1);
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

pub(super) fn no_session() -> Stopped {
    Stopped::Lost(StoreError::Lost("no session".into()))
}
