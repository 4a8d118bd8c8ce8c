//! Bodies that are wrong as a whole: too large, too deep, malformed, of another type, with fields that nobody knows or
//! twice.

use reqwest::Method;
use serde_json::{Value, json};

use super::{World, key, movement, payment, refund, with};

const JSON: Option<&str> = Some("application/json");

/// What is no JSON object of the accounts REST API, and a word that the message must have.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let repeated = |open: &str, n: usize, close: &str| (open.repeat(n) + &close.repeat(n)).into_bytes();
    vec![
        ("nothing", Vec::new(), ""),
        ("blanks", b"  \n ".to_vec(), ""),
        ("half", br#"{"amount": "1.0"#.to_vec(), ""),
        ("no quotes", b"{amount: 1}".to_vec(), ""),
        ("a comma too many", br#"{"amount": "1",}"#.to_vec(), ""),
        ("two bodies", br#"{"amount": "1"} {"amount": "1"}"#.to_vec(), ""),
        ("an array", b"[]".to_vec(), ""),
        ("null", b"null".to_vec(), ""),
        ("a text", br#""amount""#.to_vec(), ""),
        ("a number", b"17".to_vec(), ""),
        ("no JSON value", br#"{"amount": NaN}"#.to_vec(), ""),
        ("no UTF-8", b"{\"currency\": \"\xff\xfe\"}".to_vec(), ""),
        ("half a surrogate", br#"{"currency": "\ud800"}"#.to_vec(), ""),
        ("control characters", b"{\"currency\": \"U\nS\0D\"}".to_vec(), ""),
        ("10,000 arrays", repeated("[", 10_000, "]"), ""),
        ("10,000 objects", repeated("{\"a\":", 10_000, "}"), ""),
        (
            "10,000 objects in a field",
            [br#"{"metadata":"#.to_vec(), repeated("{\"a\":", 9_000, "}"), b"}".to_vec()].concat(),
            "",
        ),
        ("33 deep", [br#"{"metadata":"#.to_vec(), repeated("[", 33, "]"), b"}".to_vec()].concat(), ""),
        ("a field twice", br#"{"amount": "1", "currency": "USD", "amount": "2"}"#.to_vec(), "amount"),
        ("a field twice, once escaped", br#"{"amount": "1", "\u0061mount": "2"}"#.to_vec(), "amount"),
        ("an unknown field", br#"{"zzz": 1}"#.to_vec(), "property zzz should not exist"),
        (
            "a field of the language",
            br#"{"__proto__": {"amount": "1"}}"#.to_vec(),
            "property __proto__ should not exist",
        ),
    ]
}

/// Mutations: recursion as deep as the body; the last of two equal keys wins; a body that only fails at its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_body_is_400_on_every_route_and_moves_nothing() {
    let world = World::start().await;
    let user = world.user("5").await;
    let mut paths: Vec<String> =
        ["topup", "withdraw", "transfer", "payment", "refund"].map(|route| format!("transactions/{route}")).into();
    paths.push("accounts".into());
    for path in &paths {
        for (what, body, word) in broken() {
            let answer = world.post_raw(path, JSON, body).await;
            println!("{path}, {what}: {}", answer.text.chars().take(160).collect::<String>());
            answer.refused_naming(400, "VALIDATION_FAILED", &[word]);
        }
    }
    for (what, body, word) in broken() {
        let request = world
            .request(Method::PATCH, &format!("accounts/{user}/status"))
            .header("content-type", "application/json")
            .body(body);
        let answer = world.send(request).await;
        println!("status, {what}: {}", answer.text.chars().take(160).collect::<String>());
        answer.refused_naming(400, "VALIDATION_FAILED", &[word]);
    }
    // A good request with one key twice: neither amount is taken.
    let good = movement(&user, &world.bank, "1").to_string();
    let twice = good.replacen('{', r#"{"amount":"2","#, 1);
    world.post_raw("transactions/withdraw", JSON, twice).await.refused_naming(400, "VALIDATION_FAILED", &["amount"]);
    world.balances(&[(&user, "5")]).await;
    world.post_raw("transactions/withdraw", JSON, good).await.ok(201);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_a_small_json_object_of_known_fields() {
    let world = World::start().await;
    only_json_is_taken(&world).await;
    unknown_fields_and_missing_ones_are_all_told(&world).await;
    a_large_body_is_413_or_cut_off_and_others_are_served_meanwhile(&world).await;
    world.end().await;
}

/// Mutations: a body read to its end before its length is looked at; a limit on the length that is announced alone.
async fn a_large_body_is_413_or_cut_off_and_others_are_served_meanwhile(world: &World) {
    let user = world.user("5").await;
    let padded =
        |bytes: usize| with(&movement(&world.bank, &user, "1"), json!({ "reference": "x".repeat(bytes) })).to_string();
    let (good, path) = (movement(&world.bank, &user, "1"), format!("accounts/{user}/balance"));
    for (what, body) in [
        ("70 KB", reqwest::Body::from(padded(70_000))),
        ("10 MB", reqwest::Body::from(padded(10 << 20))),
        ("10 MB that are no JSON", reqwest::Body::from(vec![b'['; 10 << 20])),
    ] {
        let request =
            world.request(Method::POST, "transactions/topup").header("content-type", "application/json").body(body);
        // Who does not stop talking may find the line cut before the answer is read.
        let (large, small) = tokio::join!(world.try_send(request), world.get(&path));
        small.ok(200);
        match large {
            Ok(answer) => answer.refused_naming(413, "", &[]),
            Err(error) => println!("{what}: cut off: {error}"),
        }
    }
    // Just below the limit it is a question of the field.
    world.post_raw("transactions/topup", JSON, padded(60_000)).await.refused_naming(
        400,
        "VALIDATION_FAILED",
        &["reference"],
    );
    world.post("transactions/topup", &good).await.ok(201);
    world.balances(&[(&user, "6")]).await;
}

/// Mutation: whatever looks like JSON is taken, whatever it says it is.
async fn only_json_is_taken(world: &World) {
    let user = world.user("0").await;
    let good = || movement(&world.bank, &user, "1").to_string();
    for kind in [
        Some("text/plain"),
        Some("application/xml"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/jsonx"),
        Some("text/json"),
        Some("nonsense"),
        Some(""),
        None,
    ] {
        let answer = world.post_raw("transactions/topup", kind, good()).await;
        assert_eq!(answer.status, 415, "{kind:?}: {}", answer.text);
    }
    for (n, kind) in
        ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"]
            .iter()
            .enumerate()
    {
        let answer = world.post_raw("transactions/topup", Some(kind), good()).await;
        assert_eq!(answer.status, 201, "{kind}: {}", answer.text);
        world.balances(&[(&user, &(n + 1).to_string())]).await;
    }
}

/// Mutations: unknown fields dropped; aliases taken; only the first of several faults told.
async fn unknown_fields_and_missing_ones_are_all_told(world: &World) {
    let (ada, bob) = (world.user("10").await, world.user("0").await);
    let paid = world.pay(&ada, &bob, "1").await;
    for (route, good, required) in [
        (
            "topup",
            movement(&world.bank, &ada, "1"),
            "idempotencyKey sourceAccountId destinationAccountId amount currency",
        ),
        (
            "withdraw",
            movement(&ada, &world.bank, "1"),
            "idempotencyKey sourceAccountId destinationAccountId amount currency",
        ),
        ("transfer", movement(&ada, &bob, "1"), "idempotencyKey sourceAccountId destinationAccountId amount currency"),
        ("payment", payment(&ada, &bob, "1"), "customerAccountId merchantAccountId amount currency"),
        ("refund", refund(&paid, "1"), "originalPaymentId refundAmount currency"),
    ] {
        let path = format!("transactions/{route}");
        for field in required.split(' ') {
            for value in [Value::Null, json!({}), json!([]), json!(true)] {
                let body = if value.is_null() {
                    with(&good, json!({ field: null }))
                } else {
                    with(&good, json!({ field: value }))
                };
                world.post(&path, &body).await.refused_naming(400, "VALIDATION_FAILED|INVALID_AMOUNT", &[field]);
            }
        }
        for alias in ["zzz", "accountId", "originalTransactionId", "from", "Amount", "amount ", "ünï"] {
            let answer = world.post(&path, &with(&good, json!({ alias: paid }))).await;
            answer.refused(400, "VALIDATION_FAILED", &format!("property {alias} should not exist"));
        }
        let answer = world.post(&path, &json!({ "zzz": 1, "yyy": 2 })).await;
        answer.refused(400, "VALIDATION_FAILED", "property zzz should not exist");
        answer.refused(400, "VALIDATION_FAILED", "property yyy should not exist");
        answer.refused_naming(400, "VALIDATION_FAILED", &required.split(' ').collect::<Vec<_>>());
        assert!(answer.messages().len() >= 2 + required.split(' ').count(), "{:?}", answer.messages());
        for (field, value) in [
            ("idempotencyKey", ""),
            ("idempotencyKey", "abc"),
            ("idempotencyKey", &format!("{} ", key())),
            ("idempotencyKey", &"1".repeat(36)),
        ] {
            world.post(&path, &with(&good, json!({ field: value }))).await.refused_naming(
                400,
                "VALIDATION_FAILED",
                &[field],
            );
        }
    }
    world.balances(&[(&ada, "9"), (&bob, "1")]).await;
}
