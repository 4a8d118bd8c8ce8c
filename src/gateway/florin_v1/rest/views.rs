//! The shapes that this API answers with. Amounts have their currency's own decimals.

pub mod currency;
pub mod saga;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::gateway::http::text::metadata;
use crate::ledger::Status;
use crate::money::decimal_text;
use crate::protocol::events::timestamp;
use crate::protocol::record::{AccountKind, Kind, NormalSide};
use crate::store::accounts::AccountRow;
use crate::store::entries::EntryRow;
use crate::store::holds::{HoldRow, HoldState};
use crate::store::transactions::{Exchange, PostingRow, TransactionRow};

/// What an account is called by its kind.
const KINDS: [(&str, AccountKind); 3] =
    [("user", AccountKind::User), ("system", AccountKind::System), ("external", AccountKind::External)];
/// What a status is called.
pub const STATUSES: [(&str, Status); 3] =
    [("active", Status::Active), ("suspended", Status::Suspended), ("closed", Status::Closed)];
/// What the states of a hold are called.
pub const HOLD_STATES: [(&str, HoldState); 3] =
    [("open", HoldState::Open), ("captured", HoldState::Captured), ("voided", HoldState::Voided)];

/// Money that is promised and not posted yet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Its id, which is that of the transaction that made it.
    pub id: String,
    /// Whose money.
    pub source_account_id: String,
    /// Who is to be paid.
    pub destination_account_id: String,
    /// How much was held.
    #[schema(example = "60.00")]
    pub amount: String,
    /// Of which currency.
    pub currency: String,
    /// `open`; with nothing left: `captured` if something was, else `voided`.
    #[schema(value_type = String)]
    pub status: &'static str,
    /// Paid so far.
    pub captured: String,
    /// Let go so far, also by expiry.
    pub voided: String,
    /// Still held.
    pub remaining: String,
    /// When what is left is let go.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

impl From<HoldRow> for Hold {
    fn from(row: HoldRow) -> Self {
        let text = |units: i128| decimal_text(units, row.exponent);
        Self {
            id: row.id.to_string(),
            amount: text(row.amount),
            status: HOLD_STATES.iter().find(|(_, state)| *state == row.state()).map_or("open", |(name, _)| name),
            captured: text(row.captured),
            voided: text(row.voided),
            remaining: text(row.remaining()),
            expires_at: timestamp(row.expires_at),
            source_account_id: row.debit,
            destination_account_id: row.credit,
            currency: row.currency,
        }
    }
}

/// A hold that was made, as it was then.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldMade {
    /// The hold.
    #[serde(flatten)]
    pub hold: Hold,
    /// The transaction that made it.
    pub transaction_id: String,
    /// The key was used before by the same request: this is its first answer.
    pub replayed: bool,
}

/// A capture or a void.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldStep {
    /// What it did; a void has no postings.
    #[serde(flatten)]
    pub transaction: NativeTransaction,
    /// The hold.
    pub hold_id: String,
    /// The key was used before by the same request: this is its first answer.
    pub replayed: bool,
}

/// A transaction that was posted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostedTransaction {
    /// The transaction.
    #[serde(flatten)]
    pub transaction: NativeTransaction,
    /// The key was used before by the same request: this is its first answer.
    pub replayed: bool,
}

/// A transaction.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NativeTransaction {
    /// Its id.
    pub id: String,
    /// Such as `transfer`, `payment`, `hold`, `capture`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// `completed` or `declined`.
    #[schema(value_type = String)]
    pub status: &'static str,
    /// What it moved, or was to move.
    pub postings: Vec<NativePosting>,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's words.
    pub description: Option<String>,
    /// As it was given.
    #[schema(value_type = Object)]
    pub metadata: Box<RawValue>,
    /// The request's correlation id.
    pub correlation_id: Option<String>,
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

/// The rate of an exchange: one unit of base is so many units of quote.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PinnedRate {
    /// Its number.
    pub rate_id: i64,
    /// One unit of this currency
    pub base: String,
    /// of this
    pub quote: String,
    /// is so many.
    #[schema(example = "0.9215")]
    pub rate: String,
    /// How the amount that arrived was rounded: `half_even`.
    pub rounding: String,
}

/// Money that leaves one account and arrives at another.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NativePosting {
    /// Who pays.
    pub source_account_id: String,
    /// Who is paid.
    pub destination_account_id: String,
    /// How much.
    #[schema(example = "12.50")]
    pub amount: String,
    /// Of which currency.
    pub currency: String,
    /// The payer's balance after it, where a completed transaction is read.
    pub source_balance_after: Option<String>,
    /// The payee's.
    pub destination_balance_after: Option<String>,
}

/// Why a transaction was declined.
#[derive(Debug, Serialize, ToSchema)]
pub struct Decline {
    /// For machines.
    #[schema(value_type = String)]
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl From<TransactionRow> for NativeTransaction {
    fn from(row: TransactionRow) -> Self {
        let given_back = row.refund_of.map(|(id, _)| id.0.to_string());
        let (refund_of, reverses) = if row.kind == Kind::REVERSAL { (None, given_back) } else { (given_back, None) };
        Self {
            id: row.id.0.to_string(),
            kind: row.kind.as_str(),
            status: if row.decline.is_some() { "declined" } else { "completed" },
            postings: row.postings.into_iter().map(NativePosting::from).collect(),
            idempotency_key: row.key,
            reference: row.reference,
            description: row.description,
            metadata: metadata(row.metadata.as_deref()),
            correlation_id: row.correlation,
            created_at: timestamp(row.created_at),
            decline: row.decline.map(|(code, message)| Decline { code: code.name(), message }),
            refund_of,
            reverses,
            rate: row.exchange.map(|Exchange { rate_id, base, quote, rate, rounding }| PinnedRate {
                rate_id,
                base,
                quote,
                rate,
                rounding,
            }),
        }
    }
}

impl From<PostingRow> for NativePosting {
    fn from(row: PostingRow) -> Self {
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

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NativeAccount {
    /// Its id.
    pub id: String,
    /// `user`, `system` or `external`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// `credit` or `debit`: where its balance normally stands.
    #[schema(value_type = String)]
    pub normal_side: &'static str,
    /// What it is kept in.
    pub currency: String,
    /// `active`, `suspended` or `closed`.
    #[schema(value_type = String)]
    pub status: &'static str,
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
    pub metadata: Box<RawValue>,
    /// When it was opened.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl From<AccountRow> for NativeAccount {
    fn from(row: AccountRow) -> Self {
        let (posted, exponent) = (row.posted, row.identity.currency.exponent);
        let text = |units: i128| decimal_text(units, exponent);
        let totals = posted.totals;
        Self {
            id: row.identity.name.to_string(),
            kind: kind(row.kind),
            normal_side: if row.normal_side == NormalSide::Credit { "credit" } else { "debit" },
            currency: row.identity.currency.code.to_string(),
            status: posted.guards.status.name(),
            owner: row.owner,
            balance: text(totals.credits - totals.debits),
            held: text(totals.held),
            available: text(totals.credits - totals.debits - totals.held),
            min_balance: posted.guards.floor.map(text),
            max_balance: posted.guards.ceiling.map(text),
            within_limits: posted.is_within_limits(),
            debits_posted: text(totals.debits),
            credits_posted: text(totals.credits),
            version: totals.version,
            metadata: metadata(row.metadata.as_deref()),
            created_at: timestamp(row.created_at),
        }
    }
}

fn kind(kind: AccountKind) -> &'static str {
    KINDS.iter().find(|(_, known)| *known == kind).map_or("user", |(name, _)| name)
}

/// One side of a posting, as the account sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its transaction.
    pub transaction_id: String,
    /// Its place in the transaction.
    pub posting: i16,
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
    pub fn of(row: EntryRow, currency: crate::money::Currency) -> Self {
        Self {
            transaction_id: row.transaction.to_string(),
            posting: row.n,
            counter_account_id: row.counter,
            amount: decimal_text(row.amount, currency.exponent),
            balance_after: decimal_text(row.balance_after, currency.exponent),
            currency: currency.code.to_string(),
            created_at: timestamp(row.created_at),
        }
    }
}

/// A page of holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldPage {
    /// The newest first.
    pub items: Vec<Hold>,
    /// Where the next page begins; null after the last.
    pub next_page_token: Option<String>,
}

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryPage {
    /// The newest first.
    pub items: Vec<Entry>,
    /// Where the next page begins; null after the last.
    pub next_page_token: Option<String>,
}

/// A page of transactions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionPage {
    /// The newest first; of an account, the last committed first.
    #[schema(value_type = Vec<NativeTransaction>)]
    pub items: Vec<Box<RawValue>>,
    /// Where the next page begins; null after the last.
    pub next_page_token: Option<String>,
}
