//! What a key may do beyond the calls that its scopes open: which accounts it may name, and what it is told. And that
//! what was refused is on record.

use florin::protocol::record::Operator;
use florin::store::api_keys::{self, NewKey, Scope};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::super::client::{Answer, Rest};
use super::super::text;
use super::{hold, transaction};
use crate::harness::served::Served;

/// A Florin that asks for keys, in which `ann` has 100 dollars, and the others none.
struct Guarded {
    served: Served,
    rest: Rest,
    pool: PgPool,
}

impl Guarded {
    async fn start() -> Self {
        let served = Served::with(&[("AUTH_API_KEYS", "true")]).await;
        served.database.account("ann", 100_00).await;
        for account in ["bob", "shop:till", "shop:safe", "clearing:USD"] {
            served.database.account(account, 0).await;
        }
        let (rest, pool) = (Rest::new(served.http), served.database.pool.clone());
        Self { served, rest, pool }
    }

    async fn key(&self, scopes: &[Scope], account_prefix: Option<&str>) -> (String, String) {
        let scopes = scopes.iter().copied().collect();
        let new = NewKey { tenant: "default", scopes, account_prefix, expires_at: None, note: "till 4" };
        let (key, text) = api_keys::make(&self.pool, &new, &operator()).await.unwrap();
        (key.id, text)
    }

    async fn send(&self, key: &str, method: Method, path: &str, body: &Value) -> Answer {
        self.rest.send(self.rest.request(method, path).json(body).bearer_auth(key)).await
    }

    async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.send(key, Method::POST, path, body).await
    }

    async fn get(&self, key: &str, path: &str) -> Answer {
        self.rest.send(self.rest.request(Method::GET, path).bearer_auth(key)).await
    }

    async fn end(self) {
        drop(self.rest);
        self.served.stop().await;
    }
}

fn operator() -> Operator {
    Operator { name: "cli:ops".into(), reason: "a new till".into(), address: None }
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect()
}

/// Fails when the command is not checked before it is posted, or an admin is kept out as well.
#[tokio::test(flavor = "multi_thread")]
async fn the_houses_accounts_take_no_direct_postings_but_from_admins() {
    let guarded = Guarded::start().await;
    let ((_, writer), (_, admin)) = (
        guarded.key(&[Scope::Write, Scope::Accounts], None).await,
        guarded.key(&[Scope::Write, Scope::Admin], None).await,
    );
    let naming = ["\"clearing:USD\" is an account of the house's own", "scope admin"];
    for (source, destination) in [("ann", "clearing:USD"), ("clearing:USD", "ann")] {
        let moves = transaction(&[("ann", "shop:till", "1"), (source, destination, "1")]);
        guarded.post(&writer, "/v1/transactions", &moves).await.refused_naming(403, "FORBIDDEN", &naming);
        let held = hold(source, destination, "1");
        guarded.post(&writer, "/v1/holds", &held).await.refused_naming(403, "FORBIDDEN", &naming);
    }
    let closed = json!({ "status": "suspended" });
    let answer = guarded.send(&writer, Method::PATCH, "/v1/accounts/clearing:USD/status", &closed).await;
    answer.refused_naming(403, "FORBIDDEN", &naming);

    guarded.post(&writer, "/v1/transactions", &transaction(&[("ann", "shop:till", "1")])).await.ok(201);
    guarded.post(&admin, "/v1/transactions", &transaction(&[("ann", "clearing:USD", "1")])).await.ok(201);
    let held = guarded.post(&admin, "/v1/holds", &hold("ann", "clearing:USD", "2")).await.ok(201);
    let capture = format!("/v1/holds/{}/capture", text(&held["hold"]["id"]));
    guarded.post(&writer, &capture, &json!({})).await.ok(201); // an admin chose the accounts
    guarded.end().await;
}

/// Fails when a call that a key with a prefix may make does not look at the accounts.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_some_accounts_moves_and_sees_nothing_of_others() {
    let guarded = Guarded::start().await;
    let (_, all) = guarded.key(&[Scope::Read, Scope::Write], None).await;
    let (_, kept) = guarded.key(&[Scope::Read, Scope::Write], Some("shop:")).await;
    let own = transaction(&[("shop:till", "shop:safe", "5")]);
    let first = guarded.post(&all, "/v1/transactions", &transaction(&[("ann", "shop:till", "20")])).await.ok(201);
    guarded.post(&kept, "/v1/transactions", &own).await.ok(201);
    let held =
        text(&guarded.post(&kept, "/v1/holds", &hold("shop:till", "shop:safe", "5")).await.ok(201)["hold"]["id"]);
    guarded.get(&kept, &format!("/v1/holds/{held}")).await.ok(200);
    guarded.post(&kept, &format!("/v1/holds/{held}/capture"), &json!({})).await.ok(201);
    let others = guarded.post(&all, "/v1/transactions", &transaction(&[("ann", "bob", "1")])).await.ok(201);
    let others = text(&others["transaction"]["id"]);
    let others_hold = guarded.post(&all, "/v1/holds", &hold("ann", "bob", "1")).await.ok(201);
    let others_hold = text(&others_hold["hold"]["id"]);

    let naming = ["accounts whose ids begin with \"shop:\" alone"];
    for (source, destination) in [("shop:till", "ann"), ("ann", "shop:till"), ("Shop:till", "shop:safe")] {
        let body = transaction(&[("shop:till", "shop:safe", "1"), (source, destination, "1")]);
        guarded.post(&kept, "/v1/transactions", &body).await.refused_naming(403, "FORBIDDEN", &naming);
        let body = hold(source, destination, "1");
        guarded.post(&kept, "/v1/holds", &body).await.refused_naming(403, "FORBIDDEN", &naming);
    }
    for path in
        ["/v1/accounts/ann", "/v1/accounts/ann/entries", "/v1/holds?accountId=ann", "/v1/transactions?accountId=ann"]
    {
        guarded.get(&kept, path).await.refused_naming(403, "FORBIDDEN", &naming);
    }
    for path in ["/v1/transactions", "/v1/invoices", "/v1/customers", "/v1/rates", "/api/v1/events/stream"] {
        assert_eq!(guarded.get(&kept, path).await.status, 403, "{path} is about all accounts");
    }
    guarded.get(&kept, "/v1/accounts/shop:till").await.ok(200);
    let page = guarded.get(&kept, "/v1/transactions?accountId=shop:till").await.ok(200);
    let first = text(&first["transaction"]["id"]);
    assert!(ids(&page).contains(&first) && ids(&page).len() == 3, "{page}");
    guarded.get(&kept, &format!("/v1/transactions/{first}")).await.ok(200);
    assert_eq!(guarded.get(&kept, &format!("/v1/transactions/{others}")).await.status, 404, "no side of it is theirs");
    for path in [format!("/v1/holds/{others_hold}/capture"), format!("/v1/holds/{others_hold}/void")] {
        guarded.post(&kept, &path, &json!({})).await.refused_naming(403, "FORBIDDEN", &naming);
    }
    let path = format!("/v1/holds/{others_hold}");
    guarded.get(&kept, &path).await.refused_naming(403, "FORBIDDEN", &naming);
    let void = format!("{path}/void");
    guarded.post(&all, &void, &json!({})).await.ok(201);
    // What was done already is not told to them either.
    guarded.post(&kept, &void, &json!({})).await.refused_naming(403, "FORBIDDEN", &naming);
    guarded.end().await;
}

/// Fails when the maker is shown to all, to nobody, or the list does not look at it.
#[tokio::test(flavor = "multi_thread")]
async fn who_made_a_movement_is_told_to_admins_alone() {
    let guarded = Guarded::start().await;
    let (one, till) = guarded.key(&[Scope::Read, Scope::Write], None).await;
    let (two, safe) = guarded.key(&[Scope::Read, Scope::Write], None).await;
    let (_, admin) = guarded.key(&[Scope::Read, Scope::Admin], None).await;
    let mut made = Vec::new();
    for key in [&till, &safe] {
        let answer = guarded.post(key, "/v1/transactions", &transaction(&[("ann", "shop:till", "1")])).await.ok(201);
        made.push(text(&answer["transaction"]["id"]));
    }
    for (id, maker) in made.iter().zip([&one, &two]) {
        let path = format!("/v1/transactions/{id}");
        let shown = guarded.get(&admin, &path).await.ok(200);
        assert_eq!((&shown["madeBy"], &shown["madeFrom"]), (&json!(format!("key:{maker}")), &json!("127.0.0.1")));
        let hidden = guarded.get(&till, &path).await.ok(200);
        assert!(hidden.get("madeBy").is_none() && hidden.get("madeFrom").is_none(), "{hidden}");
        let page = guarded.get(&admin, &format!("/v1/transactions?madeBy=key:{maker}")).await.ok(200);
        assert_eq!(ids(&page), [id.as_str()], "{page}");
        assert_eq!(page["items"][0]["madeBy"], format!("key:{maker}"));
    }
    let from = guarded.get(&admin, "/v1/transactions?madeFrom=127.0.0.1").await.ok(200);
    assert_eq!(ids(&from), [made[1].as_str(), made[0].as_str()]);
    assert_eq!(ids(&guarded.get(&admin, "/v1/transactions?madeFrom=127.0.0.2").await.ok(200)), Vec::<String>::new());
    for query in ["madeBy=key:x", "madeFrom=127.0.0.1"] {
        let answer = guarded.get(&till, &format!("/v1/transactions?{query}")).await;
        answer.refused_naming(403, "FORBIDDEN", &["scope admin"]);
    }
    guarded.end().await;
}

/// Fails when keys are made or revoked without a trace, or refused calls are not written when Florin ends.
#[tokio::test(flavor = "multi_thread")]
async fn keys_and_refused_calls_are_among_what_operators_see() {
    let guarded = Guarded::start().await;
    let (id, reader) = guarded.key(&[Scope::Read], Some("shop:")).await;
    let (_, operators) = guarded.key(&[Scope::Operators], None).await;
    for _ in 0..50 {
        assert_eq!(guarded.post(&reader, "/v1/transactions", &json!({})).await.status, 403);
        assert_eq!(guarded.get("flk_nobody", "/v1/accounts/ann").await.status, 401);
    }
    api_keys::revoke(&guarded.pool, &id, &operator()).await.unwrap().unwrap();
    let page = guarded.get(&operators, &format!("/v1/operator-actions?subject={id}")).await.ok(200);
    let [revoked, made] = [&page["items"][0], &page["items"][1]];
    assert_eq!((&revoked["action"], &revoked["actor"]), (&json!("key.revoke"), &json!("cli:ops")));
    assert_eq!((&made["action"], &made["after"]["scopes"]), (&json!("key.create"), &json!(["read"])));
    assert_eq!((&made["reason"], &made["after"]["accountPrefix"]), (&json!("a new till"), &json!("shop:")));

    let Guarded { served: Served { runtime, database, .. }, rest, .. } = guarded;
    drop(rest);
    runtime.drain().await;
    let sql = "SELECT actor, subject, after ->> 'calls', tenant FROM operator_actions WHERE action = 'call.refused' ORDER BY actor";
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(sql).fetch_all(&database.pool).await.unwrap();
    let row =
        |actor: &str, subject: &str| (actor.to_owned(), subject.to_owned(), "50".to_owned(), "default".to_owned());
    assert_eq!(
        rows,
        [row("address:127.0.0.1", "GET /v1/accounts/{id}"), row(&format!("key:{id}"), "POST /v1/transactions"),]
    );
}
