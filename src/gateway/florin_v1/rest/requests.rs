//! The shapes of the bodies that may be sent to this API. They describe it; the fields are read one by one, so that all
//! faults are told at once.
#![expect(dead_code, reason = "described here and read by name in the handlers; a test of the routes compares the two")]

use std::collections::HashMap;

use utoipa::ToSchema;

use crate::gateway::http::text::{AmountText, LimitText};

/// Money to be held.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldRequest {
    /// Whose money.
    #[schema(min_length = 1, max_length = 128)]
    source_account_id: String,
    /// Who is to be paid.
    #[schema(min_length = 1, max_length = 128)]
    destination_account_id: String,
    /// How much.
    amount: AmountText,
    /// Of which currency.
    #[schema(example = "USD", min_length = 1, max_length = 12)]
    currency: String,
    /// When what is left is let go: in the future, by at most 366 days; 7 days from now unless given.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The same key holds once. Without one every call is a new hold.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Transactions can be listed by it.
    #[schema(min_length = 1, max_length = 255)]
    reference: Option<String>,
    /// For people.
    #[schema(min_length = 1, max_length = 1024)]
    description: Option<String>,
    /// Texts by name: up to 50, names to 64 bytes, texts to 512.
    metadata: Option<HashMap<String, String>>,
}

/// What is to be paid of a hold.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaptureRequest {
    /// All that is left unless given.
    amount: Option<AmountText>,
    /// Whether what is left afterwards is let go.
    #[serde(rename = "final")]
    is_final: Option<bool>,
    /// The same key captures once.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Transactions can be listed by it.
    #[schema(min_length = 1, max_length = 255)]
    reference: Option<String>,
}

/// A hold to be let go.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VoidRequest {
    /// The same key voids once.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Transactions can be listed by it.
    #[schema(min_length = 1, max_length = 255)]
    reference: Option<String>,
}

/// New limits: what is left out stays as it is, null means no limit. One of them must be there.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitsRequest {
    /// The lowest that may be left available; below zero it is a credit line.
    #[schema(value_type = Option<LimitText>, example = "-50.00")]
    min_balance: Option<AmountText>,
    /// The highest balance allowed.
    #[schema(value_type = Option<LimitText>, example = "1000.00")]
    max_balance: Option<AmountText>,
    /// The same key changes once.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Why; kept with who did it.
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// A new status.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NativeStatusRequest {
    /// `active`, `suspended` or `closed`; the last is final and needs a balance of zero with nothing held.
    #[schema(pattern = "^([Aa][Cc][Tt][Ii][Vv][Ee]|[Ss][Uu][Ss][Pp][Ee][Nn][Dd][Ee][Dd]|[Cc][Ll][Oo][Ss][Ee][Dd])$")]
    status: String,
    /// The same key changes once.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Why; kept with who did it.
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// A transaction to be posted, whole or not at all.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransactionRequest {
    /// `transfer` unless given.
    #[schema(value_type = Option<String>, pattern = "^(payment|transfer|topup|withdrawal|refund|invoice|fx|fee|adjustment)$")]
    kind: Option<String>,
    /// What it moves, over any number of accounts.
    #[schema(min_items = 1, max_items = 100)]
    postings: Vec<PostingRequest>,
    /// The same key posts once. Without one every call is a new transaction.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Transactions can be listed by it.
    #[schema(min_length = 1, max_length = 255)]
    reference: Option<String>,
    /// For people.
    #[schema(min_length = 1, max_length = 1024)]
    description: Option<String>,
    /// Texts by name: up to 50, names to 64 bytes, texts to 512.
    metadata: Option<HashMap<String, String>>,
}

/// Money that is to leave one account and arrive at another.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostingRequest {
    /// Who pays.
    #[schema(min_length = 1, max_length = 128)]
    source_account_id: String,
    /// Who is paid.
    #[schema(min_length = 1, max_length = 128)]
    destination_account_id: String,
    /// How much.
    amount: AmountText,
    /// Of which currency.
    #[schema(example = "USD", min_length = 1, max_length = 12)]
    currency: String,
}

/// A payment, or a part of it, to be given back.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefundPaymentRequest {
    /// All that is left unless given.
    amount: Option<AmountText>,
    /// The same key gives back once.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Transactions can be listed by it.
    #[schema(min_length = 1, max_length = 255)]
    reference: Option<String>,
    /// For people.
    #[schema(min_length = 1, max_length = 1024)]
    description: Option<String>,
    /// Texts by name: up to 50, names to 64 bytes, texts to 512.
    metadata: Option<HashMap<String, String>>,
}

/// A transaction to be undone.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReverseRequest {
    /// The same key undoes once.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Transactions can be listed by it.
    #[schema(min_length = 1, max_length = 255)]
    reference: Option<String>,
    /// Why.
    #[schema(min_length = 1, max_length = 1024)]
    description: Option<String>,
}

/// Money to be exchanged.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangeRequest {
    /// Who pays.
    #[schema(min_length = 1, max_length = 128)]
    source_account_id: String,
    /// Who is paid.
    #[schema(min_length = 1, max_length = 128)]
    destination_account_id: String,
    /// What is paid.
    amount: AmountText,
    /// The payer's currency.
    #[schema(example = "USD", min_length = 1, max_length = 12)]
    currency: String,
    /// The payee's.
    #[schema(example = "EUR", min_length = 1, max_length = 12)]
    destination_currency: String,
    /// A rate that was quoted to the payer; the newest unless given.
    #[schema(minimum = 1)]
    rate_id: Option<i64>,
    /// The same key exchanges once.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Transactions can be listed by it.
    #[schema(min_length = 1, max_length = 255)]
    reference: Option<String>,
    /// For people.
    #[schema(min_length = 1, max_length = 1024)]
    description: Option<String>,
    /// Texts by name: up to 50, names to 64 bytes, texts to 512.
    metadata: Option<HashMap<String, String>>,
}

/// A rate to be written down: one unit of base is so many units of quote.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateRequest {
    /// One unit of this currency
    #[schema(example = "USD", min_length = 1, max_length = 12)]
    base: String,
    /// of this
    #[schema(example = "EUR", min_length = 1, max_length = 12)]
    quote: String,
    /// is so many: above zero, up to 16 digits before the point and 12 after it.
    #[schema(example = "0.9215", pattern = "^[0-9]{1,16}(\\.[0-9]{1,12})?$")]
    rate: String,
    /// Who quoted it.
    #[schema(min_length = 1, max_length = 255)]
    source: String,
    /// When it was quoted, not in the future; now unless given.
    #[schema(format = DateTime)]
    observed_at: Option<String>,
    /// Why; kept with who did it.
    #[schema(max_length = 1024)]
    reason: Option<String>,
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
    /// A UUID: the same key moves money once, and its repeat is answered with the same saga. Without one a repeat is
    /// another.
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
    /// `done`: it has its effect, and the saga goes on forward from there; `undone`: it has none, or no longer, and
    /// what came before is undone.
    #[serde(rename = "as")]
    #[schema(pattern = "^([Dd][Oo][Nn][Ee]|[Uu][Nn][Dd][Oo][Nn][Ee])$")]
    how: String,
    /// In the operator's words.
    #[schema(min_length = 1, max_length = 1024)]
    reason: String,
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
