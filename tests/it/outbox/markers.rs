//! Ids commit out of order: the marker cursor publishes every one, in order; the two obvious cursors do not.

use std::collections::{HashMap, HashSet};

use sqlx::PgPool;

use crate::outbox::rig::Rig;

/// "Everything that no running transaction can precede": position by id.
const BY_ID: &str = "SELECT xmin::text::bigint AS xid, id, aggregate, body::json->'payload'->>'description' FROM outbox
   WHERE xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint AND id > $2 AND $1 = $1 ORDER BY id";
/// The same with the position by transaction and id.
const BY_XID: &str = "SELECT xmin::text::bigint AS xid, id, aggregate, body::json->'payload'->>'description' FROM outbox
   WHERE xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint AND (xmin::text::bigint, id) > ($1, $2) ORDER BY 1, 2";

/// The two tests here disturb each other: a transaction that stays open holds all events of the cluster back.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

type Seen = Vec<(i64, i64, String, String)>;

async fn follow(pool: PgPool, cursor: &'static str, mut seen: Seen) -> Seen {
    let (xid, id) = seen.last().map_or((0, 0), |row| (row.0, row.1));
    let more: Seen = sqlx::query_as(cursor).bind(xid).bind(id).fetch_all(&pool).await.unwrap();
    seen.extend(more);
    seen
}

/// Eight writers sleep at random before the row lock and after drawing the id. Fails when `find_final` publishes up to the last id drawn
/// without waiting for the marker (seen: 8 events lost).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_id_is_published_and_versions_rise_while_both_obvious_cursors_fail() {
    let _alone = ALONE.lock().await;
    let rig = Rig::new("markers").await;
    let publisher = rig.start().await;
    rig.write("first").await;
    rig.drained().await; // it is at work before the writers are
    let writers = rig.writers(8, 3, 0.004);
    let (mut by_id, mut by_xid) = (Seen::new(), Seen::new());
    while writers.written.load(std::sync::atomic::Ordering::Relaxed) < 1500 {
        by_id = follow(rig.pool.clone(), BY_ID, by_id).await;
        by_xid = follow(rig.pool.clone(), BY_XID, by_xid).await;
    }
    let written = writers.stop().await;
    rig.drained().await; // so no transaction runs that could hide anything
    by_id = follow(rig.pool.clone(), BY_ID, by_id).await;
    by_xid = follow(rig.pool.clone(), BY_XID, by_xid).await;
    publisher.stop().await;
    let written = written + 1;
    assert_eq!(u64::try_from(rig.assert_exactly_once().await).unwrap(), written);

    let ids: HashSet<i64> = by_id.iter().map(|row| row.1).collect();
    let lost = written - u64::try_from(ids.len()).unwrap();
    assert!(lost > 0, "the first control lost nothing: the writers do not disturb it enough");
    let mut versions: HashMap<&str, i64> = HashMap::new();
    let disordered = by_xid
        .iter()
        .filter(|(_, _, aggregate, version)| {
            let version: i64 = version.parse().unwrap();
            let last = versions.insert(aggregate, version);
            last.is_some_and(|last| last > version)
        })
        .count();
    assert!(disordered > 0, "the second control kept the order: the writers do not disturb it enough");
    eprintln!("of {written} events by id lost {lost}, by transaction disordered {disordered}");
}

/// Fails when the waiting is for the publisher's own database only, or when nobody is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_in_another_database_holds_events_back_and_is_named() {
    use florin::supervision::health::Condition;
    use sqlx::Connection as _;

    let _alone = ALONE.lock().await;
    let rig = Rig::new("heldback").await;
    let publisher = rig.start().await;
    rig.write("a").await;
    rig.drained().await;
    let mut other = sqlx::PgConnection::connect(&crate::outbox::servers::postgres().url("postgres")).await.unwrap();
    sqlx::raw_sql("SET application_name = 'the culprit'; BEGIN; SELECT pg_current_xact_id()").execute(&mut other).await.unwrap();
    rig.write("a").await;
    crate::outbox::rig::wait(
        "health names the culprit",
        async || matches!(rig.condition(), Condition::Degraded(reason) if reason.contains("the culprit") && reason.contains("database postgres")),
    )
    .await;
    assert_eq!(rig.events().await.len(), 1);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    rig.drained().await;
    crate::outbox::rig::wait("health recovers", async || rig.condition() == Condition::Up).await;
    assert_eq!(rig.assert_exactly_once().await, 2);
    publisher.stop().await;
}
