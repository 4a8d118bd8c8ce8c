//! The journal: lanes that commit what the accounts approved, many records by one call.
//!
//! A lane's queue and the batch it has in flight live here, outside the lane's actor, so that they survive it. The journal's actor
//! supervises the lanes and restarts them; a lane always begins by finding out what became of the batch that its forerunner left.

mod lane;
mod settle;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

pub use self::lane::{LaneActor, LaneMessage};
use crate::faults::Faults;
use crate::protocol::record::KeyHash;
use crate::protocol::slip::{Abort, Outcome, Slip, Taken};
use crate::store::Database;
use crate::supervision::health::{Condition, Health, Part};
use crate::supervision::policy::{self, History, Verdict};
use crate::supervision::tasks;

/// What the journal's lanes are made of.
#[derive(Clone)]
pub struct JournalConfig {
    /// Where it writes.
    pub database: Database,
    /// Under which epoch.
    pub epoch: i64,
    /// How many lanes; one is best unless accounts are disjoint.
    pub lanes: u16,
    /// Records per batch at most.
    pub batch_max: usize,
    /// A batch without an answer for this long is of unknown outcome.
    pub answer_timeout: Duration,
    /// Told when the epoch turns out to be another's.
    pub fenced: Arc<dyn Fn() + Send + Sync>,
    /// Called after each batch that wrote events.
    pub published: Arc<dyn Fn() + Send + Sync>,
    /// Where it says how it is.
    pub health: Health,
    /// Where tests make it fail.
    pub faults: Faults,
}

/// A handle on the journal of one epoch; clones share it, and it outlives the restarts of its lanes.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

struct Shared {
    lanes: Vec<Arc<Lane>>,
    config: JournalConfig,
    closed: AtomicBool,
    /// By lane. Health hears the sum of it: the first lane to come back must not speak for those still away.
    reach: Mutex<Vec<Reach>>,
    /// Whether one of them is away.
    database_away: AtomicBool,
}

/// Whether a lane reaches the database.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    /// It has not tried yet.
    Untried,
    /// It has a session.
    Well,
    /// It has none, and why.
    Away(String),
}

/// What a lane owns that its actor's death must not take away.
pub(crate) struct Lane {
    number: u16,
    queue: Mutex<Vec<Box<Slip>>>,
    /// In a batch, or of unknown outcome: only the journal resolves them.
    in_flight: Mutex<Vec<Taken>>,
    scheduled: AtomicBool,
    actor: RwLock<Option<ActorRef<LaneMessage>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// A journal whose lanes are not running yet: what is submitted waits.
    pub fn new(config: JournalConfig) -> Self {
        let lane = |number| {
            Arc::new(Lane {
                number,
                queue: Mutex::default(),
                in_flight: Mutex::default(),
                scheduled: AtomicBool::new(false),
                actor: RwLock::default(),
            })
        };
        let lanes: Vec<_> = (0..config.lanes.max(1)).map(lane).collect();
        let reach = Mutex::new(vec![Reach::Untried; lanes.len()]);
        Self(Arc::new(Shared { lanes, config, closed: AtomicBool::new(false), reach, database_away: AtomicBool::new(false) }))
    }

    /// Hands over a slip that all its accounts approved. A key always goes to the same lane.
    pub fn submit(&self, slip: Box<Slip>) {
        let lane = self.lane(slip.key());
        if self.0.closed.load(Ordering::Acquire) {
            return slip.answer(Outcome::Aborted(Abort::NotLeader));
        }
        lock(&lane.queue).push(slip);
        lane.schedule();
        if self.0.closed.load(Ordering::Acquire) {
            self.refuse_queued(Abort::NotLeader); // it was closed between the two lines
        }
    }

    /// Waits until every batch that was begun before this call is resolved. Survives restarts of lanes; ends early when the journal is closed.
    pub async fn barrier(&self) {
        for lane in &self.0.lanes {
            while !self.0.closed.load(Ordering::Acquire) {
                let (reply, passed) = oneshot::channel();
                let sent = lane.actor().is_some_and(|actor| actor.cast(LaneMessage::Barrier(reply)).is_ok());
                if sent && passed.await.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await; // the lane is being restarted
            }
        }
    }

    /// Whether a record of this key is waiting or being written.
    pub fn is_running(&self, key: KeyHash) -> bool {
        let lane = self.lane(key);
        lock(&lane.queue).iter().any(|slip| slip.key() == key) || lock(&lane.in_flight).iter().any(|taken| taken.record.key == key)
    }

    /// How many records wait or are being written.
    pub fn depth(&self) -> usize {
        self.0.lanes.iter().map(|lane| lock(&lane.queue).len() + lock(&lane.in_flight).len()).sum()
    }

    /// Whether the database did not answer one of the lanes when last asked.
    pub fn is_database_away(&self) -> bool {
        self.0.database_away.load(Ordering::Relaxed)
    }

    /// The epoch is lost or let go: nothing more is written under it. What is queued was certainly not done; of what is in flight
    /// nobody here will know.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.refuse_queued(Abort::NotLeader);
        for lane in &self.0.lanes {
            for taken in std::mem::take(&mut *lock(&lane.in_flight)) {
                taken.answer(Outcome::Unknown);
            }
        }
    }

    fn refuse_queued(&self, why: Abort) {
        for lane in &self.0.lanes {
            let queued = std::mem::take(&mut *lock(&lane.queue));
            for slip in queued {
                slip.answer(Outcome::Aborted(why));
            }
        }
    }

    fn lane(&self, key: KeyHash) -> &Arc<Lane> {
        let lanes = self.0.lanes.len();
        let n = usize::from(u16::from_le_bytes([key.0.as_bytes()[14], key.0.as_bytes()[15]]));
        &self.0.lanes[n % lanes]
    }
}

impl Shared {
    /// A lane reaches the database, or does not. It is down while one does not, and up once all do.
    fn reach(&self, lane: u16, now: Reach) {
        let mut reach = lock(&self.reach);
        reach[usize::from(lane)] = now;
        if self.closed.load(Ordering::Acquire) {
            return; // how the database is, is for the lanes of the next epoch to say
        }
        let away = reach.iter().find_map(|lane| if let Reach::Away(why) = lane { Some(why) } else { None });
        let news = self.database_away.swap(away.is_some(), Ordering::Relaxed) != away.is_some();
        if let Some(why) = away {
            if news {
                tracing::warn!(lane, error = %why, "the database is away");
            }
            self.config.health.report(Part::Database, Condition::Down(why.clone()));
            return;
        }
        if news {
            tracing::info!(lane, "the database is back");
        }
        if reach.iter().all(|lane| *lane == Reach::Well) {
            self.config.health.report(Part::Database, Condition::Up);
            self.config.health.report(Part::Journal, Condition::Up);
        }
    }
}

impl Lane {
    fn actor(&self) -> Option<ActorRef<LaneMessage>> {
        self.actor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One message per batch, not per record: whoever finds no flush under way asks for one.
    fn schedule(&self) {
        if !self.scheduled.swap(true, Ordering::AcqRel)
            && let Some(actor) = self.actor()
        {
            let _ = actor.cast(LaneMessage::Flush); // a lane that starts flushes without being asked
        }
    }
}

/// The supervisor of the lanes.
pub struct JournalActor;

/// What the supervisor is told.
pub enum JournalMessage {
    /// Start this lane again.
    Restart(u16),
}

/// What the supervisor owns.
pub struct JournalState {
    journal: Journal,
    running: Vec<(ActorId, u16)>,
    history: History,
}

impl Actor for JournalActor {
    type Msg = JournalMessage;
    type State = JournalState;
    type Arguments = Journal;

    async fn pre_start(&self, myself: ActorRef<JournalMessage>, journal: Journal) -> Result<JournalState, ActorProcessingErr> {
        let mut state = JournalState { journal, running: Vec::new(), history: History::default() };
        for lane in 0..state.journal.0.config.lanes.max(1) {
            state.start(lane, &myself).await?;
        }
        Ok(state)
    }

    async fn handle(&self, myself: ActorRef<JournalMessage>, message: JournalMessage, state: &mut JournalState) -> Result<(), ActorProcessingErr> {
        let JournalMessage::Restart(lane) = message;
        state.start(lane, &myself).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<JournalMessage>,
        event: SupervisionEvent,
        state: &mut JournalState,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, cause) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell.get_id(), error.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, reason) => (cell.get_id(), reason.unwrap_or_else(|| "stopped".into())),
            _ => return Ok(()),
        };
        let Some(at) = state.running.iter().position(|(id, _)| *id == actor) else { return Ok(()) };
        let (_, lane) = state.running.remove(at);
        if state.journal.0.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        tracing::error!(lane, %cause, "a journal lane failed");
        metrics::counter!("florin_actor_restarts_total", "actor" => "lane").increment(1);
        state.journal.0.config.health.restarted(Part::Journal, &cause);
        match state.history.next(&policy::row("lane").policy, Instant::now()) {
            Verdict::RestartAfter(delay) => {
                drop(myself.send_after(tasks::jittered(delay), move || JournalMessage::Restart(lane)));
                Ok(())
            }
            Verdict::Escalate => Err(format!("lanes fail too often, the last with: {cause}").into()),
        }
    }
}

impl JournalState {
    async fn start(&mut self, lane: u16, myself: &ActorRef<JournalMessage>) -> Result<(), ActorProcessingErr> {
        let args = lane::LaneArgs { journal: self.journal.clone(), lane };
        let (actor, _) = Actor::spawn_linked(None, LaneActor, args, myself.get_cell()).await?;
        self.running.push((actor.get_id(), lane));
        Ok(())
    }
}
