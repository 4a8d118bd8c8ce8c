//! The broker away: payments go on, events wait, and arrive once.

use std::time::{Duration, Instant};

use florin_servers::{kafka::DevKafka, ports};
use tonic::Code;

use super::load::{Load, open_accounts, quantile};
use super::site::Site;
use crate::harness::TestDatabase;

/// Fails when a payment waits for its event to be published; when the publisher goes on after the broker's return
/// without reading its position again (a transaction whose commit had no answer is doubled or lost).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_the_broker_stops_no_payment_and_events_arrive_once() {
    let home = tempfile::tempdir().unwrap();
    let mut kafka = DevKafka::start(home.path(), ports::free().unwrap()).unwrap();
    let site = Site::on(TestDatabase::empty().await, kafka.brokers()).await.with("OUTBOX_BATCH_SIZE", "20");
    open_accounts(&site.database).await;
    let server = site.serve().await;
    let load = Load::start(&[server.grpc], 8);
    for round in 0..2 {
        load.more(150).await;
        kafka.kill().unwrap();
        let away = Instant::now();
        load.more(250).await;
        assert!(site.waiting_events().await > 0);
        assert_eq!(server.health().await, Some(200));
        let calls = load.calls(away, Instant::now());
        let (p99, refused) = (quantile(&calls, 990), calls.iter().filter(|call| call.code != Code::Ok).count());
        println!("round {round}: {} payments without a broker, p99 {p99:?}", calls.len());
        assert!(refused == 0 && p99 < Duration::from_millis(1_000), "{refused} refused, p99 {p99:?}");
        kafka = tokio::task::spawn_blocking(move || {
            kafka.restart().unwrap();
            kafka
        })
        .await
        .unwrap();
    }
    load.more(50).await;
    let payments = load.settle(&site).await;
    assert_eq!(site.assert_events_once().await, payments);
    assert_eq!(server.part("outbox").await, "up");
}
