//! Runs sagas in order of time: one actor on the leader that serves their timers, and one for each saga that is being
//! run.
//!
//! When a saga goes on is in its row; its state follows from its facts. This actor looks for sagas whose time has come,
//! at once when it is woken, and starts a [`Workflow`] for each, at most [`RUNNING_MAX`] side by side; the rest wait.
//! It owns only its timer, and which sagas run. If it or a workflow dies between any two lines, the saga is found due
//! again and goes on from its facts. One that keeps failing rests, longer each time, so that it does not hold up the
//! others.

mod facts;
mod handle;
mod steps;
mod workflow;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use sqlx::PgPool;
use uuid::Uuid;

use super::accounts::Registry;
use super::journal::Journal;
use crate::faults::Faults;
use crate::protocol::admission::InFlight;
use crate::protocol::record::TransactionId;
use crate::provider::Provider;
use crate::saga::Policy;
use crate::store::{StoreError, sagas};
use crate::telemetry::metrics::{SAGAS_RUNNING, SAGAS_STUCK};

pub use self::facts::{Happened, Unwritten, append};
pub use self::handle::SagasHandle;
use self::workflow::{Workflow, WorkflowArgs};

/// Sagas that run side by side.
pub const RUNNING_MAX: usize = 256;
/// The longest sleep: another process may have written.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// The shortest time between two looks, so that many workflows that end share one.
const SLEEP_MIN: Duration = Duration::from_millis(5);
/// How long a saga rests after its workflow failed; it doubles with each further failure.
const REST_MIN: Duration = Duration::from_millis(100);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(30);
/// Failures that are remembered; when there are more, all are forgotten.
const RESTING_MAX: usize = 10_000;
/// How often stuck sagas are counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

type Timer = tokio::task::JoinHandle<Result<(), ractor::MessagingErr<SagasMessage>>>;

/// How sagas are run.
#[derive(Clone)]
pub struct SagaConfig {
    /// Does the steps that the ledger cannot do.
    pub provider: Arc<dyn Provider>,
    /// How often and how long a step is tried.
    pub policy: Policy,
    /// Connections for sagas alone: they must not keep accounts from being loaded.
    pub pool: PgPool,
}

/// Starts a workflow for each saga whose time has come.
pub struct Sagas;

pub enum SagasMessage {
    /// Look for sagas whose time has come.
    Look,
}

/// What the actor is started with.
#[derive(Clone)]
pub struct SagasArgs {
    pub config: SagaConfig,
    pub registry: Registry,
    pub journal: Journal,
    /// By which it is woken.
    pub handle: SagasHandle,
    pub faults: Faults,
}

pub struct SagasState {
    args: SagasArgs,
    places: InFlight,
    running: HashMap<ActorId, Uuid>,
    resting: HashMap<Uuid, Rest>,
    timer: Option<Timer>,
    looked: Option<Instant>,
    counted: Option<Instant>,
}

/// A saga whose workflow failed.
struct Rest {
    failures: u32,
    until: Instant,
}

impl Actor for Sagas {
    type Msg = SagasMessage;
    type State = SagasState;
    type Arguments = SagasArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<SagasMessage>,
        args: SagasArgs,
    ) -> Result<SagasState, ActorProcessingErr> {
        args.handle.attach(myself.clone());
        myself.cast(SagasMessage::Look)?;
        let (running, resting) = (HashMap::new(), HashMap::new());
        Ok(SagasState {
            args,
            places: InFlight::new(RUNNING_MAX),
            running,
            resting,
            timer: None,
            looked: None,
            counted: None,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<SagasMessage>,
        _: SagasMessage,
        state: &mut SagasState,
    ) -> Result<(), ActorProcessingErr> {
        let early = state.looked.map_or(Duration::ZERO, |looked| SLEEP_MIN.saturating_sub(looked.elapsed()));
        if !early.is_zero() {
            state.look_after(early, &myself);
            return Ok(());
        }
        state.args.handle.looking();
        state.args.faults.pause("sagas.look").await;
        let sleep = match state.look(&myself).await {
            Ok(sleep) => sleep,
            Err(Trouble::Store(error)) => {
                tracing::warn!(%error, "sagas whose time has come cannot be looked up: tried again");
                SLEEP_MAX
            }
            Err(Trouble::Spawn(error)) => return Err(error),
        };
        state.looked = Some(Instant::now());
        state.look_after(sleep, &myself);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<SagasMessage>,
        event: SupervisionEvent,
        state: &mut SagasState,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, failure) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell.get_id(), Some(error)),
            SupervisionEvent::ActorTerminated(cell, ..) => (cell.get_id(), None),
            _ => return Ok(()),
        };
        let Some(saga) = state.running.remove(&actor) else { return Ok(()) };
        match failure {
            Some(error) => state.rest(saga, &error),
            None => drop(state.resting.remove(&saga)),
        }
        state.args.handle.wake(); // there is room for another, and this one may be due soon
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<SagasMessage>, state: &mut SagasState) -> Result<(), ActorProcessingErr> {
        if let Some(timer) = state.timer.take() {
            timer.abort();
        }
        metrics::gauge!(SAGAS_STUCK).set(0.0); // whoever leads from now on counts them
        metrics::gauge!(SAGAS_RUNNING).set(0.0);
        Ok(())
    }
}

/// Why a look failed.
enum Trouble {
    Store(StoreError),
    Spawn(ActorProcessingErr),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl SagasState {
    /// There is one timer: a wake-up meanwhile must not leave two.
    fn look_after(&mut self, delay: Duration, myself: &ActorRef<SagasMessage>) {
        if let Some(timer) = self.timer.replace(myself.send_after(delay, || SagasMessage::Look)) {
            timer.abort();
        }
    }

    /// Starts workflows for sagas that are due, up to the bound; returns after how long to look again.
    async fn look(&mut self, myself: &ActorRef<SagasMessage>) -> Result<Duration, Trouble> {
        let pool = self.args.config.pool.clone();
        if self.counted.is_none_or(|counted| counted.elapsed() >= COUNT_EVERY) {
            let stuck = u32::try_from(sagas::count_stuck(&pool).await?).unwrap_or(u32::MAX);
            metrics::gauge!(SAGAS_STUCK).set(f64::from(stuck));
            self.counted = Some(Instant::now());
        }
        let room = RUNNING_MAX.saturating_sub(self.running.len());
        if room == 0 {
            return Ok(SLEEP_MAX); // woken when one ends
        }
        let due = sagas::due(&pool, &self.passed_over(), i64::try_from(room).unwrap_or(i64::MAX)).await?;
        for saga in due {
            let args =
                WorkflowArgs { saga: TransactionId(saga), sagas: self.args.clone(), places: self.places.clone() };
            let (actor, _) = Actor::spawn_linked(None, Workflow, args, myself.get_cell())
                .await
                .map_err(|error| Trouble::Spawn(error.into()))?;
            self.running.insert(actor.get_id(), saga);
        }
        metrics::gauge!(SAGAS_RUNNING).set(f64::from(u32::try_from(self.running.len()).unwrap_or(u32::MAX)));
        if self.running.len() >= RUNNING_MAX {
            return Ok(SLEEP_MAX);
        }
        let next = sagas::next_due(&pool, &self.passed_over()).await?;
        let next = next.map_or(SLEEP_MAX, |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        let now = Instant::now();
        let rested = self
            .resting
            .values()
            .map(|rest| rest.until.saturating_duration_since(now))
            .filter(|left| !left.is_zero())
            .min();
        Ok(next.min(rested.unwrap_or(SLEEP_MAX)).clamp(SLEEP_MIN, SLEEP_MAX))
    }

    /// Sagas that run, and sagas that rest.
    fn passed_over(&self) -> Vec<Uuid> {
        let now = Instant::now();
        let resting = self.resting.iter().filter(|(_, rest)| rest.until > now).map(|(saga, _)| saga);
        self.running.values().chain(resting).copied().collect()
    }

    fn rest(&mut self, saga: Uuid, error: &ActorProcessingErr) {
        if self.resting.len() >= RESTING_MAX {
            self.resting.clear();
        }
        let rest = self.resting.entry(saga).or_insert(Rest { failures: 0, until: Instant::now() });
        let pause = REST_MIN.saturating_mul(1 << rest.failures.min(20)).min(REST_MAX);
        (rest.failures, rest.until) = (rest.failures.saturating_add(1), Instant::now() + pause);
        tracing::warn!(%saga, %error, failures = rest.failures, again_in_ms = pause.as_millis(), "a saga was interrupted: it goes on from its facts");
    }
}
