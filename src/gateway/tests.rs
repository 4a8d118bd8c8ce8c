//! The routes without a ledger behind them: everything that is decided before a command exists.

mod access;
mod standby;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;

use super::accounts_v1::error::MANNERS;
use super::docs::openapi;
use super::http::browser::Hosts;
use super::http::middleware::{EveryCall, every_call};
use super::http::{App, AppParts};
use super::routes::{contracts, orders_router, router};
use crate::actors::housekeeping::Backpressure;
use crate::actors::node::Node;
use crate::admission::auth::{Access, Authenticator};
use crate::admission::limits::Limits;
use crate::money::{COMMON, Currency, CurrencyCode};
use crate::protocol::admission::InFlight;
use crate::settings::AuthSettings;
use crate::store::Database;
use crate::store::api_keys::{Scope, Scopes};
use crate::telemetry::http::HealthView;
use crate::teller::ledger::Ledger;
use crate::teller::ledger::LedgerParts;

fn app(authenticator: Authenticator) -> App {
    let currency =
        |(code, exponent): &(&str, u8)| Currency { code: CurrencyCode::parse(code).unwrap(), exponent: *exponent };
    let mut database = Database::new("postgres://nobody@127.0.0.1:1/none").unwrap();
    database.connect_timeout = Duration::from_millis(100); // nobody is there
    let ledger = Ledger::new(LedgerParts {
        node: Node::default(),
        pool: database.pool(1),
        in_flight: InFlight::new(10),
        backpressure: Backpressure::default(),
        account_share_max: 10,
        write_cutoff: Duration::from_secs(1),
        rate_age_max: Duration::from_secs(60),
        currencies: COMMON.iter().map(currency).collect(),
        billing: crate::teller::ledger::BillingDefaults::default(),
        papers: crate::teller::ledger::Papers::default(),
        provider: None,
        memory: crate::teller::ledger::Memory::default(),
    });
    App::new(AppParts {
        ledger,
        limits: Limits::default(),
        authenticator,
        health: HealthView::new(|| false, || Value::Null),
        customers: None,
        sagas_resolved_by_two: false,
        allow_origin: HeaderValue::from_static("*"),
        hosts: Hosts::new([], true),
    })
}

struct Said {
    status: u16,
    headers: HeaderMap,
    text: String,
    body: Value,
}

async fn send(router: &Router, request: Request<Body>) -> Said {
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = String::from_utf8(to_bytes(response.into_body(), 20 << 20).await.unwrap().to_vec()).unwrap();
    Said { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text }
}

async fn call(router: &Router, method: &str, path: &str, body: &str) -> Said {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    send(router, request.body(Body::from(body.to_owned())).unwrap()).await
}

fn open() -> Router {
    router(app(Authenticator::open()))
}

const KEY: &str = "0192f0c1-7b7a-7000-8000-000000000001";

fn topup(amount: &Value) -> String {
    json!({ "idempotencyKey": KEY, "sourceAccountId": "a", "destinationAccountId": "b", "amount": amount, "currency": "USD" }).to_string()
}

#[tokio::test]
async fn errors_have_one_shape_and_carry_the_correlation_id() {
    let router = open();
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", "/api/v1/nowhere", 404, "NOT_FOUND"),
        ("DELETE", "/api/v1/accounts", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/api/v1/transactions/topup", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v1/transactions/no-uuid", 404, "TRANSACTION_NOT_FOUND"),
        ("GET", "/api/v1/transactions/'%20OR%201=1--", 404, "TRANSACTION_NOT_FOUND"),
        ("GET", "/api/v1/transactions/%ff", 404, "TRANSACTION_NOT_FOUND"),
        ("GET", "/api/v1/sagas/x", 404, "TRANSACTION_NOT_FOUND"),
        ("GET", "/api/v1/accounts/%00", 404, "ACCOUNT_NOT_FOUND"),
        ("GET", "/api/v1/accounts", 400, "VALIDATION_FAILED"),
        ("GET", "/api/v1/transactions?limit=0", 400, "VALIDATION_FAILED"),
        ("GET", "/api/v1/transactions?offset=10001", 400, "VALIDATION_FAILED"),
        ("GET", "/api/v1/transactions?pageToken=x", 400, "VALIDATION_FAILED"),
        ("GET", "/api/v1/transactions?status=done", 400, "VALIDATION_FAILED"),
        ("GET", "/api/v1/sagas?limit=1001", 400, "VALIDATION_FAILED"),
        ("GET", "/api/v1/accounts/a", 503, "STANDBY"),
        ("GET", "/api/v1/accounts/a/balance", 503, "STANDBY"),
        ("GET", "/api/v1/currencies", 503, "STANDBY"),
    ] {
        let request =
            Request::builder().method(method).uri(path).header("x-correlation-id", "c-1").body(Body::empty()).unwrap();
        let said = send(&router, request).await;
        assert_eq!((said.status, said.body["code"].as_str()), (status, Some(code)), "{method} {path}: {}", said.text);
        let fields: BTreeSet<&str> = said.body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            BTreeSet::from(["statusCode", "error", "code", "message", "timestamp", "path", "correlationId"]),
            "{path}"
        );
        assert_eq!(
            (said.headers["x-correlation-id"].to_str().unwrap(), &said.body["correlationId"]),
            ("c-1", &json!("c-1")),
            "{path}"
        );
        assert_eq!(said.headers["content-type"], "application/json");
        assert_eq!(said.headers.contains_key("allow"), status == 405, "{path}");
        assert_eq!(said.headers.contains_key("retry-after"), status == 503, "{path}");
    }
    let said = call(&router, "GET", "/api/v1/transactions?offset=10001", "").await;
    assert!(said.text.contains("pageToken"), "{}", said.text);
    let made = said.headers["x-correlation-id"].to_str().unwrap().to_owned();
    assert_eq!(said.body["correlationId"], json!(made));
    assert_eq!(uuid::Uuid::parse_str(&made).unwrap().get_version_num(), 7);
    let long = call(&router, "GET", &format!("/api/v1/accounts/{}", "x".repeat(9_000)), "").await;
    assert_eq!((long.status, long.text.len() < 1_500), (414, true));
    let long = call(&router, "GET", &format!("/api/v1/accounts/{}", "x".repeat(1_000)), "").await;
    assert_eq!(
        (long.status, &long.body["message"]),
        (404, &json!(format!("Account not found: {}...", "x".repeat(40))))
    );
}

#[tokio::test]
async fn bodies_are_read_strictly_and_all_faults_are_told() {
    let router = open();
    let good = topup(&json!("10.50"));
    let unknown = good.replacen('{', "{\"zzz\":1,", 1);
    let twice = good.replacen('{', "{\"amount\":\"1\",", 1);
    let deep = format!("{{\"amount\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for (body, status, told) in [
        (good.as_str(), 503, "stands by"),
        (&topup(&json!(10.5)), 503, "stands by"),
        (&unknown, 400, "property zzz should not exist"),
        (&twice, 400, "property amount is given more than once"),
        (&deep, 400, "32 levels"),
        ("{", 400, "not valid JSON"),
        ("[]", 400, "must be a JSON object"),
        ("", 400, "idempotencyKey must be a UUID"),
        (&topup(&json!("10.555")), 400, "more than the 2 decimals of USD"),
        (&topup(&json!("9".repeat(40))), 400, "28 digits"),
        (&topup(&json!("10.50")).replace("USD", "XYZ"), 503, "stands by"), // accounts would be looked up before
    ] {
        let said = call(&router, "POST", "/api/v1/transactions/topup", body).await;
        assert!(said.status == status && said.text.contains(told), "{:.80}: {}", body, said.text);
    }
    for amount in [
        json!("0"),
        json!("-5"),
        json!("abc"),
        json!(""),
        json!(" 5"),
        json!(0),
        json!(-1),
        json!(1e30),
        json!(null),
        json!([]),
    ] {
        let said = call(&router, "POST", "/api/v1/transactions/topup", &topup(&amount)).await;
        let told = json!(["amount must be a positive decimal amount (e.g., \"10.50\")"]);
        assert_eq!((said.status, &said.body["message"]), (400, &told), "{amount}");
    }
    let said =
        call(&router, "POST", "/api/v1/transactions/refund", r#"{"originalTransactionId":"x","amount":1}"#).await;
    assert_eq!((said.status, said.body["message"].as_array().unwrap().len()), (400, 5), "{}", said.text);
    let said =
        call(&router, "POST", "/api/v1/accounts", r#"{"ownerId":"o","ownerType":"user","currency":"xxx"}"#).await;
    assert_eq!((said.status, &said.body["message"]), (400, &json!("Invalid currency: xxx")));
    let said =
        call(&router, "POST", "/api/v1/accounts", r#"{"ownerId":"o","ownerType":"user","currency":"XXX"}"#).await;
    assert_eq!(said.status, 503, "another node may have made it");
    let said = call(&router, "PATCH", "/api/v1/accounts/a/status", r#"{"status":"gone"}"#).await;
    assert_eq!(said.body["message"], json!(["status must be one of the following values: active, suspended, closed"]));
    let plain = Request::builder()
        .method("POST")
        .uri("/api/v1/transactions/topup")
        .header("content-type", "text/plain")
        .body(Body::from(good))
        .unwrap();
    assert_eq!(send(&router, plain).await.status, 415);
    assert_eq!(call(&router, "POST", "/api/v1/transactions/topup", &" ".repeat(10 << 20)).await.status, 413);
}

#[tokio::test]
async fn what_is_described_is_what_is_read() {
    let (router, description) = (open(), serde_json::to_value(openapi()).unwrap());
    for (method, path, name) in [
        ("POST", "/api/v1/accounts", "CreateAccountRequest"),
        ("PATCH", "/api/v1/accounts/a/status", "StatusRequest"),
        ("POST", "/v1/payouts", "ProviderRequest"),
        ("POST", "/v1/card-topups", "ProviderRequest"),
        ("POST", "/v1/sagas/x/retry", "RetryRequest"),
        ("POST", "/v1/sagas/x/resolve", "ResolveRequest"),
        ("POST", "/api/v1/transactions/topup", "MovementRequest"),
        ("POST", "/api/v1/transactions/withdraw", "MovementRequest"),
        ("POST", "/api/v1/transactions/transfer", "MovementRequest"),
        ("POST", "/api/v1/transactions/payment", "PaymentRequest"),
        ("POST", "/api/v1/transactions/refund", "RefundRequest"),
        ("POST", "/v1/holds", "HoldRequest"),
        ("POST", "/v1/holds/x/capture", "CaptureRequest"),
        ("POST", "/v1/holds/x/void", "VoidRequest"),
        ("PATCH", "/v1/accounts/a/limits", "LimitsRequest"),
        ("PATCH", "/v1/accounts/a/status", "NativeStatusRequest"),
        ("POST", "/v1/transactions", "TransactionRequest"),
    ] {
        let schema = &description["components"]["schemas"][name];
        let told = async |body: Value| -> Vec<String> {
            let said = call(&router, method, path, &body.to_string()).await;
            assert_eq!(said.status, 400, "{path}: {}", said.text);
            serde_json::from_value(said.body["message"].clone()).unwrap()
        };
        let fields: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let wrong: serde_json::Map<String, Value> =
            fields.iter().map(|field| ((*field).to_owned(), json!([]))).collect();
        let faults = told(Value::Object(wrong)).await;
        let named: BTreeSet<&str> = faults.iter().filter_map(|fault| fault.split(' ').next()).collect();
        assert_eq!(named, fields, "{path}: {faults:?}");
        let Some(required) = schema["required"].as_array() else { continue }; // nothing must be there
        let required: BTreeSet<&str> = required.iter().filter_map(Value::as_str).collect();
        let faults = told(json!({})).await;
        let named: BTreeSet<&str> = faults.iter().filter_map(|fault| fault.split(' ').next()).collect();
        assert_eq!(named, required, "{path}: {faults:?}");
    }
}

#[tokio::test]
async fn every_route_asks_for_credentials_but_those_that_are_open() {
    let keys = AuthSettings {
        api_keys: false,
        client_certificates: true,
        cache: Duration::ZERO,
        allow_unauthenticated: false,
    };
    let router = router(app(Authenticator::new(&keys, None)));
    let lines: Vec<_> = contracts().iter().flat_map(|(routes, _)| routes.lines().to_vec()).collect();
    assert!(lines.len() > 60, "{lines:?}");
    let open: Vec<_> =
        lines.iter().filter(|(_, access)| *access == Access::Open).map(|(line, _)| line.as_str()).collect();
    let expected = [
        "/api/v1/health",
        "/health",
        "/api/docs",
        "/api/docs/",
        "/api/docs/{*rest}",
        "/api/docs-json",
        "/healthz",
        "/docs",
        "/docs/",
        "/docs/{*rest}",
        "/redoc",
        "/openapi.json",
    ]
    .map(|path| format!("GET {path}"));
    assert_eq!(open, expected, "nothing else is open");
    let reads = |access| {
        let (Access::Needs(scope) | Access::NeedsByAccount(scope)) = access else { return false };
        Scopes::from_iter([Scope::Read]).contains(scope)
    };
    for (line, access) in &lines {
        assert!(line.starts_with("GET ") || !reads(*access), "{line} changes something: to read is not enough");
        let is_admins = line.contains("/admin/") || line.contains("/operator-actions");
        assert!(!is_admins || *access == Access::Needs(Scope::Operators), "{line} is for operators");
    }
    for (line, access) in &lines {
        let (method, path) = line.split_once(' ').unwrap();
        let path = path.replace("{id}", KEY).replace("{code}", "USD").replace("{*rest}", "index.html");
        let said = call(&router, method, &path, "{}").await;
        assert_eq!(said.status == 401, *access != Access::Open, "{line}: {}", said.status);
        assert!(said.status != 404 && said.status != 405, "{line} is no route");
    }
    assert_eq!(call(&router, "DELETE", "/api/v1/accounts", "").await.status, 401, "what is not listed is locked");
    assert_eq!(call(&router, "GET", "/nowhere", "").await.status, 404);
    let shown =
        Request::builder().uri("/api/v1/accounts").extension(crate::admission::tls::PeerCertificate::unjudged(b"der"));
    assert_eq!(send(&router, shown.body(Body::empty()).unwrap()).await.status, 400, "a certificate opens it");
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let router = open();
    let page = call(&router, "GET", "/api/docs/", "").await;
    assert_eq!(page.status, 200);
    let initializer = call(&router, "GET", "/api/docs/swagger-initializer.js", "").await;
    assert!(
        initializer.text.contains("/api/docs-json") && initializer.text.contains("validatorUrl"),
        "{}",
        initializer.text
    );
    for text in [&page.text, &initializer.text] {
        for part in ["src=\"", "href=\"", "url(\""] {
            for rest in text.split(part).skip(1) {
                assert!(!rest.starts_with("http") && !rest.starts_with("//"), "{part}{:.60}", rest);
            }
        }
    }
    let description = call(&router, "GET", "/api/docs-json", "").await;
    assert_eq!((description.status, &description.body["openapi"]), (200, &json!("3.1.0")));
    assert_eq!(call(&router, "GET", "/api/docs", "").await.status, 303);
}

#[tokio::test]
async fn health_is_that_of_the_metrics_port() {
    for path in ["/health", "/api/v1/health"] {
        let said = call(&open(), "GET", path, "").await;
        assert_eq!((said.status, said.body), (503, json!({ "status": "unhealthy" })));
    }
}

#[tokio::test]
async fn the_orders_contract_has_its_own_words_for_health_and_errors() {
    let router = orders_router(app(Authenticator::open()));
    let too_long = format!("/{}", "x".repeat(9_000));
    for (method, path, status, body) in [
        ("GET", "/healthz", 503, json!({ "ok": false })),
        ("PUT", "/healthz", 405, json!({ "detail": "Method Not Allowed" })),
        ("GET", "/nowhere", 404, json!({ "detail": "Not Found" })),
        ("GET", &too_long, 414, json!({ "detail": "path and query are longer than 8192 bytes, which is the limit" })),
    ] {
        let said = call(&router, method, path, "").await;
        assert_eq!((said.status, said.body), (status, body), "{method} {path:.20}");
    }
}

#[tokio::test]
async fn a_handler_that_panics_is_answered() {
    async fn panics() -> Response {
        panic!("a test's own")
    }
    let app = app(Authenticator::open());
    let router = Router::new()
        .route("/", get(panics))
        .layer(middleware::from_fn_with_state(
            EveryCall {
                app: app.clone(),
                manners: MANNERS,
                routes: Arc::default(),
                is_cross_origin: false,
                key_field: None,
            },
            every_call,
        ))
        .with_state(app);
    let said = call(&router, "GET", "/", "").await;
    assert_eq!((said.status, &said.body["code"]), (500, &json!("INTERNAL_ERROR")));
}
