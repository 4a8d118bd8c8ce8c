//! Invoices that are not issued: rows that may be changed and deleted.

use sqlx::PgPool;
use uuid::Uuid;

use crate::billing::invoice::Status;
use crate::money::{Amount, CurrencyCode};
use crate::protocol::record::{DocumentKind, RequestHash};
use crate::store::numeric::Numeric;
use crate::store::operators::{self, Doing};
use crate::store::{StoreError, limited};

/// What a draft says.
#[derive(Clone, Debug)]
pub struct DraftRow {
    pub entity: String,
    pub customer: String,
    pub currency: CurrencyCode,
    pub subtotal: Amount,
    pub tax: Amount,
    /// The sum of the two above.
    pub total: Amount,
    /// A JSON object.
    pub content: String,
    /// What the operator's action says of it: a JSON object.
    pub told: String,
}

/// Drafts of one tenant, at most.
pub const DRAFTS_MAX: i64 = 100_000;

/// The idempotency key of a draft.
#[derive(Clone, Debug)]
pub struct Key {
    /// 1 to 255 bytes.
    pub text: String,
    /// What is asked for under it.
    pub request: RequestHash,
}

/// The draft, issued or not, that was written under this key of a tenant, and what was asked for.
///
/// # Errors
/// Any failure of the statement.
pub async fn under(pool: &PgPool, tenant: &str, key: &str) -> Result<Option<(i64, RequestHash)>, StoreError> {
    let query = sqlx::query_as("SELECT id, draft_request FROM invoices WHERE tenant = $1 AND draft_key = $2");
    let query = query.bind(tenant).bind(key);
    let found: Option<(i64, Uuid)> = limited(async { Ok(query.fetch_optional(pool).await?) }).await?;
    Ok(found.map(|(id, request)| (id, RequestHash(request))))
}

/// Writes a new draft and the operator's action. Returns its id; `None`: there are too many, or the key has one.
///
/// # Errors
/// Any failure of the statements: nothing was written, unless the answer was lost.
pub async fn create(
    pool: &PgPool,
    draft: &DraftRow,
    key: Option<&Key>,
    by: &Doing<'_>,
) -> Result<Option<i64>, StoreError> {
    limited(async {
        let mut transaction = pool.begin().await?;
        let query = sqlx::query_scalar(
            "INSERT INTO invoices (tenant, entity, document, customer, currency, subtotal, tax, total, content, book_currency, booked, status, draft_key, draft_request)
               SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $5, $8, $10, $12, $13
                 WHERE (SELECT count(*) FROM (SELECT FROM invoices WHERE tenant = $1 AND status = 1 LIMIT $11) d) < $11
               ON CONFLICT (tenant, draft_key) WHERE draft_key IS NOT NULL DO NOTHING RETURNING id",
        );
        let query = query.bind(by.tenant).bind(&draft.entity).bind(DocumentKind::Invoice.code()).bind(&draft.customer);
        let query = query.bind(draft.currency.as_str()).bind(Numeric(draft.subtotal.minor_units()));
        let query = query.bind(Numeric(draft.tax.minor_units())).bind(Numeric(draft.total.minor_units()));
        let query = query.bind(&draft.content).bind(Status::Draft.code()).bind(DRAFTS_MAX);
        let query = query.bind(key.map(|key| &key.text)).bind(key.map(|key| key.request.0));
        let Some(id): Option<i64> = query.fetch_optional(&mut *transaction).await? else { return Ok(None) };
        let did = by.by.did("invoice.draft", &id.to_string(), None, Some(draft.told.clone()));
        operators::insert(&mut transaction, by, &did).await?;
        transaction.commit().await?;
        Ok(Some(id))
    })
    .await
}

/// Puts another draft in place of one of this version. Returns whether it was there.
///
/// # Errors
/// Any failure of the statements: nothing was written, unless the answer was lost.
pub async fn replace(
    pool: &PgPool,
    (id, version): (i64, i32),
    draft: &DraftRow,
    by: &Doing<'_>,
) -> Result<bool, StoreError> {
    limited(async {
        let mut transaction = pool.begin().await?;
        let query = sqlx::query(
            "UPDATE invoices SET entity = $4, customer = $5, currency = $6, subtotal = $7, tax = $8, total = $9, content = $10::jsonb, book_currency = $6, booked = $9, version = version + 1
               WHERE id = $1 AND tenant = $2 AND version = $3 AND status = 1",
        );
        let query = query.bind(id).bind(by.tenant).bind(version).bind(&draft.entity).bind(&draft.customer);
        let query = query.bind(draft.currency.as_str()).bind(Numeric(draft.subtotal.minor_units()));
        let query = query.bind(Numeric(draft.tax.minor_units())).bind(Numeric(draft.total.minor_units()));
        let written = query.bind(&draft.content).execute(&mut *transaction).await?.rows_affected();
        if written == 0 {
            return Ok(false);
        }
        let did = by.by.did("invoice.redraft", &id.to_string(), None, Some(draft.told.clone()));
        operators::insert(&mut transaction, by, &did).await?;
        transaction.commit().await?;
        Ok(true)
    })
    .await
}

/// Deletes a draft; `told` is what the operator's action says of it. Returns whether it was there.
///
/// # Errors
/// Any failure of the statements: nothing was deleted, unless the answer was lost.
pub async fn delete(pool: &PgPool, id: i64, told: String, by: &Doing<'_>) -> Result<bool, StoreError> {
    limited(async {
        let mut transaction = pool.begin().await?;
        let query = sqlx::query("DELETE FROM invoices WHERE id = $1 AND tenant = $2 AND status = 1");
        if query.bind(id).bind(by.tenant).execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let did = by.by.did("invoice.delete", &id.to_string(), Some(told), None);
        operators::insert(&mut transaction, by, &did).await?;
        transaction.commit().await?;
        Ok(true)
    })
    .await
}
