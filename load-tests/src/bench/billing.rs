//! How fast orders become invoices: Florin's way, and one transaction of the database per order, on the same servers in
//! one run.

mod after;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::{Connection, PgConnection};

use self::after::After;
use super::site::{Options, Site};
use crate::report::{Machine, machine};

/// What is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The program under test.
    pub florin: PathBuf,
    /// Where the report goes.
    pub out: PathBuf,
    /// Orders of three lines that Florin bills.
    pub orders: u64,
    /// Orders that the baseline bills.
    pub baseline_orders: u64,
    /// More of Florin's settings.
    pub settings: Vec<(String, String)>,
}

const RATE_FLOOR: f64 = 5_000.0;
const RATIO_FLOOR: f64 = 10.0;
const TOPIC: &str = "orders";
const BASELINE_TOPIC: &str = "baseline.orders";
/// How long all orders may take.
const LIMIT: Duration = Duration::from_secs(600);

/// What was found.
#[derive(Debug, Serialize)]
struct Billing {
    commit: String,
    machine: Machine,
    orders: u64,
    orders_per_s: f64,
    orders_per_s_floor: f64,
    baseline_orders: u64,
    baseline_orders_per_s: f64,
    ratio: f64,
    ratio_floor: f64,
    /// Until all events are on Kafka, orders per second.
    with_events_per_s: f64,
    /// Seconds of a core that Florin used per 1,000 orders.
    florin_core_s: f64,
    #[serde(flatten)]
    after: After,
}

/// Bills orders with Florin, then with the baseline; writes `billing.json`.
///
/// # Errors
/// When something cannot be run, or a result is wrong.
pub async fn run(config: Config) -> Result<()> {
    std::fs::create_dir_all(&config.out).with_context(|| format!("{} cannot be made", config.out.display()))?;
    let Config { florin, settings, orders, baseline_orders, .. } = config.clone();
    let mut site = Site::start(
        Options { florin, accounts: 100, warm_wal_mb: 256, history: 0, baselines: false, settings },
        &config.out,
    )
    .await?;
    site.stop_florin().await?;
    eprintln!("{orders} orders ...");
    create(&site.brokers(), BASELINE_TOPIC).await?; // Florin's own was made by `florin migrate`
    write(site.brokers(), TOPIC, orders)?;
    write(site.brokers(), BASELINE_TOPIC, baseline_orders)?;
    let mut florin = PgConnection::connect_with(&site.database("florin")?).await?;
    let began = Instant::now();
    site.start_florin().await?;
    let first = until(&mut florin, ISSUED, 1).await?;
    let billed = until(&mut florin, ISSUED, orders).await?;
    let cpu = site.florin_pid().map_or(0.0, cpu_seconds);
    let published = until(&mut florin, PUBLISHED, 1).await?;
    eprintln!("billed after {:.1} s; florin verify ...", billed.duration_since(began).as_secs_f64());
    site.verify().await?;
    let pages = after::pages(&site, &mut florin).await?;
    site.stop_florin().await?;
    let after = after::export(&site, &mut florin, pages).await?;
    let (span, all) = (billed.duration_since(first).as_secs_f64(), published.duration_since(first).as_secs_f64());
    let rate = count(orders) / span;
    eprintln!("the baseline ...");
    let baseline = baseline(&site, baseline_orders).await?;
    tokio::task::spawn_blocking(move || drop(site)).await?;
    let found = Billing {
        commit: super::commit(),
        machine: machine(),
        orders,
        orders_per_s: rate,
        orders_per_s_floor: RATE_FLOOR,
        baseline_orders,
        baseline_orders_per_s: baseline,
        ratio: rate / baseline,
        ratio_floor: RATIO_FLOOR,
        with_events_per_s: count(orders) / all,
        florin_core_s: cpu / count(orders) * 1_000.0,
        after,
    };
    let path = config.out.join("billing.json");
    std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&found)?))?;
    println!(
        "{:.0} orders/s (floor {RATE_FLOOR}), {:.0}/s with their events; one transaction per order {:.0}/s: {:.1} times (floor {RATIO_FLOOR}); see {}",
        found.orders_per_s,
        found.with_events_per_s,
        found.baseline_orders_per_s,
        found.ratio,
        path.display()
    );
    println!("{}", found.after.told());
    Ok(())
}

/// How many invoices are issued: their numbers have no gaps. Counting the rows would cost a core.
const ISSUED: &str = "SELECT coalesce(sum(next - 1), 0)::bigint FROM number_series";
/// Whether the publisher's position has passed the last of them: 1, or 0.
const PUBLISHED: &str =
    "SELECT (coalesce(max(position), 0) >= (SELECT max(seq) FROM invoices))::int::bigint FROM outbox_positions";

/// When so many are counted.
async fn until(database: &mut PgConnection, sql: &'static str, want: u64) -> Result<Instant> {
    let (deadline, want) = (Instant::now() + LIMIT, i64::try_from(want)?);
    loop {
        let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut *database).await?;
        if found >= want {
            return Ok(Instant::now());
        }
        ensure!(Instant::now() < deadline, "{found} of {want} after {LIMIT:?}: {sql}");
        tokio::time::sleep(Duration::from_millis(if want > 1 { 200 } else { 5 })).await;
    }
}

/// Seconds that a process has used of a core so far.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn count(n: u64) -> f64 {
    n as f64
}

fn order(n: u64) -> String {
    format!(
        r#"{{"event_id":"event-{n}","order_id":"order-{n}","currency":"USD","lines":[{{"sku":"sku-{}","qty":2,"unit_price":40.0}},{{"sku":"sku-b","qty":1,"unit_price":"19.99"}},{{"sku":"sku-c","qty":3,"unit_price":1.25}}],"timestamp":"2026-11-20T02:09:34.076259"}}"#,
        n % 1_000
    )
}

async fn create(brokers: &str, topic: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let topic = NewTopic::new(topic, 6, TopicReplication::Fixed(1));
    for made in admin.create_topics(&[topic], &AdminOptions::new()).await? {
        made.map_err(|(topic, code)| anyhow::anyhow!("topic {topic} cannot be made: {code}"))?;
    }
    Ok(())
}

fn write(brokers: String, topic: &str, orders: u64) -> Result<()> {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("linger.ms", "20").create()?;
    for n in 0..orders {
        let body = order(n);
        while producer.send(BaseRecord::<(), str>::to(topic).payload(&body)).is_err() {
            producer.poll(Duration::from_millis(10));
        }
    }
    Ok(producer.flush(LIMIT)?)
}

#[derive(Deserialize)]
struct Order {
    event_id: String,
    order_id: String,
    currency: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    sku: String,
    qty: i64,
    unit_price: Box<RawValue>,
}

const TABLES: &str = "
CREATE TABLE orders_done (event_id text PRIMARY KEY);
CREATE TABLE invoices (id bigserial PRIMARY KEY, order_id text NOT NULL, currency text NOT NULL, subtotal numeric NOT NULL, tax numeric NOT NULL, total numeric NOT NULL,
  status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE invoice_lines (invoice bigint NOT NULL REFERENCES invoices, sku text NOT NULL, qty bigint NOT NULL, unit_price numeric NOT NULL);
CREATE INDEX ON invoice_lines (invoice);
CREATE TABLE entries (id bigserial PRIMARY KEY, txn uuid NOT NULL, account_dr text NOT NULL, account_cr text NOT NULL, amount numeric NOT NULL, currency text NOT NULL);
CREATE TABLE outbox (id bigserial PRIMARY KEY, topic text NOT NULL, body jsonb NOT NULL, sent boolean NOT NULL DEFAULT false);";

/// What one would write first: each order is a transaction that notes its id, its invoice with lines, two entries and an
/// event. Orders per second.
async fn baseline(site: &Site, orders: u64) -> Result<f64> {
    let options = site.database("billing_baseline")?;
    crate::database::create(&options).await?;
    let mut database = PgConnection::connect_with(&options).await?;
    sqlx::raw_sql(TABLES).execute(&mut database).await?;
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", site.brokers())
        .set("group.id", "baseline")
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&[BASELINE_TOPIC])?;
    let mut began = None;
    for _ in 0..orders {
        let message = tokio::time::timeout(LIMIT, consumer.recv()).await??;
        began.get_or_insert_with(Instant::now);
        bill(&mut database, message.payload().unwrap_or_default()).await?;
    }
    let began: Instant = began.context("there were no orders")?;
    Ok(count(orders) / began.elapsed().as_secs_f64())
}

async fn bill(database: &mut PgConnection, body: &[u8]) -> Result<()> {
    let order: Order = serde_json::from_slice(body)?;
    let mut work = database.begin().await?;
    let new = sqlx::query("INSERT INTO orders_done VALUES ($1) ON CONFLICT DO NOTHING").bind(&order.event_id);
    if new.execute(&mut *work).await?.rows_affected() == 0 {
        return Ok(());
    }
    let prices: Vec<&str> = order.lines.iter().map(|line| line.unit_price.get().trim_matches('"')).collect();
    let quantities: Vec<i64> = order.lines.iter().map(|line| line.qty).collect();
    let skus: Vec<&str> = order.lines.iter().map(|line| line.sku.as_str()).collect();
    let (invoice, total): (i64, String) = sqlx::query_as(
        "INSERT INTO invoices (order_id, currency, subtotal, tax, total, status)
           SELECT $1, $2, s.sum, round(s.sum * 0.18, 2), s.sum + round(s.sum * 0.18, 2), 'CREATED'
             FROM (SELECT sum(p::numeric * q) AS sum FROM unnest($3::text[], $4::bigint[]) l(p, q)) s RETURNING id, total::text",
    )
    .bind(&order.order_id)
    .bind(&order.currency)
    .bind(&prices)
    .bind(&quantities)
    .fetch_one(&mut *work)
    .await?;
    sqlx::query("INSERT INTO invoice_lines SELECT $1, s, q, p::numeric FROM unnest($2::text[], $3::bigint[], $4::text[]) l(s, q, p)")
        .bind(invoice)
        .bind(&skus)
        .bind(&quantities)
        .bind(&prices)
        .execute(&mut *work)
        .await?;
    sqlx::query(
        "INSERT INTO entries (txn, account_dr, account_cr, amount, currency)
           SELECT u.txn, 'Accounts Receivable', e.account, e.amount, i.currency FROM invoices i, (SELECT gen_random_uuid() AS txn) u,
             LATERAL (VALUES ('Revenue', i.subtotal), ('Tax Payable', i.tax)) e(account, amount) WHERE i.id = $1",
    )
    .bind(invoice)
    .execute(&mut *work)
    .await?;
    sqlx::query("INSERT INTO outbox (topic, body) VALUES ('billing.events', jsonb_build_object('type', 'invoice_created', 'invoice_id', $1::bigint, 'total', $2::text::numeric))")
        .bind(invoice)
        .bind(&total)
        .execute(&mut *work)
        .await?;
    Ok(work.commit().await?)
}
