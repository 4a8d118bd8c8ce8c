//! One account. Its actor is the only one that admits debits on it.
//!
//! It owns the account's open legs, and the slips that wait for one of them to close. It hears from slips (sent by
//! gateways and by other accounts), from its cell (what the journal settled), from its own reads, and from the
//! directory (which passivates it). It never waits for another actor: slips go on by themselves. If it dies between any
//! two lines, its mailbox is dropped: every slip in it releases its legs and answers "certainly not done". Legs of
//! slips in a batch belong to the journal, and the next actor of the account is loaded after that batch.

mod change;
mod open;
mod reading;

use std::sync::Arc;
use std::time::Instant;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use self::change::Changes;
use self::open::OpenLegs;
use self::reading::{Reader, Reading};
use super::accounts::DirectoryMessage;
use super::journal::Journal;
use crate::faults::Faults;
use crate::ledger::{self, Decision, Rejection, Status};
use crate::protocol::account::{AccountCell, AccountMessage, Closing, Identity, Posted, ReadAnswer, UsedKey};
use crate::protocol::record::TransactionId;
use crate::protocol::slip::{Abort, Outcome, Slip};

pub use self::reading::Primary;

pub struct AccountActor;

/// What the actor is started with.
pub struct AccountArgs {
    pub identity: Identity,
    /// Where the journal leaves what settled.
    pub cell: Arc<AccountCell>,
    /// The account's money and guards as read from the database.
    pub posted: Posted,
    /// Gets each slip once all accounts have approved it.
    pub journal: Journal,
    /// Asked before any refusal.
    pub primary: Primary,
    /// Asks this actor to end when it is idle.
    pub directory: ActorRef<DirectoryMessage>,
    pub faults: Faults,
}

pub struct AccountState {
    identity: Identity,
    cell: Arc<AccountCell>,
    account: ledger::Account<TransactionId>,
    open: OpenLegs,
    /// Slips that wait for a leg to close: one with the same key, or one whose money they need.
    waiting: Vec<Box<Slip>>,
    reading: Reading,
    changes: Changes,
    journal: Journal,
    directory: ActorRef<DirectoryMessage>,
    faults: Faults,
    leaving: bool,
}

impl Actor for AccountActor {
    type Msg = AccountMessage;
    type State = AccountState;
    type Arguments = AccountArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<AccountMessage>,
        args: AccountArgs,
    ) -> Result<AccountState, ActorProcessingErr> {
        let Posted { totals, guards, .. } = args.posted;
        Ok(AccountState {
            account: ledger::Account::new(totals, guards),
            reading: Reading::new(Reader {
                primary: args.primary,
                account: args.identity.id,
                journal: args.journal.clone(),
                actor: myself,
            }),
            identity: args.identity,
            cell: args.cell,
            open: OpenLegs::default(),
            waiting: Vec::new(),
            changes: Changes::default(),
            journal: args.journal,
            directory: args.directory,
            faults: args.faults,
            leaving: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<AccountMessage>,
        message: AccountMessage,
        state: &mut AccountState,
    ) -> Result<(), ActorProcessingErr> {
        state.absorb();
        match message {
            AccountMessage::Slip(slip) => {
                state.faults.point("account.slip");
                state.admit(slip);
            }
            AccountMessage::Change(order) => {
                state.faults.point("account.change");
                state.changes.queue(order);
                state.next_change();
            }
            AccountMessage::Wake => state.faults.point("account.wake"), // absorbing was all
            AccountMessage::Read(answer) => {
                state.faults.point("account.read");
                state.read_answered(*answer);
            }
            AccountMessage::Passivate => {
                state.faults.point("account.passivate");
                state.passivate(&myself);
            }
        }
        Ok(())
    }
}

impl AccountState {
    /// Takes what the journal left in the cell, and lets slips go on that waited for it.
    fn absorb(&mut self) {
        // Admitting those who waited may bring news at once; each round closes at least one leg, so it ends.
        while let Some((posted, closed)) = self.cell.take() {
            self.see(&posted);
            self.faults.point("account.absorb");
            let mut committed = Vec::new();
            for (transaction, closing) in &closed {
                self.account.close(transaction);
                if let Some(key) = self.open.close(*transaction)
                    && *closing == Closing::Committed
                {
                    committed.push(key);
                }
                self.changes.closed(*transaction);
            }
            self.go_on(&committed);
        }
    }

    /// Something ended: slips that waited are decided again, and repeats of what was committed are answered.
    fn go_on(&mut self, committed: &[UsedKey]) {
        self.next_change();
        let now = Instant::now();
        for slip in std::mem::take(&mut self.waiting) {
            if slip.record().cutoff <= now && committed.iter().all(|used| used.key != slip.key()) {
                slip.answer(Outcome::Aborted(Abort::TooLate)); // it is in no batch: certainly not done
                continue;
            }
            match committed.iter().find(|used| used.key == slip.key()) {
                Some(used) => {
                    let outcome = used.verdict(Some(slip.id()), slip.request());
                    slip.answer(outcome);
                }
                None => self.admit(slip),
            }
        }
    }

    fn see(&mut self, posted: &Posted) {
        self.account.renew(posted.totals); // the cell keeps the latest
        self.account.see_guards(posted.guards);
    }

    /// Decides on the account's own leg of a slip.
    fn admit(&mut self, mut slip: Box<Slip>) {
        if self.leaving {
            return; // dropped: "certainly not done", and its caller finds the next incarnation
        }
        if slip.is_refused() {
            if self.account.status() != Status::Active {
                slip.refuse(Rejection::Inactive { status: self.account.status() });
            }
            slip.forward();
        } else if self.open.has_key(slip.key()) || self.changes.is_under_way() {
            self.wait(slip);
        } else {
            match self.account.decide(slip.stop().leg()) {
                Decision::Admit => self.approve(slip),
                Decision::Refuse(_) if slip.is_release() => self.approve(slip),
                Decision::Wait => self.wait(slip),
                Decision::Refuse(_) => self.reading.want(slip), // never without asking the database first
            }
        }
    }

    fn approve(&mut self, mut slip: Box<Slip>) {
        self.account.open(slip.id(), slip.stop().leg());
        self.open.open(slip.record());
        slip.approve();
        self.faults.point("account.approved");
        if let Some(slip) = slip.forward() {
            self.journal.submit(slip);
        }
    }

    fn wait(&mut self, slip: Box<Slip>) {
        self.waiting.push(slip);
        if !self.cell.ask_to_be_woken() {
            let _ = self.reading.actor().cast(AccountMessage::Wake); // something came meanwhile
        }
    }

    /// The database has answered: repeats get the first outcome, and refusals are final.
    fn read_answered(&mut self, answer: ReadAnswer) {
        let Some((slips, change)) = self.reading.take(answer.number) else { return };
        match answer.result {
            Err(_) => {
                for slip in slips {
                    slip.answer(Outcome::Aborted(Abort::DatabaseAway));
                }
                if change {
                    self.changes.abort(Abort::DatabaseAway);
                }
            }
            Ok((posted, used)) => {
                self.cell.see(&posted);
                let posted = self.cell.posted();
                self.see(&posted);
                for slip in slips {
                    self.admit_or_refuse(slip, &used);
                }
                if change {
                    self.decide_change(&used);
                }
            }
        }
        self.reading.next();
        if change {
            self.go_on(&[]); // it may have been refused, and those who waited for it can go on
        }
    }

    fn admit_or_refuse(&mut self, mut slip: Box<Slip>, used: &[UsedKey]) {
        if let Some(used) = used.iter().find(|used| used.key == slip.key()) {
            let outcome = used.verdict(Some(slip.id()), slip.request());
            return slip.answer(outcome);
        }
        if !self.open.has_key(slip.key())
            && !self.changes.is_under_way()
            && let Decision::Refuse(rejection) = self.account.decide(slip.stop().leg())
        {
            slip.refuse(rejection);
            slip.forward();
            return;
        }
        self.admit(slip);
    }

    /// Ends if nothing is open; else tells the directory, which lists the account again.
    fn passivate(&mut self, myself: &ActorRef<AccountMessage>) {
        let idle = self.account.open_legs() == 0
            && self.waiting.is_empty()
            && self.reading.is_idle()
            && !self.changes.is_under_way();
        if idle {
            self.leaving = true;
            myself.stop(None); // what is in the mailbox is dropped, and so answered "certainly not done"
        } else {
            // no directory: it takes us down with it
            let _ = self.directory.cast(DirectoryMessage::Busy(self.identity.id));
        }
    }
}
