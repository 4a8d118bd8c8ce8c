//! Several batches written side by side and committed one behind the other.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::{Duration, Instant};

use florin::store::verify::verify;
use florin_wire::payment_v1 as pb;
use futures::StreamExt;
use futures::future::join_all;
use sqlx::Executor;

use crate::actors::faults::background;
use crate::harness::money::{Answered, Order, reason};
use crate::harness::{Florin, Options, TestDatabase, tally, until};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

async fn with(options: Options) -> Florin {
    let database = TestDatabase::fresh().await;
    for name in NAMES {
        database.account(name, 1_000_000_00).await;
    }
    Florin::with(database, options).await
}

/// Payments in a ring.
fn ring(name: &str, count: usize) -> Vec<Order> {
    (0..count)
        .map(|n| {
            Order::new(
                format!("{name}-{n}"),
                NAMES[n % NAMES.len()],
                NAMES[(n + 1) % NAMES.len()],
                1 + i64::try_from(n % 9).unwrap(),
            )
        })
        .collect()
}

async fn is_clean(florin: &Florin) {
    florin.folded().await;
    let report = verify(&florin.database.pool, |_, _, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
}

/// Three batches on the same accounts are being written: so many payments in each.
async fn three_in_flight(florin: &Florin, middle: Vec<Order>) -> [Vec<tokio::task::JoinHandle<Answered>>; 3] {
    let before = florin.faults.hits("lane.before_commit");
    florin.faults.hold("lane.before_commit");
    let begun = async |n: u64| {
        until("another batch is begun", async || florin.faults.hits("lane.before_commit") >= before + n).await
    };
    let send = |orders: Vec<Order>| orders.into_iter().map(|order| background(florin, order)).collect::<Vec<_>>();
    let first = send(ring("first", 20));
    begun(1).await;
    let middle = send(middle);
    begun(2).await;
    let last = send(ring("last", 80));
    begun(3).await;
    [first, middle, last]
}

// Fails when a batch is laid out from what is settled alone (`Lane::lay_out` without `sent`), when what was written
// behind a failure is not written again, and when the failure of one is taken for the end of the epoch.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_fails_between_two_others_takes_nobody_along() {
    let florin = with(Options { writers: 3, batch_max: 20, ..Options::default() }).await;
    florin.pay("used", "a", "b", 5).await.unwrap();
    for name in NAMES {
        florin.loaded(name).await;
    }
    let epoch = florin.tree.node.active().unwrap().epoch;
    // A repeat and another request under its key are found by the database, in the middle of three batches.
    let guilty = [Order::new("used", "a", "b", 5), Order::new("used", "a", "b", 6)];
    let middle: Vec<Order> = guilty[..1].iter().cloned().chain(ring("middle", 30)).collect();
    let [first, middle, last] = three_in_flight(&florin, middle).await;
    florin.faults.release("lane.before_commit");
    for sent in join_all(first.into_iter().chain(last)).await {
        assert_eq!(sent.unwrap().unwrap().status(), pb::PaymentStatus::Authorized);
    }
    let middle: Vec<Answered> = join_all(middle).await.into_iter().map(Result::unwrap).collect();
    let counts = tally(&middle);
    assert_eq!((counts["DUPLICATE"], counts["AUTHORIZED"]), (1, 30), "{counts:?}");
    assert_eq!(reason(&guilty[1].send(&florin.client).await.unwrap_err()), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(florin.tree.node.active().unwrap().epoch, epoch);
    is_clean(&florin).await;
    florin.stop().await;
}

// Fails when after a lost answer only the last batch that was sent is settled (`Lane::settle_sent` without its loop).
#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_under_several_writers_every_payment_has_one_effect() {
    let florin =
        with(Options { writers: 3, batch_max: 40, answer_timeout: Duration::from_secs(2), ..Options::default() }).await;
    let kill = "SELECT count(pg_terminate_backend(p)) FROM writers, unnest(pids[1:1 + (random() * 2)::int]) p";
    for (round, point) in [
        "lane.after_commit",
        "lane.settled",
        "",
        "lane.before_commit",
        "lane.taken",
        "",
        "lane.settled",
        "lane.after_commit",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        let orders = ring(&format!("r{round}"), 600);
        if !point.is_empty() {
            florin.faults.panic_at(point, 3, 2);
        }
        let kills = async {
            for _ in 0..if point.is_empty() { 4 } else { 0 } {
                florin.database.count(kill).await;
                tokio::time::sleep(Duration::from_millis(30)).await; // the load goes on meanwhile
            }
        };
        let client = std::slice::from_ref(&florin.client);
        let load =
            futures::stream::iter(&orders).map(|order| order.insist(client)).buffer_unordered(300).collect::<Vec<_>>();
        let (answers, ()) = tokio::join!(load, kills);
        assert!(answers.iter().all(|answer| answer.status() != pb::PaymentStatus::Declined), "round {round}");
        let effects = florin.database.effects().await;
        assert!(orders.iter().all(|order| effects.get(&order.key) == Some(&1)), "round {round}");
    }
    is_clean(&florin).await;
    florin.check_no_open_legs(&NAMES).await;
    florin.stop().await;
}

// Fails when a batch does not look into the partitions before its own. That the lane takes no key that is in flight
// only spares the database a refusal: without it all of this holds as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_repeated_across_a_change_of_partition_under_two_writers_has_one_effect() {
    let florin = with(Options { writers: 2, batch_max: 30, partition_rows: 60, ..Options::default() }).await;
    for round in 0..40 {
        florin::store::outbox::grow(&florin.database.pool, 3).await.unwrap();
        let orders: Vec<Order> = (0..4).flat_map(|_| ring(&format!("r{round}"), 40)).collect();
        let answers = florin.send_all(&orders).await;
        let counts = tally(&answers);
        assert_eq!((counts["AUTHORIZED"], counts["DUPLICATE"]), (40, 120), "round {round}: {counts:?}");
    }
    assert!(florin.database.count("SELECT count(*) FROM journal_partitions WHERE closed_at IS NOT NULL").await >= 20);
    is_clean(&florin).await;
    florin.stop().await;
}

// Fails when a second batch is begun only after the first is committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_log_is_slow_to_flush_two_writers_are_faster_than_one() {
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        for (n, writers) in [1, 2].into_iter().enumerate() {
            let florin = with(Options { writers, batch_max: 20, ..Options::default() }).await;
            // Each batch takes this long to be written, and this long to be committed once all is done but the flush of
            // the log: much longer than the cores need for it, which other tests use as well.
            let slow = "CREATE FUNCTION write_slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.04); RETURN NULL; END $$; \
                        CREATE TRIGGER write_slowly AFTER INSERT ON journal FOR EACH STATEMENT EXECUTE FUNCTION write_slowly(); \
                        CREATE FUNCTION flush_slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.06); RETURN NULL; END $$; \
                        CREATE CONSTRAINT TRIGGER flush_slowly AFTER UPDATE ON writers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION flush_slowly()";
            florin.database.pool.execute(slow).await.unwrap();
            let warm = ring("warm", 200);
            let client = std::slice::from_ref(&florin.client);
            futures::stream::iter(&warm)
                .map(|order| order.insist(client))
                .buffer_unordered(400)
                .collect::<Vec<_>>()
                .await;
            let orders = ring("slow", 800);
            let began = Instant::now();
            futures::stream::iter(&orders)
                .map(|order| order.insist(client))
                .buffer_unordered(400)
                .collect::<Vec<_>>()
                .await;
            took[n].push(began.elapsed());
            florin.stop().await;
        }
    }
    let best = took.each_ref().map(|took| *took.iter().min().unwrap());
    println!("800 payments: {:?} with one writer, {:?} with two: {took:?}", best[0], best[1]);
    assert!(best[1] * 10 < best[0] * 8, "{took:?}");
}
