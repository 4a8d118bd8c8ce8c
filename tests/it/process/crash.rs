//! kill -9 of Florin, in the middle of everything.

use super::load::{Load, open_accounts};
use super::site::Site;
use crate::harness::until;

/// Fails when answers are given before the commit; when a start does not look at Kafka's own position but at PostgreSQL's copy (events double,
/// as they do with KAFKA_TRANSACTIONS=false); when the position is not in the events' transaction (they are lost or doubled).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_no_acknowledged_payment_and_no_event_and_doubles_none() {
    let site = Site::new().await.with_fixed_port().with("OUTBOX_BATCH_SIZE", "20");
    open_accounts(&site.database).await;
    let mut server = site.serve().await;
    let load = Load::start(&[server.grpc], 8);
    let mut in_publishing = 0;
    for round in 0..3 {
        load.more(150 + 37 * round).await;
        until("events wait", async || site.waiting_events().await > 0).await;
        server.process.kill();
        in_publishing += site.waiting_events().await;
        server = site.serve().await;
    }
    load.more(100).await;
    assert!(in_publishing > 0, "it was never killed while it published");
    let payments = load.settle(&site).await;
    assert_eq!(site.assert_events_once().await, payments);
    let (code, _) = server.terminate(std::time::Duration::from_secs(8));
    assert_eq!(code, 0, "{}", server.process.said());
}
