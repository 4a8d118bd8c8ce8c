//! The report for people.

use std::fmt::Write;

use super::{Floor, Report, Run, median};

impl Report {
    /// The report as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::from("# Benchmark\n\n");
        let machine = &self.machine;
        let _ = writeln!(text, "Commit {}, {} accounts, {} runs.", self.commit, self.accounts, self.runs.len());
        let _ = writeln!(
            text,
            "{} cores ({}), {} MiB of memory, {}.",
            machine.cores, machine.processor, machine.memory_mb, machine.system
        );
        let _ = writeln!(text, "PostgreSQL: {}.\n", self.postgres);
        if self.quick {
            text.push_str("A short run: it shows that everything works; its figures mean little.\n\n");
        }
        for problem in &self.problems {
            let _ = writeln!(text, "**Wrong:** {problem}\n");
        }
        self.floors(&mut text);
        self.medians(&mut text);
        self.ratios(&mut text);
        text
    }

    fn floors(&self, text: &mut String) {
        text.push_str("## Floors\n\n| floor | to reach | reached (median of the rounds) | rounds | met |\n| --- | --- | --- | --- | --- |\n");
        for Floor { name, floor, at_least, rounds, reached, met } in &self.floors {
            let bound = if *at_least { "at least" } else { "at most" };
            let reached = reached.map_or_else(|| "not measured".to_owned(), |reached| format!("{reached:.2}"));
            let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
            let _ = writeln!(text, "| {name} | {bound} {floor} | {reached} | {} | {met} |", list(rounds));
        }
    }

    /// One line per system, workload and in-flight number: medians of the rounds.
    fn medians(&self, text: &mut String) {
        text.push_str("\n## Medians of the rounds\n\nCPU in microseconds per payment (of `balance`: per balance; of `entries` and `transactions`: per page). Of Florin it includes publishing every event to Kafka.\n\n");
        text.push_str("| workload | in flight | system | payments/s | p50 ms | p99 ms | errors | MB | client | server | postgres | redis | kafka | WAL bytes | events waiting |\n");
        text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        let mut seen = Vec::new();
        for run in &self.runs {
            let kind = (run.workload, run.in_flight, run.system);
            if seen.contains(&kind) {
                continue;
            }
            seen.push(kind);
            let runs: Vec<&Run> =
                self.runs.iter().filter(|other| (other.workload, other.in_flight, other.system) == kind).collect();
            let of = |figure: fn(&Run) -> f64| {
                median(&runs.iter().map(|run| figure(run)).collect::<Vec<_>>()).unwrap_or_default()
            };
            let rss = median(&runs.iter().filter_map(|run| run.rss_mb).collect::<Vec<_>>())
                .map_or(String::new(), |mb| format!("{mb:.0}"));
            let waiting =
                runs.iter().filter_map(|run| run.events_waiting).max().map_or(String::new(), |n| n.to_string());
            let errors: u64 = runs.iter().map(|run| run.errors).sum();
            let _ = write!(
                text,
                "| {} | {} | {} | {:.0} | {:.2} | {:.2} | {errors} | {rss} ",
                kind.0,
                kind.1,
                kind.2,
                of(|run| run.payments_per_s),
                of(|run| run.p50_ms),
                of(|run| run.p99_ms)
            );
            let cpu: [fn(&Run) -> f64; 5] = [
                |run| run.cpu_us.client,
                |run| run.cpu_us.server,
                |run| run.cpu_us.postgres,
                |run| run.cpu_us.redis,
                |run| run.cpu_us.kafka,
            ];
            for figure in cpu {
                let _ = write!(text, "| {:.1} ", of(figure));
            }
            let _ = writeln!(text, "| {:.0} | {waiting} |", of(|run| run.wal_bytes));
        }
    }

    fn ratios(&self, text: &mut String) {
        text.push_str(
            "\n## Florin's rate over the baselines'\n\n| workload | in flight | over | median | rounds |\n| --- | --- | --- | --- | --- |\n",
        );
        for ratio in &self.ratios {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.2} | {} |",
                ratio.workload,
                ratio.in_flight,
                ratio.of,
                ratio.median,
                list(&ratio.rounds)
            );
        }
    }
}

fn list(values: &[f64]) -> String {
    values.iter().map(|value| format!("{value:.2}")).collect::<Vec<_>>().join(", ")
}
