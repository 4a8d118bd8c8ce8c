//! How other actors speak to an account: a handle, its messages, and a cell in which the journal leaves what settled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use ractor::ActorRef;
use tokio::sync::oneshot;

use super::record::{AccountChange, AccountId, KeyHash, Operator, Record, RequestHash, TransactionId};
use super::slip::{Outcome, Slip};
use crate::ledger::{self, Decision, Guards, GuardsChange, Leg, Rejection, Status, Totals};
use crate::money::{Amount, Currency};

/// What never changes about an account.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Given by the database; small, and unique over all tenants.
    pub id: AccountId,
    pub tenant: Arc<str>,
    /// The id that callers use; unique within the tenant.
    pub name: Arc<str>,
    pub currency: Currency,
}

/// An account's money and guards (status, floor, ceiling) as the database has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    pub totals: Totals,
    /// The place of the account's newest row in the journal; 0: it has none.
    pub last: i64,
    /// What bounds it.
    pub guards: Guards,
}

impl Posted {
    /// Whether the money keeps to floor and ceiling. One that was set past the balance binds new movements only.
    pub fn is_within_limits(&self) -> bool {
        let balance = self.totals.credits - self.totals.debits;
        self.guards.floor.is_none_or(|floor| balance - self.totals.held >= floor)
            && self.guards.ceiling.is_none_or(|ceiling| balance <= ceiling)
    }
}

impl Posted {
    /// Whether movements that were admitted under these guards can lead to these totals. Floor and ceiling bind only
    /// what moves towards them: an account that was past one may come back to it. `taken`: something was taken from
    /// holds. That was admitted with the hold, and whether the hold has as much left is not known here.
    pub fn may_become(&self, after: &Totals, taken: bool) -> bool {
        let (balance, before) = (after.credits - after.debits, self.totals.credits - self.totals.debits);
        let (available, was_available) = (balance - after.held, before - self.totals.held);
        (taken || self.guards.floor.is_none_or(|floor| available >= floor.min(was_available)))
            && self.guards.ceiling.is_none_or(|ceiling| balance <= ceiling.max(before))
            && balance.abs() <= Amount::MAX.minor_units()
            && (taken || after.held >= 0)
            && after.held <= Amount::MAX.minor_units()
            && (taken || self.guards.status != Status::Closed || (balance == before && after.held == self.totals.held))
    }
}

/// One loaded account. The handle stays valid after its actor has ended: slips sent to it then are answered as
/// certainly not done.
pub struct AccountHandle {
    pub identity: Identity,
    /// Shared by the actor, the journal and all readers.
    pub cell: Arc<AccountCell>,
    pub actor: ActorRef<AccountMessage>,
    /// When it was last looked up, in milliseconds of the registry's clock.
    pub last_used: AtomicU64,
}

impl AccountHandle {
    /// Why it would refuse this leg by what is committed, whatever is open; `None`: it may take it. It reserves nothing.
    pub fn would_refuse(&self, leg: Leg) -> Option<Rejection> {
        let posted = self.cell.posted();
        match ledger::Account::<TransactionId>::new(posted.totals, posted.guards).decide(leg) {
            Decision::Refuse(rejection) => Some(rejection),
            Decision::Admit | Decision::Wait => None,
        }
    }
}

/// An account's money as of its newest row, on which the journal builds the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub totals: Totals,
    /// The newest row's place; 0: there is none.
    pub last: i64,
}

impl Posted {
    pub fn known(&self) -> Known {
        Known { totals: self.totals, last: self.last }
    }
}

pub enum AccountMessage {
    /// Approve the leg of this slip and pass it on. A slip that was refused before is only looked at.
    Slip(Box<Slip>),
    /// Change status, floor or ceiling.
    Change(Box<ChangeOrder>),
    /// Something settled or was released after the actor asked to be woken.
    Wake,
    /// The answer to a read that the actor requested.
    Read(Box<ReadAnswer>),
    /// The account has been idle: end if nothing is open.
    Passivate,
}

/// A change of status, floor or ceiling on its way.
pub struct ChangeOrder {
    pub account: Arc<AccountHandle>,
    /// The record, complete but for the account's other guards and what follows from them.
    pub record: Record,
    /// What is to change.
    pub change: GuardsChange,
    /// Who wants it, and why.
    pub by: Operator,
    pub reply: oneshot::Sender<Outcome>,
    /// Its slot in the bound of what is in flight.
    pub permit: super::admission::Permit,
}

impl ChangeOrder {
    /// All guards of the account as they are once this is done.
    pub fn change(&self, now: &Posted) -> AccountChange {
        AccountChange { account: self.account.identity.id, guards: self.change.on(now.guards) }
    }

    /// The name under which operators' actions are recorded.
    pub fn action(&self) -> &'static str {
        match (self.change.status.is_some(), self.change.has_limits()) {
            (true, false) => "account.status",
            (false, true) => "account.limits",
            _ => "account.change",
        }
    }
}

/// An idempotency key, and what it was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedKey {
    pub key: KeyHash,
    /// The transaction that used it first.
    pub transaction: TransactionId,
    /// The hash of the request that used it first.
    pub request: RequestHash,
    /// A tombstone retired it: the key had no effect and never will.
    pub retired: bool,
    pub created_at: DateTime<Utc>,
}

impl UsedKey {
    /// What a command with this key hears, and where its own transaction is the one that used it: done. The one place
    /// that says what a used key means.
    pub fn verdict(&self, own: Option<TransactionId>, request: RequestHash) -> Outcome {
        let (id, created_at) = (self.transaction, self.created_at);
        match self.request == request {
            _ if self.retired => Outcome::KeyRetired,
            true if own == Some(id) => Outcome::Done { id, created_at, balances: None },
            true => Outcome::Replayed { id, created_at },
            false => Outcome::KeyReused,
        }
    }
}

/// Balance and keys, read from the primary in one statement that began after those who wait for it had come.
pub struct ReadAnswer {
    /// Counts the reads of one actor: tells the newest from an older one.
    pub number: u64,
    /// `Err`: the database did not answer; the text is its error.
    pub result: Result<(Posted, Vec<UsedKey>), String>,
}

/// How a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    Committed,
    Released,
}

/// Where the journal leaves what settled, until the actor's next message. This costs one lock per account and batch,
/// where a message would cost an allocation and a wake-up as well.
pub struct AccountCell {
    inner: Mutex<Cell>,
    news: AtomicBool,
    dead: AtomicBool,
    in_flight: AtomicUsize,
}

struct Cell {
    posted: Posted,
    /// The version of the account as of which the guards in `posted` are known; the totals may be of a later one.
    guards_version: i64,
    closed: Vec<(TransactionId, Closing)>,
    wake: bool,
}

impl AccountCell {
    pub fn new(posted: Posted) -> Self {
        let inner = Mutex::new(Cell { posted, guards_version: posted.totals.version, closed: Vec::new(), wake: false });
        Self { inner, news: AtomicBool::new(false), dead: AtomicBool::new(false), in_flight: AtomicUsize::new(0) }
    }

    /// The latest committed state that this process has seen.
    pub fn posted(&self) -> Posted {
        self.lock().posted
    }

    /// Called by the journal: this transaction is durable. `after` is the money after its batch, `change` the new
    /// guards if it changed them. Both are taken under one lock: a read that came in between would bring the old guards
    /// back. Returns what is now posted, and whether the actor must be woken.
    pub fn settle(
        &self,
        after: Option<Known>,
        change: Option<&AccountChange>,
        committed: TransactionId,
    ) -> (Posted, bool) {
        let mut cell = self.lock();
        let version = after.map_or(cell.guards_version, |after| after.totals.version);
        if let Some(change) = change.filter(|_| version > cell.guards_version) {
            cell.posted.guards = change.guards;
            cell.guards_version = version;
        }
        if let Some(after) = after.filter(|after| after.totals.version > cell.posted.totals.version) {
            (cell.posted.totals, cell.posted.last) = (after.totals, after.last);
        }
        cell.closed.push((committed, Closing::Committed));
        self.news.store(true, Ordering::Release);
        (cell.posted, std::mem::take(&mut cell.wake))
    }

    /// This transaction did not happen. Returns whether the actor must be woken.
    pub fn release(&self, transaction: TransactionId) -> bool {
        let mut cell = self.lock();
        cell.closed.push((transaction, Closing::Released));
        self.news.store(true, Ordering::Release);
        std::mem::take(&mut cell.wake)
    }

    /// Called by the actor or the journal when a read from the primary came back. Totals and guards each stay as they
    /// are if known as of a later version.
    pub fn see(&self, read: &Posted) {
        let mut cell = self.lock();
        if read.totals.version >= cell.guards_version {
            cell.posted.guards = read.guards;
            cell.guards_version = read.totals.version;
        }
        if read.totals.version > cell.posted.totals.version {
            (cell.posted.totals, cell.posted.last) = (read.totals, read.last);
        }
    }

    /// For tests: sets memory as a bug of Florin would leave it.
    pub fn damage(&self, posted: &Posted) {
        let mut cell = self.lock();
        (cell.posted, cell.guards_version) = (*posted, posted.totals.version);
        drop(cell);
        self.news.store(true, Ordering::Release);
    }

    /// Called by the actor: takes what has closed since the last call; `None` when nothing has.
    pub fn take(&self) -> Option<(Posted, Vec<(TransactionId, Closing)>)> {
        if !self.news.swap(false, Ordering::Acquire) {
            return None;
        }
        let mut cell = self.lock();
        Some((cell.posted, std::mem::take(&mut cell.closed)))
    }

    /// Called by the actor: wake me at the next settle or release. Returns false when there already is something to
    /// take.
    pub fn ask_to_be_woken(&self) -> bool {
        let mut cell = self.lock();
        cell.wake = true;
        !self.news.load(Ordering::Acquire)
    }

    /// The actor ended by a failure: its approvals that are in no batch yet are void.
    pub fn bury(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// Whether the actor that gave approvals through this cell has failed.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// How many slips name this account now.
    pub fn in_flight(&self) -> &AtomicUsize {
        &self.in_flight
    }

    fn lock(&self) -> MutexGuard<'_, Cell> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub type UsedKeys = HashMap<KeyHash, UsedKey>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_key_means_the_same_to_everybody() {
        let (own, other, request) = (TransactionId::draw(), TransactionId::draw(), RequestHash::of(&[b"a"]));
        let used = UsedKey {
            key: KeyHash::own(own),
            transaction: own,
            request,
            retired: false,
            created_at: DateTime::UNIX_EPOCH,
        };
        assert!(matches!(used.verdict(Some(own), request), Outcome::Done { id, .. } if id == own));
        for asks in [Some(other), None] {
            assert!(matches!(used.verdict(asks, request), Outcome::Replayed { id, .. } if id == own));
        }
        for asks in [Some(own), Some(other), None] {
            assert!(matches!(used.verdict(asks, RequestHash::of(&[b"b"])), Outcome::KeyReused));
            assert!(matches!(UsedKey { retired: true, ..used }.verdict(asks, request), Outcome::KeyRetired));
        }
    }
}
