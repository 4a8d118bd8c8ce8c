//! Customers: who registered, and who an e-mail address belongs to.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};

use crate::billing::registration::full_name;
use crate::store::{StoreError, limited};

/// A customer as far as bills need them.
#[derive(Clone, Debug, FromRow)]
pub struct CustomerRow {
    pub id: String,
    pub email: String,
    pub first_name: String,
    pub middle_name: String,
    pub last_name: String,
    pub mobile: Option<String>,
}

impl CustomerRow {
    /// First, middle and last name, as far as there are such.
    pub fn name(&self) -> String {
        full_name([&self.first_name, &self.middle_name, &self.last_name])
    }
}

/// A customer to be stored, named as the table's columns.
#[derive(Clone, Debug, Serialize)]
pub struct NewCustomer {
    pub id: String,
    pub email: String,
    pub first_name: String,
    pub middle_name: String,
    pub last_name: String,
    pub mobile: String,
    pub born_on: Option<chrono::NaiveDate>,
    /// A JSON object, as it came: PostgreSQL's own type has no U+0000.
    pub extra: Option<String>,
}

/// The constraint that an id of another customer's breaks.
pub const ID_TAKEN: &str = "customers_pkey";

/// Stores customers in one statement, and returns the e-mails of those that were not there. Of several with one e-mail
/// the first stays, also of those here.
///
/// # Errors
/// Any failure of the statement: then none is stored.
pub async fn insert(pool: &PgPool, tenant: &str, customers: &[NewCustomer]) -> Result<Vec<String>, StoreError> {
    let query = sqlx::query_scalar(
        "INSERT INTO customers (tenant, id, email, first_name, middle_name, last_name, mobile, born_on, extra)
           SELECT $1, c.id, c.email, c.first_name, c.middle_name, c.last_name, c.mobile, c.born_on, c.extra
             FROM ROWS FROM (jsonb_to_recordset($2) AS (id text, email text, first_name text, middle_name text, last_name text, mobile text, born_on date, extra text))
               WITH ORDINALITY AS c(id, email, first_name, middle_name, last_name, mobile, born_on, extra, n)
             ORDER BY c.n
           ON CONFLICT (tenant, email) DO NOTHING RETURNING email",
    );
    limited(async { Ok(query.bind(tenant).bind(Json(customers)).fetch_all(pool).await?) }).await
}

/// Whether somebody is registered under exactly this e-mail.
///
/// # Errors
/// Any failure of the statement.
pub async fn is_known(pool: &PgPool, tenant: &str, email: &str) -> Result<bool, StoreError> {
    let query =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM customers WHERE tenant = $1 AND email = $2)").bind(tenant);
    limited(async { Ok(query.bind(email).fetch_one(pool).await?) }).await
}

/// Who these e-mails belong to, as far as they are known.
///
/// # Errors
/// Any failure of the statement.
pub async fn by_email(
    pool: &PgPool,
    tenant: &str,
    emails: &[&str],
) -> Result<HashMap<String, CustomerRow>, StoreError> {
    let query = sqlx::query_as::<_, CustomerRow>(
        "SELECT id, email, first_name, middle_name, last_name, mobile FROM customers
           WHERE tenant = $1 AND email = ANY ($2) AND erased_at IS NULL",
    );
    let rows = limited(async { Ok(query.bind(tenant).bind(emails).fetch_all(pool).await?) }).await?;
    Ok(rows.into_iter().map(|row| (row.email.clone(), row)).collect())
}
