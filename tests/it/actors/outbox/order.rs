//! A batch is visible only after the one before it, so a place is a cursor: nothing is lost, nothing comes out of
//! order, and nobody holds events back.

use sqlx::Connection as _;

use crate::actors::outbox::rig::Rig;
use crate::actors::outbox::servers::postgres;

/// Eight writers sleep at random before they take their place, and before they commit. Fails when the publisher reads
/// beyond the tip that it asked for before (seen by asking for the tip after the rows: events lost).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_of_many_writers_is_published_in_order() {
    let rig = Rig::new("order").await;
    let publisher = rig.start().await;
    let writers = rig.writers(8, 3, 0.004);
    writers.more(500).await;
    let written = writers.stop().await;
    rig.drained().await;
    publisher.stop().await;
    assert_eq!(u64::try_from(rig.assert_exactly_once().await).unwrap(), written);
}

/// Fails when the publisher waits for transactions that are none of the journal's (by snapshots, as it once did).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_transaction_that_stays_open_holds_no_event_back() {
    let rig = Rig::new("foreign").await;
    let publisher = rig.start().await;
    let mut elsewhere = sqlx::PgConnection::connect(&postgres().url("postgres")).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT pg_current_xact_id()").execute(&mut elsewhere).await.unwrap();
    let mut here = rig.pool.begin().await.unwrap();
    sqlx::raw_sql("INSERT INTO test_aggregates VALUES ('a transaction of somebody else')")
        .execute(&mut *here)
        .await
        .unwrap();
    for _ in 0..10 {
        rig.write("a").await;
    }
    rig.drained().await;
    assert_eq!(rig.assert_exactly_once().await, 10);
    here.rollback().await.unwrap();
    elsewhere.close().await.unwrap();
    publisher.stop().await;
}
