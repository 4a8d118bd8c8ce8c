//! Many funded accounts at once, for benchmarks: the books balance afterwards, but no actor, no key and no event is involved.

use sqlx::PgPool;

use super::StoreError;
use super::accounts::{self, AccountKind, AccountRow, NewAccount, NormalSide};
use super::numeric::Numeric;
use crate::money::{Amount, CurrencyCode};
use crate::protocol::record::{AccountId, Api, Kind, RequestHash, TransactionId, now_micros};

/// Accounts per statement; their postings are numbered by a smallint within one transaction.
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

/// Whose the accounts are: the tenant of calls without authentication.
pub const TENANT: &str = "default";

/// The name of the account that opening balances of a currency come from.
pub fn opening_name(currency: &str) -> String {
    format!("florin-opening-{}", currency.to_lowercase())
}

/// The account that opening balances come from: the house's own, without a floor.
///
/// # Errors
/// Any failure of the statements.
pub async fn opening(pool: &PgPool, currency: CurrencyCode) -> Result<AccountRow, StoreError> {
    accounts::create(pool, &new_account(&opening_name(currency.as_str()), AccountKind::System, currency)).await
}

/// Opens the accounts `{prefix}0` to `{prefix}{n - 1}` with this balance each; those that are there stay as they are. Answers how many
/// were opened. Each chunk is one transaction of kind topup, whole or not at all, so that it can be repeated after a failure.
///
/// # Errors
/// Any failure of the statements.
pub async fn bulk(pool: &PgPool, n: u32, prefix: &str, balance: Amount, currency: CurrencyCode) -> Result<u64, StoreError> {
    let opening = opening(pool, currency).await?.identity.id;
    let mut opened = 0;
    for first in (0..n).step_by(CHUNK as usize) {
        let last = first.saturating_add(CHUNK).min(n) - 1;
        opened += chunk(pool, opening, (first, last), prefix, balance, currency).await?;
    }
    Ok(opened)
}

async fn chunk(
    pool: &PgPool,
    opening: AccountId,
    (first, last): (u32, u32),
    prefix: &str,
    balance: Amount,
    currency: CurrencyCode,
) -> Result<u64, StoreError> {
    let (id, now) = (TransactionId::draw(), now_micros());
    let opened: i64 = sqlx::query_scalar(
        "WITH made AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency) SELECT $1, $2 || n, 1, 1, $3 FROM generate_series($4::bigint, $5::bigint) n \
           ON CONFLICT (tenant, name) DO NOTHING RETURNING id), \
         numbered AS (SELECT id, row_number() OVER (ORDER BY id) AS place, count(*) OVER () AS of FROM made), \
         opening AS (UPDATE balances SET debits = debits + $6 * (SELECT count(*) FROM made), version = version + 1, \
             prior_seq = last_seq, last_seq = nextval('batch_seq') * 1048576 + (SELECT count(*) FROM made) \
           WHERE account = $7 AND $6 > 0 AND EXISTS (SELECT FROM made) RETURNING credits - debits AS after, last_seq, prior_seq), \
         funded AS (INSERT INTO balances (account, credits, floor, version, last_seq) SELECT n.id, $6, 0, CASE WHEN $6 > 0 THEN 1 ELSE 0 END, \
           coalesce((SELECT last_seq FROM opening) - n.of + n.place, 0) FROM numbered n), \
         topup AS (INSERT INTO transactions (id, tenant, api, kind, status, request, created_at, first_seq, last_seq) \
           SELECT $8, $1, $9, $10, 1, $11, $12, last_seq - (SELECT count(*) FROM made) + 1, last_seq FROM opening), \
         posted AS (INSERT INTO postings (transaction, n, seq, debit_account, credit_account, amount, debit_balance_after, credit_balance_after, created_at, debit_prev, credit_prev) \
           SELECT $8, p.place - 1, p.last_seq - p.of + p.place, $7, p.id, $6, p.after + $6 * (p.of - p.place), $6, $12, \
             CASE WHEN p.place > 1 THEN p.last_seq - p.of + p.place - 1 ELSE p.prior_seq END, 0 \
           FROM (SELECT * FROM numbered CROSS JOIN opening ORDER BY place) p) \
         SELECT count(*) FROM made",
    )
    .bind(TENANT)
    .bind(prefix)
    .bind(currency.as_str())
    .bind(i64::from(first))
    .bind(i64::from(last))
    .bind(Numeric(balance.minor_units()))
    .bind(opening.0)
    .bind(id.0)
    .bind(Api::FlorinV1.code())
    .bind(Kind::TOPUP.code())
    .bind(RequestHash::of(&[b"bulk", prefix.as_bytes(), &first.to_le_bytes(), &balance.minor_units().to_le_bytes()]).0)
    .bind(now)
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(opened).unwrap_or_default())
}
