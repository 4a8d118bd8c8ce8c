//! A slip: one transaction on its way through its accounts' actors to the journal. It owns the legs that it opened.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::account::{AccountHandle, AccountMessage};
use super::admission::Permit;
use super::record::{AccountId, BalancesAfter, Body, KeyHash, Record, RequestHash, Rows, TransactionId};
use crate::ledger::{Leg, Rejection};
use crate::money::Amount;

/// The answer to a command.
pub enum Outcome {
    /// Durable, by this very command.
    Done {
        id: TransactionId,
        /// When it was accepted for processing.
        created_at: DateTime<Utc>,
        /// After each posting. `None`: not wanted, or not known here; then they are read with the transaction.
        balances: Option<Box<[BalancesAfter]>>,
    },
    /// The same request used the key before; this is its transaction.
    Replayed {
        id: TransactionId,
        /// When the first request was accepted for processing.
        created_at: DateTime<Utc>,
    },
    /// Another request used the key before.
    KeyReused,
    /// The key was retired: it had no effect and never will.
    KeyRetired,
    /// An account refuses. Nothing moved, and the key is still free.
    Refused {
        account: AccountId,
        rejection: Rejection,
        /// The command's slot in the bound, to be used for the record of the decline.
        permit: Permit,
    },
    Aborted(Abort),
    /// Maybe done: only a repeat with the same key can tell.
    Unknown,
}

/// Why a command was certainly not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// The account's actor ended on the way: the command can be tried again at once.
    Interrupted,
    DatabaseAway,
    NotLeader,
    /// Too many slips wait for this account.
    AccountBusy,
    /// It waited past its cut-off.
    TooLate,
    /// Less is left of the payment or the hold than it requests, or a saga's fact was written by another.
    Exceeded,
    /// The account that it would open exists.
    AccountExists,
    /// The currency of the account that it would open takes no new accounts.
    CurrencyInactive,
    /// The database refused this record, though the rules admitted it.
    Guard,
}

/// One account that a slip passes.
pub struct Stop {
    pub account: Arc<AccountHandle>,
    /// All debits of the record here, in minor units.
    pub debit: i128,
    /// All credits of the record here, in minor units.
    pub credit: i128,
    /// How much more is held here, in minor units; negative: less.
    pub held: i128,
    /// Whether its leg is open.
    pub approved: bool,
}

impl Stop {
    pub fn leg(&self) -> Leg {
        Leg::with_hold(self.debit, self.credit, self.held)
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.account.cell.in_flight().fetch_sub(1, Ordering::Relaxed);
    }
}

/// The accounts of a record, ascending by internal id, so that waiting never deadlocks.
pub type Stops = SmallVec<[Stop; 2]>;

/// A record on its way. If it is dropped before a lane took it into a batch, for whatever reason, it releases its legs
/// and answers that it is certainly not done.
pub struct Slip {
    /// The record; `None` only once the slip was taken apart.
    record: Option<Box<Record>>,
    stops: Stops,
    at: usize,
    /// The refusal that comes first in the order of payment.v1, of those so far, with the account that gave it.
    refusal: Option<(AccountId, Rejection)>,
    reply: Option<oneshot::Sender<Outcome>>,
    permit: Option<Permit>,
}

/// A slip that the lane has taken apart: from here on only the journal answers it.
pub struct Taken {
    pub record: Box<Record>,
    /// The accounts whose legs are open.
    pub stops: Stops,
    pub reply: oneshot::Sender<Outcome>,
    /// Its slot in the bound of what is in flight.
    pub permit: Permit,
}

impl Slip {
    /// A slip that will pass these accounts, in order of their numbers.
    ///
    /// # Errors
    /// [`Abort::AccountBusy`] when one of the accounts has `share_max` slips already.
    pub fn new(
        record: Box<Record>,
        accounts: &[&Arc<AccountHandle>],
        share_max: usize,
        reply: oneshot::Sender<Outcome>,
        permit: Permit,
    ) -> Result<Box<Self>, Abort> {
        let mut stops = Stops::new();
        let mut busy = false;
        for account in accounts {
            busy |= account.cell.in_flight().fetch_add(1, Ordering::Relaxed) >= share_max;
            stops.push(Stop { account: Arc::clone(account), debit: 0, credit: 0, held: 0, approved: false });
        }
        stops.sort_unstable_by_key(|stop| stop.account.identity.id);
        if let Body::Postings(postings) = &record.body {
            for posting in postings {
                for stop in &mut stops {
                    let id = stop.account.identity.id;
                    stop.debit += if posting.debit == id { posting.amount.minor_units() } else { 0 };
                    stop.credit += if posting.credit == id { posting.amount.minor_units() } else { 0 };
                }
            }
        }
        for (account, held) in record.rows.iter().filter_map(Rows::held) {
            if let Some(stop) = stops.iter_mut().find(|stop| stop.account.identity.id == account) {
                stop.held += held;
            }
        }
        if busy {
            return Err(Abort::AccountBusy);
        }
        Ok(Box::new(Self {
            record: Some(record),
            stops,
            at: 0,
            refusal: None,
            reply: Some(reply),
            permit: Some(permit),
        }))
    }

    pub fn id(&self) -> TransactionId {
        self.record().id
    }

    pub fn key(&self) -> KeyHash {
        self.record().key
    }

    pub fn request(&self) -> RequestHash {
        self.record().request
    }

    /// # Panics
    /// Never: only `take` and `drop` empty it.
    pub fn record(&self) -> &Record {
        self.record.as_deref().expect("a slip holds its record until it is taken apart")
    }

    /// The account where it is now.
    pub fn stop(&self) -> &Stop {
        &self.stops[self.at]
    }

    pub fn stops(&self) -> &[Stop] {
        &self.stops
    }

    /// Whether it only voids held money: that is admitted whatever the account's status is.
    pub fn is_release(&self) -> bool {
        self.record().rows.iter().any(|rows| matches!(rows, Rows::Take { captured, .. } if *captured == Amount::ZERO))
    }

    /// Whether an account has refused it. The accounts after that only look whether they would refuse it too.
    pub fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// The account where it is now has opened its leg.
    pub fn approve(&mut self) {
        self.stops[self.at].approved = true;
    }

    /// The account where it is now refuses. The legs opened so far are released, and the refusal that comes first in
    /// the order of payment.v1 is kept: status before funds, funds before ceilings; among equals the payer's, then that
    /// of the account with the lowest number.
    pub fn refuse(&mut self, rejection: Rejection) {
        self.release();
        let here = (self.stop().account.identity.id, rejection);
        let rank = |refusal: &(AccountId, Rejection)| {
            let pays = self
                .stops
                .iter()
                .any(|stop| stop.account.identity.id == refusal.0 && (stop.debit > 0 || stop.held > 0));
            (
                matches!(refusal.1, Rejection::LimitExceeded { .. }),
                matches!(refusal.1, Rejection::InsufficientFunds { .. }),
                !pays,
                refusal.0,
            )
        };
        if self.refusal.as_ref().is_none_or(|before| rank(&here) < rank(before)) {
            self.refusal = Some(here);
        }
    }

    /// Goes on to the next account. Returns the slip after the last one, to be handed to the journal; `None` also when
    /// it was refused and answered.
    pub fn forward(mut self: Box<Self>) -> Option<Box<Self>> {
        self.at += 1;
        if self.at < self.stops.len() {
            self.enter();
            return None;
        }
        let Some((account, rejection)) = self.refusal else { return Some(self) };
        if let (Some(reply), Some(permit)) = (self.reply.take(), self.permit.take()) {
            // nobody listening is no reason to do anything
            let _ = reply.send(Outcome::Refused { account, rejection, permit });
        }
        None
    }

    /// Sends it to the account where it is now. If that actor has ended, the slip is dropped, and so answered.
    pub fn enter(self: Box<Self>) {
        let account = self.stop().account.clone();
        let _ = account.actor.cast(AccountMessage::Slip(self));
    }

    /// Ends the slip with an answer; legs are released.
    pub fn answer(mut self: Box<Self>, outcome: Outcome) {
        self.release();
        self.permit = None; // before the answer: whoever hears it may ask what else is in flight under its key
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(outcome);
        }
    }

    /// Called by the lane, which takes it into a batch: from now on, dropping it releases nothing.
    ///
    /// # Panics
    /// Never: a slip is taken once.
    pub fn take(mut self: Box<Self>) -> Taken {
        Taken {
            record: self.record.take().expect("a slip is taken once"),
            stops: std::mem::take(&mut self.stops),
            reply: self.reply.take().expect("a slip is taken once"),
            permit: self.permit.take().expect("a slip is taken once"),
        }
    }

    fn release(&mut self) {
        let Some(id) = self.record.as_ref().map(|record| record.id) else { return };
        release_legs(&mut self.stops, id);
    }
}

/// Closes the open legs of a transaction that did not happen.
pub fn release_legs(stops: &mut Stops, id: TransactionId) {
    for stop in stops {
        if std::mem::take(&mut stop.approved) && stop.account.cell.release(id) {
            let _ = stop.account.actor.cast(AccountMessage::Wake); // an actor that ended has nobody waiting
        }
    }
}

impl Drop for Slip {
    fn drop(&mut self) {
        self.release();
        self.permit = None; // before the answer, as above
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(Outcome::Aborted(Abort::Interrupted));
        }
    }
}
