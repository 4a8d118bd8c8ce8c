//! Florin and the baselines side by side: interleaved runs, in rounds, on one PostgreSQL; the books checked after each
//! round.

pub mod billing;
mod child;
pub mod large;
mod measure;
pub mod memory;
mod plan;
mod postgres;
mod site;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::baseline;
use crate::history::Place;
use crate::mix::{Chooser, Mix};
use crate::report::{self, Report, Run};
use crate::run::Timing;
use measure::Bench;
use plan::{Case, System, Workload};
use site::{Options, Site};

/// What a benchmark is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The program under test.
    pub florin: PathBuf,
    /// Where the reports go.
    pub out: PathBuf,
    /// How many times everything is run.
    pub rounds: usize,
    /// How long each run is measured.
    pub run: Duration,
    /// Only 256 in flight.
    pub quick: bool,
    /// Accounts that pay each other.
    pub accounts: u32,
    /// The payments' seed.
    pub seed: u64,
    /// More of Florin's settings, to try something.
    pub settings: Vec<(String, String)>,
}

/// Of each run, before it is measured.
const WARM_UP: Duration = Duration::from_millis(700);
/// The same of the open loop, which begins at its full rate with new connections: what piles up then is to be gone.
const OPEN_WARM_UP: Duration = Duration::from_secs(2);
/// As much as PostgreSQL keeps for use again.
const WARM_WAL_MB: u32 = 4_096;
const WARM_WAL_QUICK_MB: u32 = 256;

/// Entries of the account with a long history.
const HISTORY: u32 = 1_000_000;
const HISTORY_QUICK: u32 = 20_000;

/// Runs everything and writes the reports.
///
/// # Errors
/// When something cannot be run, or a result is wrong: then the reports say what.
pub async fn run(config: Config) -> Result<()> {
    let began = Instant::now();
    std::fs::create_dir_all(&config.out).with_context(|| format!("{} cannot be made", config.out.display()))?;
    let options = Options {
        florin: config.florin.clone(),
        accounts: config.accounts,
        warm_wal_mb: if config.quick { WARM_WAL_QUICK_MB } else { WARM_WAL_MB },
        history: if config.quick { HISTORY_QUICK } else { HISTORY },
        baselines: true,
        settings: config.settings.clone(),
    };
    eprintln!("starting PostgreSQL, Kafka, Redis, Florin and the baselines ...");
    let site = Site::start(options, &config.out).await?;
    let postgres = postgres::shown(site.postgres()).await?;
    let bench = Bench::new(&site).await?;
    let mut runs: Vec<Run> = Vec::new();
    let mut problems = Vec::new();
    warm_up(&bench, &config, &mut runs).await?;
    for round in 1..=config.rounds {
        postgres::begin_round(site.postgres()).await?;
        one_round(&bench, &config, round, &mut runs).await?;
        problems.extend(check(&site, &runs, round).await?);
    }
    bench.close().await;
    runs.retain(|run| run.round > 0);
    let report = Report {
        commit: commit(),
        machine: report::machine(),
        postgres,
        accounts: config.accounts,
        quick: config.quick,
        ratios: report::ratios(&runs),
        floors: report::floors(&runs),
        runs,
        problems,
    };
    report.write(&config.out)?;
    drop(bench);
    tokio::task::spawn_blocking(move || drop(site)).await?;
    println!("{}", report.markdown());
    eprintln!(
        "{} runs in {:.0} s; see {}",
        report.runs.len(),
        began.elapsed().as_secs_f64(),
        config.out.join("report.md").display()
    );
    if !report.problems.is_empty() {
        bail!("the results are wrong:\n{}", report.problems.join("\n"));
    }
    Ok(())
}

/// Every system once, for nobody's report (round 0): accounts are loaded, plans made, connections opened, the broker's
/// code compiled.
async fn warm_up(bench: &Bench<'_>, config: &Config, runs: &mut Vec<Run>) -> Result<()> {
    let chooser = Chooser::new(Mix::Uniform, config.accounts, config.seed)?;
    for system in [System::Florin, System::Sql, System::Plpgsql, System::SqlGrpc] {
        // A broker needs half a minute of events until its code is compiled.
        let run = if system == System::Florin && !config.quick { config.run * 6 } else { config.run };
        let timing = Timing { warm_up: Duration::ZERO, run };
        runs.push(bench.measure(system, Workload::Closed(Mix::Uniform), 256, &chooser, None, timing, 0).await?);
    }
    Ok(())
}

async fn one_round(bench: &Bench<'_>, config: &Config, round: usize, runs: &mut Vec<Run>) -> Result<()> {
    for Case { workload, in_flight, systems } in plan::cases(config.quick) {
        let warm_up = if workload == Workload::OpenHalfPeak { OPEN_WARM_UP } else { WARM_UP };
        let timing = Timing { warm_up, run: config.run };
        for n in 0..systems.len() {
            let system = systems[(n + round - 1) % systems.len()]; // each begins in turn
            // Another seed for each run, the same for each system: nobody pays what somebody else has just warmed.
            let seed = config.seed.wrapping_mul(1_000).wrapping_add(u64::try_from(round).unwrap_or_default());
            let chooser = Chooser::new(workload.mix(), config.accounts, seed)?;
            let peak = runs.iter().find(|run: &&Run| {
                (run.round, run.system, run.workload, run.in_flight) == (round, "florin", "uniform", 256)
            });
            let per_s = peak.map(|run| run.payments_per_s / 2.0);
            let run = bench.measure(system, workload, in_flight, &chooser, per_s, timing, round).await?;
            eprintln!(
                "round {round}: {:<14} {:>5} in flight  {:<8} {:>8.0}/s  p50 {:>7.2} ms  p99 {:>7.2} ms  {} errors",
                run.workload, run.in_flight, run.system, run.payments_per_s, run.p50_ms, run.p99_ms, run.errors
            );
            runs.push(run);
        }
    }
    Ok(())
}

/// Whether what the systems say they did is in their books.
async fn check(site: &Site, runs: &[Run], round: usize) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    site.check()?;
    for run in runs.iter().filter(|run| (run.round == round || round == 1 && run.round == 0) && run.errors > 0) {
        let kind = format!("{} {} {}", run.system, run.workload, run.in_flight);
        problems.push(format!("round {round}: {kind}: {} were not done: {:?}", run.errors, run.outcomes));
    }
    let paid = |system: &str| {
        runs.iter().filter(|run| run.system == system).filter_map(|run| run.outcomes.get("paid")).sum::<u64>()
    };
    let mut compare = |system: &str, rows: i64| {
        if u64::try_from(rows).ok() != Some(paid(system)) {
            problems.push(format!(
                "round {round}: {system} says that it paid {} times, and its tables have {rows} payments",
                paid(system)
            ));
        }
    };
    for (system, database) in [("sql", "sql"), ("plpgsql", "plpgsql"), ("sql-grpc", "sql_grpc")] {
        compare(
            system,
            baseline::books(&site.database(database)?).await.with_context(|| format!("{system}'s books"))?.payments,
        );
    }
    let books = measure::florin_books(&site.database("florin")?).await?;
    compare("florin", books.payments);
    if books.held != 0 {
        problems.push(format!(
            "round {round}: {} minor units are still held, though every hold was captured as a whole",
            books.held
        ));
    }
    eprintln!("round {round}: florin verify ...");
    if let Err(error) = site.verify().await {
        problems.push(format!("round {round}: {error:#}"));
    }
    Ok(problems)
}

/// The commit of the clone that we stand in.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            std::process::Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty());
    format!("{commit}{}", if dirty { "-dirty" } else { "" })
}

impl System {
    /// Its name in reports.
    fn name(self) -> &'static str {
        match self {
            Self::Florin => "florin",
            Self::Sql => "sql",
            Self::Plpgsql => "plpgsql",
            Self::SqlGrpc => "sql-grpc",
        }
    }
}

impl Workload {
    /// Its name in reports.
    fn name(self) -> &'static str {
        match self {
            Self::Closed(mix) => mix.name(),
            Self::Batch100 => "batch100",
            Self::OpenHalfPeak => "open-half-peak",
            Self::Rest => "rest",
            Self::HoldCapture => "hold-capture",
            Self::Balance => "balance",
            Self::Entries(Place::Newest) => "entries",
            Self::Entries(Place::Oldest) => "entries-old",
            Self::Transactions(Place::Newest) => "transactions",
            Self::Transactions(Place::Oldest) => "transactions-old",
        }
    }
}
