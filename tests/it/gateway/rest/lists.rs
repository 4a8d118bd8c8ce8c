//! GET /transactions: newest first, filters, pages, and the bounds of both.

use serde_json::{Value, json};

use super::client::stored;
use super::{World, key, movement, payment, refund, text};

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("no bare array: {list}")).iter().map(|row| text(&row["id"])).collect()
}

/// Ada's transactions, some of them with bob.
struct Listed {
    world: World,
    ada: String,
    bob: String,
    /// Id, type, status; newest first.
    made: Vec<(String, &'static str, &'static str)>,
}

impl Listed {
    async fn start() -> Self {
        let world = World::start().await;
        let capped = json!({ "maxBalance": "1000" });
        let (ada, bob) = (world.user_with("0", capped).await, world.user("0").await);
        let mut made = Vec::new();
        let mut paid = String::new();
        for n in 1..=4 {
            for (route, kind, id, body) in [
                ("topup", "topup", "transactionId", movement(&world.bank, &ada, "20")),
                ("transfer", "transfer_debit", "debitTransactionId", movement(&ada, &bob, "1")),
                ("payment", "payment", "transactionId", payment(&ada, &bob, "2")),
                ("refund", "refund", "refundId", refund(&paid, "1")),
                ("withdraw", "withdrawal", "transactionId", movement(&ada, &world.bank, "3")),
                ("topup", "topup", "transactionId", movement(&world.bank, &ada, "2000")),
            ] {
                if kind == "refund" && n == 1 {
                    continue;
                }
                let status = if body["amount"] == "2000" { "failed" } else { "completed" };
                let id = text(&world.post(&format!("transactions/{route}"), &body).await.ok(201)[id]);
                if kind == "payment" {
                    paid.clone_from(&id);
                }
                made.push((id, kind, status));
            }
        }
        made.reverse();
        Self { world, ada, bob, made }
    }

    /// The ids of those with this type and this status.
    fn own(&self, keep: impl Fn(&str, &str) -> bool) -> Vec<String> {
        self.made.iter().filter(|(_, kind, status)| keep(kind, status)).map(|(id, ..)| id.clone()).collect()
    }

    /// A list of ada's.
    async fn list(&self, query: &str) -> Value {
        self.world.get(&format!("transactions?accountId={}{query}", self.ada)).await.ok(200)
    }
}

/// Mutation: oldest first.
#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_transactions_are_listed_newest_first_as_each_of_them_reads_back() {
    let listed = Listed::start().await;
    let (world, all) = (&listed.world, listed.own(|_, _| true));
    let everything = listed.list("").await;
    assert_eq!(ids(&everything), all);
    for row in everything.as_array().unwrap() {
        assert_eq!(*row, world.transaction(&text(&row["id"])).await, "a row of the list is the transaction");
    }
    // Everybody's, and those of a stranger.
    assert_eq!(ids(&world.get("transactions?limit=1000").await.ok(200)), all);
    assert!(ids(&world.get(&format!("transactions?accountId={}", key())).await.ok(200)).is_empty());
    listed.world.end().await;
}

/// Mutation: a type that hides the other side of a transfer.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_leaves_the_transactions_of_its_type_and_status_on_either_side() {
    let listed = Listed::start().await;
    let (failed, none) = (listed.own(|_, status| status == "failed"), Vec::<String>::new());
    for kind in ["topup", "payment", "refund", "withdrawal", "transfer_debit"] {
        assert_eq!(ids(&listed.list(&format!("&type={kind}")).await), listed.own(|own, _| own == kind), "{kind}");
    }
    for (query, found) in [
        ("&status=failed", &failed),
        ("&status=failed&type=topup", &failed),
        ("&status=failed&type=payment", &none),
        // It is durable when it is answered.
        ("&status=pending", &none),
        ("&status=completed&type=topup", &listed.own(|kind, status| status == "completed" && kind == "topup")),
    ] {
        assert_eq!(ids(&listed.list(query).await), *found, "{query}");
    }
    let bobs = listed.world.get(&format!("transactions?accountId={}", listed.bob)).await.ok(200);
    assert_eq!(ids(&bobs), listed.own(|kind, _| ["transfer_debit", "payment", "refund"].contains(&kind)));
    listed.world.end().await;
}

/// Mutation: an offset applied before the filter.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_and_an_offset_cut_what_the_filter_left() {
    let listed = Listed::start().await;
    let all = listed.own(|_, _| true);
    for (limit, offset) in
        [(1, 0), (5, 0), (5, 5), (7, 3), (1000, 0), (1000, all.len() - 1), (10, all.len()), (10, 5_000)]
    {
        let wanted: Vec<String> = all.iter().skip(offset).take(limit).cloned().collect();
        let query = format!("&limit={limit}&offset={offset}");
        assert_eq!(ids(&listed.list(&query).await), wanted, "{query}");
    }
    let topups = listed.own(|kind, _| kind == "topup");
    assert_eq!(ids(&listed.list("&type=topup&limit=3&offset=2").await), topups[2..5]);
    listed.world.end().await;
}

/// Mutation: an offset that walks a million rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_limit_or_offset_is_refused_and_the_default_is_50() {
    let world = World::start().await;
    let user = world.open(json!({})).await;
    futures::future::join_all(
        (0..60).map(async |_| world.post("transactions/topup", &movement(&world.bank, &user, "0.01")).await.ok(201)),
    )
    .await;
    assert_eq!(world.balance(&user).await, stored("0.60"));
    assert_eq!(ids(&world.get(&format!("transactions?accountId={user}")).await.ok(200)).len(), 50);
    for (query, word) in [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1001", "limit"),
        ("limit=abc", "limit"),
        ("limit=1.5", "limit"),
        ("limit=1e2", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=%D9%A1", "limit"),
        ("offset=-1", "offset"),
        ("offset=abc", "offset"),
        ("offset=10001", "pageToken"),
        ("offset=99999999999999999999", "offset"),
    ] {
        world.get(&format!("transactions?accountId={user}&{query}")).await.refused_naming(
            400,
            "VALIDATION_FAILED",
            &[word],
        );
    }
    world.get(&format!("transactions?accountId={user}&limit=1000&offset=10000")).await.ok(200);
    // Anything else in a query is answered, whatever it means.
    for query in
        ["type=%00", "status=%27%20OR%201%3D1--", "zzz=1", "accountId=%FF%FE", "limit=5&limit=6", "%%%", "type=nothing"]
    {
        let answer = world.get(&format!("transactions?{query}")).await;
        assert!(answer.status == 200 || answer.status == 400, "{query}: {}", answer.text);
    }
    world.end().await;
}

/// Mutations: a token that is an offset in disguise (rows that arrive are repeated); a token without what was read of
/// the declined ones; a token that another query takes.
#[tokio::test(flavor = "multi_thread")]
async fn page_tokens_walk_a_list_without_gap_or_repeat_while_rows_arrive() {
    let world = World::start().await;
    let (ada, bob) = (world.user_with("0", json!({ "maxBalance": "1000" })).await, world.user("0").await);
    let move_on = async |n: usize| {
        let (route, body) = match n % 3 {
            0 => ("topup", movement(&world.bank, &ada, "3")),
            1 => ("topup", movement(&world.bank, &ada, "2000")), // fails, and is kept
            _ => ("payment", payment(&ada, &bob, "1")),
        };
        world.post(&format!("transactions/{route}"), &body).await.ok(201);
    };
    for n in 0..120 {
        move_on(n).await;
    }
    for query in [
        format!("accountId={ada}"),
        format!("accountId={ada}&status=completed"),
        format!("accountId={ada}&status=failed"),
        "type=topup".into(),
        String::new(),
    ] {
        let before = ids(&world.get(&format!("transactions?{query}&limit=1000")).await.ok(200));
        let (mut walked, mut token) = (Vec::new(), String::new());
        loop {
            let page = world.get(&format!("transactions?{query}&limit=7{token}")).await;
            let next = page.next_page.clone();
            let rows = ids(&page.ok(200));
            assert!(rows.len() == 7 || next.is_none(), "{query}: {} rows, and there is more", rows.len());
            walked.extend(rows);
            assert!(walked.len() <= before.len(), "{query}: rows come again: {walked:?} {before:?}");
            let Some(next) = next else { break };
            token = format!("&pageToken={next}");
            move_on(walked.len()).await;
        }
        assert_eq!(walked, before, "{query}");
        if !token.is_empty() {
            let other = world.get(&format!("transactions?accountId={bob}&limit=7{token}")).await;
            other.refused_naming(400, "VALIDATION_FAILED", &["pageToken", "not a token of this query"]);
            let both = world.get(&format!("transactions?{query}&offset=7{token}")).await;
            both.refused_naming(400, "VALIDATION_FAILED", &["offset and pageToken"]);
        }
    }
    world.end().await;
}
