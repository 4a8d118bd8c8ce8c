//! A reader that pages through everything while the journal goes on to further partitions, and indexes of keys leave.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use florin::store::outbox as store;
use florin::store::transactions::{self, Cursor, Filter};
use florin_wire::florin_v1 as pb;
use sqlx::{Connection, Executor, PgConnection};

use crate::harness::cases::is_large;
use crate::harness::money::Order;
use crate::harness::{Florin, Options, TestDatabase};

/// As the benchmark writes them: account k pays account k + 1 one cent, in whole turns.
const PREFILL: &str = include_str!("../../../load-tests/sql/prefill.sql");
const ACCOUNTS: i64 = 100;
/// Payments of one batch.
const BATCH: i64 = 250;

/// Writes so many payments in parts of one partition each; Florin must not run.
pub async fn fill(database: &TestDatabase, accounts: i64, payments: i64, partition: i64) {
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    connection.execute("SET work_mem = '256MB'; SET jit = off").await.unwrap();
    let base = "CREATE TEMP TABLE base AS SELECT row_number() OVER (ORDER BY id) - 1 AS k, id AS account FROM accounts WHERE name LIKE 'p-%'";
    connection.execute(base).await.unwrap();
    for first in (0..payments).step_by(usize::try_from(partition).unwrap()) {
        connection.execute("SELECT journal_grow(2)").await.unwrap();
        let batch: i64 = sqlx::query_scalar("SELECT ((batch >> 24) + 1) << 24 FROM writers")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let now = chrono::Utc::now().timestamp_millis();
        let fill = sqlx::query(PREFILL)
            .bind(first)
            .bind(partition)
            .bind(accounts)
            .bind(batch)
            .bind(BATCH)
            .bind(now)
            .bind(0_i64);
        fill.execute(&mut connection).await.unwrap();
    }
    connection.execute("ANALYZE journal").await.unwrap();
    connection.close().await.unwrap();
}

// Fails when a page begins where the one before began (each is then read twice), when `journal_before` stops at a
// partition that has been closed meanwhile, and when a page takes longer the more there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_leave_nothing_out_while_partitions_are_made_and_indexes_leave() {
    let (payments, partition) = if is_large() { (10_000_000, 500_000) } else { (20_000, 2_000) };
    let database = TestDatabase::fresh().await;
    for n in 0..ACCOUNTS {
        database.account(&format!("p-{n:03}"), 1_000_00).await;
    }
    for name in ["a", "b"] {
        database.account(name, 1_000_000_00).await;
    }
    Florin::with(database.clone(), Options::default()).await.stop().await; // the writer's row is made
    fill(&database, ACCOUNTS, payments, partition).await;
    let florin = Florin::with(database, Options { partition_rows: 50, ..Options::default() }).await;
    let (pool, done) = (florin.database.pool.clone(), AtomicBool::new(false));
    let written = async {
        let mut n = 0;
        while !done.load(Ordering::Relaxed) {
            if n % 20 == 0 {
                store::grow(&pool, 2).await.unwrap();
                florin.database.age_partitions().await;
                let forgotten = sqlx::query("SELECT journal_forget_keys('1 hour')").execute(&pool).await;
                assert!(forgotten.as_ref().err().is_none_or(is_busy), "{forgotten:?}");
            }
            Order::new(format!("n{n}"), "a", "b", 1).insist(std::slice::from_ref(&florin.client)).await;
            n += 1;
        }
        n
    };
    let read = async {
        let (mut others, mut longest, mut token, mut last) = (HashSet::new(), Duration::ZERO, String::new(), None);
        loop {
            let request = pb::ListTransactionsRequest { limit: 1_000, page_token: token, ..Default::default() };
            let began = Instant::now();
            let page = florin.native.clone().list_transactions(request).await.unwrap().into_inner();
            longest = longest.max(began.elapsed());
            for transaction in page.items {
                let key = transaction.idempotency_key.clone();
                if let Some(n) = key.strip_prefix("large-") {
                    let n: i64 = n.parse().unwrap();
                    assert!(last.is_none_or(|last| last == n + 1), "{n} after {last:?}");
                    last = Some(n);
                } else {
                    assert!(others.insert(transaction.id), "{key} comes twice");
                }
            }
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        (last, longest)
    };
    let ((last, longest), written) = tokio::join!(read, written);
    println!("{payments} payments read while {written} were written; the slowest page took {longest:?}");
    assert_eq!(last, Some(0), "down to the first");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert!(written >= 100, "only {written} were written meanwhile");
    assert!(
        florin.database.count("SELECT count(*) FROM journal_partitions WHERE NOT keys AND number > 0").await
            >= payments / partition - 1
    );
    assert!(
        florin.database.count("SELECT count(*) FROM journal_partitions WHERE closed_at IS NOT NULL").await
            > payments / partition
    );
    florin.stop().await;
}

/// It gives up while somebody reads.
fn is_busy(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some("55P03")
}

// Fails when a tenant's list walks through the rows of others: its pages are empty behind 200,000 of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_list_does_not_depend_on_the_rows_of_others() {
    let database = TestDatabase::fresh().await.damaged();
    let rows = "INSERT INTO journal (seq, created_at, id, request, kind, status, api, n, postings, tenant) \
                SELECT (16777216::bigint << 20) + n, now(), gen_random_uuid(), gen_random_uuid(), 12, 1, 2, 0, 0, $1 FROM generate_series($2::bigint, $3::bigint) n";
    for (tenant, from, to) in [("shop", 1, 30), ("default", 31, 250_000), ("stall", 250_001, 500_000)] {
        sqlx::query(rows).bind(tenant).bind(from).bind(to).execute(&database.pool).await.unwrap();
    }
    let filter = Filter { tenant: "shop".into(), ..Filter::default() };
    let (mut at, mut places) = (Cursor::START, Vec::new());
    for _ in 0..3 {
        let page = transactions::list(&database.pool, &filter, at, 10).await.unwrap();
        places.extend(page.rows.iter().map(|(_, after)| after.seq));
        at = page.next.unwrap_or(Cursor { seq: 0, ..Cursor::START });
    }
    assert_eq!(places, (1..=30).rev().map(|n| (16_777_216 << 20) + n).collect::<Vec<i64>>());
    assert_eq!(at.seq, 0, "there is no fourth page");
    let times = Filter { to: Some(chrono::Utc::now()), ..filter };
    assert_eq!(transactions::list(&database.pool, &times, Cursor::START, 100).await.unwrap().rows.len(), 30);
}
