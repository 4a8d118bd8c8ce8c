//! kill -9 of Florin, in the middle of everything.

use super::load::{Load, open_accounts};
use super::site::Site;
use crate::harness::cases::is_large;
use crate::harness::until;

/// Fails when a start goes on from PostgreSQL's copy of the position instead of Kafka's own (events double, as they do
/// with KAFKA_TRANSACTIONS=false), or when the position is not in the events' transaction; when answers are given
/// before the commit.
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
            // A lock on its row would be a write, behind which no newer event is final: perhaps there is none left to
            // publish.
            sqlx::query("LOCK TABLE outbox_positions IN SHARE MODE").execute(&mut *copy).await.unwrap();
            until("the copy waits to be written", async || {
                site.database.count(&format!("SELECT count(*) {WAITING}")).await > 0
            })
            .await;
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

/// Balances to this moment that are not what all rows of the account come to, or not as far as the last of them.
const WRONG: &str = "SELECT count(*) FROM balances_now b LEFT JOIN (SELECT account, sum(moved) AS moved, sum(held) AS held, max(seq) AS last FROM account_rows GROUP BY account) r \
     ON r.account = b.account WHERE (b.credits - b.debits, b.held, b.last_seq) IS DISTINCT FROM (coalesce(r.moved, 0), coalesce(r.held, 0), coalesce(r.last, 0))";

/// Fails when `journal_tail` leaves out a row (seen with those of the fold's last batch), or a start loads accounts
/// before what its forerunner wrote is folded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_between_a_batch_and_the_fold_leaves_balances_that_are_right() {
    let site = Site::new().await.with_fixed_port();
    open_accounts(&site.database).await;
    let mut server = site.serve().await;
    let load = Load::start(&[server.grpc], 8);
    let (rounds, mut behind) = (if is_large() { 200 } else { 12 }, 0);
    for round in 0..rounds {
        load.more(20 + 13 * (round % 7)).await;
        server.process.kill();
        behind +=
            u64::try_from(site.database.count("SELECT (seq < journal_tip())::int::bigint FROM folded").await).unwrap();
        assert_eq!(site.database.count(WRONG).await, 0, "round {round}");
        server = site.serve().await;
    }
    assert!(behind * 3 > rounds, "only {behind} of {rounds} were killed before the fold");
    load.settle(&site).await;
    assert_eq!(site.database.count("SELECT count(*) FROM quarantine").await, 0);
    let (code, _) = server.terminate(std::time::Duration::from_secs(8));
    assert_eq!(code, 0, "{}", server.process.said());
}
