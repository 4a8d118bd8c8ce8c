mod invoices;
mod letters;
mod unreadable;
mod without_postings;

use std::sync::LazyLock;

use chrono::{DateTime, TimeZone, Utc};
use serde_json::{Value, json};
use ulid::Ulid;
use uuid::Uuid;

use super::*;
use crate::ledger::{Guards, Status};
use crate::money::{Currency, CurrencyCode};
use crate::protocol::journal::Row;
use crate::protocol::live::LiveEvent;
use crate::protocol::record::{AccountId, DeclineCode, Kind, TransactionId};

const ID: Uuid = Uuid::from_u128(0x0192_2b3c_4d5e_7f60_8a9b_0c1d_2e3f_4a5b);
const OTHER: Uuid = Uuid::from_u128(0x0192_2b3c_0000_7000_8000_0000_0000_0007);
const ID_AS_UUID: &str = "01922b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b";
const ID_AS_ULID: &str = "01J8NKRKAYFXG8N6RC3MQ3YJJV";
const SEQ: i64 = 1 << 44;

fn at() -> DateTime<Utc> {
    Utc.timestamp_opt(1_700_000_000, 120_000).unwrap()
}

fn currency(code: &str, exponent: u8) -> Currency {
    Currency { code: CurrencyCode::parse(code).unwrap(), exponent }
}

fn named(id: AccountId) -> Option<&'static Named> {
    static NAMED: LazyLock<[Named; 4]> = LazyLock::new(|| {
        let named = |name: &str, code, exponent| Named { name: name.into(), currency: currency(code, exponent) };
        [
            named("acc-payer-001", "USD", 2),
            named("acc-payee-002", "USD", 2),
            named("a \u{1F980}", "WEI", 18),
            named("b \"quoted\"", "WEI", 18),
        ]
    });
    NAMED.get(usize::try_from(id.0).ok()?)
}

/// A payment of 12.50 that was authorized; tests say what is otherwise.
fn row() -> Row {
    Row {
        seq: SEQ,
        id: TransactionId(ID),
        n: 0,
        postings: 1,
        event: Some(EventType::PaymentAuthorized),
        kind: Kind::PAYMENT,
        debit: Some(AccountId(0)),
        credit: Some(AccountId(1)),
        amount: Some(1250),
        held: None,
        debit_after: None,
        credit_after: None,
        follows: None,
        created_at: at(),
        tenant: "default".into(),
        key_text: None,
        reference: None,
        description: None,
        metadata: None,
        correlation: Some("corr-7".into()),
        body: None,
    }
}

/// The same of florin.v1.
fn own(event: EventType, kind: Kind) -> Row {
    Row { event: Some(event), kind, ..row() }
}

/// What moves nothing.
fn unmoved(event: EventType, kind: Kind, body: Value) -> Row {
    Row { amount: None, postings: 0, body: Some(body), ..own(event, kind) }
}

fn declined(event: EventType, kind: Kind, code: DeclineCode, postings: &[Value]) -> Row {
    let body = json!({ "code": code.code(), "message": "It cannot be", "postings": postings });
    Row { debit: None, credit: None, ..unmoved(event, kind, body) }
}

fn asked(amount: i128, code: &str, exponent: u8) -> Value {
    json!({ "debit": "acc-payer-001", "credit": "nobody \"at\" all", "amount": amount.to_string(), "currency": code, "exponent": exponent })
}

fn tell(rows: &[Row]) -> LiveEvent {
    render(rows, named, |_| None).unwrap()
}

fn schema(name: &str) -> jsonschema::Validator {
    let path = format!("{}/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&serde_json::from_str(&text).unwrap())
        .unwrap()
}

fn schema_of(event: EventType) -> &'static str {
    match event {
        EventType::PaymentAuthorized => "payment-authorized",
        EventType::PaymentDeclined => "payment-declined",
        EventType::TransactionPosted => "transaction-posted",
        EventType::TransactionDeclined => "transaction-declined",
        EventType::HoldAuthorized => "hold-authorized",
        EventType::HoldVoided => "hold-voided",
        EventType::AccountCreated => "account-created",
        EventType::AccountChanged => "account-changed",
        EventType::InvoiceIssued => "invoice-issued",
        EventType::CreditNoteIssued => "credit-note-issued",
        EventType::InvoicePaid => "invoice-paid",
        EventType::InvoiceVoided => "invoice-voided",
        EventType::InvoiceWrittenOff => "invoice-written-off",
        EventType::InvoiceUncollectible => "invoice-uncollectible",
        EventType::InvoiceOverdue => "invoice-overdue",
        EventType::InvoicePaymentFailed => "invoice-payment-failed",
    }
}

fn check(name: &str, body: &str) -> Value {
    let value: Value = serde_json::from_str(body).unwrap();
    let errors: Vec<_> =
        schema(name).iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{name}: {errors:?} in {body}");
    value
}

/// The event of these rows, as its schema has it and under the key that it names.
fn told(rows: &[Row]) -> Value {
    let event = tell(rows);
    let body = check(schema_of(event.event), &event.body);
    assert_eq!(
        (body["event_type"].as_str(), body["aggregate_type"].as_str()),
        (Some(event.event.name()), Some(event.event.aggregate_type()))
    );
    assert_eq!(body["aggregate_id"].as_str(), Some(&*event.key));
    assert_eq!(body["event_id"], event_id(&rows[0]).to_string());
    body
}

#[test]
fn an_authorized_payment_reads_exactly_as_the_contract_says() {
    let event = tell(&[row()]);
    let expected = json!({
        "event_id": "01HF7YAT00NRNX2MSQ9TEXQYPF",
        "aggregate_type": "Payment",
        "aggregate_id": ID_AS_ULID,
        "event_type": "PaymentAuthorized",
        "payload": {
            "payment_id": ID_AS_ULID,
            "payer_account_id": "acc-payer-001",
            "payee_account_id": "acc-payee-002",
            "amount_cents": 1250,
            "currency": "USD",
        },
        "timestamp": "2023-11-14T22:13:20.000120+00:00",
    });
    assert_eq!(check("payment-authorized", &event.body), expected, "and nothing of where it came from");
    assert_eq!((event.id, event.event, &*event.tenant), (SEQ, EventType::PaymentAuthorized, "default"));
    assert_eq!((event.transaction, event.reverses, &*event.key), (TransactionId(ID), None, ID_AS_ULID));
    assert_eq!(event.accounts.iter().map(|name| &**name).collect::<Vec<_>>(), ["acc-payer-001", "acc-payee-002"]);
}

#[test]
fn every_event_validates_against_its_schema() {
    let words = "a \u{1F980} and a \"quote\"";
    assert_eq!(told(&[Row { description: Some(words.into()), ..row() }])["payload"]["description"], words);
    for amount in [i64::MIN, -1, 0, 1, i64::MAX] {
        let body = told(&[declined(
            EventType::PaymentDeclined,
            Kind::PAYMENT,
            DeclineCode::InvalidAmount,
            &[asked(amount.into(), "usd?", 0)],
        )]);
        assert_eq!(
            (&body["payload"]["amount_cents"], &body["payload"]["error_code"]),
            (&json!(amount), &json!("INVALID_AMOUNT"))
        );
        assert_eq!(
            (&body["payload"]["payment_id"], &body["aggregate_id"]),
            (&Value::Null, &json!(ID_AS_ULID)),
            "no payment, and yet an aggregate"
        );
    }
    let posted = |n: i16, debit: i64, credit: i64, amount: i128, head: Row| Row {
        seq: SEQ + i64::from(n),
        n,
        postings: 2,
        debit: Some(AccountId(debit)),
        credit: Some(AccountId(credit)),
        amount: Some(amount),
        ..head
    };
    let rate =
        json!({ "exchange": { "rate_id": 7, "base": "USD", "quote": "EUR", "rate": "0.92", "rounding": "half_even" } });
    let metadata = Some(r#"{"order":"7","n":3,"deep":{"b":[1]}}"#.to_owned());
    for (kind, follows, body, link) in [
        (Kind::TRANSFER, None, None, None),
        (Kind::REFUND, Some(OTHER), Some(json!({ "gave": "1" })), Some("refund_of")),
        (Kind::REVERSAL, Some(OTHER), Some(json!({ "gave": "1" })), Some("reverses")),
        (Kind::CAPTURE, Some(OTHER), None, Some("hold_id")),
        (Kind::FX, None, Some(rate), Some("exchange")),
    ] {
        let (event, taken) = (EventType::TransactionPosted, (kind == Kind::CAPTURE).then_some(-1));
        let head = Row {
            follows,
            held: taken,
            metadata: metadata.clone(),
            reference: Some("ref".into()),
            body: body.clone(),
            ..own(event, kind)
        };
        let rows = [posted(0, 0, 1, 1250, head), posted(1, 2, 3, 1, own(event, kind))];
        let payload = told(&rows)["payload"].clone();
        let second = json!({ "debit_account_id": "a \u{1F980}", "credit_account_id": "b \"quoted\"", "amount": "0.000000000000000001", "currency": "WEI" });
        assert_eq!((&payload["postings"][0]["amount"], &payload["postings"][1]), (&json!("12.50"), &second));
        assert_eq!(
            payload["metadata"],
            json!({ "order": "7", "n": "3", "deep": "{\"b\":[1]}" }),
            "values that are no texts are shown as JSON"
        );
        assert_eq!((&payload["reference"], &payload["kind"]), (&json!("ref"), &json!(kind.as_str())));
        assert_eq!(tell(&rows).reverses, follows.filter(|_| kind == Kind::REVERSAL).map(TransactionId));

        let mut refused = declined(
            EventType::TransactionDeclined,
            kind,
            DeclineCode::InsufficientFunds,
            &[asked(-1, "JPY", 0), asked(5, "BTC", 8)],
        );
        for (field, value) in body.iter().flat_map(|body| body.as_object().unwrap()) {
            refused.body.as_mut().unwrap()[field.as_str()] = value.clone();
        }
        let refused = told(&[Row { follows, ..refused }])["payload"].clone();
        assert_eq!(
            (&refused["postings"][0]["amount"], &refused["postings"][1]["amount"]),
            (&json!("-1"), &json!("0.00000005"))
        );
        assert_eq!(
            (&refused["error_code"], &refused["error_message"]),
            (&json!("INSUFFICIENT_FUNDS"), &json!("It cannot be"))
        );
        for field in ["hold_id", "refund_of", "reverses", "exchange"] {
            let is_there = link == Some(field);
            assert_eq!(
                (payload.get(field).is_some(), refused.get(field).is_some()),
                (is_there, is_there),
                "{field} of {}",
                kind.as_str()
            );
            if is_there && follows.is_some() {
                assert_eq!((&payload[field], &refused[field]), (&json!(OTHER.to_string()), &json!(OTHER.to_string())));
            }
        }
        if kind == Kind::FX {
            assert_eq!(payload["exchange"], json!({ "rate_id": 7, "base": "USD", "quote": "EUR", "rate": "0.92" }));
        }
    }
    let void = declined(EventType::TransactionDeclined, Kind::VOID, DeclineCode::HoldExceeded, &[asked(5, "USD", 2)]);
    assert_eq!(
        told(&[Row { follows: Some(OTHER), ..void }])["payload"].get("hold_id"),
        None,
        "a capture names its hold, nothing else does"
    );
}

#[test]
fn the_schemas_refuse_what_does_not_belong() {
    let refused = |name: &str, good: &Value, change: fn(&mut Value)| {
        let (schema, mut bad) = (schema(name), good.clone());
        assert!(schema.is_valid(good));
        change(&mut bad);
        assert!(!schema.is_valid(&bad), "{bad}");
    };
    let payment = told(&[row()]);
    let of_payment = |change: fn(&mut Value)| refused("payment-authorized", &payment, change);
    of_payment(|event| event["more"] = json!(1));
    of_payment(|event| event["payload"]["more"] = json!(1));
    of_payment(|event| event["payload"]["amount_cents"] = json!(-1));
    of_payment(|event| event["payload"]["amount_cents"] = json!(1.5));
    of_payment(|event| event["event_id"] = json!("not a ulid"));
    of_payment(|event| event["aggregate_id"] = json!(ID_AS_UUID)); // which is florin.v1's spelling
    of_payment(|event| event["timestamp"] = json!("2023-11-14T22:13:20Z"));
    // it looks like a time and is none: the format says so
    of_payment(|event| event["timestamp"] = json!("2023-13-14T22:13:20.000120+00:00"));
    of_payment(|event| event["event_type"] = json!("PaymentDeclined"));
    let capture = told(&[Row { follows: Some(OTHER), ..own(EventType::TransactionPosted, Kind::CAPTURE) }]);
    let of_capture = |change: fn(&mut Value)| refused("transaction-posted", &capture, change);
    of_capture(|event| event["aggregate_id"] = json!(ID_AS_ULID));
    of_capture(|event| event["payload"]["transaction_id"] = json!(ID_AS_ULID));
    of_capture(|event| event["payload"]["hold_id"] = json!(ID_AS_ULID));
    of_capture(|event| event["payload"]["hold_id"] = json!(ID_AS_UUID.to_uppercase()));
    of_capture(|event| event["payload"]["postings"] = json!([]));
    let hold = told(&[Row {
        held: Some(1),
        ..unmoved(EventType::HoldAuthorized, Kind::HOLD, json!({ "expires_at": timestamp(at()) }))
    }]);
    let of_hold = |change: fn(&mut Value)| refused("hold-authorized", &hold, change);
    of_hold(|event| event["aggregate_id"] = json!(ID_AS_ULID));
    of_hold(|event| event["payload"]["expires_at"] = json!("2023-02-30T22:13:20.000120+00:00"));
}

#[test]
fn codes_and_names_lead_back_to_their_event() {
    for event in EventType::ALL {
        assert_eq!(EventType::from_code(event.code()), Some(event));
    }
    assert_eq!(EventType::from_code(0), None);
}

/// Mutations: an event id that is drawn (a repeat would be another event), or that is the transaction's.
#[test]
fn an_events_id_is_always_the_same_and_nobody_elses() {
    let mut seen = std::collections::HashSet::new();
    for n in 0..10_000_u128 {
        // Drawn ids of one millisecond, and derived ones.
        for id in [ID.as_u128() ^ n, (8_u128 << 76) | (2_u128 << 62) | n] {
            let row = Row { id: TransactionId(Uuid::from_u128(id)), ..row() };
            let event = event_id(&row);
            assert_eq!(event, event_id(&Row { seq: 5, n: 0, tenant: "other".into(), ..row.clone() }));
            assert!(seen.insert(event), "twice: {event}");
            assert_ne!(event.0, id);
            assert_eq!(event.timestamp_ms(), 1_700_000_000_000, "in order of time");
        }
    }
    assert!(
        event_id(&Row { created_at: at() + chrono::TimeDelta::milliseconds(1), ..row() }) > *seen.iter().max().unwrap()
    );
    assert_eq!(Ulid::from_string(ID_AS_ULID).unwrap().0, ID.as_u128());
}

#[test]
fn metadata_is_shown_as_texts_with_every_digit() {
    for (value, shown) in [
        (r#""a \"b\" \u00e9""#, "a \"b\" \u{e9}"),
        ("12345678901234567890.10", "12345678901234567890.10"),
        ("0.1000", "0.1000"),
        ("1e400", "1e400"),
        ("-0", "-0"),
        ("true", "true"),
        ("null", "null"),
        (r#"{ "a b" : [ 1.50 , "c\\" , " \" d " ] }"#, r#"{"a b":[1.50,"c\\"," \" d "]}"#),
    ] {
        let stored = format!(r#"{{ "k" : {value} , "z" : 1 }}"#);
        let texts = metadata_texts(Some(&stored));
        assert_eq!(texts.get("k").map(String::as_str), Some(shown), "{value}");
        assert_eq!(texts.len(), 2);
    }
    assert!(metadata_texts(None).is_empty() && metadata_texts(Some("[]")).is_empty());
}
