//! Transactions.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Metadata, name};
use crate::money::decimal_text;
use crate::protocol::events::timestamp;
use crate::protocol::record::{DeclineCode, Kind, Rights};
use crate::store::transactions::{Exchange, PostingRow, TransactionRow};
use crate::teller::native::post::Posted;

/// Whether a transaction took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// It took effect.
    Completed,
    /// It moved nothing.
    Declined,
}

impl TransactionStatus {
    /// The name wherever it is written as text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Declined => "declined",
        }
    }
}

/// The outcome of a command.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostedTransaction {
    /// Without postings where nothing was posted, as by a void.
    pub transaction: Transaction,
    /// The key was used before by the same request: this is its first answer.
    pub replayed: bool,
}

impl From<Posted> for PostedTransaction {
    fn from(posted: Posted) -> Self {
        Self { transaction: posted.transaction.into(), replayed: posted.replayed }
    }
}

/// A transaction.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NativeTransaction)]
pub struct Transaction {
    pub id: String,
    /// Such as `transfer`, `payment`, `hold`, `capture`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// `completed` or `declined`.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub status: TransactionStatus,
    /// What it moved, or was to move.
    pub postings: Vec<Posting>,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's words.
    pub description: Option<String>,
    /// As it was given.
    #[schema(value_type = Object)]
    pub metadata: Metadata,
    /// The request's correlation id.
    pub correlation_id: Option<String>,
    /// Who made it: the name of an API key or a certificate. Only callers with the scope admin are shown it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// From which address; only callers with the scope admin are shown it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_from: Option<String>,
    /// When it was accepted.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Why it was declined.
    pub decline: Option<Decline>,
    /// The payment that it gives back, in part or whole.
    pub refund_of: Option<String>,
    /// The transaction that it undoes.
    pub reverses: Option<String>,
    /// The rate that it pins, if it exchanged money.
    pub rate: Option<PinnedRate>,
}

/// The rate of an exchange: one unit of `base` is `rate` units of `quote`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PinnedRate {
    /// Its number.
    pub rate_id: i64,
    /// Currency code.
    pub base: String,
    /// Currency code.
    pub quote: String,
    #[schema(example = "0.9215")]
    pub rate: String,
    /// How the amount that arrived was rounded: `down`.
    pub rounding: String,
}

/// Money that leaves one account and arrives at another.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NativePosting)]
pub struct Posting {
    /// Who pays.
    pub source_account_id: String,
    /// Who is paid.
    pub destination_account_id: String,
    #[schema(example = "12.50")]
    pub amount: String,
    pub currency: String,
    /// The payer's balance after it, where a completed transaction is read.
    pub source_balance_after: Option<String>,
    /// The payee's balance after it, as well.
    pub destination_balance_after: Option<String>,
}

/// Why a transaction was declined.
#[derive(Debug, Serialize, ToSchema)]
pub struct Decline {
    /// For machines.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub code: DeclineCode,
    /// For people.
    pub message: String,
}

impl Transaction {
    /// As this caller may see it: only some are told who made it.
    pub fn shown(mut row: TransactionRow, rights: &Rights) -> Self {
        let (made_by, made_from) = (row.made_by.take(), row.made_from.take());
        let is_shown = |text: Option<String>| text.filter(|_| rights.sees_makers);
        Self { made_by: is_shown(made_by), made_from: is_shown(made_from), ..row.into() }
    }
}

impl From<TransactionRow> for Transaction {
    fn from(row: TransactionRow) -> Self {
        let given_back = row.refund_of.map(|(id, _)| id.0.to_string());
        let (refund_of, reverses) = if row.kind == Kind::REVERSAL { (None, given_back) } else { (given_back, None) };
        let is_declined = row.decline.is_some();
        Self {
            id: row.id.0.to_string(),
            kind: row.kind.as_str(),
            status: if is_declined { TransactionStatus::Declined } else { TransactionStatus::Completed },
            postings: row.postings.into_iter().map(Posting::from).collect(),
            idempotency_key: row.key,
            reference: row.reference,
            description: row.description,
            metadata: row.metadata.into(),
            correlation_id: row.correlation,
            made_by: None,
            made_from: None,
            created_at: timestamp(row.created_at),
            decline: row.decline.map(|(code, message)| Decline { code, message }),
            refund_of,
            reverses,
            rate: row.exchange.map(PinnedRate::from),
        }
    }
}

impl From<Exchange> for PinnedRate {
    fn from(Exchange { rate_id, base, quote, rate, rounding }: Exchange) -> Self {
        Self { rate_id, base, quote, rate, rounding }
    }
}

impl From<PostingRow> for Posting {
    fn from(row: PostingRow) -> Self {
        // payment.v1 declines what names a currency that Florin does not know: its amount is shown as it came.
        let exponent = row.exponent.and_then(|exponent| u8::try_from(exponent).ok()).unwrap_or(0);
        let text = |units: i128| decimal_text(units, exponent);
        Self {
            source_account_id: row.debit,
            destination_account_id: row.credit,
            amount: text(row.amount),
            currency: row.currency,
            source_balance_after: row.debit_after.map(|after| text(after.0)),
            destination_balance_after: row.credit_after.map(|after| text(after.0)),
        }
    }
}
