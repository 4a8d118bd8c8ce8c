//! The record that opens an account.

use std::time::Instant;

use serde_json::json;

use super::events::{EventType, GuardsText};
use super::record::{AccountRow, Api, Kind, Record, RequestHash, Rows, TransactionId};
use crate::ledger::{Guards, Status};
use crate::money::Currency;

impl Record {
    /// Opens an account; fails as [`Abort::AccountExists`](super::slip::Abort::AccountExists) if there is one of that
    /// id.
    pub fn opening(tenant: &str, row: AccountRow, currency: Currency, cutoff: Instant) -> Self {
        let guards =
            GuardsText::of(Guards { status: Status::Active, floor: row.floor, ceiling: row.ceiling }, currency);
        let facts = json!({
            "name": row.name, "kind": row.kind.name(), "normal_side": row.normal_side.name(), "currency": row.currency.as_str(), "owner": row.owner,
            "owner_type": row.owner_type, "subtype": row.subtype, "status": guards.status, "floor": guards.floor, "ceiling": guards.ceiling,
        });
        let request = RequestHash::of(&[b"open", tenant.as_bytes(), row.name.as_bytes()]);
        Self {
            metadata: row.metadata.clone(),
            rows: vec![Rows::Account(Box::new(row))],
            facts: Some(facts.to_string()),
            event: Some(EventType::AccountCreated),
            ..Self::new(TransactionId::draw(), tenant.into(), Api::FlorinV1, Kind::ACCOUNT_OPENING, request, cutoff)
        }
    }
}
