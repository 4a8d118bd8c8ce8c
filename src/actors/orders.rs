//! Bills the orders that come from Kafka: each becomes one invoice, however often it is delivered.
//!
//! Runs on the leader alone. A poll is billed whole, then its offsets are committed; if it dies between any two lines,
//! the same messages come again and are found billed, since an order's transaction id is made from its event id. A
//! message that can never be billed becomes a dead letter. When PostgreSQL, Kafka or the journal is away the poll is
//! read again later, for as long as it takes.

mod biller;
mod letters;

use std::sync::Arc;
use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use chrono::Utc;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;

use self::biller::{Biller, Fate, Incoming, Trouble};
use self::letters::Undelivered;
use super::accounts::Registry;
use super::journal::Journal;
use crate::faults::Faults;
use crate::messaging::KafkaConfig;
use crate::messaging::consumer::{Bounds, Consumer, Received};
use crate::messaging::producer::{Failure, Producer, Stopping};
use crate::money::Currencies;
use crate::protocol::admission::InFlight;
use crate::resilience::health::{Condition, Health, Part};
use crate::store::billing::orders;
use crate::store::received;
use crate::telemetry::metrics::{ORDERS, ORDERS_POLL};

/// How much one poll reads.
const POLL: Bounds = Bounds {
    messages_max: 1_000,
    bytes_max: 16 << 20,
    wait: Duration::from_millis(500),
    linger: Duration::from_millis(10),
};
/// How often parked orders, and dead letters to be read again, are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Parked orders, and dead letters, that are looked at together.
const LOOK_MAX: i64 = 500;
/// The shortest and the longest wait after a failure.
const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(10);

/// What billing of orders is set to.
#[derive(Clone)]
pub struct OrdersConfig {
    pub kafka: KafkaConfig,
    pub tenant: Arc<str>,
    /// The legal entity that bills.
    pub entity: String,
    /// Tax where no rate is set for region and category.
    pub tax_percent: u32,
    pub currencies: Currencies,
    pub pool: PgPool,
}

/// What the actor is started with, the same at each restart.
pub struct OrdersArgs {
    pub config: OrdersConfig,
    pub registry: Registry,
    pub journal: Journal,
    pub health: Health,
    pub faults: Faults,
    /// Whether the lease is confirmed: else another node may be the one that bills.
    pub confirmed: Arc<dyn Fn() -> bool + Send + Sync>,
}

pub enum OrdersMessage {
    /// Read and bill what is there. It sends this to itself.
    Step,
}

/// Bills orders from Kafka.
pub struct Orders;

pub struct OrdersState {
    args: OrdersArgs,
    consumer: Option<Consumer>,
    producer: Option<Producer>,
    places: InFlight,
    looked: Option<Instant>,
    backoff: ExponentialBackoff,
}

/// Why a poll is to be read again later.
#[derive(Debug, thiserror::Error)]
enum Later {
    #[error("this process does not lead for certain")]
    Unconfirmed,
    #[error(transparent)]
    Kafka(#[from] Failure),
    #[error(transparent)]
    Billing(#[from] Trouble),
    #[error("a dead letter cannot be kept: {0}")]
    Letter(#[from] Undelivered),
}

impl Actor for Orders {
    type Msg = OrdersMessage;
    type State = OrdersState;
    type Arguments = OrdersArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<OrdersMessage>,
        args: OrdersArgs,
    ) -> Result<OrdersState, ActorProcessingErr> {
        myself.cast(OrdersMessage::Step)?;
        let backoff = ExponentialBackoff {
            initial_interval: DELAY_MIN,
            current_interval: DELAY_MIN,
            max_interval: DELAY_MAX,
            multiplier: 2.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        let places = InFlight::new(POLL.messages_max + usize::try_from(LOOK_MAX)?);
        Ok(OrdersState { args, consumer: None, producer: None, places, looked: None, backoff })
    }

    async fn handle(
        &self,
        myself: ActorRef<OrdersMessage>,
        OrdersMessage::Step: OrdersMessage,
        state: &mut OrdersState,
    ) -> Result<(), ActorProcessingErr> {
        match state.step().await {
            Ok(()) => {
                state.backoff.reset();
                state.args.health.report(Part::Orders, Condition::Up);
                myself.cast(OrdersMessage::Step)?;
            }
            Err(later) => {
                let delay = state.backoff.next_backoff().unwrap_or(DELAY_MAX);
                if state.args.health.report(Part::Orders, Condition::Degraded(later.to_string())) {
                    tracing::warn!(reason = %later, ?delay, "orders will be billed later");
                }
                drop(myself.send_after(delay, || OrdersMessage::Step));
            }
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<OrdersMessage>, state: &mut OrdersState) -> Result<(), ActorProcessingErr> {
        if let Some(consumer) = state.consumer.take() {
            consumer.leave().await;
        }
        Ok(())
    }
}

/// A dead letter is sent for as long as Kafka takes: the actor has nothing better to do.
struct Never;

impl Stopping for Never {
    fn stopping(&self) -> bool {
        false
    }
}

impl OrdersState {
    /// One poll: read, billed, committed.
    async fn step(&mut self) -> Result<(), Later> {
        if !(self.args.confirmed)() {
            return Err(Later::Unconfirmed);
        }
        self.look().await?;
        let batch = match self.consumer()?.batch(POLL).await {
            Ok(batch) => batch,
            Err(error) => return Err(Failure::Renew(error.to_string()).into()),
        };
        if batch.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let billed = self.bill_received(&batch).await;
        self.args.faults.pause("orders.billed").await;
        let Some(consumer) = self.consumer.take() else { return billed };
        // A consumer that does neither is replaced by a new one, which begins at the last commit.
        let went = if billed.is_ok() { consumer.commit(&batch).await } else { consumer.rewind(&batch).await };
        match went {
            Ok(()) => self.consumer = Some(consumer),
            Err(error) => {
                tracing::info!(%error, "the consumer of orders is made anew");
                consumer.leave().await;
            }
        }
        metrics::histogram!(ORDERS_POLL).record(began.elapsed());
        billed
    }

    fn consumer(&mut self) -> Result<&Consumer, Failure> {
        if self.consumer.is_none() {
            let kafka = &self.args.config.kafka;
            let joined = Consumer::join(kafka, &kafka.orders_group, &[&kafka.orders_topic]);
            self.consumer = Some(joined.map_err(|error| Failure::Renew(error.to_string()))?);
        }
        self.consumer.as_ref().ok_or_else(|| Failure::Renew("there is no consumer".into()))
    }

    async fn bill_received(&mut self, batch: &[Received]) -> Result<(), Later> {
        let incoming: Vec<_> = batch
            .iter()
            .map(|message| Incoming {
                body: message.body.clone(),
                received_at: message.written_at.unwrap_or_else(Utc::now),
                parked: None,
            })
            .collect();
        let fates = self.bill(&incoming).await?;
        for (message, fate) in batch.iter().zip(&fates) {
            if let Fate::Dead { code, reason } = fate {
                tracing::warn!(
                    topic = message.topic,
                    partition = message.partition,
                    offset = message.offset,
                    code,
                    reason,
                    "an order became a dead letter"
                );
                self.bury(message, (code, reason)).await?;
            }
        }
        Ok(())
    }

    async fn bury(&mut self, message: &Received, why: (&str, &str)) -> Result<(), Later> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => Producer::create(&self.args.config.kafka, false)?,
        };
        letters::bury(&self.args.config.pool, &producer, &Never, message, why).await?;
        self.producer = Some(producer);
        Ok(())
    }

    async fn bill(&self, incoming: &[Incoming]) -> Result<Vec<Fate>, Later> {
        let OrdersArgs { config, registry, journal, .. } = &self.args;
        let fates = Biller { config, registry, journal, places: &self.places }.bill(incoming).await?;
        for fate in &fates {
            let label = match fate {
                Fate::Billed => "billed",
                Fate::Repeated => "repeated",
                Fate::Dead { .. } => "dead_letter",
            };
            metrics::counter!(ORDERS, "fate" => label).increment(1);
        }
        Ok(fates)
    }

    /// Bills parked orders that can go on, and dead letters that an operator wants to be read again.
    async fn look(&mut self) -> Result<(), Later> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        let config = &self.args.config;
        let store = |error| Later::Billing(Trouble::Store(error));
        let asked = received::asked(&config.pool, &config.kafka.orders_topic, LOOK_MAX).await.map_err(store)?;
        if !asked.is_empty() {
            let incoming: Vec<_> = asked
                .iter()
                .map(|letter| Incoming { body: letter.body.clone(), received_at: letter.failed_at, parked: None })
                .collect();
            let fates = self.bill(&incoming).await?;
            for (letter, fate) in asked.iter().zip(fates) {
                let pool = &self.args.config.pool;
                match fate {
                    Fate::Billed | Fate::Repeated => received::replayed(pool, &[letter.id]).await.map_err(store)?,
                    Fate::Dead { code, reason } => {
                        received::failed_again(pool, letter.id, code, &reason).await.map_err(store)?;
                    }
                }
            }
        }
        let waiting = orders::waiting(&self.args.config.pool, 0, LOOK_MAX).await.map_err(store)?;
        if !waiting.is_empty() {
            let incoming: Vec<_> = waiting
                .iter()
                .map(|row| Incoming { body: row.body.clone(), received_at: row.received_at, parked: Some(row.id) })
                .collect();
            self.bill(&incoming).await?;
        }
        self.looked = Some(Instant::now());
        Ok(())
    }
}
