//! What callers get when there is no business answer: one enum, mapped to each wire in one place.

/// Why a call has no business answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A field is wrong: which, its value (cut) and the limit, in words.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// There is such a thing, and it is another: the first difference, in words.
    #[error("{0}")]
    AlreadyExists(String),
    /// Not as things stand: why, in words. Nothing was done.
    #[error("{0}")]
    FailedPrecondition(String),
    /// The node has all the work that it may have.
    #[error("{max} commands are in flight, which is the limit: try again")]
    AtBound {
        /// The limit.
        max: usize,
    },
    /// One account has all the work that it may have.
    #[error("too much waits on one account (limit {max}): try again")]
    AccountBusy {
        /// The limit.
        max: usize,
    },
    /// The client has had all the calls of its window.
    #[error("rate limit exceeded: try again in {retry_after_ms} ms")]
    RateLimited {
        /// When there is room again.
        retry_after_ms: u64,
    },
    /// The database is away; certainly not done.
    #[error("the database is away: nothing was done, try again")]
    DatabaseAway,
    /// Another process serves; certainly not done.
    #[error("this node stands by: nothing was done, try another or again")]
    NotLeader,
    /// Certainly not done, for a reason of ours.
    #[error("interrupted: nothing was done, try again")]
    Interrupted,
    /// Certainly not done: it waited until its cut-off.
    #[error("not done in time: nothing was done, try again")]
    TooLate,
    /// Too many events wait for Kafka.
    #[error("{0}: nothing was done, try again")]
    Backpressure(String),
    /// Something that it needs is not set up: what, in words; certainly not done.
    #[error("{0}: nothing was done")]
    Unconfigured(&'static str),
    /// Maybe done.
    #[error("outcome unknown, retry with the same key")]
    Unknown,
    /// The caller's own deadline came first. Maybe done.
    #[error("deadline exceeded, outcome unknown, retry with the same key")]
    Deadline,
    /// The key belongs to another request.
    #[error("the idempotency key was used before by another request")]
    KeyReused,
    /// The key was declared never used.
    #[error("the idempotency key is retired: it was declared never used")]
    KeyRetired,
    /// A bug, or a guard that caught one; certainly not done.
    #[error("refused by a guard of the ledger: nothing was done")]
    Guard,
}

impl Failure {
    /// The reason that machines read.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_ARGUMENT",
            Self::NotFound(_) => "NOT_FOUND",
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
            Self::Unknown => "OUTCOME_UNKNOWN",
            Self::Deadline => "DEADLINE_EXCEEDED",
            Self::KeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::KeyRetired => "IDEMPOTENCY_KEY_RETIRED",
            Self::Guard => "LEDGER_GUARD",
        }
    }
}
