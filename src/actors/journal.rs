//! The journal: lays out the records that accounts approved and commits them, many by one call.
//!
//! The queue and the batches in flight are kept here, outside the lane's actor that writes them, so that they survive
//! it. The journal's actor supervises the lane and restarts it; a lane always begins by finding out which of the
//! batches that were sent are committed.

mod guilty;
mod lane;
mod layout;
mod left;
mod pace;
mod pipeline;
mod quarantine;
mod recent;
mod settle;

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::{Notify, oneshot, watch};

pub use self::lane::{LaneActor, LaneMessage};
use self::quarantine::Quarantine;
use self::recent::Recent;
use crate::faults::Faults;
use crate::protocol::account::Posted;
use crate::protocol::batch::Batch;
use crate::protocol::journal::place;
use crate::protocol::record::{AccountId, TransactionId};
use crate::protocol::slip::{Abort, Outcome, Slip, Taken};
use crate::resilience::health::{Condition, Health, Part};
use crate::resilience::policy::{self, ChildName, History, Verdict};
use crate::resilience::tasks;
use crate::store::Database;
use crate::store::accounts::AsOf;
use crate::telemetry::metrics::ACTOR_RESTARTS;

/// What a journal is made from.
#[derive(Clone)]
pub struct JournalConfig {
    pub database: Database,
    pub epoch: i64,
    /// The name of this process on the lease.
    pub holder: String,
    /// How many batches may be written side by side.
    pub writers: usize,
    /// When a partition has this many rows, the next batch begins the next partition.
    pub partition_rows: i64,
    /// Records in one batch.
    pub batch_max: usize,
    /// The outcome of a batch without an answer for this long is unknown.
    pub answer_timeout: Duration,
    /// Called when the database has a newer epoch.
    pub fenced: Arc<dyn Fn() + Send + Sync>,
    /// Notified after each batch.
    pub committed: Arc<Notify>,
    pub health: Health,
    pub faults: Faults,
}

/// A handle on the journal of one epoch; clones share it, and it outlives the restarts of its lanes.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

struct Shared {
    lane: Arc<Lane>,
    config: JournalConfig,
    closed: AtomicBool,
    database_away: AtomicBool,
    recent: Mutex<Recent>,
    /// Balances in the database include every row up to this place.
    folded: watch::Sender<i64>,
    quarantine: Quarantine,
}

/// A batch that was sent. Whether it is committed is told by the number of the database's last batch.
#[derive(Clone)]
struct Sent {
    group: Vec<TransactionId>,
    batch: Arc<Batch>,
    /// The earliest cut-off of its records.
    cutoff: Instant,
}

/// What belongs to the lane, but must survive its actor.
#[derive(Default)]
pub(crate) struct Lane {
    queue: Mutex<Vec<Box<Slip>>>,
    /// Records in a batch, or of unknown outcome: only the journal answers them.
    in_flight: Mutex<Vec<Taken>>,
    /// The batches that were sent to the database, in order.
    sent: Mutex<VecDeque<Sent>>,
    /// The last batch that this epoch knows to be committed; `None`: nothing was asked yet.
    last: Mutex<Option<i64>>,
    scheduled: AtomicBool,
    /// When this many are queued, another batch is begun beside the one being written; 0: none is.
    enough: AtomicUsize,
    /// Notified when that many are queued.
    more: Notify,
    actor: RwLock<Option<ActorRef<LaneMessage>>>,
}

/// How long a read waits for the fold before it is made again.
const FOLD_LOOK: Duration = Duration::from_millis(20);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// A journal that does not run yet: slips wait in its queue.
    pub fn new(config: JournalConfig) -> Self {
        Self(Arc::new(Shared {
            lane: Arc::default(),
            config,
            closed: AtomicBool::new(false),
            database_away: AtomicBool::new(false),
            recent: Mutex::default(),
            folded: watch::Sender::new(0),
            quarantine: Quarantine::default(),
        }))
    }

    /// Takes a slip that all its accounts have approved.
    pub fn submit(&self, slip: Box<Slip>) {
        let lane = &self.0.lane;
        if self.0.closed.load(Ordering::Acquire) {
            return slip.answer(Outcome::Aborted(Abort::NotLeader));
        }
        let queued = {
            let mut queue = lock(&lane.queue);
            queue.push(slip);
            queue.len()
        };
        lane.schedule();
        lane.tell_enough(queued);
        if self.0.closed.load(Ordering::Acquire) {
            self.refuse_queued(Abort::NotLeader); // it was closed between the two lines
        }
    }

    /// Waits until every batch that was begun before this call is resolved, through restarts of the lane. Ends early
    /// when the journal is closed.
    pub async fn barrier(&self) {
        while !self.0.closed.load(Ordering::Acquire) {
            let (reply, passed) = oneshot::channel();
            let sent = self.0.lane.actor().is_some_and(|actor| actor.cast(LaneMessage::Barrier(reply)).is_ok());
            if sent && passed.await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await; // the lane is being restarted
        }
    }

    /// How many records wait or are being written.
    pub fn depth(&self) -> usize {
        lock(&self.0.lane.queue).len() + lock(&self.0.lane.in_flight).len()
    }

    /// Notified after each batch.
    pub fn committed(&self) -> Arc<Notify> {
        self.0.config.committed.clone()
    }

    /// The number of the last batch that this epoch knows to be committed; `None`: nothing was asked yet.
    pub fn last(&self) -> Option<i64> {
        *lock(&self.0.lane.last)
    }

    /// Whether the database did not answer when last asked.
    pub fn is_database_away(&self) -> bool {
        self.0.database_away.load(Ordering::Relaxed)
    }

    /// An account as of now, from a read of its balance and what is remembered. `None`: the read is too old, see
    /// [`Journal::wait_for_fold`].
    ///
    /// # Errors
    /// The read saw another epoch: this process does not remember everything.
    pub fn recall(&self, account: AccountId, read: Posted, as_of: AsOf) -> Result<Option<Posted>, &'static str> {
        if as_of.epoch != self.0.config.epoch {
            return Err("another process has taken over");
        }
        Ok(lock(&self.0.recent).recall(account, read, as_of.folded))
    }

    /// Waits until more is folded than a read saw, but only for a moment: perhaps it is not known yet where this epoch
    /// begins.
    pub async fn wait_for_fold(&self, seen: AsOf) {
        let mut folded = self.0.folded.subscribe();
        // whoever asks looks again
        let _ = tokio::time::timeout(FOLD_LOOK, folded.wait_for(|place| *place > seen.folded)).await;
    }

    /// Called by the auditor: balances include every row up to `place`, and exactly these accounts are in quarantine.
    /// Returns accounts that were released: what memory believes of them is void.
    pub fn folded(&self, place: i64, quarantined: &[i64]) -> Vec<AccountId> {
        let mut released = Vec::new();
        self.0.quarantine.change(|found, _| {
            let now: HashSet<AccountId> = quarantined.iter().copied().map(AccountId).collect();
            released = found.difference(&now).copied().collect();
            *found = now;
        });
        let mut recent = lock(&self.0.recent);
        recent.fold(place);
        for account in &released {
            recent.forget(*account);
        }
        drop(recent);
        self.0.folded.send_replace(place);
        released
    }

    /// Called while an account's balance is being set right: its movements wait until [`Journal::resume`]. Returns when
    /// every batch begun before is folded.
    pub async fn suspend(&self, account: AccountId) {
        self.0.quarantine.change(|_, suspended| {
            suspended.insert(account);
        });
        self.barrier().await;
        let Some(last) = self.last() else { return };
        // whole batches are folded; the sender is ours
        let _ = self.0.folded.subscribe().wait_for(|folded| *folded >= place(last, 0)).await;
    }

    /// The account's balance in the database is right now: what memory knows of it is void.
    pub fn resume(&self, account: AccountId) {
        lock(&self.0.recent).forget(account);
        self.0.quarantine.change(|found, suspended| {
            found.remove(&account);
            suspended.remove(&account);
        });
        self.0.lane.schedule(); // those that waited
    }

    pub fn is_quarantined(&self, account: AccountId) -> bool {
        self.0.quarantine.has(account)
    }

    /// How many accounts are remembered because they are not folded yet.
    pub fn recent(&self) -> usize {
        lock(&self.0.recent).len()
    }

    /// The epoch is lost or given up: nothing more is written under it. What is queued was certainly not done; the
    /// outcome of what is in flight stays unknown here.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.refuse_queued(Abort::NotLeader);
        for taken in std::mem::take(&mut *lock(&self.0.lane.in_flight)) {
            taken.answer(Outcome::Unknown);
        }
    }

    fn refuse_queued(&self, why: Abort) {
        let queued = std::mem::take(&mut *lock(&self.0.lane.queue));
        for slip in queued {
            slip.answer(Outcome::Aborted(why));
        }
    }
}

impl Shared {
    /// Reports that the database answers, or why it does not.
    fn reach(&self, away: Option<String>) {
        if self.closed.load(Ordering::Acquire) {
            return; // how the database is, is for the journal of the next epoch to say
        }
        let news = self.database_away.swap(away.is_some(), Ordering::Relaxed) != away.is_some();
        if let Some(why) = away {
            if news {
                tracing::warn!(error = %why, "the database is away");
            }
            self.config.health.report(Part::Database, Condition::Down(why));
            return;
        }
        if news {
            tracing::info!("the database is back");
        }
        self.config.health.report(Part::Database, Condition::Up);
        self.config.health.report(Part::Journal, Condition::Up);
    }
}

impl Lane {
    fn actor(&self) -> Option<ActorRef<LaneMessage>> {
        self.actor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wakes the lane when enough are queued to begin another batch.
    fn tell_enough(&self, queued: usize) {
        let enough = self.enough.load(Ordering::Acquire);
        if enough > 0 && queued >= enough && self.enough.swap(0, Ordering::AcqRel) > 0 {
            self.more.notify_one();
        }
    }

    /// Sends the lane one message per batch, not per record: only who finds no flush scheduled sends one.
    fn schedule(&self) {
        if !self.scheduled.swap(true, Ordering::AcqRel)
            && let Some(actor) = self.actor()
        {
            let _ = actor.cast(LaneMessage::Flush); // a lane that starts flushes without being asked
        }
    }
}

/// Supervises the lane.
pub struct JournalActor;

pub enum JournalMessage {
    /// Start the lane again.
    Restart,
}

pub struct JournalState {
    journal: Journal,
    running: Option<ActorId>,
    history: History,
}

impl Actor for JournalActor {
    type Msg = JournalMessage;
    type State = JournalState;
    type Arguments = Journal;

    async fn pre_start(
        &self,
        myself: ActorRef<JournalMessage>,
        journal: Journal,
    ) -> Result<JournalState, ActorProcessingErr> {
        let mut state = JournalState { journal, running: None, history: History::default() };
        state.start(&myself).await?;
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<JournalMessage>,
        message: JournalMessage,
        state: &mut JournalState,
    ) -> Result<(), ActorProcessingErr> {
        let JournalMessage::Restart = message;
        state.start(&myself).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<JournalMessage>,
        event: SupervisionEvent,
        state: &mut JournalState,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, cause) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell.get_id(), error.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, reason) => {
                (cell.get_id(), reason.unwrap_or_else(|| "stopped".into()))
            }
            _ => return Ok(()),
        };
        if state.running.take_if(|id| *id == actor).is_none() {
            return Ok(());
        }
        if state.journal.0.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        tracing::error!(%cause, "the journal's lane failed");
        metrics::counter!(ACTOR_RESTARTS, "actor" => ChildName::Lane.as_str()).increment(1);
        state.journal.0.config.health.restarted(Part::Journal, &cause);
        match state.history.next(&policy::row(ChildName::Lane).policy, Instant::now()) {
            Verdict::RestartAfter(delay) => {
                drop(myself.send_after(tasks::jittered(delay), || JournalMessage::Restart));
                Ok(())
            }
            Verdict::Escalate => Err(format!("the lane fails too often, the last time with: {cause}").into()),
        }
    }
}

impl JournalState {
    async fn start(&mut self, myself: &ActorRef<JournalMessage>) -> Result<(), ActorProcessingErr> {
        let (actor, _) = Actor::spawn_linked(None, LaneActor, self.journal.clone(), myself.get_cell()).await?;
        self.running = Some(actor.get_id());
        Ok(())
    }
}
