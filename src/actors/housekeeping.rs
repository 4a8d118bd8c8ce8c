//! Housekeeping: makes partitions of the journal ahead, forgets old keys, replays dead letters on request, and watches
//! the size of the outbox.
//!
//! All of it is done again at the next tick, so a failed tick is only logged. A journal that finds no next partition
//! stays in the one it has.

mod backpressure;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::journal::Journal;
use super::posting;
use crate::faults::Faults;
use crate::protocol::admission::InFlight;
use crate::protocol::events::{NOTHING, SUSPECT};
use crate::protocol::record::{Api, Kind, Record, RequestHash, Rows, TransactionId};
use crate::store::outbox::{self as store, DeadLetterRow};
use crate::telemetry::metrics::{DEAD_LETTERS, OUTBOX_LAG_EVENTS, OUTBOX_LAG_SECONDS, OUTBOX_PENDING};

pub use backpressure::{Backpressure, Level, Limits, level};

/// What is done how often.
#[derive(Clone, Debug)]
pub struct HousekeepingConfig {
    /// The id of the publisher whose position counts.
    pub publisher: String,
    /// How often the size of the outbox is looked at.
    pub interval: Duration,
    /// Partitions and keys are tended once in this many looks.
    pub upkeep_every: u32,
    /// How many empty partitions should follow the one being written.
    pub partitions_ahead: i32,
    /// How long an idempotency key is remembered at least.
    pub key_retention: Duration,
    pub limits: Limits,
}

impl Default for HousekeepingConfig {
    fn default() -> Self {
        Self {
            publisher: "main".into(),
            interval: Duration::from_secs(1),
            upkeep_every: 10,
            partitions_ahead: 2,
            key_retention: Duration::from_secs(24 * 3600),
            limits: Limits::default(),
        }
    }
}

/// Up to so many rows with waiting events are counted one by one; beyond that the partitions' row counts are used.
const COUNTED_MAX: i64 = 10_000;

/// Replays of one tick.
const REPLAYS_MAX: i64 = 100;
/// How long a replay may wait to be written.
const REPLAY_CUTOFF: Duration = Duration::from_secs(5);

/// What the actor is started with, the same at each restart.
#[derive(Clone)]
pub struct HousekeepingArgs {
    pub config: HousekeepingConfig,
    /// Its connections, with deadlines: see [`store::bounded`].
    pub pool: PgPool,
    /// Set when too many events wait.
    pub backpressure: Backpressure,
    pub journal: Journal,
    pub faults: Faults,
}

#[derive(Debug)]
pub enum HousekeepingMessage {
    Tick,
    Stop,
}

/// Tends partitions, keys, replays and the outbox.
pub struct Housekeeping;

pub struct HousekeepingState {
    args: HousekeepingArgs,
    ticks: u32,
    level: Level,
    places: InFlight,
}

impl Actor for Housekeeping {
    type Msg = HousekeepingMessage;
    type State = HousekeepingState;
    type Arguments = HousekeepingArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<HousekeepingMessage>,
        args: HousekeepingArgs,
    ) -> Result<HousekeepingState, ActorProcessingErr> {
        myself.cast(HousekeepingMessage::Tick)?;
        Ok(HousekeepingState { args, ticks: 0, level: Level::Calm, places: InFlight::new(1) })
    }

    async fn handle(
        &self,
        myself: ActorRef<HousekeepingMessage>,
        message: HousekeepingMessage,
        state: &mut HousekeepingState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            HousekeepingMessage::Tick => {
                state.tick().await;
                // Counted from here: what was missed in an outage is skipped, not made up for.
                drop(myself.send_after(state.args.config.interval, || HousekeepingMessage::Tick));
            }
            HousekeepingMessage::Stop => myself.stop(None),
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<HousekeepingMessage>,
        _: &mut HousekeepingState,
    ) -> Result<(), ActorProcessingErr> {
        for gauge in [DEAD_LETTERS, OUTBOX_PENDING, OUTBOX_LAG_EVENTS, OUTBOX_LAG_SECONDS] {
            metrics::gauge!(gauge).set(0.0); // whoever leads from now on measures it
        }
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
        if let Err(error) = self.replay().await {
            tracing::warn!(%error, "dead letters cannot be replayed: will be tried again");
        }
        if upkeep {
            tend(&self.args.config, &self.args.pool).await;
        }
    }

    /// Hands requested replays to the journal. The batch with the replay marks its dead letter; a second request
    /// meanwhile makes the same id.
    async fn replay(&mut self) -> Result<(), sqlx::Error> {
        for letter in store::asked_replays(&self.args.pool, REPLAYS_MAX).await? {
            let (Some(record), Some(permit)) = (replay(&letter), self.places.enter()) else { continue };
            if let Ok(outcome) = posting::send(&self.args.journal, record, &[], usize::MAX, permit) {
                let _ = tokio::time::timeout(REPLAY_CUTOFF, outcome).await; // what comes later is found done
            }
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), sqlx::Error> {
        let HousekeepingArgs { config, pool, backpressure, .. } = &self.args;
        let position = store::copy(pool, &config.publisher).await?.map_or(0, |copy| copy.position);
        let backlog = store::backlog(pool, position, COUNTED_MAX).await?;
        let rows = u32::try_from(backlog.rows).map_or(f64::INFINITY, f64::from);
        let dead = store::count_dead_letters(pool).await?;
        metrics::gauge!(DEAD_LETTERS).set(u32::try_from(dead).map_or(f64::INFINITY, f64::from));
        metrics::gauge!(OUTBOX_PENDING).set(rows);
        metrics::gauge!(OUTBOX_LAG_EVENTS).set(rows);
        metrics::gauge!(OUTBOX_LAG_SECONDS).set(backlog.age.as_secs_f64());
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

/// Makes partitions, forgets keys and notes times; a failure of one does not keep it from the others.
async fn tend(config: &HousekeepingConfig, pool: &PgPool) {
    let say = |what: &str, result: Result<(), sqlx::Error>| {
        if let Err(error) = result {
            tracing::warn!(%error, "{what}: will be tried again");
        }
    };
    say("making partitions of the journal", store::grow(pool, config.partitions_ahead).await.map(|_| ()));
    say("forgetting keys", store::forget_keys(pool, config.key_retention).await.map(|_| ()));
    say("noting the times of a partition", store::note_times(pool).await.map(|_| ()));
}

/// The record that publishes a dead letter's event again; `None`: this version knows no such event. Its id is derived
/// from the dead letter.
fn replay(letter: &DeadLetterRow) -> Option<Record> {
    let event = letter.event.known()?;
    let source = TransactionId(Uuid::from_u128(u128::from(letter.id.unsigned_abs())));
    let (id, request) = (
        TransactionId::derived(source, "replay of a dead letter"),
        RequestHash::of(&[b"replay", &letter.id.to_le_bytes()]),
    );
    let record = Record::new(
        id,
        Arc::from(letter.tenant.as_str()),
        Api::FlorinV1,
        Kind::REPLAY,
        request,
        Instant::now() + REPLAY_CUTOFF,
    );
    // live streams leave out only what cannot be read and what is suspect
    let heard = letter.body != NOTHING && !letter.error.starts_with(SUSPECT);
    let facts = json!({ "event": event.code(), "key": letter.aggregate, "event_body": letter.body, "heard": heard })
        .to_string();
    Some(Record { facts: Some(facts), rows: vec![Rows::Replay { letter: letter.id }], event: Some(event), ..record })
}
