//! What a payment costs when the tables are large: the same load before and after millions of payments are written into
//! Florin's journal.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use sqlx::{Connection, Executor};

use super::measure::Bench;
use super::plan::{System, Workload};
use super::postgres;
use super::site::{Options, Site};
use crate::mix::{Chooser, Mix};
use crate::report::{Machine, Run, machine, median};
use crate::run::Timing;
use crate::seed;

/// What is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The program under test.
    pub florin: PathBuf,
    /// Where the report goes.
    pub out: PathBuf,
    /// Payments to be written before the second half, rounded to whole turns of all accounts.
    pub payments: u64,
    /// Accounts that pay each other.
    pub accounts: u32,
    /// Runs of each half.
    pub runs: usize,
    /// How long each is measured.
    pub run: Duration,
    /// More of Florin's settings.
    pub settings: Vec<(String, String)>,
}

/// The cost with many payments over the cost with none: at most this.
const FLOOR: f64 = 1.2;
const IN_FLIGHT: usize = 256;
const WARM_UP: Duration = Duration::from_secs(2);
const PREFILL: &str = include_str!("../../sql/prefill.sql");
/// Written in one transaction, about.
const CHUNK: u64 = 500_000;
/// Payments of one batch: about what gathers with 256 in flight.
const BATCH: i64 = 250;
/// With so many rows a partition of the journal is full: `JOURNAL_PARTITION_ROWS` as it comes.
const PARTITION_ROWS: i64 = 10_000_000;
/// The batch after the last one: when its partition is full ($1), the first of the next.
const NEXT_BATCH: &str = "SELECT CASE WHEN rows >= $1 THEN ((batch >> 24) + 1) << 24 ELSE batch + 1 END FROM writers";

/// What was found.
#[derive(Debug, Serialize)]
struct Large {
    commit: String,
    machine: Machine,
    /// Payments that were written between the two halves.
    payments: u64,
    /// With none.
    before: Vec<Run>,
    /// With all of them.
    after: Vec<Run>,
    /// CPU time per payment of all servers, after over before: medians.
    cost: f64,
    /// The rate, after over before: medians.
    rate: f64,
    /// What the cost may be at most.
    floor: f64,
    /// Whether it is.
    met: bool,
}

/// Measures, fills, measures again, verifies; writes `large.json`.
///
/// # Errors
/// When something cannot be run, or a result is wrong.
pub async fn run(config: Config) -> Result<()> {
    std::fs::create_dir_all(&config.out).with_context(|| format!("{} cannot be made", config.out.display()))?;
    let Config { florin, accounts, settings, .. } = config.clone();
    let mut site = Site::start(
        Options { florin, accounts, warm_wal_mb: 2_048, history: 0, baselines: false, settings },
        &config.out,
    )
    .await?;
    let before = measure(&site, &config, 1).await?;
    site.stop_florin().await?;
    let payments = prefill(&site, config.payments, config.accounts).await?;
    site.start_florin().await?;
    let after = measure(&site, &config, 2).await?;
    eprintln!("florin verify ...");
    site.verify().await?;
    tokio::task::spawn_blocking(move || drop(site)).await?;
    let cost =
        over(&after, &before, |run| run.cpu_us.server + run.cpu_us.postgres + run.cpu_us.redis + run.cpu_us.kafka);
    let rate = over(&after, &before, |run| run.payments_per_s);
    let large = Large {
        commit: super::commit(),
        machine: machine(),
        payments,
        before,
        after,
        cost,
        rate,
        floor: FLOOR,
        met: cost <= FLOOR,
    };
    std::fs::write(config.out.join("large.json"), format!("{}\n", serde_json::to_string_pretty(&large)?))?;
    println!(
        "with {payments} payments in the tables a payment costs {cost:.2} times as much CPU of the servers as with none (at most {FLOOR}: {})",
        large.met
    );
    println!("the rate is {rate:.2} times that with none; see {}", config.out.join("large.json").display());
    Ok(())
}

fn over(after: &[Run], before: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    let of = |runs: &[Run]| median(&runs.iter().map(&figure).collect::<Vec<_>>()).unwrap_or_default();
    of(after) / of(before)
}

async fn measure(site: &Site, config: &Config, half: usize) -> Result<Vec<Run>> {
    let bench = Bench::new(site).await?;
    bench.published().await?; // what was written without Florin, too
    let mut runs = Vec::new();
    for n in 0..=config.runs {
        let chooser = Chooser::new(Mix::Uniform, config.accounts, u64::try_from(half * 1_000 + n)?)?;
        let timing = Timing { warm_up: WARM_UP, run: config.run };
        let run = bench
            .measure(System::Florin, Workload::Closed(Mix::Uniform), IN_FLIGHT, &chooser, None, timing, half)
            .await?;
        eprintln!(
            "half {half}: {:>8.0}/s  p50 {:>7.2} ms  p99 {:>7.2} ms  {} errors",
            run.payments_per_s, run.p50_ms, run.p99_ms, run.errors
        );
        if run.errors > 0 {
            bail!("{} payments did not move money: {:?}", run.errors, run.outcomes);
        }
        runs.push(run);
    }
    runs.remove(0); // loads the accounts and fills the caches
    Ok(runs)
}

/// Writes the payments; answers how many.
async fn prefill(site: &Site, payments: u64, accounts: u32) -> Result<u64> {
    let accounts = u64::from(accounts);
    let chunk = (CHUNK / accounts).max(1) * accounts;
    let payments = payments / accounts * accounts;
    ensure!(payments > 0, "fewer payments than accounts");
    let mut connection = postgres::connect(&site.database("florin")?).await?;
    connection.execute("SET work_mem = '256MB'; SET jit = off").await?;
    let base = "CREATE TEMP TABLE base AS SELECT row_number() OVER (ORDER BY id) - 1 AS k, id AS account FROM accounts WHERE starts_with(name, $1)";
    sqlx::query(base).bind(seed::PREFIX).execute(&mut connection).await?;
    connection.execute("ANALYZE base").await?;
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    // As if they had been paid since the last one.
    let newest = "SELECT (extract(epoch FROM max(created_at)) * 1000)::bigint + 1 FROM journal WHERE seq >= (SELECT batch << 20 FROM writers)";
    let newest: Option<i64> = sqlx::query_scalar(newest).fetch_one(&mut connection).await?;
    let mut at = newest.context("the journal is empty")?;
    let mut first = 0;
    while first < payments {
        let last = (first + chunk).min(payments) - 1;
        connection.execute("SELECT journal_grow(2)").await?;
        let next: i64 = sqlx::query_scalar(NEXT_BATCH).bind(PARTITION_ROWS).fetch_one(&mut connection).await?;
        let now: i64 = sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
            .fetch_one(&mut connection)
            .await?;
        sqlx::query(PREFILL)
            .bind(whole(first))
            .bind(whole(last + 1 - first))
            .bind(whole(accounts))
            .bind(next)
            .bind(BATCH)
            .bind(at)
            .bind(now - at)
            .execute(&mut connection)
            .await
            .context("the journal could not be filled")?;
        first = last + 1;
        at = now;
        eprintln!("{first} of {payments} payments written");
    }
    for step in ["VACUUM (ANALYZE) journal", "VACUUM (ANALYZE) balances", "CHECKPOINT"] {
        connection.execute(step).await?;
    }
    connection.close().await?;
    Ok(payments)
}
