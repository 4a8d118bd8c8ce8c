//! Random histories of several accounts against books that are kept beside them, as the database keeps them.
//!
//! The books know what is posted; the accounts under test know what they were told: settles late and in any order,
//! reads at any time. Whatever they admitted may then commit or not, in any subset, and no limit of the books may
//! break.

mod histories;
mod holds;

use proptest::prelude::*;

use self::histories::{opening, step};
use super::{Account, Decision, Leg, Rejection, Status, Totals};
use crate::money::Amount;

const ACCOUNTS: usize = 3;
const MAX: i128 = Amount::MAX.minor_units();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Guards {
    held: i128,
    floor: Option<i128>,
    ceiling: Option<i128>,
    status: Status,
}

impl Guards {
    /// Until a change is written, both what was and what will be must hold.
    fn and(self, other: Self) -> Self {
        Self {
            held: self.held.max(other.held),
            floor: self.floor.max(other.floor), // None is the lowest
            ceiling: [self.ceiling, other.ceiling].into_iter().flatten().min(),
            status: self.status.max(other.status),
        }
    }

    fn known(self) -> super::Guards {
        super::Guards { status: self.status, floor: self.floor, ceiling: self.ceiling }
    }

    /// What the database's checks say of a balance.
    fn allow(&self, lowest: i128, highest: i128) -> bool {
        let floor_holds = self.floor.is_none_or(|floor| lowest - self.held >= floor);
        let ceiling_holds = self.ceiling.is_none_or(|ceiling| highest <= ceiling);
        floor_holds && ceiling_holds && lowest - self.held >= -MAX && highest <= MAX
    }
}

/// Some of these postings move money both ways between the same accounts: an account's leg is their net.
#[derive(Clone, Debug)]
enum Step {
    Post(Vec<(usize, usize, i128)>),
    /// One batch of those pending whose bit is set.
    Commit(u8),
    Release(usize),
    Settle(usize),
    Read(usize),
    Change(usize, Status, Option<i128>, Option<i128>),
}

struct Transaction {
    id: u32,
    /// Account, debits, credits.
    stops: Vec<(usize, i128, i128)>,
    /// Of each stop, once committed.
    totals: Vec<Totals>,
}

impl Transaction {
    fn leg(&self, account: usize) -> Leg {
        self.stops
            .iter()
            .find(|stop| stop.0 == account)
            .map_or(Leg::default(), |(_, debits, credits)| Leg::net(*debits, *credits))
    }
}

struct World {
    books: Vec<(Totals, Guards)>,
    accounts: Vec<Account<u32>>,
    /// Approved by all accounts; not committed.
    pending: Vec<Transaction>,
    /// Committed; the accounts have not heard of it.
    committed: Vec<Transaction>,
    changes: Vec<Option<Guards>>,
    next: u32,
    /// Sum of the opening balances.
    opening: i128,
}

fn sum(transactions: &[Transaction], account: usize) -> Leg {
    let legs = transactions.iter().map(|transaction| transaction.leg(account));
    legs.fold(Leg::default(), add)
}

fn add(a: Leg, b: Leg) -> Leg {
    Leg { debit: a.debit + b.debit, credit: a.credit + b.credit, held: a.held + b.held }
}

impl World {
    fn new(opening: &[(i128, Guards)]) -> Self {
        let books: Vec<_> = opening
            .iter()
            .map(|(balance, guards)| {
                (
                    Totals { debits: (-balance).max(0), credits: (*balance).max(0), held: guards.held, version: 0 },
                    *guards,
                )
            })
            .collect();
        let account = |(totals, guards): &(Totals, Guards)| Account::new(*totals, guards.known());
        let accounts = books.iter().map(account).collect();
        Self {
            books,
            accounts,
            pending: Vec::new(),
            committed: Vec::new(),
            changes: vec![None; opening.len()],
            next: 0,
            opening: opening.iter().map(|(balance, _)| balance).sum(),
        }
    }

    fn open(&self, account: usize) -> Leg {
        let (pending, committed) = (sum(&self.pending, account), sum(&self.committed, account));
        add(pending, committed)
    }

    /// What the rules promise of a decision, said over again in other words; `opened`: by the same transaction,
    /// elsewhere.
    fn expected(&self, account: usize, leg: Leg) -> &'static str {
        let (known, open) = (&self.accounts[account], self.open(account));
        let fits = |debits: i128, credits: i128| {
            let floor_holds = leg.debit == 0
                || known.balance() - known.held() - debits - leg.debit >= known.guards().floor.unwrap_or(-MAX);
            floor_holds
                && (leg.credit == 0 || known.balance() + credits + leg.credit <= known.guards().ceiling.unwrap_or(MAX))
        };
        match (known.status() == Status::Active && fits(0, 0), fits(open.debit, open.credit)) {
            (true, true) => "admit",
            (true, false) => "wait",
            (false, _) => "refuse",
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Post(postings) => self.post(postings)?,
            Step::Commit(mask) => self.commit(*mask),
            Step::Release(n) if !self.pending.is_empty() => {
                let transaction = self.pending.remove(n % self.pending.len());
                self.close(&transaction)?;
            }
            Step::Settle(n) if !self.committed.is_empty() => {
                let transaction = self.committed.remove(n % self.committed.len());
                for ((account, ..), totals) in transaction.stops.iter().zip(&transaction.totals) {
                    self.accounts[*account].see(*totals);
                }
                self.close(&transaction)?;
            }
            Step::Release(_) | Step::Settle(_) => {}
            Step::Read(account) => {
                let (totals, _) = self.books[*account];
                self.accounts[*account].see(totals);
            }
            Step::Change(account, status, floor, ceiling) => {
                let guards = self.books[*account].1;
                if self.changes[*account].is_none() && guards.status != Status::Closed {
                    let change = Guards { status: *status, floor: *floor, ceiling: *ceiling, ..guards };
                    self.changes[*account] = Some(change);
                    bind(&mut self.accounts[*account], change.and(guards));
                }
            }
        }
        self.write_changes()
    }

    fn post(&mut self, postings: &[(usize, usize, i128)]) -> Result<(), TestCaseError> {
        let gross = |account| {
            let side = |pick: fn(&(usize, usize, i128)) -> usize| {
                postings.iter().filter(|posting| pick(posting) == account).map(|posting| posting.2).sum::<i128>()
            };
            (account, side(|posting| posting.0), side(|posting| posting.1))
        };
        let stops: Vec<_> = (0..ACCOUNTS).map(gross).filter(|(_, debits, credits)| debits + credits > 0).collect();
        let transaction = Transaction { id: self.next, stops, totals: Vec::new() };
        self.next += 1;
        for (n, (account, ..)) in transaction.stops.iter().enumerate() {
            let leg = transaction.leg(*account);
            let decision = self.accounts[*account].decide(leg);
            let said = match decision {
                Decision::Admit => "admit",
                Decision::Wait => "wait",
                Decision::Refuse(_) => "refuse",
            };
            prop_assert_eq!(said, self.expected(*account, leg), "account {} on {:?}: {:?}", account, leg, decision);
            if let Decision::Refuse(Rejection::InsufficientFunds { available, requested, .. }) = decision {
                prop_assert!((0..requested).contains(&available), "{} available of {} requested", available, requested);
            }
            if decision != Decision::Admit {
                for (opened, ..) in &transaction.stops[..n] {
                    prop_assert!(self.accounts[*opened].close(&transaction.id));
                }
                return Ok(());
            }
            self.accounts[*account].open(transaction.id, leg);
        }
        self.pending.push(transaction);
        Ok(())
    }

    /// The database: gross sums per account, one version per batch.
    fn commit(&mut self, mask: u8) {
        let (batch, rest): (Vec<_>, Vec<_>) =
            self.pending.drain(..).enumerate().partition(|(n, _)| mask & (1 << (n % 8)) != 0);
        self.pending = rest.into_iter().map(|(_, transaction)| transaction).collect();
        let mut batch: Vec<_> = batch.into_iter().map(|(_, transaction)| transaction).collect();
        for (account, (totals, _)) in self.books.iter_mut().enumerate() {
            let mut stops =
                batch.iter().flat_map(|transaction| &transaction.stops).filter(|stop| stop.0 == account).peekable();
            totals.version += i64::from(stops.peek().is_some());
            for (_, debits, credits) in stops {
                totals.debits += debits;
                totals.credits += credits;
            }
        }
        for transaction in &mut batch {
            transaction.totals = transaction.stops.iter().map(|stop| self.books[stop.0].0).collect();
        }
        self.committed.append(&mut batch);
    }

    fn close(&mut self, transaction: &Transaction) -> Result<(), TestCaseError> {
        for (account, ..) in &transaction.stops {
            prop_assert!(self.accounts[*account].close(&transaction.id), "a leg is closed once");
            prop_assert!(!self.accounts[*account].close(&transaction.id), "and not twice");
        }
        Ok(())
    }

    /// A change is decided and written once no leg is open.
    fn write_changes(&mut self) -> Result<(), TestCaseError> {
        for n in 0..ACCOUNTS {
            if self.accounts[n].open_legs() > 0 {
                continue;
            }
            let Some(change) = self.changes[n].take() else { continue };
            let (totals, guards) = self.books[n];
            let now = Account::<u32>::new(totals, guards.known());
            let balance = totals.credits - totals.debits;
            let decision = now.decide_change(change.known());
            let right = change.status != Status::Closed || (balance == 0 && change.held == 0);
            prop_assert_eq!(decision.is_ok(), right, "{:?} with balance {}: {:?}", change, balance, decision);
            // Limits past the balance are a case of their own, below: here every limit holds from the beginning.
            if decision.is_ok() && change.allow(balance, balance) {
                self.books[n].1 = change;
            }
            let written = self.books[n].1;
            bind(&mut self.accounts[n], written);
        }
        Ok(())
    }

    /// What holds after every step.
    fn check(&self) -> Result<(), TestCaseError> {
        let posted: i128 = self.books.iter().map(|(totals, _)| totals.credits - totals.debits).sum();
        prop_assert_eq!(posted, self.opening, "what one account loses another gains");
        for (n, (totals, guards)) in self.books.iter().enumerate() {
            let (known, pending, open) = (&self.accounts[n], sum(&self.pending, n), self.open(n));
            let posted = totals.credits - totals.debits;
            prop_assert!(
                guards.allow(posted - pending.debit, posted + pending.credit),
                "account {n}: {posted} less {} or plus {} breaks {guards:?}",
                pending.debit,
                pending.credit
            );
            if guards.status == Status::Closed {
                prop_assert!(posted == 0 && pending == Leg::default(), "closed account {} has money, or will", n);
            }
            prop_assert!(
                known.balance() - open.debit <= posted - pending.debit,
                "account {} believes in more than it can spend",
                n
            );
            prop_assert!(
                known.balance() + open.credit >= posted + pending.credit,
                "account {} believes in more room than it has",
                n
            );
            if known.open_legs() == 0 {
                prop_assert_eq!(known.totals(), *totals, "account {} has heard of everything", n);
            }
        }
        Ok(())
    }
}

fn limits(floor: Option<i128>, ceiling: Option<i128>) -> super::Guards {
    super::Guards { status: Status::Active, floor, ceiling }
}

fn bind(account: &mut Account<u32>, guards: Guards) {
    account.see_guards(guards.known());
}

fn run(opening: &[(i128, Guards)], steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new(opening);
    world.check()?;
    for step in steps {
        world.step(step)?;
        world.check()?;
    }
    // Whatever is left commits, and is heard of in the order least expected.
    world.commit(u8::MAX);
    while !world.committed.is_empty() {
        world.check()?;
        world.step(&Step::Settle(world.committed.len() - 1))?;
    }
    world.check()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_history_breaks_a_limit(books in proptest::collection::vec(opening(100), ACCOUNTS), steps in proptest::collection::vec(step(100), 0..60)) {
        run(&books, &steps)?;
    }

    #[test]
    fn no_history_leaves_the_range_of_amounts(books in proptest::collection::vec(opening(MAX), ACCOUNTS), steps in proptest::collection::vec(step(MAX), 0..40)) {
        run(&books, &steps)?;
    }
}

#[test]
fn rules_say_which_limit_and_how_much() {
    let totals = |debits, credits| Totals { debits, credits, held: 0, version: 1 };
    let account = Account::<u32>::new(Totals { held: 10, ..totals(40, 100) }, limits(Some(0), Some(80)));
    let (debit, credit) = (|debit| Leg::net(debit, 0), |credit| Leg::net(0, credit));
    let refuse = Decision::Refuse;
    for (leg, decision) in [
        (debit(50), Decision::Admit),
        (debit(51), refuse(Rejection::InsufficientFunds { available: 50, requested: 51, before_floor: 50 })),
        (credit(20), Decision::Admit),
        (credit(21), refuse(Rejection::LimitExceeded { ceiling: 80 })),
        (Leg::net(60, 60), Decision::Admit),
        (Leg::net(70, 19), refuse(Rejection::InsufficientFunds { available: 50, requested: 51, before_floor: 50 })),
        // A hold takes what is available and adds nothing; a capture of what is held asks for nothing more, and what it
        // lets go makes no room yet.
        (
            Leg::with_hold(0, 0, 51),
            refuse(Rejection::InsufficientFunds { available: 50, requested: 51, before_floor: 50 }),
        ),
        (Leg::with_hold(0, 0, 50), Decision::Admit),
        (Leg::with_hold(10, 0, -10), Decision::Admit),
        (Leg::with_hold(0, 0, -10), Decision::Admit),
    ] {
        assert_eq!(account.decide(leg), decision, "{leg:?}");
    }
    for status in [Status::Suspended, Status::Closed] {
        let inactive = Account::<u32>::new(totals(0, 0), super::Guards { status, ..super::Guards::NONE });
        assert_eq!(inactive.decide(Leg::default()), refuse(Rejection::Inactive { status }));
    }
    let (active, shut) = (super::Guards::NONE, super::Guards { status: Status::Closed, ..super::Guards::NONE });
    assert_eq!(account.decide_change(shut), Err(Rejection::NotEmpty { balance: 60, held: 10 }));
    let closed = Account::<u32>::new(totals(5, 5), shut);
    for change in [active, super::Guards { floor: Some(1), ..shut }, super::Guards { ceiling: Some(1), ..shut }] {
        assert_eq!(closed.decide_change(change), Err(Rejection::AlreadyClosed), "{change:?}");
    }
    assert_eq!(closed.decide_change(shut), Ok(()), "it is so already");
    assert_eq!(Leg::with_hold(10, 0, -15), Leg::default(), "what is let go beyond the capture is no credit");

    // Limits past the balance bind what is new, and nothing else.
    let short = Account::<u32>::new(totals(40, 100), limits(Some(80), Some(50)));
    assert_eq!(
        short.decide(debit(1)),
        refuse(Rejection::InsufficientFunds { available: 0, requested: 1, before_floor: 60 })
    );
    assert_eq!(short.decide(credit(1)), refuse(Rejection::LimitExceeded { ceiling: 50 }));
}
