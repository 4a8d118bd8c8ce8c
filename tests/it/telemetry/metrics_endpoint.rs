//! The metrics listener over real HTTP.

use florin::resilience::health::{Condition, Health, Overall, Part};
use florin::settings::ListenSettings;
use florin::telemetry::http::{HealthView, MetricsListener};
use florin::telemetry::metrics as names;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::harness::alone;

async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: florin\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// In a process of its own: metrics belong to the whole process.
#[test]
fn dashboards_and_probes_find_what_they_know() {
    let ended = alone("telemetry::metrics_endpoint::in_a_process_of_its_own").output().unwrap();
    assert!(ended.status.success() && String::from_utf8_lossy(&ended.stdout).contains("1 passed"), "{ended:?}");
}

#[tokio::test]
#[ignore = "the test above runs it in a process of its own"]
async fn in_a_process_of_its_own() {
    let listen = ListenSettings { host: "127.0.0.1".into(), port: 0 };
    let health = Health::default();
    let view = HealthView::new(
        {
            let health = health.clone();
            move || health.overall() != Overall::NotServing
        },
        {
            let health = health.clone();
            move || json!(health.parts())
        },
    );
    // Two runtimes in one process share the recorder, each with a listener of its own.
    let (first, second) =
        (MetricsListener::bind(&listen).await.unwrap(), MetricsListener::bind(&listen).await.unwrap());
    let address = first.address().unwrap();
    assert_ne!(address.port(), 0);
    assert_ne!(address, second.address().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = first.run(view, async { drop(stopped.await) });

    let asking = async {
        assert_eq!(get(address, "/health").await, (503, r#"{"status":"unhealthy"}"#.into()));
        for part in [Part::Database, Part::Leadership, Part::Journal] {
            health.report(part, Condition::Up);
        }
        health.restarted(Part::Journal, "a panic");
        health.report(Part::Limiter, Condition::Degraded("redis is away".into()));
        assert_eq!(get(address, "/health").await, (200, r#"{"status":"healthy"}"#.into()), "degraded is serving");
        let (status, parts) = get(address, "/health/parts").await;
        let parts: Value = serde_json::from_str(&parts).unwrap();
        let journal = json!({ "condition": "up", "restarts": 1, "last_cause": "a panic" });
        assert_eq!((status, &parts["serving"], &parts["parts"]["journal"]), (200, &json!(true), &journal));
        assert_eq!(parts["parts"]["limiter"]["reason"], "redis is away");
        assert_eq!(get(address, "/live").await.0, 200);
        assert_eq!(get(address, "/nothing").await.0, 404);

        metrics::counter!(names::PAYMENT_REQUESTS, "status" => "AUTHORIZED", "error_code" => "").increment(2);
        metrics::histogram!(names::PAYMENT_DURATION).record(0.02);
        metrics::histogram!(names::PAYMENT_DURATION).record(7.0);
        let (status, page) = get(address, "/metrics").await;
        assert_eq!(status, 200);
        for line in [
            "# TYPE payment_requests_total counter",
            "payment_requests_total{status=\"AUTHORIZED\",error_code=\"\"} 2",
            "# TYPE payment_duration_seconds histogram",
            "payment_duration_seconds_bucket{le=\"0.01\"} 0",
            "payment_duration_seconds_bucket{le=\"0.025\"} 1",
            "payment_duration_seconds_bucket{le=\"5\"} 1",
            "payment_duration_seconds_bucket{le=\"+Inf\"} 2",
            "# TYPE outbox_pending_events gauge",
            "outbox_pending_events 0",
            "florin_epoch 0",
        ] {
            assert!(page.lines().any(|found| found == line), "no {line:?} in:\n{page}");
        }
        stop.send(()).unwrap();
    };
    let (ended, ()) = tokio::join!(running, asking);
    ended.unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = ListenSettings { host: "127.0.0.1".into(), port: taken.local_addr().unwrap().port() };
    let said = MetricsListener::bind(&listen).await.err().unwrap().to_string();
    assert!(said.contains("METRICS_PORT"), "{said}");
}
