//! The books, straight from the tables.

use sqlx::{Executor, PgConnection};

use super::TestDatabase;

/// What is wrong, and where.
pub type Wrong = (String, String);

/// Invariants 1, 2 and 4.
const WRONG: &str = "SELECT 'balance', a.name || ': ' || b.credits - b.debits || ' is not ' || coalesce(e.sum, 0) FROM accounts a JOIN balances_now b ON b.account = a.id \
       LEFT JOIN (SELECT account, sum(amount) FROM ledger_entries GROUP BY account) e ON e.account = a.id WHERE b.credits - b.debits <> coalesce(e.sum, 0) \
     UNION ALL SELECT 'chain', a.name || ' at ' || seq FROM (SELECT account, seq, previous, balance_after, coalesce(lag(seq) OVER w, 0) AS before, sum(moved) OVER w AS running \
         FROM account_rows WINDOW w AS (PARTITION BY account ORDER BY seq)) r \
       JOIN accounts a ON a.id = r.account WHERE (r.running IS DISTINCT FROM r.balance_after OR r.previous <> r.before) \
         AND NOT EXISTS (SELECT FROM quarantine q WHERE q.account = r.account AND r.seq > q.first_seq AND r.seq <= q.last_seq) \
     UNION ALL SELECT 'newest', a.name FROM accounts a JOIN balances_now b ON b.account = a.id \
       LEFT JOIN (SELECT account, max(seq) AS last, count(*) AS rows, sum(held) AS held FROM account_rows GROUP BY account) r ON r.account = a.id \
       WHERE (b.last_seq, b.version, b.held) IS DISTINCT FROM (coalesce(r.last, 0), coalesce(r.rows, 0), coalesce(r.held, 0)) \
     UNION ALL SELECT 'floor', a.name FROM accounts a JOIN balances_now b ON b.account = a.id WHERE b.credits - b.debits - b.held < least(b.floor, b.floor_from) \
     UNION ALL SELECT 'rows', id::text FROM journal GROUP BY id HAVING count(*) <> greatest(max(postings), 1) OR max(seq) - min(seq) <> count(*) - 1 \
     UNION ALL SELECT 'key twice', key FROM transactions WHERE key IS NOT NULL AND status = 1 GROUP BY api, tenant, key HAVING count(*) > 1 \
     UNION ALL SELECT 'currency', p.transaction::text FROM postings p JOIN accounts d ON d.id = p.debit_account JOIN accounts c ON c.id = p.credit_account WHERE d.currency <> c.currency";

/// All that is wrong; nothing is with a database that has no schema.
pub async fn wrong(db: &mut PgConnection) -> sqlx::Result<Vec<Wrong>> {
    db.execute("SET lock_timeout = '10s'").await?; // whoever keeps the tables locked is told of
    if !sqlx::query_scalar::<_, bool>("SELECT to_regclass('balances_now') IS NOT NULL").fetch_one(&mut *db).await? {
        return Ok(Vec::new());
    }
    sqlx::query_as(WRONG).fetch_all(db).await
}

#[track_caller]
pub fn assert_balanced(wrong: &[Wrong]) {
    assert!(wrong.is_empty(), "the books do not balance: {wrong:?}");
}

impl TestDatabase {
    /// In the middle of a test: at its end nobody needs to ask.
    pub async fn check_books(&self) {
        let wrong: Vec<Wrong> = sqlx::query_as(WRONG).fetch_all(&self.pool).await.unwrap();
        assert_balanced(&wrong);
    }
}
