//! Billing of one tenant is none of another's: whatever is named by its id is not there for them.

use florin::store::api_keys::{self, Scope, Scopes};
use reqwest::Method;
use serde_json::{Value, json};

use super::draft;
use crate::gateway::rest::client::{Answer, Rest};
use crate::gateway::rest::text;
use crate::harness::served::Served;

struct Caller {
    rest: Rest,
    key: String,
}

impl Caller {
    async fn of(served: &Served, tenant: &str) -> Self {
        let (_, key) = api_keys::create(&served.database.pool, tenant, Scopes::all(), "").await.unwrap();
        Self { rest: Rest::new(served.http), key }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.rest.request(method.clone(), path).bearer_auth(&self.key);
        self.rest.send(if method == Method::GET { request } else { request.json(body) }).await
    }
}

/// Fails when a use case reads or changes by id alone, or a list is of all tenants.
#[tokio::test(flavor = "multi_thread")]
async fn invoices_customers_and_payments_of_another_tenant_are_not_there() {
    let served = Served::with(&[("AUTH_API_KEYS", "true")]).await;
    let (own, other) = (Caller::of(&served, "default").await, Caller::of(&served, "shop").await);
    let nothing = json!({});
    let customer = json!({ "id": "c-1", "email": "ann@example.com", "firstName": "Ann" });
    own.send(Method::POST, "/v1/customers", &customer).await.ok(201);
    let drafted = async |price: &str| {
        let made = own.send(Method::POST, "/v1/invoices", &draft("c-1", price)).await.ok(201);
        text(&made["invoice"]["id"])
    };
    let (left, open) = (drafted("100").await, drafted("50").await);
    own.send(Method::POST, &format!("/v1/invoices/{open}/issue"), &nothing).await.ok(200);
    own.send(Method::POST, &format!("/v1/invoices/{open}/pay"), &json!({ "amount": "10" })).await.ok(200);
    let paid = json!({ "customerId": "c-1", "amount": "100", "currency": "USD" });
    own.send(Method::POST, "/v1/payments", &paid).await.ok(201); // more than is due: a credit
    let lines = json!({ "amount": "1", "reason": "late" });

    for (method, path, body) in [
        (Method::GET, format!("/v1/invoices/{open}"), &nothing),
        (Method::GET, format!("/v1/invoices/{open}/pdf"), &nothing),
        (Method::PUT, format!("/v1/invoices/{left}"), &draft("c-1", "1")),
        (Method::DELETE, format!("/v1/invoices/{left}"), &nothing),
        (Method::POST, format!("/v1/invoices/{left}/issue"), &nothing),
        (Method::POST, format!("/v1/invoices/{open}/pay"), &json!({ "amount": "1" })),
        (Method::POST, format!("/v1/invoices/{open}/void"), &json!({ "reason": "x" })),
        (Method::POST, format!("/v1/invoices/{open}/write-off"), &json!({ "reason": "x" })),
        (Method::POST, format!("/v1/invoices/{open}/mark-uncollectible"), &json!({ "reason": "x" })),
        (Method::POST, format!("/v1/invoices/{open}/credit"), &lines),
        (Method::GET, "/v1/customers/c-1".into(), &nothing),
        (Method::PATCH, "/v1/customers/c-1".into(), &json!({ "firstName": "Eve" })),
        (Method::POST, "/v1/customers/c-1/erase".into(), &json!({ "reason": "x" })),
    ] {
        let answer = other.send(method.clone(), &path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
    for path in ["/v1/invoices", "/v1/customers", "/v1/customers?email=ann@example.com", "/v1/payments"] {
        let page = other.send(Method::GET, path, &nothing).await.ok(200);
        assert_eq!(page["items"], json!([]), "{path}");
    }
    // The other tenant's customer of this id is another one, without a credit.
    let refund = json!({ "amount": "1", "currency": "USD", "reason": "x" });
    let answer = other.send(Method::POST, "/v1/customers/c-1/refund", &refund).await;
    assert!([400, 404].contains(&answer.status), "{}", answer.text);
    let paid = json!({ "customerId": "c-1", "amount": "1", "currency": "USD", "invoiceIds": [open] });
    other.send(Method::POST, "/v1/payments", &paid).await.refused_naming(404, "INVOICE_NOT_FOUND", &[]);

    // Mails ask for a mail server first; whoever may not see an invoice must not learn more than that.
    let sent = other.send(Method::POST, &format!("/v1/invoices/{open}/send"), &nothing).await;
    assert!(sent.status >= 400, "{}", sent.text);
    let kept = own.send(Method::GET, &format!("/v1/invoices/{open}"), &nothing).await.ok(200);
    assert_eq!((&kept["status"], &kept["due"]), (&json!("paid"), &json!("0.00")));
    let kept = own.send(Method::GET, "/v1/customers/c-1", &nothing).await.ok(200);
    assert_eq!(kept["firstName"], "Ann");
    drop((own, other));
    served.stop().await;
}

/// Fails when what is set up for one tenant is done for a caller of another.
#[tokio::test(flavor = "multi_thread")]
async fn exports_and_shops_are_for_callers_of_their_own_tenant() {
    let served = Served::with(&[("AUTH_API_KEYS", "true")]).await;
    let other = Caller::of(&served, "shop").await;
    let exported = other.rest.request(Method::GET, "/exports/daily").bearer_auth(&other.key).send().await.unwrap();
    assert_eq!(exported.status(), 403);
    assert!(exported.text().await.unwrap().contains("exports are of tenant default"));
    let (_, reader) =
        api_keys::create(&served.database.pool, "default", Scopes::from_iter([Scope::Balances]), "").await.unwrap();
    let refused = other.rest.request(Method::GET, "/exports/daily").bearer_auth(&reader).send().await.unwrap();
    assert!(refused.text().await.unwrap().contains("lacks the scope documents"));
    drop(other);
    served.stop().await;
}
