//! Opens many funded accounts at once, for benchmarks. The books balance afterwards, but no actor, no key and no event
//! is involved.

use sqlx::PgPool;

use super::StoreError;
use super::accounts::{self, AccountRow, NewAccount};
use super::numeric::Numeric;
use crate::money::{Amount, CurrencyCode};
use crate::protocol::journal::{PLACE_BITS, partition_of};
use crate::protocol::record::{AccountId, AccountKind, Api, Kind, NormalSide, RequestHash, TransactionId, now_micros};

/// Accounts per statement. Their postings are one transaction, whose rows are numbered by a smallint.
const CHUNK: u32 = 5_000;

/// An account of demo or benchmark money.
pub fn new_account(name: &str, kind: AccountKind, currency: CurrencyCode) -> NewAccount {
    NewAccount {
        tenant: TENANT.into(),
        name: name.into(),
        kind,
        normal_side: if kind == AccountKind::User { NormalSide::Credit } else { NormalSide::Debit },
        currency,
        owner: String::new(),
        owner_type: String::new(),
        subtype: None,
        metadata: None,
        floor: (kind == AccountKind::User).then_some(0),
        ceiling: None,
    }
}

/// The tenant of the accounts, which is that of calls without authentication.
pub const TENANT: &str = "default";

/// The id of the account that pays opening balances of a currency.
pub fn opening_name(currency: &str) -> String {
    format!("florin-opening-{}", currency.to_lowercase())
}

/// Opens the account that pays opening balances, or returns it: the house's own, without a floor.
///
/// # Errors
/// Any failure of the statements.
pub async fn opening(pool: &PgPool, currency: CurrencyCode) -> Result<AccountRow, StoreError> {
    accounts::create(pool, &new_account(&opening_name(currency.as_str()), AccountKind::System, currency)).await
}

/// The id of the account that pays the bulk accounts of a currency. It is not [`opening_name`], which the journal pays
/// from: rows of the bulk accounts stand before all of the journal's, and the places of an account's rows must rise.
pub fn bulk_name(currency: &str) -> String {
    format!("florin-bulk-{}", currency.to_lowercase())
}

/// Opens the accounts `{prefix}0` to `{prefix}{n - 1}` with this balance each; accounts that exist stay as they are.
/// Returns how many it opened. Each chunk is one transaction of kind topup, whole or not at all, so that the call can
/// be repeated after a failure.
///
/// # Errors
/// Any failure of the statements, and when the journal has paid from the account of [`bulk_name`].
pub async fn bulk(
    pool: &PgPool,
    n: u32,
    prefix: &str,
    balance: Amount,
    currency: CurrencyCode,
) -> Result<u64, StoreError> {
    let source = accounts::create(pool, &new_account(&bulk_name(currency.as_str()), AccountKind::System, currency))
        .await?
        .identity
        .id;
    let mut opened = 0;
    for first in (0..n).step_by(CHUNK as usize) {
        let last = first.saturating_add(CHUNK).min(n) - 1;
        opened += chunk(pool, source, (first, last), prefix, balance, currency).await?;
    }
    Ok(opened)
}

async fn chunk(
    pool: &PgPool,
    source: AccountId,
    (first, last): (u32, u32),
    prefix: &str,
    balance: Amount,
    currency: CurrencyCode,
) -> Result<u64, StoreError> {
    let (id, now) = (TransactionId::draw(), now_micros());
    let mut work = pool.begin().await?;
    // Whoever comes at the same time waits here, so that its batch has the higher number.
    sqlx::query("SELECT FROM balances WHERE account = $1 FOR UPDATE").bind(source.0).execute(&mut *work).await?;
    let prior: i64 = sqlx::query_scalar("SELECT last_seq FROM balances_of(ARRAY[$1::bigint])")
        .bind(source.0)
        .fetch_one(&mut *work)
        .await?;
    if partition_of(prior >> PLACE_BITS) > 0 {
        return Err(StoreError::Unreadable(format!(
            "{} has been used since: nothing can be put before row {prior}",
            bulk_name(currency.as_str())
        )));
    }
    let opened: i64 = sqlx::query_scalar(
        "WITH made AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency) SELECT $1, $2 || n, 1, 1, $3 FROM generate_series($4::bigint, $5::bigint) n \
           ON CONFLICT (tenant, name) DO NOTHING RETURNING id), \
         numbered AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS of FROM made), \
         source AS (UPDATE balances SET debits = debits + $6 * (SELECT count(*) FROM made), version = version + (SELECT count(*) FROM made), \
             last_seq = (nextval('opening_batch') << 20) + (SELECT count(*) FROM made) - 1 \
           WHERE account = $7 AND $6 > 0 AND EXISTS (SELECT FROM made) RETURNING credits - debits AS after, last_seq), \
         funded AS (INSERT INTO balances (account, credits, floor, version, last_seq) SELECT n.id, $6, 0, CASE WHEN $6 > 0 THEN 1 ELSE 0 END, \
           coalesce((SELECT last_seq FROM source) - n.of + 1 + n.n, 0) FROM numbered n), \
         posted AS (INSERT INTO journal (seq, debit_account, credit_account, debit_prev, credit_prev, created_at, id, request, kind, status, api, n, postings, amount, \
             debit_after, credit_after, tenant) \
           SELECT p.last_seq - p.of + 1 + p.n, $7, p.id, CASE p.n WHEN 0 THEN $13 ELSE p.last_seq - p.of + p.n END, 0, $12, $8, CASE p.n WHEN 0 THEN $11 END, $10, 1, $9, \
             p.n, p.of, $6, p.after + $6 * (p.of - 1 - p.n), $6, $1 \
           FROM (SELECT * FROM numbered CROSS JOIN source ORDER BY n) p) \
         SELECT count(*) FROM made",
    )
    .bind(TENANT)
    .bind(prefix)
    .bind(currency.as_str())
    .bind(i64::from(first))
    .bind(i64::from(last))
    .bind(Numeric(balance.minor_units()))
    .bind(source.0)
    .bind(id.0)
    .bind(Api::FlorinV1.code())
    .bind(Kind::TOPUP.code())
    .bind(RequestHash::of(&[b"bulk", prefix.as_bytes(), &first.to_le_bytes(), &balance.minor_units().to_le_bytes()]).0)
    .bind(now)
    .bind(prior)
    .fetch_one(&mut *work)
    .await?;
    work.commit().await?;
    Ok(u64::try_from(opened).unwrap_or_default())
}
