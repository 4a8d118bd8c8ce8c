//! The body of a journal row: a JSON object of what no column says of the record.

use serde_json::{Map, Value, json};

use crate::protocol::events::timestamp;
use crate::protocol::record::{Body, Follows, Record, Rows};

/// `None` for most records: they have nothing to add.
pub(super) fn of(record: &Record) -> Option<String> {
    if record.rows.is_empty()
        && record.facts.is_none()
        && record.follows == Follows::Nothing
        && !matches!(record.body, Body::Declined { .. })
    {
        return None;
    }
    let given: Option<Map<String, Value>> = record.facts.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let mut body = given.unwrap_or_default();
    let mut say = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    if let Body::Declined { code, message, postings } = &record.body {
        say("code", json!(code.code()));
        say("message", json!(message));
        let posting = |p: &crate::protocol::record::RequestedPosting| json!({ "debit": p.debit, "credit": p.credit, "amount": p.amount.minor_units().to_string(), "currency": p.currency, "exponent": p.exponent });
        say("postings", postings.iter().map(posting).collect());
    }
    if let Follows::Exchange(rate) = &record.follows {
        let (base, quote, units) = (rate.base.as_str(), rate.quote.as_str(), rate.rate.to_string());
        say(
            "exchange",
            json!({ "rate_id": rate.rate_id, "base": base, "quote": quote, "rate": units, "rounding": rate.rounding }),
        );
    }
    for rows in &record.rows {
        match rows {
            Rows::Refund { given, .. } => say("gave", json!(given.minor_units().to_string())),
            Rows::Hold { expires_at, .. } => say("expires_at", json!(timestamp(*expires_at))),
            Rows::Fact(fact) => say("saga", json!(fact.saga.0)), // with its facts, below
            Rows::Undone { .. }
            | Rows::Take { .. }
            | Rows::Saga { .. }
            | Rows::Action(_)
            | Rows::Account(_)
            | Rows::Replay { .. }
            | Rows::Invoice(_)
            | Rows::Settlement(_)
            | Rows::Released { .. } => {}
        }
    }
    let fact = |rows: &Rows| if let Rows::Fact(fact) = rows { serde_json::from_str(&fact.body).ok() } else { None };
    let facts: Vec<Value> = record.rows.iter().filter_map(fact).collect();
    if !facts.is_empty() {
        body.insert("facts".to_owned(), Value::Array(facts));
    }
    (!body.is_empty()).then(|| Value::Object(body).to_string())
}
