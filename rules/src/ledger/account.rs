//! One account: its posted totals and its open legs. What matters is [`Account::decide`].

use std::hash::Hash;

use super::{Rejection, SmallMap};
use crate::money::Amount;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It pays and is paid.
    Active,
    /// It neither pays nor is paid until it is active again.
    Suspended,
    /// As suspended, but for ever.
    Closed,
}

impl Status {
    /// The number wherever a status is stored.
    pub fn code(self) -> i16 {
        match self {
            Self::Active => 1,
            Self::Suspended => 2,
            Self::Closed => 3,
        }
    }

    /// `None`: no status has this number.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Closed].into_iter().find(|status| status.code() == code)
    }

    /// The name wherever a status is written as text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }
}

/// What bounds an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Whether it takes part.
    pub status: Status,
    /// The lowest available balance allowed, in minor units; none: any.
    pub floor: Option<i128>,
    /// The highest balance allowed, in minor units; none: any.
    pub ceiling: Option<i128>,
}

impl Guards {
    /// Active, without limits.
    pub const NONE: Self = Self { status: Status::Active, floor: None, ceiling: None };
}

/// A change of guards: what is not named stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardsChange {
    /// The new status.
    pub status: Option<Status>,
    /// The new floor, in minor units; `Some(None)`: no floor from now on.
    pub floor: Option<Option<i128>>,
    /// The new ceiling, in minor units; `Some(None)`: no ceiling from now on.
    pub ceiling: Option<Option<i128>>,
}

impl GuardsChange {
    /// A change of status alone.
    pub fn of_status(status: Status) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// The guards that then hold.
    pub fn on(&self, now: Guards) -> Guards {
        Guards {
            status: self.status.unwrap_or(now.status),
            floor: self.floor.unwrap_or(now.floor),
            ceiling: self.ceiling.unwrap_or(now.ceiling),
        }
    }

    /// Whether it names a limit.
    pub fn has_limits(&self) -> bool {
        self.floor.is_some() || self.ceiling.is_some()
    }
}

/// What the database says of an account's money at some version. A higher version is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// The sum of all debits ever, in minor units.
    pub debits: i128,
    /// The sum of all credits ever, in minor units.
    pub credits: i128,
    /// The sum of what open holds have left, in minor units. It is in the balance, but not available.
    pub held: i128,
    /// How many rows of the journal are about the account.
    pub version: i64,
}

/// What an open transaction will do to the account, in minor units; neither is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Leg {
    /// By how much less is available: it leaves the account, or is held.
    pub debit: i128,
    /// By how much the balance rises.
    pub credit: i128,
    /// By how much more is held; it is in the debit too.
    pub held: i128,
}

impl Leg {
    /// The net effect of a debit and a credit, without a hold.
    pub fn net(debit: i128, credit: i128) -> Self {
        Self::with_hold(debit, credit, 0)
    }

    /// The net effect of a debit, a credit and a change of what is held (negative: less is held). What a hold releases
    /// is available only when that is committed, and never counts against a ceiling.
    pub fn with_hold(debit: i128, credit: i128, held: i128) -> Self {
        Self { debit: (debit - credit + held).max(0), credit: (credit - debit).max(0), held: held.max(0) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It fits even if the worst of all open legs settle.
    Admit,
    /// It would fit if other legs were released: wait until one settles.
    Wait,
    /// It would not fit even if all other legs were released.
    Refuse(Rejection),
}

/// An account as its actor knows it. `T` is the id of a transaction.
#[derive(Clone, Debug)]
pub struct Account<T> {
    totals: Totals,
    guards: Guards,
    legs: SmallMap<T, Leg>,
    open_debits: i128,
    open_credits: i128,
    open_holds: i128,
}

impl<T: Eq + Hash + Copy> Account<T> {
    /// An account as read from the database, without open legs.
    pub fn new(totals: Totals, guards: Guards) -> Self {
        Self { totals, guards, legs: SmallMap::default(), open_debits: 0, open_credits: 0, open_holds: 0 }
    }

    /// In minor units.
    pub fn balance(&self) -> i128 {
        self.totals.credits - self.totals.debits
    }

    /// Balance less what is held, in minor units.
    pub fn available(&self) -> i128 {
        self.balance() - self.totals.held
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// In minor units.
    pub fn held(&self) -> i128 {
        self.totals.held
    }

    pub fn status(&self) -> Status {
        self.guards.status
    }

    /// What bounds it.
    pub fn guards(&self) -> Guards {
        self.guards
    }

    pub fn open_legs(&self) -> usize {
        self.legs.len()
    }

    /// Whether this transaction's leg is open.
    pub fn is_open(&self, transaction: &T) -> bool {
        self.legs.contains_key(transaction)
    }

    /// Decides on a leg without opening it. Rules are checked in order of precedence.
    pub fn decide(&self, leg: Leg) -> Decision {
        if self.guards.status != Status::Active {
            return Decision::Refuse(Rejection::Inactive { status: self.guards.status });
        }
        // Without a floor the range of amounts is the limit, also for what will become of the holds.
        let (free, floor) = (self.available(), self.guards.floor.unwrap_or(-Amount::MAX.minor_units()));
        if leg.debit > 0 {
            if free - leg.debit < floor {
                return Decision::Refuse(Rejection::InsufficientFunds {
                    available: (free - floor).max(0),
                    requested: leg.debit,
                    before_floor: free,
                });
            }
            if free - self.open_debits - leg.debit < floor {
                return Decision::Wait;
            }
        }
        let ceiling = self.guards.ceiling.unwrap_or(Amount::MAX.minor_units());
        if leg.credit > 0 {
            if self.balance() + leg.credit > ceiling {
                return Decision::Refuse(Rejection::LimitExceeded { ceiling });
            }
            if self.balance() + self.open_credits + leg.credit > ceiling {
                return Decision::Wait;
            }
        }
        let most = Amount::MAX.minor_units(); // whatever the balance is: what is held is an amount itself
        if leg.held > 0 {
            if self.totals.held + leg.held > most {
                return Decision::Refuse(Rejection::LimitExceeded { ceiling: most });
            }
            if self.totals.held + self.open_holds + leg.held > most {
                return Decision::Wait;
            }
        }
        Decision::Admit
    }

    /// Opens a leg that was admitted.
    ///
    /// # Panics
    /// If the transaction has an open leg here already: its key should have made it wait.
    pub fn open(&mut self, transaction: T, leg: Leg) {
        let before = self.legs.insert(transaction, leg);
        assert!(before.is_none(), "a transaction opens one leg per account");
        self.open_debits += leg.debit;
        self.open_credits += leg.credit;
        self.open_holds += leg.held;
    }

    /// Closes a leg, settled or not; returns whether it was open.
    pub fn close(&mut self, transaction: &T) -> bool {
        let Some(leg) = self.legs.remove(transaction) else { return false };
        self.open_debits -= leg.debit;
        self.open_credits -= leg.credit;
        self.open_holds -= leg.held;
        true
    }

    /// Takes totals from a settle or a read, if they are later than those known, and returns whether they are. Totals
    /// are absolute, never deltas: a credit in both a read and a settle would otherwise count twice.
    pub fn see(&mut self, totals: Totals) -> bool {
        let later = totals.version > self.totals.version;
        if later {
            self.totals = totals;
        }
        later
    }

    /// Takes totals that the caller has put in order: the latest that there are, whatever their version.
    pub fn renew(&mut self, totals: Totals) {
        self.totals = totals;
    }

    /// Takes over what only a read brings.
    pub fn see_guards(&mut self, guards: Guards) {
        self.guards = guards;
    }

    /// Decides on what is to bound the account, by what is posted. Open legs do not matter here: the change holds up
    /// admission at once, and is written when they have settled. Floor and ceiling may be set past the balance: they
    /// bind new movements, and move nothing. What is as it was is no change, also of a closed account.
    ///
    /// # Errors
    /// `AlreadyClosed`; `NotEmpty` when closing with money.
    pub fn decide_change(&self, after: Guards) -> Result<(), Rejection> {
        if after == self.guards {
            return Ok(());
        }
        if self.guards.status == Status::Closed {
            return Err(Rejection::AlreadyClosed);
        }
        if after.status == Status::Closed && (self.balance() != 0 || self.totals.held != 0) {
            return Err(Rejection::NotEmpty { balance: self.balance(), held: self.totals.held });
        }
        Ok(())
    }
}
