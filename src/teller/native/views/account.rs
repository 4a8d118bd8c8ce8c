//! Accounts and their entries.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Metadata, name};
use crate::ledger::Status;
use crate::money::{Currency, decimal_text};
use crate::protocol::events::timestamp;
use crate::protocol::record::{AccountKind, NormalSide};
use crate::store::accounts::AccountRow;
use crate::store::entries::EntryRow;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NativeAccount)]
pub struct Account {
    pub id: String,
    /// `user`, `system` or `external`.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub kind: AccountKind,
    /// `credit` or `debit`: where its balance normally stands.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub normal_side: NormalSide,
    /// What it is kept in.
    pub currency: String,
    /// `active`, `suspended` or `closed`.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub status: Status,
    /// Whose it is.
    pub owner: String,
    /// Credits less debits, also of an external account.
    #[schema(example = "100.00")]
    pub balance: String,
    /// What open holds promise.
    pub held: String,
    /// Balance less held.
    pub available: String,
    /// The lowest that may be left available; null: no limit.
    pub min_balance: Option<String>,
    /// The highest balance allowed; null: no limit.
    pub max_balance: Option<String>,
    /// Whether the balance keeps to both. A limit that was set past it binds new movements, and moves nothing.
    pub within_limits: bool,
    /// All debits ever.
    pub debits_posted: String,
    /// All credits ever.
    pub credits_posted: String,
    /// Raised by each change.
    pub version: i64,
    /// As it was given.
    #[schema(value_type = Object)]
    pub metadata: Metadata,
    /// When it was opened.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        let (posted, currency) = (row.posted, row.identity.currency);
        let text = |units: i128| decimal_text(units, currency.exponent);
        let totals = posted.totals;
        let balance = totals.credits - totals.debits;
        Self {
            id: row.identity.name.to_string(),
            kind: row.kind,
            normal_side: row.normal_side,
            currency: currency.code.to_string(),
            status: posted.guards.status,
            owner: row.owner,
            balance: text(balance),
            held: text(totals.held),
            available: text(balance - totals.held),
            min_balance: posted.guards.floor.map(text),
            max_balance: posted.guards.ceiling.map(text),
            within_limits: posted.is_within_limits(),
            debits_posted: text(totals.debits),
            credits_posted: text(totals.credits),
            version: totals.version,
            metadata: row.metadata.into(),
            created_at: timestamp(row.created_at),
        }
    }
}

/// One side of a posting, as the account sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub transaction_id: String,
    /// The number of the posting within its transaction, from 0.
    pub posting: u32,
    /// The other account.
    pub counter_account_id: String,
    /// Negative for a debit, positive for a credit.
    #[schema(example = "-12.50")]
    pub amount: String,
    /// The account's balance after it.
    pub balance_after: String,
    /// What the account is kept in.
    pub currency: String,
    /// When its transaction was accepted.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl Entry {
    /// Of an account that is kept in this currency.
    pub fn of(row: EntryRow, currency: Currency) -> Self {
        Self {
            transaction_id: row.transaction.to_string(),
            posting: u32::try_from(row.n).unwrap_or_default(), // counted from 0
            counter_account_id: row.counter,
            amount: decimal_text(row.amount, currency.exponent),
            balance_after: decimal_text(row.balance_after, currency.exponent),
            currency: currency.code.to_string(),
            created_at: timestamp(row.created_at),
        }
    }
}
