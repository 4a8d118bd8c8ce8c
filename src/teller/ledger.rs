//! Posts commands: resolves accounts, sends the slip, waits for its outcome, and records declines. Every contract is an
//! adapter of this.

mod attempts;
mod audit;
mod change;
mod command;
mod currencies;
mod exchange;
mod holds;
mod opening;
mod operation;
mod post;
mod reverse;
mod rights;
mod sagas;
mod settle;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::oneshot;

use super::externals::Externals;
use super::failure::Failure;
use super::native::pages::LastSeal;
use super::watch::CatchUps;
use crate::actors::housekeeping::Backpressure;
use crate::actors::node::{Active, Node};
use crate::actors::posting;
use crate::actors::press::Press;
use crate::money::{Currencies, CurrencyCode};
use crate::protocol::account::Posted;
use crate::protocol::admission::{InFlight, Permit};
use crate::protocol::record::Record;
use crate::protocol::slip::{Abort, Outcome};
use crate::store::{self, StoreError};
use crate::telemetry::metrics::SHED_REQUESTS;

pub use self::change::ChangeCommand;
pub use self::command::{Answer, Command, Request};
pub use self::currencies::{EXPONENT_MAX, LastRead, NAME_MAX, new_currency, unwritten};
pub use self::exchange::{clearing_account, pinned};
pub use self::holds::RecentHolds;
pub use self::opening::Openings;
pub use self::operation::Operation;
pub use self::reverse::{NotRefundable, Refundable, Reversing};
pub use self::rights::{covered, outside_the_house};
pub use self::sagas::{Operated, SagaOrder, operate, replay, seconded, shown};

/// Access to the ledger; clones share it.
#[derive(Clone)]
pub struct Ledger(Arc<LedgerParts>);

/// What a [`Ledger`] is built from.
pub struct LedgerParts {
    /// Whether and how this process may write.
    pub node: Node,
    /// Connections to the primary, for reads and rare writes.
    pub pool: PgPool,
    /// How many commands of this node may be in flight.
    pub in_flight: InFlight,
    /// Whether too many events wait for Kafka.
    pub backpressure: Backpressure,
    /// How many slips may name one account at the same time.
    pub account_share_max: usize,
    /// How long a command may wait before it is written for the first time.
    pub write_cutoff: Duration,
    pub currencies: Currencies,
    /// The name of the provider; `None`: none is set up.
    pub provider: Option<Arc<str>>,
    /// What is remembered between calls.
    pub memory: Memory,
    /// How old a rate may be that money is exchanged at.
    pub rate_age_max: Duration,
    pub billing: BillingDefaults,
    pub papers: Papers,
}

/// How documents leave the house.
#[derive(Clone, Default)]
pub struct Papers {
    /// Makes their PDFs.
    pub press: Press,
    /// Whether there is a mail server.
    pub are_mailed: bool,
}

/// What billing takes where nothing else is said.
#[derive(Clone, Debug)]
pub struct BillingDefaults {
    /// The id of the entity that issues an invoice.
    pub entity: Arc<str>,
    /// The tax where no rate is written down, in percent.
    pub tax_percent: u32,
}

impl Default for BillingDefaults {
    fn default() -> Self {
        Self { entity: "default".into(), tax_percent: 18 }
    }
}

/// What the use cases remember between calls; all of it can be read again.
#[derive(Default)]
pub struct Memory {
    /// When the currencies were last read.
    pub currencies_read: LastRead,
    /// Spares captures a read of the hold.
    pub recent_holds: RecentHolds,
    pub openings: Openings,
    pub externals: Externals,
    pub seal: LastSeal,
    /// What watchers that catch up share.
    pub catch_ups: CatchUps,
}

/// When a command ends.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    pub at: Instant,
    /// Whether the caller set it; else it is the node's own cut-off.
    pub is_callers: bool,
}

impl Deadline {
    /// It has passed, and the command was not sent.
    fn passed(self) -> Failure {
        if self.is_callers { Failure::Deadline } else { Failure::TooLate }
    }
}

/// How long after the cut-off an outcome is waited for: the record may have entered a batch just before it.
const GRACE: Duration = Duration::from_millis(250);
impl Ledger {
    pub fn new(parts: LedgerParts) -> Self {
        Self(Arc::new(parts))
    }

    pub fn parts(&self) -> &LedgerParts {
        &self.0
    }

    /// When a command that begins now ends: after `callers`, but no later than the node's own cut-off.
    pub fn deadline(&self, callers: Option<Duration>) -> Deadline {
        let is_callers = callers.is_some_and(|callers| callers < self.0.write_cutoff);
        Deadline { at: Instant::now() + callers.unwrap_or(self.0.write_cutoff).min(self.0.write_cutoff), is_callers }
    }

    /// What is needed to write, while this node leads.
    ///
    /// # Errors
    /// `NotLeader`, `DatabaseAway`: known beforehand, so that nothing waits.
    pub fn active(&self) -> Result<Active, Failure> {
        let active = self.0.node.active().ok_or(Failure::NotLeader)?;
        if active.journal.is_database_away() { Err(Failure::DatabaseAway) } else { Ok(active) }
    }

    /// A slot in the node's bound for a read from the database. It counts nothing against an account's share, since it
    /// never reaches the actor.
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

    /// A slot in the node's bound for a command.
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
    /// Hands the journal a record that names no account.
    ///
    /// # Errors
    /// When its outcome is not known in time.
    pub async fn submit(
        &self,
        active: &Active,
        record: Record,
        permit: Permit,
        deadline: Deadline,
    ) -> Result<Outcome, Failure> {
        let outcome =
            posting::send(&active.journal, record, &[], usize::MAX, permit).map_err(|_| Failure::Interrupted)?;
        self.wait(outcome, deadline).await
    }

    /// Waits for an outcome until the deadline. After that it is not known, though the command may still turn out not
    /// to be done.
    ///
    /// # Errors
    /// `Deadline` when it was the caller's own, else `Unknown`.
    pub async fn wait(&self, outcome: oneshot::Receiver<Outcome>, deadline: Deadline) -> Result<Outcome, Failure> {
        let until = if deadline.is_callers { deadline.at } else { deadline.at + GRACE };
        match tokio::time::timeout_at(until.into(), outcome).await {
            Ok(Ok(Outcome::Aborted(Abort::TooLate))) if deadline.is_callers => Err(Failure::Deadline),
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(Failure::Unknown),
            Err(_) => Err(if deadline.is_callers { Failure::Deadline } else { Failure::Unknown }),
        }
    }

    /// An account's money and currency: from memory while it is loaded and this node has the lease, else from the
    /// primary. `None`: there is no such account.
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

/// What a caller is told of an abort.
pub fn abort(why: Abort) -> Failure {
    match why {
        Abort::Interrupted => Failure::Interrupted,
        Abort::DatabaseAway => Failure::DatabaseAway,
        Abort::NotLeader => Failure::NotLeader,
        Abort::AccountBusy => Failure::AccountBusy { max: 0 },
        Abort::TooLate => Failure::TooLate,
        // all but the first are answered by whoever posted them
        Abort::Guard | Abort::Exceeded | Abort::AccountExists | Abort::CurrencyInactive => Failure::Guard,
    }
}

/// What a caller is told of a read that failed. The database's words go to the log only.
pub fn read_failure(error: &StoreError) -> Failure {
    tracing::warn!(%error, "a read failed");
    if error.is_transient() { Failure::DatabaseAway } else { Failure::Guard }
}
