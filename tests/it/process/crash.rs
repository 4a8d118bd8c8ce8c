//! kill -9 of Florin, in the middle of everything.

use super::load::{Load, open_accounts};
use super::site::Site;
use crate::harness::until;

/// Fails when a start goes on from PostgreSQL's copy of the position instead of Kafka's own (events double, as they do with
/// KAFKA_TRANSACTIONS=false), or when the position is not in the events' transaction; when answers are given before the commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_no_acknowledged_payment_and_no_event_and_doubles_none() {
    let site = Site::new().await.with_fixed_port().with("OUTBOX_BATCH_SIZE", "20");
    open_accounts(&site.database).await;
    let mut server = site.serve().await;
    let load = Load::start(&[server.grpc], 8);
    for round in 0..3 {
        load.more(120 + 37 * round).await;
        until("it publishes", async || site.database.count("SELECT count(*) FROM outbox_positions").await > 0).await;
        // Once where it happens to be, twice when Kafka has committed and PostgreSQL does not know it yet.
        let mut copy = site.database.pool.begin().await.unwrap();
        if round > 0 {
            // A lock on its row would be a write, behind which no newer event is final: perhaps there is none left to publish.
            sqlx::query("LOCK TABLE outbox_positions IN SHARE MODE").execute(&mut *copy).await.unwrap();
            until("the copy waits to be written", async || site.database.count(&format!("SELECT count(*) {WAITING}")).await > 0).await;
        }
        server.process.kill();
        assert!(round == 0 || site.waiting_events().await > 0);
        site.database.count(&format!("SELECT count(pg_terminate_backend(pid)) {WAITING}")).await;
        copy.rollback().await.unwrap();
        server = site.serve().await;
    }
    load.more(100).await;
    let payments = load.settle(&site).await;
    assert_eq!(site.assert_events_once().await, payments);
    let (code, _) = server.terminate(std::time::Duration::from_secs(8));
    assert_eq!(code, 0, "{}", server.process.said());
}

/// Backends that wait for the row of the copy.
const WAITING: &str = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ 'outbox_positions'";
