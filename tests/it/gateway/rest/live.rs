//! Server-sent events: what happens, as it happens, resumed by `Last-Event-ID` without a gap or a repeat.

use std::time::Duration;

use florin_wire::florin_v1::ledger_client::LedgerClient;
use florin_wire::florin_v1::{Limit, UpdateAccountRequest};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Rest;
use super::{World, payment};

/// One event as a client reads it.
#[derive(Clone, Debug)]
struct Heard {
    id: String,
    name: String,
    data: Value,
}

/// A stream that is being read.
struct Listening {
    response: reqwest::Response,
    text: String,
}

impl Listening {
    async fn to(rest: &Rest, path: &str, after: Option<&str>) -> Self {
        let request = rest.request(Method::GET, path);
        let request = after.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next so many, within 10 s each.
    async fn take(&mut self, count: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        while heard.len() < count {
            while let Some((event, rest)) =
                self.text.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned()))
            {
                self.text = rest;
                let field = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
                };
                if !field("event:").is_empty() {
                    heard.push(Heard {
                        id: field("id:"),
                        name: field("event:"),
                        data: serde_json::from_str(&field("data:")).unwrap(),
                    });
                }
                if heard.len() == count {
                    return heard;
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.response.chunk()).await;
            let chunk = chunk.unwrap_or_else(|_| panic!("{} of {count} events: {heard:?}", heard.len()));
            self.text.push_str(std::str::from_utf8(&chunk.unwrap().expect("the stream goes on")).unwrap());
        }
        heard
    }
}

fn names(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(|event| event.name.as_str()).collect()
}

// Mutations: the event of the place passed over whole (its later frames are missed), or told again from its first
// frame.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_heard_once_by_whom_it_concerns_and_from_any_place_on() {
    let world = World::start().await;
    let (ann, shop) = (world.user("100.00").await, world.open(json!({})).await);
    let mut all = Listening::to(&world, "events/stream", None).await;
    let mut of_ann = Listening::to(&world, &format!("events/accounts/{ann}"), None).await;
    let paid = world.pay(&ann, &shop, "12.50").await;
    let heard = all.take(4).await;
    assert_eq!(names(&heard), ["PaymentRequested", "BalanceChanged", "BalanceChanged", "PaymentCompleted"]);
    for event in &heard {
        assert_eq!(event.data["type"], event.name.as_str());
        assert!(event.data["timestamp"].is_string() && event.data["payload"].is_object(), "{event:?}");
    }
    assert_eq!(
        (&heard[0].data["transactionId"], &heard[3].data["payload"]["amount"]),
        (&json!(paid), &json!("12.50000000"))
    );
    let changed = of_ann.take(1).await;
    assert_eq!(
        (&changed[0].data["accountId"], &changed[0].data["payload"]["change"]),
        (&json!(ann), &json!("-12.50000000"))
    );

    // From each of them on: exactly the others, and then what comes.
    let too_much = world.post("transactions/payment", &payment(&ann, &shop, "1000")).await;
    assert_eq!(too_much.status, 400);
    let failed = all.take(1).await;
    assert_eq!(names(&failed), ["TransactionFailed"]);
    for (n, event) in heard.iter().enumerate() {
        let mut again = Listening::to(&world, "events/stream", Some(&event.id)).await;
        let ids: Vec<String> = again.take(4 - n).await.into_iter().map(|event| event.id).collect();
        let expected: Vec<String> = heard[n + 1..].iter().chain(&failed).map(|event| event.id.clone()).collect();
        assert_eq!(ids, expected, "after {}", event.id);
    }
    let mut of_one = Listening::to(&world, &format!("events/transactions/{paid}"), Some("1.9")).await;
    assert_eq!(names(&of_one.take(2).await), ["PaymentRequested", "PaymentCompleted"]);

    // Who watches a transaction hears that it was undone, and nothing else of what undid it.
    let undone =
        world.post(&format!("/v1/transactions/{paid}/reverse"), &json!({})).await.ok(201)["transaction"].clone();
    let compensated = of_one.take(1).await;
    assert_eq!(
        (compensated[0].name.as_str(), &compensated[0].data["transactionId"]),
        ("TransactionCompensated", &json!(paid))
    );
    assert_eq!(compensated[0].data["payload"]["compensatedBy"], undone["id"]);
    let of_undoing =
        Listening::to(&world, &format!("events/transactions/{}", undone["id"].as_str().unwrap()), Some("1.9"))
            .await
            .take(2)
            .await;
    assert_eq!(names(&of_undoing), ["ReversalRequested", "ReversalCompleted"]);

    for bad in ["x", "1", "1.x", "0.0", "-1.0"] {
        let refused = world.send(world.request(Method::GET, "events/stream").header("last-event-id", bad)).await;
        assert_eq!(refused.status, 400, "{bad}");
    }
    let ahead =
        world.send(world.request(Method::GET, "events/stream").header("last-event-id", "9000000000000000000.0")).await;
    assert_eq!(ahead.status, 400);
    world.get("events/accounts/nobody").await.refused(404, "ACCOUNT_NOT_FOUND", "Account not found: nobody");
    world.get("events/transactions/nothing").await.refused(
        404,
        "TRANSACTION_NOT_FOUND",
        "Transaction not found: nothing",
    );
    drop((all, of_ann, of_one));
    world.end().await;
}

// Mutations: one event of the accounts REST API for two changes; a resume between the two that tells the first again,
// or misses the second.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_heard_of_as_they_open_and_change() {
    let world = World::start().await;
    let mut all = Listening::to(&world, "events/stream", None).await;
    let ann = world.open(json!({ "ownerId": "ann", "maxBalance": "50", "metadata": { "vip": true } })).await;
    let opened = all.take(1).await;
    assert_eq!((opened[0].name.as_str(), &opened[0].data["accountId"]), ("AccountCreated", &json!(ann)));
    let told = &opened[0].data["payload"];
    assert_eq!(
        (&told["ownerId"], &told["accountType"], &told["currency"], &told["status"]),
        (&json!("ann"), &json!("user"), &json!("USD"), &json!("active"))
    );
    assert_eq!((&told["minBalance"], &told["maxBalance"]), (&json!("0.00000000"), &json!("50.00000000")));

    let mut of_ann = Listening::to(&world, &format!("events/accounts/{ann}"), None).await;
    world.patch(&format!("accounts/{ann}/status"), &json!({ "status": "suspended" })).await.ok(200);
    let status = of_ann.take(1).await;
    assert_eq!((status[0].name.as_str(), &status[0].data["accountId"]), ("AccountStatusChanged", &json!(ann)));
    assert_eq!(status[0].data["payload"], json!({ "previousStatus": "active", "newStatus": "suspended" }));
    let mut native = LedgerClient::connect(format!("http://{}", world.served.runtime.grpc)).await.unwrap();
    let both = UpdateAccountRequest {
        id: ann.clone(),
        status: 1,
        min_balance: Some(Limit { amount: Some("-20".into()) }),
        ..Default::default()
    };
    native.update_account(both).await.unwrap();
    let heard = of_ann.take(2).await;
    assert_eq!(names(&heard), ["AccountStatusChanged", "AccountLimitsChanged"]);
    assert_eq!(heard[1].data["payload"]["minBalance"], "-20.00000000");
    assert_eq!(heard[1].data["payload"]["previousMinBalance"], "0.00000000");
    let mut again = Listening::to(&world, &format!("events/accounts/{ann}"), Some(&heard[0].id)).await;
    assert_eq!(again.take(1).await[0].id, heard[1].id);
    assert_eq!(names(&all.take(3).await), ["AccountStatusChanged", "AccountStatusChanged", "AccountLimitsChanged"]);
    drop((all, of_ann, again, native));
    world.end().await;
}
