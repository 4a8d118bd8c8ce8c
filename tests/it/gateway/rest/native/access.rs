//! Who may call what under `/v1`.

use florin::store::api_keys::{self, Scope, Scopes};
use reqwest::Method;
use serde_json::json;

use super::super::World;
use super::super::client::Rest;
use super::{hold, transaction};
use crate::harness::served::Served;

/// Mutation: a route that is not in the table of who may call, or asks for too little.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_asks_for_its_scope() {
    let served = Served::with(&[("AUTH_API_KEYS", "true")]).await;
    served.database.account("ann", 100_00).await;
    served.database.account("shop", 0).await;
    let pool = served.database.pool.clone();
    let key = async |scope: Scope| api_keys::create(&pool, "default", Scopes::from_iter([scope]), "").await.unwrap().1;
    let keys = [key(Scope::Read).await, key(Scope::Write).await, key(Scope::Admin).await];
    let rest = Rest::new(served.http);
    let send = async |method: &Method, path: &str, body: &serde_json::Value, key: Option<&str>| {
        let request = rest.request(method.clone(), path).json(body);
        rest.send(key.into_iter().fold(request, |request, key| request.bearer_auth(key))).await
    };
    let (nothing, id) = (json!({}), "0190cafe-0000-7000-8000-000000000000");
    let calls = [
        (Method::GET, "/v1/accounts/ann".to_owned(), nothing.clone(), Scope::Read),
        (Method::GET, "/v1/accounts/ann/entries".into(), nothing.clone(), Scope::Read),
        (Method::GET, "/v1/holds?accountId=ann".into(), nothing.clone(), Scope::Read),
        (Method::GET, format!("/v1/holds/{id}"), nothing.clone(), Scope::Read),
        (Method::GET, "/v1/transactions".into(), nothing.clone(), Scope::Read),
        (Method::GET, format!("/v1/transactions/{id}"), nothing.clone(), Scope::Read),
        (Method::POST, "/v1/holds".into(), hold("ann", "shop", "1"), Scope::Write),
        (Method::POST, format!("/v1/holds/{id}/capture"), nothing.clone(), Scope::Write),
        (Method::POST, format!("/v1/holds/{id}/void"), nothing.clone(), Scope::Write),
        (Method::POST, "/v1/transactions".into(), transaction(&[("ann", "shop", "1")]), Scope::Write),
        (Method::PATCH, "/v1/accounts/ann/limits".into(), json!({ "maxBalance": "1000" }), Scope::Admin),
        (Method::PATCH, "/v1/accounts/ann/status".into(), json!({ "status": "active" }), Scope::Admin),
    ];
    for (method, path, body, needed) in &calls {
        send(method, path, body, None).await.refused_naming(401, "UNAUTHORIZED", &[]);
        for (key, has) in keys.iter().zip([Scope::Read, Scope::Write, Scope::Admin]) {
            let answer = send(method, path, body, Some(key)).await;
            if has == *needed {
                assert!([200, 201, 404].contains(&answer.status), "{method} {path} with {has:?}: {}", answer.text);
            } else {
                answer.refused_naming(403, "FORBIDDEN", &[]);
            }
        }
    }
    // Another tenant's accounts, holds and keys are its own.
    let (_, other) = api_keys::create(&pool, "other", Scopes::all(), "").await.unwrap();
    let made = send(&Method::POST, "/v1/holds", &hold("ann", "shop", "1"), Some(&keys[1])).await.ok(201);
    for path in [
        format!("/v1/holds/{}", made["hold"]["id"].as_str().unwrap()),
        "/v1/accounts/ann".into(),
        "/v1/holds?accountId=ann".into(),
    ] {
        assert_eq!(send(&Method::GET, &path, &nothing, Some(&other)).await.status, 404, "{path}");
    }
    drop(rest);
    served.stop().await;
}

/// Mutation: methods that are not there answered without a body, or `/v1` open to what `/api/v1` is closed to.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_so() {
    let world = World::native().await;
    for (method, path, status) in [
        (Method::GET, "/v1", 404),
        (Method::GET, "/v1/nothing", 404),
        (Method::DELETE, "/v1/holds", 405),
        (Method::GET, "/v1/holds/x/capture", 405),
        (Method::POST, "/v1/accounts/ann", 405),
        (Method::PUT, "/v1/accounts/ann/limits", 405),
        (Method::DELETE, "/v1/transactions/x", 405),
    ] {
        assert_eq!(world.send(world.request(method.clone(), path)).await.status, status, "{method} {path}");
    }
    world.end().await;
}
