//! A database whose clock is set while a lane has its session: payments go on, and the cut-off binds by the clock as it
//! then is.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::Duration;

use florin_wire::payment_v1 as pb;
use sqlx::Executor;

use crate::actors::faults::background;
use crate::harness::money::{Order, reason};
use crate::harness::{Florin, Options, TestDatabase, until};

/// A database whose clock a test can set: its own `clock_timestamp` is found before the real one.
async fn settable() -> TestDatabase {
    let database = TestDatabase::fresh().await;
    let clock = "CREATE SCHEMA clock; \
         CREATE TABLE clock.ahead (by interval NOT NULL); \
         INSERT INTO clock.ahead VALUES ('0'); \
         CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS \
           'SELECT pg_catalog.clock_timestamp() + by FROM clock.ahead'; \
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = clock, public, pg_catalog', current_database()); END $$";
    database.pool.execute(clock).await.unwrap();
    database
}

/// Sets the clock to the real time and so much.
async fn set(database: &TestDatabase, by: &str) {
    sqlx::query("UPDATE clock.ahead SET by = $1::text::interval").bind(by).execute(&database.pool).await.unwrap();
}

// Fails when `WriterSession::now` keeps the old pair of moments (every payment is too late for as long as the clock is
// ahead), when it does not go by the old pair for the batch at hand (what really is too late would be written), or when
// a cut-off is taken to the database by another clock than the one that was read last.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_costs_one_batch_at_most_and_the_cutoff_still_binds() {
    let options = Options { write_cutoff: Duration::from_secs(2), ..Options::default() };
    let florin = Florin::with(settable().await, options).await;
    let database = florin.database.clone();
    database.account("alice", 100_00).await;
    database.account("bob", 0).await;
    assert_eq!(florin.pay("before", "alice", "bob", 1_00).await.unwrap().status(), pb::PaymentStatus::Authorized);
    let session = database.count("SELECT session FROM writers").await;

    // Forward, from where it was and once more: nobody can tell it from a batch that was an hour on its way.
    for by in ["1 hour", "3 hours"] {
        set(&database, by).await;
        let key = format!("forward {by}");
        let refused = florin.pay(&key, "alice", "bob", 1_00).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (tonic::Code::Unavailable, "TOO_LATE"));
        assert!(!database.effects().await.contains_key(&key), "called not done, and written");
        for key in [key, format!("then {by}")] {
            assert_eq!(
                florin.pay(&key, "alice", "bob", 1_00).await.unwrap().status(),
                pb::PaymentStatus::Authorized,
                "{key}"
            );
        }
    }

    // With the clock as it was read last, a batch that is held up in the database until its cut-off is not written.
    let mut holder = database.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM writers FOR UPDATE").execute(&mut *holder).await.unwrap();
    let late = background(&florin, Order::new("late", "alice", "bob", 1_00));
    assert_eq!(reason(&late.await.unwrap().unwrap_err()), "OUTCOME_UNKNOWN", "its cut-off has passed");
    holder.rollback().await.unwrap();
    until("the late one is resolved", || async { florin.in_flight.now() == 0 }).await;
    assert!(!database.effects().await.contains_key("late"), "written after its cut-off");

    // Back: nothing is too late. (A batch may then be written past its cut-off, within the time that its answer is
    // waited for.)
    for by in ["0", "-1 hour"] {
        set(&database, by).await;
        for n in 0..3 {
            let answer = florin.pay(&format!("back {by} {n}"), "alice", "bob", 1_00).await.unwrap();
            assert_eq!(answer.status(), pb::PaymentStatus::Authorized, "{by}");
        }
    }
    assert_eq!(database.count("SELECT session FROM writers").await, session, "all on one session");
    assert!(database.effects().await.values().all(|rows| *rows == 1));
    assert_eq!(florin.balance("bob").await, (1 + 2 * 2 + 2 * 3) * 1_00);
    florin.check_no_open_legs(&["alice", "bob"]).await;
    florin.stop().await;
}
