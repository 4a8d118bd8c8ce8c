//! The REST calls of the orders contract, on the listener of all and on one of their own.

use std::net::SocketAddr;

use reqwest::{Client, Method, redirect};
use serde_json::{Value, json};

use crate::harness::served::Served;

struct Site {
    base: String,
    http: Client,
}

impl Site {
    fn at(address: SocketAddr) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default(); // another test was first
        let http = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { base: format!("http://{address}"), http }
    }

    /// Status, kind of content, where it redirects to, and the body, as JSON if it is some.
    async fn ask(&self, method: Method, path: &str) -> Value {
        let answer = self.http.request(method, format!("{}{path}", self.base)).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, kind, location) = (answer.status().as_u16(), header("content-type"), header("location"));
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text));
        json!({ "status": status, "type": kind, "location": location, "body": body })
    }

    /// The answers without their kind of content, which is JSON, one to a line.
    async fn told(&self, asked: &[(Method, &str)]) -> String {
        let mut lines = Vec::new();
        for (method, path) in asked {
            let answer = self.ask(method.clone(), path).await;
            assert_eq!(answer["type"], "application/json", "{method} {path}: {answer}");
            lines.push(format!("{method} {path}: {} {}", answer["status"], answer["body"]));
        }
        lines.join("\n")
    }

    async fn page(&self) {
        for path in ["/docs", "/docs/"] {
            let page = self.ask(Method::GET, path).await;
            let text = page["body"].as_str().unwrap_or_default();
            assert!(text.contains("swagger-ui") && text.contains(r#"<base href="/docs/">"#), "{page}");
        }
        let set_up = self.ask(Method::GET, "/docs/swagger-initializer.js").await;
        assert!(set_up["body"].as_str().is_some_and(|text| text.contains("/openapi.json")), "{set_up}");
        let written_out = self.ask(Method::GET, "/redoc").await;
        let text = written_out["body"].as_str().unwrap_or_default();
        assert!(written_out["status"] == 200 && text.contains("fetch('/openapi.json')"), "{written_out}");
        assert!(
            !text.contains("http:") && !text.contains("https:") && !text.contains("//cdn"),
            "nothing is elsewhere's"
        );
        let description = self.ask(Method::GET, "/openapi.json").await["body"].clone();
        let paths: Vec<_> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((description["openapi"].as_str(), paths), (Some("3.1.0"), vec!["/exports/daily", "/healthz"]));
    }
}

// Fails when a further port lacks a contract, or when what is not there is answered in one manner everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn each_port_has_all_contracts_and_its_own_words_for_what_is_not_there() {
    let port = florin_servers::ports::free().unwrap();
    let third = florin_servers::ports::free().unwrap();
    let ports = [("LEDGER_API_HTTP_PORT", &*port.to_string()), ("HTTP_MORE_PORTS", &*third.to_string())];
    let served = Served::with(&ports).await;
    let own = served.runtime.orders_http.expect("it has a listener of its own");
    assert_eq!(own.port(), port);
    let (all, own, third) = (Site::at(served.http), Site::at(own), Site::at(([127, 0, 0, 1], third).into()));
    let asked = [
        (Method::GET, "/healthz"),
        (Method::POST, "/healthz"),
        (Method::DELETE, "/openapi.json"),
        (Method::GET, "/nowhere"),
    ];
    insta::assert_snapshot!(own.told(&asked).await, @r#"
    GET /healthz: 200 {"ok":true}
    POST /healthz: 405 {"detail":"Method Not Allowed"}
    DELETE /openapi.json: 405 {"detail":"Method Not Allowed"}
    GET /nowhere: 404 {"detail":"Not Found"}
    "#);
    insta::assert_snapshot!(all.told(&asked[..3]).await, @r#"
    GET /healthz: 200 {"ok":true}
    POST /healthz: 405 {"detail":"Method Not Allowed"}
    DELETE /openapi.json: 405 {"detail":"Method Not Allowed"}
    "#);
    let nowhere = all.ask(Method::GET, "/nowhere").await;
    assert_eq!((&nowhere["status"], &nowhere["body"]["code"]), (&json!(404), &json!("NOT_FOUND")), "{nowhere}");
    for site in [&all, &own, &third] {
        site.page().await;
        let registered = site.ask(Method::POST, "/api/v1/user/register").await;
        assert_eq!(registered["body"]["message"], "Nody request body was passed", "{registered}");
        assert_eq!(site.ask(Method::GET, "/v1/invoices").await["status"], 200);
    }
    drop((all, own, third)); // their connections would be waited for
    served.stop().await;
}

// Fails when the listener of its own is there though nobody asked for it.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_port_there_is_no_listener_of_its_own() {
    let served = Served::start().await;
    assert_eq!(served.runtime.orders_http, None);
    served.stop().await;
}
