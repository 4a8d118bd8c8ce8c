//! Compares what is written of a transaction with itself and with the rows around it: number, accounts and currencies
//! of its postings, the balances after them with the chain, its key, and what it did to holds and payments. Whether its
//! event should have been written cannot be told: seeds have none.

use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::{PATIENCE, Reconciled, followed};
use crate::protocol::record::{Kind, TransactionId};
use crate::store::StoreError;
use crate::store::verify::KEY_HASH;

/// What is wrong with a transaction, and how the accounts that it touches compare.
#[derive(Clone, Debug)]
pub struct ReconciledTransaction {
    /// In words; empty: all agrees.
    pub issues: Vec<String>,
    /// The accounts that its rows are about.
    pub accounts: Vec<Reconciled>,
}

/// Which transactions to compare. In the SQL `$1` is the tenant, `$2` the kinds without postings.
enum Which {
    /// The transaction `$3`. Its rows, those before them and those that follow it are looked up.
    One,
    /// All of the tenant, of which at most `$3` are returned. The whole journal is read.
    All,
}

const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Selects a transaction's id and its issues, ordered by id.
fn sql(which: &Which) -> String {
    let (written, following, before, limit) = match which {
        Which::One => (
            "journal_transactions((SELECT array_agg(p.seq) FROM journal_places(ARRAY[$3]) p)) WHERE id = $3 AND",
            "journal_transactions((SELECT array_agg(f.seq) FROM journal f WHERE f.follows = $3))",
            "SELECT * FROM journal_at((SELECT array_agg(prev) FROM sides WHERE prev > 0))",
            "",
        ),
        Which::All => (
            "journal WHERE",
            "journal",
            "SELECT seq, debit_account, credit_account, debit_after, credit_after FROM journal",
            "LIMIT $3",
        ),
    };
    let gave = "CASE WHEN body ->> 'gave' ~ '^[0-9]{1,28}$' THEN (body ->> 'gave')::numeric END";
    format!(
        "WITH written AS MATERIALIZED (SELECT *, {gave} AS gave, CASE WHEN key_text IS NOT NULL THEN {KEY_HASH} END AS hash FROM {written} tenant = $1 AND status <= 2 AND kind <= 20), \
         wanted AS (SELECT * FROM written WHERE n = 0), \
         sums AS (SELECT id, count(*) AS n, sum(amount) AS amount FROM written WHERE amount IS NOT NULL GROUP BY id), \
         sides AS (SELECT id, n, debit_account AS account, coalesce(-amount, 0) AS moved, debit_after AS after, debit_prev AS prev FROM written WHERE debit_prev IS NOT NULL OR amount IS NOT NULL \
           UNION ALL SELECT id, n, credit_account, coalesce(amount, 0), credit_after, credit_prev FROM written WHERE credit_prev IS NOT NULL OR amount IS NOT NULL), \
         chained AS (SELECT s.*, CASE WHEN s.prev = 0 THEN 0 WHEN q.debit_account = s.account THEN q.debit_after WHEN q.credit_account = s.account THEN q.credit_after END AS before \
           FROM sides s LEFT JOIN ({before}) q ON q.seq = s.prev), \
         steps AS (SELECT id, min(kind) AS kind, (array_agg(follows) FILTER (WHERE n = 0))[1] AS follows, coalesce(sum(amount), 0) AS posted, -coalesce(sum(held), 0) AS taken, max({gave}) AS gave \
           FROM {following} WHERE kind IN (5, 11, 12, 13) AND status = 1 GROUP BY id), \
         issues(id, issue) AS (\
           SELECT w.id, format('%s postings are there, of %s', coalesce(s.n, 0), w.postings) FROM wanted w LEFT JOIN sums s USING (id) WHERE coalesce(s.n, 0) <> w.postings \
           UNION ALL SELECT w.id, 'it was declined, and has postings' FROM wanted w JOIN sums USING (id) WHERE w.status = 2 \
           UNION ALL SELECT w.id, CASE WHEN s.id IS NULL THEN 'it moves money, and has no postings' ELSE 'it moves no money, and has postings' END \
             FROM wanted w LEFT JOIN sums s USING (id) WHERE w.status = 1 AND (s.id IS NULL) <> (w.kind = ANY ($2)) \
           UNION ALL SELECT p.id, format('posting %s is not between two accounts of one currency', p.n) FROM written p LEFT JOIN accounts d ON d.id = p.debit_account \
             LEFT JOIN accounts c ON c.id = p.credit_account WHERE p.amount IS NOT NULL AND (d.id <> c.id AND d.currency = c.currency AND d.tenant = $1 AND c.tenant = $1) IS NOT TRUE \
           UNION ALL SELECT id, format('the amount of posting %s is %s', n, amount) FROM written WHERE amount <= 0 \
           UNION ALL SELECT c.id, format('row %s leaves account %s with %s, the chain comes to %s', c.n, coalesce(a.name, c.account::text), c.after, \
               coalesce((c.before + c.moved)::text, 'nothing: the row before it is missing')) \
             FROM chained c LEFT JOIN accounts a ON a.id = c.account WHERE (c.before + c.moved = c.after) IS NOT TRUE \
           UNION ALL SELECT id, format('its key is %s, of what it was called by comes %s', coalesce(key::text, 'none'), coalesce(encode(hash, 'hex')::uuid::text, 'none')) \
             FROM wanted WHERE CASE WHEN seq >> 44 = 0 OR hash IS NULL THEN key IS NOT NULL WHEN key IS NULL THEN status = 1 ELSE uuid_send(key) <> hash END \
           UNION ALL SELECT w.id, format('it gives back %s of payment %s, its postings come to %s', coalesce(w.gave::text, 'nothing'), coalesce(w.follows::text, 'none'), coalesce(s.amount, 0)) \
             FROM wanted w LEFT JOIN sums s USING (id) LEFT JOIN refunded f ON f.payment = w.follows \
             WHERE w.status = 1 AND (w.gave IS NOT NULL OR w.kind = 13 OR (w.kind = 5 AND w.follows IS NOT NULL)) \
               AND (w.kind IN (5, 13) AND w.gave = CASE w.kind WHEN 5 THEN coalesce(s.amount, 0) ELSE f.amount END AND f.payment IS NOT NULL) IS NOT TRUE \
           UNION ALL SELECT w.id, format('%s of %s was given back, what gave it back comes to %s of %s', f.given, f.amount, coalesce(g.given, 0), coalesce(w.amount, 0)) \
             FROM wanted w JOIN refunded f ON f.payment = w.id \
               LEFT JOIN (SELECT s.follows, sum(s.gave) AS given FROM steps s LEFT JOIN refunded u ON u.payment = s.id WHERE coalesce(u.given, 0) = 0 GROUP BY s.follows) g ON g.follows = w.id \
             WHERE f.given <> coalesce(g.given, 0) OR f.amount <> coalesce(w.amount, 0) \
           UNION ALL SELECT w.id, CASE WHEN h.id IS NULL THEN 'its hold is missing' ELSE format('captured %s and voided %s of %s of its hold, the steps come to %s and %s of %s', \
               h.captured, h.voided, h.amount, coalesce(g.captured, 0), coalesce(g.voided, 0), coalesce(w.held, 0)) END \
             FROM wanted w LEFT JOIN holds h USING (id) LEFT JOIN (SELECT follows, sum(posted) AS captured, sum(taken - posted) AS voided FROM steps WHERE kind IN (11, 12) GROUP BY follows) g ON g.follows = w.id \
             WHERE w.kind IN (10, 14) AND w.status = 1 AND (h.amount = w.held AND h.captured = coalesce(g.captured, 0) AND h.voided = coalesce(g.voided, 0)) IS NOT TRUE \
           UNION ALL SELECT w.id, format('it takes %s from hold %s%s, its postings come to %s', coalesce(-w.held, 0), coalesce(w.follows::text, 'none'), CASE WHEN h.id IS NULL THEN ', which is missing' END, coalesce(s.amount, 0)) \
             FROM wanted w LEFT JOIN sums s USING (id) LEFT JOIN holds h ON h.id = w.follows WHERE w.kind IN (11, 12) AND w.status = 1 AND (h.id IS NOT NULL AND -w.held >= coalesce(s.amount, 0)) IS NOT TRUE) \
         SELECT id, array_agg(issue ORDER BY issue) FROM issues GROUP BY id ORDER BY id {limit}"
    )
}

fn without_postings() -> Vec<i16> {
    Kind::WITHOUT_POSTINGS.map(Kind::code).to_vec()
}

/// Compares one transaction of a tenant; `None`: there is none. Amounts in the issues are in minor units.
///
/// # Errors
/// Any failure of the statements.
pub async fn reconcile_transaction(
    pool: &PgPool,
    tenant: &str,
    id: TransactionId,
) -> Result<Option<ReconciledTransaction>, StoreError> {
    let mut transaction = pool.begin_with(SNAPSHOT).await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let there = "SELECT EXISTS (SELECT FROM journal_at((SELECT array_agg(p.seq) FROM journal_places(ARRAY[$2]) p)) WHERE tenant = $1 AND id = $2 AND status <= 2 AND kind <= 20)";
    let there: bool = sqlx::query_scalar(there).bind(tenant).bind(id.0).fetch_one(&mut *transaction).await?;
    if !there {
        return Ok(None);
    }
    let found = sqlx::query_as(AssertSqlSafe(sql(&Which::One))).bind(tenant).bind(without_postings()).bind(id.0);
    let found: Option<(Uuid, Vec<String>)> = found.fetch_optional(&mut *transaction).await?;
    let touched = "SELECT a.name FROM accounts a WHERE a.id IN (\
           SELECT unnest(ARRAY[CASE WHEN debit_prev IS NOT NULL THEN debit_account END, CASE WHEN credit_prev IS NOT NULL THEN credit_account END]) \
             FROM journal_transactions((SELECT array_agg(p.seq) FROM journal_places(ARRAY[$1]) p)) WHERE id = $1) ORDER BY a.name";
    let names: Vec<String> = sqlx::query_scalar(touched).bind(id.0).fetch_all(&mut *transaction).await?;
    let (mut accounts, mut issues) =
        (Vec::with_capacity(names.len()), found.map(|(_, issues)| issues).unwrap_or_default());
    for name in names {
        match followed(&mut transaction, tenant, &name).await? {
            Some(account) => accounts.push(account),
            None => issues.push(format!(
                "the rows of account {name} cannot be followed to the first: one of its chain is missing"
            )),
        }
    }
    transaction.rollback().await?;
    Ok(Some(ReconciledTransaction { issues, accounts }))
}

/// Compares all transactions of a tenant: returns how many there are, and at most `count` of those with issues.
///
/// # Errors
/// Any failure of the statements.
pub async fn reconcile_transactions(
    pool: &PgPool,
    tenant: &str,
    count: i64,
) -> Result<(i64, Vec<(Uuid, Vec<String>)>), StoreError> {
    let mut transaction = pool.begin_with(SNAPSHOT).await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let total = sqlx::query_scalar("SELECT count(*) FROM transactions WHERE tenant = $1")
        .bind(tenant)
        .fetch_one(&mut *transaction)
        .await?;
    let wrong = sqlx::query_as(AssertSqlSafe(sql(&Which::All))).bind(tenant).bind(without_postings()).bind(count);
    let wrong = wrong.fetch_all(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok((total, wrong))
}
