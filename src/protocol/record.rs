//! What the journal writes: one record per accepted or declined command, complete before it is admitted.

mod kind;
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

pub use self::kind::Kind;
pub use self::rows::{AccountRow, ExchangeRow, FactRow, Operator, OperatorAction, Rows};

/// The tenant of callers that nobody asked who they are.
pub const DEFAULT_TENANT: &str = "default";

/// A transaction: UUID version 7, so in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub Uuid);

/// An account's compact internal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// The hash of API, tenant and idempotency key: what must be unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub Uuid);

/// The hash of what was asked: tells a repeat from another request under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestHash(pub Uuid);

impl TransactionId {
    /// A new one, later than all this process drew before in another millisecond.
    pub fn draw() -> Self {
        Self(Uuid::now_v7())
    }
}

impl TransactionId {
    /// Whether it follows from another.
    pub fn is_derived(self) -> bool {
        self.0.get_version_num() == 8
    }

    /// The id of what follows from another transaction by this step, whoever does it and however often. A UUID version 8: it does not sort by time.
    pub fn derived(source: Self, step: &str) -> Self {
        Self(uuid::Builder::from_custom_bytes(*hash(&[source.0.as_bytes(), step.as_bytes()]).as_bytes()).into_uuid())
    }
}

/// Where a command came in; part of the scope of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// payment.v1
    PaymentV1 = 1,
    /// florin.v1
    FlorinV1 = 2,
    /// accounts and transactions over REST
    AccountsV1 = 3,
}

impl Api {
    /// Its number in the database.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// The one of a number in the database.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::PaymentV1, Self::FlorinV1, Self::AccountsV1].into_iter().find(|api| api.code() == code)
    }

    /// By its name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "payment.v1" => Some(Self::PaymentV1),
            "florin.v1" | "" => Some(Self::FlorinV1),
            "accounts.v1" => Some(Self::AccountsV1),
            _ => None,
        }
    }
}

/// The SHA-256 of parts that cannot run into each other, cut to 128 bits.
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
    /// The scope of a caller's key.
    pub fn of(api: Api, tenant: &str, key: &str) -> Self {
        Self(hash(&[&[api as u8], tenant.as_bytes(), key.as_bytes()]))
    }

    /// A record without a caller's key goes by its own id.
    pub fn own(id: TransactionId) -> Self {
        Self(id.0)
    }
}

impl RequestHash {
    /// Of the parts that make two requests the same.
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(hash(parts))
    }
}

/// Money leaves `debit` and arrives at `credit`.
#[derive(Clone, Copy, Debug)]
pub struct Posting {
    /// The account that pays.
    pub debit: AccountId,
    /// The account that is paid.
    pub credit: AccountId,
    /// Positive.
    pub amount: Amount,
}

/// A posting as it was asked for; its accounts need not exist.
#[derive(Clone, Debug)]
pub struct DeclinedPosting {
    /// The account that was to pay.
    pub debit: String,
    /// The account that was to be paid.
    pub credit: String,
    /// As asked, of any sign.
    pub amount: Amount,
    /// As asked.
    pub currency: String,
    /// Decimals of the currency; 0 if it is none of ours.
    pub exponent: u8,
}

/// Why a transaction was declined; the numbers are those of payment.v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclineCode {
    /// A floor would be broken.
    InsufficientFunds = 1,
    /// No such account.
    AccountNotFound = 2,
    /// Zero or less.
    InvalidAmount = 3,
    /// Payer and payee are one.
    SameAccount = 4,
    /// An account is kept in another currency.
    CurrencyMismatch = 5,
    /// Suspended or closed.
    AccountInactive = 7,
    /// A ceiling would be passed.
    LimitExceeded = 8,
    /// More than is left of the payment.
    RefundExceeded = 9,
    /// More than is left of the hold.
    HoldExceeded = 10,
}

impl DeclineCode {
    /// The one of a number in the database.
    pub fn from_code(code: i16) -> Option<Self> {
        [
            Self::InsufficientFunds,
            Self::AccountNotFound,
            Self::InvalidAmount,
            Self::SameAccount,
            Self::CurrencyMismatch,
            Self::AccountInactive,
            Self::LimitExceeded,
            Self::RefundExceeded,
            Self::HoldExceeded,
        ]
        .into_iter()
        .find(|known| *known as i16 == code)
    }

    /// The name that events of payment.v1 carry.
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

/// New guards of an account, all of them.
#[derive(Clone, Copy, Debug)]
pub struct AccountChange {
    /// Whose.
    pub account: AccountId,
    /// What bounds it from then on.
    pub guards: Guards,
}

/// Credits less debits of a posting's two accounts after it, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalancesAfter {
    /// Of the account that paid.
    pub debit: i128,
    /// Of the account that was paid.
    pub credit: i128,
}

/// What a record does.
#[derive(Clone, Debug)]
pub enum Body {
    /// Moves money.
    Postings(SmallVec<[Posting; 1]>),
    /// Moves none, and says why.
    Declined {
        /// The reason.
        code: DeclineCode,
        /// The reason in words.
        message: String,
        /// What was asked for.
        postings: Vec<DeclinedPosting>,
    },
    /// Retires a key: it had no effect and never will.
    Tombstone,
    /// Changes an account's guards.
    AccountChange(AccountChange),
}

/// Who made a record, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maker {
    /// An API key's or a certificate's name; none: nobody was asked who they are.
    pub name: Option<Arc<str>>,
    /// The caller's address; none: Florin itself.
    pub address: Option<Arc<str>>,
}

/// What a transaction follows from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follows {
    /// Nothing but its request.
    #[default]
    Nothing,
    /// It takes from this hold.
    Hold(TransactionId),
    /// It gives back this payment, in part or whole.
    Refund(TransactionId),
    /// It undoes this transaction.
    Reversal(TransactionId),
    /// It exchanges money at this rate.
    Exchange(ExchangeRow),
}

impl Follows {
    /// The transaction that it follows.
    pub fn transaction(self) -> Option<TransactionId> {
        match self {
            Self::Hold(id) | Self::Refund(id) | Self::Reversal(id) => Some(id),
            Self::Nothing | Self::Exchange(_) => None,
        }
    }
}

/// One entry of the journal, ready to be written: its id is drawn and its request hashed by the request's own handler.
#[derive(Clone, Debug)]
pub struct Record {
    /// The transaction.
    pub id: TransactionId,
    /// Whose it is.
    pub tenant: Arc<str>,
    /// Where it came in.
    pub api: Api,
    /// What it is.
    pub kind: Kind,
    /// What must be unique.
    pub key: KeyHash,
    /// The caller's key as given.
    pub key_text: Option<String>,
    /// What was asked.
    pub request: RequestHash,
    /// The caller's own reference.
    pub reference: Option<String>,
    /// The caller's words.
    pub description: Option<String>,
    /// A JSON object of texts.
    pub metadata: Option<String>,
    /// The request's correlation id.
    pub correlation: Option<String>,
    /// Who made it.
    pub maker: Maker,
    /// When it was accepted for processing; microseconds.
    pub created_at: DateTime<Utc>,
    /// After this it may no longer be written for the first time.
    pub cutoff: Instant,
    /// What it does.
    pub body: Body,
    /// What it follows from.
    pub follows: Follows,
    /// Rows of its own.
    pub rows: Vec<Rows>,
    /// A JSON object: what no column of the journal says.
    pub facts: Option<String>,
    /// Whoever waits wants to know the balances after each posting.
    pub with_balances: bool,
    /// What Kafka hears of it.
    pub event: Option<EventType>,
}

impl Record {
    /// A record of Florin's own that goes by its id; it moves nothing yet.
    pub fn new(id: TransactionId, tenant: Arc<str>, api: Api, kind: Kind, request: RequestHash, cutoff: Instant) -> Self {
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

/// Now, in the microseconds that the database keeps.
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
