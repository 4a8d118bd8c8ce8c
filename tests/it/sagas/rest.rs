//! Payouts and card top-ups over REST, as clients see them: started, polled, listed, stuck and seen to.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::rest::{World, key, text};
use crate::harness::provider::{How, SECRET, Simulator};
use crate::harness::served::Served;
use crate::harness::until;

struct Site {
    world: World,
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
        Self { world: World::of(served).await, simulator }
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
async fn a_payout_is_started_polled_and_listed_as_a_withdrawal() {
    let site = Site::start().await;
    let (world, alice) = (&site.world, site.world.user("100").await);
    let asked = order(&alice, "40.50");
    let saga = world.post("/v1/payouts", &asked).await.ok(201);
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
    // The same key is answered with the same saga, and moves nothing more; another request under it is refused.
    assert_eq!(world.post("/v1/payouts", &asked).await.ok(201)["sagaId"], id.as_str());
    let mut other = asked.clone();
    other["amount"] = json!("1");
    world.post("/v1/payouts", &other).await.refused_naming(
        409,
        "IDEMPOTENCY_KEY_REUSED",
        &["used before by another request"],
    );
    assert_eq!(world.balance(&alice).await, "59.50000000");
    let topup = world.post("/v1/card-topups", &order(&alice, "1.00")).await.ok(201);
    let back = text(&topup["sagaId"]);
    assert_eq!(site.polled(&back).await["state"]["completedSteps"], json!(["charge", "credit"]));
    assert_eq!(world.balance(&alice).await, "60.50000000");
    let ids = |list: Value| list.as_array().unwrap().iter().map(|saga| text(&saga["sagaId"])).collect::<Vec<_>>();
    assert_eq!(ids(world.get("sagas?type=withdrawal").await.ok(200)), [id.as_str()]);
    let all = ids(world.get("sagas?limit=1000").await.ok(200));
    assert!(all.contains(&id) && all.contains(&back) && all.windows(2).all(|two| two[0] != two[1]), "{all:?}");
    let correlation = text(&ended["correlationId"]);
    assert!(ids(world.get(&format!("sagas/by-correlation/{correlation}")).await.ok(200)).contains(&id));
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_payout_is_told_at_once() {
    let site = Site::start().await;
    let (world, alice) = (&site.world, site.world.user("10").await);
    let wrong = |field: &str, value: Value| {
        let mut order = order(&alice, "1");
        order[field] = value;
        order
    };
    world.post("/v1/payouts", &order(&alice, "10.01")).await.refused_naming(
        400,
        "INSUFFICIENT_FUNDS",
        &["Available: 10.00", "Required: 10.01"],
    );
    world.post("/v1/payouts", &wrong("accountId", json!("nobody"))).await.refused(
        404,
        "ACCOUNT_NOT_FOUND",
        "Account not found: nobody",
    );
    world.post("/v1/card-topups", &wrong("accountId", json!("nobody"))).await.refused(
        404,
        "ACCOUNT_NOT_FOUND",
        "Account not found: nobody",
    );
    world.post("/v1/payouts", &wrong("currency", json!("EUR"))).await.refused_naming(
        400,
        "CURRENCY_MISMATCH",
        &["Expected: USD"],
    );
    world.post("/v1/payouts", &wrong("currency", json!("XXX"))).await.refused(
        400,
        "INVALID_ARGUMENT",
        "currency \"XXX\" is not a currency of this ledger",
    );
    world.post("/v1/payouts", &wrong("amount", json!("0.001"))).await.refused_naming(
        400,
        "INVALID_ARGUMENT",
        &["decimals"],
    );
    world.post("/v1/payouts", &wrong("instrument", Value::Null)).await.refused(
        400,
        "INVALID_ARGUMENT",
        "instrument is required",
    );
    world.post("/v1/payouts", &wrong("zzz", json!(1))).await.refused(
        400,
        "INVALID_ARGUMENT",
        "property zzz should not exist",
    );
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
