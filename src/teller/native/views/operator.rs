//! What operators did.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::protocol::events::timestamp;
use crate::store::operators::ActionRow;

/// A change that an operator made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatorAction {
    /// Of a change of an account its transaction's.
    pub id: String,
    #[schema(format = DateTime)]
    pub at: String,
    /// The API key's or client certificate's name; `anonymous` without authentication.
    #[schema(example = "key:3f9a")]
    pub actor: String,
    #[schema(example = "account.limits")]
    pub action: String,
    /// To what: an account's id, a currency's code, a saga's id.
    pub subject: String,
    /// In the operator's words; may be empty.
    pub reason: String,
    /// How it was.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Box<RawValue>>,
    /// How it is.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Box<RawValue>>,
    pub correlation_id: Option<String>,
}

impl From<ActionRow> for OperatorAction {
    fn from(row: ActionRow) -> Self {
        let json = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        Self {
            id: row.id.to_string(),
            at: timestamp(row.at),
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            reason: row.reason,
            before: json(row.before),
            after: json(row.after),
            correlation_id: row.correlation,
        }
    }
}
