//! Currencies: rows that calls add and change. An exponent never changes, and no currency is ever removed.

use sqlx::{FromRow, PgPool, Postgres, Transaction};

use super::operators::{self, Doing};
use super::{StoreError, limited};
use crate::money::{Currencies, Currency, CurrencyCode};

/// Currencies that one ledger can have.
pub const CURRENCIES_MAX: i64 = 1_000;

/// A currency as the table has it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct CurrencyRow {
    pub code: String,
    /// Decimals of its minor unit.
    pub exponent: i16,
    /// For people.
    pub name: String,
    /// Whether a state issues it.
    pub fiat: bool,
    /// Whether new accounts may be opened in it.
    pub active: bool,
    /// A JSON object.
    pub metadata: Option<String>,
}

impl CurrencyRow {
    /// The currency as an operator's action records it.
    fn json(&self) -> String {
        let kind = if self.fiat { "fiat" } else { "non-fiat" };
        let metadata: serde_json::Value =
            self.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        serde_json::json!({ "name": self.name, "exponent": self.exponent, "type": kind, "isActive": self.active, "metadata": metadata }).to_string()
    }

    /// The code and exponent; `None` if the row is not valid.
    pub fn currency(&self) -> Option<Currency> {
        Some(Currency { code: CurrencyCode::parse(&self.code)?, exponent: u8::try_from(self.exponent).ok()? })
    }
}

/// What to change of a currency; `None`: stays as it is.
#[derive(Clone, Debug, Default)]
pub struct CurrencyChange {
    /// Whether new accounts may be opened in it.
    pub active: Option<bool>,
    pub name: Option<String>,
    /// A JSON object. `Some(None)`: no metadata any more.
    pub metadata: Option<Option<String>>,
}

/// The result of adding a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    New,
    /// A currency of this code exists already: this one.
    There(CurrencyRow),
    /// There are [`CURRENCIES_MAX`] already.
    TooMany,
}

const SELECT: &str = "SELECT code, exponent, name, fiat, active, metadata FROM currencies";

/// All currencies of this ledger.
///
/// # Errors
/// Any failure of the statement.
pub async fn load(pool: &PgPool) -> Result<Currencies, StoreError> {
    let all = Currencies::default();
    reload(pool, &all).await?;
    Ok(all)
}

/// Adds the currencies that other processes have made since.
///
/// # Errors
/// Any failure of the statement.
pub async fn reload(pool: &PgPool, known: &Currencies) -> Result<(), StoreError> {
    rows(pool).await?.iter().filter_map(CurrencyRow::currency).for_each(|currency| known.learn(currency));
    Ok(())
}

/// All currencies, by code.
///
/// # Errors
/// Any failure of the statement.
pub async fn rows(pool: &PgPool) -> Result<Vec<CurrencyRow>, StoreError> {
    let sql = format!("{SELECT} ORDER BY code");
    limited(async { Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await?) }).await
}

async fn locked(transaction: &mut Transaction<'_, Postgres>, code: &str) -> Result<Option<CurrencyRow>, StoreError> {
    let sql = format!("{SELECT} WHERE code = $1 FOR NO KEY UPDATE");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(code).fetch_optional(&mut **transaction).await?)
}

/// Adds a currency and records the operator's action, in one transaction.
///
/// # Errors
/// Any failure of the statements: nothing was added, unless the answer was lost.
pub async fn create(pool: &PgPool, new: &CurrencyRow, by: &Doing<'_>) -> Result<Made, StoreError> {
    limited(async {
        let mut transaction = pool.begin().await?;
        let made = sqlx::query(
            "INSERT INTO currencies (code, exponent, name, fiat, active, metadata) SELECT $1, $2, $3, $4, $5, $6 \
             WHERE (SELECT count(*) FROM currencies) < $7 OR EXISTS (SELECT FROM currencies WHERE code = $1) ON CONFLICT (code) DO NOTHING",
        )
        .bind(&new.code)
        .bind(new.exponent)
        .bind(&new.name)
        .bind(new.fiat)
        .bind(new.active)
        .bind(&new.metadata)
        .bind(CURRENCIES_MAX)
        .execute(&mut *transaction)
        .await?;
        if made.rows_affected() == 0 {
            return Ok(locked(&mut transaction, &new.code).await?.map_or(Made::TooMany, Made::There));
        }
        operators::insert(&mut transaction, by, &by.by.did("currency.create", &new.code, None, Some(new.json()))).await?;
        transaction.commit().await?;
        Ok(Made::New)
    })
    .await
}

/// Changes a currency and records the operator's action, in one transaction. Returns the currency as it is now; `None`:
/// there is none. A change that changes nothing is not recorded.
///
/// # Errors
/// Any failure of the statements: nothing was changed, unless the answer was lost.
pub async fn update(
    pool: &PgPool,
    code: &str,
    change: &CurrencyChange,
    by: &Doing<'_>,
) -> Result<Option<CurrencyRow>, StoreError> {
    limited(async {
        let mut transaction = pool.begin().await?;
        let Some(before) = locked(&mut transaction, code).await? else { return Ok(None) };
        let after = CurrencyRow {
            active: change.active.unwrap_or(before.active),
            name: change.name.clone().unwrap_or_else(|| before.name.clone()),
            metadata: change.metadata.clone().unwrap_or_else(|| before.metadata.clone()),
            ..before.clone()
        };
        if after != before {
            let update = sqlx::query("UPDATE currencies SET active = $2, name = $3, metadata = $4 WHERE code = $1");
            update
                .bind(code)
                .bind(after.active)
                .bind(&after.name)
                .bind(&after.metadata)
                .execute(&mut *transaction)
                .await?;
            operators::insert(
                &mut transaction,
                by,
                &by.by.did("currency.change", code, Some(before.json()), Some(after.json())),
            )
            .await?;
            transaction.commit().await?;
        }
        Ok(Some(after))
    })
    .await
}
