//! What a benchmark found: runs, the ratios of each round, the floors; as JSON for programs and as Markdown for people.

mod floors;
mod markdown;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

pub use floors::{Floor, floors};

/// A benchmark's result.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The commit under test; `-dirty` when files were changed since.
    pub commit: String,
    /// What it ran on.
    pub machine: Machine,
    /// PostgreSQL's settings that matter.
    pub postgres: String,
    /// Accounts that paid each other.
    pub accounts: u32,
    /// Whether the run was a short one, whose figures mean little.
    pub quick: bool,
    /// Every run.
    pub runs: Vec<Run>,
    /// Florin against each baseline, per workload and in-flight number.
    pub ratios: Vec<Ratio>,
    /// What was to be reached.
    pub floors: Vec<Floor>,
    /// What was wrong; empty, or the benchmark has failed.
    pub problems: Vec<String>,
}

/// A machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Cores that may be used.
    pub cores: usize,
    /// The processor's name.
    pub processor: String,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Kernel and release.
    pub system: String,
}

/// One run of one system.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// `florin`, `sql`, `plpgsql` or `sql-grpc`.
    pub system: &'static str,
    /// `uniform`, `hot-payee`, `hot-payer`, `batch100`, `open-half-peak`, `rest`, `hold-capture`, `balance`, `entries`,
    /// `entries-old`, `transactions` or `transactions-old`.
    pub workload: &'static str,
    /// Payments in flight; messages for `batch100`; for `open-half-peak` those of the peak.
    pub in_flight: usize,
    /// Payments due per second, in the open loop.
    pub rate_per_s: Option<f64>,
    /// From 1.
    pub round: usize,
    /// Measured seconds.
    pub run_s: f64,
    /// Payments answered per second; of `balance`, as everywhere below: balances; of what is read of a long history:
    /// pages.
    pub payments_per_s: f64,
    /// Half of the payments took no longer.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// What was not done: payments that did not move money, balances that were not answered.
    pub errors: u64,
    /// Every payment by what became of it, warm-up included.
    pub outcomes: BTreeMap<String, u64>,
    /// Memory of the server at the end of the run, in MiB.
    pub rss_mb: Option<f64>,
    /// CPU time per payment.
    pub cpu_us: Cpu,
    /// PostgreSQL's log per payment.
    pub wal_bytes: f64,
    /// Events that were not yet in Kafka when the run ended; the run's CPU time includes publishing them.
    pub events_waiting: Option<i64>,
    /// How long publishing them took, in seconds.
    pub publish_s: Option<f64>,
}

/// CPU time per payment in microseconds, by process.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cpu {
    /// The load generator; with `sql` and `plpgsql` also the handler.
    pub client: f64,
    /// Florin, or the server of `sql-grpc`.
    pub server: f64,
    /// PostgreSQL with all its processes.
    pub postgres: f64,
    /// Redis.
    pub redis: f64,
    /// Kafka.
    pub kafka: f64,
}

/// Florin's rate over a baseline's.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// The baseline.
    pub of: &'static str,
    /// The workload of both.
    pub workload: &'static str,
    /// Of both.
    pub in_flight: usize,
    /// In each round.
    pub rounds: Vec<f64>,
    /// Of the rounds.
    pub median: f64,
}

/// The systems that Florin is compared with.
pub const BASELINES: [&str; 3] = ["sql", "plpgsql", "sql-grpc"];

/// The ratios of all runs that have a counterpart in their round.
#[must_use]
pub fn ratios(runs: &[Run]) -> Vec<Ratio> {
    let mut ratios: Vec<Ratio> = Vec::new();
    for run in runs.iter().filter(|run| run.system == "florin") {
        for other in runs.iter().filter(|other| other.system != "florin" && other.round == run.round) {
            if (other.workload, other.in_flight) != (run.workload, run.in_flight) {
                continue;
            }
            let ratio = run.payments_per_s / other.payments_per_s;
            match ratios.iter_mut().find(|known| {
                (known.of, known.workload, known.in_flight) == (other.system, run.workload, run.in_flight)
            }) {
                Some(known) => known.rounds.push(ratio),
                None => ratios.push(Ratio {
                    of: other.system,
                    workload: run.workload,
                    in_flight: run.in_flight,
                    rounds: vec![ratio],
                    median: 0.0,
                }),
            }
        }
    }
    for ratio in &mut ratios {
        ratio.median = median(&ratio.rounds).unwrap_or_default();
    }
    ratios
}

/// The one in the middle; of an even number the mean of the two.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

impl Report {
    /// Writes `report.json` and `report.md`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
        };
        write("report.json", format!("{}\n", serde_json::to_string_pretty(self)?))?;
        write("report.md", self.markdown())
    }
}

/// This machine.
#[must_use]
pub fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let processor = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()));
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        processor: processor.unwrap_or_else(|| "unknown".to_owned()),
        memory_mb: crate::process::memory_mb(),
        system: format!("{} {}", read("/proc/sys/kernel/ostype").trim(), read("/proc/sys/kernel/osrelease").trim()),
    }
}

#[cfg(test)]
mod tests;
