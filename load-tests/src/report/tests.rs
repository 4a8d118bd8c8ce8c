//! A report has its fields, and its ratios are taken within a round.

use super::*;

fn run(system: &'static str, workload: &'static str, in_flight: usize, round: usize, payments_per_s: f64) -> Run {
    Run {
        system,
        workload,
        in_flight,
        rate_per_s: None,
        round,
        run_s: 5.0,
        payments_per_s,
        p50_ms: 2.0,
        p99_ms: 9.0,
        p999_ms: 12.0,
        max_ms: 20.0,
        errors: 0,
        outcomes: BTreeMap::from([("paid".to_owned(), 10)]),
        rss_mb: (system == "florin").then_some(150.0),
        cpu_us: Cpu::default(),
        wal_bytes: 900.0,
        events_waiting: None,
        publish_s: None,
    }
}

fn report() -> Report {
    let mut runs = Vec::new();
    for (round, florin) in [(1, 20_000.0), (2, 30_000.0), (3, 24_000.0)] {
        runs.push(run("florin", "uniform", 256, round, florin));
        runs.push(run("sql", "uniform", 256, round, 4_000.0));
        runs.push(run("florin", "batch100", 16, round, 40_000.0));
        runs.push(run("florin", "rest", 256, round, 16_000.0));
        runs.push(run("florin", "hold-capture", 256, round, 9_600.0));
        runs.push(run("florin", "balance", 256, round, 19_000.0));
    }
    let machine = Machine { cores: 2, processor: "p".into(), memory_mb: 1, system: "Linux".into() };
    let (ratios, floors) = (ratios(&runs), floors(&runs));
    Report {
        commit: "c".into(),
        machine,
        postgres: "fsync on".into(),
        accounts: 2,
        quick: false,
        runs,
        ratios,
        floors,
        problems: Vec::new(),
    }
}

#[test]
fn ratios_are_taken_within_a_round_and_their_median_counts() {
    let report = report();
    assert_eq!(report.ratios.len(), 1, "what Florin does alone has no counterpart");
    let ratio = &report.ratios[0];
    assert_eq!((ratio.of, ratio.workload, ratio.in_flight), ("sql", "uniform", 256));
    assert_eq!((ratio.rounds.as_slice(), ratio.median), ([5.0, 7.5, 6.0].as_slice(), 6.0));
}

#[test]
fn floors_are_met_missed_or_not_measured() {
    let floors = report().floors;
    let of = |name: &str| floors.iter().find(|floor| floor.name.contains(name)).unwrap();
    assert_eq!((of("256 in flight: x sql").reached, of("256 in flight: x sql").met), (Some(6.0), Some(true)));
    assert_eq!((of("100 payments").reached, of("100 payments").met), (Some(10.0), Some(true)));
    assert_eq!((of("1 in flight").reached, of("1 in flight").met), (None, None));
    let rest = of("over REST");
    assert_eq!(
        (rest.rounds.len(), rest.reached, rest.met),
        (3, Some(16.0 / 24.0), Some(false)),
        "of Florin's own rate in the same round"
    );
    assert_eq!((of("hold and capture").reached, of("hold and capture").met), (Some(0.4), Some(false)));
    assert_eq!((of("balances").reached, of("balances").met), (Some(19_000.0), Some(false)));
    assert_eq!(of("resident").met, Some(true));
}

#[test]
fn the_report_has_its_fields() {
    let folder = tempfile::tempdir().unwrap();
    report().write(folder.path()).unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("report.json")).unwrap()).unwrap();
    for field in ["commit", "machine", "postgres", "runs", "ratios", "floors"] {
        assert!(json.get(field).is_some(), "{field}");
    }
    let fields = "system workload in_flight rate_per_s round run_s payments_per_s p50_ms p99_ms errors rss_mb cpu_us";
    for field in fields.split(' ') {
        assert!(json["runs"][0].get(field).is_some(), "{field}");
    }
    for part in ["client", "server", "postgres", "redis", "kafka"] {
        assert!(json["runs"][0]["cpu_us"].get(part).is_some(), "{part}");
    }
    let text = fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(text.contains("| uniform, 256 in flight: x sql | at least 6 | 6.00 | 5.00, 7.50, 6.00 | yes |"), "{text}");
    assert!(text.contains("| uniform | 256 | sql | 4000 |"), "{text}");
}

#[test]
fn the_median_is_the_one_in_the_middle() {
    for (values, wanted) in
        [(vec![], None), (vec![3.0], Some(3.0)), (vec![9.0, 1.0, 5.0], Some(5.0)), (vec![4.0, 2.0], Some(3.0))]
    {
        assert_eq!(median(&values), wanted);
    }
}
