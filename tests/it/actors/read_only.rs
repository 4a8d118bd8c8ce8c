//! A database that answers and takes no writes (SQLSTATE 25006), as one whose disk is full or that was demoted: it is
//! away until it does.
//!
//! Each test names the mutation of the product that makes it fail.

use std::str::FromStr;
use std::time::Duration;

use florin::resilience::health::Overall;
use florin_servers::postgres::{Durability, PrivatePostgres};
use florin_wire::florin_v1::AccountKind;
use florin_wire::payment_v1 as pb;
use futures::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor};

use crate::actors::faults::background;
use crate::harness::money::{Answered, Order, is_honest};
use crate::harness::{Florin, Options, TestDatabase, until};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// The same database, by a pool that may always write.
fn writable(database: &TestDatabase) -> TestDatabase {
    let options =
        PgConnectOptions::from_str(&database.url).unwrap().options([("default_transaction_read_only", "off")]);
    TestDatabase::of(database.url.clone(), PgPoolOptions::new().max_connections(4).connect_lazy_with(options))
}

/// A Florin on it whose accounts are loaded and which has paid.
async fn paying(database: TestDatabase) -> Florin {
    for name in NAMES {
        database.account(name, 100_00).await;
    }
    database.account("idle", 7_00).await;
    let options = Options { lease: Duration::from_secs(1), write_cutoff: Duration::from_secs(2), ..Options::default() };
    let florin = Florin::with(database, options).await;
    for (n, name) in NAMES.iter().enumerate() {
        assert!(florin.pay(&format!("before {name}"), name, NAMES[(n + 1) % 4], 1).await.is_ok());
    }
    florin
}

/// Two at a time for a while: every one hears UNAVAILABLE, nothing is written.
async fn refused(florin: &Florin, orders: &[Order]) -> Vec<Answered> {
    let mut answers = Vec::new();
    for two in orders.chunks(2) {
        answers.extend(florin.send_all(two).await);
    }
    for answer in &answers {
        assert_eq!(answer.as_ref().unwrap_err().code(), tonic::Code::Unavailable, "{answer:?}");
    }
    answers
}

fn orders(name: &str) -> Vec<Order> {
    (0..20).map(|n| Order::new(format!("{name}{n}"), NAMES[n % 4], NAMES[(n + 1) % 4], 1_00)).collect()
}

/// It takes writes again: the same process goes on, and every key tells the truth.
async fn goes_on(florin: Florin, orders: Vec<Order>, answers: Vec<Answered>) {
    florin.serving().await;
    let opened = join_all((0..16).map(|n| {
        let (mut client, id) = (florin.native.clone(), format!("new{n}"));
        let kind = AccountKind::User.into();
        let request =
            florin_wire::florin_v1::CreateAccountRequest { id, kind, currency: "USD".into(), ..Default::default() };
        async move { client.create_account(request).await }
    }))
    .await;
    assert!(opened.iter().all(Result::is_ok), "an account cannot be opened: {opened:?}");
    florin.check_after_faults(&orders, &answers, &NAMES).await;
    florin.stop().await;
}

// Fails when 25006 is not transient (`StoreError::is_transient`): the payments are then taken for guilty themselves and
// answered INTERNAL.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_for_a_while_is_away_and_nothing_is_lost_or_doubled() {
    let home = tempfile::tempdir().unwrap();
    let server = PrivatePostgres::start(home.path(), Durability::Throwaway).unwrap();
    let database = writable(&TestDatabase::empty_on(&server.url("postgres")).await);
    florin::store::schema::migrations().run(&database.pool).await.unwrap();
    let florin = paying(database.clone()).await;

    // A batch is on its way, and others wait behind it.
    florin.faults.hold("lane.before_commit");
    let mut all = orders("under way ");
    let sent: Vec<_> = all.iter().map(|order| background(&florin, order.clone())).collect();
    let journal = florin.tree.node.active().unwrap().journal;
    until("all wait", || async { journal.depth() == all.len() && florin.faults.hits("lane.before_commit") > 0 }).await;
    let before = database.count("SELECT count(*) FROM transactions").await;
    database.pool.execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    database.pool.execute("SELECT pg_reload_conf()").await.unwrap();
    let reads = florin.ledger.parts().pool.clone();
    let seen = || async {
        sqlx::query_scalar::<_, String>("SHOW default_transaction_read_only").fetch_one(&reads).await.unwrap() == "on"
    };
    until("the sessions have heard of it", seen).await;
    florin.faults.release("lane.before_commit");
    let mut answers = Vec::new();
    for sent in sent {
        let answer = sent.await.unwrap();
        assert!(answer.as_ref().is_err_and(is_honest), "{answer:?}");
        answers.push(answer);
    }
    let later = orders("later ");
    answers.extend(refused(&florin, &later).await);
    all.extend(later);
    assert_eq!(florin.health.overall(), Overall::NotServing);
    until("the lease has ended", || async { !florin.tree.node.is_lease_valid() }).await;
    assert_eq!(database.count("SELECT count(*) FROM transactions").await, before);

    database.pool.execute("ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
    database.pool.execute("SELECT pg_reload_conf()").await.unwrap();
    goes_on(florin, all, answers).await;
}

// Fails when a connection that takes no writes goes back into the pool: it takes none for as long as it lives.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_opened_while_the_database_took_no_writes_do_not_outlive_that() {
    let whole = TestDatabase::fresh().await; // dropped with its last handle
    let database = writable(&whole);
    let florin = paying(database.clone()).await;
    let alter = |what: &str| {
        AssertSqlSafe(format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {what}', current_database()); END $$"))
    };
    database.pool.execute(alter("SET default_transaction_read_only = on")).await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'florin'";
    assert!(database.count(end).await > 0);
    let read = || {
        let mut client = florin.client.clone();
        async move { client.get_account_balance(pb::GetAccountBalanceRequest { account_id: "idle".into() }).await }
    };
    until("reads are answered, on new connections", || async {
        join_all((0..16).map(|_| read())).await.iter().all(Result::is_ok)
    })
    .await;
    let orders = orders("k");
    let answers = refused(&florin, &orders).await;
    until("health says so", || async { florin.health.overall() == Overall::NotServing }).await;
    database.pool.execute(alter("RESET default_transaction_read_only")).await.unwrap();
    goes_on(florin, orders, answers).await;
}
