//! One database, one set of topics, one supervised publisher; writers and a read-committed reader.

mod supervised;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;
use florin::actors::outbox::{OutboxArgs, OutboxConfig, OutboxHandle, OutboxPublisher};
use florin::faults::Faults;
use florin::messaging::KafkaConfig;
use florin::messaging::topics::{Topics, ensure_topics};
use florin::protocol::events::{EventType, Payload, PaymentAuthorized, PaymentDeclined, envelope};
use florin::resilience::health::{Condition, Health, Part};
use florin::store::journal_rows::{self, Names};
use florin::store::{live, outbox as store};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::Value;
use sqlx::PgPool;
use ulid::Ulid;
use uuid::Uuid;

use self::supervised::Keeper;
pub use self::supervised::Supervised;
use crate::actors::outbox::servers::{self, Kafka};

pub const DEADLINE: Duration = Duration::from_secs(90);

pub struct Rig {
    pub name: String,
    pub pool: PgPool,
    pub args: OutboxArgs,
}

impl Rig {
    pub async fn new(name: &str) -> Self {
        Self::on(name, servers::kafka(), true).await
    }

    pub async fn on(name: &str, kafka: &Kafka, transactional: bool) -> Self {
        // A broker that outlives this run keeps positions in a database that does not.
        let name = &*format!("{name}{:x}", Ulid::new().random() >> 48);
        let pool = servers::postgres().database(name).await;
        let kafka = KafkaConfig {
            brokers: kafka.brokers(),
            topic_prefix: name.into(),
            florin_topic: format!("{name}.transactions"),
            position_topic: format!("{name}.position"),
            transactional_id: name.into(),
            partitions: 3,
            patience: std::time::Duration::from_secs(3),
            ..KafkaConfig::default()
        };
        ensure_topics(&kafka).await.unwrap();
        let config = OutboxConfig {
            transactional,
            base_delay: Duration::from_millis(50),
            max_delay: Duration::from_secs(1),
            poll_interval: Duration::from_millis(200),
            batch_rows_max: 50,
            ..OutboxConfig::default()
        };
        let args = OutboxArgs {
            config,
            kafka,
            pool: pool.clone(),
            health: Health::default(),
            faults: Faults::default(),
            handle: OutboxHandle::default(),
            confirmed: Arc::new(|| true),
        };
        sqlx::raw_sql(TEST_SQL).execute(&pool).await.unwrap();
        Self { name: name.into(), pool, args }
    }

    /// Starts a publisher under a supervisor that starts it anew whenever it fails.
    pub async fn start(&self) -> Supervised {
        let restarts = Arc::new(AtomicU32::new(0));
        let (keeper, _) = Actor::spawn(None, Keeper, (self.args.clone(), restarts.clone())).await.unwrap();
        Supervised { keeper, restarts }
    }

    /// One event of an aggregate, written as the journal would.
    pub async fn write(&self, aggregate: &str) {
        write(&self.pool, aggregate, 0.0).await;
        self.args.handle.wake();
    }

    /// Waits until everything committed is published and PostgreSQL knows it.
    pub async fn drained(&self) {
        wait("everything is published", async || {
            let last: Option<i64> =
                sqlx::query_scalar("SELECT max(seq) FROM journal WHERE event IS NOT NULL AND n = 0")
                    .fetch_one(&self.pool)
                    .await
                    .unwrap();
            let copy = store::copy(&self.pool, &self.args.config.publisher).await.unwrap();
            copy.map(|copy| copy.position).unwrap_or(0) >= last.unwrap_or(0)
        })
        .await;
    }

    pub fn condition(&self) -> Condition {
        self.args.health.condition(Part::Outbox)
    }

    /// Reads the event topics whole, as a read-committed consumer sees them.
    pub async fn events(&self) -> Vec<Event> {
        let topics = Topics::new(&self.args.kafka);
        self.read(EventType::ALL.map(|event| topics.of(event).to_owned()).into_iter().collect()).await
    }

    pub async fn dead_letters(&self) -> Vec<Event> {
        self.read(HashSet::from([Topics::new(&self.args.kafka).dead_letters])).await
    }

    async fn read(&self, topics: HashSet<String>) -> Vec<Event> {
        let kafka = self.args.kafka.clone();
        tokio::task::spawn_blocking(move || topics.iter().flat_map(|topic| read_topic(&kafka, topic)).collect())
            .await
            .unwrap()
    }

    /// Every event of the table is on the topics once, valid, in order per aggregate.
    pub async fn assert_exactly_once(&self) -> usize {
        let (events, table) = (self.events().await, self.table().await);
        let mut seen: HashMap<&str, u32> = HashMap::new();
        for event in &events {
            *seen.entry(event.id()).or_default() += 1;
        }
        let lost = table.iter().filter(|(id, _)| !seen.contains_key(id.as_str())).count();
        let twice = seen.values().filter(|count| **count > 1).count();
        assert_eq!((lost, twice), (0, 0), "{}: lost and doubled, of {}", self.name, table.len());
        assert_eq!(events.len(), table.len());
        assert_order(&events);
        events.len()
    }

    /// Event id and key of everything that the journal tells.
    pub async fn table(&self) -> Vec<(String, String)> {
        let mut db = self.pool.acquire().await.unwrap();
        let tip = journal_rows::tip(&mut *db).await.unwrap();
        let part = live::read(&mut db, &mut Names::default(), 0, tip, i64::MAX).await.unwrap();
        let events = part.events.into_iter().filter_map(|told| told.event.ok());
        events
            .map(|event| {
                (
                    serde_json::from_str::<Value>(&event.body).unwrap()["event_id"].as_str().unwrap().to_owned(),
                    event.key.to_string(),
                )
            })
            .collect()
    }

    /// One event of this key and these words, as the journal would write it.
    pub async fn put(&self, event: i16, key: &str, body: &str) {
        sqlx::query("SELECT test_tell($1, $2, $3)").bind(event).bind(key).bind(body).execute(&self.pool).await.unwrap();
    }

    /// Writers that go on until told to stop.
    pub fn writers(&self, count: usize, aggregates: usize, sleep: f64) -> Writers {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = (0..count)
            .map(|n| {
                let (pool, stop, written, handle) =
                    (self.pool.clone(), stop.clone(), written.clone(), self.args.handle.clone());
                ractor::concurrency::spawn(async move {
                    for round in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        write(&pool, &format!("agg-{}", (n * 7 + round) % aggregates), sleep).await;
                        written.fetch_add(1, Ordering::Relaxed);
                        handle.wake();
                    }
                })
            })
            .collect();
        Writers { stop, written, tasks }
    }
}

pub fn assert_order(events: &[Event]) {
    let mut versions: BTreeMap<&str, i64> = BTreeMap::new();
    for event in events {
        if let Some(version) = event.version() {
            let last = versions.entry(&event.key).or_default();
            assert!(version > *last, "{}: version {version} after {last}", event.key);
            *last = version;
        }
    }
}

pub struct Writers {
    stop: Arc<AtomicBool>,
    pub written: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Writers {
    /// Waits until `more` more events are committed.
    pub async fn more(&self, more: u64) {
        let from = self.written.load(Ordering::Relaxed);
        wait("the writers write", async || self.written.load(Ordering::Relaxed) >= from + more).await;
    }

    pub async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.written.load(Ordering::Relaxed)
    }
}

/// The place of the n-th event that [`Rig::write`] and [`Rig::put`] write, from 1: each is a batch of its own.
pub fn nth(n: i64) -> i64 {
    (16_777_215 + n) << 20
}

/// A batch is visible only after the one before it: whoever writes the next one waits for the writer's row. An event
/// that is told again carries its own words.
const TEST_SQL: &str = "
INSERT INTO writers (writer) VALUES (0);
CREATE FUNCTION test_tell(event_ smallint, key_ text, body_ text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE b bigint;
BEGIN
  UPDATE writers SET batch = batch + 1, rows = rows + 1 RETURNING batch INTO b;
  UPDATE folded SET seq = ((b + 1) << 20) - 1; -- no account is in it
  INSERT INTO journal (seq, created_at, id, request, event, kind, status, api, n, postings, tenant, body)
    VALUES (b << 20, clock_timestamp(), gen_random_uuid(), gen_random_uuid(), event_, 22, 1, 2, 0, 0, 'default', jsonb_build_object('event', event_, 'key', key_, 'event_body', body_));
END $$;
CREATE TABLE test_aggregates (id text PRIMARY KEY, version bigint NOT NULL DEFAULT 0);
CREATE FUNCTION test_write(aggregate_ text, body_ text, sleep_ float8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v bigint;
BEGIN
  IF sleep_ > 0 THEN PERFORM pg_sleep(random() * sleep_ * CASE WHEN random() < 0.1 THEN 8 ELSE 1 END); END IF;
  INSERT INTO test_aggregates VALUES (aggregate_, 1) ON CONFLICT (id) DO UPDATE SET version = test_aggregates.version + 1 RETURNING version INTO v;
  PERFORM test_tell(1::smallint, aggregate_, replace(body_, '__VERSION__', v::text));
  IF sleep_ > 0 THEN PERFORM pg_sleep(random() * sleep_ * CASE WHEN random() < 0.1 THEN 8 ELSE 1 END); END IF;
END $$;";

async fn write(pool: &PgPool, aggregate: &str, sleep: f64) {
    let body = authorized(aggregate, "__VERSION__");
    sqlx::query("SELECT test_write($1, $2, $3)").bind(aggregate).bind(body).bind(sleep).execute(pool).await.unwrap();
}

pub fn event_id() -> Ulid {
    Ulid(Uuid::now_v7().as_u128())
}

/// An event of payment.v1; the aggregate's name is in the payer, since the aggregate id of a payment is an ULID.
pub fn authorized(aggregate: &str, description: &str) -> String {
    let id = event_id().to_string();
    let payload = PaymentAuthorized {
        payment_id: &id,
        payer_account_id: aggregate,
        payee_account_id: "acc-payee-002",
        amount_cents: 1250,
        currency: "USD",
        description: Some(description),
    };
    envelope(event_id(), &id, &Payload::Authorized(&payload), Utc::now(), None)
}

pub fn declined(aggregate: &str) -> String {
    let payload = PaymentDeclined {
        payment_id: None,
        payer_account_id: aggregate,
        payee_account_id: "nobody",
        amount_cents: -5,
        currency: "USD",
        error_code: "INVALID_AMOUNT",
        error_message: "Amount must be positive",
    };
    envelope(event_id(), &event_id().to_string(), &Payload::Declined(&payload), Utc::now(), None)
}

/// One record as a consumer read it; it is valid by its schema.
#[derive(Debug)]
pub struct Event {
    pub key: String,
    pub body: Value,
}

impl Event {
    pub fn id(&self) -> &str {
        self.body["event_id"].as_str().unwrap()
    }

    pub fn version(&self) -> Option<i64> {
        self.body["payload"]["description"].as_str()?.parse().ok()
    }
}

fn read_topic(kafka: &KafkaConfig, topic: &str) -> Vec<Event> {
    let mut client = kafka.client();
    client
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed");
    let consumer: BaseConsumer = client.create().unwrap();
    let partitions =
        consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap().topics()[0].partitions().len();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..i32::try_from(partitions).unwrap() {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let (mut events, mut ends, deadline) = (Vec::new(), HashSet::new(), Instant::now() + DEADLINE);
    while ends.len() < partitions {
        assert!(Instant::now() < deadline, "{topic} has no end");
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                let body: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
                crate::actors::outbox::schemas::check(&body);
                let is_contracts = body["event_type"].as_str().is_some_and(|name| name.starts_with("Payment"))
                    || topic == Topics::new(kafka).dead_letters;
                let tenant = message.headers().map(|headers| {
                    (headers.count(), headers.get(0).key.to_owned(), headers.get(0).value.map(<[u8]>::to_vec))
                });
                let own = Some((1, "tenant".to_owned(), Some(b"default".to_vec())));
                assert_eq!(
                    tenant,
                    if is_contracts { None } else { own },
                    "the contract has no headers, our own topics name the tenant"
                );
                events.push(Event { key: String::from_utf8(message.key().unwrap().to_vec()).unwrap(), body });
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(ends.insert(partition)),
            Some(Err(error)) => eprintln!("reader: {error}"),
            None => {}
        }
    }
    events
}

pub async fn wait(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
