//! Live events: in the outbox's order, from any place on, without a gap or a repeat; whoever does not take them is cut off.
//!
//! Each test of a fault names the mutation of the product that makes it fail.

use std::collections::BTreeSet;
use std::time::Duration;

use florin::protocol::pb::florin_v1 as pb;
use tonic::{Code, Status, Streaming};

use crate::harness::money::{Order, spawn};
use crate::harness::{Florin, Options, TestDatabase, until};

type Events = Streaming<pb::WatchEventsResponse>;

impl Florin {
    async fn watch(&self, request: pb::WatchEventsRequest) -> Result<Events, Status> {
        Ok(self.native.clone().watch_events(request).await?.into_inner())
    }

    /// Every event of an account after this one.
    pub async fn watched(&self, account: &str, after: &str) -> Events {
        self.watch(pb::WatchEventsRequest { account_id: account.into(), after_event_id: after.into(), ..Default::default() }).await.unwrap()
    }

    /// Payments side by side, all done.
    async fn pay_all(&self, orders: impl Iterator<Item = Order>) {
        let orders: Vec<Order> = orders.collect();
        for answer in self.send_all(&orders).await {
            assert_eq!(answer.unwrap().error, None);
        }
    }

    async fn outbox(&self) -> Vec<i64> {
        sqlx::query_scalar("SELECT id FROM outbox ORDER BY id").fetch_all(&self.database.pool).await.unwrap()
    }
}

/// The next so many, within 10 s.
pub async fn take(events: &mut Events, count: usize) -> Vec<pb::WatchEventsResponse> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(10), events.message()).await;
        let next = next.unwrap_or_else(|_| panic!("{} of {count} events within 10 s", taken.len()));
        taken.push(next.unwrap().expect("the stream goes on"));
    }
    taken
}

fn ids(events: &[pb::WatchEventsResponse]) -> Vec<i64> {
    events.iter().map(|event| event.id.parse().unwrap()).collect()
}

async fn started() -> Florin {
    let florin = Florin::start().await;
    florin.database.account("a", 1_000_00).await;
    florin.database.account("b", 0).await;
    florin.database.account("c", 1_000_00).await;
    florin
}

// Fails when a watcher takes from a batch what it has read from the outbox already.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_hears_everything_once_in_order_wherever_it_begins() {
    let florin = started().await;
    florin.pay_all((0..30).map(|n| Order::new(format!("before-{n}"), "a", "b", 1))).await;
    let before = florin.outbox().await;
    let mut from_the_first = florin.watched("a", "0").await;
    let mut from_now = florin.watched("", "").await;
    let load = {
        let orders: Vec<Order> =
            (0..400).map(|n| if n % 4 == 0 { Order::new(format!("k{n}"), "c", "b", 1) } else { Order::new(format!("k{n}"), "a", "b", 1) }).collect();
        let clients = florin.client.clone();
        spawn(async move {
            for chunk in orders.chunks(20) {
                futures::future::join_all(chunk.iter().map(|order| order.send(&clients))).await;
            }
        })
    };
    // Watchers that come while it goes on, each from another place.
    let mut others = Vec::new();
    for (n, place) in before.iter().enumerate().take(10) {
        until("some more came", async || florin.outbox().await.len() > 30 + n * 30).await;
        others.push(florin.watched("a", &place.to_string()).await);
    }
    load.await.unwrap();
    let all: Vec<(i64, String)> = sqlx::query_as("SELECT id, body FROM outbox ORDER BY id").fetch_all(&florin.database.pool).await.unwrap();
    assert_eq!(all.len(), 430);
    let of_a: Vec<i64> = all.iter().filter(|(_, body)| body.contains("\"a\"")).map(|(id, _)| *id).collect();
    assert_eq!(of_a.len(), 330);
    let heard = take(&mut from_the_first, of_a.len()).await;
    assert_eq!(ids(&heard), of_a);
    assert_eq!(heard[0].event_type, "PaymentAuthorized");
    for (event, (_, body)) in heard.iter().zip(all.iter().filter(|(_, body)| body.contains("\"a\""))) {
        assert_eq!(event.body, *body);
    }
    assert_eq!(ids(&take(&mut from_now, 400).await), all[30..].iter().map(|(id, _)| *id).collect::<Vec<_>>());
    for (n, mut other) in others.into_iter().enumerate() {
        let expected: Vec<i64> = of_a.iter().copied().filter(|id| *id > before[n]).collect();
        assert_eq!(ids(&take(&mut other, expected.len()).await), expected, "from the {n}th on");
    }
    // One transaction alone, and one that is another tenant's to see: nobody's here.
    let one: serde_json::Value = serde_json::from_str(&heard[7].body).unwrap();
    let ulid: ulid::Ulid = one["payload"]["payment_id"].as_str().unwrap().parse().unwrap();
    let request =
        pb::WatchEventsRequest { transaction_id: uuid::Uuid::from_u128(ulid.0).to_string(), after_event_id: "0".into(), ..Default::default() };
    assert_eq!(ids(&take(&mut florin.watch(request).await.unwrap(), 1).await), [of_a[7]]);
    drop((from_the_first, from_now));
    florin.stop().await;
}

// Fails when a transaction that is still running does not hold events back: its event has a lower id than those that came out before it.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_transaction_commits_late_is_not_passed_over() {
    let florin = started().await;
    let mut events = florin.watched("", "0").await;
    let mut late = florin.database.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_current_xact_id()").execute(&mut *late).await.unwrap();
    // Its row tells of a transaction that is there.
    florin.pay_all([Order::new("first", "a", "b", 1)].into_iter()).await;
    let copy = "INSERT INTO outbox (event, aggregate, body) SELECT event, aggregate, body FROM outbox ORDER BY id LIMIT 1";
    sqlx::query(copy).execute(&mut *late).await.unwrap();
    florin.pay_all((0..10).map(|n| Order::new(format!("k{n}"), "a", "b", 1))).await;
    let silence = tokio::time::timeout(Duration::from_millis(300), events.message()).await;
    assert!(silence.is_err(), "something came out past a transaction that was still running: {silence:?}");
    late.commit().await.unwrap();
    assert_eq!(ids(&take(&mut events, 12).await), florin.outbox().await);
    drop(events);
    florin.stop().await;
}

// Fails when a watcher does not ask where a batch begins: what the actor that failed had not handed out is missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_fails_loses_and_repeats_nothing() {
    let florin = started().await;
    let mut events = florin.watched("", "0").await;
    for round in 0..6 {
        florin.faults.panic_at("feed.read", 0, 1);
        florin.pay_all((0..20).map(|n| Order::new(format!("{round}-{n}"), "a", "b", 1))).await;
        until("the feed failed", async || florin.faults.hits("feed.read") > 0).await;
    }
    let expected = florin.outbox().await;
    assert_eq!(ids(&take(&mut events, expected.len()).await), expected);
    drop(events);
    florin.stop().await;
}

// Fails when a place is something that only the process remembers.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_goes_on_at_the_next_node() {
    let database = TestDatabase::fresh().await;
    let options = || Options { lease: Duration::from_millis(500), ..Options::default() };
    let florin = Florin::with(database.clone(), options()).await;
    florin.database.account("a", 1_000_00).await;
    florin.database.account("b", 0).await;
    let mut events = florin.watched("", "").await;
    florin.pay_all((0..20).map(|n| Order::new(format!("one-{n}"), "a", "b", 1))).await;
    let heard = take(&mut events, 13).await;
    florin.kill().await;
    let mut ended = None;
    while ended.is_none() {
        match tokio::time::timeout(Duration::from_secs(10), events.message()).await.expect("the stream ends with its node") {
            Ok(Some(_)) => {} // what was on its way
            other => ended = Some(other),
        }
    }
    let florin = Florin::with(database, options()).await;
    florin.pay_all((0..20).map(|n| Order::new(format!("two-{n}"), "a", "b", 1))).await;
    let mut events = florin.watched("", &heard[12].id).await;
    let rest = take(&mut events, 27).await;
    let all: BTreeSet<i64> = ids(&heard).into_iter().chain(ids(&rest)).collect();
    assert_eq!(all.into_iter().collect::<Vec<_>>(), florin.outbox().await);
    drop(events);
    florin.stop().await;
}

// Fails when a place whose events have left is begun at the next one that is there.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_left_is_too_old_and_what_was_not_given_is_refused() {
    let florin = started().await;
    florin.pay_all((0..10).map(|n| Order::new(format!("k{n}"), "a", "b", 1))).await;
    let before = florin.outbox().await;
    sqlx::query("DELETE FROM outbox_default WHERE id <= $1").bind(before[4]).execute(&florin.database.pool).await.unwrap();
    let from = |after: String| pb::WatchEventsRequest { after_event_id: after, ..Default::default() };
    let too_old = florin.watch(from("1".into())).await.unwrap_err();
    assert_eq!(too_old.code(), Code::OutOfRange, "{too_old:?}");
    assert!(too_old.message().contains(&format!("the oldest is {}", before[5])), "{too_old:?}");
    assert_eq!(ids(&take(&mut florin.watch(from(before[4].to_string())).await.unwrap(), 5).await), before[5..]);
    for (bad, word) in [("999999", "999999"), ("-1", "-1"), ("x", "\"x\""), (&"9".repeat(65), "64")] {
        let refused = florin.watch(from(bad.to_owned())).await.unwrap_err();
        assert!(refused.code() == Code::InvalidArgument && refused.message().contains(word), "{refused:?}");
    }
    let bad = pb::WatchEventsRequest { transaction_id: "nothing".into(), ..Default::default() };
    assert_eq!(florin.watch(bad).await.unwrap_err().code(), Code::InvalidArgument);
    until("nobody watches any more", async || florin.tree.node.active().unwrap().feed.watchers() == 0).await;
    florin.stop().await;
}

// Fails when a page is taken for the last because some of its rows concern nobody: what follows it is then missed.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_concern_nobody_hide_none_that_do() {
    let florin = started().await;
    let stray = "INSERT INTO outbox (event, aggregate, body) SELECT 3, gen_random_uuid()::text, '{}' FROM generate_series(1, 3)";
    sqlx::query(stray).execute(&florin.database.pool).await.unwrap();
    for round in 0..3 {
        florin.pay_all((0..200).map(|n| Order::new(format!("{round}-{n}"), "a", "b", 1))).await;
    }
    let expected = florin.outbox().await[3..].to_vec();
    assert_eq!(ids(&take(&mut florin.watched("", "0").await, expected.len()).await), expected);
    until("nobody watches any more", async || florin.tree.node.active().unwrap().feed.watchers() == 0).await;
    florin.stop().await;
}
