//! Florin's own routes of operators: currencies by call, who did what, and who may.

mod currencies;

use florin::store::api_keys::{self, Scope, Scopes};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{CORRELATION, Rest};
use super::shown::shown;
use super::{World, text};
use crate::harness::served::Served;

fn gold() -> Value {
    json!({ "code": "XAU", "name": "Gold", "exponent": 6, "type": "non-fiat", "metadata": { "unit": "oz", "fine": 999.9 }, "reason": "the vault opens" })
}

/// Mutations: a reason that is dropped on the way; a rebuild that keeps nothing, or keeps what was right already.
#[tokio::test(flavor = "multi_thread")]
async fn who_did_what_is_kept_with_the_reason_and_listed_in_pages() {
    let world = World::start().await;
    let user = world.user("100.00").await;
    let path = format!("accounts/{user}/status");
    let request = world
        .request(Method::PATCH, &path)
        .header(CORRELATION, "case-7")
        .json(&json!({ "status": "suspended", "reason": "court order 7" }));
    world.send(request).await.ok(200);
    world.patch(&path, &json!({ "status": "active", "reason": "" })).await.ok(200);
    for (body, words) in [
        (json!({ "status": "active", "reason": "x".repeat(1_025) }), "1024"),
        (json!({ "status": "active", "reason": "a\u{0}b" }), "U+0000"),
    ] {
        world.patch(&path, &body).await.refused_naming(400, "VALIDATION_FAILED", &["reason", words]);
    }
    let damage = format!(
        "UPDATE balances SET credits = credits + 5, held = 7 WHERE account = (SELECT id FROM accounts WHERE name = '{user}')"
    );
    world.served.database.folded().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(damage)).execute(&world.served.database.pool).await.unwrap();
    let rebuild = |reason: &'static str| {
        world.request(Method::POST, &format!("admin/accounts/{user}/rebuild")).header("x-reason", reason.as_bytes())
    };
    for _ in 0..2 {
        world.send(rebuild("Prüfung, 2. Quartal")).await.ok(200);
    }
    let invalid =
        world.request(Method::POST, &format!("admin/accounts/{user}/rebuild")).header("x-reason", b"\xff".as_slice());
    world.send(invalid).await.refused_naming(400, "VALIDATION_FAILED", &["x-reason"]);
    let page = world.get(&format!("/v1/operator-actions?subject={user}")).await.ok(200);
    insta::assert_json_snapshot!(shown(&page, &[("user", &user)]), @r#"
    {
      "items": [
        {
          "action": "account.rebuild",
          "actor": "anonymous",
          "after": {
            "balance": "100.00",
            "held": "0.00"
          },
          "at": "[time]",
          "before": {
            "balance": "100.05",
            "held": "0.07"
          },
          "correlationId": "[id]",
          "id": "[id]",
          "reason": "Prüfung, 2. Quartal",
          "subject": "[user]"
        },
        {
          "action": "account.status",
          "actor": "anonymous",
          "after": {
            "ceiling": null,
            "floor": "0.00",
            "status": "active"
          },
          "at": "[time]",
          "before": {
            "ceiling": null,
            "floor": "0.00",
            "status": "suspended"
          },
          "correlationId": "[id]",
          "id": "[id]",
          "reason": "",
          "subject": "[user]"
        },
        {
          "action": "account.status",
          "actor": "anonymous",
          "after": {
            "ceiling": null,
            "floor": "0.00",
            "status": "suspended"
          },
          "at": "[time]",
          "before": {
            "ceiling": null,
            "floor": "0.00",
            "status": "active"
          },
          "correlationId": "case-7",
          "id": "[id]",
          "reason": "court order 7",
          "subject": "[user]"
        }
      ],
      "nextPageToken": null
    }
    "#);
    let done = &page["items"];

    let first = world.get(&format!("/v1/operator-actions?subject={user}&limit=2")).await.ok(200);
    let token = text(&first["nextPageToken"]);
    let last = world.get(&format!("/v1/operator-actions?subject={user}&limit=2&pageToken={token}")).await.ok(200);
    let rest = &last["items"];
    assert_eq!(last["nextPageToken"], json!(null));
    assert_eq!((&rest[0]["id"], rest.as_array().unwrap().len()), (&done[2]["id"], 1));
    let at = text(&done[1]["at"]).replace('+', "%2B");
    for (query, status) in [
        ("action=account.status".to_owned(), 200),
        (format!("from={at}"), 200),
        (format!("from={at}&to={at}"), 400),
        ("from=yesterday".to_owned(), 400),
        ("limit=0".to_owned(), 400),
        ("limit=1001".to_owned(), 400),
        ("subject=".to_owned(), 400),
        ("subject=%00".to_owned(), 400),
        (format!("pageToken={token}"), 400),
        ("pageToken=x".to_owned(), 400),
    ] {
        assert_eq!(world.get(&format!("/v1/operator-actions?{query}")).await.status, status, "{query}");
    }
    world.end().await;
}

/// Mutations: a line of the table that asks for less; the key's name left out; one tenant's actions shown to another.
#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_may_and_is_named_by_the_key() {
    let served = Served::with(&[("AUTH_API_KEYS", "true")]).await;
    let rest = Rest::new(served.http);
    let pool = &served.database.pool;
    let key = async |tenant: &str, scopes: Scopes| api_keys::create(pool, tenant, scopes, "").await.unwrap();
    let (_, reader) = key("default", [Scope::Read, Scope::Write].into_iter().collect()).await;
    let (admin, admins) = key("default", Scopes::all()).await;
    let (_, others) = key("shop", Scopes::all()).await;
    let call = async |method: Method, path: &str, key: Option<&str>| {
        let request = rest.request(method.clone(), path);
        let request = key.into_iter().fold(request, |request, key| request.bearer_auth(key));
        let body = if path == "/v1/currencies" { gold() } else { json!({}) };
        rest.send(if method == Method::GET { request } else { request.json(&body) }).await
    };
    let nobody = uuid::Uuid::nil();
    for (method, path) in [
        (Method::POST, "/v1/currencies".to_owned()),
        (Method::PATCH, "/v1/currencies/USD".to_owned()),
        (Method::GET, "/v1/operator-actions".to_owned()),
        (Method::POST, format!("/api/v1/admin/transactions/{nobody}/reconcile")),
        (Method::POST, format!("/api/v1/admin/transactions/{nobody}/rebuild")),
        (Method::POST, "/api/v1/admin/transactions/reconcile-all".to_owned()),
        (Method::POST, "/api/v1/admin/transactions/rebuild-all".to_owned()),
    ] {
        call(method.clone(), &path, None).await.refused_naming(401, "UNAUTHORIZED", &[]);
        call(method.clone(), &path, Some(&reader)).await.refused_naming(403, "FORBIDDEN", &["lacks the scope"]);
        assert!([200, 201, 404].contains(&call(method.clone(), &path, Some(&admins)).await.status), "{method} {path}");
    }
    let done = &call(Method::GET, "/v1/operator-actions?subject=XAU", Some(&admins)).await.ok(200)["items"];
    assert_eq!((&done[0]["actor"], done.as_array().unwrap().len()), (&json!(format!("key:{}", admin.id)), 1));
    let others = call(Method::GET, "/v1/operator-actions?subject=XAU", Some(&others)).await.ok(200);
    assert_eq!(others["items"], json!([]));
    drop(rest);
    served.stop().await;
}
