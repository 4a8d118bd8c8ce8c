//! Customers, legal entities, tax rates.

use serde::Serialize;
use utoipa::ToSchema;

use crate::protocol::events::timestamp;
use crate::store::billing::customers::CustomerRow;
use crate::store::billing::entities::{EntityRow, TaxRateRow};

/// Who gets invoices.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NativeCustomer)]
pub struct Customer {
    pub id: String,
    pub email: Option<String>,
    pub first_name: String,
    pub middle_name: String,
    pub last_name: String,
    pub mobile: Option<String>,
    #[schema(format = Date)]
    pub born_on: Option<String>,
    /// Its lines.
    pub address: Vec<String>,
    pub tax_id: Option<String>,
    /// Whose taxes it pays.
    pub region: Option<String>,
    /// Of mails and documents.
    #[schema(example = "en")]
    pub language: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When its personal data were erased.
    #[schema(format = DateTime)]
    pub erased_at: Option<String>,
}

impl From<CustomerRow> for Customer {
    fn from(row: CustomerRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            first_name: row.first_name,
            middle_name: row.middle_name,
            last_name: row.last_name,
            mobile: row.mobile,
            born_on: row.born_on.map(|day| day.to_string()),
            address: row.address,
            tax_id: row.tax_id,
            region: row.region,
            language: row.language,
            created_at: timestamp(row.created_at),
            erased_at: row.erased_at.map(timestamp),
        }
    }
}

/// A legal entity that issues documents.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entity {
    pub id: String,
    pub name: String,
    /// Its lines.
    pub address: Vec<String>,
    pub tax_id: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    /// How its invoices are numbered.
    #[schema(example = "INV-{year}-{seq:6}")]
    pub invoice_format: String,
    /// How its credit notes are numbered.
    pub credit_format: String,
    /// Days from an invoice's date to its due date.
    pub payment_days: i32,
    /// The month in which its fiscal year begins.
    pub fiscal_month: i32,
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// The currency of its books; null: that of each document.
    pub book_currency: Option<String>,
    /// The region of what names none.
    pub region: Option<String>,
    /// Whether customers with an address get invoices and credit notes by mail when they are issued.
    pub mails_invoices: bool,
    /// Of its logo, in hexadecimal digits; null: it has none.
    pub logo_sha256: Option<String>,
}

impl From<EntityRow> for Entity {
    fn from(row: EntityRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            address: row.address,
            tax_id: row.tax_id,
            phone: row.phone,
            email: row.email,
            invoice_format: row.invoice_format,
            credit_format: row.credit_format,
            payment_days: row.payment_days,
            fiscal_month: row.fiscal_month.into(),
            time_zone: row.time_zone,
            book_currency: row.book_currency,
            region: row.region,
            mails_invoices: row.mails_invoices,
            logo_sha256: row.logo_sha256,
        }
    }
}

/// A tax rate.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaxRate {
    /// Null: any.
    pub region: Option<String>,
    /// Null: any.
    pub category: Option<String>,
    /// `standard`, `exempt` or `reverse_charge`.
    pub treatment: String,
    #[schema(example = "19")]
    pub percent: String,
    /// The first day on which it counts.
    #[schema(format = Date)]
    pub effective_from: String,
}

impl From<TaxRateRow> for TaxRate {
    fn from(row: TaxRateRow) -> Self {
        let percent = row.percent().map_or(row.percent.clone(), |percent| percent.normalize().to_string());
        let TaxRateRow { region, category, treatment, effective_from, .. } = row;
        Self { region, category, treatment, percent, effective_from: effective_from.to_string() }
    }
}

/// All of a list that is read whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct All<T> {
    /// In the order of the list.
    pub items: Vec<T>,
}

impl<T> All<T> {
    /// Of these rows.
    pub fn of<R: Into<T>>(rows: Vec<R>) -> Self {
        Self { items: rows.into_iter().map(Into::into).collect() }
    }
}
