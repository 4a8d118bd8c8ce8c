//! What is written of a transaction, compared with itself: its postings in number, accounts and currencies, the balances after them with the chain,
//! its keys, and its rows of holds and refunds. Whether its event was written cannot be told: seeds write none.

use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::{PATIENCE, Reconciled, one};
use crate::protocol::record::{Api, KeyHash, Kind, TransactionId};
use crate::store::StoreError;

/// What is wrong with a transaction, in words, and how the accounts that it touches stand.
#[derive(Clone, Debug)]
pub struct ReconciledTransaction {
    /// What disagrees.
    pub issues: Vec<String>,
    /// Those of its postings, and of its hold.
    pub accounts: Vec<Reconciled>,
}

/// Which transactions are looked at. `$1` is the tenant, `$2` the kinds without postings.
enum Which {
    /// `$3`; `$4` are its keys.
    One,
    /// Of which up to `$3` are told.
    All,
}

/// What the database answers when the posting is not there that another names as the one before it: no row where one must be.
const CHAIN_BROKEN: &str = "P0002";

const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Selects (transaction, issues), by transaction.
fn sql(which: &Which) -> String {
    let (only, keys, limit) = match which {
        Which::One => ("AND id = $3", "k.key = ANY ($4) AND", ""),
        Which::All => ("", "", "LIMIT $3"),
    };
    format!(
        "WITH wanted AS (SELECT id, kind, status, request, first_seq, last_seq FROM transactions WHERE tenant = $1 {only}), \
         posted AS (SELECT w.id, p.n, p.debit_account, p.credit_account, p.amount, p.debit_balance_after, p.credit_balance_after, p.debit_prev, p.credit_prev \
           FROM wanted w JOIN postings p ON p.seq BETWEEN w.first_seq AND w.last_seq AND p.transaction = w.id), \
         sums AS (SELECT id, count(*) AS n, sum(amount) AS amount FROM posted GROUP BY id), \
         sides AS (SELECT id, n, debit_account AS account, -amount AS moved, debit_balance_after AS after, debit_prev AS prev FROM posted \
           UNION ALL SELECT id, n, credit_account, amount, credit_balance_after, credit_prev FROM posted), \
         chained AS (SELECT s.*, CASE WHEN s.prev = 0 THEN 0 WHEN q.debit_account = s.account THEN q.debit_balance_after \
             WHEN q.credit_account = s.account THEN q.credit_balance_after END AS before FROM sides s LEFT JOIN postings q ON q.seq = s.prev), \
         issues(id, issue) AS (\
           SELECT w.id, format('%s postings are there, of %s', coalesce(s.n, 0), coalesce(w.last_seq - w.first_seq + 1, 0)) FROM wanted w LEFT JOIN sums s USING (id) \
             WHERE coalesce(s.n, 0) <> coalesce(w.last_seq - w.first_seq + 1, 0) \
           UNION ALL SELECT w.id, 'it was declined, and has postings' FROM wanted w JOIN sums USING (id) WHERE w.status = 2 \
           UNION ALL SELECT w.id, CASE WHEN s.id IS NULL THEN 'it moves money, and has no postings' ELSE 'it moves no money, and has postings' END \
             FROM wanted w LEFT JOIN sums s USING (id) WHERE w.status = 1 AND (s.id IS NULL) <> (w.kind = ANY ($2)) \
           UNION ALL SELECT p.id, format('posting %s is not between two accounts of one currency', p.n) \
             FROM posted p LEFT JOIN accounts d ON d.id = p.debit_account LEFT JOIN accounts c ON c.id = p.credit_account WHERE (d.id <> c.id AND d.currency = c.currency) IS NOT TRUE \
           UNION ALL SELECT id, format('the amount of posting %s is %s', n, amount) FROM posted WHERE amount <= 0 \
           UNION ALL SELECT c.id, format('posting %s leaves account %s with %s, the chain comes to %s', c.n, coalesce(a.name, c.account::text), c.after, \
               coalesce((c.before + c.moved)::text, 'nothing: the posting before it is missing')) \
             FROM chained c LEFT JOIN accounts a ON a.id = c.account WHERE (c.before + c.moved = c.after) IS NOT TRUE \
           UNION ALL SELECT w.id, format('its key is of request %s with status %s, it is of request %s with status %s', k.request, k.status, w.request, w.status) \
             FROM wanted w JOIN (SELECT * FROM keys_even UNION ALL SELECT * FROM keys_odd) k ON {keys} k.transaction = w.id WHERE k.request <> w.request OR k.status <> w.status \
           UNION ALL SELECT w.id, format('it gives back %s of payment %s, its postings come to %s', r.amount, r.payment, coalesce(s.amount, 0)) \
             FROM wanted w JOIN refunds r ON r.refund = w.id LEFT JOIN sums s USING (id) LEFT JOIN refunded f ON f.payment = r.payment \
             WHERE w.kind NOT IN (5, 13) OR r.amount <> CASE w.kind WHEN 5 THEN coalesce(s.amount, 0) ELSE f.amount END OR f.payment IS NULL \
           UNION ALL SELECT w.id, format('%s of %s was given back, what gave it back comes to %s of %s', f.given, f.amount, coalesce(g.given, 0), coalesce(p.amount, 0)) \
             FROM wanted w JOIN refunded f ON f.payment = w.id LEFT JOIN posted p ON p.id = w.id AND p.n = 0 \
               LEFT JOIN LATERAL (SELECT sum(r.amount) AS given FROM refunds r LEFT JOIN refunded u ON u.payment = r.refund WHERE r.payment = w.id AND coalesce(u.given, 0) = 0) g ON true \
             WHERE f.given <> coalesce(g.given, 0) OR f.amount <> coalesce(p.amount, 0) \
           UNION ALL SELECT w.id, CASE WHEN h.id IS NULL THEN 'its hold is missing' \
               ELSE format('captured %s and voided %s of its hold, the steps come to %s and %s', h.captured, h.voided, coalesce(g.captured, 0), coalesce(g.voided, 0)) END \
             FROM wanted w LEFT JOIN holds h USING (id) LEFT JOIN LATERAL (SELECT sum(captured) AS captured, sum(voided) AS voided FROM hold_steps WHERE hold = w.id) g ON true \
             WHERE w.kind = 10 AND w.status = 1 AND (h.captured = coalesce(g.captured, 0) AND h.voided = coalesce(g.voided, 0)) IS NOT TRUE \
           UNION ALL SELECT w.id, CASE WHEN h.transaction IS NULL THEN 'its step of a hold is missing' \
               ELSE format('its step of hold %s captures %s, its postings come to %s', h.hold, h.captured, coalesce(s.amount, 0)) END \
             FROM wanted w LEFT JOIN hold_steps h ON h.transaction = w.id LEFT JOIN sums s USING (id) \
             WHERE w.kind IN (11, 12) AND w.status = 1 AND (h.captured = coalesce(s.amount, 0)) IS NOT TRUE) \
         SELECT id, array_agg(issue ORDER BY issue) FROM issues GROUP BY id ORDER BY id {limit}"
    )
}

fn without_postings() -> Vec<i16> {
    Kind::WITHOUT_POSTINGS.map(Kind::code).to_vec()
}

/// One transaction of a tenant. Amounts in the words are in minor units.
///
/// # Errors
/// Any failure of the statements.
pub async fn reconcile_transaction(pool: &PgPool, tenant: &str, id: TransactionId) -> Result<Option<ReconciledTransaction>, StoreError> {
    let mut transaction = pool.begin_with(SNAPSHOT).await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let head = sqlx::query_as("SELECT api, key FROM transactions WHERE tenant = $1 AND id = $2").bind(tenant).bind(id.0);
    let Some((code, key)) = head.fetch_optional(&mut *transaction).await? else { return Ok(None) };
    let key: Option<String> = key;
    let by_text = key.as_deref().zip(Api::from_code(code)).map(|(key, api)| KeyHash::of(api, tenant, key));
    let keys: Vec<Uuid> = by_text.into_iter().chain([KeyHash::own(id)]).map(|key| key.0).collect();
    let found = sqlx::query_as(AssertSqlSafe(sql(&Which::One))).bind(tenant).bind(without_postings()).bind(id.0).bind(keys);
    let found: Option<(Uuid, Vec<String>)> = found.fetch_optional(&mut *transaction).await?;
    let touched = "SELECT DISTINCT a.name FROM accounts a WHERE a.id IN (SELECT unnest(ARRAY[p.debit_account, p.credit_account]) FROM transactions t \
           JOIN postings p ON p.seq BETWEEN t.first_seq AND t.last_seq AND p.transaction = t.id WHERE t.id = $1 \
         UNION ALL SELECT h.debit_account FROM holds h WHERE h.id = $1 \
         UNION ALL SELECT h.debit_account FROM hold_steps s JOIN holds h ON h.id = s.hold WHERE s.transaction = $1) ORDER BY a.name";
    let names: Vec<String> = sqlx::query_scalar(touched).bind(id.0).fetch_all(&mut *transaction).await?;
    let (mut accounts, mut issues) = (Vec::with_capacity(names.len()), found.map(|(_, issues)| issues).unwrap_or_default());
    for name in names {
        sqlx::raw_sql("SAVEPOINT account").execute(&mut *transaction).await?;
        match one(&mut transaction, tenant, &name).await {
            Ok(account) => accounts.extend(account),
            Err(error) if error.code() == Some(CHAIN_BROKEN) => {
                sqlx::raw_sql("ROLLBACK TO SAVEPOINT account").execute(&mut *transaction).await?;
                issues.push(format!("the postings of account {name} cannot be followed to the first: one of its chain is missing"));
            }
            Err(error) => return Err(error),
        }
    }
    transaction.rollback().await?;
    Ok(Some(ReconciledTransaction { issues, accounts }))
}

/// All transactions of a tenant: how many there are, and those with issues, up to `count`.
///
/// # Errors
/// Any failure of the statements.
pub async fn reconcile_transactions(pool: &PgPool, tenant: &str, count: i64) -> Result<(i64, Vec<(Uuid, Vec<String>)>), StoreError> {
    let mut transaction = pool.begin_with(SNAPSHOT).await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let total = sqlx::query_scalar("SELECT count(*) FROM transactions WHERE tenant = $1").bind(tenant).fetch_one(&mut *transaction).await?;
    let wrong = sqlx::query_as(AssertSqlSafe(sql(&Which::All))).bind(tenant).bind(without_postings()).bind(count);
    let wrong = wrong.fetch_all(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok((total, wrong))
}
