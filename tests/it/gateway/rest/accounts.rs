//! Accounts: opened, read, listed by owner, suspended and closed.

use serde_json::{Value, json};

use super::client::{Answer, encoded, is_time};
use super::shown::shown;
use super::{World, has, movement, text, with};

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_opened_read_and_listed() {
    let world = World::start().await;
    the_type_is_taken_in_any_case_and_under_both_names(&world).await;
    an_account_takes_every_field_and_reads_back_with_eight_decimals(&world).await;
    an_owners_accounts_are_a_bare_array(&world).await;
    every_fault_of_a_new_account_is_told(&world).await;
    world.end().await;
}

/// Mutations: a floor of zero shown as a minBalance that nobody gave; limits answered as they were sent and not with 8
/// decimals, by the POST or later.
async fn an_account_takes_every_field_and_reads_back_with_eight_decimals(world: &World) {
    let full = json!({
        "ownerId": "owner-7", "ownerType": "merchant", "accountType": "user", "accountSubtype": "savings", "currency": "EUR",
        "metadata": { "tier": "gold", "n": 3, "deep": { "list": [1, "two", null, true] } }, "minBalance": "-50", "maxBalance": "1000.5"
    });
    let made = world.post("accounts", &full).await.ok(201);
    let read = world.get(&format!("accounts/{}", text(&made["id"]))).await.ok(200);
    assert_eq!(made, read, "the POST answers what is read");
    let zero = world.post("accounts", &with(&full, json!({ "minBalance": 0, "maxBalance": "0" }))).await.ok(201);
    assert_eq!((&zero["minBalance"], &zero["maxBalance"]), (&json!("0.00000000"), &json!("0.00000000")));
    insta::assert_json_snapshot!(shown(&read, &[]), @r#"
    {
      "accountSubtype": "savings",
      "accountType": "user",
      "aggregateVersion": 1,
      "balance": "0.00000000",
      "createdAt": "[time]",
      "currency": "EUR",
      "id": "[id]",
      "lastEventId": null,
      "lastEventTimestamp": null,
      "maxBalance": "1000.50000000",
      "metadata": {
        "deep": {
          "list": [
            1,
            "two",
            null,
            true
          ]
        },
        "n": 3,
        "tier": "gold"
      },
      "minBalance": "-50.00000000",
      "ownerId": "owner-7",
      "ownerType": "merchant",
      "status": "active",
      "updatedAt": "[time]"
    }
    "#);

    let plain = world.open(json!({})).await;
    let read = world.get(&format!("accounts/{plain}")).await.ok(200);
    has(&read, "minBalance maxBalance");
    assert_eq!(
        (&read["accountType"], &read["minBalance"], &read["maxBalance"]),
        (&json!("user"), &Value::Null, &Value::Null),
        "{read}"
    );
    assert_eq!(
        world.get(&format!("accounts/{plain}/balance")).await.ok(200),
        json!({ "balance": "0.00000000", "currency": "USD", "status": "active" })
    );

    // A movement is an event of the account.
    let before = read;
    world.post("transactions/topup", &movement(&world.bank, &plain, "12.3")).await.ok(201);
    let after = world.get(&format!("accounts/{plain}")).await.ok(200);
    assert_eq!(after["balance"], "12.30000000");
    assert_ne!(after["aggregateVersion"], before["aggregateVersion"]);
    assert!(is_time(&after["lastEventTimestamp"]) && !after["lastEventId"].is_null(), "{after}");
}

async fn the_type_is_taken_in_any_case_and_under_both_names(world: &World) {
    for (field, given, shown) in [
        ("accountType", "user", "user"),
        ("accountType", "SYSTEM", "system"),
        ("accountType", "External", "external"),
        ("type", "uSeR", "user"),
        ("type", "system", "system"),
        ("type", "EXTERNAL", "external"),
    ] {
        let id = world.open(json!({ field: given })).await;
        assert_eq!(world.get(&format!("accounts/{id}")).await.ok(200)["accountType"], shown, "{field}: {given}");
    }
}

/// Mutations: `ownerType` ignored; a list with an envelope; an owner's text that reaches SQL.
async fn an_owners_accounts_are_a_bare_array(world: &World) {
    let nasty = "o'; DROP TABLE accounts; -- é/?&";
    let mut ids = Vec::new();
    for (owner, kind, currency) in [
        ("ada", "user", "USD"),
        ("ada", "user", "EUR"),
        ("ada", "merchant", "USD"),
        ("bob", "user", "USD"),
        (nasty, "user", "BTC"),
    ] {
        ids.push(world.open(json!({ "ownerId": owner, "ownerType": kind, "currency": currency })).await);
    }
    for (owner, kind, expected) in [
        ("ada", "", vec![0, 1, 2]),
        ("ada", "user", vec![0, 1]),
        ("ada", "merchant", vec![2]),
        ("ada", "bank", vec![]),
        ("bob", "", vec![3]),
        (nasty, "user", vec![4]),
        ("nobody", "", vec![]),
        ("ad", "", vec![]),
        ("%", "", vec![]),
    ] {
        let kind = if kind.is_empty() { String::new() } else { format!("&ownerType={kind}") };
        let list = world.get(&format!("accounts?ownerId={}{kind}", encoded(owner))).await.ok(200);
        let mut found: Vec<String> =
            list.as_array().expect("a bare array").iter().map(|account| text(&account["id"])).collect();
        let mut wanted: Vec<String> = expected.iter().map(|n| ids[*n].clone()).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{owner} {kind}");
        for account in list.as_array().unwrap() {
            assert_eq!(account["ownerId"], owner);
            has(account, "ownerType accountType currency balance status createdAt");
        }
    }
}

/// Two users with 10 US dollars each; the status of the first one changes.
struct Pair {
    world: World,
    ada: String,
    bob: String,
}

impl Pair {
    async fn start() -> Self {
        let world = World::start().await;
        let (ada, bob) = (world.user("10").await, world.user("10").await);
        Self { world, ada, bob }
    }

    async fn set(&self, status: &str) -> Answer {
        self.world.patch(&format!("accounts/{}/status", self.ada), &json!({ "status": status })).await
    }

    async fn status(&self) -> Value {
        self.world.get(&format!("accounts/{}", self.ada)).await.ok(200)["status"].clone()
    }

    async fn pay(&self) -> Answer {
        self.world.post("transactions/transfer", &movement(&self.ada, &self.bob, "1")).await
    }

    fn is_not_active(&self, status: &str) -> String {
        format!("Account {} is not active (current status: {status})", self.ada)
    }

    async fn end(self, ada: &str, bob: &str) {
        self.world.balances(&[(&self.ada, ada), (&self.bob, bob)]).await;
        self.world.end().await;
    }
}

/// Mutation: a status that binds only after the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_pays_nothing_until_it_is_active_again() {
    let pair = Pair::start().await;
    let suspended = pair.set("suspended").await.ok(200);
    assert_eq!((&suspended["id"], &suspended["status"]), (&json!(pair.ada), &json!("suspended")), "{suspended}");
    let balance = pair.world.get(&format!("accounts/{}/balance", pair.ada)).await.ok(200);
    assert_eq!(balance["status"], "suspended");
    pair.pay().await.refused(400, "ACCOUNT_INACTIVE", &pair.is_not_active("suspended"));
    assert_eq!(pair.set("active").await.ok(200)["status"], "active");
    pair.pay().await.ok(201);
    pair.end("9", "11").await;
}

/// Mutations: closing with money in the account; any way out of `closed`; an error when it is closed already.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_closes_only_at_zero_and_then_for_good() {
    let pair = Pair::start().await;
    let (world, ada) = (&pair.world, &pair.ada);
    assert_eq!(pair.set("closed").await.status, 400, "10 US dollars are in it");
    assert_eq!(pair.status().await, "active");
    world.post("transactions/withdraw", &movement(ada, &world.bank, "10")).await.ok(201);
    for _ in 0..2 {
        assert_eq!(pair.set("closed").await.ok(200)["status"], "closed");
    }
    for status in ["active", "suspended"] {
        assert_eq!(pair.set(status).await.status, 400, "{status} after closed");
    }
    let topup = world.post("transactions/topup", &movement(&world.bank, ada, "1")).await;
    for answer in [pair.pay().await, topup] {
        answer.refused(400, "ACCOUNT_INACTIVE", &pair.is_not_active("closed"));
    }
    assert_eq!(pair.status().await, "closed");
    pair.end("0", "10").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_is_none_is_named() {
    let world = World::start().await;
    let user = world.open(json!({})).await;
    for (body, words) in [
        (json!({ "status": "frozen" }), vec!["status"]),
        (json!({ "status": "" }), vec!["status"]),
        (json!({ "status": 3 }), vec!["status"]),
        (json!({ "status": null }), vec!["status"]),
        (json!({}), vec!["status"]),
        (json!({ "status": "active", "zzz": 1 }), vec!["property zzz should not exist"]),
    ] {
        world.patch(&format!("accounts/{user}/status"), &body).await.refused_naming(400, "VALIDATION_FAILED", &words);
    }
    let unknown = uuid::Uuid::new_v4();
    let answer = world.patch(&format!("accounts/{unknown}/status"), &json!({ "status": "closed" })).await;
    answer.refused(404, "ACCOUNT_NOT_FOUND", &format!("Account not found: {unknown}"));
    world.end().await;
}

/// Mutation: validation that stops at the first fault.
async fn every_fault_of_a_new_account_is_told(world: &World) {
    let good = json!({ "ownerId": "refused", "ownerType": "user", "currency": "USD" });
    let long = |n: usize| "x".repeat(n);
    for (fields, words) in [
        (json!({ "ownerId": null }), vec!["ownerId"]),
        (json!({ "ownerId": "" }), vec!["ownerId"]),
        (json!({ "ownerId": 7 }), vec!["ownerId"]),
        (json!({ "ownerId": long(10_000) }), vec!["ownerId"]),
        (json!({ "ownerType": null }), vec!["ownerType"]),
        (json!({ "ownerType": ["user"] }), vec!["ownerType"]),
        (json!({ "currency": null }), vec!["currency"]),
        (json!({ "currency": 840 }), vec!["currency"]),
        (json!({ "accountType": "bank" }), vec!["accountType"]),
        (json!({ "type": "bank" }), vec!["ype"]),
        (json!({ "minBalance": "abc" }), vec!["minBalance"]),
        (json!({ "maxBalance": "1.001" }), vec!["maxBalance"]),
        (json!({ "maxBalance": long(100) }), vec!["maxBalance"]),
        (json!({ "metadata": "text" }), vec!["metadata"]),
        (json!({ "metadata": [1] }), vec!["metadata"]),
        (json!({ "metadata": { "k": long(9_000) } }), vec!["metadata"]),
        (json!({ "id": "mine" }), vec!["property id should not exist"]),
        (
            json!({ "zzz": 1, "ownerId": null, "accountType": "bank" }),
            vec!["property zzz should not exist", "ownerId", "accountType"],
        ),
    ] {
        world.post("accounts", &with(&good, fields.clone())).await.refused_naming(400, "VALIDATION_FAILED", &words);
    }
    for code in ["XYZ", "usd", "Usd", "DOLLAR"] {
        world.post("accounts", &with(&good, json!({ "currency": code }))).await.refused(
            400,
            "INVALID_CURRENCY",
            &format!("Invalid currency: {code}"),
        );
    }
    assert_eq!(world.get("accounts?ownerId=refused").await.ok(200), json!([]), "what was refused left nothing behind");
}
