//! What the journal writes: one record per accepted or declined command, complete before it is admitted.

mod account;
mod billing;
mod kind;
mod maker;
mod rows;

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use uuid::Uuid;

use super::events::EventType;
use crate::ledger::Guards;
use crate::money::Amount;

pub use self::account::{AccountKind, NormalSide};
pub use self::billing::{DocumentKind, InvoiceRow, SettlementKind, SettlementRow};
pub use self::kind::Kind;
pub use self::maker::{Maker, Rights};
pub use self::rows::{AccountRow, ExchangeRow, FactRow, Operator, OperatorAction, Rows};

/// The tenant of callers that nobody asked who they are.
pub const DEFAULT_TENANT: &str = "default";

/// A transaction: UUID version 7, so in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub Uuid);

/// An account's number in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// The hash of API, tenant and idempotency key: unique for as long as keys are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub Uuid);

/// The hash of what was requested: tells a repeat from another request under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestHash(pub Uuid);

impl TransactionId {
    /// A new id. It sorts after all that this process drew in an earlier millisecond.
    pub fn draw() -> Self {
        Self(Uuid::now_v7())
    }
}

impl TransactionId {
    /// Whether it was made by [`Self::derived`] or [`Self::of_message`].
    pub fn is_derived(self) -> bool {
        self.0.get_version_num() == 8
    }

    /// The id of what a message does, wherever it came from and however often: `kind` says what kind of message it is,
    /// `id` is its own.
    pub fn of_message(kind: &str, tenant: &str, id: &str) -> Self {
        let hash = hash(&[b"message", kind.as_bytes(), tenant.as_bytes(), id.as_bytes()]);
        Self(uuid::Builder::from_custom_bytes(*hash.as_bytes()).into_uuid())
    }

    /// The id of what this step does to another transaction: the same, whoever does it and however often. A UUID
    /// version 8: it does not sort by time.
    pub fn derived(source: Self, step: &str) -> Self {
        Self(uuid::Builder::from_custom_bytes(*hash(&[source.0.as_bytes(), step.as_bytes()]).as_bytes()).into_uuid())
    }
}

/// The contract over which a command came in; part of the scope of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// The gRPC service `payment.v1`.
    PaymentV1 = 1,
    /// The native API, over gRPC or REST.
    FlorinV1 = 2,
    /// The accounts REST API.
    AccountsV1 = 3,
    /// Orders from Kafka and the gRPC service `ledger`.
    Orders = 4,
    /// Customers and their bills.
    Customers = 5,
}

impl Api {
    pub fn code(self) -> i16 {
        self as i16
    }

    /// By its name on the wire; an empty name is `florin.v1`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "payment.v1" => Some(Self::PaymentV1),
            "florin.v1" | "" => Some(Self::FlorinV1),
            "accounts.v1" => Some(Self::AccountsV1),
            "orders" => Some(Self::Orders),
            "customers" => Some(Self::Customers),
            _ => None,
        }
    }
}

/// The SHA-256 of these parts, cut to 128 bits. Each part is preceded by its length, so that they cannot run into each
/// other.
fn hash(parts: &[&[u8]]) -> Uuid {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        sha.update(part);
    }
    let digest = sha.finalize();
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(first)
}

impl KeyHash {
    /// For a key that a caller gave.
    pub fn of(api: Api, tenant: &str, key: &str) -> Self {
        Self(hash(&[&[api as u8], tenant.as_bytes(), key.as_bytes()]))
    }

    /// For a record without a caller's key: its own id.
    pub fn own(id: TransactionId) -> Self {
        Self(id.0)
    }
}

impl RequestHash {
    /// `parts` are all that makes two requests the same.
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(hash(parts))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Posting {
    /// The account that money leaves.
    pub debit: AccountId,
    /// The account at which it arrives.
    pub credit: AccountId,
    /// Above zero.
    pub amount: Amount,
}

/// A posting as it was requested; its accounts need not exist.
#[derive(Clone, Debug)]
pub struct RequestedPosting {
    /// The id of the account that was to pay.
    pub debit: String,
    /// The id of the account that was to be paid.
    pub credit: String,
    /// As requested: may be zero or negative.
    pub amount: Amount,
    /// As requested: may be no currency.
    pub currency: String,
    /// Decimals of the currency; 0 if the currency is unknown.
    pub exponent: u8,
}

/// Why a transaction was declined. The numbers are those of payment.v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclineCode {
    /// It would leave less available than the floor.
    InsufficientFunds = 1,
    AccountNotFound = 2,
    /// The amount is zero or less.
    InvalidAmount = 3,
    /// Payer and payee are the same.
    SameAccount = 4,
    CurrencyMismatch = 5,
    /// An account is suspended or closed.
    AccountInactive = 7,
    /// It would lift a balance above its ceiling.
    LimitExceeded = 8,
    /// More than is left to refund of the payment.
    RefundExceeded = 9,
    /// More than is left of the hold.
    HoldExceeded = 10,
}

impl DeclineCode {
    pub const ALL: [Self; 9] = [
        Self::InsufficientFunds,
        Self::AccountNotFound,
        Self::InvalidAmount,
        Self::SameAccount,
        Self::CurrencyMismatch,
        Self::AccountInactive,
        Self::LimitExceeded,
        Self::RefundExceeded,
        Self::HoldExceeded,
    ];

    /// The number wherever it is stored.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// `None`: no code has this number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// The name in events and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "INSUFFICIENT_FUNDS",
            Self::AccountNotFound => "ACCOUNT_NOT_FOUND",
            Self::InvalidAmount => "INVALID_AMOUNT",
            Self::SameAccount => "SAME_ACCOUNT",
            Self::CurrencyMismatch => "CURRENCY_MISMATCH",
            Self::AccountInactive => "ACCOUNT_INACTIVE",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::RefundExceeded => "REFUND_EXCEEDED",
            Self::HoldExceeded => "HOLD_EXCEEDED",
        }
    }
}

/// New guards of an account: all of them, also those that stay as they are.
#[derive(Clone, Copy, Debug)]
pub struct AccountChange {
    pub account: AccountId,
    /// What bounds it from then on.
    pub guards: Guards,
}

/// The balances of a posting's two accounts after it, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalancesAfter {
    /// Of the account that money leaves.
    pub debit: i128,
    /// Of the account at which it arrives.
    pub credit: i128,
}

/// What a record does, beside the rows that it brings.
#[derive(Clone, Debug)]
pub enum Body {
    /// Moves money. Without postings it only changes holds or adds rows.
    Postings(SmallVec<[Posting; 1]>),
    /// Moves nothing, and says why.
    Declined {
        code: DeclineCode,
        /// For people.
        message: String,
        /// As requested.
        postings: Vec<RequestedPosting>,
    },
    /// Retires a key: it had no effect and never will.
    Tombstone,
    /// Changes status, floor or ceiling of an account.
    AccountChange(AccountChange),
}

impl Body {
    /// How many rows of the journal it becomes.
    pub fn rows(&self) -> usize {
        if let Self::Postings(postings) = self { postings.len().max(1) } else { 1 }
    }
}

/// The transaction, hold or rate that a record refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follows {
    #[default]
    Nothing,
    /// It captures or voids this hold.
    Hold(TransactionId),
    /// It refunds this payment, in part or in whole.
    Refund(TransactionId),
    /// It reverses this transaction.
    Reversal(TransactionId),
    /// It exchanges money at this rate.
    Exchange(ExchangeRow),
}

impl Follows {
    /// `None` for an exchange: it refers to a rate only.
    pub fn transaction(self) -> Option<TransactionId> {
        match self {
            Self::Hold(id) | Self::Refund(id) | Self::Reversal(id) => Some(id),
            Self::Nothing | Self::Exchange(_) => None,
        }
    }
}

/// What the journal is given to write. The handler of the request has drawn its id and hashed the request already.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: TransactionId,
    pub tenant: Arc<str>,
    pub api: Api,
    pub kind: Kind,
    pub key: KeyHash,
    /// The idempotency key as the caller gave it; `None`: the record goes by its own id.
    pub key_text: Option<String>,
    pub request: RequestHash,
    /// Free text of the caller.
    pub reference: Option<String>,
    /// Free text of the caller.
    pub description: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    pub correlation: Option<String>,
    pub maker: Maker,
    /// When it was accepted for processing, in whole microseconds.
    pub created_at: DateTime<Utc>,
    /// After this it may no longer be written for the first time: nobody waits for it any more.
    pub cutoff: Instant,
    pub body: Body,
    pub follows: Follows,
    /// What it writes to other tables.
    pub rows: Vec<Rows>,
    /// A JSON object of what no column of the journal says.
    pub facts: Option<String>,
    /// Whether the answer is to carry the balances after each posting.
    pub with_balances: bool,
    /// The event that it is published as; `None`: none.
    pub event: Option<EventType>,
}

impl Record {
    /// A record of Florin's own, without a caller's key. It moves nothing yet.
    pub fn new(
        id: TransactionId,
        tenant: Arc<str>,
        api: Api,
        kind: Kind,
        request: RequestHash,
        cutoff: Instant,
    ) -> Self {
        Self {
            id,
            tenant,
            api,
            kind,
            key: KeyHash::own(id),
            key_text: None,
            request,
            reference: None,
            description: None,
            metadata: None,
            correlation: None,
            maker: Maker::default(),
            created_at: now_micros(),
            cutoff,
            body: Body::Postings(SmallVec::new()),
            follows: Follows::Nothing,
            rows: Vec::new(),
            facts: None,
            with_balances: false,
            event: None,
        }
    }
}

/// The time in whole microseconds, as the database keeps it.
pub fn now_micros() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_another_scope_never_meet() {
        let keys = [
            KeyHash::of(Api::PaymentV1, "a", "bc"),
            KeyHash::of(Api::PaymentV1, "ab", "c"),
            KeyHash::of(Api::FlorinV1, "a", "bc"),
            KeyHash::of(Api::PaymentV1, "a", "bd"),
        ];
        for (n, key) in keys.iter().enumerate() {
            assert!(!keys[n + 1..].contains(key));
        }
    }
}
