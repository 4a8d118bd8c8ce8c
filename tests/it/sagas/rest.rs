//! Payouts and card top-ups over REST, as clients see them: started, polled, listed, stuck and seen to.

use std::time::Duration;

use florin::store::api_keys::{self, Scopes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::rest::client::Rest;
use crate::gateway::rest::{World, key, movement, text, with};
use crate::harness::provider::{How, SECRET, Simulator};
use crate::harness::served::Served;
use crate::harness::until;

struct Site {
    world: World,
    pool: sqlx::PgPool,
    simulator: Simulator,
}

impl Site {
    async fn start() -> Self {
        let simulator = Simulator::start().await;
        let (url, timeout) = (simulator.url(), "500");
        let served = Served::with(&[
            ("PROVIDER_URL", &url),
            ("PROVIDER_SECRET", SECRET),
            ("PROVIDER_NAME", "bank"),
            ("PROVIDER_TIMEOUT_MS", timeout),
            ("SAGA_ATTEMPTS_MAX", "3"),
            ("SAGA_DELAY_MIN_MS", "10"),
            ("SAGA_DELAY_MAX_MS", "50"),
        ])
        .await;
        let pool = served.database.pool.clone();
        Self { world: World::of(served).await, pool, simulator }
    }

    /// Starts a saga; its id.
    async fn started(&self, path: &str, order: &Value) -> String {
        text(&self.world.post(path, order).await.ok(201)["sagaId"])
    }

    async fn polled(&self, id: &str) -> Value {
        self.world.ended(id).await
    }

    async fn end(self) {
        self.simulator.check();
        self.world.end().await;
    }
}

fn order(account: &str, amount: &str) -> Value {
    json!({ "accountId": account, "amount": amount, "currency": "USD", "instrument": "ba_1", "idempotencyKey": key(), "reference": "rent" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_is_started_and_polled_until_it_is_paid_out() {
    let site = Site::start().await;
    let (world, alice) = (&site.world, site.world.user("100").await);
    let saga = world.post("/v1/payouts", &order(&alice, "40.50")).await.ok(201);
    assert_eq!((saga["sagaType"].as_str(), saga["workflow"].as_str()), (Some("withdrawal"), Some("payout")));
    let id = text(&saga["sagaId"]);
    let ended = site.polled(&id).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(ended["state"]["completedSteps"], json!(["hold", "send", "capture"]));
    assert_eq!(
        (&ended["result"]["success"], &ended["result"]["data"]["amount"]),
        (&json!(true), &json!("40.50000000"))
    );
    assert_eq!(
        world.get(&format!("sagas/{id}/complete")).await.ok(200),
        json!({ "complete": true, "status": "completed" })
    );
    assert_eq!(world.balance(&alice).await, "59.50000000");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payouts_key_is_answered_with_the_same_saga_and_no_other_request_may_use_it() {
    let site = Site::start().await;
    let (world, alice) = (&site.world, site.world.user("100").await);
    let asked = order(&alice, "40.50");
    let id = site.started("/v1/payouts", &asked).await;
    site.polled(&id).await;
    assert_eq!(site.started("/v1/payouts", &asked).await, id);
    let other = world.post("/v1/payouts", &with(&asked, json!({ "amount": "1" }))).await;
    other.refused_naming(409, "IDEMPOTENCY_KEY_REUSED", &["used before by another request"]);
    assert_eq!(world.balance(&alice).await, "59.50000000");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payouts_are_listed_as_withdrawals_and_card_topups_beside_them() {
    let site = Site::start().await;
    let (world, alice) = (&site.world, site.world.user("100").await);
    let payout = site.started("/v1/payouts", &order(&alice, "40.50")).await;
    let correlation = text(&site.polled(&payout).await["correlationId"]);
    let topup = site.started("/v1/card-topups", &order(&alice, "1.00")).await;
    assert_eq!(site.polled(&topup).await["state"]["completedSteps"], json!(["charge", "credit"]));
    assert_eq!(world.balance(&alice).await, "60.50000000");
    let ids = async |query: &str| {
        let list = world.get(&format!("sagas{query}")).await.ok(200);
        list.as_array().unwrap().iter().map(|saga| text(&saga["sagaId"])).collect::<Vec<_>>()
    };
    assert_eq!(ids("?type=withdrawal").await, [payout.as_str()]);
    let all = ids("?limit=1000").await;
    assert!(all.contains(&payout) && all.contains(&topup) && all.windows(2).all(|two| two[0] != two[1]), "{all:?}");
    assert_eq!(world.get(&format!("sagas/by-correlation/{correlation}")).await.ok(200)["sagaId"], payout);
    site.end().await;
}

// Fails when a step that is done late counts as the newest saga, and when the list ends where the first page does.
#[tokio::test(flavor = "multi_thread")]
async fn sagas_of_both_kinds_are_listed_in_their_order_page_by_page() {
    let site = Site::start().await;
    let (world, alice) = (&site.world, site.world.user("100").await);
    site.simulator.plan("charge", [How::Holds]);
    let charged = site.started("/v1/card-topups", &order(&alice, "1.00")).await;
    until("the provider has it", || async { site.simulator.entry(&format!("{charged}.charge")).is_some() }).await;
    let mut own = vec![charged.clone()];
    for n in 0..4 {
        let moved = world.post("transactions/topup", &movement(&world.bank, &alice, "1")).await.ok(201);
        own.push(text(&moved["transactionId"]));
        if n == 1 {
            own.push(site.started("/v1/payouts", &order(&alice, "1.00")).await);
        }
    }
    site.simulator.answer_all();
    assert_eq!(site.polled(&charged).await["status"], "completed"); // its step is newer than all
    site.polled(&own[3]).await;
    own.reverse();
    let page = async |query: &str| {
        let answer = world.get(&format!("sagas?{query}")).await;
        let next = answer.next_page.clone();
        let list = answer.ok(200);
        (list.as_array().unwrap().iter().map(|saga| text(&saga["sagaId"])).collect::<Vec<_>>(), next)
    };
    assert_eq!(page("type=topup&limit=1").await.0, [own[0].as_str()]);
    for limit in [1, 2, 3, 100] {
        let (mut all, mut next) = page(&format!("limit={limit}")).await;
        while let Some(token) = next {
            let (more, after) = page(&format!("limit={limit}&pageToken={token}")).await;
            all.extend(more);
            next = after;
        }
        assert_eq!(all[..own.len()], own, "{limit} at a time");
        assert_eq!(all.len(), own.len() + 1, "and what alice had to begin with");
    }
    let (_, token) = page("limit=1").await;
    world.get(&format!("sagas?type=payment&pageToken={}", token.unwrap())).await.refused_naming(
        400,
        "VALIDATION_FAILED",
        &["pageToken", "not a token of this query"],
    );
    site.end().await;
}

/// Fails when the order is shown as it is, or the instrument is among the metadata of the movement.
#[tokio::test(flavor = "multi_thread")]
async fn an_instrument_is_in_no_answer_and_no_event() {
    let site = Site::start().await;
    let (world, alice) = (&site.world, site.world.user("100").await);
    let mut answers = Vec::new();
    for path in ["/v1/payouts", "/v1/card-topups"] {
        let started = world.post(path, &order(&alice, "1")).await.ok(201);
        assert_eq!(started["metadata"]["account"], json!(alice), "the rest of the order is shown: {started}");
        let id = text(&started["sagaId"]);
        answers.extend([started, site.polled(&id).await]);
        for path in [format!("sagas/{id}"), format!("/v1/transactions/{id}"), format!("transactions/{id}")] {
            answers.push(json!(world.get(&path).await.text));
        }
    }
    for path in ["sagas?limit=100", "transactions?limit=100", "/v1/transactions", "/v1/operator-actions"] {
        answers.push(world.get(path).await.ok(200));
    }
    for answer in answers.iter().map(Value::to_string) {
        assert!(!answer.contains("ba_1") && !answer.contains("instrument"), "{answer}");
    }
    // Events are rendered from these columns, and from nothing of a saga's facts.
    let sql =
        "SELECT count(*) FROM journal WHERE concat_ws(' ', reference, description, metadata, key_text) LIKE '%ba_1%'";
    assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_one(&site.pool).await.unwrap(), 0);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_payout_is_told_at_once() {
    let site = Site::start().await;
    let (world, alice) = (&site.world, site.world.user("10").await);
    let wrong = async |what: &str, field: &str, value: Value| {
        let mut order = order(&alice, "1");
        order[field] = value;
        world.post(&format!("/v1/{what}"), &order).await
    };
    for (field, value, code, words) in [
        ("amount", "10.01", "INSUFFICIENT_FUNDS", vec!["Available: 10.00", "Required: 10.01"]),
        ("amount", "0.001", "INVALID_ARGUMENT", vec!["decimals"]),
        ("currency", "EUR", "CURRENCY_MISMATCH", vec!["Expected: USD"]),
    ] {
        wrong("payouts", field, json!(value)).await.refused_naming(400, code, &words);
    }
    let no_currency = "currency \"XXX\" is not a currency of this ledger";
    for (what, field, value, status, code, message) in [
        ("payouts", "accountId", json!("nobody"), 404, "ACCOUNT_NOT_FOUND", "Account not found: nobody"),
        ("card-topups", "accountId", json!("nobody"), 404, "ACCOUNT_NOT_FOUND", "Account not found: nobody"),
        ("payouts", "currency", json!("XXX"), 400, "INVALID_ARGUMENT", no_currency),
        ("payouts", "instrument", Value::Null, 400, "INVALID_ARGUMENT", "instrument is required"),
        ("payouts", "zzz", json!(1), 400, "INVALID_ARGUMENT", "property zzz should not exist"),
    ] {
        wrong(what, field, value).await.refused(status, code, message);
    }
    let long = json!("x".repeat(256));
    wrong("payouts", "instrument", long).await.refused_naming(400, "INVALID_ARGUMENT", &["instrument", "256", "255"]);
    assert_eq!(site.simulator.calls().len(), 0);
    assert_eq!(world.balance(&alice).await, "10.00000000");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_saga_is_listed_and_an_operator_sees_to_it() {
    let site = Site::start().await;
    let (world, alice) = (&site.world, site.world.user("100").await);
    site.simulator.plan("payout", [How::Holds]);
    site.simulator.plan("recall", vec![How::Refuses; 2]);
    let id = text(&world.post("/v1/payouts", &order(&alice, "10")).await.ok(201)["sagaId"]);
    until("the provider has it", || async { site.simulator.entry(&format!("{id}.send")).is_some() }).await;
    world.patch(&format!("accounts/{alice}/status"), &json!({ "status": "suspended" })).await.ok(200);
    site.simulator.answer_all();
    let stuck = || async { world.get("admin/transactions/stuck").await.ok(200) };
    until("it is stuck", || async { stuck().await.as_array().unwrap().len() == 1 }).await;
    let saga = world.get(&format!("sagas/{id}")).await.ok(200);
    assert_eq!(
        (&saga["status"], &saga["stuck"], &saga["state"]["failedStep"]),
        (&json!("compensating"), &json!(true), &json!("recall"))
    );
    assert!(text(&saga["result"]["error"]["message"]).starts_with("stuck at recall: account_closed"), "{saga}");
    assert_eq!(world.get(&format!("sagas/{id}/complete")).await.ok(200)["complete"], false);
    let (retry, resolve) = (format!("/v1/sagas/{id}/retry"), format!("/v1/sagas/{id}/resolve"));
    world.post(&retry, &json!({})).await.refused(400, "INVALID_ARGUMENT", "reason is required");
    world.post(&resolve, &json!({ "as": "lost", "reason": "x" })).await.refused_naming(
        400,
        "INVALID_ARGUMENT",
        &["done, undone"],
    );
    world.post(&retry, &json!({ "reason": "the bank was closed" })).await.ok(200);
    until("it is refused again", || async { site.simulator.entry(&format!("{id}.recall.1")).is_some() }).await;
    until("it is stuck again", || async { stuck().await.as_array().unwrap().len() == 1 }).await;
    site.simulator.undo_by_hand(&format!("{id}.send"));
    let saga =
        world.post(&resolve, &json!({ "as": "undone", "reason": "the bank sent it back by post" })).await.ok(200);
    assert_eq!(saga["stuck"], Value::Null, "{saga}");
    let ended = site.polled(&id).await;
    assert_eq!(
        (&ended["status"], &ended["state"]["compensationActions"]),
        (&json!("failed"), &json!(["void", "recall"])),
        "{ended}"
    );
    assert_eq!(stuck().await, json!([]));
    world.post(&retry, &json!({ "reason": "again" })).await.refused_naming(409, "SAGA_NOT_STUCK", &["not stuck"]);
    world.post("/v1/sagas/nothing/retry", &json!({ "reason": "x" })).await.refused_naming(404, "", &["Saga not found"]);
    world.post(&format!("/v1/sagas/{}/retry", key()), &json!({ "reason": "x" })).await.refused_naming(
        404,
        "",
        &["Saga not found"],
    );
    assert_eq!(world.balance(&alice).await, "100.00000000");
    site.end().await;
}

/// Fails when one operator's word is enough, however often it is said, or another's word about another outcome counts.
#[tokio::test(flavor = "multi_thread")]
async fn where_it_takes_two_operators_the_second_one_resolves_a_stuck_saga() {
    let simulator = Simulator::start().await;
    let served = Served::with(&[
        ("PROVIDER_URL", &simulator.url()),
        ("PROVIDER_SECRET", SECRET),
        ("PROVIDER_NAME", "bank"),
        ("SAGA_DELAY_MIN_MS", "10"),
        ("SAGA_DELAY_MAX_MS", "50"),
        ("SAGA_RESOLVE_BY_TWO", "true"),
        ("AUTH_API_KEYS", "true"),
    ])
    .await;
    served.database.account("alice", 100_00).await;
    let pool = served.database.pool.clone();
    let key = async || api_keys::create(&pool, "default", Scopes::all(), "").await.unwrap().1;
    let (first, second) = (key().await, key().await);
    let rest = Rest::new(served.http);
    let post = async |key: &str, path: &str, body: Value| {
        rest.send(rest.request(Method::POST, path).json(&body).bearer_auth(key)).await
    };
    let read = async |path: &str| rest.send(rest.request(Method::GET, path).bearer_auth(&first)).await.ok(200);
    simulator.plan("payout", [How::Holds]);
    simulator.plan("recall", [How::Refuses]);
    let id = text(&post(&first, "/v1/payouts", order("alice", "10")).await.ok(201)["sagaId"]);
    until("the provider has it", || async { simulator.entry(&format!("{id}.send")).is_some() }).await;
    let status = rest.request(Method::PATCH, "accounts/alice/status").json(&json!({ "status": "suspended" }));
    rest.send(status.bearer_auth(&first)).await.ok(200);
    simulator.answer_all();
    until("it is stuck", || async { read(&format!("sagas/{id}")).await["stuck"] == true }).await;
    simulator.undo_by_hand(&format!("{id}.send"));

    let resolve = format!("/v1/sagas/{id}/resolve");
    for (key, outcome) in [(&first, "undone"), (&first, "undone"), (&second, "done")] {
        let noted = post(key, &resolve, json!({ "as": outcome, "reason": "the bank called" })).await.ok(202);
        assert_eq!(noted["stuck"], true, "{outcome}");
    }
    let actions = read(&format!("/v1/operator-actions?subject={id}&action=saga.propose")).await;
    assert_eq!(actions["items"].as_array().unwrap().len(), 2, "the same word is noted once: {actions}");
    post(&second, &resolve, json!({ "as": "undone", "reason": "I saw it too" })).await.ok(200);
    until("it has ended", || async { read(&format!("sagas/{id}/complete")).await["complete"] == true }).await;
    simulator.check();
    drop(rest);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_a_payout_is_503_and_says_which_setting_is_missing() {
    let world = World::start().await;
    let alice = world.user("100").await;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let request: reqwest::RequestBuilder =
        world.request(reqwest::Method::POST, "/v1/payouts").json(&order(&alice, "1"));
    let answer = http.execute(request.build().unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.text().await.unwrap().contains("PROVIDER_URL is not set"));
    world.end().await;
}
