//! Messages from Kafka that wait or are dead: how much of them is read at once, and kept.

use chrono::{DateTime, Utc};
use florin::store::billing::{bills, orders};
use florin::store::received;

use crate::harness::TestDatabase;

const MIB: usize = 1 << 20;
const BODY: &str = "convert_to(repeat('x', 1048576), 'UTF8')";

async fn run(database: &TestDatabase, sql: &str) {
    sqlx::query(sqlx::AssertSqlSafe(sql.replace("BODY", BODY))).execute(&database.pool).await.unwrap();
}

// Fails when a read has a limit of rows alone: 500 orders of 8 MiB, parked for want of a rate, are 4 GiB each second.
#[tokio::test]
async fn what_waits_is_read_up_to_so_many_bytes() {
    let database = TestDatabase::fresh().await;
    let pool = &database.pool;
    run(&database, "INSERT INTO parked_orders (tenant, event_id, reason, body, received_at) SELECT 't', n::text, 'r', BODY, now() FROM generate_series(1, 5) n").await;
    let ids = async |after, bounds| {
        let rows = orders::waiting(pool, after, bounds).await.unwrap();
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(0, (500, 2 * MIB)).await, [1, 2]);
    assert_eq!(ids(2, (500, 2 * MIB + 1)).await, [3, 4, 5], "the last may pass the limit");
    assert_eq!(ids(3, (500, 1)).await, [4], "there is always one");
    assert_eq!(ids(0, (1, 9 * MIB)).await, [1]);
    let listed = orders::list(pool, 0, 500).await.unwrap();
    assert!(listed.len() == 5 && listed.iter().all(|row| row.body.len() == 65_536));

    run(&database, "INSERT INTO parked_bills (place, topic, partition, \"offset\", body, received_at, parked_at) SELECT 'p' || n, 't', 0, n, BODY, now(), '2026-01-01T00:00:00Z' FROM generate_series(1, 3) n").await;
    let places = async |parked_at: DateTime<Utc>, place: &str, bytes| {
        let rows = bills::waiting(pool, (parked_at, place), (200, bytes)).await.unwrap();
        rows.into_iter().map(|row| row.place).collect::<Vec<_>>()
    };
    let parked_at = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(places(DateTime::default(), "", 2 * MIB).await, ["p1", "p2"]);
    assert_eq!(places(parked_at, "p2", 2 * MIB).await, ["p3"]);

    run(&database, "INSERT INTO received_letters (topic, partition, \"offset\", body, digest, code, reason, asked_at) SELECT 't', 0, n, BODY, '', 'C', 'r', now() FROM generate_series(1, 3) n").await;
    assert_eq!(received::asked(pool, &["t".into()], (500, MIB + 1)).await.unwrap().len(), 2);
    let listed = received::list(pool, 0, true, 500).await.unwrap();
    assert!(listed.len() == 3 && listed.iter().all(|row| row.body.len() == 65_536));
}

// Fails when dead letters are kept for ever: whoever can write to a topic fills the disk of the ledger. And when one goes
// that Kafka does not have, or that is to be read again.
#[tokio::test]
async fn of_dead_letters_the_newest_are_kept_and_those_that_nobody_else_has() {
    let database = TestDatabase::fresh().await;
    run(&database, "INSERT INTO received_letters (topic, partition, \"offset\", body, digest, code, reason, published, asked_at) \
                      SELECT 't', 0, n, '', '', 'C', 'r', n <> 2, CASE n WHEN 3 THEN now() END FROM generate_series(1, 10) n").await;
    let ids = async || {
        let rows = received::list(&database.pool, 0, true, 500).await.unwrap();
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(received::forget(&database.pool, 10, 500).await.unwrap(), 0);
    assert_eq!(received::forget(&database.pool, 5, 2).await.unwrap(), 2, "a few at a time");
    assert_eq!(ids().await, [2, 3, 5, 6, 7, 8, 9, 10]);
    received::forget(&database.pool, 5, 500).await.unwrap();
    assert_eq!(ids().await, [2, 3, 6, 7, 8, 9, 10]);
}
