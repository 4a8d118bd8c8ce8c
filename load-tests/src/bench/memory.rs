//! Whether memory stays where it is: minutes of load over many accounts, and what the server has after each slice.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::measure::Bench;
use super::plan::{System, Workload};
use super::site::{Options, Site};
use crate::mix::{Chooser, Mix};
use crate::report::{Machine, machine, median};
use crate::run::Timing;

/// What is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The program under test.
    pub florin: PathBuf,
    /// Where the report goes.
    pub out: PathBuf,
    /// Accounts that pay each other: all of them are active soon.
    pub accounts: u32,
    /// How long.
    pub length: Duration,
    /// More of Florin's settings.
    pub settings: Vec<(String, String)>,
}

/// Memory may be this much at most, by the number of accounts up to which it holds.
const FLOORS_MB: [(u32, f64); 2] = [(10_000, 200.0), (100_000, 1_000.0)];
const SLICE: Duration = Duration::from_secs(10);
const IN_FLIGHT: usize = 256;

/// What was found.
#[derive(Debug, Serialize)]
struct Memory {
    commit: String,
    machine: Machine,
    accounts: u32,
    /// After each slice: seconds since the beginning, payments per second, MiB.
    slices: Vec<(f64, f64, f64)>,
    /// The most, in MiB.
    most_mb: f64,
    /// What it may be at most; none for more accounts than there is a floor for.
    floor_mb: Option<f64>,
    /// The median of the last third over that of the middle one: 1 is steady.
    growth: f64,
}

/// Loads Florin alone for a while; writes `memory-{accounts}.json`.
///
/// # Errors
/// When something cannot be run, or a result is wrong.
pub async fn run(config: Config) -> Result<()> {
    std::fs::create_dir_all(&config.out).with_context(|| format!("{} cannot be made", config.out.display()))?;
    let Config { florin, accounts, settings, .. } = config.clone();
    let site = Site::start(
        Options { florin, accounts, warm_wal_mb: 256, history: 0, baselines: false, settings },
        &config.out,
    )
    .await?;
    let slices = slices(&site, &config).await?;
    eprintln!("florin verify ...");
    site.verify().await?;
    tokio::task::spawn_blocking(move || drop(site)).await?;
    let mb: Vec<f64> = slices.iter().map(|slice| slice.2).collect();
    let third = mb.len() / 3;
    let part = |from: usize, to: usize| median(&mb[from..to]).unwrap_or_default();
    let memory = Memory {
        commit: super::commit(),
        machine: machine(),
        accounts,
        most_mb: mb.iter().copied().fold(0.0, f64::max),
        floor_mb: FLOORS_MB.iter().find(|(most, _)| accounts <= *most).map(|(_, mb)| *mb),
        growth: part(mb.len() - third.max(1), mb.len()) / part(third, (2 * third).max(third + 1).min(mb.len())),
        slices,
    };
    let path = config.out.join(format!("memory-{accounts}.json"));
    std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&memory)?))?;
    let floor = memory.floor_mb.map_or(String::new(), |mb| format!(" (at most {mb})"));
    println!(
        "{accounts} accounts: at most {:.0} MiB{floor}, the end over the middle {:.3}; see {}",
        memory.most_mb,
        memory.growth,
        path.display()
    );
    Ok(())
}

async fn slices(site: &Site, config: &Config) -> Result<Vec<(f64, f64, f64)>> {
    let bench = Bench::new(site).await?;
    let (began, mut slices) = (Instant::now(), Vec::new());
    while slices.is_empty() || began.elapsed() < config.length {
        let chooser = Chooser::new(Mix::Uniform, config.accounts, u64::try_from(slices.len())?)?;
        let timing = Timing { warm_up: Duration::ZERO, run: SLICE };
        let run =
            bench.measure(System::Florin, Workload::Closed(Mix::Uniform), IN_FLIGHT, &chooser, None, timing, 1).await?;
        let mb = run.rss_mb.context("the server's memory cannot be read")?;
        eprintln!("{:>6.0} s  {:>8.0}/s  {mb:>7.1} MiB", began.elapsed().as_secs_f64(), run.payments_per_s);
        if run.errors > 0 {
            bail!("{} payments did not move money: {:?}", run.errors, run.outcomes);
        }
        slices.push((began.elapsed().as_secs_f64(), run.payments_per_s, mb));
    }
    Ok(slices)
}
