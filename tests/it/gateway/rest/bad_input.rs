//! Fields that are wrong: amounts that are none, ids from elsewhere, texts with everything in them.

use serde_json::{Value, json};

use super::client::encoded;
use super::movements::raw;
use super::{World, key, movement, payment, refund, text, with};

/// What clients of the accounts REST API read.
const BAD_AMOUNT: &str = "amount must be a positive decimal amount (e.g., \"10.50\")";

/// Tokens in the place of the amount. The first ones are known to clients of the accounts REST API, with this text.
const NO_AMOUNTS: [&str; 5] = [r#""0""#, r#""-5""#, r#""abc""#, r#""""#, r#"" 5""#];
const NO_AMOUNTS_EITHER: [&str; 59] = [
    // numbers
    "0",
    "-5",
    "0.0",
    "0.00",
    "-0",
    "-0.0",
    "1e2",
    "1E2",
    "1e-2",
    "1.5e1",
    "1e400",
    "1.005",
    "0.001",
    "12345678901234567890123456789012345678901",
    "0.1234567890123456789012345678901234567890",
    "99999999999999999999999999.999",
    // other values
    "true",
    "false",
    "[]",
    "[1]",
    "{}",
    r#"{"amount":"1"}"#,
    "null",
    // texts
    r#""-0""#,
    r#""0.00""#,
    r#""+5""#,
    r#""--5""#,
    r#""5-""#,
    r#""(5)""#,
    r#""1e2""#,
    r#""1E2""#,
    r#""NaN""#,
    r#""nan""#,
    r#""Infinity""#,
    r#""-Infinity""#,
    r#""inf""#,
    r#""0x10""#,
    r#""1_000""#,
    r#""1,000""#,
    r#""1,5""#,
    r#""1.2.3""#,
    r#"".""#,
    r#"".5""#,
    r#""5.""#,
    r#""5 ""#,
    r#""\t5""#,
    r#""5\n""#,
    r#""5\u00a0""#,
    r#""\u20035""#,
    r#""1 000""#,
    r#""5\u0000""#,
    r#""$5""#,
    r#""1.005""#,
    r#""1234567890123456789012345678901234567890""#,
    // digits of other scripts: Arabic, Devanagari, full width, a mathematical bold one
    r#""٥""#,
    r#""५.५""#,
    r#""５""#,
    r#""𝟓""#,
    r#""²""#,
];

/// Mutations: an amount that goes through a float; `char::is_numeric` for a digit; trimmed text; a sign that is let
/// pass.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_positive_decimal_amount_is_400_and_moves_nothing() {
    let world = World::start().await;
    let (ada, bob) = (world.user("100").await, world.user("100").await);
    let paid = world.pay(&ada, &bob, "10").await;
    let json = Some("application/json");
    let mut large = vec![
        format!("\"{}\"", "9".repeat(27)),
        "9".repeat(27),
        format!("\"{}\"", "1".repeat(60_000)),
        "1".repeat(60_000),
    ];
    large.push(format!("\"0.{}1\"", "0".repeat(10_000)));
    for (route, body) in [
        ("topup", movement(&world.bank, &ada, "@@")),
        ("withdraw", movement(&ada, &world.bank, "@@")),
        ("transfer", movement(&ada, &bob, "@@")),
        ("payment", payment(&ada, &bob, "@@")),
    ] {
        let path = format!("transactions/{route}");
        for token in NO_AMOUNTS {
            world.post_raw(&path, json, raw(&body, token)).await.refused(
                400,
                "VALIDATION_FAILED|INVALID_AMOUNT",
                BAD_AMOUNT,
            );
        }
        for token in NO_AMOUNTS_EITHER.into_iter().chain(large.iter().map(String::as_str)) {
            let answer = world.post_raw(&path, json, raw(&body, token)).await;
            assert_eq!(answer.status, 400, "{route} {}: {}", token.chars().take(60).collect::<String>(), answer.text);
            answer.refused_naming(400, "VALIDATION_FAILED|INVALID_AMOUNT", &["amount"]);
        }
    }
    let body = refund(&paid, "@@");
    for token in NO_AMOUNTS.into_iter().chain(NO_AMOUNTS_EITHER).chain(large.iter().map(String::as_str)) {
        let answer = world.post_raw("transactions/refund", json, raw(&body, token)).await;
        answer.refused_naming(400, "VALIDATION_FAILED|INVALID_AMOUNT", &["efundAmount"]);
    }
    world.balances(&[(&ada, "90"), (&bob, "110")]).await;
    let list = world.get(&format!("transactions?accountId={ada}")).await.ok(200);
    assert_eq!(list.as_array().unwrap().len(), 2, "the top-up and the payment: {list}");
    world.end().await;
}

/// Ids that are none, as they come in a path or in a body.
fn strange_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "abc",
        "0",
        "-1",
        "null",
        "undefined",
        "1' OR '1'='1",
        "'; DROP TABLE transactions; --",
        "\" OR 1=1",
        "%",
        "_",
        "a/b",
        "..\\..",
        "${jndi:ldap://x}",
        "<script>",
        "é€😀",
        "\u{202e}drow",
        "a\nb",
        "a\u{0}b",
        "\u{7f}",
        "{}",
        "00000000-0000-0000-0000-00000000000g",
    ]
    .map(str::to_owned)
    .into();
    ids.push("x".repeat(4_000));
    ids.push(key().replace('-', "é"));
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_ids_are_nobodys() {
    let world = World::start().await;
    a_strange_id_in_a_path_is_not_found(&world).await;
    strange_ids_and_texts_in_a_body_are_refused_or_kept_as_they_are(&world).await;
    world.end().await;
}

/// Mutations: an id that reaches SQL as text; a parse error that is a 500; the whole id in the message.
async fn a_strange_id_in_a_path_is_not_found(world: &World) {
    let user = world.user("1").await;
    for id in strange_ids() {
        let at = encoded(&id);
        // What is no text of PostgreSQL's at all may be told so.
        let status =
            |answer: &super::client::Answer| answer.status == 404 || (id.contains('\0') && answer.status == 400);
        for (path, code) in [
            (format!("accounts/{at}"), "ACCOUNT_NOT_FOUND"),
            (format!("accounts/{at}/balance"), "ACCOUNT_NOT_FOUND"),
            (format!("transactions/{at}"), "TRANSACTION_NOT_FOUND"),
            (format!("sagas/{at}"), ""),
            (format!("sagas/{at}/complete"), ""),
        ] {
            let answer = world.get(&path).await;
            assert!(status(&answer), "{path}: {}", answer.text);
            answer.refused_naming(answer.status, if answer.status == 404 { code } else { "" }, &[]);
            assert!(answer.messages().concat().len() < 300, "{}", answer.text);
        }
        let answer = world.patch(&format!("accounts/{at}/status"), &json!({ "status": "closed" })).await;
        assert!(status(&answer), "{}", answer.text);
        for path in [
            format!("sagas/by-correlation/{at}"),
            format!("accounts?ownerId={at}"),
            format!("transactions?accountId={at}"),
        ] {
            let answer = world.get(&path).await;
            assert!(
                answer.body == json!([]) || answer.status == 404 || answer.status == 400,
                "{path}: {}",
                answer.text
            );
        }
    }
    for path in ["accounts/%ff%fe", "transactions/%c3%28", "accounts/%00", "sagas/%e2%82"] {
        let answer = world.get(path).await;
        assert!(answer.status == 404 || answer.status == 400, "{path}: {}", answer.text);
    }
    let unknown = key();
    world.get(&format!("accounts/{unknown}")).await.refused(
        404,
        "ACCOUNT_NOT_FOUND",
        &format!("Account not found: {unknown}"),
    );
    world.get(&format!("accounts/{unknown}/balance")).await.refused(
        404,
        "ACCOUNT_NOT_FOUND",
        &format!("Account not found: {unknown}"),
    );
    world.get(&format!("transactions/{unknown}")).await.refused_naming(404, "TRANSACTION_NOT_FOUND", &[&unknown]);
    let long = world.get(&format!("accounts/{}", "x".repeat(60_000))).await;
    assert!([404, 414, 431].contains(&long.status), "{}", long.status);
    world.balances(&[(&user, "1")]).await;
}

/// Mutation: a key or an id is cut where it is stored and not where it is read: two become one.
async fn strange_ids_and_texts_in_a_body_are_refused_or_kept_as_they_are(world: &World) {
    let (ada, bob) = (world.user("100").await, world.user("0").await);
    for id in strange_ids().into_iter().chain([String::new(), "x".repeat(50_000)]) {
        for (route, body) in [
            ("transfer", movement(&id, &bob, "1")),
            ("transfer", movement(&ada, &id, "1")),
            ("payment", payment(&ada, &id, "1")),
            ("refund", refund(&id, "1")),
        ] {
            let answer = world.post(&format!("transactions/{route}"), &body).await;
            assert!(answer.status == 400 || answer.status == 404, "{route} {id:?}: {}", answer.text);
            assert!(answer.messages().concat().len() < 600, "{}", answer.text);
        }
        let answer = world
            .post("transactions/transfer", &with(&movement(&ada, &bob, "1"), json!({ "idempotencyKey": id })))
            .await;
        answer.refused_naming(400, "VALIDATION_FAILED", &["idempotencyKey"]);
    }
    world.balances(&[(&ada, "100"), (&bob, "0")]).await;
    // Texts of people's come back as they went in, whatever is in them; one that cannot be kept is refused.
    let mut spent = 0;
    for reference in [
        "'; DROP TABLE accounts; --",
        "a \"quoted\" \\ text",
        "Grüße, 世界 😀",
        "<b>&amp;</b>",
        "%s %n {0}",
        "x",
        "tab\there",
        "nul\u{0}",
    ] {
        let answer = world
            .post("transactions/transfer", &with(&movement(&ada, &bob, "1"), json!({ "reference": reference })))
            .await;
        if answer.status == 201 {
            assert!(answer.body["reference"] == reference || reference.contains('\0'), "{}", answer.text);
            spent += 1;
        } else {
            assert!(reference.chars().any(char::is_control), "{reference:?}: {}", answer.text);
            answer.refused_naming(400, "VALIDATION_FAILED", &["reference"]);
        }
        let metadata = json!({ "paymentMetadata": { reference: [reference, { "deep": reference }] } });
        let answer = world.post("transactions/payment", &with(&payment(&ada, &bob, "1"), metadata)).await;
        if answer.status == 201 {
            spent += 1;
            let read = world.transaction(&text(&answer.body["transactionId"])).await;
            let quoted = Value::from(reference).to_string();
            assert!(read["metadata"].to_string().contains(&quoted) || reference.contains('\0'), "{read}");
        } else {
            assert!(reference.chars().any(char::is_control), "{reference:?}: {}", answer.text);
        }
    }
    assert!(spent >= 12, "{spent}");
    world.balances(&[(&ada, &(100 - spent).to_string()), (&bob, &spent.to_string())]).await;
    for metadata in [json!("text"), json!([1]), json!(7), json!({ "k": "x".repeat(9_000) })] {
        let answer = world
            .post("transactions/payment", &with(&payment(&ada, &bob, "1"), json!({ "paymentMetadata": metadata })))
            .await;
        answer.refused_naming(400, "VALIDATION_FAILED", &["paymentMetadata"]);
    }
}
