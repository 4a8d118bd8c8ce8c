//! Posts commands: resolves accounts, sends the slip, waits for its outcome, and records declines. Every contract is an adapter of this.

mod audit;
mod change;
mod command;
mod currencies;
mod exchange;
mod holds;
mod opening;
mod operation;
mod operators;
mod post;
mod reverse;
mod sagas;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::oneshot;

use super::externals::Externals;
use super::failure::Failure;
use crate::actors::housekeeping::Backpressure;
use crate::actors::node::{Active, Node};
use crate::money::{Currencies, CurrencyCode};
use crate::protocol::account::Posted;
use crate::protocol::admission::{InFlight, Permit};
use crate::protocol::record::Record;
use crate::protocol::slip::{Abort, Outcome, Slip};
use crate::store::{self, StoreError};
use crate::telemetry::metrics::SHED_REQUESTS;

pub use self::change::ChangeCommand;
pub use self::command::{Action, Answer, Command, PostingCommand};
pub use self::currencies::{EXPONENT_MAX, LastRead, NAME_MAX, new_currency, unwritten};
pub use self::exchange::ExchangesUnderway;
pub use self::holds::RecentHolds;
pub use self::operation::Operation;
pub use self::reverse::{NotRefundable, Refundable};
pub use self::sagas::{Operated, SagaOrder, operate, replay};

/// The way into the ledger; clones share it.
#[derive(Clone)]
pub struct Ledger(Arc<LedgerParts>);

/// What the way into the ledger is made of.
pub struct LedgerParts {
    /// Whether and how this process may write.
    pub node: Node,
    /// Reads from the primary.
    pub pool: PgPool,
    /// The node's bound.
    pub in_flight: InFlight,
    /// Whether too many events wait for Kafka.
    pub backpressure: Backpressure,
    /// How many slips may name one account.
    pub account_share_max: usize,
    /// How long a command may wait before it is written for the first time.
    pub write_cutoff: Duration,
    /// All currencies that this process knows.
    pub currencies: Currencies,
    /// The name of the provider through which money leaves and comes in, if there is one.
    pub provider: Option<Arc<str>>,
    /// What is remembered between calls.
    pub memory: Memory,
    /// How old a rate may be that money is exchanged at.
    pub rate_age_max: Duration,
}

/// What the use cases remember between calls; all of it can be read again.
#[derive(Default)]
pub struct Memory {
    /// When the currencies were last read.
    pub currencies_read: LastRead,
    /// Exchanges that may still be done.
    pub exchanges_underway: ExchangesUnderway,
    /// What captures need not read.
    pub recent_holds: RecentHolds,
    /// Which accounts are known to stand for the world outside.
    pub externals: Externals,
}

/// When a command ends, and whose wish that is.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// The moment.
    pub at: Instant,
    /// The caller set it.
    pub is_callers: bool,
}
/// How long after the cut-off an outcome is waited for: a record that entered a batch just before it.
const GRACE: Duration = Duration::from_millis(250);
impl Ledger {
    /// Puts it together.
    pub fn new(parts: LedgerParts) -> Self {
        Self(Arc::new(parts))
    }

    /// What it is made of.
    pub fn parts(&self) -> &LedgerParts {
        &self.0
    }

    /// When a command that comes now ends.
    pub fn deadline(&self, callers: Option<Duration>) -> Deadline {
        let is_callers = callers.is_some_and(|callers| callers < self.0.write_cutoff);
        Deadline { at: Instant::now() + callers.unwrap_or(self.0.write_cutoff).min(self.0.write_cutoff), is_callers }
    }

    /// The way to write.
    ///
    /// # Errors
    /// `NotLeader`, `DatabaseAway`: known beforehand, so that nothing waits.
    pub fn active(&self) -> Result<Active, Failure> {
        let active = self.0.node.active().ok_or(Failure::NotLeader)?;
        if active.journal.is_database_away() { Err(Failure::DatabaseAway) } else { Ok(active) }
    }

    /// A place in the node's bound for a read that asks the database; it takes nothing of an account's share, since it never comes to its actor.
    ///
    /// # Errors
    /// `NotLeader`, `DatabaseAway`, `AtBound`.
    pub fn enter_read(&self) -> Result<Permit, Failure> {
        self.active()?;
        self.0.in_flight.enter().ok_or_else(|| self.at_bound())
    }

    fn at_bound(&self) -> Failure {
        metrics::counter!(SHED_REQUESTS, "reason" => "in_flight").increment(1);
        Failure::AtBound { max: self.0.in_flight.max() }
    }

    /// A place in the node's bound.
    ///
    /// # Errors
    /// `AtBound`; `Backpressure`.
    pub fn enter(&self) -> Result<Permit, Failure> {
        if let Some(reason) = self.0.backpressure.reason() {
            metrics::counter!(SHED_REQUESTS, "reason" => "outbox").increment(1);
            return Err(Failure::Backpressure(reason));
        }
        self.0.in_flight.enter().ok_or_else(|| self.at_bound())
    }
    /// Hands the journal a record that concerns no account.
    ///
    /// # Errors
    /// When its outcome is not known in time.
    pub async fn submit(&self, active: &Active, record: Record, permit: Permit, deadline: Deadline) -> Result<Outcome, Failure> {
        let (reply, outcome) = oneshot::channel();
        match Slip::new(Box::new(record), &[], usize::MAX, reply, permit) {
            Ok(slip) => active.journal.submit(slip),
            Err(_) => return Err(Failure::Interrupted),
        }
        self.wait(outcome, deadline).await
    }

    /// Waits for an outcome until the deadline. After it nobody knows, though the command may still be released as not done.
    ///
    /// # Errors
    /// `Deadline` when it was the caller's own, else `Unknown`.
    pub async fn wait(&self, outcome: oneshot::Receiver<Outcome>, deadline: Deadline) -> Result<Outcome, Failure> {
        let until = if deadline.is_callers { deadline.at } else { deadline.at + GRACE };
        match tokio::time::timeout_at(until.into(), outcome).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(Failure::Unknown),
            Err(_) => Err(if deadline.is_callers { Failure::Deadline } else { Failure::Unknown }),
        }
    }

    /// What is posted on an account: from memory while it is loaded and the lease is ours, else from the primary.
    ///
    /// # Errors
    /// `DatabaseAway`, `NotLeader`.
    pub async fn posted(&self, tenant: &str, name: &str) -> Result<Option<(Posted, CurrencyCode)>, Failure> {
        let active = self.0.node.active().ok_or(Failure::NotLeader)?;
        if self.0.node.is_lease_valid()
            && let Some(account) = active.registry.get(tenant, name).filter(|account| !account.cell.is_dead())
        {
            return Ok(Some((account.cell.posted(), account.identity.currency.code)));
        }
        if active.journal.is_database_away() {
            return Err(Failure::DatabaseAway);
        }
        let _place = self.enter_read()?;
        let row = store::accounts::get(&self.0.pool, tenant, name).await.map_err(|error| read_failure(&error))?;
        Ok(row.map(|row| (row.posted, row.identity.currency.code)))
    }
}

/// What a caller hears of an abort.
pub fn abort(why: Abort) -> Failure {
    match why {
        Abort::Interrupted => Failure::Interrupted,
        Abort::DatabaseAway => Failure::DatabaseAway,
        Abort::NotLeader => Failure::NotLeader,
        Abort::AccountBusy => Failure::AccountBusy { max: 0 },
        Abort::TooLate => Failure::TooLate,
        Abort::Guard | Abort::Exceeded | Abort::AccountExists | Abort::CurrencyInactive => Failure::Guard, // all but the first are answered by whoever posted them
    }
}

/// What a caller hears of a read that failed; the database's words go to the log.
pub fn read_failure(error: &StoreError) -> Failure {
    tracing::warn!(%error, "a read failed");
    if error.is_transient() { Failure::DatabaseAway } else { Failure::Guard }
}
