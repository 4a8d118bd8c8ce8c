//! Posts a command: resolves accounts, sends the slip, waits for its outcome, and records a decline.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::{Answer, Command, Ledger, Request, abort, read_failure};
use crate::actors::node::Active;
use crate::actors::posting::{self, Accounts, Unresolved};
use crate::ledger::{Leg, Rejection};
use crate::money::Amount;
use crate::protocol::account::AccountHandle;
use crate::protocol::admission::Permit;
use crate::protocol::movement::Approval;
use crate::protocol::record::{AccountId, DeclineCode, KeyHash, Posting};
use crate::protocol::slip::{Abort, Outcome};
use crate::store;
use crate::telemetry::metrics::SHED_REQUESTS;
use crate::teller::failure::Failure;

/// How often a command is tried, if each time an account's actor ends under it.
pub(super) const TRIES_MAX: u32 = 4;
/// How long to wait after the first such try: an actor that has just failed is still listed as running for a moment.
/// After the `n`th try it is `n` times as long.
pub(super) const TRY_AGAIN_AFTER: Duration = Duration::from_millis(5);
/// The outcome of one try of a command.
pub(super) enum Tried {
    Answer(Answer),
    Failed(Failure),
    Again,
}
impl Ledger {
    /// Posts a command and returns when its outcome is durable.
    ///
    /// # Errors
    /// `Forbidden`; else by kind of [`Failure`]: whether it is certainly not done, or maybe.
    pub async fn post(&self, command: &Command, permit: Permit) -> Result<Answer, Failure> {
        let active = self.active()?;
        command.permitted()?;
        if let Some((code, message)) = wrong_in_itself(command) {
            return self.decline(&active, command, code, message, permit).await;
        }
        let mut permit = Some(permit);
        for n in 1..=TRIES_MAX {
            let permit = permit.take().map_or_else(|| self.enter(), Ok)?.of(command.request.attempt.as_ref());
            match self.try_once(&active, command, permit).await {
                Tried::Answer(answer) => return Ok(answer),
                Tried::Failed(failure) => return Err(failure),
                Tried::Again => tokio::time::sleep(TRY_AGAIN_AFTER * n).await,
            }
        }
        Err(Failure::Interrupted)
    }

    async fn try_once(&self, active: &Active, command: &Command, permit: Permit) -> Tried {
        let accounts = match self.resolve_all(active, command).await {
            Ok(Ok(accounts)) => accounts,
            Ok(Err((code, message))) => {
                return self.decline_unless_repeated(active, command, code, message, permit).await;
            }
            Err(failure) => return Tried::Failed(failure),
        };
        let find = |name: &str| {
            accounts.iter().find(|account| *account.identity.name == *name).map(|account| account.identity.id)
        };
        let postings: Option<SmallVec<[Posting; 1]>> = command
            .postings
            .iter()
            .map(|posting| {
                Some(Posting { debit: find(&posting.debit)?, credit: find(&posting.credit)?, amount: posting.amount })
            })
            .collect();
        let Some(postings) = postings else { return Tried::Failed(Failure::Interrupted) };
        if command.movement.moves_outside_first()
            && let Some((code, message)) = refused_later(command, &accounts, &postings)
        {
            return self.decline_unless_repeated(active, command, code, message, permit).await;
        }
        let record = command.record(postings);
        let named = match command.movement.approval() {
            Approval::All => 0..accounts.len(),
            Approval::Payer => 0..1,
            Approval::Payee => 1..2,
        };
        let named: SmallVec<[&Arc<AccountHandle>; 2]> = accounts[named].iter().collect();
        let share_max = self.0.account_share_max;
        let Ok(outcome) = posting::send(&active.journal, record, &named, share_max, permit) else {
            metrics::counter!(SHED_REQUESTS, "reason" => "account").increment(1);
            return Tried::Failed(Failure::AccountBusy { max: share_max });
        };
        match self.wait(outcome, command.request.deadline).await {
            Ok(Outcome::Refused { .. }) if command.movement.is_amount_doubtful() => {
                Tried::Failed(Failure::Interrupted) // what waited for a leg may ask for more than is left since
            }
            Ok(Outcome::Refused { account, rejection, permit }) => {
                let name =
                    accounts.iter().find(|known| known.identity.id == account).map(|known| known.identity.name.clone());
                let (code, message) = refusal(rejection, name.as_deref().unwrap_or_default(), command);
                if command.request.attempt.as_ref().is_some_and(|attempt| !attempt.is_first()) {
                    return self.decline_unless_repeated(active, command, code, message, permit).await;
                }
                match self.decline(active, command, code, message, permit).await {
                    Ok(answer) => Tried::Answer(answer),
                    Err(failure) => Tried::Failed(failure),
                }
            }
            Ok(Outcome::Aborted(Abort::Exceeded)) if command.movement.may_be_stale() => {
                match self.repeated(&command.request).await {
                    Ok(Some(answer)) => Tried::Answer(answer),
                    Ok(None) => Tried::Failed(Failure::Interrupted),
                    Err(failure) => Tried::Failed(failure),
                }
            }
            Ok(Outcome::Aborted(Abort::Exceeded)) => {
                let (code, message) = command.movement.exceeded();
                match self.enter() {
                    Ok(permit) => self.decline_unless_repeated(active, command, code, message, permit).await,
                    Err(failure) => Tried::Failed(failure),
                }
            }
            Ok(outcome) => answer(outcome),
            Err(failure) => Tried::Failed(failure),
        }
    }

    /// Loads the command's accounts. The inner error is the decline for them that comes first in the order of
    /// payment.v1.
    async fn resolve_all(
        &self,
        active: &Active,
        command: &Command,
    ) -> Result<Result<Accounts, (DeclineCode, String)>, Failure> {
        let Request { ref tenant, deadline, .. } = command.request;
        let named =
            || command.postings.iter().flat_map(|posting| [("Payer", &posting.debit), ("Payee", &posting.credit)]);
        let resolving = posting::resolve(&active.registry, tenant, named().map(|(_, name)| &**name));
        let accounts = match tokio::time::timeout_at(deadline.at.into(), resolving).await {
            Ok(Ok(accounts)) => accounts,
            Ok(Err(Unresolved::NotFound(missing))) => {
                let role = named().find(|(_, name)| *name == missing).map_or("Payer", |(role, _)| role);
                return Ok(Err((DeclineCode::AccountNotFound, format!("{role} account {missing} not found"))));
            }
            Ok(Err(Unresolved::Unavailable)) => return Err(self.unloadable()),
            Err(_) => return Err(deadline.passed()),
        };
        for posting in &command.postings {
            for name in [&posting.debit, &posting.credit] {
                let kept_in = accounts
                    .iter()
                    .find(|account| *account.identity.name == **name)
                    .map(|account| account.identity.currency.code);
                if let Some(code) = kept_in.filter(|code| code.as_str() != posting.currency) {
                    return Ok(Err((
                        DeclineCode::CurrencyMismatch,
                        format!("Account {name} is kept in {code}, not in {}", posting.currency),
                    )));
                }
            }
        }
        Ok(Ok(accounts))
    }

    /// The outcome of the command that used this key before; `None`: the key is unused. To be called before a refusal
    /// that rests on a read.
    ///
    /// # Errors
    /// `KeyReused`, `KeyRetired`; what kept it from being read.
    pub async fn repeated(&self, request: &Request) -> Result<Option<Answer>, Failure> {
        let Some(key) = request.key_hash() else { return Ok(None) };
        let keys = [key];
        let used = store::accounts::keys_used(&self.0.pool, &keys);
        match tokio::time::timeout_at(request.deadline.at.into(), used).await {
            Ok(Ok(used)) => match used.first().map(|used| answer(used.verdict(None, request.identity))) {
                None | Some(Tried::Again) => Ok(None),
                Some(Tried::Answer(answer)) => Ok(Some(answer)),
                Some(Tried::Failed(failure)) => Err(failure),
            },
            Ok(Err(error)) => Err(read_failure(&error)),
            Err(_) => Err(request.deadline.passed()),
        }
    }

    /// Declines for the state of accounts. If the key was used before, that outcome is returned instead, whatever has
    /// become of the accounts since; if an earlier attempt under it is in flight, that one is waited for.
    pub(super) async fn decline_unless_repeated(
        &self,
        active: &Active,
        command: &Command,
        code: DeclineCode,
        message: String,
        permit: Permit,
    ) -> Tried {
        if !self.goes_first(command.request.attempt.as_ref(), command.request.deadline.at).await {
            return Tried::Failed(Failure::EarlierUnknown(message));
        }
        match self.repeated(&command.request).await {
            Ok(None) => {}
            Ok(Some(answer)) => return Tried::Answer(answer),
            Err(failure) => return Tried::Failed(failure),
        }
        match self.decline(active, command, code, message, permit).await {
            Ok(answer) => Tried::Answer(answer),
            Err(failure) => Tried::Failed(failure),
        }
    }

    /// Records a decline, and returns when it is durable. It binds no key, unless the command says so: its own id is
    /// its key.
    async fn decline(
        &self,
        active: &Active,
        command: &Command,
        code: DeclineCode,
        message: String,
        permit: Permit,
    ) -> Result<Answer, Failure> {
        let mut record = command.declined(code, message.clone());
        if !(command.request.declines_bind && code == DeclineCode::LimitExceeded) {
            record.key = KeyHash::own(record.id);
        }
        match self.submit(active, record, permit, command.request.deadline).await? {
            Outcome::Done { id, created_at, .. } => Ok(Answer::Declined { id, created_at, code, message }),
            other => match answer(other) {
                Tried::Answer(answer) => Ok(answer),
                Tried::Failed(failure) => Err(failure),
                Tried::Again => Err(Failure::Interrupted),
            },
        }
    }
}

/// The decline of a command that is wrong whatever its accounts are, in the order of payment.v1.
fn wrong_in_itself(command: &Command) -> Option<(DeclineCode, String)> {
    if command.postings.iter().any(|posting| posting.amount <= Amount::ZERO) {
        return Some((DeclineCode::InvalidAmount, "Amount must be positive".into()));
    }
    if command.postings.iter().any(|posting| posting.debit == posting.credit) {
        return Some((DeclineCode::SameAccount, "Cannot transfer to same account".into()));
    }
    None
}

/// The decline of a movement whose postings come later, and would be refused already now. Whoever approves it now says
/// so itself if it is short of money.
fn refused_later(command: &Command, accounts: &Accounts, postings: &[Posting]) -> Option<(DeclineCode, String)> {
    accounts.iter().find_map(|account| {
        let id = account.identity.id;
        let sum = |side: fn(&Posting) -> AccountId| {
            postings.iter().filter(|posting| side(posting) == id).map(|posting| posting.amount.minor_units()).sum()
        };
        let (debit, credit): (i128, i128) = (sum(|posting| posting.debit), sum(|posting| posting.credit));
        let holds = debit > 0 && command.movement.approval() == Approval::Payer;
        let leg = if holds { Leg::default() } else { Leg::net(debit, credit) };
        account.would_refuse(leg).map(|rejection| refusal(rejection, &account.identity.name, command))
    })
}

/// An account's refusal in the words of payment.v1.
fn refusal(rejection: Rejection, account: &str, command: &Command) -> (DeclineCode, String) {
    match rejection {
        Rejection::InsufficientFunds { requested, before_floor, .. }
            if command.request.declines_bind && requested <= before_floor =>
        {
            (DeclineCode::LimitExceeded, format!("Account {account} would fall below its minimum balance"))
        }
        Rejection::InsufficientFunds { .. } => (DeclineCode::InsufficientFunds, "Insufficient funds".into()),
        Rejection::Inactive { status } => {
            let status = format!("{status:?}").to_lowercase();
            (DeclineCode::AccountInactive, format!("Account {account} is not active (current status: {status})"))
        }
        Rejection::LimitExceeded { .. } => {
            (DeclineCode::LimitExceeded, format!("Account {account} would exceed its limit"))
        }
        Rejection::NotEmpty { .. } | Rejection::AlreadyClosed => {
            (DeclineCode::AccountInactive, format!("Account {account} cannot be changed so"))
        }
    }
}

/// An outcome other than a refusal, as an answer.
pub(super) fn answer(outcome: Outcome) -> Tried {
    match outcome {
        Outcome::Done { id, created_at, balances } => {
            Tried::Answer(Answer::Completed { id, created_at, replayed: false, balances })
        }
        Outcome::Replayed { id, created_at } => {
            Tried::Answer(Answer::Completed { id, created_at, replayed: true, balances: None })
        }
        Outcome::KeyReused => Tried::Failed(Failure::KeyReused),
        Outcome::KeyRetired => Tried::Failed(Failure::KeyRetired),
        Outcome::Aborted(Abort::Interrupted) => Tried::Again,
        Outcome::Aborted(why) => Tried::Failed(abort(why)),
        Outcome::Unknown | Outcome::Refused { .. } => Tried::Failed(Failure::Unknown),
    }
}
