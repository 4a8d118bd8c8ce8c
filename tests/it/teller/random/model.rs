//! What the ledger should come to: balances, what is held, what is left of payments and holds, and which rules a step
//! would break.

use florin_wire::florin_v1::{AccountStatus as Status, DeclineCode as Code};
use proptest::prelude::*;

/// Accounts of a case: two plain ones, one with a ceiling, one with a credit line, one in another currency; then a bank
/// of each currency, without bounds.
pub const USERS: usize = 5;
pub const ACCOUNTS: usize = 7;
pub const EUROS: usize = 4;
const BANKS: [usize; 2] = [5, 6];
/// Where picks of reversals begin.
const REVERSALS: usize = 1_000_000;
/// What users begin with.
pub const OPENING: i64 = 100_00;

/// How much of a hold a capture asks for.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// So much.
    Some(i64),
    /// So much, and the rest is let go.
    Final(i64),
    /// All that is left.
    Rest,
}

/// Payments and holds are picked from those so far.
#[derive(Clone, Debug)]
pub enum Step {
    Move {
        kind: &'static str,
        from: usize,
        to: usize,
        cents: i64,
    },
    Refund {
        pick: usize,
        cents: i64,
    },
    /// Of a payment, or of a reversal.
    Reverse {
        pick: usize,
    },
    /// From dollars to euros.
    Exchange {
        from: usize,
        cents: i64,
    },
    Authorize {
        from: usize,
        to: usize,
        cents: i64,
        expires: bool,
    },
    Capture {
        pick: usize,
        part: Part,
    },
    Void {
        pick: usize,
    },
    Floor {
        account: usize,
        floor: Option<i64>,
    },
    Ceiling {
        account: usize,
        ceiling: Option<i64>,
    },
    Status {
        account: usize,
        status: Status,
    },
}

/// A step of any kind; movements between currencies are seldom.
pub fn step() -> impl Strategy<Value = Step> {
    let cents = || prop_oneof![3 => 1..30_00_i64, 1 => 1..150_00_i64];
    let user = || prop_oneof![8 => 0..EUROS, 1 => Just(EUROS)];
    let pick = || 0..1_000_usize;
    // Now and then both are one.
    let pair = move || {
        (user(), user(), prop::bool::weighted(0.1))
            .prop_map(|(from, to, same)| (from, if from == to && !same { (to + 1) % EUROS } else { to }))
    };
    let bank = |user: usize| BANKS[usize::from(user == EUROS)];
    let part =
        prop_oneof![3 => cents().prop_map(Part::Some), 1 => cents().prop_map(Part::Final), 2 => Just(Part::Rest)];
    let limit = || prop_oneof![3 => (-40_00..120_00_i64).prop_map(Some), 1 => Just(None)];
    let status = prop_oneof![3 => Just(Status::Active), 2 => Just(Status::Suspended), 1 => Just(Status::Closed)];
    prop_oneof![
        3 => (user(), cents()).prop_map(move |(to, cents)| Step::Move { kind: "topup", from: bank(to), to, cents }),
        2 => (user(), cents()).prop_map(move |(from, cents)| Step::Move { kind: "withdrawal", from, to: bank(from), cents }),
        3 => (pair(), cents()).prop_map(|((from, to), cents)| Step::Move { kind: "transfer", from, to, cents }),
        8 => (pair(), cents()).prop_map(|((from, to), cents)| Step::Move { kind: "payment", from, to, cents }),
        8 => (pick(), cents()).prop_map(|(pick, cents)| Step::Refund { pick, cents }),
        5 => pick().prop_map(|pick| Step::Reverse { pick }),
        3 => (0..EUROS, cents().prop_map(|cents| cents.max(2))).prop_map(|(from, cents)| Step::Exchange { from, cents }),
        7 => (pair(), cents(), prop::bool::weighted(0.1)).prop_map(|((from, to), cents, expires)| Step::Authorize { from, to, cents, expires }),
        8 => (pick(), part).prop_map(|(pick, part)| Step::Capture { pick, part }),
        3 => pick().prop_map(|pick| Step::Void { pick }),
        1 => (user(), limit()).prop_map(|(account, floor)| Step::Floor { account, floor }),
        1 => (user(), limit()).prop_map(|(account, ceiling)| Step::Ceiling { account, ceiling }),
        2 => (user(), status).prop_map(|(account, status)| Step::Status { account, status }),
    ]
}

#[derive(Clone, Debug)]
pub struct Account {
    pub currency: &'static str,
    pub balance: i64,
    pub held: i64,
    pub floor: Option<i64>,
    pub ceiling: Option<i64>,
    pub status: Status,
}

#[derive(Clone, Debug)]
pub struct Payment {
    pub id: String,
    pub from: usize,
    pub to: usize,
    pub cents: i64,
    left: i64,
}

impl Payment {
    /// What was not given back.
    pub fn left(&self) -> i64 {
        self.left
    }
}

/// What undid a payment, or another of these.
#[derive(Clone, Debug)]
pub struct Reversal {
    pub id: String,
    from: usize,
    to: usize,
    cents: i64,
    /// As [`Model::undoable`] counts.
    of: usize,
    /// How often it was undone, less how often that was undone.
    undone: i64,
}

/// What so much in dollars is in euros at [`RATE`], rounded down to the cent.
fn exchanged(cents: i64) -> i64 {
    cents * 9 / 10
}

/// Euros for a dollar.
pub const RATE: &str = "0.9";

#[derive(Clone, Debug)]
pub struct Hold {
    pub id: String,
    pub from: usize,
    pub to: usize,
    left: i64,
    /// Whether a void or its time took what was left: voids of it are then answered by that one.
    is_released: bool,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub accounts: [Account; ACCOUNTS],
    pub payments: Vec<Payment>,
    pub reversals: Vec<Reversal>,
    pub holds: Vec<Hold>,
}

impl Model {
    /// Before anything was moved.
    pub fn new() -> Self {
        let accounts = std::array::from_fn(|n| Account {
            currency: if n == EUROS || n == BANKS[1] { "EUR" } else { "USD" },
            balance: 0,
            held: 0,
            floor: (n < USERS).then_some(if n == 3 { -20_00 } else { 0 }),
            ceiling: (n == 2).then_some(160_00),
            status: Status::Active,
        });
        Self { accounts, payments: Vec::new(), reversals: Vec::new(), holds: Vec::new() }
    }

    /// The bank that a user's money comes from.
    pub fn bank(user: usize) -> usize {
        BANKS[usize::from(user == EUROS)]
    }

    /// The payment of a pick.
    pub fn payment(&self, pick: usize) -> Option<&Payment> {
        self.payments.get(pick.checked_rem(self.payments.len())?)
    }

    /// What can be undone of a pick, payments from 0 on and reversals from [`REVERSALS`] on: its id, from whom to whom
    /// it went, how much.
    pub fn undoable(&self, pick: usize) -> Option<(&str, usize, usize, i64)> {
        match pick.checked_sub(REVERSALS) {
            Some(n) => self.reversals.get(n).map(|one| (one.id.as_str(), one.from, one.to, one.cents)),
            None => self.payments.get(pick).map(|one| (one.id.as_str(), one.from, one.to, one.cents)),
        }
    }

    /// A pick of what can be undone.
    pub fn pick_undoable(&self, pick: usize) -> Option<usize> {
        let n = pick.checked_rem(self.payments.len() + self.reversals.len())?;
        Some(n.checked_sub(self.payments.len()).map_or(n, |reversal| REVERSALS + reversal))
    }

    /// It, what it undid, what that had undone, and so on.
    fn chain(&self, pick: usize) -> Vec<usize> {
        std::iter::successors(Some(pick), |link| Some(self.reversals.get(link.checked_sub(REVERSALS)?)?.of)).collect()
    }

    /// Nothing of it was given back.
    fn is_whole(&self, link: usize) -> bool {
        match link.checked_sub(REVERSALS) {
            Some(reversal) => self.reversals[reversal].undone == 0,
            None => self.payments[link].left == self.payments[link].cents,
        }
    }

    /// The hold of a pick.
    pub fn hold(&self, pick: usize) -> Option<&Hold> {
        self.holds.get(pick.checked_rem(self.holds.len())?)
    }

    /// The rules that a step breaks: any of them may be the one that is told. None: it is done.
    pub fn broken(&self, step: &Step) -> Vec<Code> {
        match *step {
            Step::Move { from, to, cents, .. } => self.moving(from, to, cents),
            Step::Refund { pick, cents } => self.payment(pick).map_or(Vec::new(), |paid| {
                let exceeded = (cents > paid.left).then_some(Code::RefundExceeded);
                self.moving(paid.to, paid.from, cents).into_iter().chain(exceeded).collect()
            }),
            Step::Reverse { pick } => {
                let Some((_, from, to, cents)) = self.undoable(pick) else { return Vec::new() };
                // Every second link of the chain is in force, and is undone.
                let exceeded = self
                    .chain(pick)
                    .iter()
                    .step_by(2)
                    .any(|link| !self.is_whole(*link))
                    .then_some(Code::RefundExceeded);
                self.moving(to, from, cents).into_iter().chain(exceeded).collect()
            }
            Step::Exchange { from, cents } => {
                let arrives = self.full(EUROS, exchanged(cents));
                [self.inactive(from), self.inactive(EUROS), self.short(from, cents), arrives]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Step::Authorize { from, to, cents, .. } => match self.together(from, to) {
                Some(code) => vec![code],
                None => [self.inactive(from), self.short(from, cents)].into_iter().flatten().collect(),
            },
            Step::Capture { pick, part } => self.hold(pick).map_or(Vec::new(), |hold| {
                let cents = part.of(hold.left);
                let exceeded = (cents > hold.left || hold.left == 0).then_some(Code::HoldExceeded);
                [exceeded, self.inactive(hold.from), self.inactive(hold.to), self.full(hold.to, cents)]
                    .into_iter()
                    .flatten()
                    .collect()
            }),
            Step::Void { pick } => {
                let is_captured = |hold: &&Hold| hold.left == 0 && !hold.is_released;
                self.hold(pick).filter(is_captured).map(|_| Code::HoldExceeded).into_iter().collect()
            }
            Step::Floor { .. } | Step::Ceiling { .. } | Step::Status { .. } => Vec::new(),
        }
    }

    /// Whether an account takes a new status or limit: closed is final, and only at nothing; to what it is it may always go.
    pub fn takes(&self, account: usize, status: Status) -> bool {
        let Account { balance, held, status: now, .. } = self.accounts[account];
        now == status || (now != Status::Closed && (status != Status::Closed || (balance, held) == (0, 0)))
    }

    /// A step was done, as this transaction, of so much.
    pub fn book(&mut self, step: &Step, id: &str, cents: i64) {
        match *step {
            Step::Move { kind, from, to, .. } => {
                self.post(from, to, cents);
                if kind == "payment" {
                    self.payments.push(Payment { id: id.into(), from, to, cents, left: cents });
                }
            }
            Step::Refund { pick, .. } => {
                let n = pick % self.payments.len();
                self.payments[n].left -= cents;
                self.post(self.payments[n].to, self.payments[n].from, cents);
            }
            Step::Reverse { pick } => {
                let Some((_, from, to, cents)) = self.undoable(pick) else { return };
                for (n, link) in self.chain(pick).into_iter().enumerate() {
                    let sign = if n % 2 == 0 { 1 } else { -1 };
                    match link.checked_sub(REVERSALS) {
                        Some(reversal) => self.reversals[reversal].undone += sign,
                        None => self.payments[link].left -= sign * self.payments[link].cents,
                    }
                }
                self.post(to, from, cents);
                self.reversals.push(Reversal { id: id.into(), from: to, to: from, cents, of: pick, undone: 0 });
            }
            Step::Exchange { from, .. } => {
                self.accounts[from].balance -= cents;
                self.accounts[EUROS].balance += exchanged(cents);
            }
            Step::Authorize { from, to, expires, .. } => {
                let left = if expires { 0 } else { cents }; // whoever books it has waited
                self.holds.push(Hold { id: id.into(), from, to, left, is_released: expires });
                self.accounts[from].held += left;
            }
            Step::Capture { pick, part } => {
                let n = pick % self.holds.len();
                let taken = if matches!(part, Part::Final(_)) { self.holds[n].left } else { cents };
                self.post(self.holds[n].from, self.holds[n].to, cents);
                self.take(n, taken);
            }
            Step::Void { pick } => {
                let n = pick % self.holds.len();
                self.holds[n].is_released |= self.holds[n].left > 0;
                self.take(n, self.holds[n].left);
            }
            Step::Floor { account, floor } => self.accounts[account].floor = floor,
            Step::Ceiling { account, ceiling } => self.accounts[account].ceiling = ceiling,
            Step::Status { account, status } => self.accounts[account].status = status,
        }
    }

    fn post(&mut self, from: usize, to: usize, cents: i64) {
        self.accounts[from].balance -= cents;
        self.accounts[to].balance += cents;
    }

    fn take(&mut self, hold: usize, cents: i64) {
        self.holds[hold].left -= cents;
        self.accounts[self.holds[hold].from].held -= cents;
    }

    fn moving(&self, from: usize, to: usize, cents: i64) -> Vec<Code> {
        match self.together(from, to) {
            Some(code) => vec![code],
            None => [self.inactive(from), self.inactive(to), self.short(from, cents), self.full(to, cents)]
                .into_iter()
                .flatten()
                .collect(),
        }
    }

    /// What keeps two accounts apart, whatever is in them: told before anything else.
    fn together(&self, from: usize, to: usize) -> Option<Code> {
        let differ = self.accounts[from].currency != self.accounts[to].currency;
        if from == to { Some(Code::SameAccount) } else { differ.then_some(Code::CurrencyMismatch) }
    }

    fn inactive(&self, account: usize) -> Option<Code> {
        (self.accounts[account].status != Status::Active).then_some(Code::AccountInactive)
    }

    fn short(&self, account: usize, cents: i64) -> Option<Code> {
        let Account { balance, held, floor, .. } = self.accounts[account];
        floor.filter(|floor| balance - held - cents < *floor).map(|_| Code::InsufficientFunds)
    }

    fn full(&self, account: usize, cents: i64) -> Option<Code> {
        let Account { balance, ceiling, .. } = self.accounts[account];
        ceiling.filter(|ceiling| balance + cents > *ceiling).map(|_| Code::LimitExceeded)
    }
}

impl Part {
    fn of(self, left: i64) -> i64 {
        match self {
            Self::Some(cents) | Self::Final(cents) => cents,
            Self::Rest => left,
        }
    }
}
