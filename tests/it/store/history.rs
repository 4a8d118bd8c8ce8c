//! An account with a long history is read as fast as a new one: no statement reads a table whole, and none looks at
//! more rows than it answers.

use std::collections::BTreeMap;
use std::time::Instant;

use florin::protocol::record::AccountId;
use florin::store::transactions::{Cursor, Filter};
use florin::store::{Database, entries, transactions};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::TestDatabase;

const HISTORY: &str = include_str!("../../../load-tests/sql/history.sql");
/// Entries of the account.
const ENTRIES: i64 = 100_000;
/// Of each batch.
const BATCH: i64 = 25_000;
/// Tables that grow with the ledger. (The history stands in the journal's first partition.)
const LARGE: [&str; 4] = ["accounts", "journal_0", "journal_1", "declines"];
/// Rows that a page's look-ups touch for each row of the page, or of a page of 100 if it is smaller: the row, both
/// accounts, the transaction's rows, and each of them once more from another statement.
const ROWS_MAX: i64 = 10;

/// What was read of a table: scans of all of it, and rows by an index.
type Reads = BTreeMap<String, (i64, i64)>;

struct History {
    /// One connection, as the product makes it.
    pool: PgPool,
    account: i64,
}

impl History {
    async fn reads(&self) -> Reads {
        sqlx::query("SELECT pg_stat_force_next_flush()").execute(&self.pool).await.unwrap();
        let sql = "SELECT relname::text, seq_scan, coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables";
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(sql).fetch_all(&self.pool).await.unwrap();
        rows.into_iter().map(|(table, scans, rows)| (table, (scans, rows))).collect()
    }

    /// (A table of a few rows may be read whole.) Reads pages near the newest entry and near the oldest, and holds what
    /// was read for it against what was answered.
    async fn check(&self, when: &str, entries: i64) {
        let all =
            sqlx::query_scalar("SELECT seq FROM postings WHERE credit_account = $1 ORDER BY seq").bind(self.account);
        let places: Vec<i64> = all.fetch_all(&self.pool).await.unwrap();
        assert_eq!(i64::try_from(places.len()).unwrap(), entries);
        for count in [50, 1_000].into_iter().filter(|count| *count < entries) {
            let page = usize::try_from(count).unwrap();
            for (where_, below) in [("newest", i64::MAX), ("oldest", places[page])] {
                let before = self.reads().await;
                let began = Instant::now();
                let listed = entries::list(&self.pool, AccountId(self.account), below, count).await.unwrap();
                let took_entries = began.elapsed();
                let middle = self.reads().await;
                let began = Instant::now();
                let filter = Filter { tenant: "default".into(), account: Some("history".into()), ..Filter::default() };
                let start = Cursor { seq: below, row: below, id: Uuid::max() };
                let found = transactions::list(&self.pool, &filter, start, page).await.unwrap();
                let took_transactions = began.elapsed();
                let after = self.reads().await;
                assert_eq!((listed.len(), found.rows.len()), (page, page), "{when}, {count} {where_}");
                println!("{when}: {count} {where_}: entries {took_entries:?}, transactions {took_transactions:?}");
                for (what, before, after) in [("entries", &before, &middle), ("transactions", &middle, &after)] {
                    for table in LARGE {
                        let (scans, rows) = (after[table].0 - before[table].0, after[table].1 - before[table].1);
                        assert!(
                            scans == 0 || entries < BATCH,
                            "{when}: {count} {what}, {where_}: {table} was read whole"
                        );
                        assert!(
                            rows <= count.max(100) * ROWS_MAX,
                            "{when}: {count} {what}, {where_}: {rows} rows of {table}"
                        );
                    }
                }
            }
        }
    }
}

// Fails when a page is found through anything but keys: by `ledger_entries`, by an offset, or by a plan that was made
// while the tables were small.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_long_history_read_what_they_answer_and_nothing_else() {
    let database = TestDatabase::fresh().await;
    for name in ["history", "source"] {
        database.account(name, 0).await;
    }
    let others = "WITH opened AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency) \
                    SELECT 'default', 'other-' || n, 1, 1, 'USD' FROM generate_series(1, 2000) n RETURNING id) INSERT INTO balances (account) SELECT id FROM opened";
    sqlx::query(others).execute(&database.pool).await.unwrap();
    sqlx::query("UPDATE balances SET floor = NULL").execute(&database.pool).await.unwrap();
    let number = async |name: &str| -> i64 {
        sqlx::query_scalar("SELECT id FROM accounts WHERE name = $1")
            .bind(name)
            .fetch_one(&database.pool)
            .await
            .unwrap()
    };
    let (account, source) = (number("history").await, number("source").await);
    let history = History { pool: Database::new(&database.url).unwrap().pool(1), account };
    let mut at: i64 = sqlx::query_scalar("SELECT (extract(epoch FROM now() - interval '1 day') * 1000)::bigint")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    let mut filled = 0;
    for count in [100].into_iter().chain(std::iter::repeat_n(BATCH, usize::try_from(ENTRIES / BATCH).unwrap())) {
        sqlx::query(HISTORY)
            .bind(source)
            .bind(account)
            .bind(count)
            .bind(at)
            .bind(10_i64)
            .execute(&database.pool)
            .await
            .unwrap();
        at += count * 10;
        filled += count;
        if filled == 100 {
            history.check("a short one", filled).await;
        }
    }
    history.check("grown since the plans were made", filled).await;
    for table in LARGE {
        sqlx::query(sqlx::AssertSqlSafe(format!("ANALYZE {table}"))).execute(&database.pool).await.unwrap();
    }
    history.check("with statistics", filled).await;
    history.pool.close().await;
    let report = florin::store::verify::verify(&database.pool, |_, _, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
}
