//! Events of accounts: a change of status and limits at once is two events of the accounts REST API, the status first.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::gateway::accounts_v1::live::frames::Frame;
use crate::gateway::accounts_v1::text::at_rest;

#[derive(Deserialize)]
struct Envelope<P> {
    payload: P,
    timestamp: String,
}

#[derive(Deserialize)]
struct Created {
    account_id: Box<str>,
    kind: String,
    currency: String,
    owner: String,
    owner_type: String,
    subtype: Option<String>,
    #[serde(flatten)]
    guards: Guards,
    #[serde(default)]
    metadata: Map<String, Value>,
}

#[derive(Deserialize)]
struct Changed {
    account_id: Box<str>,
    before: Guards,
    after: Guards,
}

#[derive(Deserialize, PartialEq, Eq)]
struct Guards {
    status: String,
    floor: Option<String>,
    ceiling: Option<String>,
}

impl Guards {
    fn limits(&self) -> [Option<String>; 2] {
        [&self.floor, &self.ceiling].map(|limit| limit.as_deref().map(at_rest))
    }
}

fn frame(name: &str, account: &str, timestamp: &str, payload: Value) -> Frame {
    let data = json!({ "type": name, "accountId": account, "timestamp": timestamp, "payload": payload }).to_string();
    Frame { name: name.into(), data, account: Some(account.into()), transaction: None }
}

/// It was opened. None for what cannot be read.
pub(super) fn created(body: &str) -> Vec<Frame> {
    let Ok(Envelope::<Created> { payload, timestamp }) = serde_json::from_str(body) else { return Vec::new() };
    let [min, max] = payload.guards.limits();
    let told = json!({
        "ownerId": payload.owner, "ownerType": payload.owner_type, "accountType": payload.kind, "accountSubtype": payload.subtype,
        "currency": payload.currency, "status": payload.guards.status, "minBalance": min, "maxBalance": max, "metadata": payload.metadata,
    });
    vec![frame("AccountCreated", &payload.account_id, &timestamp, told)]
}

/// Its status changed, or its limits, or both. None for what cannot be read.
pub(super) fn changed(body: &str) -> Vec<Frame> {
    let Ok(Envelope::<Changed> { payload, timestamp }) = serde_json::from_str(body) else { return Vec::new() };
    let Changed { account_id, before, after } = payload;
    let mut frames = Vec::new();
    if before.status != after.status {
        let told = json!({ "previousStatus": before.status, "newStatus": after.status });
        frames.push(frame("AccountStatusChanged", &account_id, &timestamp, told));
    }
    let ([old_min, old_max], [min, max]) = (before.limits(), after.limits());
    if (&old_min, &old_max) != (&min, &max) {
        let told = json!({ "previousMinBalance": old_min, "previousMaxBalance": old_max, "minBalance": min, "maxBalance": max });
        frames.push(frame("AccountLimitsChanged", &account_id, &timestamp, told));
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(before: Value, after: Value) -> Vec<String> {
        let body =
            json!({ "timestamp": "t", "payload": { "account_id": "a", "before": before, "after": after } }).to_string();
        changed(&body).into_iter().map(|frame| frame.name).collect()
    }

    #[test]
    fn one_change_is_the_events_that_it_needs_in_order() {
        let at = |status: &str, floor: Option<&str>| json!({ "status": status, "floor": floor, "ceiling": null });
        assert_eq!(names(at("active", Some("0.00")), at("suspended", Some("0.00"))), ["AccountStatusChanged"]);
        assert_eq!(names(at("active", Some("0.00")), at("active", None)), ["AccountLimitsChanged"]);
        assert_eq!(
            names(at("active", Some("0.00")), at("suspended", Some("-5.00"))),
            ["AccountStatusChanged", "AccountLimitsChanged"]
        );
        assert!(changed("{}").is_empty() && created("null").is_empty());
    }
}
