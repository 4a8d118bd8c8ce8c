//! How the rest of the tree speaks to an account: a handle, a message enum, and a cell in which the journal leaves what settled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use ractor::ActorRef;
use tokio::sync::oneshot;

use super::record::{AccountChange, AccountId, KeyHash, Operator, Record, RequestHash, TransactionId};
use super::slip::{Outcome, Slip};
use crate::ledger::{Guards, GuardsChange, Status, Totals};
use crate::money::{Amount, Currency};

/// What never changes about an account.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its internal number.
    pub id: AccountId,
    /// Whose it is.
    pub tenant: Arc<str>,
    /// As the caller calls it.
    pub name: Arc<str>,
    /// What it is kept in.
    pub currency: Currency,
}

/// An account's guards and totals as the database has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The money.
    pub totals: Totals,
    /// The account's newest row in the journal; 0: it has none.
    pub last: i64,
    /// What bounds it.
    pub guards: Guards,
}

impl Posted {
    /// Whether the money keeps to both limits; one that was set past it binds new movements only.
    pub fn is_within_limits(&self) -> bool {
        let balance = self.totals.credits - self.totals.debits;
        self.guards.floor.is_none_or(|floor| balance - self.totals.held >= floor) && self.guards.ceiling.is_none_or(|ceiling| balance <= ceiling)
    }
}

impl Posted {
    /// Whether movements that were admitted under these guards can lead to so much. Limits bind what moves towards them: who was past one may come back to it. What is
    /// `taken` from holds was admitted with them, and whether they have as much is not known here.
    pub fn may_become(&self, after: &Totals, taken: bool) -> bool {
        let (balance, before) = (after.credits - after.debits, self.totals.credits - self.totals.debits);
        let (available, was_available) = (balance - after.held, before - self.totals.held);
        (taken || self.guards.floor.is_none_or(|floor| available >= floor.min(was_available)))
            && self.guards.ceiling.is_none_or(|ceiling| balance <= ceiling.max(before))
            && balance.abs() <= Amount::MAX.minor_units()
            && (taken || after.held >= 0)
            && (taken || self.guards.status != Status::Closed || (balance == before && after.held == self.totals.held))
    }
}

/// One loaded account. It stays valid after its actor has ended: then what is sent comes back as "not done".
pub struct AccountHandle {
    /// What never changes.
    pub identity: Identity,
    /// Shared by the actor, the journal and whoever reads.
    pub cell: Arc<AccountCell>,
    /// The mailbox.
    pub actor: ActorRef<AccountMessage>,
    /// When it was last asked for, in milliseconds of the directory's clock.
    pub last_used: AtomicU64,
}

/// What the journal builds on: an account's money as of its newest row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The money.
    pub totals: Totals,
    /// The newest row; 0: there is none.
    pub last: i64,
}

impl Posted {
    /// What the journal builds on.
    pub fn known(&self) -> Known {
        Known { totals: self.totals, last: self.last }
    }
}

/// What an account's actor is told.
pub enum AccountMessage {
    /// Approve your leg of this slip and pass it on, or look at it after a refusal.
    Slip(Box<Slip>),
    /// Change status or limits.
    Change(Box<ChangeOrder>),
    /// Something settled or was released while you had somebody waiting.
    Wake,
    /// The read that you asked for.
    Read(Box<ReadAnswer>),
    /// You have been idle: end if nothing is open.
    Passivate,
}

/// A change of status or limits on its way; fields not named stay as they are.
pub struct ChangeOrder {
    /// Whose.
    pub account: Arc<AccountHandle>,
    /// The record, complete but for the account's other guards and what follows from them.
    pub record: Record,
    /// What is to change.
    pub change: GuardsChange,
    /// Who wants it, and why.
    pub by: Operator,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Outcome>,
    /// Its place in the bound.
    pub permit: super::admission::Permit,
}

impl ChangeOrder {
    /// The guards that would then hold.
    pub fn change(&self, now: &Posted) -> AccountChange {
        AccountChange { account: self.account.identity.id, guards: self.change.on(now.guards) }
    }

    /// What it is called among operators' actions.
    pub fn action(&self) -> &'static str {
        match (self.change.status.is_some(), self.change.has_limits()) {
            (true, false) => "account.status",
            (false, true) => "account.limits",
            _ => "account.change",
        }
    }
}

/// What a key was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedKey {
    /// The key.
    pub key: KeyHash,
    /// Its transaction.
    pub transaction: TransactionId,
    /// What was asked.
    pub request: RequestHash,
    /// It was retired by a tombstone.
    pub retired: bool,
    /// When its transaction was accepted.
    pub created_at: DateTime<Utc>,
}

impl UsedKey {
    /// What a command with this key hears, and where its own transaction is the one that used it: done. The one place that says what a used key means.
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
    /// Which read this is.
    pub number: u64,
    /// `Err`: the database did not answer.
    pub result: Result<(Posted, Vec<UsedKey>), String>,
}

/// How a leg was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Its transaction is durable.
    Committed,
    /// Its transaction did not happen.
    Released,
}

/// Where the journal leaves what settled, until the actor's next message. This costs one lock per account and batch, where a
/// message per account and batch would cost an allocation and a wake-up.
pub struct AccountCell {
    inner: Mutex<Cell>,
    news: AtomicBool,
    dead: AtomicBool,
    in_flight: AtomicUsize,
}

struct Cell {
    posted: Posted,
    /// The version as of which the guards in `posted` are known; the totals may be later.
    guards_version: i64,
    closed: Vec<(TransactionId, Closing)>,
    wake: bool,
}

impl AccountCell {
    /// A cell for an account as just read.
    pub fn new(posted: Posted) -> Self {
        let inner = Mutex::new(Cell { posted, guards_version: posted.totals.version, closed: Vec::new(), wake: false });
        Self { inner, news: AtomicBool::new(false), dead: AtomicBool::new(false), in_flight: AtomicUsize::new(0) }
    }

    /// What is posted: the latest committed state that this process has seen.
    pub fn posted(&self) -> Posted {
        self.lock().posted
    }

    /// The journal: this transaction is durable, these are the totals and the newest row after its batch, and these its new guards, if it changed
    /// them. All at once: a read that came in between would bring the old guards back. Answers what is now posted, and whether the actor must be woken.
    pub fn settle(&self, after: Option<Known>, change: Option<&AccountChange>, committed: TransactionId) -> (Posted, bool) {
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

    /// This transaction did not happen. Answers whether the actor must be woken.
    pub fn release(&self, transaction: TransactionId) -> bool {
        let mut cell = self.lock();
        cell.closed.push((transaction, Closing::Released));
        self.news.store(true, Ordering::Release);
        std::mem::take(&mut cell.wake)
    }

    /// The actor or the journal: a read from the primary came back. Totals and guards each stay if they are known as of a later version.
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

    /// For tests: memory as a fault of ours would leave it.
    pub fn damage(&self, posted: &Posted) {
        let mut cell = self.lock();
        (cell.posted, cell.guards_version) = (*posted, posted.totals.version);
        drop(cell);
        self.news.store(true, Ordering::Release);
    }

    /// The actor: takes what has come since; `None` when nothing has.
    pub fn take(&self) -> Option<(Posted, Vec<(TransactionId, Closing)>)> {
        if !self.news.swap(false, Ordering::Acquire) {
            return None;
        }
        let mut cell = self.lock();
        Some((cell.posted, std::mem::take(&mut cell.closed)))
    }

    /// The actor: wake me at the next settle or release. Answers false when there already is something to take.
    pub fn ask_to_be_woken(&self) -> bool {
        let mut cell = self.lock();
        cell.wake = true;
        !self.news.load(Ordering::Acquire)
    }

    /// The actor ended without saying goodbye: approvals of this incarnation that are in no batch yet are void.
    pub fn bury(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// Whether the incarnation that gave approvals through this cell is gone.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// How many slips name this account.
    pub fn in_flight(&self) -> &AtomicUsize {
        &self.in_flight
    }

    fn lock(&self) -> MutexGuard<'_, Cell> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys by hash, as a look-up answers them.
pub type UsedKeys = HashMap<KeyHash, UsedKey>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_key_means_the_same_to_everybody() {
        let (own, other, request) = (TransactionId::draw(), TransactionId::draw(), RequestHash::of(&[b"a"]));
        let used = UsedKey { key: KeyHash::own(own), transaction: own, request, retired: false, created_at: DateTime::UNIX_EPOCH };
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
