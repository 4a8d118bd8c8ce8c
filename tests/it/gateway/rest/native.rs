//! Florin's own API under `/v1`: every call, its repeat, its refusals, and that gRPC and REST are one API.

mod access;
mod accounts;
mod exchanges;
mod holds;
mod keys;
mod returns;
mod rights;
mod transactions;

use serde_json::{Value, json};

use super::World;
use super::client::Answer;

/// A hold between two accounts.
fn hold(source: &str, destination: &str, amount: &str) -> Value {
    json!({ "sourceAccountId": source, "destinationAccountId": destination, "amount": amount, "currency": "USD" })
}

/// A transaction of these postings in US dollars: from, to, how much.
fn transaction(postings: &[(&str, &str, &str)]) -> Value {
    json!({ "postings": postings.iter().map(|(source, destination, amount)| hold(source, destination, amount)).collect::<Vec<_>>() })
}

impl World {
    /// Starts with `ann`, who has 100 dollars, and `shop`, which has none.
    async fn native() -> Self {
        let world = Self::start().await;
        world.served.database.account("ann", 100_00).await;
        world.served.database.account("shop", 0).await;
        world
    }

    /// The id of a new hold of ann's money for the shop.
    async fn held(&self, amount: &str) -> String {
        super::text(&self.post("/v1/holds", &hold("ann", "shop", amount)).await.ok(201)["hold"]["id"])
    }

    async fn step(&self, hold: &str, what: &str, body: Value) -> Answer {
        self.post(&format!("/v1/holds/{hold}/{what}"), &body).await
    }

    async fn account(&self, id: &str) -> Value {
        self.get(&format!("/v1/accounts/{id}")).await.ok(200)
    }

    /// Balance, held, available.
    async fn money(&self, id: &str) -> [String; 3] {
        let account = self.account(id).await;
        ["balance", "held", "available"].map(|field| super::text(&account[field]))
    }

    async fn grpc(&self) -> florin_wire::florin_v1::ledger_client::LedgerClient<tonic::transport::Channel> {
        let address = format!("http://{}", self.served.runtime.grpc);
        florin_wire::florin_v1::ledger_client::LedgerClient::connect(address).await.unwrap()
    }

    /// Each of these bodies is refused with 400 and a line that names all the words.
    async fn each_is_bad(&self, method: reqwest::Method, path: &str, table: &[(Value, &[&str])]) {
        for (body, words) in table {
            let answer = self.send(self.request(method.clone(), path).json(body)).await;
            assert_eq!(answer.status, 400, "{body}: {}", answer.text);
            answer.refused_naming(400, "INVALID_ARGUMENT", words);
        }
    }

    /// Walks all pages of a list; what each item says under this name.
    async fn walk(&self, path: &str, name: &str) -> Vec<String> {
        let (mut found, mut token) = (Vec::new(), String::new());
        for _ in 0..1_000 {
            let page = self.get(&format!("{path}{token}")).await.ok(200);
            found.extend(page["items"].as_array().unwrap().iter().map(|item| super::text(&item[name])));
            let Some(next) = page["nextPageToken"].as_str() else { return found };
            token = format!("&pageToken={next}");
        }
        panic!("{path} does not end");
    }
}
