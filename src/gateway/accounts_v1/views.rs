//! The shapes that reads answer with: accounts and transactions as clients of the accounts REST API know them.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::gateway::accounts_v1::text::shown;
use crate::gateway::http::text::stored;
use crate::gateway::http::text::{metadata, time};
use crate::ledger::Status;
use crate::protocol::record::{AccountKind, DeclineCode, Kind};
use crate::store::accounts::AccountRow;
use crate::store::transactions::TransactionRow;
use crate::teller::externals::Among;

/// What an account is called by its kind.
pub const ACCOUNT_TYPES: [(&str, AccountKind); 3] =
    [("user", AccountKind::User), ("system", AccountKind::System), ("external", AccountKind::External)];
/// What a status is called.
pub const STATUSES: [(&str, Status); 3] =
    [("active", Status::Active), ("suspended", Status::Suspended), ("closed", Status::Closed)];

/// A status by name.
pub fn status(status: Status) -> &'static str {
    status.name()
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner_id: String,
    /// What kind of owner that is.
    pub owner_type: String,
    /// `user`, `system` or `external`.
    #[schema(value_type = String)]
    pub account_type: &'static str,
    /// What kind of account it is to its owner.
    pub account_subtype: Option<String>,
    /// What it is kept in.
    pub currency: String,
    /// What is posted; an external account shows zero.
    #[schema(example = "100.00000000")]
    pub balance: String,
    /// `active`, `suspended` or `closed`.
    #[schema(value_type = String)]
    pub status: &'static str,
    /// The highest balance allowed.
    pub max_balance: Option<String>,
    /// The lowest balance allowed, if it is not zero.
    pub min_balance: Option<String>,
    /// As it was given.
    #[schema(value_type = Object)]
    pub metadata: Box<RawValue>,
    /// When it was opened.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it changed last.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// Raised by each change.
    pub aggregate_version: i64,
    /// The last transaction on it.
    pub last_event_id: Option<String>,
    /// When that was.
    #[schema(format = DateTime)]
    pub last_event_timestamp: Option<String>,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        let exponent = row.identity.currency.exponent;
        let totals = row.posted.totals;
        let balance = if row.kind == AccountKind::External { 0 } else { totals.credits - totals.debits };
        let last = row.last_transaction;
        Self {
            id: row.identity.name.to_string(),
            owner_id: row.owner,
            owner_type: row.owner_type,
            account_type: ACCOUNT_TYPES.iter().find(|(_, kind)| *kind == row.kind).map_or("user", |(name, _)| name),
            account_subtype: row.subtype,
            currency: row.identity.currency.code.to_string(),
            balance: stored(balance, exponent),
            status: status(row.posted.guards.status),
            max_balance: row.posted.guards.ceiling.map(|limit| stored(limit, exponent)),
            // zero is what nobody asked for
            min_balance: row.posted.guards.floor.filter(|floor| *floor != 0).map(|limit| stored(limit, exponent)),
            metadata: metadata(row.metadata.as_deref()),
            created_at: time(row.created_at),
            updated_at: time(last.map_or(row.created_at, |(_, at)| at)),
            aggregate_version: totals.version.saturating_add(1),
            last_event_id: last.map(|(id, _)| id.0.to_string()),
            last_event_timestamp: last.map(|(_, at)| time(at)),
        }
    }
}

/// A transaction.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// Its id.
    pub id: String,
    /// `topup`, `withdrawal`, `transfer_debit`, `transfer_credit`, `payment`, `refund`, `cancellation` (a reversal), or
    /// a kind of Florin's own.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// `completed`, `failed`, `refunded` or `cancelled` (reversed).
    #[schema(value_type = String)]
    pub status: &'static str,
    /// In the currency's major unit.
    #[schema(example = "10.50000000")]
    pub amount: String,
    /// What it does to the source.
    #[schema(example = "-10.50000000")]
    pub source_signed_amount: String,
    /// What it does to the destination.
    pub destination_signed_amount: String,
    /// What it is in.
    pub currency: String,
    /// Who pays.
    pub source_account_id: String,
    /// Who is paid.
    pub destination_account_id: String,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// The request's correlation id.
    pub correlation_id: Option<String>,
    /// Why it failed, in words.
    pub failure_reason: Option<String>,
    /// Why it failed.
    #[schema(value_type = Option<String>)]
    pub failure_code: Option<&'static str>,
    /// The source's balance after it.
    pub source_new_balance: Option<String>,
    /// The destination's balance after it.
    pub destination_new_balance: Option<String>,
    /// The transaction that it gives back.
    pub original_payment_id: Option<String>,
    /// What was given back of it so far.
    pub refunded_amount: Option<String>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// When it was accepted.
    #[schema(format = DateTime)]
    pub requested_at: String,
    /// When it took effect.
    #[schema(format = DateTime)]
    pub completed_at: Option<String>,
    /// Never: a movement inside the ledger is done whole or not at all.
    #[schema(format = DateTime)]
    pub compensated_at: Option<String>,
    /// Never.
    pub compensation_reason: Option<String>,
    /// Never any.
    pub compensation_actions: Vec<String>,
    /// When it changed last.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// Raised by each change.
    pub aggregate_version: i64,
    /// As it was given.
    #[schema(value_type = Object)]
    pub metadata: Box<RawValue>,
}

/// Whether all of a payment was given back.
pub fn is_refunded(row: &TransactionRow) -> bool {
    row.refunded.is_some_and(|given| row.postings.first().is_some_and(|posting| given >= posting.amount))
}

/// What a kind is called.
pub fn kind(kind: Kind, is_credit: bool) -> &'static str {
    match kind {
        Kind::TRANSFER if is_credit => "transfer_credit",
        Kind::TRANSFER => "transfer_debit",
        Kind::REVERSAL => "cancellation",
        other => other.as_str(),
    }
}

/// Why a transaction failed, as machines read it: a limit of an account is told by what was refused.
pub fn failure_code(kind: Kind, code: DeclineCode) -> &'static str {
    match code {
        DeclineCode::LimitExceeded => match kind {
            Kind::TOPUP => "TOPUP_FAILED",
            Kind::WITHDRAWAL => "WITHDRAWAL_FAILED",
            Kind::TRANSFER => "TRANSFER_FAILED",
            Kind::PAYMENT => "PAYMENT_FAILED",
            Kind::REFUND => "REFUND_FAILED",
            _ => code.name(),
        },
        DeclineCode::InsufficientFunds => "INSUFFICIENT_BALANCE",
        DeclineCode::SameAccount => "SAME_ACCOUNT_TRANSFER",
        other => other.name(),
    }
}

/// A transaction with postings; changes of accounts have none and are not shown here. Of several postings the first is
/// shown.
pub fn transaction(row: TransactionRow, among: &Among, as_credit: bool) -> Option<Transaction> {
    let status = match (&row.decline, is_refunded(&row)) {
        (Some(_), _) => "failed",
        (None, true) if row.reversed => "cancelled",
        (None, true) => "refunded",
        (None, false) => "completed",
    };
    let posting = row.postings.into_iter().next()?;
    let exponent = posting.exponent.and_then(|exponent| u8::try_from(exponent).ok()).unwrap_or(0);
    let at = time(row.created_at);
    let completed = row.decline.is_none();
    let (failure_code, failure_reason) =
        row.decline.map(|(code, reason)| (failure_code(row.kind, code), reason)).unzip();
    let after = |name: &str, after: Option<crate::store::numeric::Numeric>| {
        after.map(|after| shown(among, name, after.0, exponent))
    };
    Some(Transaction {
        id: row.id.0.to_string(),
        kind: kind(row.kind, as_credit),
        status,
        amount: stored(posting.amount, exponent),
        source_signed_amount: stored(-posting.amount, exponent),
        destination_signed_amount: stored(posting.amount, exponent),
        currency: posting.currency,
        source_new_balance: after(&posting.debit, posting.debit_after),
        destination_new_balance: after(&posting.credit, posting.credit_after),
        source_account_id: posting.debit,
        destination_account_id: posting.credit,
        idempotency_key: row.key,
        correlation_id: row.correlation,
        failure_reason,
        failure_code,
        original_payment_id: row.refund_of.map(|(id, _)| id.0.to_string()),
        refunded_amount: row.refunded.map(|given| stored(given, exponent)),
        reference: row.reference,
        requested_at: at.clone(),
        completed_at: completed.then(|| at.clone()),
        compensated_at: None,
        compensation_reason: None,
        compensation_actions: Vec::new(),
        updated_at: at,
        aggregate_version: 2, // asked for, and done or failed
        metadata: metadata(row.metadata.as_deref()),
    })
}
