//! What belongs to no row: health, the description and its page, correlation ids, routes and methods that are not
//! there.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{CORRELATION, is_uuid};
use super::shown::shown;
use super::{World, key, movement, payment, text};

/// Calls of the accounts REST API that are served.
const ROUTES: [(&str, &str); 18] = [
    ("post", "/accounts"),
    ("get", "/accounts"),
    ("get", "/accounts/{}"),
    ("get", "/accounts/{}/balance"),
    ("patch", "/accounts/{}/status"),
    ("post", "/transactions/topup"),
    ("post", "/transactions/withdraw"),
    ("post", "/transactions/transfer"),
    ("post", "/transactions/payment"),
    ("post", "/transactions/refund"),
    ("get", "/transactions"),
    ("get", "/transactions/{}"),
    ("get", "/currencies"),
    ("get", "/currencies/{}"),
    ("get", "/sagas"),
    ("get", "/sagas/{}"),
    ("get", "/sagas/by-correlation/{}"),
    ("get", "/health"),
];

/// A path of the description without the prefix and the names of its parameters.
fn shape(path: &str) -> String {
    let parts = path.strip_prefix("/api/v1").unwrap_or(path).split('/');
    parts.map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

/// Where `$ref`s of this value point.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value.as_str() {
            Some(target) if name == "$ref" => found.push(target.to_owned()),
            _ => references(value, found),
        }),
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_no_row() {
    let world = World::start().await;
    health_is_told_at_both_addresses(&world).await;
    every_call_is_described_with_its_refusals(&world).await;
    the_page_loads_nothing_from_elsewhere(&world).await;
    routes_and_methods_that_are_not_there(&world).await;
    both_contracts_refuse_with_one_body(&world).await;
    a_correlation_id_is_taken_over_or_made_and_carried_everywhere(&world).await;
    world.end().await;
}

/// Mutation: a route that is served and not described, or described with the answers of a good day alone.
async fn every_call_is_described_with_its_refusals(world: &World) {
    let docs = world.get("/api/docs-json").await.ok(200);
    assert!(text(&docs["openapi"]).starts_with("3.1"), "{}", docs["openapi"]);
    let paths = docs["paths"].as_object().unwrap();
    for (method, route) in ROUTES {
        let found = paths.iter().find(|(path, item)| shape(path) == route && item.get(method).is_some());
        let (path, item) = found.unwrap_or_else(|| panic!("{method} {route} is not described: {:?}", paths.keys()));
        let answers = item[method]["responses"].as_object().unwrap_or_else(|| panic!("{path}"));
        let has = |status: u16| {
            answers.contains_key(&status.to_string()) || answers.contains_key(&format!("{}XX", status / 100))
        };
        assert!(has(if method == "post" { 201 } else { 200 }), "{method} {path}: {:?}", answers.keys());
        if method != "get" {
            assert!(item[method]["requestBody"].is_object(), "{method} {path} has a body");
            for status in [400, 413, 415] {
                assert!(has(status), "{method} {path} does not describe {status}: {:?}", answers.keys());
            }
        }
        if path.contains('{') && !route.starts_with("/currencies") && !route.contains("by-correlation") {
            assert!(has(404), "{method} {path} does not describe 404");
        }
        if route.starts_with("/transactions/") && method == "post" {
            assert!(has(404) && has(409), "{path}: {:?}", answers.keys());
        }
    }
    let mut targets = Vec::new();
    references(&docs, &mut targets);
    for target in targets {
        let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} is elsewhere"));
        assert!(docs.pointer(pointer).is_some(), "{target} points nowhere");
    }
}

/// Values of `src` and `href`, and of `url(...)`, in a page.
fn loaded(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (mark, ends) in
        [("src=\"", "\""), ("href=\"", "\""), ("src='", "'"), ("href='", "'"), ("url(", ")"), ("@import \"", "\"")]
    {
        found.extend(
            page.split(mark)
                .skip(1)
                .filter_map(|rest| rest.split_once(ends))
                .map(|(target, _)| target.trim_matches(['"', '\'']).to_owned()),
        );
    }
    found.retain(|target| !target.starts_with("data:") && !target.starts_with('#') && !target.is_empty());
    found
}

/// Mutation: a page that loads its script or its font from elsewhere.
async fn the_page_loads_nothing_from_elsewhere(world: &World) {
    let url = |target: &str| match target.strip_prefix("./") {
        _ if target.starts_with('/') => target.to_owned(),
        Some(rest) => format!("/api/docs/{rest}"),
        None => format!("/api/docs/{target}"),
    };
    let page = world.send(world.request(Method::GET, "/api/docs")).await;
    assert!(page.status == 200 && page.content_type.starts_with("text/html"), "{page:?}");
    let mut wanted: Vec<String> = loaded(&page.text);
    let mut seen = Vec::new();
    let mut bytes = page.text.len();
    while let Some(target) = wanted.pop() {
        assert!(!target.starts_with("http") && !target.starts_with("//"), "{target} is loaded from elsewhere");
        let target = url(target.split(['?', '#']).next().unwrap());
        if seen.contains(&target) {
            continue;
        }
        let part = world.get(&target).await;
        assert_eq!(part.status, 200, "{target}");
        if part.content_type.starts_with("text/css") {
            wanted.extend(loaded(&part.text));
        }
        bytes += part.text.len();
        seen.push(target);
    }
    assert!(bytes > 20_000, "{bytes} bytes are no interactive page: {seen:?}");
}

async fn health_is_told_at_both_addresses(world: &World) {
    for path in ["/health", "/api/v1/health"] {
        let body = world.get(path).await.ok(200);
        assert_eq!(body["status"], "healthy", "{body}");
    }
}

/// Mutations: an id that is made although one was given; one of a caller's that breaks the answer's head; none on a
/// refusal.
async fn a_correlation_id_is_taken_over_or_made_and_carried_everywhere(world: &World) {
    let (ada, bob) = (world.user("10").await, world.user("0").await);
    let longest = "x".repeat(128);
    for given in ["order-7", "0190cafe-0000-7000-8000-000000000000", "a.b:c/d=e~f", "<id>", longest.as_str()] {
        let posted = world
            .send(
                world
                    .request(Method::POST, "transactions/payment")
                    .header(CORRELATION, given)
                    .json(&payment(&ada, &bob, "1")),
            )
            .await;
        assert_eq!(posted.correlation, given);
        let read = world.transaction(&text(&posted.ok(201)["transactionId"])).await;
        assert_eq!(read["correlationId"], given, "in the record");
        for (method, path, status) in [
            (Method::GET, format!("accounts/{ada}"), 200),
            (Method::GET, format!("accounts/{}", key()), 404),
            (Method::GET, "nothing".into(), 404),
            (Method::DELETE, "accounts".into(), 405),
            (Method::GET, "transactions?limit=0".into(), 400),
        ] {
            let answer = world.send(world.request(method, &path).header(CORRELATION, given)).await;
            assert_eq!((answer.status, answer.correlation.as_str()), (status, given), "{path}");
        }
    }
    let too_long = "x".repeat(129);
    let mut made = std::collections::HashSet::new();
    for given in [None, Some(""), Some("two words"), Some("\t"), Some(too_long.as_str())] {
        let request = world.request(Method::POST, "transactions/transfer").json(&movement(&ada, &bob, "0.5"));
        let answer =
            world.send(given.into_iter().fold(request, |request, given| request.header(CORRELATION, given))).await;
        assert!(is_uuid(&json!(answer.correlation)), "{given:?}: {}", answer.correlation);
        let own = answer.correlation.clone();
        let read = world.transaction(&text(&answer.ok(201)["debitTransactionId"])).await;
        assert_eq!(read["correlationId"], own, "the one that was made is in the record too");
        made.insert(own);
    }
    assert_eq!(made.len(), 5);
}

/// Mutation: the framework's own 404 and 405, without a body (the client checks the body of every refusal).
async fn routes_and_methods_that_are_not_there(world: &World) {
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v2/accounts",
        "nothing",
        "accounts/a/b/c",
        "transactions/topup/x",
        "/accounts",
        "/API/V1/accounts",
        "/.env",
        "/api/v1//accounts",
    ] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    for (method, path) in [
        (Method::DELETE, "accounts"),
        (Method::PUT, "accounts"),
        (Method::DELETE, "accounts/x"),
        (Method::PUT, "accounts/x/status"),
        (Method::POST, "accounts/x/balance"),
        (Method::PUT, "transactions/topup"),
        (Method::DELETE, "transactions/x"),
        (Method::POST, "currencies"),
        (Method::PATCH, "sagas/x"),
        (Method::POST, "/health"),
    ] {
        assert_eq!(world.send(world.request(method.clone(), path)).await.status, 405, "{method} {path}");
    }
    for method in ["TRACE", "PROPFIND", "CONNECTX"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = world.send(world.request(method.clone(), "accounts")).await;
        assert!(answer.status == 405 || answer.status == 404, "{method}: {}", answer.status);
    }
}

/// Mutations: a contract that answers with the other's code; a field of the error body that is left out.
async fn both_contracts_refuse_with_one_body(world: &World) {
    let refused = async |path: &str| shown(&world.get(path).await.body, &[]);
    insta::assert_json_snapshot!(refused("/api/v1/accounts/nobody").await, @r#"
    {
      "code": "ACCOUNT_NOT_FOUND",
      "correlationId": "[id]",
      "error": "Not Found",
      "message": "Account not found: nobody",
      "path": "/api/v1/accounts/nobody",
      "statusCode": 404,
      "timestamp": "[time]"
    }
    "#);
    insta::assert_json_snapshot!(refused("/v1/accounts/nobody").await, @r#"
    {
      "code": "ACCOUNT_NOT_FOUND",
      "correlationId": "[id]",
      "error": "Not Found",
      "message": "Account not found: nobody",
      "path": "/v1/accounts/nobody",
      "statusCode": 404,
      "timestamp": "[time]"
    }
    "#);
}
