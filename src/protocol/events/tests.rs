use std::collections::BTreeMap;

use chrono::{TimeZone, Utc};
use serde_json::{Value, json};
use ulid::Ulid;

use super::*;
use crate::ledger::Status;
use crate::money::{Currency, CurrencyCode};

const ID: Ulid = Ulid(0x0192_2b3c_4d5e_7f60_8a9b_0c1d_2e3f_4a5b);

fn schema(name: &str) -> jsonschema::Validator {
    let path = format!("{}/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    jsonschema::draft202012::new(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn check(name: &str, body: &str) -> Value {
    let value: Value = serde_json::from_str(body).unwrap();
    let errors: Vec<_> = schema(name).iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{name}: {errors:?} in {body}");
    value
}

fn at() -> chrono::DateTime<Utc> {
    Utc.timestamp_opt(1_700_000_000, 120_000).unwrap()
}

fn authorized(amount_cents: i64) -> PaymentAuthorized<'static> {
    PaymentAuthorized {
        payment_id: "01HGW2N7EHJVJ4CJ888RRS2E97",
        payer_account_id: "acc-payer-001",
        payee_account_id: "acc-payee-002",
        amount_cents,
        currency: "USD",
        description: None,
    }
}

fn declined(payment_id: Option<&'static str>, amount_cents: i64) -> PaymentDeclined<'static> {
    PaymentDeclined {
        payment_id,
        payer_account_id: "acc-payer-001",
        payee_account_id: "nobody \"at\" all",
        amount_cents,
        currency: "usd?",
        error_code: "INVALID_AMOUNT",
        error_message: "Amount must be positive",
    }
}

#[test]
fn an_authorized_payment_reads_exactly_as_the_contract_says() {
    let payment = authorized(1250);
    let event = Event::new(ID, payment.payment_id, &Payload::Authorized(&payment), at());
    assert_eq!(event.event, EventType::PaymentAuthorized);
    let expected = json!({
        "event_id": ID.to_string(),
        "aggregate_type": "Payment",
        "aggregate_id": "01HGW2N7EHJVJ4CJ888RRS2E97",
        "event_type": "PaymentAuthorized",
        "payload": {
            "payment_id": "01HGW2N7EHJVJ4CJ888RRS2E97",
            "payer_account_id": "acc-payer-001",
            "payee_account_id": "acc-payee-002",
            "amount_cents": 1250,
            "currency": "USD",
        },
        "timestamp": "2023-11-14T22:13:20.000120+00:00",
    });
    assert_eq!(check("payment-authorized", &event.body), expected);
}

#[test]
fn every_event_validates_against_its_schema() {
    let described = PaymentAuthorized { description: Some("a \u{1F980} and a \"quote\""), ..authorized(1) };
    check("payment-authorized", &encode(ID, described.payment_id, &Payload::Authorized(&described), at()));
    for amount in [i64::MIN, -1, 0, 1, i64::MAX] {
        for id in [None, Some("01HGW2N7EHJVJ4CJ888RRS2E97")] {
            check("payment-declined", &encode(ID, "01HGW2N7EHJVJ4CJ888RRS2E97", &Payload::Declined(&declined(id, amount)), at()));
        }
    }
    let posting = PostingPayload { debit_account_id: "a", credit_account_id: "b", amount: "0.000000000000000001", currency: "WEI" };
    let (none, some) = (BTreeMap::new(), BTreeMap::from([("order".to_owned(), "7".to_owned())]));
    let id = uuid::Uuid::from_u128(ID.0).to_string();
    let rate = RatePayload { rate_id: 7, base: "USD", quote: "EUR", rate: "0.92" };
    for (metadata, reference, follows) in [
        (&none, None, Follows::Nothing),
        (&some, Some("ref"), Follows::RefundOf(&id)),
        (&none, None, Follows::Reverses(&id)),
        (&none, None, Follows::Exchange(rate)),
    ] {
        for outcome in [Outcome::Posted, Outcome::Declined { code: "INSUFFICIENT_FUNDS", message: "insufficient funds" }] {
            let payload =
                TransactionPayload { transaction_id: &id, kind: "payment", outcome, postings: &[posting, posting], reference, metadata, follows };
            let event = Event::caused(ID, &id, &Payload::Transaction(&payload), at(), reference);
            check(if matches!(outcome, Outcome::Posted) { "transaction-posted" } else { "transaction-declined" }, &event.body);
        }
    }
}

#[test]
fn steps_of_a_hold_say_which_they_are() {
    let id = uuid::Uuid::from_u128(ID.0).to_string();
    let time = timestamp(at());
    for (expires_at, event, schema) in
        [(Some(time.as_str()), EventType::HoldAuthorized, "hold-authorized"), (None, EventType::HoldVoided, "hold-voided")]
    {
        for reference in [None, Some("ref")] {
            let payload = HoldPayload {
                hold_id: &id,
                transaction_id: &id,
                debit_account_id: "a",
                credit_account_id: "b",
                amount: "1.50",
                currency: "USD",
                expires_at,
                reference,
            };
            let built = Event::caused(ID, &id, &Payload::Hold(&payload), at(), reference);
            assert_eq!((built.event, check(schema, &built.body)["aggregate_type"].as_str()), (event, Some("Hold")));
        }
    }
}

#[test]
fn events_of_accounts_say_whose_and_how_it_was_and_is() {
    let usd = Currency { code: CurrencyCode::parse("USD").unwrap(), exponent: 2 };
    let (before, after) = (
        Guards::of(Status::Active, Some(0), None, usd),
        Guards::of(Status::Suspended, Some(-10_050), Some(9_999_999_999_999_999_999_999_999_999), usd),
    );
    let (none, some) = (BTreeMap::new(), BTreeMap::from([("vip".to_owned(), "true".to_owned())]));
    for (subtype, metadata, guards) in [(None, &none, &before), (Some("savings"), &some, &Guards::of(Status::Active, None, Some(5), usd))] {
        let created = AccountCreated {
            tenant: "default",
            account_id: "acc \u{1F980}",
            kind: "user",
            normal_side: "credit",
            currency: "USD",
            owner: "",
            owner_type: "",
            subtype,
            guards,
            metadata,
        };
        let event = Event::new(ID, created.account_id, &Payload::AccountCreated(&created), at());
        let body = check("account-created", &event.body);
        assert_eq!(
            (event.event, body["aggregate_id"].as_str(), &body["payload"]["status"]),
            (EventType::AccountCreated, Some("acc \u{1F980}"), &json!("active"))
        );
    }
    let id = uuid::Uuid::from_u128(ID.0).to_string();
    let changed = AccountChanged { tenant: "t", account_id: "a", transaction_id: &id, currency: "USD", before: &before, after: &after };
    let body = check("account-changed", &Event::new(ID, "a", &Payload::AccountChanged(&changed), at()).body);
    assert_eq!(body["payload"]["before"], json!({ "status": "active", "floor": "0.00", "ceiling": null }));
    assert_eq!(body["payload"]["after"]["floor"], "-100.50");
    assert_eq!(serde_json::from_str::<Value>(&after.json()).unwrap(), body["payload"]["after"], "operators' actions say the same");
}

#[test]
fn the_schemas_refuse_what_does_not_belong() {
    let payment = authorized(5);
    let good: Value = serde_json::from_str(&encode(ID, payment.payment_id, &Payload::Authorized(&payment), at())).unwrap();
    let schema = schema("payment-authorized");
    assert!(schema.is_valid(&good));
    let refused = |change: fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(!schema.is_valid(&bad), "{bad}");
    };
    refused(|event| event["more"] = json!(1));
    refused(|event| event["payload"]["more"] = json!(1));
    refused(|event| event["payload"]["amount_cents"] = json!(-1));
    refused(|event| event["payload"]["amount_cents"] = json!(1.5));
    refused(|event| event["event_id"] = json!("not a ulid"));
    refused(|event| event["timestamp"] = json!("2023-11-14T22:13:20Z"));
    refused(|event| event["event_type"] = json!("PaymentDeclined"));
}

#[test]
fn a_dead_letter_is_small_and_valid_whatever_died() {
    let long = "x".repeat(5_000_000);
    let payment = PaymentAuthorized { description: Some(&long), ..authorized(5) };
    let whole = encode(ID, payment.payment_id, &Payload::Authorized(&payment), at());
    for (event, body) in [(1, whole.as_str()), (2, "{\"payload\":[1]}"), (77, "no JSON"), (1, "{}"), (3, "null")] {
        let letter = DeadLetter { event, aggregate: "agg", body, retry_count: 0, failed_at: at(), error: &long };
        let record = letter.encode();
        assert!(record.len() < 4096, "{} bytes", record.len());
        let record = check("dead-letter", &record);
        if event == 1 && body.len() > 2 {
            assert_eq!(record["event_id"], ID.to_string());
            assert_eq!(record["payload"]["amount_cents"], 5);
        }
    }
}

#[test]
fn codes_and_names_lead_back_to_their_event() {
    for event in EventType::ALL {
        assert_eq!(EventType::from_code(event.code()), Some(event));
    }
    assert_eq!(EventType::from_code(0), None);
}
