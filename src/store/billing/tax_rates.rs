//! Tax rates: a new rate is a new row, and none ever changes.

use sqlx::PgPool;

use super::entities::{self, TaxRateRow};
use crate::billing::{TaxRate, TaxRule};
use crate::store::operators::{self, Doing};
use crate::store::{StoreError, limited};

/// What became of a new rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    Done,
    /// There is one from this day on for the same region and category.
    Twice,
    TooMany,
}

/// Adds a rate and records the operator's action, in one transaction.
///
/// # Errors
/// Any failure of the statements: nothing was added, unless the answer was lost.
pub async fn add(pool: &PgPool, new: &TaxRateRow, by: &Doing<'_>) -> Result<Added, StoreError> {
    limited(async {
        let mut transaction = pool.begin().await?;
        // one at a time, so that of two equal ones the second sees the first
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('tax_rates ' || $1, 0))")
            .bind(by.tenant)
            .execute(&mut *transaction)
            .await?;
        let query = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE region IS NOT DISTINCT FROM $2 AND category IS NOT DISTINCT FROM $3 AND effective_from = $4) FROM tax_rates WHERE tenant = $1",
        );
        let query = query.bind(by.tenant).bind(&new.region).bind(&new.category).bind(new.effective_from);
        let (all, same): (i64, i64) = query.fetch_one(&mut *transaction).await?;
        if same > 0 {
            return Ok(Added::Twice);
        }
        if all >= entities::RATES_MAX {
            return Ok(Added::TooMany);
        }
        let query = sqlx::query(
            "INSERT INTO tax_rates (tenant, region, category, treatment, percent, effective_from) VALUES ($1, $2, $3, $4, $5::numeric, $6)",
        );
        let query = query.bind(by.tenant).bind(&new.region).bind(&new.category).bind(&new.treatment);
        query.bind(&new.percent).bind(new.effective_from).execute(&mut *transaction).await?;
        let after = serde_json::json!({
            "region": new.region, "category": new.category, "treatment": new.treatment, "percent": new.percent,
            "effectiveFrom": new.effective_from,
        });
        let subject = new.region.as_deref().unwrap_or("any");
        let did = by.by.did("tax_rate.add", subject, None, Some(after.to_string()));
        operators::insert(&mut transaction, by, &did).await?;
        transaction.commit().await?;
        Ok(Added::Done)
    })
    .await
}

/// All rates of a tenant as the rules take them.
///
/// # Errors
/// Any failure of the statement; a rate that this version cannot read.
pub async fn rules(pool: &PgPool, tenant: &str) -> Result<Vec<TaxRule>, StoreError> {
    let read = |row: TaxRateRow| {
        let rate = row.percent().and_then(|percent| TaxRate::from_stored(&row.treatment, percent).ok().flatten());
        let rate = rate.ok_or_else(|| {
            StoreError::Unreadable(format!("a tax rate {:?} of {:?} percent", row.treatment, row.percent))
        })?;
        let TaxRateRow { region, category, effective_from, .. } = row;
        Ok(TaxRule { region, category, effective_from, rate })
    };
    entities::tax_rates(pool, tenant).await?.into_iter().map(read).collect()
}
