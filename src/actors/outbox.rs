//! The publisher: takes the journal's events to Kafka, each once, in order.
//!
//! Woken by the journal and by a slow poll. Each message does one batch at most, so that a stop never waits long.
//! Failures of Kafka or PostgreSQL are retried in here for ever, with backoff. Only a fatal error of the producer ends
//! the actor; its supervisor then starts it again with the same arguments, on the leader only. A publisher that must
//! not go on because data was lost somewhere says so in health and looks again from time to time; payments go on
//! meanwhile.

mod batch;
mod ends;
mod handle;
pub mod judge;
pub mod repair;
mod session;

use std::sync::Arc;
use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;

use crate::faults::Faults;
use crate::messaging::KafkaConfig;
use crate::messaging::topics::Topics;
use crate::resilience::health::{Condition, Health, Part};
use crate::telemetry::metrics::OUTBOX_PUBLISH;

use ends::Trouble;
pub use handle::OutboxHandle;
use session::{Outcome, Session};

/// How the publisher works.
#[derive(Clone, Debug)]
pub struct OutboxConfig {
    /// The publisher's id, which is the key of its position.
    pub publisher: String,
    /// Its own topic partition in the topic of positions.
    pub partition: i32,
    /// Events in one Kafka transaction.
    pub batch_rows_max: usize,
    /// The shortest time between two Kafka transactions that are not full: one costs the broker the same for one event
    /// as for many.
    pub linger: Duration,
    /// How often it looks by itself.
    pub poll_interval: Duration,
    /// The first delay after a failure; it doubles with each further one.
    pub base_delay: Duration,
    /// The longest delay after a failure.
    pub max_delay: Duration,
    /// How often a record that Kafka refuses is tried again before it becomes a dead letter. One that can never be sent
    /// is not tried again.
    pub retries_max: u32,
    /// An idle publisher runs a transaction this often, so that Kafka does not forget its name.
    pub keep_alive: Duration,
    /// False for a broker without transactions: events then arrive at least once, and PostgreSQL has the position.
    pub transactional: bool,
    /// Whether another cluster or another database counts as a fresh start. For development only.
    pub start_over: bool,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            publisher: "main".into(),
            partition: 0,
            batch_rows_max: 1000,
            linger: Duration::from_millis(50),
            poll_interval: Duration::from_secs(1),
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            retries_max: 5,
            keep_alive: Duration::from_secs(12 * 3600),
            transactional: true,
            start_over: false,
        }
    }
}

/// What the actor is started with, the same at each restart.
#[derive(Clone)]
pub struct OutboxArgs {
    pub config: OutboxConfig,
    pub kafka: KafkaConfig,
    /// Its connections, with deadlines: see [`crate::store::outbox::bounded`].
    pub pool: PgPool,
    pub health: Health,
    pub faults: Faults,
    /// How others reach it.
    pub handle: OutboxHandle,
    /// Whether the lease is confirmed. Without that it does not connect to Kafka: connecting shuts out the publisher of
    /// another node.
    pub confirmed: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// How often the lease is looked at before a publisher connects.
const CONFIRM_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub enum OutboxMessage {
    /// There is something new.
    Wake,
    /// Look without having been woken.
    Poll,
    /// Do the next batch. It sends this to itself.
    Step,
    Stop,
}

/// Publishes the journal's events to Kafka.
pub struct OutboxPublisher;

pub struct OutboxState {
    args: OutboxArgs,
    topics: Topics,
    session: Option<Session>,
    backoff: ExponentialBackoff,
    next: Next,
    poll: JoinHandle<()>,
}

/// Whether a `Step` is on its way.
enum Next {
    /// No: whatever wakes it sends one.
    Idle,
    /// It is in the mailbox.
    Now,
    /// It comes after a delay that nothing shortens.
    Later,
}

impl Actor for OutboxPublisher {
    type Msg = OutboxMessage;
    type State = OutboxState;
    type Arguments = OutboxArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<OutboxMessage>,
        args: OutboxArgs,
    ) -> Result<OutboxState, ActorProcessingErr> {
        let config = &args.config;
        let backoff = ExponentialBackoff {
            initial_interval: config.base_delay,
            current_interval: config.base_delay,
            max_interval: config.max_delay,
            multiplier: 2.0,
            randomization_factor: 0.3,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        args.handle.attach(&myself);
        let poll = myself.send_interval(config.poll_interval, || OutboxMessage::Poll);
        myself.cast(OutboxMessage::Step)?;
        Ok(OutboxState { topics: Topics::new(&args.kafka), args, session: None, backoff, next: Next::Now, poll })
    }

    async fn handle(
        &self,
        myself: ActorRef<OutboxMessage>,
        message: OutboxMessage,
        state: &mut OutboxState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            OutboxMessage::Wake => {
                state.args.handle.woken();
                state.nudge(&myself)
            }
            OutboxMessage::Poll => state.nudge(&myself),
            OutboxMessage::Step => state.step(&myself).await,
            OutboxMessage::Stop => {
                myself.stop(None);
                Ok(())
            }
        }
    }

    async fn post_stop(&self, _: ActorRef<OutboxMessage>, state: &mut OutboxState) -> Result<(), ActorProcessingErr> {
        state.poll.abort();
        if let Some(session) = state.session.take() {
            session.close().await;
        }
        Ok(())
    }
}

impl OutboxState {
    fn nudge(&mut self, myself: &ActorRef<OutboxMessage>) -> Result<(), ActorProcessingErr> {
        match std::mem::replace(&mut self.next, Next::Now) {
            Next::Now => Ok(()),
            Next::Later => {
                self.next = Next::Later;
                Ok(())
            }
            Next::Idle => Ok(myself.cast(OutboxMessage::Step)?),
        }
    }

    async fn step(&mut self, myself: &ActorRef<OutboxMessage>) -> Result<(), ActorProcessingErr> {
        if self.args.handle.stop_asked() {
            myself.stop(None);
            return Ok(());
        }
        let began = Instant::now();
        match self.work().await {
            Ok(Outcome::More) => {
                self.well();
                self.next = Next::Now;
                myself.cast(OutboxMessage::Step)?;
            }
            Ok(Outcome::CaughtUp) => {
                self.well();
                self.later(myself, self.args.config.linger.saturating_sub(began.elapsed()));
            }
            Ok(Outcome::Idle) => {
                self.well();
                self.next = Next::Idle;
            }
            Err(Trouble::Stopped) => myself.stop(None),
            Err(Trouble::Fatal(reason)) => {
                self.report(Condition::Degraded(reason.clone()));
                self.give_up().await;
                self.poll.abort();
                return Err(reason.into());
            }
            Err(Trouble::Unconfirmed) => {
                self.args.faults.point("outbox.unconfirmed");
                self.report(Condition::Degraded(Trouble::Unconfirmed.to_string()));
                self.later(myself, CONFIRM_EVERY);
            }
            Err(Trouble::Refused(refusal)) => {
                self.give_up().await;
                if self.report(Condition::Down(refusal.to_string())) {
                    tracing::error!(%refusal, "the outbox publisher refuses to publish");
                }
                self.later(myself, self.args.config.max_delay);
            }
            Err(Trouble::Passing { reason, renew }) => {
                if renew {
                    self.give_up().await;
                }
                let delay = self.backoff.next_backoff().unwrap_or(self.args.config.max_delay);
                if self.report(Condition::Degraded(reason.clone())) {
                    tracing::warn!(%reason, ?delay, "the outbox publisher will try again");
                }
                self.later(myself, delay);
            }
        }
        Ok(())
    }

    async fn work(&mut self) -> Result<Outcome, Trouble> {
        let session = match &mut self.session {
            Some(session) => session,
            // However it lost the one before: two nodes whose publishers always come back would shut each other out for
            // ever.
            _ if !(self.args.confirmed)() => return Err(Trouble::Unconfirmed),
            none => none.insert(Session::open(&self.args).await?),
        };
        let started = Instant::now();
        let outcome = session.step(&self.args, &self.topics).await?;
        if matches!(outcome, Outcome::More | Outcome::CaughtUp) {
            metrics::histogram!(OUTBOX_PUBLISH).record(started.elapsed());
        }
        Ok(outcome)
    }

    async fn give_up(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }

    fn well(&mut self) {
        self.backoff.reset();
        self.report(Condition::Up);
    }

    fn report(&self, condition: Condition) -> bool {
        self.args.health.report(Part::Outbox, condition)
    }

    fn later(&mut self, myself: &ActorRef<OutboxMessage>, delay: Duration) {
        self.next = Next::Later;
        drop(myself.send_after(delay, || OutboxMessage::Step));
    }
}
