//! Events of accounts: florin's own. An account's name is unique within its tenant alone, so they say whose it is.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::ledger::{Guards, Status};
use crate::money::{Currency, decimal_text};

/// What bounds an account, as events and operators' actions write it; no limit is `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GuardsText {
    /// Whether it takes part.
    pub status: &'static str,
    /// The lowest available balance allowed, as decimal text.
    pub floor: Option<String>,
    /// The highest balance allowed, as decimal text.
    pub ceiling: Option<String>,
}

impl GuardsText {
    /// Limits in minor units of this currency.
    pub fn of(guards: Guards, currency: Currency) -> Self {
        let text = |limit: Option<i128>| limit.map(|units| decimal_text(units, currency.exponent));
        Self { status: guards.status.name(), floor: text(guards.floor), ceiling: text(guards.ceiling) }
    }

    /// As a JSON object has them.
    pub fn read(object: Option<&Value>) -> Option<Self> {
        let text = |field: &str| object?.get(field).and_then(Value::as_str).map(str::to_owned);
        let status =
            [Status::Active, Status::Suspended, Status::Closed].into_iter().find(|status| text("status").as_deref() == Some(status.name()))?;
        Some(Self { status: status.name(), floor: text("floor"), ceiling: text("ceiling") })
    }

    /// As a JSON object.
    pub fn json(&self) -> String {
        let (floor, ceiling) = (self.floor.as_deref(), self.ceiling.as_deref());
        serde_json::json!({ "status": self.status, "floor": floor, "ceiling": ceiling }).to_string()
    }
}

/// An account was opened.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AccountCreated<'a> {
    /// Whose it is.
    pub tenant: &'a str,
    /// As its owner calls it; the aggregate.
    pub account_id: &'a str,
    /// `user`, `system` or `external`.
    pub kind: &'a str,
    /// `credit` or `debit`.
    pub normal_side: &'a str,
    /// Currency code.
    pub currency: &'a str,
    /// The caller's words for its owner.
    pub owner: &'a str,
    /// And for what kind of owner that is.
    pub owner_type: &'a str,
    /// The caller's finer kind of account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtype: Option<&'a str>,
    /// Active, and its limits.
    #[serde(flatten)]
    pub guards: &'a GuardsText,
    /// The caller's metadata; left out when empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: &'a BTreeMap<String, String>,
}

/// An account's status or limits changed, or both.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AccountChanged<'a> {
    /// Whose it is.
    pub tenant: &'a str,
    /// As its owner calls it; the aggregate.
    pub account_id: &'a str,
    /// UUID text: the change.
    pub transaction_id: &'a str,
    /// Of the limits.
    pub currency: &'a str,
    /// How it was.
    pub before: &'a GuardsText,
    /// How it is.
    pub after: &'a GuardsText,
}
