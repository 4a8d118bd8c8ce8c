//! Currencies: rows that are made and changed by call. An exponent never changes, and none leaves.

use sqlx::{FromRow, PgPool, Postgres, Transaction};

use super::operators::{self, Doing};
use super::{StoreError, limited};
use crate::money::{Currencies, Currency, CurrencyCode};

/// Currencies of one ledger.
pub const CURRENCIES_MAX: i64 = 1_000;

/// A currency with all that is said of it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct CurrencyRow {
    /// Its code.
    pub code: String,
    /// Decimals of its minor unit.
    pub exponent: i16,
    /// Its name.
    pub name: String,
    /// Whether a state issues it.
    pub fiat: bool,
    /// Whether new accounts may be kept in it.
    pub active: bool,
    /// A JSON object.
    pub metadata: Option<String>,
}

impl CurrencyRow {
    /// As an operator's action keeps it.
    fn json(&self) -> String {
        let kind = if self.fiat { "fiat" } else { "non-fiat" };
        let metadata: serde_json::Value = self.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        serde_json::json!({ "name": self.name, "exponent": self.exponent, "type": kind, "isActive": self.active, "metadata": metadata }).to_string()
    }

    /// As money is counted in it.
    pub fn currency(&self) -> Option<Currency> {
        Some(Currency { code: CurrencyCode::parse(&self.code)?, exponent: u8::try_from(self.exponent).ok()? })
    }
}

/// What of a currency is to be changed; what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct CurrencyChange {
    /// Whether new accounts may be kept in it.
    pub active: Option<bool>,
    /// Its name.
    pub name: Option<String>,
    /// A JSON object, or none.
    pub metadata: Option<Option<String>>,
}

/// What became of a currency that was to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is new.
    New,
    /// There was one of this code: this.
    There(CurrencyRow),
    /// There are as many as there may be.
    TooMany,
}

const SELECT: &str = "SELECT code, exponent, name, fiat, active, metadata FROM currencies";

/// All currencies of this ledger, as money is counted in them.
///
/// # Errors
/// Any failure of the statement.
pub async fn load(pool: &PgPool) -> Result<Currencies, StoreError> {
    let all = Currencies::default();
    reload(pool, &all).await?;
    Ok(all)
}

/// Learns of those that came since.
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

/// Makes a currency, and keeps who did it, in one transaction.
///
/// # Errors
/// Any failure of the statements: nothing was made, unless the answer was lost.
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

/// Changes a currency, and keeps who did it, in one transaction; answers it as it then is. What changes nothing leaves no trace.
///
/// # Errors
/// Any failure of the statements: nothing was changed, unless the answer was lost.
pub async fn update(pool: &PgPool, code: &str, change: &CurrencyChange, by: &Doing<'_>) -> Result<Option<CurrencyRow>, StoreError> {
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
            update.bind(code).bind(after.active).bind(&after.name).bind(&after.metadata).execute(&mut *transaction).await?;
            operators::insert(&mut transaction, by, &by.by.did("currency.change", code, Some(before.json()), Some(after.json()))).await?;
            transaction.commit().await?;
        }
        Ok(Some(after))
    })
    .await
}
