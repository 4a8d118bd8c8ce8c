//! What tests of faults have in common: retrying until the truth is heard, changing accounts, and proving that no leg
//! stayed open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use florin::actors::accounts::Resolved;
use florin::actors::journal::Journal;
use florin::ledger::{GuardsChange, Status as AccountStatus};
use florin::protocol::account::{AccountHandle, AccountMessage, ChangeOrder};
use florin::protocol::record::{Api, Body, Kind, Operator, Record, RequestHash, TransactionId};
use florin::protocol::slip::Outcome;
use florin_wire::payment_v1 as pb;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use futures::future::join_all;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use super::{Florin, TestDatabase, payment};

/// An answer as a client sees it.
pub type Answered = Result<pb::AuthorizePaymentResponse, tonic::Status>;
/// A client.
pub type Client = PaymentServiceClient<Channel>;

/// A task of a test.
#[expect(clippy::disallowed_methods, reason = "the one place of the tests for it")]
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}

/// One payment of a load.
#[derive(Clone, Debug)]
pub struct Order {
    pub key: String,
    pub from: String,
    pub to: String,
    pub cents: i64,
}

impl Order {
    pub fn new(key: impl Into<String>, from: &str, to: &str, cents: i64) -> Self {
        Self { key: key.into(), from: from.into(), to: to.into(), cents }
    }

    /// Asks once.
    pub async fn send(&self, client: &Client) -> Answered {
        let request = payment(&self.key, &self.from, &self.to, self.cents, "USD");
        Ok(client.clone().authorize_payment(request).await?.into_inner())
    }

    /// Asks these nodes in turn until one gives a business answer, for at most 30 s.
    pub async fn insist(&self, clients: &[Client]) -> pb::AuthorizePaymentResponse {
        let deadline = Instant::now() + Duration::from_secs(30);
        for n in 0.. {
            match self.send(&clients[n % clients.len()]).await {
                Ok(answer) => return answer,
                Err(status) => {
                    assert!(is_honest(&status), "{}: {status:?}", self.key);
                    assert!(Instant::now() < deadline, "no answer to {} within 30 s, the last: {status:?}", self.key);
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        unreachable!("the loop ends by return or panic")
    }
}

/// Whether a failure is one that a fault may cause: never a bug's.
pub fn is_honest(status: &tonic::Status) -> bool {
    // the connection went with its node
    let lost = status.code() == tonic::Code::Internal && status.message().starts_with("h2 protocol error");
    lost || matches!(
        status.code(),
        tonic::Code::Unavailable
            | tonic::Code::DeadlineExceeded
            | tonic::Code::ResourceExhausted
            | tonic::Code::Cancelled
    )
}

/// The machine-readable reason of a failure.
pub fn reason(status: &tonic::Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// The answer says "certainly not done".
pub fn says_not_done(answer: &Answered) -> bool {
    match answer {
        Ok(answer) => answer.status() == pb::PaymentStatus::Declined,
        Err(status) => !["OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED", ""].contains(&reason(status).as_str()),
    }
}

/// The answer says "done", now or before.
pub fn says_done(answer: &Answered) -> bool {
    answer.as_ref().is_ok_and(|answer| answer.status() != pb::PaymentStatus::Declined)
}

impl TestDatabase {
    /// How many transactions each key has: what really happened.
    pub async fn effects(&self) -> HashMap<String, i64> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT key, count(*) FROM transactions WHERE status = 1 AND key IS NOT NULL GROUP BY key")
                .fetch_all(&self.pool)
                .await
                .unwrap();
        rows.into_iter().collect()
    }

    /// Waits until everything is folded.
    pub async fn folded(&self) {
        super::until("everything is folded", async || self.count("SELECT seq - journal_tip() FROM folded").await >= 0)
            .await;
    }

    /// What is posted, by account.
    pub async fn posted(&self, account: &str) -> i64 {
        let sql = "SELECT (credits - debits)::bigint FROM balances_now WHERE account = (SELECT id FROM accounts WHERE name = $1)";
        sqlx::query_scalar(sql).bind(account).fetch_one(&self.pool).await.unwrap()
    }
}

impl Florin {
    /// The journal of the epoch that serves.
    pub fn journal(&self) -> Journal {
        self.tree.node.active().expect("it serves").journal
    }

    /// Waits until everything is folded, and nothing is remembered besides.
    pub async fn folded(&self) {
        self.database.folded().await;
        super::until("nothing is remembered besides", async || self.journal().recent() == 0).await;
    }

    /// The account, loaded.
    pub async fn loaded(&self, name: &str) -> Arc<AccountHandle> {
        match self.tree.node.active().expect("it serves").registry.resolve("default", name).await {
            Resolved::Account(account) => account,
            _ => panic!("account {name} cannot be loaded"),
        }
    }

    /// Orders a change of status or limits; the outcome arrives on the channel.
    pub async fn change(
        &self,
        name: &str,
        status: Option<AccountStatus>,
        floor: Option<Option<i128>>,
        ceiling: Option<Option<i128>>,
    ) -> oneshot::Receiver<Outcome> {
        let account = self.loaded(name).await;
        self.change_loaded(account, status, floor, ceiling)
    }

    /// The same of an account at hand, whose actor may have ended.
    pub fn change_loaded(
        &self,
        account: Arc<AccountHandle>,
        status: Option<AccountStatus>,
        floor: Option<Option<i128>>,
        ceiling: Option<Option<i128>>,
    ) -> oneshot::Receiver<Outcome> {
        let id = TransactionId::draw();
        let (request, cutoff) =
            (RequestHash::of(&[b"change", id.0.as_bytes()]), Instant::now() + Duration::from_secs(10));
        // The actor replaces the body.
        let record = Record {
            body: Body::Tombstone,
            ..Record::new(id, "default".into(), Api::FlorinV1, Kind::ACCOUNT_CHANGE, request, cutoff)
        };
        let (reply, outcome) = oneshot::channel();
        let permit = self.in_flight.enter().expect("room for a change");
        let order = ChangeOrder {
            account: account.clone(),
            record,
            change: GuardsChange { status, floor, ceiling },
            by: Operator { name: "tester".into(), reason: String::new(), address: None },
            reply,
            permit,
        };
        // an actor that has ended drops it, and so answers
        let _ = account.actor.cast(AccountMessage::Change(Box::new(order)));
        outcome
    }

    /// Sends these orders at once.
    pub async fn send_all(&self, orders: &[Order]) -> Vec<Answered> {
        join_all(orders.iter().map(|order| order.send(&self.client))).await
    }

    /// After faults: retries tell the truth, no key has two effects, what was called not done and never repeated has
    /// none, no leg is open (every cent can be paid out, and not one more), and the books balance.
    pub async fn check_after_faults(&self, orders: &[Order], first: &[Answered], accounts: &[&str]) {
        let before = self.database.effects().await;
        for (order, answer) in orders.iter().zip(first) {
            let rows = before.get(&order.key).copied().unwrap_or(0);
            assert!(rows <= 1, "{} has {rows} effects", order.key);
            assert!(!says_not_done(answer) || rows == 0, "{} was called not done and has a row: {answer:?}", order.key);
            assert!(!says_done(answer) || rows == 1, "{} was called done and has no row: {answer:?}", order.key);
            if let Err(status) = answer {
                assert!(is_honest(status), "{}: {status:?}", order.key);
            }
        }
        let clients = [self.client.clone()];
        let retried = join_all(orders.iter().map(|order| order.insist(&clients))).await;
        let after = self.database.effects().await;
        for (order, answer) in orders.iter().zip(retried) {
            let rows = after.get(&order.key).copied().unwrap_or(0);
            let done = answer.status() != pb::PaymentStatus::Declined;
            assert_eq!(rows, i64::from(done), "{} has {rows} effects, and its retry heard {answer:?}", order.key);
            if before.contains_key(&order.key) {
                assert_eq!(answer.status(), pb::PaymentStatus::Duplicate, "{}", order.key);
            }
        }
        self.check_no_open_legs(accounts).await;
        self.database.check_books().await;
    }

    /// Pays out every account to the last cent: an open debit would stand in the way, and nothing may be left to pay.
    pub async fn check_no_open_legs(&self, accounts: &[&str]) {
        super::until("nothing is in flight", || async { self.in_flight.now() == 0 }).await;
        self.database.account("sink", 0).await;
        let clients = [self.client.clone()];
        for (n, account) in accounts.iter().enumerate() {
            let posted = self.database.posted(account).await;
            if posted > 0 {
                let out = Order::new(format!("out-{n}-{}", uuid::Uuid::new_v4()), account, "sink", posted)
                    .insist(&clients)
                    .await;
                assert_eq!(
                    out.status(),
                    pb::PaymentStatus::Authorized,
                    "{account} cannot pay its {posted} out: {out:?}"
                );
            }
            let more =
                Order::new(format!("more-{n}-{}", uuid::Uuid::new_v4()), account, "sink", 1).insist(&clients).await;
            assert_eq!(more.status(), pb::PaymentStatus::Declined, "{account} is empty and pays");
        }
    }
}
