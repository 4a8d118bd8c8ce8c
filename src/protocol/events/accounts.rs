//! The events about accounts, which are Florin's own. An account's name is unique only within its tenant, so they name
//! the tenant too.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::ledger::{Guards, Status};
use crate::money::{Currency, decimal_text};

/// What bounds an account, as events and operators' actions write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GuardsText {
    /// Whether it takes part.
    pub status: &'static str,
    /// The lowest available balance allowed, as decimal text in the currency's unit; `null`: none.
    pub floor: Option<String>,
    /// The highest balance allowed, as decimal text in the currency's unit; `null`: none.
    pub ceiling: Option<String>,
}

impl GuardsText {
    /// Limits in minor units of this currency.
    pub fn of(guards: Guards, currency: Currency) -> Self {
        let text = |limit: Option<i128>| limit.map(|units| decimal_text(units, currency.exponent));
        Self { status: guards.status.name(), floor: text(guards.floor), ceiling: text(guards.ceiling) }
    }

    /// Reads what [`Self::json`] wrote; `None` when the status is missing or unknown.
    pub fn read(object: Option<&Value>) -> Option<Self> {
        let text = |field: &str| object?.get(field).and_then(Value::as_str).map(str::to_owned);
        let status = [Status::Active, Status::Suspended, Status::Closed]
            .into_iter()
            .find(|status| text("status").as_deref() == Some(status.name()))?;
        Some(Self { status: status.name(), floor: text("floor"), ceiling: text("ceiling") })
    }

    pub fn json(&self) -> String {
        let (floor, ceiling) = (self.floor.as_deref(), self.ceiling.as_deref());
        serde_json::json!({ "status": self.status, "floor": floor, "ceiling": ceiling }).to_string()
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct AccountCreated<'a> {
    pub tenant: &'a str,
    /// The id that callers use; also the message key.
    pub account_id: &'a str,
    /// `user`, `system` or `external`.
    pub kind: &'a str,
    /// `credit` or `debit`.
    pub normal_side: &'a str,
    pub currency: &'a str,
    /// Free text of the caller.
    pub owner: &'a str,
    /// What kind of owner that is; free text of the caller.
    pub owner_type: &'a str,
    /// A finer kind of account; free text of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtype: Option<&'a str>,
    /// The guards that it was opened with.
    #[serde(flatten)]
    pub guards: &'a GuardsText,
    /// The caller's metadata; left out when empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: &'a BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct AccountChanged<'a> {
    pub tenant: &'a str,
    /// The id that callers use; also the message key.
    pub account_id: &'a str,
    /// UUID text; the journal's record of the change.
    pub transaction_id: &'a str,
    /// The currency of floor and ceiling.
    pub currency: &'a str,
    /// How it was.
    pub before: &'a GuardsText,
    /// How it is.
    pub after: &'a GuardsText,
}
