//! The floors: what Florin is to reach on two cores. A table of data; each is judged by the median of the rounds.

use serde::Serialize;

use super::{Run, median};

/// One floor and what was reached.
#[derive(Clone, Debug, Serialize)]
pub struct Floor {
    /// In words.
    pub name: &'static str,
    /// The figure to be reached.
    pub floor: f64,
    /// Whether more is better; else less is.
    pub at_least: bool,
    /// In each round.
    pub rounds: Vec<f64>,
    /// The median; none when it was not measured.
    pub reached: Option<f64>,
    /// Whether that is enough.
    pub met: Option<bool>,
}

#[derive(Clone, Copy)]
enum Figure {
    /// Florin's rate over a system's, or over its own: workload, in flight; and those of the system.
    Rate((&'static str, usize), (&'static str, &'static str, usize)),
    /// Florin's rate, per second.
    Speed(&'static str, usize),
    /// Florin's p50 over a system's.
    Median((&'static str, usize), (&'static str, &'static str, usize)),
    /// Florin's p99 in ms.
    Tail(&'static str, usize),
    /// PostgreSQL's CPU time per payment over that of a system's.
    Postgres((&'static str, usize), (&'static str, &'static str, usize)),
    /// The most memory that Florin had in any run of the round, in MiB.
    Memory,
}

const UNIFORM: (&str, usize) = ("uniform", 256);

const FLOORS: &[(&str, f64, bool, Figure)] = &[
    ("uniform, 256 in flight: x sql", 6.0, true, Figure::Rate(UNIFORM, ("sql", "uniform", 256))),
    ("uniform, 256 in flight: x plpgsql", 2.8, true, Figure::Rate(UNIFORM, ("plpgsql", "uniform", 256))),
    ("uniform, 256 in flight: x sql-grpc", 7.0, true, Figure::Rate(UNIFORM, ("sql-grpc", "uniform", 256))),
    ("hot payee, 256 in flight: x sql", 20.0, true, Figure::Rate(("hot-payee", 256), ("sql", "hot-payee", 256))),
    ("hot payer, 256 in flight: x sql", 20.0, true, Figure::Rate(("hot-payer", 256), ("sql", "hot-payer", 256))),
    ("uniform, 1 in flight: p50 x sql's", 1.0, false, Figure::Median(("uniform", 1), ("sql", "uniform", 1))),
    ("open loop at half the peak: p99 in ms", 20.0, false, Figure::Tail("open-half-peak", 256)),
    (
        "100 payments per message, 16 messages in flight: x sql at 256",
        9.0,
        true,
        Figure::Rate(("batch100", 16), ("sql", "uniform", 256)),
    ),
    (
        "uniform, 256 in flight: PostgreSQL's CPU per payment x sql's",
        0.056,
        false,
        Figure::Postgres(UNIFORM, ("sql", "uniform", 256)),
    ),
    (
        "transfers over REST, 256 in flight: x uniform over gRPC",
        0.7,
        true,
        Figure::Rate(("rest", 256), ("florin", "uniform", 256)),
    ),
    (
        "hold and capture, 256 in flight: x uniform",
        0.5,
        true,
        Figure::Rate(("hold-capture", 256), ("florin", "uniform", 256)),
    ),
    ("balances of active accounts, 256 in flight: per second", 20_000.0, true, Figure::Speed("balance", 256)),
    ("newest 50 of a million entries, 1 in flight: p99 in ms", 5.0, false, Figure::Tail("entries", 1)),
    ("50 near the oldest of a million entries, 1 in flight: p99 in ms", 5.0, false, Figure::Tail("entries-old", 1)),
    (
        "newest 50 of a million transactions over REST, 1 in flight: p99 in ms",
        5.0,
        false,
        Figure::Tail("transactions", 1),
    ),
    (
        "50 near the oldest of a million transactions over REST, 1 in flight: p99 in ms",
        5.0,
        false,
        Figure::Tail("transactions-old", 1),
    ),
    ("resident memory with 10,000 active accounts in MB", 200.0, false, Figure::Memory),
];

/// Judges the runs.
#[must_use]
pub fn floors(runs: &[Run]) -> Vec<Floor> {
    let rounds = runs.iter().map(|run| run.round).max().unwrap_or_default();
    let judge = |&(name, floor, at_least, figure): &(&'static str, f64, bool, Figure)| {
        let rounds: Vec<f64> = (1..=rounds).filter_map(|round| reached(runs, round, figure)).collect();
        let reached = median(&rounds);
        let met = reached.map(|reached| if at_least { reached >= floor } else { reached <= floor });
        Floor { name, floor, at_least, rounds, reached, met }
    };
    FLOORS.iter().map(judge).collect()
}

fn reached(runs: &[Run], round: usize, figure: Figure) -> Option<f64> {
    let find = |system: &str, workload: &str, in_flight: usize| {
        runs.iter().find(|run| {
            run.round == round && run.system == system && run.workload == workload && run.in_flight == in_flight
        })
    };
    match figure {
        Figure::Rate((workload, n), (system, other, m)) => {
            Some(find("florin", workload, n)?.payments_per_s / find(system, other, m)?.payments_per_s)
        }
        Figure::Speed(workload, n) => Some(find("florin", workload, n)?.payments_per_s),
        Figure::Median((workload, n), (system, other, m)) => {
            Some(find("florin", workload, n)?.p50_ms / find(system, other, m)?.p50_ms)
        }
        Figure::Tail(workload, n) => Some(find("florin", workload, n)?.p99_ms),
        Figure::Postgres((workload, n), (system, other, m)) => {
            Some(find("florin", workload, n)?.cpu_us.postgres / find(system, other, m)?.cpu_us.postgres)
        }
        Figure::Memory => runs
            .iter()
            .filter(|run| run.round == round && run.system == "florin")
            .filter_map(|run| run.rss_mb)
            .reduce(f64::max),
    }
}
