//! The shapes of the bodies that may be sent. They describe the accounts REST API; the fields are read one by one, so that all faults are told at once.
#![expect(dead_code, reason = "described here and read by name in the handlers; a test of the routes compares the two")]

use utoipa::ToSchema;

use super::text::{AmountText, LimitText};

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

/// A payout or a card top-up, through the provider.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderRequest {
    /// The customer's account.
    #[schema(min_length = 1, max_length = 128)]
    account_id: String,
    /// How much.
    amount: AmountText,
    /// Of which currency.
    #[schema(example = "USD", min_length = 1, max_length = 12)]
    currency: String,
    /// The provider's token of a bank account or a card.
    #[schema(min_length = 1, max_length = 255)]
    instrument: String,
    /// A UUID: the same key moves money once, and its repeat is answered with the same saga. Without one a repeat is another.
    #[schema(format = Uuid)]
    idempotency_key: Option<String>,
    /// The caller's reference; the provider hears it too.
    #[schema(min_length = 1, max_length = 255)]
    reference: Option<String>,
}

/// Why an operator has a stuck step tried again.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryRequest {
    /// In the operator's words.
    #[schema(min_length = 1, max_length = 1024)]
    reason: String,
}

/// How an operator says that a stuck step stands.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolveRequest {
    /// `done`: it has its effect, and the saga goes on forward from there; `undone`: it has none, or no longer, and what came before is undone.
    #[serde(rename = "as")]
    #[schema(pattern = "^([Dd][Oo][Nn][Ee]|[Uu][Nn][Dd][Oo][Nn][Ee])$")]
    how: String,
    /// In the operator's words.
    #[schema(min_length = 1, max_length = 1024)]
    reason: String,
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

/// A currency to be made.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateCurrencyRequest {
    /// Capital letters and digits.
    #[schema(example = "XAU", pattern = "^[A-Z0-9]{2,12}$")]
    code: String,
    /// What people call it.
    #[schema(example = "Gold", min_length = 1, max_length = 255)]
    name: String,
    /// Decimals of its smallest unit: this never changes.
    #[schema(example = 6, minimum = 0, maximum = 18)]
    exponent: u32,
    /// `fiat` or `non-fiat`.
    #[serde(rename = "type")]
    #[schema(example = "non-fiat", pattern = "^(fiat|non-fiat)$")]
    kind: String,
    /// Anything about it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<String>,
    /// Why, in the operator's words: kept with who made it.
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// What of a currency is to be changed; what is left out stays as it is.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateCurrencyRequest {
    /// Whether it takes new accounts.
    is_active: Option<bool>,
    /// What people call it.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// Anything about it, in place of what was there.
    #[schema(value_type = Option<Object>)]
    metadata: Option<String>,
    /// Why, in the operator's words: kept with who made the change.
    #[schema(max_length = 1024)]
    reason: Option<String>,
}
