//! Live events: in the journal's order, from any place on, without a gap or a repeat; whoever does not take them is cut
//! off.
//!
//! Each test of a fault names the mutation of the product that makes it fail.

use std::collections::BTreeSet;
use std::time::Duration;

use florin_wire::florin_v1 as pb;
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
        self.watch(pb::WatchEventsRequest {
            account_id: account.into(),
            after_event_id: after.into(),
            ..Default::default()
        })
        .await
        .unwrap()
    }

    /// Payments side by side, all done.
    async fn pay_all(&self, orders: impl Iterator<Item = Order>) {
        let orders: Vec<Order> = orders.collect();
        for answer in self.send_all(&orders).await {
            assert_eq!(answer.unwrap().error, None);
        }
    }

    /// The places of all events.
    async fn places(&self) -> Vec<i64> {
        sqlx::query_scalar("SELECT seq FROM journal WHERE event IS NOT NULL AND n = 0 ORDER BY seq")
            .fetch_all(&self.database.pool)
            .await
            .unwrap()
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

// Fails when a watcher takes from a batch what it has read from the journal already.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_hears_everything_once_in_order_wherever_it_begins() {
    let florin = started().await;
    florin.pay_all((0..30).map(|n| Order::new(format!("before-{n}"), "a", "b", 1))).await;
    let before = florin.places().await;
    let mut from_the_first = florin.watched("a", "0").await;
    let mut from_now = florin.watched("", "").await;
    let load = {
        let orders: Vec<Order> = (0..400)
            .map(|n| {
                if n % 4 == 0 {
                    Order::new(format!("k{n}"), "c", "b", 1)
                } else {
                    Order::new(format!("k{n}"), "a", "b", 1)
                }
            })
            .collect();
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
        until("some more came", async || florin.places().await.len() > 30 + n * 30).await;
        others.push(florin.watched("a", &place.to_string()).await);
    }
    load.await.unwrap();
    let all: Vec<(i64, String)> =
        florin.database.events().await.into_iter().map(|event| (event.id, event.body.to_string())).collect();
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
    let request = pb::WatchEventsRequest {
        transaction_id: uuid::Uuid::from_u128(ulid.0).to_string(),
        after_event_id: "0".into(),
        ..Default::default()
    };
    assert_eq!(ids(&take(&mut florin.watch(request).await.unwrap(), 1).await), [of_a[7]]);
    drop((from_the_first, from_now));
    florin.stop().await;
}

// Fails when live events wait for transactions that are none of the journal's.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_transaction_that_stays_open_holds_no_event_back() {
    let florin = started().await;
    let mut events = florin.watched("", "0").await;
    let mut foreign = florin.database.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_current_xact_id()").execute(&mut *foreign).await.unwrap();
    florin.pay_all((0..10).map(|n| Order::new(format!("k{n}"), "a", "b", 1))).await;
    assert_eq!(ids(&take(&mut events, 10).await), florin.places().await);
    foreign.rollback().await.unwrap();
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
    let expected = florin.places().await;
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
        match tokio::time::timeout(Duration::from_secs(10), events.message())
            .await
            .expect("the stream ends with its node")
        {
            Ok(Some(_)) => {} // what was on its way
            other => ended = Some(other),
        }
    }
    let florin = Florin::with(database, options()).await;
    florin.pay_all((0..20).map(|n| Order::new(format!("two-{n}"), "a", "b", 1))).await;
    let mut events = florin.watched("", &heard[12].id).await;
    let rest = take(&mut events, 27).await;
    let all: BTreeSet<i64> = ids(&heard).into_iter().chain(ids(&rest)).collect();
    assert_eq!(all.into_iter().collect::<Vec<_>>(), florin.places().await);
    drop(events);
    florin.stop().await;
}

// Fails when a place is refused that is behind the journal's end, or when one beyond it is taken.
#[tokio::test(flavor = "multi_thread")]
async fn any_place_of_the_past_is_taken_and_what_was_not_given_is_refused() {
    let florin = started().await;
    florin.pay_all((0..10).map(|n| Order::new(format!("k{n}"), "a", "b", 1))).await;
    let places = florin.places().await;
    let from = |after: String| pb::WatchEventsRequest { after_event_id: after, ..Default::default() };
    assert_eq!(ids(&take(&mut florin.watch(from("1".into())).await.unwrap(), 10).await), places);
    assert_eq!(ids(&take(&mut florin.watch(from(places[4].to_string())).await.unwrap(), 5).await), places[5..]);
    for (bad, word) in
        [("9223372036854775807", "9223372036854775807"), ("-1", "-1"), ("x", "\"x\""), (&"9".repeat(65), "64")]
    {
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
    let database = TestDatabase::fresh().await;
    let stray = "INSERT INTO writers (writer, batch) VALUES (0, 16777216); \
         INSERT INTO journal (seq, created_at, id, request, event, kind, status, api, n, postings, tenant, body) \
         SELECT (16777216::bigint << 20) + n, now(), gen_random_uuid(), gen_random_uuid(), 3, 22, 1, 2, 0, 0, 'default', '{}' FROM generate_series(1, 3) n";
    sqlx::raw_sql(stray).execute(&database.pool).await.unwrap();
    let florin = Florin::with(database, Options::default()).await;
    florin.database.account("a", 1_000_00).await;
    florin.database.account("b", 0).await;
    for round in 0..3 {
        florin.pay_all((0..200).map(|n| Order::new(format!("{round}-{n}"), "a", "b", 1))).await;
    }
    let expected = florin.places().await[3..].to_vec();
    assert_eq!(ids(&take(&mut florin.watched("", "0").await, expected.len()).await), expected);
    until("nobody watches any more", async || florin.tree.node.active().unwrap().feed.watchers() == 0).await;
    florin.stop().await;
}

// Fails when "from now on" begins behind what is laid out and not committed: it is missed.
#[tokio::test(flavor = "multi_thread")]
async fn from_now_on_begins_before_what_is_still_on_its_way() {
    let florin = started().await;
    florin.pay_all((0..3).map(|n| Order::new(format!("before-{n}"), "a", "b", 1))).await;
    florin.faults.hold("lane.before_commit");
    let client = florin.client.clone();
    let on_its_way = spawn(async move { Order::new("on its way", "a", "b", 1).send(&client).await });
    until("it is about to be committed", async || florin.faults.hits("lane.before_commit") > 0).await;
    let mut events = florin.watched("", "").await;
    florin.faults.release("lane.before_commit");
    on_its_way.await.unwrap().unwrap();
    assert_eq!(ids(&take(&mut events, 1).await), florin.places().await[3..]);
    drop(events);
    florin.stop().await;
}

// Fails when each watcher that comes back reads as it likes: all connections wait, and so does everybody else.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_come_back_leave_connections_to_others_and_hear_everything() {
    let florin = started().await;
    florin.pay_all((0..300).map(|n| Order::new(format!("k{n}"), "a", "b", 1))).await;
    let places = florin.places().await;
    let mut events = florin.watched("", &places[0].to_string()).await;
    assert_eq!(ids(&take(&mut events, places.len() - 1).await), places[1..], "all of it is folded");
    // what every reader of events looks at, and nothing else that is asked for here
    let mut locked = florin.database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE quarantine IN ACCESS EXCLUSIVE MODE").execute(&mut *locked).await.unwrap();
    let mut back: Vec<_> = futures::future::join_all((0..30).map(|_| florin.watched("", "1"))).await;
    let taking: Vec<_> = back.drain(..).map(|mut events| spawn(async move { take(&mut events, 300).await })).collect();
    let readers =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("some wait for the table", async || florin.database.count(readers).await >= 3).await;
    let listed = async {
        for _ in 0..30 {
            let request = pb::ListTransactionsRequest { limit: 5, ..Default::default() };
            assert_eq!(florin.native.clone().list_transactions(request).await.unwrap().into_inner().items.len(), 5);
        }
    };
    tokio::time::timeout(Duration::from_secs(3), listed).await.expect("lists are answered meanwhile");
    locked.rollback().await.unwrap();
    for taken in taking {
        assert_eq!(ids(&taken.await.unwrap()), places);
    }
    drop(events);
    florin.stop().await;
}
