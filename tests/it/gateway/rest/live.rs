//! Server-sent events: what happens, as it happens, resumed by `Last-Event-ID` without a gap or a repeat.

use std::time::Duration;

use florin_wire::florin_v1::ledger_client::LedgerClient;
use florin_wire::florin_v1::{Limit, UpdateAccountRequest};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Rest;
use super::{World, payment, text};

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

/// A payment from ann to the shop, and the events of it as a stream of everything tells them.
struct Paid {
    world: World,
    ann: String,
    shop: String,
    all: Listening,
    of_ann: Listening,
    id: String,
    heard: Vec<Heard>,
}

impl Paid {
    async fn heard() -> Self {
        let world = World::start().await;
        let (ann, shop) = (world.user("100.00").await, world.open(json!({})).await);
        let mut all = Listening::to(&world, "events/stream", None).await;
        let of_ann = Listening::to(&world, &format!("events/accounts/{ann}"), None).await;
        let id = world.pay(&ann, &shop, "12.50").await;
        let heard = all.take(4).await;
        Self { world, ann, shop, all, of_ann, id, heard }
    }

    /// What is told of this transaction, from the beginning.
    async fn of_transaction(&self, id: &str) -> Listening {
        Listening::to(&self.world, &format!("events/transactions/{id}"), Some("1.9")).await
    }

    async fn end(self) {
        drop((self.all, self.of_ann));
        self.world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_heard_by_whom_it_concerns() {
    let mut paid = Paid::heard().await;
    assert_eq!(names(&paid.heard), ["PaymentRequested", "BalanceChanged", "BalanceChanged", "PaymentCompleted"]);
    for event in &paid.heard {
        assert_eq!(event.data["type"], event.name.as_str());
        assert!(event.data["timestamp"].is_string() && event.data["payload"].is_object(), "{event:?}");
    }
    assert_eq!(
        (&paid.heard[0].data["transactionId"], &paid.heard[3].data["payload"]["amount"]),
        (&json!(paid.id), &json!("12.50000000"))
    );
    let changed = paid.of_ann.take(1).await;
    assert_eq!(
        (&changed[0].data["accountId"], &changed[0].data["payload"]["change"]),
        (&json!(paid.ann), &json!("-12.50000000"))
    );
    paid.end().await;
}

// Mutations: the event of the place passed over whole (its later frames are missed), or told again from its first
// frame.
#[tokio::test(flavor = "multi_thread")]
async fn from_any_place_on_exactly_the_others_are_heard_and_then_what_comes() {
    let mut paid = Paid::heard().await;
    let too_much = paid.world.post("transactions/payment", &payment(&paid.ann, &paid.shop, "1000")).await;
    assert_eq!(too_much.status, 400);
    let failed = paid.all.take(1).await;
    assert_eq!(names(&failed), ["TransactionFailed"]);
    for (n, event) in paid.heard.iter().enumerate() {
        let mut again = Listening::to(&paid.world, "events/stream", Some(&event.id)).await;
        let ids: Vec<String> = again.take(4 - n).await.into_iter().map(|event| event.id).collect();
        let expected: Vec<String> = paid.heard[n + 1..].iter().chain(&failed).map(|event| event.id.clone()).collect();
        assert_eq!(ids, expected, "after {}", event.id);
    }
    paid.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_a_transaction_hears_that_it_was_undone_and_nothing_else_of_what_undid_it() {
    let paid = Paid::heard().await;
    let mut of_one = paid.of_transaction(&paid.id).await;
    assert_eq!(names(&of_one.take(2).await), ["PaymentRequested", "PaymentCompleted"]);
    let reversed = paid.world.post(&format!("/v1/transactions/{}/reverse", paid.id), &json!({})).await.ok(201);
    let undoing = text(&reversed["transaction"]["id"]);
    let compensated = of_one.take(1).await;
    assert_eq!(
        (compensated[0].name.as_str(), &compensated[0].data["transactionId"]),
        ("TransactionCompensated", &json!(paid.id))
    );
    assert_eq!(compensated[0].data["payload"]["compensatedBy"], undoing.as_str());
    let of_undoing = paid.of_transaction(&undoing).await.take(2).await;
    assert_eq!(names(&of_undoing), ["ReversalRequested", "ReversalCompleted"]);
    drop(of_one);
    paid.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_or_a_subject_that_is_none_is_refused() {
    let world = World::start().await;
    for bad in ["x", "1", "1.x", "0.0", "-1.0", "9000000000000000000.0"] {
        let refused = world.send(world.request(Method::GET, "events/stream").header("last-event-id", bad)).await;
        assert_eq!(refused.status, 400, "{bad}");
    }
    for (path, code, message) in [
        ("events/accounts/nobody", "ACCOUNT_NOT_FOUND", "Account not found: nobody"),
        ("events/transactions/nothing", "TRANSACTION_NOT_FOUND", "Transaction not found: nothing"),
    ] {
        world.get(path).await.refused(404, code, message);
    }
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
