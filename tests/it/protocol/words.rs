//! The words of events, held against those of the Florin in which each request wrote its event's text itself.
//!
//! `words_before.json` is what that one said: the request of each step, and the events that it made, with names in the
//! place of ids and times. The same steps are done here. What is said must be the same, letter by letter, but for what
//! was mended on purpose; each mending is a rule below.

use florin::protocol::events::{EventType, Stream};
use florin::protocol::live::LiveEvent;
use florin_wire::payment_v1::AuthorizePaymentRequest;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tonic::transport::Channel;
use ulid::Ulid;
use uuid::Uuid;

use crate::actors::outbox::schemas;
use crate::gateway::rest::client::{CORRELATION, Rest};
use crate::harness::provider::{How, SECRET, Simulator};
use crate::harness::served::Served;
use crate::harness::until;

/// A request, and what was said of it.
#[derive(Deserialize)]
struct Step {
    step: String,
    /// Method and path over REST, or `payment.v1`.
    call: String,
    /// What REST answered.
    status: Option<u16>,
    body: Value,
    /// Texts as they were, but for the names.
    events: Vec<Box<RawValue>>,
}

/// Names and what they stand for: `<uuid:step>` and `<ulid:step>` are the id that a step was answered with,
/// `<uuid:step, event 2>` the transaction of its second event.
#[derive(Default)]
struct Names(Vec<(String, String)>);

impl Names {
    /// Names an id that has no name yet.
    fn give(&mut self, name: &str, id: Uuid) {
        let text = id.to_string();
        if self.0.iter().all(|(_, known)| *known != text) {
            self.0.push((format!("<uuid:{name}>"), text));
            self.0.push((format!("<ulid:{name}>"), Ulid(id.as_u128()).to_string()));
        }
    }

    /// A text with ids in the place of names.
    fn filled(&self, text: &str) -> String {
        let soon = (chrono::Utc::now() + chrono::TimeDelta::seconds(1)).to_rfc3339();
        self.0.iter().fold(text.replace("<soon>", &soon), |text, (name, id)| text.replace(name, id))
    }

    /// An event with names in the place of ids and times. It is one that its schema knows, under its aggregate's key.
    fn told(&mut self, name: &str, event: &LiveEvent) -> String {
        if !event.transaction.0.is_nil() {
            self.give(name, event.transaction.0);
        }
        let body: Value = serde_json::from_str(&event.body).unwrap();
        schemas::check(&body);
        assert_eq!((&*event.tenant, Some(&*event.key)), ("default", body["aggregate_id"].as_str()), "{body}");
        let text = self.0.iter().fold(event.body.to_string(), |text, (name, id)| text.replace(id, name));
        [
            ("event_id", &body["event_id"], "<ulid:event>"),
            ("timestamp", &body["timestamp"], "<time>"),
            ("expires_at", &body["payload"]["expires_at"], "<time>"),
        ]
        .into_iter()
        .fold(text, |text, (field, own, shown)| {
            text.replace(&format!("\"{field}\":{own}"), &format!("\"{field}\":\"{shown}\""))
        })
    }
}

/// What was said before, as it is said now.
fn mended(step: &Step, before: &str) -> String {
    captures_name_their_hold(step, &our_aggregates_are_uuids(before))
}

/// Our own events spell their aggregate, which is the message key, as florin.v1 spells it: by UUID. Payments stay with
/// the ULID of payment.v1.
fn our_aggregates_are_uuids(text: &str) -> String {
    if text.contains(r#""aggregate_type":"Payment""#) {
        return text.to_owned();
    }
    text.replacen(r#""aggregate_id":"<ulid:"#, r#""aggregate_id":"<uuid:"#, 1)
}

/// A capture's event names its hold: the one in its path, or the payout itself.
fn captures_name_their_hold(step: &Step, text: &str) -> String {
    if !text.contains(r#""kind":"capture""#) {
        return text.to_owned();
    }
    let asked = step.call.strip_prefix("POST /v1/holds/").and_then(|rest| rest.strip_suffix("/capture"));
    let hold = asked.map_or_else(|| format!("<uuid:{}>", step.step), str::to_owned);
    let behind = if text.contains(r#","error_code":"#) { r#","error_code":"# } else { r#"},"timestamp":"# };
    text.replacen(behind, &format!(r#","hold_id":"{hold}"{behind}"#), 1)
}

struct World {
    served: Served,
    rest: Rest,
    payments: PaymentServiceClient<Channel>,
    provider: Simulator,
    names: Names,
    /// How many events were there before this step.
    told: usize,
}

impl World {
    async fn start() -> Self {
        let provider = Simulator::start().await;
        let url = provider.url();
        let settings = [
            ("PROVIDER_URL", url.as_str()),
            ("PROVIDER_SECRET", SECRET),
            ("PROVIDER_NAME", "bank"),
            ("SAGA_DELAY_MIN_MS", "10"),
            ("SAGA_DELAY_MAX_MS", "50"),
        ];
        let served = Served::with(&settings).await;
        let payments = PaymentServiceClient::connect(format!("http://{}", served.runtime.grpc)).await.unwrap();
        Self { rest: Rest::new(served.http), served, payments, provider, names: Names::default(), told: 0 }
    }

    /// Does a step, and names the id that it is answered with.
    async fn take(&mut self, step: &Step) {
        let body: Value = serde_json::from_str(&self.names.filled(&step.body.to_string())).unwrap();
        let correlation = format!("correlation-of-{}", step.step.replace(' ', "-"));
        if body["instrument"] == "refused" {
            self.provider.plan("payout", [How::Refuses]);
        }
        if step.call == "payment.v1" {
            let text = |field: &str| body[field].as_str().unwrap().to_owned();
            let mut request = tonic::Request::new(AuthorizePaymentRequest {
                idempotency_key: format!("key of {}", step.step),
                payer_account_id: text("payer_account_id"),
                payee_account_id: text("payee_account_id"),
                amount_cents: body["amount_cents"].as_i64().unwrap(),
                currency: text("currency"),
                description: text("description"),
            });
            request.metadata_mut().insert(CORRELATION, correlation.parse().unwrap());
            let payment = self.payments.authorize_payment(request).await.unwrap().into_inner().payment_id;
            if !payment.is_empty() {
                self.names.give(&step.step, Uuid::from_u128(Ulid::from_string(&payment).unwrap().0));
            }
            return;
        }
        let call = self.names.filled(&step.call);
        let (method, path) = call.split_once(' ').unwrap();
        let request = self
            .rest
            .request(Method::from_bytes(method.as_bytes()).unwrap(), path)
            .header(CORRELATION, correlation)
            .json(&body);
        let answer = self.rest.send(request).await;
        assert_eq!(Some(answer.status), step.status, "{}: {}", step.step, answer.text);
        let fields = ["id", "transactionId", "refundId", "debitTransactionId", "sagaId"];
        let said = answer.body.get("transaction").unwrap_or(&answer.body);
        if let Some(id) = fields.iter().find_map(|field| Uuid::parse_str(said[*field].as_str()?).ok()) {
            self.names.give(&step.step, id);
        }
    }

    /// Holds what is said of a step against what was said.
    async fn compare(&mut self, step: &Step) {
        let (database, before, all) = (&self.served.database, self.told, self.told + step.events.len());
        until(&format!("all events of {:?} are there", step.step), || async { database.events().await.len() >= all })
            .await;
        let events = database.events().await;
        for (n, (event, text)) in events[before..].iter().zip(&step.events).enumerate() {
            let name = format!("{}, event {}", step.step, n + 1);
            assert_eq!(
                self.names.told(&name, event),
                mended(step, text.get()),
                "{name}: what is said, and what was said"
            );
        }
        self.told = all;
    }

    /// Stops it; the books balance, at the provider too.
    async fn end(self) {
        drop((self.rest, self.payments)); // their connections would be waited for
        self.served.stop().await;
        self.provider.check();
    }
}

/// Mutations: a refusal without its metadata; a void that tells what was held at first, not what was left of it; an
/// amount with the decimals of another currency; a payment with its correlation id; an aggregate's ULID; a void that is
/// refused and names its hold like a capture.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_told_as_before_but_for_what_was_mended() {
    let steps: Vec<Step> = serde_json::from_str(include_str!("words_before.json")).unwrap();
    let mut world = World::start().await;
    for step in &steps {
        world.take(step).await;
        world.compare(step).await;
    }
    let events = world.served.database.events().await;
    assert_eq!(events.len(), world.told, "nothing more is said");
    // that Florin billed nothing
    for kind in EventType::ALL.into_iter().filter(|kind| kind.stream() != Stream::Invoices) {
        assert!(events.iter().any(|event| event.event == kind), "{} was not compared", kind.name());
    }
    world.end().await;
}
