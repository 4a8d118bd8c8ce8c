//! Housekeeping: outbox partitions ahead and behind, key generations, and how much waits for Kafka.
//!
//! Everything here is done again at the next tick, so a tick that fails is only logged; an id that outruns the partitions is caught by
//! the default one.

mod backpressure;

use std::time::Duration;

use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;

use crate::faults::Faults;
use crate::store::outbox as store;

pub use backpressure::{Backpressure, Level, Limits, level};

/// How the house is kept.
#[derive(Clone, Debug)]
pub struct HousekeepingConfig {
    /// The publisher whose position counts.
    pub publisher: String,
    /// How often it looks at what waits.
    pub interval: Duration,
    /// How often, in these looks, it tends partitions and keys.
    pub upkeep_every: u32,
    /// Ids in one partition of the outbox.
    pub partition_rows: i64,
    /// Partitions beyond the last id drawn.
    pub partitions_ahead: i32,
    /// How long published events stay, for those who follow live.
    pub event_retention: Duration,
    /// How long an idempotency key is kept, at least.
    pub key_retention: Duration,
    /// How much may wait.
    pub limits: Limits,
}

impl Default for HousekeepingConfig {
    fn default() -> Self {
        Self {
            publisher: "main".into(),
            interval: Duration::from_secs(1),
            upkeep_every: 10,
            partition_rows: 1_000_000,
            partitions_ahead: 2,
            event_retention: Duration::from_secs(24 * 3600),
            key_retention: Duration::from_secs(24 * 3600),
            limits: Limits::default(),
        }
    }
}

/// So many waiting events are counted one by one; beyond, their ids tell.
const COUNTED_MAX: i64 = 10_000;

/// Everything housekeeping needs; the same for each of its lives.
#[derive(Clone)]
pub struct HousekeepingArgs {
    /// How the house is kept.
    pub config: HousekeepingConfig,
    /// Its connections: see [`store::bounded`].
    pub pool: PgPool,
    /// Whom it tells how much waits.
    pub backpressure: Backpressure,
    /// Where tests make it fail.
    pub faults: Faults,
}

/// What it is told.
#[derive(Debug)]
pub enum HousekeepingMessage {
    /// Look.
    Tick,
    /// End.
    Stop,
}

/// The actor.
pub struct Housekeeping;

/// What a life of it keeps.
pub struct HousekeepingState {
    args: HousekeepingArgs,
    ticks: u32,
    level: Level,
    timer: JoinHandle<()>,
}

impl Actor for Housekeeping {
    type Msg = HousekeepingMessage;
    type State = HousekeepingState;
    type Arguments = HousekeepingArgs;

    async fn pre_start(&self, myself: ActorRef<HousekeepingMessage>, args: HousekeepingArgs) -> Result<HousekeepingState, ActorProcessingErr> {
        let timer = myself.send_interval(args.config.interval, || HousekeepingMessage::Tick);
        myself.cast(HousekeepingMessage::Tick)?;
        Ok(HousekeepingState { args, ticks: 0, level: Level::Calm, timer })
    }

    async fn handle(
        &self,
        myself: ActorRef<HousekeepingMessage>,
        message: HousekeepingMessage,
        state: &mut HousekeepingState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            HousekeepingMessage::Tick => state.tick().await,
            HousekeepingMessage::Stop => myself.stop(None),
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<HousekeepingMessage>, state: &mut HousekeepingState) -> Result<(), ActorProcessingErr> {
        state.timer.abort();
        Ok(())
    }
}

impl HousekeepingState {
    async fn tick(&mut self) {
        self.args.faults.pause("housekeeping.tick").await;
        let upkeep = self.ticks.is_multiple_of(self.args.config.upkeep_every.max(1));
        self.ticks = self.ticks.wrapping_add(1);
        if let Err(error) = self.look().await {
            tracing::warn!(%error, "cannot see how many events wait");
        }
        if upkeep {
            tend(&self.args.config, &self.args.pool).await;
        }
    }

    async fn look(&mut self) -> Result<(), sqlx::Error> {
        let HousekeepingArgs { config, pool, backpressure, .. } = &self.args;
        let position = store::copy(pool, &config.publisher).await?.map_or(0, |copy| copy.position);
        let mut backlog = store::backlog(pool, position, COUNTED_MAX).await?;
        if backlog.rows == COUNTED_MAX {
            backlog.rows = store::drawn(pool).await?.saturating_sub(position).max(COUNTED_MAX); // a few ids may have come to nothing
        }
        let rows = u32::try_from(backlog.rows).map_or(f64::INFINITY, f64::from);
        let dead = store::count_dead_letters(pool).await?;
        metrics::gauge!("florin_dead_letters").set(u32::try_from(dead).map_or(f64::INFINITY, f64::from));
        metrics::gauge!("outbox_pending_events").set(rows);
        metrics::gauge!("florin_outbox_lag_events").set(rows);
        metrics::gauge!("florin_outbox_lag_seconds").set(backlog.age.as_secs_f64());
        let now = level(self.level, &config.limits, &backlog);
        let words = || format!("{} events wait for Kafka, the oldest for {} s", backlog.rows, backlog.age.as_secs());
        if now != self.level {
            match now {
                Level::Calm => tracing::info!("few events wait for Kafka now"),
                Level::Warn => tracing::warn!("{}", words()),
                Level::Stop => tracing::error!("{}: new writes are refused", words()),
            }
            self.level = now;
        }
        backpressure.set((now == Level::Stop).then(words));
        Ok(())
    }
}

/// Grows and shrinks the outbox and switches the generation of keys; each on its own, so that one failure keeps none of the others.
async fn tend(config: &HousekeepingConfig, pool: &PgPool) {
    let say = |what: &str, result: Result<(), sqlx::Error>| {
        if let Err(error) = result {
            tracing::warn!(%error, "{what}: will be tried again");
        }
    };
    say("growing the outbox", store::grow(pool, config.partition_rows, config.partitions_ahead).await.map(|_| ()));
    let shrunk = async {
        if let Some(copy) = store::copy(pool, &config.publisher).await? {
            store::shrink(pool, copy.position, config.event_retention).await?;
        }
        Ok(())
    };
    say("shrinking the outbox", shrunk.await);
    say("switching the generation of keys", store::switch_key_generation(pool, config.key_retention).await.map(|_| ()));
}
