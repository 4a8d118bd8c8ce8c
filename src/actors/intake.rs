//! Takes messages in from Kafka: a supervised consumer per kind of message, each with a desk that says what a message does.
//!
//! Runs on the leader alone. A poll is handled whole, then its offsets are committed; if it dies between any two lines,
//! the same messages come again, and a desk finds what was done, since ids are made from the messages' own. A message
//! that can never have an effect becomes a dead letter. When PostgreSQL, Kafka or the journal is away the poll is read
//! again later, for as long as it takes.

mod letters;

use std::sync::Arc;
use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

pub use self::letters::{Letters, Undelivered};
use crate::faults::Faults;
use crate::messaging::KafkaConfig;
use crate::messaging::consumer::{Batch, Bounds, Consumer, Received};
use crate::messaging::producer::Failure;
use crate::resilience::health::{Condition, Health, Part};
use crate::store::{StoreError, received};
use crate::telemetry::metrics::{RECEIVED, RECEIVED_POLL};

/// How often a desk looks at what is its own to do, and dead letters to be read again are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Dead letters that are read again together.
pub(super) const REPLAYS_MAX: usize = 500;
/// Dead letters that are kept and sent side by side.
const LETTERS_BESIDE: usize = 8;
/// Dead letters that PostgreSQL keeps; older ones are on the dead-letter topic alone. So many are deleted at a time.
const LETTERS_MAX: i64 = 100_000;
const LETTERS_FORGOTTEN_MAX: i64 = 5_000;
/// The shortest and the longest wait after a failure.
const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(10);

/// Where a message stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// A message to be handled.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The same whenever it is delivered.
    pub place: Place,
    pub key: Option<Vec<u8>>,
    pub body: Vec<u8>,
    /// When it was written, or received where nobody says.
    pub received_at: DateTime<Utc>,
}

impl Incoming {
    /// What tells this message from all others that stand where it stands, also from those of a topic that was made anew.
    pub fn id(&self) -> String {
        let Place { topic, partition, offset } = &self.place;
        format!("{topic}/{partition}/{offset}/{}", self.digest())
    }

    /// SHA-256 of what it says, in hexadecimal digits.
    pub fn digest(&self) -> String {
        let digest = Sha256::digest(&self.body);
        digest.iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Done,
    /// It was done before.
    Repeated,
    /// It waits in PostgreSQL for something that is missing.
    Parked,
    /// It can never have an effect as it is: why, in a word and in words.
    Dead {
        code: &'static str,
        reason: String,
    },
}

impl Fate {
    /// The label of metrics.
    fn label(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Repeated => "repeated",
            Self::Parked => "parked",
            Self::Dead { .. } => "dead_letter",
        }
    }
}

/// Why messages are to be read again later: nothing is wrong with them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Later(pub String);

/// What the messages of a topic do.
pub trait Desk: Send + Sync + 'static {
    /// What health calls it.
    fn part(&self) -> Part;

    /// How much one poll reads.
    fn bounds(&self) -> Bounds;

    /// Handles messages, and says of each what became of it, in their order.
    fn handle(&self, messages: &[Incoming]) -> impl Future<Output = Result<Vec<Fate>, Later>> + Send;

    /// What it does by itself, about once a second.
    fn look(&self, _: &Letters) -> impl Future<Output = Result<(), Later>> + Send {
        std::future::ready(Ok(()))
    }
}

/// What the actor is started with, the same at each restart.
pub struct IntakeArgs<D> {
    pub desk: D,
    pub kafka: KafkaConfig,
    /// The first gives its name to metrics.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group: String,
    pub pool: PgPool,
    pub health: Health,
    pub faults: Faults,
    /// Whether the lease is confirmed: else another node may be the one that takes them in.
    pub confirmed: Arc<dyn Fn() -> bool + Send + Sync>,
}

pub enum IntakeMessage {
    /// Read and handle what is there. It sends this to itself.
    Step,
}

/// Takes in the messages of one kind.
pub struct Intake<D>(std::marker::PhantomData<fn() -> D>);

impl<D> Default for Intake<D> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

pub struct IntakeState<D> {
    args: IntakeArgs<D>,
    consumer: Option<Consumer>,
    letters: Letters,
    looked: Option<Instant>,
    backoff: ExponentialBackoff,
}

impl From<Failure> for Later {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

impl From<StoreError> for Later {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<Undelivered> for Later {
    fn from(error: Undelivered) -> Self {
        Self(format!("a dead letter cannot be kept: {error}"))
    }
}

impl<D: Desk> Actor for Intake<D> {
    type Msg = IntakeMessage;
    type State = IntakeState<D>;
    type Arguments = IntakeArgs<D>;

    async fn pre_start(
        &self,
        myself: ActorRef<IntakeMessage>,
        args: IntakeArgs<D>,
    ) -> Result<IntakeState<D>, ActorProcessingErr> {
        myself.cast(IntakeMessage::Step)?;
        let backoff = ExponentialBackoff {
            initial_interval: DELAY_MIN,
            current_interval: DELAY_MIN,
            max_interval: DELAY_MAX,
            multiplier: 2.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        let letters = Letters::new(args.pool.clone(), args.kafka.clone());
        Ok(IntakeState { args, consumer: None, letters, looked: None, backoff })
    }

    async fn handle(
        &self,
        myself: ActorRef<IntakeMessage>,
        IntakeMessage::Step: IntakeMessage,
        state: &mut IntakeState<D>,
    ) -> Result<(), ActorProcessingErr> {
        let part = state.args.desk.part();
        match state.step().await {
            Ok(trouble) => {
                state.backoff.reset();
                let condition = trouble.map_or(Condition::Up, Condition::Degraded);
                if state.args.health.report(part, condition.clone()) && condition != Condition::Up {
                    tracing::warn!(topic = state.topic(), ?condition, "a part of the messages cannot be read");
                }
                myself.cast(IntakeMessage::Step)?;
            }
            Err(later) => {
                let delay = state.backoff.next_backoff().unwrap_or(DELAY_MAX);
                if state.args.health.report(part, Condition::Degraded(later.to_string())) {
                    tracing::warn!(topic = state.topic(), reason = %later, ?delay, "messages are taken in later");
                }
                drop(myself.send_after(delay, || IntakeMessage::Step));
            }
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<IntakeMessage>,
        state: &mut IntakeState<D>,
    ) -> Result<(), ActorProcessingErr> {
        state.consumer = None; // it leaves its group
        Ok(())
    }
}

impl<D: Desk> IntakeState<D> {
    fn topic(&self) -> String {
        self.args.topics.first().cloned().unwrap_or_default()
    }

    /// One poll: read, handled, committed. Returns why a part of the messages cannot be read, if that is so.
    async fn step(&mut self) -> Result<Option<String>, Later> {
        if !(self.args.confirmed)() {
            return Err(Later("this process does not lead for certain".into()));
        }
        self.look().await?;
        let bounds = self.args.desk.bounds();
        let read = self.consumer()?.batch(bounds).await.map_err(|error| Later(error.to_string()))?;
        let Batch { messages: batch, trouble } = read;
        if batch.is_empty() {
            return Ok(trouble);
        }
        let began = Instant::now();
        let handled = self.take_in(&batch).await;
        self.args.faults.pause("intake.handled").await;
        let Some(consumer) = self.consumer.take() else { return handled.map(|()| trouble) };
        // A consumer that does neither is replaced by a new one, which begins at the last commit.
        let went = if handled.is_ok() { consumer.commit(&batch).await } else { consumer.rewind(&batch).await };
        match went {
            Ok(()) => self.consumer = Some(consumer),
            Err(error) => {
                tracing::info!(topic = self.topic(), %error, "a consumer is made anew");
                drop(consumer);
            }
        }
        metrics::histogram!(RECEIVED_POLL, "topic" => self.topic()).record(began.elapsed());
        handled.map(|()| trouble)
    }

    fn consumer(&mut self) -> Result<&Consumer, Later> {
        if self.consumer.is_none() {
            let topics: Vec<&str> = self.args.topics.iter().map(String::as_str).collect();
            let joined = Consumer::join(&self.args.kafka, &self.args.group, &topics);
            self.consumer = Some(joined.map_err(|error| Later(error.to_string()))?);
        }
        self.consumer.as_ref().ok_or_else(|| Later("there is no consumer".into()))
    }

    async fn take_in(&mut self, batch: &[Received]) -> Result<(), Later> {
        let incoming: Vec<_> = batch
            .iter()
            .map(|message| Incoming {
                place: Place { topic: message.topic.clone(), partition: message.partition, offset: message.offset },
                key: message.key.clone(),
                body: message.body.clone(),
                received_at: message.written_at.unwrap_or_else(Utc::now),
            })
            .collect();
        let fates = self.handle(&incoming).await?;
        let mut letters = Vec::new();
        for (message, fate) in batch.iter().zip(&fates) {
            if let Fate::Dead { code, reason } = fate {
                letters.push(self.letters.bury(message, (code, reason)));
            }
        }
        // Many at once are not to hold up what stands behind them.
        Ok(stream::iter(letters).buffer_unordered(LETTERS_BESIDE).try_collect::<()>().await?)
    }

    async fn handle(&self, incoming: &[Incoming]) -> Result<Vec<Fate>, Later> {
        let fates = self.args.desk.handle(incoming).await?;
        for fate in &fates {
            metrics::counter!(RECEIVED, "topic" => self.topic(), "fate" => fate.label()).increment(1);
        }
        Ok(fates)
    }

    /// What the desk does by itself, and the dead letters that an operator wants to be read again.
    async fn look(&mut self) -> Result<(), Later> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        self.args.desk.look(&self.letters).await?;
        let pool = &self.args.pool;
        received::forget(pool, LETTERS_MAX, LETTERS_FORGOTTEN_MAX).await?;
        let bounds = (i64::try_from(REPLAYS_MAX).unwrap_or(i64::MAX), self.args.desk.bounds().bytes_max);
        let asked = received::asked(pool, &self.args.topics, bounds).await?;
        if !asked.is_empty() {
            let incoming: Vec<_> = asked
                .iter()
                .map(|letter| Incoming {
                    place: Place { topic: letter.topic.clone(), partition: letter.partition, offset: letter.offset },
                    key: letter.key.clone(),
                    body: letter.body.clone(),
                    received_at: letter.failed_at,
                })
                .collect();
            for (letter, fate) in asked.iter().zip(self.handle(&incoming).await?) {
                match fate {
                    Fate::Dead { code, reason } => received::failed_again(pool, letter.id, code, &reason).await?,
                    Fate::Done | Fate::Repeated | Fate::Parked => received::replayed(pool, &[letter.id]).await?,
                }
            }
        }
        self.looked = Some(Instant::now());
        Ok(())
    }
}
