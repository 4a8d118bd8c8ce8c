//! Posts commands: resolves accounts, sends the slip, waits for its outcome, and records declines. Every contract is an adapter of this.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use smallvec::SmallVec;
use sqlx::PgPool;
use tokio::sync::oneshot;

use super::failure::Failure;
use crate::actors::accounts::Resolved;
use crate::actors::node::{Active, Node};
use crate::ledger::Rejection;
use crate::money::{Amount, Currencies};
use crate::protocol::account::{AccountHandle, UsedKey};
use crate::protocol::admission::{InFlight, Permit};
use crate::protocol::events::Event;
use crate::protocol::record::{Api, Body, DeclineCode, DeclinedPosting, KeyHash, Kind, Posting, Record, RequestHash, TransactionId, now_micros};
use crate::protocol::slip::{Abort, Outcome, Slip};
use crate::store::{self, StoreError};

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
    /// How many slips may name one account.
    pub account_share_max: usize,
    /// How long a command may wait before it is written for the first time.
    pub write_cutoff: Duration,
    /// All currencies.
    pub currencies: Currencies,
}

/// When a command ends, and whose wish that is.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// The moment.
    pub at: Instant,
    /// The caller set it.
    pub is_callers: bool,
}

/// A posting as asked for.
#[derive(Clone, Debug)]
pub struct PostingCommand {
    /// Who pays.
    pub debit: String,
    /// Who is paid.
    pub credit: String,
    /// How much, of any sign.
    pub amount: Amount,
    /// In which currency.
    pub currency: String,
}

/// A transaction as asked for: every field is within its bounds, nothing else is known of it.
#[derive(Clone, Debug)]
pub struct Command {
    /// Whose it is.
    pub tenant: Arc<str>,
    /// Where it came in.
    pub api: Api,
    /// What it is.
    pub kind: Kind,
    /// The caller's key, if any.
    pub key: Option<String>,
    /// What makes a repeat the same request.
    pub request: RequestHash,
    /// At least one.
    pub postings: SmallVec<[PostingCommand; 1]>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's words.
    pub description: Option<String>,
    /// A JSON object of texts.
    pub metadata: Option<String>,
    /// The request's correlation id.
    pub correlation: Option<String>,
    /// When it ends.
    pub deadline: Deadline,
    /// What Kafka hears when it is done.
    pub on_completed: fn(&Command, TransactionId, DateTime<Utc>) -> Event,
    /// What Kafka hears when it is declined.
    pub on_declined: fn(&Command, TransactionId, DateTime<Utc>, DeclineCode, &str) -> Event,
}

/// A business answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Durable.
    Completed {
        /// The transaction.
        id: TransactionId,
        /// When it was accepted.
        created_at: DateTime<Utc>,
        /// It was done before, under the same key.
        replayed: bool,
    },
    /// Refused; the refusal is durable, and moved nothing.
    Declined {
        /// The record of the refusal.
        id: TransactionId,
        /// When.
        created_at: DateTime<Utc>,
        /// Why.
        code: DeclineCode,
        /// Why, in words.
        message: String,
    },
}

/// How often a command is tried again after an account's actor ended under it.
const TRIES_MAX: u32 = 4;
/// How long after the cut-off an outcome is waited for: a record that entered a batch just before it.
const GRACE: Duration = Duration::from_millis(250);

/// Outcome of one try.
enum Tried {
    Answer(Answer),
    Failed(Failure),
    Again,
}

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

    /// A place in the node's bound.
    ///
    /// # Errors
    /// `AtBound`.
    pub fn enter(&self) -> Result<Permit, Failure> {
        self.0.in_flight.enter().ok_or_else(|| {
            metrics::counter!("florin_shed_requests_total", "reason" => "in_flight").increment(1);
            Failure::AtBound { max: self.0.in_flight.max() }
        })
    }

    /// Posts a command and answers when its outcome is durable.
    ///
    /// # Errors
    /// By kind of [`Failure`]: whether it is certainly not done, or maybe.
    pub async fn post(&self, command: &Command) -> Result<Answer, Failure> {
        let active = self.active()?;
        let permit = self.enter()?;
        if let Some((code, message)) = wrong_in_itself(command) {
            return self.decline(&active, command, code, message, permit).await;
        }
        let mut permit = Some(permit);
        for _ in 0..TRIES_MAX {
            let permit = permit.take().map_or_else(|| self.enter(), Ok)?;
            match self.try_once(&active, command, permit).await {
                Tried::Answer(answer) => return Ok(answer),
                Tried::Failed(failure) => return Err(failure),
                Tried::Again => {}
            }
        }
        Err(Failure::Interrupted)
    }

    async fn try_once(&self, active: &Active, command: &Command, permit: Permit) -> Tried {
        let accounts = match self.resolve_all(active, command).await {
            Ok(Ok(accounts)) => accounts,
            Ok(Err((code, message))) => return self.decline_unless_repeated(active, command, code, message, permit).await,
            Err(failure) => return Tried::Failed(failure),
        };
        let id = TransactionId::draw();
        let created_at = now_micros();
        let find = |name: &str| accounts.iter().find(|account| *account.identity.name == *name).map(|account| account.identity.id);
        let postings: Option<SmallVec<[Posting; 1]>> = command
            .postings
            .iter()
            .map(|posting| Some(Posting { debit: find(&posting.debit)?, credit: find(&posting.credit)?, amount: posting.amount }))
            .collect();
        let Some(postings) = postings else { return Tried::Failed(Failure::Interrupted) };
        let record = self.record(command, id, created_at, Body::Postings(postings), Some((command.on_completed)(command, id, created_at)));
        let (reply, outcome) = oneshot::channel();
        let named: SmallVec<[&Arc<AccountHandle>; 2]> = accounts.iter().collect();
        match Slip::new(Box::new(record), &named, self.0.account_share_max, reply, permit) {
            Ok(slip) => slip.enter(),
            Err(_) => {
                metrics::counter!("florin_shed_requests_total", "reason" => "account").increment(1);
                return Tried::Failed(Failure::AccountBusy { max: self.0.account_share_max });
            }
        }
        match self.wait(outcome, command.deadline).await {
            Ok(Outcome::Refused { account, rejection, permit }) => {
                let name = accounts.iter().find(|known| known.identity.id == account).map(|known| known.identity.name.clone());
                let (code, message) = refusal(rejection, name.as_deref().unwrap_or_default(), command);
                match self.decline(active, command, code, message, permit).await {
                    Ok(answer) => Tried::Answer(answer),
                    Err(failure) => Tried::Failed(failure),
                }
            }
            Ok(outcome) => answer(outcome),
            Err(failure) => Tried::Failed(failure),
        }
    }

    /// The command's accounts, loaded; or why it is declined for them, in the contract's order.
    #[expect(clippy::type_complexity, reason = "a failure or a decline or accounts")]
    async fn resolve_all(
        &self,
        active: &Active,
        command: &Command,
    ) -> Result<Result<SmallVec<[Arc<AccountHandle>; 2]>, (DeclineCode, String)>, Failure> {
        let mut accounts: SmallVec<[Arc<AccountHandle>; 2]> = SmallVec::new();
        for posting in &command.postings {
            for (role, name) in [("Payer", &posting.debit), ("Payee", &posting.credit)] {
                if accounts.iter().any(|account| *account.identity.name == **name) {
                    continue;
                }
                match tokio::time::timeout_at(command.deadline.at.into(), active.registry.resolve(&command.tenant, name)).await {
                    Ok(Resolved::Account(account)) => accounts.push(account),
                    Ok(Resolved::NotFound) => return Ok(Err((DeclineCode::AccountNotFound, format!("{role} account {name} not found")))),
                    Ok(Resolved::Unavailable) => return Err(if self.0.node.active().is_some() { Failure::DatabaseAway } else { Failure::NotLeader }),
                    Err(_) => return Err(if command.deadline.is_callers { Failure::Deadline } else { Failure::TooLate }),
                }
            }
        }
        for posting in &command.postings {
            for name in [&posting.debit, &posting.credit] {
                let kept_in = accounts.iter().find(|account| *account.identity.name == **name).map(|account| account.identity.currency.code);
                if let Some(code) = kept_in.filter(|code| code.as_str() != posting.currency) {
                    return Ok(Err((DeclineCode::CurrencyMismatch, format!("Account {name} is kept in {code}, not in {}", posting.currency))));
                }
            }
        }
        Ok(Ok(accounts))
    }

    /// A refusal that rests on accounts: a used key is answered first, whatever has become of them since.
    async fn decline_unless_repeated(&self, active: &Active, command: &Command, code: DeclineCode, message: String, permit: Permit) -> Tried {
        if command.key.is_some() {
            let keys = [key_of(command, TransactionId::draw())];
            let used = store::accounts::keys_used(&self.0.pool, &keys);
            match tokio::time::timeout_at(command.deadline.at.into(), used).await {
                Ok(Ok(used)) => {
                    if let Some(used) = used.first() {
                        return repeat(used, command.request);
                    }
                }
                Ok(Err(error)) => return Tried::Failed(read_failure(&error)),
                Err(_) => return Tried::Failed(if command.deadline.is_callers { Failure::Deadline } else { Failure::TooLate }),
            }
        }
        match self.decline(active, command, code, message, permit).await {
            Ok(answer) => Tried::Answer(answer),
            Err(failure) => Tried::Failed(failure),
        }
    }

    /// Records a refusal, and answers when it is durable. It binds no key: its own id is its key.
    async fn decline(&self, active: &Active, command: &Command, code: DeclineCode, message: String, permit: Permit) -> Result<Answer, Failure> {
        let (id, created_at) = (TransactionId::draw(), now_micros());
        let declined = |posting: &PostingCommand| DeclinedPosting {
            debit: posting.debit.clone(),
            credit: posting.credit.clone(),
            amount: posting.amount,
            currency: posting.currency.clone(),
        };
        let event = (command.on_declined)(command, id, created_at, code, &message);
        let body = Body::Declined { code, message: message.clone(), postings: command.postings.iter().map(declined).collect() };
        let mut record = self.record(command, id, created_at, body, Some(event));
        record.key = KeyHash::own(id);
        match self.submit(active, record, permit, command.deadline).await? {
            Outcome::Done { id, created_at } => Ok(Answer::Declined { id, created_at, code, message }),
            other => match answer(other) {
                Tried::Answer(answer) => Ok(answer),
                Tried::Failed(failure) => Err(failure),
                Tried::Again => Err(Failure::Interrupted),
            },
        }
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

    fn record(&self, command: &Command, id: TransactionId, created_at: DateTime<Utc>, body: Body, event: Option<Event>) -> Record {
        Record {
            id,
            tenant: command.tenant.clone(),
            api: command.api,
            kind: command.kind,
            key: key_of(command, id),
            key_text: command.key.clone(),
            request: command.request,
            reference: command.reference.clone(),
            description: command.description.clone(),
            metadata: command.metadata.clone(),
            correlation: command.correlation.clone(),
            created_at,
            cutoff: command.deadline.at,
            body,
            event,
        }
    }
}

fn key_of(command: &Command, id: TransactionId) -> KeyHash {
    command.key.as_deref().map_or_else(|| KeyHash::own(id), |key| KeyHash::of(command.api, &command.tenant, key))
}

/// What is wrong with a command whatever the accounts are: in the contract's order.
fn wrong_in_itself(command: &Command) -> Option<(DeclineCode, String)> {
    if command.postings.iter().any(|posting| posting.amount <= Amount::ZERO) {
        return Some((DeclineCode::InvalidAmount, "Amount must be positive".into()));
    }
    if command.postings.iter().any(|posting| posting.debit == posting.credit) {
        return Some((DeclineCode::SameAccount, "Cannot transfer to same account".into()));
    }
    None
}

/// An account's refusal in the words of the contract.
fn refusal(rejection: Rejection, account: &str, _command: &Command) -> (DeclineCode, String) {
    match rejection {
        Rejection::InsufficientFunds { .. } => (DeclineCode::InsufficientFunds, "Insufficient funds".into()),
        Rejection::Inactive { status } => {
            let status = format!("{status:?}").to_lowercase();
            (DeclineCode::AccountInactive, format!("Account {account} is not active (current status: {status})"))
        }
        Rejection::LimitExceeded { .. } => (DeclineCode::LimitExceeded, format!("Account {account} would exceed its limit")),
        Rejection::NotEmpty { .. } | Rejection::AlreadyClosed => (DeclineCode::AccountInactive, format!("Account {account} cannot be changed so")),
    }
}

fn repeat(used: &UsedKey, request: RequestHash) -> Tried {
    if used.retired {
        Tried::Failed(Failure::KeyRetired)
    } else if used.request == request {
        Tried::Answer(Answer::Completed { id: used.transaction, created_at: used.created_at, replayed: true })
    } else {
        Tried::Failed(Failure::KeyReused)
    }
}

/// An outcome other than a refusal, as an answer.
fn answer(outcome: Outcome) -> Tried {
    match outcome {
        Outcome::Done { id, created_at } => Tried::Answer(Answer::Completed { id, created_at, replayed: false }),
        Outcome::Replayed { id, created_at } => Tried::Answer(Answer::Completed { id, created_at, replayed: true }),
        Outcome::KeyReused => Tried::Failed(Failure::KeyReused),
        Outcome::KeyRetired => Tried::Failed(Failure::KeyRetired),
        Outcome::Aborted(Abort::Interrupted) => Tried::Again,
        Outcome::Aborted(why) => Tried::Failed(abort(why)),
        Outcome::Unknown | Outcome::Refused { .. } => Tried::Failed(Failure::Unknown),
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
        Abort::Guard => Failure::Guard,
    }
}

/// What a caller hears of a read that failed; the database's words go to the log.
pub fn read_failure(error: &StoreError) -> Failure {
    tracing::warn!(%error, "a read failed");
    if error.is_transient() { Failure::DatabaseAway } else { Failure::Guard }
}

impl Ledger {
    /// What is posted on an account: from memory while it is loaded and the lease is ours, else from the primary.
    ///
    /// # Errors
    /// `DatabaseAway`, `NotLeader`.
    pub async fn posted(&self, tenant: &str, name: &str) -> Result<Option<(crate::protocol::account::Posted, crate::money::CurrencyCode)>, Failure> {
        let active = self.0.node.active().ok_or(Failure::NotLeader)?;
        if self.0.node.is_lease_valid()
            && let Some(account) = active.registry.get(tenant, name).filter(|account| !account.cell.is_dead())
        {
            return Ok(Some((account.cell.posted(), account.identity.currency.code)));
        }
        if active.journal.is_database_away() {
            return Err(Failure::DatabaseAway);
        }
        let row = store::accounts::get(&self.0.pool, tenant, name).await.map_err(|error| read_failure(&error))?;
        Ok(row.map(|row| (row.posted, row.identity.currency.code)))
    }
}
