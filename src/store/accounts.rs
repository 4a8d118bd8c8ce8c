//! Opens accounts, loads them for their actors, and reads them for callers.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::journal::{USED_KEYS, UsedKeyRow, used_keys};
use super::numeric::Numeric;
use super::{StoreError, limited};
use crate::ledger::{Guards, Status, Totals};
use crate::money::{Currency, CurrencyCode};
use crate::protocol::account::{Identity, Posted, UsedKey};
use crate::protocol::record::{AccountId, AccountKind, KeyHash, NormalSide, TransactionId};

#[derive(Clone, Debug)]
pub struct NewAccount {
    pub tenant: String,
    /// The id that callers use.
    pub name: String,
    pub kind: AccountKind,
    pub normal_side: NormalSide,
    pub currency: CurrencyCode,
    /// Free text of the caller.
    pub owner: String,
    /// What kind of owner that is; free text of the caller.
    pub owner_type: String,
    /// A finer kind of account; free text of the caller.
    pub subtype: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    /// The lowest available balance allowed, in minor units; `None`: any.
    pub floor: Option<i128>,
    /// The highest balance allowed, in minor units; `None`: any.
    pub ceiling: Option<i128>,
}

/// The moment at which balances were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsOf {
    /// The place in the journal up to which balances were folded.
    pub folded: i64,
    /// The epoch of the leader, which writes.
    pub epoch: i64,
}

/// An account with its balance.
#[derive(Clone, Debug)]
pub struct AccountRow {
    pub identity: Identity,
    pub posted: Posted,
    pub as_of: AsOf,
    pub kind: AccountKind,
    pub normal_side: NormalSide,
    /// Free text of the caller.
    pub owner: String,
    /// What kind of owner that is; free text of the caller.
    pub owner_type: String,
    /// A finer kind of account; free text of the caller.
    pub subtype: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    pub created_at: DateTime<Utc>,
    /// The transaction of its newest posting, and when that was accepted. `None`: it has no posting, or [`load`] did
    /// not look for it.
    pub last_transaction: Option<(TransactionId, DateTime<Utc>)>,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    tenant: String,
    name: String,
    kind: i16,
    normal_side: i16,
    currency: String,
    exponent: i16,
    owner: String,
    owner_type: String,
    subtype: Option<String>,
    metadata: Option<String>,
    created_at: DateTime<Utc>,
    #[sqlx(flatten)]
    balance: Balance,
}

const COLUMNS: &str = "a.id, a.tenant, a.name, a.kind, a.normal_side, a.currency, c.exponent, a.owner, a.owner_type, a.subtype, a.metadata, a.created_at";

/// Columns of `balances b`, or of a function that returns its rows, with the moment that they are as of.
const BALANCE: &str = "b.debits, b.credits, b.held, b.floor, b.ceiling, b.status, b.version, b.last_seq, \
     (SELECT seq FROM folded) AS folded, coalesce((SELECT epoch FROM writers WHERE writer = 0), 0) AS epoch";

/// Selects accounts with their balances as of now; `which` is the condition on `accounts`.
fn now(which: &str) -> String {
    format!(
        "SELECT {COLUMNS}, {BALANCE} FROM balances_of(ARRAY(SELECT id FROM accounts WHERE {which})) b JOIN accounts a ON a.id = b.account \
         JOIN currencies c ON c.code = a.currency ORDER BY a.id"
    )
}

#[derive(FromRow)]
struct Balance {
    debits: Numeric,
    credits: Numeric,
    held: Numeric,
    floor: Option<Numeric>,
    ceiling: Option<Numeric>,
    status: i16,
    version: i64,
    last_seq: i64,
    folded: i64,
    epoch: i64,
}

impl Balance {
    fn as_of(&self) -> AsOf {
        AsOf { folded: self.folded, epoch: self.epoch }
    }

    fn read(self, account: i64) -> Result<Posted, StoreError> {
        let status = Status::from_code(self.status)
            .ok_or_else(|| StoreError::Unreadable(format!("account {account} has status {}", self.status)))?;
        Ok(Posted {
            totals: Totals { debits: self.debits.0, credits: self.credits.0, held: self.held.0, version: self.version },
            last: self.last_seq,
            guards: Guards { status, floor: self.floor.map(|n| n.0), ceiling: self.ceiling.map(|n| n.0) },
        })
    }
}

impl Row {
    fn read(self) -> Result<AccountRow, StoreError> {
        let says = |what: String| StoreError::Unreadable(format!("account {} has {what}", self.id));
        let unreadable = || says(format!("currency {}", self.currency));
        let currency = Currency {
            code: CurrencyCode::parse(&self.currency).ok_or_else(unreadable)?,
            exponent: u8::try_from(self.exponent).map_err(|_| unreadable())?,
        };
        let kind = AccountKind::from_code(self.kind).ok_or_else(|| says(format!("kind {}", self.kind)))?;
        let normal_side =
            NormalSide::from_code(self.normal_side).ok_or_else(|| says(format!("normal side {}", self.normal_side)))?;
        Ok(AccountRow {
            identity: Identity { id: AccountId(self.id), tenant: self.tenant.into(), name: self.name.into(), currency },
            as_of: self.balance.as_of(),
            posted: self.balance.read(self.id)?,
            kind,
            normal_side,
            owner: self.owner,
            owner_type: self.owner_type,
            subtype: self.subtype,
            last_transaction: None,
            metadata: self.metadata,
            created_at: self.created_at,
        })
    }
}

/// Loads the accounts that exist of these pairs of tenant and name. Last transactions are not looked for, and balances
/// are as of the fold.
///
/// # Errors
/// Any failure of the statement.
pub async fn load(pool: &PgPool, tenants: &[String], names: &[String]) -> Result<Vec<AccountRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, {BALANCE} FROM accounts a JOIN balances b ON b.account = a.id JOIN currencies c ON c.code = a.currency \
         WHERE (a.tenant, a.name) IN (SELECT * FROM unnest($1::text[], $2::text[]))"
    );
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenants).bind(names).fetch_all(pool).await?;
    rows.into_iter().map(Row::read).collect()
}

/// One account by its id, without its balance; `None`: there is none.
///
/// # Errors
/// Any failure of the statement.
pub async fn identity(pool: &PgPool, tenant: &str, name: &str) -> Result<Option<Identity>, StoreError> {
    let rows = limited(load(pool, &[tenant.to_owned()], &[name.to_owned()])).await?;
    Ok(rows.into_iter().next().map(|row| row.identity))
}

/// One account by its id, as of now; `None`: there is none.
///
/// # Errors
/// Any failure of the statements.
pub async fn get(pool: &PgPool, tenant: &str, name: &str) -> Result<Option<AccountRow>, StoreError> {
    limited(async {
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(now("tenant = $1 AND name = $2")))
            .bind(tenant)
            .bind(name)
            .fetch_all(pool)
            .await?;
        let mut rows = rows.into_iter().map(Row::read).collect::<Result<Vec<_>, StoreError>>()?;
        find_last(pool, &mut rows).await?;
        Ok(rows.pop())
    })
    .await
}

/// Finds the last transactions of these accounts as of when they were read. Most often an account's newest row is a
/// posting; if not, its chain leads to one.
async fn find_last(pool: &PgPool, rows: &mut [AccountRow]) -> Result<(), StoreError> {
    let places: Vec<i64> = rows.iter().map(|row| row.posted.last).filter(|last| *last > 0).collect();
    if places.is_empty() {
        return Ok(());
    }
    let newest = "SELECT seq, id, created_at FROM journal_at($1) WHERE amount IS NOT NULL";
    let newest: Vec<(i64, Uuid, DateTime<Utc>)> = sqlx::query_as(newest).bind(&places).fetch_all(pool).await?;
    let mut found: HashMap<i64, (Uuid, DateTime<Utc>)> =
        newest.into_iter().map(|(seq, id, at)| (seq, (id, at))).collect();
    let others = rows.iter().filter(|row| row.posted.last > 0 && !found.contains_key(&row.posted.last));
    let (accounts, places): (Vec<i64>, Vec<i64>) = others.map(|row| (row.identity.id.0, row.posted.last)).unzip();
    if !accounts.is_empty() {
        let before = "SELECT r.last, p.id, p.created_at FROM unnest($1::bigint[], $2::bigint[]) AS r(account, last), \
                        LATERAL account_postings(r.account, r.last, 1) p";
        let before: Vec<(i64, Uuid, DateTime<Utc>)> =
            sqlx::query_as(before).bind(accounts).bind(places).fetch_all(pool).await?;
        found.extend(before.into_iter().map(|(seq, id, at)| (seq, (id, at))));
    }
    for row in rows {
        row.last_transaction = found.get(&row.posted.last).map(|(id, at)| (TransactionId(*id), *at));
    }
    Ok(())
}

/// The SQLSTATE when a currency takes no new accounts.
pub const CURRENCY_INACTIVE: &str = "FL007";

/// Opens an account without a record in the journal, or returns the one of that name. For demo accounts, opening
/// balances and tests.
///
/// # Errors
/// Any failure of the statements.
pub async fn create(pool: &PgPool, new: &NewAccount) -> Result<AccountRow, StoreError> {
    let sql = "WITH opened AS ( \
                 INSERT INTO accounts (tenant, name, kind, normal_side, currency, owner, owner_type, subtype, metadata) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant, name) DO NOTHING RETURNING id) \
               INSERT INTO balances (account, floor, floor_from, ceiling, ceiling_from) \
                 SELECT id, $10, CASE WHEN $10 > 0 THEN 0 END, $11, CASE WHEN $11 < 0 THEN 0 END FROM opened";
    let opened = sqlx::query(sql)
        .bind(&new.tenant)
        .bind(&new.name)
        .bind(new.kind.code())
        .bind(new.normal_side.code())
        .bind(new.currency.as_str())
        .bind(&new.owner)
        .bind(&new.owner_type)
        .bind(&new.subtype)
        .bind(&new.metadata)
        .bind(new.floor.map(Numeric))
        .bind(new.ceiling.map(Numeric));
    limited(async { Ok(opened.execute(pool).await?) }).await?;
    get(pool, &new.tenant, &new.name)
        .await?
        .ok_or_else(|| StoreError::Unreadable(format!("account {} was opened and is not there", new.name)))
}

/// At most `count` accounts of an owner, the oldest first.
///
/// # Errors
/// Any failure of the statements.
pub async fn by_owner(
    pool: &PgPool,
    tenant: &str,
    owner: &str,
    owner_type: Option<&str>,
    count: u32,
) -> Result<Vec<AccountRow>, StoreError> {
    let sql = now("tenant = $1 AND owner = $2 AND ($3::text IS NULL OR owner_type = $3) ORDER BY id LIMIT $4");
    let query = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(sql))
        .bind(tenant)
        .bind(owner)
        .bind(owner_type)
        .bind(i64::from(count));
    limited(async {
        let rows = query.fetch_all(pool).await?;
        let mut rows = rows.into_iter().map(Row::read).collect::<Result<Vec<_>, StoreError>>()?;
        find_last(pool, &mut rows).await?;
        Ok(rows)
    })
    .await
}

/// An account's money as of the fold, and which of these keys are used, as of a snapshot that is no older.
///
/// # Errors
/// Any failure of the statements.
pub async fn read_with_keys(
    pool: &PgPool,
    account: AccountId,
    keys: &[KeyHash],
) -> Result<(Posted, AsOf, Vec<UsedKey>), StoreError> {
    // The balance first: whatever commits in between can only make the keys know more.
    let sql = format!("SELECT {BALANCE} FROM balances b WHERE account = $1");
    let balance: Balance = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(account.0).fetch_one(pool).await?;
    let as_of = balance.as_of();
    Ok((balance.read(account.0)?, as_of, keys_used(pool, keys).await?))
}

/// Since when every used key is remembered; `None` when no key was ever forgotten. The keys of one partition are
/// forgotten together, the oldest partition first.
///
/// # Errors
/// Any failure of the statement.
pub async fn keys_since(pool: &PgPool) -> Result<Option<DateTime<Utc>>, StoreError> {
    let sql =
        "SELECT min(opened_at) FILTER (WHERE keys) FROM journal_partitions WHERE number > 0 HAVING NOT bool_and(keys)";
    let since: Option<Option<DateTime<Utc>>> = sqlx::query_scalar(sql).fetch_optional(pool).await?;
    Ok(since.flatten())
}

/// Which of these keys are used, as far as keys are remembered.
///
/// # Errors
/// Any failure of the statement.
pub async fn keys_used(pool: &PgPool, keys: &[KeyHash]) -> Result<Vec<UsedKey>, StoreError> {
    let keys: Vec<_> = keys.iter().map(|key| key.0).collect();
    let rows: Vec<UsedKeyRow> = sqlx::query_as(USED_KEYS).bind(keys).fetch_all(pool).await?;
    Ok(used_keys(rows).into_values().collect())
}
