//! PostgreSQL put back to an older state under a running Florin: memory is built on what is not there any more.
//!
//! Each test names the mutation of the product that makes it fail.

use std::process::Command;
use std::time::Duration;

use florin::store::schema;
use florin::store::verify::verify;
use florin_servers::postgres::{Durability, PrivatePostgres};
use florin_wire::payment_v1 as pb;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::harness::money::{Order, is_honest, reason};
use crate::harness::proxy::Proxy;
use crate::harness::{Florin, Options, TestDatabase, until};

/// A database behind a proxy, and its copies.
struct Copied {
    database: TestDatabase,
    name: String,
    admin: PgConnection,
}

impl Copied {
    async fn of(database: &TestDatabase) -> Self {
        let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&database.pool).await.unwrap();
        let admin = PgConnection::connect(&database.url.replace(&name, "postgres")).await.unwrap();
        Self { database: database.clone(), name, admin }
    }

    async fn run(&mut self, sql: &str) {
        let sql = sql.replace("{db}", &self.name);
        let ended = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('{0}', '{0}_old')",
            self.name
        );
        for tries in 0.. {
            self.admin.execute(AssertSqlSafe(ended.clone())).await.unwrap();
            match self.admin.execute(AssertSqlSafe(sql.clone())).await {
                Ok(_) => return,
                Err(error) => assert!(tries < 100, "{error}"), // somebody was not gone yet
            }
        }
    }

    /// Copies it as it is now. Nobody may be connected.
    async fn keep(&mut self) {
        self.run("CREATE DATABASE {db}_old TEMPLATE {db}").await;
    }

    /// The copy takes its place.
    async fn put_back(&mut self) {
        self.run("ALTER DATABASE {db} RENAME TO {db}_lost").await;
        self.run("ALTER DATABASE {db}_old RENAME TO {db}").await;
        self.run("DROP DATABASE {db}_lost").await;
    }
}

// Fails when the journal goes on with what memory knows whatever the database's last batch is (`is_successor` true: the
// payments that are gone are answered as duplicates), or when a lease is renewed by its epoch alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_put_back_under_a_running_florin_ends_the_epoch_before_one_payment_is_believed() {
    for given_twice in [false, true] {
        let database = TestDatabase::fresh().await;
        database.account("alice", 10_00).await;
        database.account("bob", 0).await;
        let mut copied = Copied::of(&database).await;
        if given_twice {
            copied.keep().await; // from before the epoch was given
        }
        let proxy = Proxy::start(&database.url).await;
        let options =
            Options { lease: Duration::from_secs(1), answer_timeout: Duration::from_millis(500), ..Options::default() };
        let florin = Florin::standby(database.clone(), &proxy.url, options, "node").await;
        florin.serving().await;
        let epoch = florin.tree.node.active().unwrap().epoch;
        assert_eq!(florin.pay("kept", "alice", "bob", 1_00).await.unwrap().status(), pb::PaymentStatus::Authorized);
        if !given_twice {
            proxy.close().await;
            copied.keep().await;
            proxy.open().await;
            florin.serving().await;
        }
        let lost = Order::new("lost", "alice", "bob", 4_00).insist(std::slice::from_ref(&florin.client)).await;
        assert_ne!(lost.status(), pb::PaymentStatus::Declined);

        proxy.close().await;
        copied.put_back().await;
        if given_twice {
            // Another process takes the same epoch, writes under it, and ends.
            let taken: Option<i64> =
                sqlx::query_scalar("SELECT new_epoch FROM take_leadership('another', '', '1 second')")
                    .fetch_one(&database.pool)
                    .await
                    .unwrap();
            assert_eq!(taken, Some(epoch), "the epoch is given twice");
        }
        proxy.open().await;
        until("it leads again, under another epoch", async || {
            florin.tree.node.active().is_some_and(|active| active.epoch > epoch)
        })
        .await;
        florin.serving().await;

        let kept = if given_twice { 0 } else { 1_00 };
        // Connections of its pool may be from before, which the first to use them hears.
        until("alice has what was kept", async || florin.balance_if_known("alice").await == Some(10_00 - kept)).await;
        until("bob has what was kept", async || florin.balance_if_known("bob").await == Some(kept)).await;
        let again = florin.pay("lost", "alice", "bob", 4_00).await.unwrap();
        assert_eq!(again.status(), pb::PaymentStatus::Authorized, "it is not there any more, so it is done now");
        let repeated = florin.pay("kept", "alice", "bob", 1_00).await.unwrap();
        assert_eq!(
            repeated.status(),
            if given_twice { pb::PaymentStatus::Authorized } else { pb::PaymentStatus::Duplicate }
        );
        assert_eq!((florin.balance("alice").await, florin.balance("bob").await), (5_00, 5_00));
        let report = verify(&database.pool, |_, _, _| {}).await.unwrap();
        assert!(report.is_clean(), "{report}");
        florin.stop().await;
        drop(copied.database);
    }
}

// Fails when calls that come while it finds out are answered by what memory knows.
#[tokio::test(flavor = "multi_thread")]
async fn while_a_database_is_put_back_no_answer_rests_on_what_is_gone() {
    let database = TestDatabase::fresh().await;
    database.account("alice", 10_00).await;
    database.account("bob", 0).await;
    let mut copied = Copied::of(&database).await;
    let proxy = Proxy::start(&database.url).await;
    let options =
        Options { lease: Duration::from_secs(1), answer_timeout: Duration::from_millis(500), ..Options::default() };
    let florin = Florin::standby(database.clone(), &proxy.url, options, "node").await;
    florin.serving().await;
    proxy.close().await;
    copied.keep().await;
    proxy.open().await;
    florin.serving().await;
    // All of it goes to bob, and is gone again with the database.
    Order::new("lost", "alice", "bob", 10_00).insist(std::slice::from_ref(&florin.client)).await;
    let epoch = florin.tree.node.active().unwrap().epoch;
    proxy.close().await;
    copied.put_back().await;
    proxy.open().await;
    let mut n = 0;
    while florin.tree.node.active().is_none_or(|active| active.epoch == epoch) {
        match florin.pay(&format!("during-{n}"), "bob", "alice", 1).await {
            Ok(answer) => assert_eq!(answer.status(), pb::PaymentStatus::Declined, "bob never had anything"),
            Err(status) => assert!(is_honest(&status), "{status:?}"),
        }
        n += 1;
        assert!(n < 100_000, "the epoch does not end");
    }
    // Connections of its pool may be from before, which the first to use them hears.
    until("alice has her money again", async || florin.balance_if_known("alice").await == Some(10_00)).await;
    until("bob has nothing again", async || florin.balance_if_known("bob").await == Some(0)).await;
    assert_eq!(florin.pay("after", "bob", "alice", 1).await.unwrap().status(), pb::PaymentStatus::Declined);
    florin.stop().await;
}

/// A PostgreSQL whose next start, when told so, goes on as another timeline, as a standby that is promoted does.
struct Promotable {
    server: PrivatePostgres,
    home: tempfile::TempDir,
}

impl Promotable {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { server: PrivatePostgres::start(home.path(), Durability::Throwaway).unwrap(), home }
    }

    fn data(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    /// Keeps its files as they are now; it is stopped for that.
    fn keep(&mut self) {
        self.server.stop().unwrap();
        let copied = Command::new("cp").arg("-a").args([self.data("data"), self.data("kept")]).status().unwrap();
        assert!(copied.success());
        self.server.restart().unwrap();
    }

    /// It fails, and another one takes its place: one that has all of it, or, if told so, what was kept.
    fn fail_over(&mut self, to_kept: bool) {
        self.server.stop().unwrap();
        if to_kept {
            std::fs::remove_dir_all(self.data("data")).unwrap();
            std::fs::rename(self.data("kept"), self.data("data")).unwrap();
        }
        std::fs::write(self.data("data").join("recovery.signal"), "").unwrap();
        self.server.restart().unwrap();
    }
}

// Fails when leadership compares neither system nor timeline: after a failover that lost nothing of the journal, memory
// is believed for all the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_of_postgresql_ends_the_epoch_whether_it_lost_something_or_not() {
    let mut postgres = Promotable::start();
    let database = TestDatabase::empty_on(&postgres.server.url("postgres")).await;
    schema::migrate(&database.url, |_| ()).await.unwrap();
    sqlx::raw_sql("ALTER SYSTEM SET restore_command = '/bin/false'").execute(&database.pool).await.unwrap();
    database.account("alice", 10_00).await;
    database.account("bob", 0).await;
    let options =
        Options { lease: Duration::from_secs(1), answer_timeout: Duration::from_millis(500), ..Options::default() };
    let florin = Florin::with(database.clone(), options).await;
    let clients = [florin.client.clone()];
    let pays = async |key, cents| Order::new(key, "alice", "bob", cents).insist(&clients).await.status();
    assert_eq!(pays("kept", 1_00).await, pb::PaymentStatus::Authorized);
    for to_kept in [false, true] {
        if to_kept {
            let epoch = florin.tree.node.active().unwrap().epoch;
            postgres.keep();
            assert_eq!(pays("kept", 1_00).await, pb::PaymentStatus::Duplicate);
            assert_eq!(florin.tree.node.active().unwrap().epoch, epoch, "a restart is no other history");
            pays("lost", 4_00).await;
        }
        until("the lease is ours", async || florin.tree.node.is_lease_valid()).await;
        let epoch = florin.tree.node.active().unwrap().epoch;
        postgres.fail_over(to_kept);
        until("it leads again, under another epoch", async || {
            florin.tree.node.active().is_some_and(|active| active.epoch != epoch)
        })
        .await;
        florin.serving().await;
        until("alice has what is there", async || florin.balance_if_known("alice").await == Some(9_00)).await;
        until("bob has what is there", async || florin.balance_if_known("bob").await == Some(1_00)).await;
    }
    // It would not fit in what memory had.
    assert_eq!(pays("fits", 9_00).await, pb::PaymentStatus::Authorized);
    florin.database.folded().await;
    let report = verify(&database.pool, |_, _, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
    florin.stop().await;
}

// Fails when `raise_session` compares the epoch alone: the lane goes on under an epoch that was given to another, whose
// last batch has the number that memory knows.
#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_was_given_to_another_as_well_is_not_written_under_though_leadership_sleeps() {
    let options = Options { lease: Duration::from_secs(1), ..Options::default() };
    let florin = Florin::with(TestDatabase::fresh().await, options).await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    assert!(florin.pay("before", "alice", "bob", 1_00).await.is_ok());
    florin.faults.hold("leadership.tick");
    until("leadership sleeps", async || florin.faults.hits("leadership.tick") > 0).await;
    let given = "UPDATE leadership SET holder = 'another', expires_at = clock_timestamp() + interval '1 hour'";
    florin.database.pool.execute(given).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM writers, unnest(pids) pid";
    florin.database.pool.execute(cut).await.unwrap();
    let refused = florin.pay("k", "alice", "bob", 1_00).await.unwrap_err();
    assert_eq!(reason(&refused), "OUTCOME_UNKNOWN");
    until("it has stepped down", async || florin.tree.node.active().is_none()).await;
    assert!(!florin.database.effects().await.contains_key("k"));
    florin.faults.release("leadership.tick");
    florin.stop().await;
}
