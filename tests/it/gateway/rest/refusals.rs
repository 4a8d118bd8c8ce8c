//! Every refusal of a movement: status, code and text, in the order of the accounts REST API; and keys that were used.

use futures::future::join_all;
use serde_json::{Value, json};

use super::client::units;
use super::{World, key, movement, movement_in, payment, refund, text, with};

/// The routes that move money between two accounts, with the names of their fields.
const ROUTES: [(&str, &str, &str); 4] = [
    ("topup", "sourceAccountId", "destinationAccountId"),
    ("withdraw", "sourceAccountId", "destinationAccountId"),
    ("transfer", "sourceAccountId", "destinationAccountId"),
    ("payment", "customerAccountId", "merchantAccountId"),
];

fn body(route: &str, from: &str, to: &str, amount: &str, currency: &str) -> Value {
    let fields = if route == "payment" { payment(from, to, amount) } else { movement(from, to, amount) };
    with(&fields, json!({ "currency": currency }))
}

/// Mutations: currencies compared before the accounts are looked up (the rows of 404 with a wrong currency); one text
/// for all.
#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_status_code_and_text_and_moves_nothing() {
    let world = World::start().await;
    let (rich, poor) = (world.user("100").await, world.user("3.5").await);
    let euro = world.open(json!({ "currency": "EUR" })).await;
    let (asleep, gone) = (world.open(json!({})).await, world.open(json!({})).await);
    for (id, status) in [(&asleep, "suspended"), (&gone, "closed")] {
        world.patch(&format!("accounts/{id}/status"), &json!({ "status": status })).await.ok(200);
    }
    let nobody = key();
    let not_found = format!("Account not found: {nobody}");
    let inactive = |id: &str, status: &str| format!("Account {id} is not active (current status: {status})");
    for (route, _, _) in ROUTES {
        for (from, to, amount, currency, status, code, message) in [
            (&nobody, &poor, "1", "USD", 404, "ACCOUNT_NOT_FOUND", not_found.clone()),
            (&rich, &nobody, "1", "USD", 404, "ACCOUNT_NOT_FOUND", not_found.clone()),
            (&rich, &nobody, "1", "EUR", 404, "ACCOUNT_NOT_FOUND", not_found.clone()),
            (&rich, &nobody, "1", "XYZ", 404, "ACCOUNT_NOT_FOUND", not_found.clone()),
            (&nobody, &poor, "1", "EUR", 404, "ACCOUNT_NOT_FOUND", not_found.clone()),
            (&poor, &nobody, "1000", "USD", 404, "ACCOUNT_NOT_FOUND", not_found.clone()),
            (&rich, &poor, "1", "XYZ", 400, "INVALID_CURRENCY", "Invalid currency: XYZ".into()),
            (&rich, &poor, "1", "usd", 400, "INVALID_CURRENCY", "Invalid currency: usd".into()),
            (&rich, &poor, "1", "EUR", 400, "CURRENCY_MISMATCH", "Currency mismatch. Expected: USD, Got: EUR".into()),
            (&rich, &rich, "1", "USD", 400, "SAME_ACCOUNT_TRANSFER", "SELF_TRANSFER_NOT_ALLOWED".into()),
            (&rich, &asleep, "1", "USD", 400, "ACCOUNT_INACTIVE", inactive(&asleep, "suspended")),
            (&asleep, &rich, "1", "USD", 400, "ACCOUNT_INACTIVE", inactive(&asleep, "suspended")),
            (&rich, &gone, "1", "USD", 400, "ACCOUNT_INACTIVE", inactive(&gone, "closed")),
        ] {
            let answer = world.post(&format!("transactions/{route}"), &body(route, from, to, amount, currency)).await;
            println!("{route} {currency} {amount}: {}", answer.text);
            answer.refused(status, code, &message);
        }
        // The one of two accounts has another currency.
        let answer = world.post(&format!("transactions/{route}"), &body(route, &rich, &euro, "1", "USD")).await;
        answer.refused_naming(400, "CURRENCY_MISMATCH", &["Currency mismatch. Expected: ", "USD", "EUR"]);

        let answer = world.post(&format!("transactions/{route}"), &body(route, &poor, &rich, "3.51", "USD")).await;
        answer.refused_naming(
            400,
            "INSUFFICIENT_BALANCE",
            &[&format!("Insufficient balance in account {poor}. Available: "), ", Required: "],
        );
        let message = answer.messages().concat();
        let (_, amounts) = message.split_once(". Available: ").unwrap();
        let (available, required) = amounts.split_once(", Required: ").unwrap();
        assert_eq!((units(&json!(available)), units(&json!(required))), (3_5000_0000, 3_5100_0000), "{message}");
    }
    // A system account has no credit.
    let system = world.open(json!({ "accountType": "system" })).await;
    world.post("transactions/topup", &movement(&system, &poor, "0.01")).await.refused_naming(
        400,
        "INSUFFICIENT_BALANCE",
        &[&system],
    );
    // Two wrong things: the account that is not there is told.
    world.post("transactions/transfer", &movement_in("EUR", &asleep, &nobody, "1")).await.refused(
        404,
        "ACCOUNT_NOT_FOUND",
        &not_found,
    );

    world.balances(&[(&rich, "100"), (&poor, "3.5"), (&euro, "0"), (&asleep, "0"), (&gone, "0")]).await;
    for id in [&asleep, &gone, &euro] {
        assert_eq!(world.get(&format!("transactions?accountId={id}&status=completed")).await.ok(200), json!([]));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_used_once() {
    let world = World::start().await;
    a_used_key_is_refused_with_the_id_of_its_transaction(&world).await;
    one_key_many_times_at_once_has_one_effect(&world).await;
    a_refusal_leaves_its_key_free(&world).await;
    world.end().await;
}

/// Mutations: a replay answered 201 again; a key scoped by route; the ID left out for a key that another request used.
async fn a_used_key_is_refused_with_the_id_of_its_transaction(world: &World) {
    let (ada, bob) = (world.user("100").await, world.user("100").await);
    let paid = world.pay(&ada, &bob, "10").await;
    let keyed = |body: Value| with(&body, json!({ "idempotencyKey": key() }));
    for (route, id, first, other) in [
        ("topup", "transactionId", movement(&world.bank, &ada, "1"), movement(&world.bank, &ada, "2")),
        ("withdraw", "transactionId", movement(&ada, &world.bank, "1"), movement(&bob, &world.bank, "1")),
        (
            "transfer",
            "debitTransactionId",
            movement(&ada, &bob, "1"),
            with(&movement(&ada, &bob, "1"), json!({ "reference": "other" })),
        ),
        ("payment", "transactionId", keyed(payment(&ada, &bob, "1")), keyed(payment(&bob, &ada, "1"))),
        ("refund", "refundId", keyed(refund(&paid, "1")), keyed(refund(&paid, "2"))),
    ] {
        let made = world.post(&format!("transactions/{route}"), &first).await.ok(201);
        let used = text(&first["idempotencyKey"]);
        let told = format!("Transaction with idempotency key {used} already exists: {}", text(&made[id]));
        let again = with(&other, json!({ "idempotencyKey": used }));
        let elsewhere = with(&movement(&ada, &bob, "5"), json!({ "idempotencyKey": used }));
        for (path, body) in [(route, &first), (route, &again), ("transfer", &elsewhere), (route, &first)] {
            world.post(&format!("transactions/{path}"), body).await.refused(409, "DUPLICATE_TRANSACTION", &told);
        }
    }
    // 100 - 10 + 1 (topup) - 1 (withdrawal) - 1 (transfer) - 1 (payment) + 1 (refund)
    world.balances(&[(&ada, "89"), (&bob, "111")]).await;
}

/// Mutation: a repeat that does not wait for the first in flight is decided by itself.
async fn one_key_many_times_at_once_has_one_effect(world: &World) {
    let (ada, bob) = (world.user("5").await, world.open(json!({})).await);
    for _ in 0..5 {
        let body = movement(&ada, &bob, "1");
        let answers = join_all((0..20).map(|_| world.post("transactions/transfer", &body))).await;
        let (made, told): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!(made.len(), 1);
        let id = text(&made[0].body["debitTransactionId"]);
        let message =
            format!("Transaction with idempotency key {} already exists: {id}", text(&body["idempotencyKey"]));
        for answer in told {
            answer.refused(409, "DUPLICATE_TRANSACTION", &message);
        }
    }
    world.balances(&[(&ada, "0"), (&bob, "5")]).await;
}

/// Only what was answered with an id binds its key: who was refused may try again with it.
/// Mutation: every decline binds.
async fn a_refusal_leaves_its_key_free(world: &World) {
    let (ada, bob) = (world.open(json!({})).await, world.open(json!({})).await);
    let body = movement(&ada, &bob, "5");
    for _ in 0..2 {
        world.post("transactions/transfer", &body).await.refused_naming(400, "INSUFFICIENT_BALANCE", &[]);
    }
    world.post("transactions/transfer", &with(&body, json!({ "amount": "0" }))).await.refused_naming(
        400,
        "",
        &["amount"],
    );
    world.post("transactions/topup", &movement(&world.bank, &ada, "5")).await.ok(201);
    world.post("transactions/transfer", &body).await.ok(201);
    world.balances(&[(&ada, "0"), (&bob, "5")]).await;
}
