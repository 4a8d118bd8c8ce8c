//! The accounts REST API, row by row, as its clients see them: HTTP and JSON against a whole Florin.

mod accounts;
mod admin;
mod bad_input;
mod bodies;
mod browser;
pub mod client;
mod currencies;
mod flow;
mod limits;
mod lists;
mod live;
mod movements;
mod native;
mod operators;
mod random;
mod refunds;
mod refusals;
mod sagas;
mod service;
pub mod shown;

use std::ops::Deref;

use serde_json::{Value, json};

use self::client::{Rest, stored};
use crate::harness::served::Served;

/// The statuses after which a client stops asking.
const ENDED: [&str; 3] = ["completed", "failed", "cancelled"];

/// A Florin, a client of it, and money to begin with.
pub struct World {
    served: Served,
    rest: Rest,
    /// Where US dollars come from: an external account.
    pub bank: String,
}

impl Deref for World {
    type Target = Rest;

    fn deref(&self) -> &Rest {
        &self.rest
    }
}

impl World {
    pub async fn start() -> Self {
        Self::of(Served::start().await).await
    }

    /// Of a Florin that runs already.
    pub async fn of(served: Served) -> Self {
        let rest = Rest::new(served.http);
        let mut world = Self { served, rest, bank: String::new() };
        world.bank = world.external("USD").await;
        world
    }

    /// Opens an account with these fields on top of a user's in US dollars; its id.
    pub async fn open(&self, fields: Value) -> String {
        let mut body = json!({ "ownerId": "somebody", "ownerType": "user", "currency": "USD" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        text(&self.post("accounts", &body).await.ok(201)["id"])
    }

    pub async fn external(&self, currency: &str) -> String {
        self.open(json!({ "accountType": "external", "currency": currency })).await
    }

    /// Opens a user's account with this much in it.
    pub async fn user(&self, balance: &str) -> String {
        self.user_with(balance, json!({})).await
    }

    pub async fn user_with(&self, balance: &str, fields: Value) -> String {
        let id = self.open(fields).await;
        if balance != "0" {
            self.post("transactions/topup", &movement(&self.bank, &id, balance)).await.ok(201);
            assert_eq!(self.balance(&id).await, stored(balance));
        }
        id
    }

    /// A payment, made; its id.
    pub async fn pay(&self, customer: &str, merchant: &str, amount: &str) -> String {
        text(&self.post("transactions/payment", &payment(customer, merchant, amount)).await.ok(201)["transactionId"])
    }

    pub async fn balance(&self, id: &str) -> String {
        text(&self.get(&format!("accounts/{id}/balance")).await.ok(200)["balance"])
    }

    /// The transaction as it reads back.
    pub async fn transaction(&self, id: &str) -> Value {
        self.get(&format!("transactions/{id}")).await.ok(200)
    }

    /// Asks for the saga until it has ended, as clients of the accounts REST API do.
    pub async fn ended(&self, id: &str) -> Value {
        let path = format!("sagas/{id}");
        crate::harness::until(&format!("saga {id} has ended"), async || {
            let status = self.get(&path).await.ok(200)["status"].clone();
            ENDED.iter().any(|ended| status == *ended)
        })
        .await;
        self.get(&path).await.ok(200)
    }

    /// These balances, and no others.
    #[track_caller]
    pub fn balances<'a>(&'a self, expected: &'a [(&'a str, &'a str)]) -> impl Future<Output = ()> + 'a {
        let at = std::panic::Location::caller();
        async move {
            for (n, (id, balance)) in expected.iter().enumerate() {
                assert_eq!(self.balance(id).await, stored(balance), "account {n} ({id}), asked for at {at}");
            }
        }
    }

    /// Stops it; the books balance.
    pub async fn end(self) {
        drop(self.rest); // its connections would be waited for
        self.served.stop().await;
    }
}

/// A top-up, withdrawal or transfer in US dollars with a key of its own.
pub fn movement(source: &str, destination: &str, amount: &str) -> Value {
    movement_in("USD", source, destination, amount)
}

pub fn movement_in(currency: &str, source: &str, destination: &str, amount: &str) -> Value {
    json!({
        "idempotencyKey": key(), "sourceAccountId": source, "destinationAccountId": destination, "amount": amount, "currency": currency
    })
}

/// A payment without a key.
pub fn payment(customer: &str, merchant: &str, amount: &str) -> Value {
    json!({ "customerAccountId": customer, "merchantAccountId": merchant, "amount": amount, "currency": "USD" })
}

/// A refund without a key.
pub fn refund(payment: &str, amount: &str) -> Value {
    json!({ "originalPaymentId": payment, "refundAmount": amount, "currency": "USD" })
}

/// A fresh idempotency key.
pub fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The same object with these fields on top; null takes a field away.
pub fn with(base: &Value, fields: Value) -> Value {
    let mut object = base.as_object().unwrap().clone();
    for (name, value) in fields.as_object().unwrap() {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    Value::Object(object)
}

#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// All of these fields are there.
#[track_caller]
pub fn has(body: &Value, fields: &str) {
    for field in fields.split_whitespace() {
        assert!(body.get(field).is_some(), "no {field} in {body}");
    }
}
