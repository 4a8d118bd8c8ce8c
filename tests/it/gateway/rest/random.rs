//! Random sequences of all movements against a model of thirty lines, compared after every step.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::client::units;
use super::{World, key, movement, payment, refund, text, with};
use crate::harness::cases::try_all;

/// Accounts of a case: two plain ones, one with a ceiling, one with a credit line; then the bank, which has no bounds.
const BOUNDS: [(Option<i64>, Option<i64>); 5] =
    [(Some(0), None), (Some(0), None), (Some(0), Some(60_00)), (Some(-20_00), None), (None, None)];
const BANK: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    /// By route: top-up, withdrawal, transfer, payment.
    Move {
        route: usize,
        from: usize,
        to: usize,
        cents: i64,
    },
    /// Of one of the payments so far.
    Refund {
        pick: usize,
        cents: i64,
    },
    /// One of the requests that bound their key, again.
    Repeat {
        pick: usize,
    },
    Suspend {
        account: usize,
        suspended: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let cents = || prop_oneof![1..30_00_i64, 1..150_00_i64];
    prop_oneof![
        3 => (0..BANK, cents()).prop_map(|(to, cents)| Step::Move { route: 0, from: BANK, to, cents }),
        1 => (0..BANK, cents()).prop_map(|(from, cents)| Step::Move { route: 1, from, to: BANK, cents }),
        3 => (0..BANK, 0..BANK, cents()).prop_map(|(from, to, cents)| Step::Move { route: 2, from, to, cents }),
        4 => (0..BANK, 0..BANK, cents()).prop_map(|(from, to, cents)| Step::Move { route: 3, from, to, cents }),
        4 => (any::<prop::sample::Index>(), cents()).prop_map(|(pick, cents)| Step::Refund { pick: pick.index(1_000), cents }),
        1 => any::<prop::sample::Index>().prop_map(|pick| Step::Repeat { pick: pick.index(1_000) }),
        1 => (0..BANK, any::<bool>()).prop_map(|(account, suspended)| Step::Suspend { account, suspended }),
    ]
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    /// 400: nothing stays.
    Refused,
    /// 201, then failed.
    Failed,
}

struct Payment {
    id: String,
    customer: usize,
    merchant: usize,
    left: i64,
}

#[derive(Default)]
struct Model {
    balances: [i64; 5],
    suspended: [bool; 5],
    payments: Vec<Payment>,
    /// Requests that bound their key, and the id that a repeat is told.
    bound: Vec<(&'static str, Value, String)>,
}

impl Model {
    /// What may become of it; where two rules are broken at once, either.
    fn judge(&self, from: usize, to: usize, cents: i64) -> &'static [Fate] {
        if from == to || self.suspended[from] || self.suspended[to] {
            return &[Fate::Refused];
        }
        let short = BOUNDS[from].0.is_some_and(|floor| self.balances[from] - cents < floor);
        let over = BOUNDS[to].1.is_some_and(|ceiling| self.balances[to] + cents > ceiling);
        match (short, over) {
            (false, false) => &[Fate::Done],
            (false, true) => &[Fate::Failed],
            (true, false) if BOUNDS[from].0 == Some(0) => &[Fate::Refused],
            _ => &[Fate::Refused, Fate::Failed],
        }
    }

    fn book(&mut self, from: usize, to: usize, cents: i64) {
        self.balances[from] -= cents;
        self.balances[to] += cents;
    }
}

fn decimal(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// One case with accounts of its own.
struct Case<'a> {
    world: &'a World,
    owner: String,
    ids: Vec<String>,
    model: Model,
}

impl<'a> Case<'a> {
    async fn open(world: &'a World) -> Self {
        let owner = key();
        let mut ids = Vec::new();
        for (floor, ceiling) in &BOUNDS[..BANK] {
            let mut fields = json!({ "ownerId": owner });
            if let Some(floor) = floor.filter(|floor| *floor < 0) {
                fields["minBalance"] = json!(format!("-{}", decimal(-floor)));
            }
            if let Some(ceiling) = ceiling {
                fields["maxBalance"] = json!(decimal(*ceiling));
            }
            ids.push(world.open(fields).await);
        }
        ids.push(world.bank.clone());
        Self { world, owner, ids, model: Model::default() }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Move { route, from, to, cents } => {
                let (route, id) = [
                    ("topup", "transactionId"),
                    ("withdraw", "transactionId"),
                    ("transfer", "debitTransactionId"),
                    ("payment", "transactionId"),
                ][route];
                let (source, destination, amount) = (&self.ids[from], &self.ids[to], decimal(cents));
                let body = if route == "payment" {
                    payment(source, destination, &amount)
                } else {
                    movement(source, destination, &amount)
                };
                let allowed = self.model.judge(from, to, cents);
                if let Some((made, Fate::Done)) = self.post(route, id, body, allowed).await {
                    self.model.book(from, to, cents);
                    if route == "payment" {
                        self.model.payments.push(Payment { id: made, customer: from, merchant: to, left: cents });
                    }
                }
            }
            Step::Refund { pick, cents } if !self.model.payments.is_empty() => {
                let n = pick % self.model.payments.len();
                let paid = &self.model.payments[n];
                let (from, to, left, id) = (paid.merchant, paid.customer, paid.left, paid.id.clone());
                let allowed: &[Fate] = match self.model.judge(from, to, cents) {
                    [Fate::Done] if cents > left => &[Fate::Refused],
                    _ if cents > left => &[Fate::Refused, Fate::Failed],
                    allowed => allowed,
                };
                let body = with(&refund(&id, &decimal(cents)), json!({ "idempotencyKey": key() }));
                if let Some((_, Fate::Done)) = self.post("refund", "refundId", body, allowed).await {
                    self.model.book(from, to, cents);
                    self.model.payments[n].left -= cents;
                }
            }
            Step::Repeat { pick } if !self.model.bound.is_empty() => {
                let (route, body, id) = &self.model.bound[pick % self.model.bound.len()];
                let told =
                    format!("Transaction with idempotency key {} already exists: {id}", text(&body["idempotencyKey"]));
                self.world.post(&format!("transactions/{route}"), body).await.refused(
                    409,
                    "DUPLICATE_TRANSACTION",
                    &told,
                );
            }
            Step::Suspend { account, suspended } => {
                let status = if suspended { "suspended" } else { "active" };
                self.world
                    .patch(&format!("accounts/{}/status", self.ids[account]), &json!({ "status": status }))
                    .await
                    .ok(200);
                self.model.suspended[account] = suspended;
            }
            Step::Refund { .. } | Step::Repeat { .. } => {}
        }
    }

    /// Posts it and answers what became of it, which must be allowed; none when nothing stays of it.
    async fn post(&mut self, route: &'static str, id: &str, body: Value, allowed: &[Fate]) -> Option<(String, Fate)> {
        let answer = self.world.post(&format!("transactions/{route}"), &body).await;
        if answer.status != 201 {
            answer.refused_naming(400, "", &[]);
            assert!(allowed.contains(&Fate::Refused), "{route} should be {allowed:?}: {}", answer.text);
            return None;
        }
        let made = text(&answer.body[id]);
        let fate = if self.world.transaction(&made).await["status"] == "failed" { Fate::Failed } else { Fate::Done };
        assert!(allowed.contains(&fate), "{route} is {fate:?}, and should be {allowed:?}: {}", answer.text);
        if body.get("idempotencyKey").is_some() {
            self.model.bound.push((route, body, made.clone()));
        }
        Some((made, fate))
    }

    /// Every balance is the model's.
    async fn compare(&self) {
        let list = self.world.get(&format!("accounts?ownerId={}", self.owner)).await.ok(200);
        for (n, id) in self.ids[..BANK].iter().enumerate() {
            let account = list.as_array().unwrap().iter().find(|account| account["id"] == **id).unwrap();
            assert_eq!(units(&account["balance"]), i128::from(self.model.balances[n]) * 1_000_000, "account {n}");
        }
    }

    /// The balance of each account is the sum of what its list says, and no payment was given back twice.
    async fn add_up(&self) {
        for (n, id) in self.ids[..BANK].iter().enumerate() {
            let list = self.world.get(&format!("transactions?accountId={id}&limit=1000")).await.ok(200);
            let moved = list
                .as_array()
                .unwrap()
                .iter()
                .filter(|row| row["status"] == "completed" || row["status"] == "refunded");
            let sum: i128 = moved
                .map(|row| {
                    units(
                        &row[if row["sourceAccountId"] == **id {
                            "sourceSignedAmount"
                        } else {
                            "destinationSignedAmount"
                        }],
                    )
                })
                .sum();
            assert_eq!(sum, i128::from(self.model.balances[n]) * 1_000_000, "account {n}: {list}");
        }
        assert!(self.model.payments.iter().all(|payment| payment.left >= 0));
    }
}

/// Mutations: a refund that is not counted; a failed movement that moves money, or whose key is free; a floor or
/// ceiling off by a cent.
#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_movements_leaves_the_balances_of_the_model() {
    let world = World::start().await;
    let steps = proptest::collection::vec(step(), 1..30);
    try_all(24, &steps, async |steps: Vec<Step>| {
        let mut case = Case::open(&world).await;
        for step in &steps {
            case.take(step).await;
            case.compare().await;
        }
        case.add_up().await;
    });
    world.end().await;
}
