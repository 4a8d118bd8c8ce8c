//! Movements that leave the ledger, on real servers: a Florin, a provider that misbehaves on demand, and two sets of
//! books that must agree.
//!
//! Each test of a fault names the mutation of the product that makes it fail.

mod asked_first;
mod crashes;
mod misbehaviour;
mod rest;
mod starting;
mod undoing;

use std::sync::Arc;
use std::time::Duration;

use florin::actors::saga::SagaConfig;
use florin::money::{Amount, Currency, CurrencyCode};
use florin::protocol::record::{Maker, Operator, TransactionId};
use florin::provider::{HttpConfig, HttpProvider};
use florin::saga::{Fact, Policy, Progress, Resolution, Saga, Status, Step, Workflow};
use florin::store::{Database, sagas};
use florin::teller::failure::Failure;
use florin::teller::ledger::{Answer, Operated, SagaOrder, operate};

use crate::harness::provider::{SECRET, Simulator};
use crate::harness::{Florin, Options, TestDatabase, until};

/// A payout's money leaves to this account.
pub const COUNTER: &str = "provider:test:USD";

/// Florin and its provider.
pub struct Rig {
    pub florin: Florin,
    pub simulator: Arc<Simulator>,
    options: Options,
}

/// How a test wants its sagas run.
#[derive(Clone, Copy)]
pub struct Patience {
    pub answer: Duration,
    pub pending: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer: Duration::from_millis(500), pending: Duration::from_secs(60) }
    }
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(Patience::default()).await
    }

    /// With 1,000 dollars on `alice`, and none on `bob`.
    pub async fn with(patience: Patience) -> Self {
        let (database, simulator) = (TestDatabase::fresh().await, Arc::new(Simulator::start().await));
        database.account("alice", 1_000_00).await;
        database.account("bob", 0).await;
        let http =
            HttpConfig { name: "test".into(), url: simulator.url(), secret: SECRET.into(), timeout: patience.answer };
        let policy = Policy {
            attempts_max: 4,
            delay_min: Duration::from_millis(5),
            delay_max: Duration::from_millis(50),
            pending_max: patience.pending,
        };
        let pool = Database::new(&database.url).unwrap().pool(4);
        let config = SagaConfig { provider: Arc::new(HttpProvider::new(http).unwrap()), policy, pool };
        let options = Options { sagas: Some(config), lease: Duration::from_millis(500), ..Options::default() };
        Self { florin: Florin::with(database, options.clone()).await, simulator, options }
    }

    /// Kills the node as if the process had died, and starts another one on its database.
    pub async fn restarted(self) -> Self {
        let database = self.florin.database.clone();
        self.florin.kill().await;
        Self { florin: Florin::with(database, self.options.clone()).await, ..self }
    }

    pub fn policy(&self) -> Policy {
        self.options.sagas.as_ref().unwrap().policy
    }

    pub async fn begin(&self, order: SagaOrder) -> Result<Answer, Failure> {
        let ledger = &self.florin.ledger;
        ledger
            .start_saga(&"default".into(), Some("corr-7".into()), Maker::default(), order, ledger.enter().unwrap())
            .await
    }

    async fn begun(&self, order: SagaOrder) -> TransactionId {
        match self.begin(order).await.unwrap() {
            Answer::Completed { id, .. } => id,
            declined => panic!("{declined:?}"),
        }
    }

    /// Starts a payout from `alice`.
    pub async fn payout(&self, cents: i64) -> TransactionId {
        self.begun(order(Workflow::Payout, "alice", cents)).await
    }

    /// Starts a card top-up of `bob`.
    pub async fn topup(&self, cents: i64) -> TransactionId {
        self.begun(order(Workflow::CardTopup, "bob", cents)).await
    }

    pub async fn saga(&self, id: TransactionId) -> Saga {
        Saga::replay(self.facts(id).await.into_iter().map(|fact| (fact, chrono::Utc::now()))).unwrap()
    }

    pub async fn facts(&self, id: TransactionId) -> Vec<Fact> {
        let row = sagas::get(&self.florin.database.pool, Some("default"), id).await.unwrap().expect("the saga");
        row.facts.into_iter().map(|(fact, _)| fact).collect()
    }

    /// What happened, in words.
    pub async fn story(&self, id: TransactionId) -> String {
        self.facts(id).await.iter().skip(1).map(Fact::brief).collect::<Vec<_>>().join(", ")
    }

    /// Waits until it is so, and answers what happened until then.
    pub async fn becomes(&self, id: TransactionId, status: Status) -> Saga {
        until(&format!("saga {} is {}", id.0, status.as_str()), || async { self.saga(id).await.status() == status })
            .await;
        self.saga(id).await
    }

    /// Waits for a fact.
    pub async fn hears(&self, id: TransactionId, brief: &str) {
        until(&format!("saga {}: {brief}", id.0), || async {
            self.facts(id).await.iter().any(|fact| fact.brief() == brief)
        })
        .await;
    }

    pub async fn operate(&self, id: TransactionId, how: Option<Resolution>) -> Result<(), Failure> {
        let by = Operator { name: "key:ops".into(), reason: "asked the bank".into(), address: None };
        let operated = Operated { how, by, correlation: None };
        operate(&self.florin.database.pool, Some("default"), id, &operated, || {}).await.map(drop)
    }

    /// Balance, and what of it is held, in cents.
    pub async fn money(&self, account: &str) -> (i64, i64) {
        let sql = format!(
            "SELECT (credits - debits)::bigint FROM balances_now b JOIN accounts a ON a.id = b.account WHERE a.name = '{account}'"
        );
        let held = sql.replace("credits - debits", "held");
        (self.florin.database.count(&sql).await, self.florin.database.count(&held).await)
    }

    /// Both books agree: what the provider has sent and not taken back left this ledger, what it charged and did not
    /// give back came in, and nothing is held; no key was done twice.
    pub async fn check(&self) {
        self.simulator.check();
        let standing = self.simulator.standing();
        let cents = |action: &str| standing.get(action).map_or(0, |(_, cents)| *cents);
        // Each way by itself: a payout too many and a charge too many would make up for each other.
        let side = async |side: &str| {
            let sql = format!(
                "SELECT coalesce(sum({side}), 0)::bigint FROM balances_now b JOIN accounts a ON a.id = b.account WHERE a.name = '{COUNTER}'"
            );
            self.florin.database.count(&sql).await
        };
        assert_eq!((side("credits").await, side("debits").await), (cents("payout"), cents("charge")), "{standing:?}");
        assert_eq!((self.money("alice").await.1, self.money("bob").await.1), (0, 0), "money is still held");
        let steps = self.florin.database.count("SELECT count(*) FROM transactions WHERE kind IN (11, 12)").await;
        let payouts = self.florin.database.count("SELECT count(*) FROM sagas WHERE workflow = 1").await;
        assert!(steps <= payouts, "{steps} captures and voids of {payouts} payouts");
    }

    pub async fn end(self) {
        self.check().await;
        self.florin.stop().await;
    }
}

pub fn order(workflow: Workflow, account: &str, cents: i64) -> SagaOrder {
    SagaOrder {
        workflow,
        account: account.into(),
        amount: Amount::from(cents),
        currency: Currency { code: CurrencyCode::parse("USD").unwrap(), exponent: 2 },
        instrument: "ba_1".into(),
        key: None,
        reference: Some("rent".into()),
    }
}

/// What has become of a step.
pub fn progress(saga: &Saga, step: Step) -> Progress {
    saga.steps().find(|view| view.step == step).unwrap().progress
}
