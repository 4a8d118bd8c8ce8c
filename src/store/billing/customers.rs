//! Who gets invoices.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder, Transaction};

use crate::store::operators::{self, Doing};
use crate::store::{StoreError, limited};

/// A customer as it stands.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerRow {
    pub id: String,
    pub email: Option<String>,
    pub first_name: String,
    pub middle_name: String,
    pub last_name: String,
    pub mobile: Option<String>,
    pub born_on: Option<NaiveDate>,
    /// Its lines.
    pub address: Vec<String>,
    pub tax_id: Option<String>,
    /// Whose taxes it pays.
    pub region: Option<String>,
    /// Of mails and documents.
    pub language: String,
    #[serde(skip)]
    pub created_at: DateTime<Utc>,
    /// When its personal data were erased.
    #[serde(skip)]
    pub erased_at: Option<DateTime<Utc>>,
}

/// What became of a new customer, or of a change.
#[derive(Clone, Debug)]
pub enum Written {
    Done,
    /// There is one of this id.
    There(Box<CustomerRow>),
    /// Another customer has this email address.
    EmailTaken,
    NotFound,
    /// Its personal data are erased: it does not change any more.
    Erased,
}

const COLUMNS: &str = "id, email, first_name, middle_name, last_name, mobile, born_on, address, tax_id, region, language, created_at, erased_at";

impl CustomerRow {
    /// What an operator's action says of it: which fields are there. Personal data do not go there, since actions are
    /// never erased.
    fn told(&self) -> String {
        let names = [
            ("email", self.email.is_some()),
            ("name", !(self.first_name.is_empty() && self.middle_name.is_empty() && self.last_name.is_empty())),
            ("mobile", self.mobile.is_some()),
            ("bornOn", self.born_on.is_some()),
            ("address", !self.address.is_empty()),
            ("taxId", self.tax_id.is_some()),
        ];
        let given: Vec<&str> = names.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        serde_json::json!({ "given": given, "region": self.region, "language": self.language }).to_string()
    }
}

/// One customer; `None`: there is none of this id.
///
/// # Errors
/// Any failure of the statement.
pub async fn get(pool: &PgPool, tenant: &str, id: &str) -> Result<Option<CustomerRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM customers WHERE tenant = $1 AND id = $2");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(id);
    limited(async { Ok(query.fetch_optional(pool).await?) }).await
}

/// At most `rows_max` customers, the oldest first, from a time on, without the first so many of that very time; with an
/// email address: the one that has it.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(
    pool: &PgPool,
    tenant: &str,
    email: Option<&str>,
    from: Option<(DateTime<Utc>, i64)>,
    rows_max: i64,
) -> Result<Vec<CustomerRow>, StoreError> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM customers WHERE tenant = ").push_bind(tenant);
    if let Some(email) = email {
        query.push(" AND email = ").push_bind(email);
    }
    if let Some((at, _)) = from {
        query.push(" AND created_at >= ").push_bind(at);
    }
    query.push(" ORDER BY created_at, id LIMIT ").push_bind(rows_max);
    query.push(" OFFSET ").push_bind(from.map_or(0, |(_, shown)| shown));
    limited(async { Ok(query.build_query_as().fetch_all(pool).await?) }).await
}

async fn locked(
    transaction: &mut Transaction<'_, Postgres>,
    tenant: &str,
    id: &str,
) -> Result<Option<CustomerRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM customers WHERE tenant = $1 AND id = $2 FOR NO KEY UPDATE");
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant).bind(id);
    Ok(query.fetch_optional(&mut **transaction).await?)
}

/// Whether the email address is another customer's.
fn email_taken(error: &StoreError) -> bool {
    matches!(error, StoreError::Database { constraint: Some(name), .. } if name == "customers_by_email")
}

/// Adds a customer and records the operator's action, in one transaction.
///
/// # Errors
/// Any failure of the statements: nothing was added, unless the answer was lost.
pub async fn create(pool: &PgPool, new: &CustomerRow, by: &Doing<'_>) -> Result<Written, StoreError> {
    let done = limited(async {
        let mut transaction = pool.begin().await?;
        let query = sqlx::query(
            "INSERT INTO customers (tenant, id, email, first_name, middle_name, last_name, mobile, born_on, address, tax_id, region, language)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (tenant, id) DO NOTHING",
        );
        let query = query.bind(by.tenant).bind(&new.id).bind(&new.email).bind(&new.first_name).bind(&new.middle_name);
        let query = query.bind(&new.last_name).bind(&new.mobile).bind(new.born_on).bind(&new.address);
        let query = query.bind(&new.tax_id).bind(&new.region).bind(&new.language);
        if query.execute(&mut *transaction).await?.rows_affected() == 0 {
            let there = locked(&mut transaction, by.tenant, &new.id).await?;
            return Ok(there.map_or(Written::NotFound, |row| Written::There(Box::new(row))));
        }
        operators::insert(&mut transaction, by, &by.by.did("customer.create", &new.id, None, Some(new.told()))).await?;
        transaction.commit().await?;
        Ok(Written::Done)
    });
    match done.await {
        Err(error) if email_taken(&error) => Ok(Written::EmailTaken),
        done => done,
    }
}

/// Changes a customer by `change`, and records the operator's action, in one transaction.
///
/// # Errors
/// Any failure of the statements: nothing was changed, unless the answer was lost.
pub async fn update(
    pool: &PgPool,
    id: &str,
    change: impl FnOnce(&mut CustomerRow) + Send,
    by: &Doing<'_>,
) -> Result<Written, StoreError> {
    let done = limited(async {
        let mut transaction = pool.begin().await?;
        let Some(before) = locked(&mut transaction, by.tenant, id).await? else { return Ok(Written::NotFound) };
        if before.erased_at.is_some() {
            return Ok(Written::Erased);
        }
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok(Written::Done);
        }
        let query = sqlx::query(
            "UPDATE customers SET email = $3, first_name = $4, middle_name = $5, last_name = $6, mobile = $7, born_on = $8, address = $9, tax_id = $10, region = $11, language = $12
               WHERE tenant = $1 AND id = $2",
        );
        let query = query.bind(by.tenant).bind(id).bind(&after.email).bind(&after.first_name).bind(&after.middle_name);
        let query = query.bind(&after.last_name).bind(&after.mobile).bind(after.born_on).bind(&after.address);
        let query = query.bind(&after.tax_id).bind(&after.region).bind(&after.language);
        query.execute(&mut *transaction).await?;
        let did = by.by.did("customer.change", id, Some(before.told()), Some(after.told()));
        operators::insert(&mut transaction, by, &did).await?;
        transaction.commit().await?;
        Ok(Written::Done)
    });
    match done.await {
        Err(error) if email_taken(&error) => Ok(Written::EmailTaken),
        done => done,
    }
}

/// Erases a customer's personal data, and records the operator's action, in one transaction. Its id, its region and its
/// invoices stay; mails with them lose their addresses, and those that are due are not sent. A second time it changes
/// nothing.
///
/// # Errors
/// Any failure of the statements: nothing was erased, unless the answer was lost.
pub async fn erase(pool: &PgPool, id: &str, by: &Doing<'_>) -> Result<Written, StoreError> {
    limited(async {
        let mut transaction = pool.begin().await?;
        let Some(before) = locked(&mut transaction, by.tenant, id).await? else { return Ok(Written::NotFound) };
        if before.erased_at.is_some() {
            return Ok(Written::Done);
        }
        let query = sqlx::query(
            "UPDATE customers SET email = NULL, first_name = '', middle_name = '', last_name = '', mobile = NULL, born_on = NULL, address = '{}', tax_id = NULL, extra = NULL,
               erased_at = clock_timestamp() WHERE tenant = $1 AND id = $2",
        );
        query.bind(by.tenant).bind(id).execute(&mut *transaction).await?;
        let query = sqlx::query(
            "UPDATE mails m SET recipient = '', state = CASE state WHEN 1 THEN 3 ELSE state END, answer = NULL
               FROM invoices i WHERE i.tenant = $1 AND i.customer = $2 AND m.document = i.id",
        );
        query.bind(by.tenant).bind(id).execute(&mut *transaction).await?;
        operators::insert(&mut transaction, by, &by.by.did("customer.erase", id, None, None)).await?;
        transaction.commit().await?;
        Ok(Written::Done)
    })
    .await
}
