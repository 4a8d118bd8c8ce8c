//! Currencies: what they are, and that money keeps their decimals.

use serde_json::{Value, json};

use super::client::stored;
use super::{World, has, movement_in, text};

/// Code, decimals, type.
const CURRENCIES: [(&str, u64, &str); 6] = [
    ("USD", 2, "fiat"),
    ("EUR", 2, "fiat"),
    ("GBP", 2, "fiat"),
    ("BTC", 8, "non-fiat"),
    ("ETH", 8, "non-fiat"),
    ("POINTS", 0, "non-fiat"),
];

#[tokio::test(flavor = "multi_thread")]
async fn currencies_and_their_decimals() {
    let world = World::start().await;
    the_contracts_currencies_are_there_and_codes_have_a_case(&world).await;
    every_currency_keeps_its_decimals_and_reads_back_with_eight(&world).await;
    world.end().await;
}

/// Mutations: codes compared without their case; 404 for an unknown one.
async fn the_contracts_currencies_are_there_and_codes_have_a_case(world: &World) {
    let all = world.get("currencies").await.ok(200);
    let all = all.as_array().expect("a bare array");
    for (code, precision, kind) in CURRENCIES {
        let one = world.get(&format!("currencies/{code}")).await.ok(200);
        assert_eq!(
            (&one["code"], &one["precision"], &one["type"], &one["isActive"]),
            (&json!(code), &json!(precision), &json!(kind), &json!(true))
        );
        has(&one, "name metadata");
        assert!(all.contains(&one), "{one} is not in the list");
    }
    for code in ["XYZ", "usd", "Usd", "US", "USDD", "%27%20OR%201%3D1"] {
        let shown = if code.starts_with('%') { "' OR 1=1" } else { code };
        world.get(&format!("currencies/{code}")).await.refused(
            400,
            "INVALID_CURRENCY",
            &format!("Invalid currency: {shown}"),
        );
    }
}

/// Mutations: the currency's own decimals instead of eight when reading back; a conversion through a float.
async fn every_currency_keeps_its_decimals_and_reads_back_with_eight(world: &World) {
    for (code, smallest, too_small, large) in [
        ("USD", "0.01", "0.001", "9007199254740993.01"),
        ("EUR", "0.07", "0.005", "123456789012345678901.23"),
        ("BTC", "0.00000001", "0.000000001", "20999999.97690001"),
        ("ETH", "1.10000001", "1.100000001", "9999999999999999999.99999999"),
        ("POINTS", "1", "1.5", "9007199254740993"),
        ("JPY", "3", "0.1", "340282366920938463463374607"),
    ] {
        let bank = world.external(code).await;
        for amount in [smallest, large] {
            let user = world.open(json!({ "currency": code })).await;
            let made = world.post("transactions/topup", &movement_in(code, &bank, &user, amount)).await.ok(201);
            assert_eq!(
                (&made["amount"], &made["currency"]),
                (&json!(amount), &json!(code)),
                "the answer echoes what was sent"
            );
            assert_eq!(world.balance(&user).await, stored(amount), "{code}");
            let read = world.transaction(&text(&made["transactionId"])).await;
            assert_eq!(read["amount"], stored(amount));
        }
        let user = world.open(json!({ "currency": code })).await;
        let answer = world.post("transactions/topup", &movement_in(code, &bank, &user, too_small)).await;
        answer.refused_naming(400, "VALIDATION_FAILED|INVALID_AMOUNT", &["amount"]);
        assert_eq!(world.balance(&user).await, "0.00000000");
        assert_eq!(world.get(&format!("transactions?accountId={user}")).await.ok(200), Value::Array(Vec::new()));
    }
}
