//! What callers get when there is no business answer: one enum, which each wire maps in one place.

use super::validate::cut;
use crate::protocol::record::TransactionId;

/// What a call may name that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    Account,
    Hold,
    Transaction,
    Invoice,
    Customer,
    Other,
}

/// Why a call has no business answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A field is wrong: the text names the field, its value (cut) and the limit.
    #[error("{0}")]
    Invalid(String),
    /// The text names what does not exist.
    #[error("{1}")]
    NotFound(Noun, String),
    /// There is one of this name already, with other properties: the text names the first difference.
    #[error("{0}")]
    AlreadyExists(String),
    /// It cannot be done as things stand: the text says why. Nothing was done.
    #[error("{0}")]
    FailedPrecondition(String),
    /// The node has as many commands in flight as it may have.
    #[error("{max} commands are in flight, which is the limit: try again")]
    AtBound {
        /// In commands.
        max: usize,
    },
    /// One account has as many commands in flight as it may have.
    #[error("too much waits on one account (limit {max}): try again")]
    AccountBusy {
        /// In commands.
        max: usize,
    },
    /// The client has made all the calls of its window.
    #[error("rate limit exceeded: try again in {retry_after_ms} ms")]
    RateLimited {
        /// Milliseconds until the client may call again.
        retry_after_ms: u64,
    },
    /// Certainly not done.
    #[error("the database is away: nothing was done, try again")]
    DatabaseAway,
    /// Another node leads; certainly not done.
    #[error("this node stands by: nothing was done, try another or again")]
    NotLeader,
    /// An actor ended on the way; certainly not done.
    #[error("interrupted: nothing was done, try again")]
    Interrupted,
    /// It waited past its cut-off; certainly not done.
    #[error("not done in time: nothing was done, try again")]
    TooLate,
    /// Too many events wait for Kafka: the text has the figures. It was not looked at.
    #[error("{0}: not taken on, try again")]
    Backpressure(String),
    /// The text names a part that is not set up; certainly not done.
    #[error("{0}: nothing was done")]
    Unconfigured(&'static str),
    /// Maybe done.
    #[error("outcome unknown, retry with the same key")]
    Unknown,
    /// This attempt was certainly not done, an earlier one under the same key maybe: the text says why not this one.
    #[error("{0}: outcome of earlier attempts unknown, retry with the same key")]
    EarlierUnknown(String),
    /// The caller's own deadline came first. Maybe done.
    #[error("deadline exceeded, outcome unknown, retry with the same key")]
    Deadline,
    /// Another request used the key before.
    #[error("the idempotency key was used before by another request")]
    KeyReused,
    /// The key was retired: it had no effect and never will.
    #[error("the idempotency key is retired: it was declared never used")]
    KeyRetired,
    /// The caller may not do this, or not with these accounts: the text says what is lacking. The call was
    /// not looked at any further.
    #[error("{0}")]
    Forbidden(String),
    /// A bug, or a guard that caught one; certainly not done.
    #[error("refused by a guard of the ledger: nothing was done")]
    Guard,
}

impl Failure {
    /// There is no account of this id.
    pub fn no_account(id: &str) -> Self {
        Self::NotFound(Noun::Account, format!("Account not found: {}", cut(id)))
    }

    /// There is no hold of this id.
    pub fn no_hold(id: &str) -> Self {
        Self::NotFound(Noun::Hold, format!("Hold not found: {}", cut(id)))
    }

    /// There is no transaction of this id.
    pub fn no_transaction(id: &str) -> Self {
        Self::NotFound(Noun::Transaction, format!("Transaction not found: {}", cut(id)))
    }

    /// There is no invoice of this id.
    pub fn no_invoice(id: &str) -> Self {
        Self::NotFound(Noun::Invoice, format!("Invoice not found: {}", cut(id)))
    }

    /// There is no customer of this id.
    pub fn no_customer(id: &str) -> Self {
        Self::NotFound(Noun::Customer, format!("Customer not found: {}", cut(id)))
    }

    /// There is no transaction of this id that moved money.
    pub fn not_completed(id: TransactionId) -> Self {
        Self::NotFound(Noun::Transaction, format!("Transaction not found, or it was declined: {}", id.0))
    }

    /// Whether its caller takes it that nothing was done.
    pub fn says_not_done(&self) -> bool {
        matches!(
            self,
            Self::FailedPrecondition(_)
                | Self::DatabaseAway
                | Self::NotLeader
                | Self::Interrupted
                | Self::TooLate
                | Self::Unconfigured(_)
                | Self::Guard
        )
    }

    /// The same of this attempt alone.
    #[must_use]
    pub fn of_this_attempt(self) -> Self {
        if !self.says_not_done() {
            return self;
        }
        let text = self.to_string();
        Self::EarlierUnknown(text.split_once(": nothing was done").map_or(&*text, |(why, _)| why).to_owned())
    }

    /// What a call with a key hears if it ended before its key could be looked for.
    #[must_use]
    pub fn with_key(self, has_key: bool) -> Self {
        match self {
            Self::DatabaseAway | Self::NotLeader if has_key => self.of_this_attempt(),
            failure => failure,
        }
    }

    /// The code that machines read.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_ARGUMENT",
            Self::NotFound(Noun::Account, _) => "ACCOUNT_NOT_FOUND",
            Self::NotFound(Noun::Hold, _) => "HOLD_NOT_FOUND",
            Self::NotFound(Noun::Transaction, _) => "TRANSACTION_NOT_FOUND",
            Self::NotFound(Noun::Invoice, _) => "INVOICE_NOT_FOUND",
            Self::NotFound(Noun::Customer, _) => "CUSTOMER_NOT_FOUND",
            Self::NotFound(Noun::Other, _) => "NOT_FOUND",
            Self::AlreadyExists(_) => "ALREADY_EXISTS",
            Self::FailedPrecondition(_) => "FAILED_PRECONDITION",
            Self::AtBound { .. } => "IN_FLIGHT_LIMIT",
            Self::AccountBusy { .. } => "ACCOUNT_LIMIT",
            Self::RateLimited { .. } => "RATE_LIMIT",
            Self::DatabaseAway => "DATABASE_AWAY",
            Self::NotLeader => "STANDBY",
            Self::Interrupted => "INTERRUPTED",
            Self::TooLate => "TOO_LATE",
            Self::Backpressure(_) => "BACKPRESSURE",
            Self::Unconfigured(_) => "NOT_CONFIGURED",
            Self::Unknown | Self::EarlierUnknown(_) => "OUTCOME_UNKNOWN",
            Self::Deadline => "DEADLINE_EXCEEDED",
            Self::KeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::KeyRetired => "IDEMPOTENCY_KEY_RETIRED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::Guard => "LEDGER_GUARD",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_one_attempt_claims_nothing_of_others() {
        for (failure, text) in [
            (Failure::DatabaseAway, "the database is away"),
            (Failure::NotLeader, "this node stands by"),
            (Failure::TooLate, "not done in time"),
            (Failure::FailedPrecondition("rate 5 is too old".into()), "rate 5 is too old"),
        ] {
            let told = failure.of_this_attempt();
            assert_eq!(told.reason(), "OUTCOME_UNKNOWN");
            let text = format!("{text}: outcome of earlier attempts unknown, retry with the same key");
            assert_eq!((told.to_string(), told.says_not_done()), (text, false));
        }
        assert_eq!(Failure::KeyReused.of_this_attempt(), Failure::KeyReused);
    }
}
