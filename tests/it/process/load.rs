//! Payers. Each pays from account to account with keys of its own and notes every answer; at the end what has no answer
//! is asked for again with its key, until it has one, and all of it is compared with the tables.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use florin_wire::payment_v1 as pb;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use futures::{StreamExt, stream};
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use ulid::Ulid;
use uuid::Uuid;

use super::florin::client;
use super::site::Site;
use crate::harness::{TestDatabase, payment};

pub const ACCOUNTS: usize = 6;
pub const OPENING: i64 = 1_000_000_00;
/// A payer waits no longer for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Asking again goes on for no longer.
const SETTLED_WITHIN: Duration = Duration::from_secs(40);

pub fn account(n: usize) -> String {
    format!("acc-{}", n % ACCOUNTS)
}

/// Opens the payers' accounts.
pub async fn open_accounts(database: &TestDatabase) {
    for n in 0..ACCOUNTS {
        database.account(&account(n), OPENING).await;
    }
}

/// One call, as its payer saw it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub began: Instant,
    pub took: Duration,
    pub code: Code,
}

/// What is known of a payment.
#[derive(Clone, Debug)]
struct Paid {
    from: usize,
    to: usize,
    cents: i64,
    /// The payment's id, once acknowledged.
    id: Option<String>,
    /// The answer was that nothing was done.
    denied: bool,
}

struct Shared {
    payments: Mutex<BTreeMap<String, Paid>>,
    calls: Mutex<Vec<Call>>,
    acknowledged: AtomicU64,
    stop: AtomicBool,
}

pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<PaymentServiceClient<Channel>>,
    payers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts this many payers, who go from one of the servers to the next when they get no answer.
    pub fn start(servers: &[SocketAddr], payers: usize) -> Self {
        let shared = Arc::new(Shared {
            payments: Mutex::default(),
            calls: Mutex::default(),
            acknowledged: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let clients: Vec<_> = servers.iter().map(|server| client(*server)).collect();
        let run = Ulid(Uuid::now_v7().as_u128()).to_string();
        let payer = |n| {
            let (shared, clients, run) =
                (shared.clone(), servers.iter().map(|server| client(*server)).collect::<Vec<_>>(), run.clone());
            ractor::concurrency::spawn(async move { pay_on(&shared, &clients, &run, n).await })
        };
        let payers = (0..payers).map(payer).collect();
        Self { shared, clients, payers }
    }

    /// How many payments were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more payments are acknowledged.
    pub async fn more(&self, more: u64) {
        let wanted = self.acknowledged() + more;
        let deadline = Instant::now() + Duration::from_secs(40);
        while self.acknowledged() < wanted {
            assert!(Instant::now() < deadline, "only {} of {wanted} payments within 40 s", self.acknowledged());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The calls that began in this span, in order of their answers.
    pub fn calls(&self, from: Instant, to: Instant) -> Vec<Call> {
        self.shared.calls.lock().unwrap().iter().filter(|call| (from..to).contains(&call.began)).copied().collect()
    }

    /// Stops paying, asks again for what has no answer, and compares everything with the tables. Answers how many
    /// payments there were.
    pub async fn settle(self, site: &Site) -> usize {
        self.settle_beside(site, 0).await
    }

    /// The same, with so many payments with keys beside ours, which cancel out.
    pub async fn settle_beside(self, site: &Site, others: usize) -> usize {
        self.shared.stop.store(true, Ordering::Relaxed);
        for payer in self.payers {
            payer.await.unwrap();
        }
        let payments = std::mem::take(&mut *self.shared.payments.lock().unwrap());
        let (known, open): (BTreeMap<_, _>, BTreeMap<_, _>) =
            payments.into_iter().partition(|(_, paid)| paid.id.is_some());
        let denied = open.values().filter(|paid| paid.denied).count();
        println!(
            "{}: {} payments acknowledged, {} not, {denied} of them surely not done",
            site.name,
            known.len(),
            open.len()
        );
        // Whoever was told that nothing was done may pay in another way.
        let keys: HashSet<String> = keys(&site.database).await.into_iter().map(|(key, _)| key).collect();
        let done: Vec<_> = open.iter().filter(|(key, paid)| paid.denied && keys.contains(*key)).collect();
        assert!(
            done.is_empty(),
            "{} payments were done though the answer was that nothing was: {:?}",
            done.len(),
            done.first()
        );
        let mut all = known.clone();
        let again = open.into_iter().map(async |(key, paid)| {
            let (_, id) = settled(&self.clients, &key, &paid).await;
            (key, Paid { id: Some(id), ..paid })
        });
        all.extend(stream::iter(again).buffer_unordered(16).collect::<Vec<_>>().await);
        // What was acknowledged is acknowledged again, as the same payment.
        for (key, paid) in known.iter().step_by(known.len().div_ceil(50).max(1)) {
            let (status, id) = settled(&self.clients, key, paid).await;
            assert_eq!((status, Some(&id)), (pb::PaymentStatus::Duplicate, paid.id.as_ref()), "{key}");
        }
        compare(&site.database, &all, others).await;
        site.verify();
        all.len()
    }
}

async fn pay_on(shared: &Shared, clients: &[PaymentServiceClient<Channel>], run: &str, n: usize) {
    let mut at = 0;
    for round in 0.. {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let paid = Paid {
            from: n + round,
            to: n + round + 1 + round % (ACCOUNTS - 1),
            cents: 1 + i64::try_from(round % 50).unwrap(),
            id: None,
            denied: false,
        };
        let key = format!("{run}-{n}-{round}");
        shared.payments.lock().unwrap().insert(key.clone(), paid.clone());
        let began = Instant::now();
        let answer = ask(&clients[at % clients.len()], &key, &paid).await;
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        shared.calls.lock().unwrap().push(Call { began, took: began.elapsed(), code });
        match answer {
            Ok((_, id)) => {
                shared.payments.lock().unwrap().get_mut(&key).unwrap().id = Some(id);
                shared.acknowledged.fetch_add(1, Ordering::Relaxed);
                // a pace, so that a debug build on a busy machine is not saturated
                tokio::time::sleep(Duration::from_millis(4)).await;
            }
            Err(status) => {
                shared.payments.lock().unwrap().get_mut(&key).unwrap().denied =
                    status.message().contains("nothing was done");
                at += 1;
                tokio::time::sleep(Duration::from_millis(50)).await; // so does a client that backs off
            }
        }
    }
}

/// Asks for a payment again until it is acknowledged.
async fn settled(clients: &[PaymentServiceClient<Channel>], key: &str, paid: &Paid) -> (pb::PaymentStatus, String) {
    let deadline = Instant::now() + SETTLED_WITHIN;
    for client in clients.iter().cycle() {
        match ask(client, key, paid).await {
            Ok(answer) => return answer,
            Err(status) => {
                assert!(Instant::now() < deadline, "{key} is not settled within {SETTLED_WITHIN:?}: {status}")
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("there are clients")
}

/// # Panics
/// When the payment is declined: every account has enough, whatever else happens.
async fn ask(
    client: &PaymentServiceClient<Channel>,
    key: &str,
    paid: &Paid,
) -> Result<(pb::PaymentStatus, String), Status> {
    let mut request = Request::new(payment(key, &account(paid.from), &account(paid.to), paid.cents, "USD"));
    request.set_timeout(PATIENCE);
    let answer =
        tokio::time::timeout(PATIENCE + Duration::from_millis(500), client.clone().authorize_payment(request)).await;
    let answer = answer.map_err(|_| Status::deadline_exceeded("no answer at all"))??.into_inner();
    assert!(answer.error.is_none(), "{key} was declined: {answer:?}");
    Ok((answer.status(), answer.payment_id))
}

/// The key and the id of every payment that was done.
async fn keys(database: &TestDatabase) -> Vec<(String, Uuid)> {
    sqlx::query_as("SELECT key, id FROM transactions WHERE key IS NOT NULL AND status = 1")
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

/// Every payment is there once, with the id that was answered, and the balances are what they come to.
async fn compare(database: &TestDatabase, payments: &BTreeMap<String, Paid>, others: usize) {
    let rows = keys(database).await;
    let mut ids: HashMap<&str, Vec<String>> = HashMap::new();
    for (key, id) in &rows {
        ids.entry(key).or_default().push(Ulid(id.as_u128()).to_string());
    }
    let lost: Vec<_> = payments.keys().filter(|key| !ids.contains_key(key.as_str())).collect();
    assert!(lost.is_empty(), "{} acknowledged payments are lost: {:?}", lost.len(), &lost[..lost.len().min(3)]);
    for (key, ids) in &ids {
        assert_eq!(ids.len(), 1, "{key} is there more than once: {ids:?}");
        let acknowledged = payments.get(*key).map(|paid| paid.id.as_ref().unwrap());
        assert!(acknowledged.is_none_or(|id| *id == ids[0]), "{key} was acknowledged as another payment");
    }
    assert_eq!(ids.len(), payments.len() + others);
    let mut expected = [OPENING; ACCOUNTS];
    for paid in payments.values() {
        expected[paid.from % ACCOUNTS] -= paid.cents;
        expected[paid.to % ACCOUNTS] += paid.cents;
    }
    for (n, expected) in expected.iter().enumerate() {
        let balance: i64 =
            sqlx::query_scalar("SELECT (credits - debits)::bigint FROM balances_now b JOIN accounts a ON a.id = b.account WHERE a.name = $1")
                .bind(account(n))
                .fetch_one(&database.pool)
                .await
                .unwrap();
        assert_eq!(balance, *expected, "{}", account(n));
    }
}

/// The duration that this part (of a thousand) of the calls did not exceed.
pub fn quantile(calls: &[Call], permille: usize) -> Duration {
    let mut took: Vec<Duration> = calls.iter().map(|call| call.took).collect();
    took.sort_unstable();
    took.get((took.len() * permille / 1000).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}
