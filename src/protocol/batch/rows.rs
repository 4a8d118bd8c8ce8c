//! Rows of a batch, by table: arrays in parallel.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Rows of `postings`.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "named as the function's parameters")]
pub struct PostingRows {
    pub ids: Vec<Uuid>,
    pub ns: Vec<i16>,
    pub debits: Vec<i64>,
    pub credits: Vec<i64>,
    pub amounts: Vec<i128>,
    /// What later postings of this batch still change on the debited account: credit less debit.
    pub rest_debits: Vec<i128>,
    /// The same for the credited account.
    pub rest_credits: Vec<i128>,
    /// The place of the posting before this one on the debited account, if this batch has one.
    pub prev_debits: Vec<Option<i32>>,
    /// The same for the credited account.
    pub prev_credits: Vec<Option<i32>>,
    pub created: Vec<DateTime<Utc>>,
}

/// Rows of `declined_postings`.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "named as the function's parameters")]
pub struct DeclinedRows {
    pub ids: Vec<Uuid>,
    pub ns: Vec<i16>,
    pub tenants: Vec<String>,
    pub debits: Vec<String>,
    pub credits: Vec<String>,
    pub amounts: Vec<i128>,
    pub currencies: Vec<String>,
}

/// Rows of `holds`.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "named as the function's parameters")]
pub struct HoldRows {
    pub ids: Vec<Uuid>,
    pub debits: Vec<i64>,
    pub credits: Vec<i64>,
    pub amounts: Vec<i128>,
    pub expires: Vec<DateTime<Utc>>,
}

/// Rows of `hold_steps`: what transactions take from holds.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "named as the function's parameters")]
pub struct TakeRows {
    pub ids: Vec<Uuid>,
    pub holds: Vec<Uuid>,
    pub captured: Vec<i128>,
    pub voided: Vec<i128>,
}

/// Rows of `refunds`.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "named as the function's parameters")]
pub struct RefundRows {
    pub ids: Vec<Uuid>,
    pub payments: Vec<Uuid>,
    pub limits: Vec<i128>,
    pub amounts: Vec<i128>,
}

impl PostingRows {
    /// How many there are; a batch has at most 1,000,000.
    pub(super) fn places(&self) -> i32 {
        i32::try_from(self.ids.len()).unwrap_or(i32::MAX)
    }
}
