//! The bodies that may be sent to the accounts REST API, and their fields.

use crate::gateway::accounts_v1::views::{ACCOUNT_TYPES, STATUSES};
use crate::gateway::http::shape::{Amount, Choice, Field, Json, Limit, Reason, Required, Text, Uuid, bodies};
use crate::ledger::Status;
use crate::protocol::record::AccountKind;
use crate::teller::validate::{ACCOUNT_MAX, CURRENCY_MAX, REFERENCE_MAX};

/// Bytes of an owner's id.
pub const OWNER_MAX: usize = 255;
/// Bytes of an owner's type and of an account's subtype.
pub const TYPE_MAX: usize = 64;
/// Bytes of a transaction's id.
const ID_MAX: usize = 128;

type RequiredText = Field<Required<Text>>;

const fn account(name: &'static str, about: &'static str) -> RequiredText {
    Field::new(name, Required(Text::of(ACCOUNT_MAX)), about)
}

// of accounts
pub const OWNER: RequiredText = Field::new("ownerId", Required(Text::of(OWNER_MAX)), "Whose it is.");
pub const OWNER_TYPE: RequiredText =
    Field::new("ownerType", Required(Text::of(TYPE_MAX).such_as("user")), "What kind of owner that is.");
pub const ACCOUNT_TYPE: Field<Choice<AccountKind>> =
    Field::new("accountType", Choice::of(&ACCOUNT_TYPES), "`user` (the default), `system` or `external`, in any case.");
pub const TYPE: Field<Choice<AccountKind>> =
    Field::new("type", Choice::of(&ACCOUNT_TYPES), "Another name of `accountType`.");
pub const SUBTYPE: Field<Text> =
    Field::new("accountSubtype", Text::of(TYPE_MAX), "What kind of account it is to its owner.");
pub const METADATA: Field<Json> = Field::new("metadata", Json, "Anything about it.");
pub const MIN_BALANCE: Field<Limit> = Field::new(
    "minBalance",
    Limit { may_be_negative: true },
    "The lowest balance allowed: zero unless given; below zero it is a credit line. External accounts have none.",
);
pub const MAX_BALANCE: Field<Limit> =
    Field::new("maxBalance", Limit { may_be_negative: false }, "The highest balance allowed.");
pub const STATUS: Field<Required<Choice<Status>>> = Field::new(
    "status",
    Required(Choice::of(&STATUSES)),
    "`active`, `suspended` or `closed`; the last is final and needs a balance of zero.",
);
pub const REASON: Field<Reason> = Field::new("reason", Reason, "Why, in the operator's words: kept with the change.");

// of movements
pub const REQUIRED_KEY: Field<Required<Uuid>> =
    Field::new("idempotencyKey", Required(Uuid), "A UUID: the same key moves money once.");
pub const KEY: Field<Uuid> =
    Field::new("idempotencyKey", Uuid, "A UUID: the same key moves money once. Without one a repeat pays again.");
pub const SOURCE: RequiredText = account("sourceAccountId", "Who pays; of a top-up usually an external account.");
pub const DESTINATION: RequiredText =
    account("destinationAccountId", "Who is paid; of a withdrawal usually an external account.");
pub const CUSTOMER: RequiredText = account("customerAccountId", "Who pays.");
pub const MERCHANT: RequiredText = account("merchantAccountId", "Who is paid.");
pub const AMOUNT: Field<Required<Amount>> = Field::new("amount", Required(Amount), "How much.");
pub const CURRENCY: RequiredText =
    Field::new("currency", Required(Text::of(CURRENCY_MAX).such_as("USD")), "Of which currency.");
pub const REFERENCE: Field<Text> = Field::new("reference", Text::of(REFERENCE_MAX), "The caller's reference.");
pub const PAYMENT_METADATA: Field<Json> = Field::new("paymentMetadata", Json, "Anything about it.");
pub const ORIGINAL: RequiredText = Field::new("originalPaymentId", Required(Text::of(ID_MAX)), "The payment.");
pub const REFUND_AMOUNT: Field<Required<Amount>> = Field::new("refundAmount", Required(Amount), "How much of it.");
pub const REFUND_METADATA: Field<Json> = Field::new("refundMetadata", Json, "Anything about it.");

bodies! {
    /// An account to be opened.
    CreateAccountRequest {
        OWNER, OWNER_TYPE, ACCOUNT_TYPE, TYPE, SUBTYPE, CURRENCY.about("What it is kept in."), METADATA, MIN_BALANCE,
        MAX_BALANCE,
    }

    /// A new status.
    StatusRequest { STATUS, REASON }

    /// A top-up, withdrawal or transfer.
    MovementRequest { REQUIRED_KEY, SOURCE, DESTINATION, AMOUNT, CURRENCY, REFERENCE }

    /// A payment.
    PaymentRequest { CUSTOMER, MERCHANT, AMOUNT, CURRENCY, KEY, PAYMENT_METADATA }

    /// A refund.
    RefundRequest {
        ORIGINAL, REFUND_AMOUNT, CURRENCY.about("Of which currency: the payment's."),
        KEY.about("A UUID: the same key moves money once. Without one a repeat gives back again."), REFUND_METADATA,
    }
}
