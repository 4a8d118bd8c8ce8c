//! Traces leave when the guard is dropped, and a collector that is away holds nobody up.

use std::time::{Duration, Instant};

use florin::settings::{LogFormat, LogSettings, TraceSettings};
use florin::telemetry::Telemetry;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::harness::alone;

/// In a process of its own: the subscriber belongs to the whole process.
#[test]
fn spans_are_sent_and_a_silent_collector_costs_two_seconds_at_most() {
    let ended = alone("telemetry::traces::in_a_process_of_its_own").output().unwrap();
    assert!(ended.status.success() && String::from_utf8_lossy(&ended.stdout).contains("1 passed"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the test above runs it in a process of its own"]
async fn in_a_process_of_its_own() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let log = LogSettings {
        level: "warn".into(),
        filter: Some("edge=info".into()),
        format: LogFormat::Json,
        payments: false,
    };
    let telemetry = Telemetry::start(&log, Some(&TraceSettings { endpoint, sample_percent: 100 })).unwrap();
    tracing::info_span!(target: "edge", "payment").in_scope(|| ());

    // It accepts and never answers.
    let begun = Instant::now();
    let dropped = tokio::task::spawn_blocking(|| drop(telemetry));
    let (mut stream, _) = tokio::time::timeout(Duration::from_secs(20), collector.accept())
        .await
        .expect("a connection within 20 s")
        .unwrap();
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    assert!(preface.starts_with(b"PRI * HTTP/2.0"));
    dropped.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    let refused = Telemetry::start(&LogSettings { filter: Some("edge=loud".into()), ..log }, None).err().unwrap();
    assert!(refused.to_string().contains("LOG_FILTER"));
}
