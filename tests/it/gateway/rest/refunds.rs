//! Refunds: in parts, up to the payment and not one cent more, also when they race.

use futures::future::join_all;
use serde_json::json;

use super::{World, key, movement, payment, refund, text, with};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_given_back_once() {
    let world = World::start().await;
    parts_add_up_to_the_payment_at_most(&world).await;
    each_payment_has_a_remainder_of_its_own(&world).await;
    what_is_no_payment_cannot_be_refunded(&world).await;
    world.end().await;
}

/// Mutations: each refund held against the payment alone and not against what was given back before; a failed refund
/// that counts.
async fn parts_add_up_to_the_payment_at_most(world: &World) {
    let (customer, merchant) = (world.user("100").await, world.user("500").await);
    let paid = world.pay(&customer, &merchant, "100").await;
    let mut ids = Vec::new();
    for (amount, fits, left) in [
        ("100.01", false, "0"),
        ("60", true, "60"),
        ("40.01", false, "60"),
        ("39.99", true, "99.99"),
        ("0.02", false, "99.99"),
        ("0.01", true, "100"),
        ("0.01", false, "100"),
    ] {
        let answer = world.post("transactions/refund", &refund(&paid, amount)).await;
        if fits {
            ids.push(text(&answer.ok(201)["refundId"]));
        } else {
            answer.refused_naming(400, "VALIDATION_FAILED", &[]);
        }
        world.balances(&[(&customer, left)]).await;
    }
    world.balances(&[(&customer, "100"), (&merchant, "500")]).await;
    let read = world.transaction(&paid).await;
    assert_eq!(
        (&read["amount"], &read["status"]),
        (&json!("100.00000000"), &json!("refunded")),
        "all of it was given back"
    );
    for id in &ids {
        assert_eq!(world.transaction(id).await["status"], "completed");
        assert_eq!(world.ended(id).await["sagaType"], "refund");
    }
    let listed = world.get(&format!("transactions?accountId={customer}&type=refund")).await.ok(200);
    let listed: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["status"] == "completed")
        .map(|row| text(&row["id"]))
        .collect();
    assert_eq!(listed, ids.iter().rev().cloned().collect::<Vec<_>>(), "newest first");
}

/// Mutation: what was given back is read before the account is asked and not written with it: both of two at once fit.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_refunds_of_60_of_100_at_once_one_succeeds() {
    let world = World::start().await;
    let (customer, merchant) = (world.user("1000").await, world.user("1000").await);
    let payments = join_all((0..10).map(|_| world.pay(&customer, &merchant, "100"))).await;
    let bodies: Vec<_> = payments
        .iter()
        .flat_map(|paid| [refund(paid, "60"), with(&refund(paid, "60"), json!({ "idempotencyKey": key() }))])
        .collect();
    let answers = join_all(bodies.iter().map(|body| world.post("transactions/refund", body))).await;
    for (n, two) in answers.chunks(2).enumerate() {
        let done = two.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(done, 1, "payment {n}: {two:?}");
        two.iter().find(|answer| answer.status != 201).unwrap().refused_naming(400, "VALIDATION_FAILED", &[]);
    }
    world.balances(&[(&customer, "600"), (&merchant, "1400")]).await;
    // The rest can be had: a refund that lost took nothing away. Four at once of 20 of the 40 that are left.
    let bodies: Vec<_> = payments.iter().take(3).flat_map(|paid| std::iter::repeat_n(refund(paid, "20"), 4)).collect();
    let answers = join_all(bodies.iter().map(|body| world.post("transactions/refund", body))).await;
    for four in answers.chunks(4) {
        assert_eq!(four.iter().filter(|answer| answer.status == 201).count(), 2, "{four:?}");
    }
    world.balances(&[(&customer, "720"), (&merchant, "1280")]).await;
    world.end().await;
}

/// Mutations: a 500 for an unknown payment; the refund of a top-up; another currency's refund; aliases for the names of
/// the fields.
async fn what_is_no_payment_cannot_be_refunded(world: &World) {
    let (customer, merchant) = (world.user("100").await, world.user("0").await);
    let paid = world.pay(&customer, &merchant, "50").await;
    let back = text(&world.post("transactions/refund", &refund(&paid, "5")).await.ok(201)["refundId"]);
    let topup =
        text(&world.post("transactions/topup", &movement(&world.bank, &customer, "1")).await.ok(201)["transactionId"]);
    let unknown = key();

    let post = async |body: serde_json::Value| world.post("transactions/refund", &body).await;
    post(refund(&unknown, "1")).await.refused_naming(404, "TRANSACTION_NOT_FOUND", &[&unknown]);
    post(refund(&topup, "1")).await.refused_naming(404, "TRANSACTION_NOT_FOUND", &[&topup]);
    post(refund(&back, "1")).await.refused_naming(400, "", &[]);
    post(with(&refund(&paid, "1"), json!({ "currency": "EUR" }))).await.refused(
        400,
        "CURRENCY_MISMATCH",
        "Currency mismatch. Expected: USD, Got: EUR",
    );
    post(with(&refund(&paid, "1"), json!({ "currency": "XYZ" }))).await.refused(
        400,
        "INVALID_CURRENCY",
        "Invalid currency: XYZ",
    );
    post(with(&refund(&unknown, "1"), json!({ "currency": "XYZ" }))).await.refused_naming(
        404,
        "TRANSACTION_NOT_FOUND",
        &[],
    );
    for id in ["", "abc", "1' OR '1'='1", "0", "\u{0}"] {
        let answer = post(refund(id, "1")).await;
        assert!(answer.status == 400 || answer.status == 404, "{id:?}: {}", answer.text);
    }
    let aliases = json!({ "originalTransactionId": paid, "amount": "1", "currency": "USD" });
    let answer = post(aliases).await;
    for field in ["originalTransactionId", "amount"] {
        answer.refused(400, "VALIDATION_FAILED", &format!("property {field} should not exist"));
    }
    answer.refused_naming(400, "VALIDATION_FAILED", &["originalPaymentId", "refundAmount"]);
    for amount in ["0", "-5", "abc", "", " 5", "1.005"] {
        post(refund(&paid, amount)).await.refused_naming(400, "VALIDATION_FAILED|INVALID_AMOUNT", &["mount"]);
    }

    // A merchant that has spent the money cannot give it back, and one that sleeps does not.
    world.post("transactions/withdraw", &movement(&merchant, &world.bank, "40")).await.ok(201);
    post(refund(&paid, "5.01")).await.refused_naming(400, "INSUFFICIENT_BALANCE", &[&merchant]);
    world.patch(&format!("accounts/{merchant}/status"), &json!({ "status": "suspended" })).await.ok(200);
    let message = format!("Account {merchant} is not active (current status: suspended)");
    post(refund(&paid, "1")).await.refused(400, "ACCOUNT_INACTIVE", &message);
    world.patch(&format!("accounts/{merchant}/status"), &json!({ "status": "active" })).await.ok(200);
    post(refund(&paid, "5")).await.ok(201);
    world.balances(&[(&customer, "61"), (&merchant, "0")]).await;
}

/// Mutation: the refund of one payment counted against another one between the same accounts.
async fn each_payment_has_a_remainder_of_its_own(world: &World) {
    let (customer, merchant) = (world.user("10").await, world.user("0").await);
    let keyed = with(&payment(&customer, &merchant, "4"), json!({ "idempotencyKey": key() }));
    let first = text(&world.post("transactions/payment", &keyed).await.ok(201)["transactionId"]);
    let second = world.pay(&customer, &merchant, "6").await;
    for (paid, amount, status) in
        [(&first, "4", 201), (&first, "0.01", 400), (&second, "6.01", 400), (&second, "6", 201), (&second, "0.01", 400)]
    {
        assert_eq!(world.post("transactions/refund", &refund(paid, amount)).await.status, status, "{amount}");
    }
    // A key that a refund used is no other refund's.
    let third = world.pay(&customer, &merchant, "10").await;
    let body = with(&refund(&third, "1"), json!({ "idempotencyKey": key() }));
    let id = text(&world.post("transactions/refund", &body).await.ok(201)["refundId"]);
    let told = format!("Transaction with idempotency key {} already exists: {id}", text(&body["idempotencyKey"]));
    world.post("transactions/refund", &body).await.refused(409, "DUPLICATE_TRANSACTION", &told);
    world.balances(&[(&customer, "1"), (&merchant, "9")]).await;
}
