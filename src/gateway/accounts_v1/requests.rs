//! The shapes of the bodies that may be sent. They describe the accounts REST API; the fields are read one by one, so
//! that all faults are told at once.
#![expect(dead_code, reason = "described here and read by name in the handlers; a test of the routes compares the two")]

use utoipa::ToSchema;

use crate::gateway::http::text::{AmountText, LimitText};

/// An account to be opened.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateAccountRequest {
    /// Whose it is.
    #[schema(min_length = 1, max_length = 255)]
    owner_id: String,
    /// What kind of owner that is.
    #[schema(example = "user", min_length = 1, max_length = 64)]
    owner_type: String,
    /// `user` (the default), `system` or `external`, in any case.
    #[schema(value_type = Option<String>, pattern = "^([Uu][Ss][Ee][Rr]|[Ss][Yy][Ss][Tt][Ee][Mm]|[Ee][Xx][Tt][Ee][Rr][Nn][Aa][Ll])$")]
    account_type: Option<String>,
    /// Another name of `accountType`.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>, pattern = "^([Uu][Ss][Ee][Rr]|[Ss][Yy][Ss][Tt][Ee][Mm]|[Ee][Xx][Tt][Ee][Rr][Nn][Aa][Ll])$")]
    kind: Option<String>,
    /// What kind of account it is to its owner.
    #[schema(min_length = 1, max_length = 64)]
    account_subtype: Option<String>,
    /// What it is kept in.
    #[schema(example = "USD", min_length = 1, max_length = 12)]
    currency: String,
    /// Anything about it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<String>,
    /// The lowest balance allowed: zero unless given; below zero it is a credit line. External accounts have none.
    #[schema(value_type = Option<LimitText>, example = "0.00")]
    min_balance: Option<AmountText>,
    /// The highest balance allowed.
    #[schema(value_type = Option<LimitText>, example = "10000.00")]
    max_balance: Option<AmountText>,
}

/// A new status.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusRequest {
    /// `active`, `suspended` or `closed`; the last is final and needs a balance of zero.
    #[schema(pattern = "^([Aa][Cc][Tt][Ii][Vv][Ee]|[Ss][Uu][Ss][Pp][Ee][Nn][Dd][Ee][Dd]|[Cc][Ll][Oo][Ss][Ee][Dd])$")]
    status: String,
    /// Why, in the operator's words: kept with the change.
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// A top-up, withdrawal or transfer.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MovementRequest {
    /// A UUID: the same key moves money once.
    #[schema(format = Uuid)]
    idempotency_key: String,
    /// Who pays; of a top-up usually an external account.
    #[schema(min_length = 1, max_length = 128)]
    source_account_id: String,
    /// Who is paid; of a withdrawal usually an external account.
    #[schema(min_length = 1, max_length = 128)]
    destination_account_id: String,
    /// How much.
    amount: AmountText,
    /// Of which currency.
    #[schema(example = "USD", min_length = 1, max_length = 12)]
    currency: String,
    /// The caller's reference.
    #[schema(min_length = 1, max_length = 255)]
    reference: Option<String>,
}

/// A payment.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PaymentRequest {
    /// Who pays.
    #[schema(min_length = 1, max_length = 128)]
    customer_account_id: String,
    /// Who is paid.
    #[schema(min_length = 1, max_length = 128)]
    merchant_account_id: String,
    /// How much.
    amount: AmountText,
    /// Of which currency.
    #[schema(example = "USD", min_length = 1, max_length = 12)]
    currency: String,
    /// A UUID: the same key moves money once. Without one a repeat pays again.
    #[schema(format = Uuid)]
    idempotency_key: Option<String>,
    /// Anything about it.
    #[schema(value_type = Option<Object>)]
    payment_metadata: Option<String>,
}

/// A refund.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefundRequest {
    /// The payment.
    #[schema(min_length = 1, max_length = 128)]
    original_payment_id: String,
    /// How much of it.
    refund_amount: AmountText,
    /// Of which currency: the payment's.
    #[schema(example = "USD", min_length = 1, max_length = 12)]
    currency: String,
    /// A UUID: the same key moves money once. Without one a repeat gives back again.
    #[schema(format = Uuid)]
    idempotency_key: Option<String>,
    /// Anything about it.
    #[schema(value_type = Option<Object>)]
    refund_metadata: Option<String>,
}
