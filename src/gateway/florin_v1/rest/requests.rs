//! The bodies that may be sent to this API, and their fields.

pub mod billing;

use crate::gateway::http::shape::{
    Amount, Choice, Field, Flag, Json, List, NewLimit, Number, Reason, Required, Text, Texts, Time, Uuid, Whole, bodies,
};
use crate::ledger::Status;
use crate::saga::Resolution;
use crate::teller::ledger::{EXPONENT_MAX, NAME_MAX};
use crate::teller::native::names;
use crate::teller::native::views::CurrencyType;
use crate::teller::operator::REASON_MAX;
use crate::teller::validate::{ACCOUNT_MAX, CURRENCY_MAX, DESCRIPTION_MAX, KEY_MAX, POSTINGS_MAX, REFERENCE_MAX};

/// Bytes of a kind's name.
const KIND_MAX: usize = 32;
/// Bytes of a rate's text.
const RATE_MAX: usize = 64;
/// Bytes of the provider's token.
const INSTRUMENT_MAX: usize = 255;
const KINDS: &str = "^(payment|transfer|topup|withdrawal|refund|invoice|fx|fee|adjustment)$";

const STATUSES: [(&str, Status); 3] = [
    (Status::Active.name(), Status::Active),
    (Status::Suspended.name(), Status::Suspended),
    (Status::Closed.name(), Status::Closed),
];
/// Whether a state issues a currency of this type.
const TYPES: [(&str, bool); 2] = [(CurrencyType::Fiat.name(), true), (CurrencyType::NonFiat.name(), false)];

type RequiredText = Field<Required<Text>>;

const fn account(name: &'static str, about: &'static str) -> RequiredText {
    Field::new(name, Required(Text::of(ACCOUNT_MAX)), about)
}

const fn currency(name: &'static str, example: &'static str, about: &'static str) -> RequiredText {
    Field::new(name, Required(Text::of(CURRENCY_MAX).such_as(example)), about)
}

// of transactions and holds
pub const SOURCE: RequiredText = account(names::SOURCE_ACCOUNT_ID.rest, "Who pays.");
pub const DESTINATION: RequiredText = account(names::DESTINATION_ACCOUNT_ID.rest, "Who is paid.");
pub const AMOUNT: Field<Required<Amount>> = Field::new("amount", Required(Amount), "How much.");
pub const PART: Field<Amount> = Field::new("amount", Amount, "All that is left unless given.");
pub const CURRENCY: RequiredText = currency("currency", "USD", "Of which currency.");
pub const KEY: Field<Text> = Field::new(names::IDEMPOTENCY_KEY.rest, Text::of(KEY_MAX), "The same key does it once.");
pub const REFERENCE: Field<Text> =
    Field::new("reference", Text::of(REFERENCE_MAX), "Transactions can be listed by it.");
pub const DESCRIPTION: Field<Text> = Field::new("description", Text::of(DESCRIPTION_MAX), "For people.");
pub const METADATA: Field<Texts> =
    Field::new("metadata", Texts, "Texts by name: up to 50, names to 64 bytes, texts to 512.");
pub const KIND: Field<Text> = Field::new("kind", Text::of(KIND_MAX).like(KINDS), "`transfer` unless given.");
pub const POSTINGS: Field<List<PostingRequest>> =
    Field::new("postings", List::of(POSTINGS_MAX), "What it moves, over any number of accounts.");
pub const EXPIRES_AT: Field<Time> = Field::new(
    names::EXPIRES_AT.rest,
    Time,
    "When what is left is let go: in the future, by at most 366 days; 7 days from now unless given.",
);
pub const FINAL: Field<Flag> = Field::new("final", Flag, "Whether what is left afterwards is let go.");

// of accounts
pub const MIN_BALANCE: Field<NewLimit> = Field::new(
    names::MIN_BALANCE.rest,
    NewLimit,
    "The lowest that may be left available; below zero it is a credit line.",
);
pub const MAX_BALANCE: Field<NewLimit> = Field::new(names::MAX_BALANCE.rest, NewLimit, "The highest balance allowed.");
pub const STATUS: Field<Required<Choice<Status>>> = Field::new(
    "status",
    Required(Choice::of(&STATUSES)),
    "`active`, `suspended` or `closed`; the last is final and needs a balance of zero with nothing held.",
);
pub const REASON: Field<Reason> = Field::new("reason", Reason, "Why; kept with who did it.");

// of exchanges and rates
pub const DESTINATION_CURRENCY: RequiredText = currency(names::DESTINATION_CURRENCY.rest, "EUR", "The payee's.");
pub const RATE_ID: Field<Number> =
    Field::new(names::RATE_ID.rest, Number, "A rate that was quoted to the payer; the newest unless given.");
pub const BASE: RequiredText = currency("base", "USD", "One unit of this currency");
pub const QUOTE: RequiredText = currency("quote", "EUR", "of this");
pub const RATE: RequiredText = Field::new(
    "rate",
    Required(Text::of(RATE_MAX).such_as("0.9215").like("^[0-9]{1,16}(\\.[0-9]{1,12})?$")),
    "is so many: above zero, up to 16 digits before the point and 12 after it.",
);
pub const QUOTED_BY: RequiredText = Field::new("source", Required(Text::of(REFERENCE_MAX)), "Who quoted it.");
pub const OBSERVED_AT: Field<Time> =
    Field::new(names::OBSERVED_AT.rest, Time, "When it was quoted, not in the future; now unless given.");

// of sagas
pub const CUSTOMER: RequiredText = account(names::ACCOUNT_ID.rest, "The customer's account.");
pub const INSTRUMENT: RequiredText =
    Field::new("instrument", Required(Text::of(INSTRUMENT_MAX)), "The provider's token of a bank account or a card.");
pub const SAGA_KEY: Field<Uuid> = Field::new(
    names::IDEMPOTENCY_KEY.rest,
    Uuid,
    "A UUID: the same key moves money once, and its repeat is answered with the same saga. Without one a repeat is \
     another.",
);
pub const HOW: Field<Required<Choice<Resolution>>> = Field::new(
    "as",
    Required(Choice::of(&Resolution::NAMES)),
    "`done`: it has its effect, and the saga goes on forward from there; `undone`: it has none, or no longer, and what \
     came before is undone.",
);
pub const WHY: RequiredText = Field::new("reason", Required(Text::of(REASON_MAX)), "In the operator's words.");

// of currencies
pub const CODE: RequiredText = Field::new(
    "code",
    Required(Text::of(CURRENCY_MAX).such_as("XAU").like("^[A-Z0-9]{2,12}$")),
    "Capital letters and digits.",
);
pub const NAME: RequiredText = Field::new("name", Required(Text::of(NAME_MAX).such_as("Gold")), "What people call it.");
pub const NEW_NAME: Field<Text> = Field::new("name", Text::of(NAME_MAX), "What people call it.");
pub const EXPONENT: Field<Required<Whole>> = Field::new(
    "exponent",
    Required(Whole { max: EXPONENT_MAX.unsigned_abs() as u32, example: 6 }),
    "Decimals of its smallest unit: this never changes.",
);
pub const TYPE: Field<Required<Choice<bool>>> =
    Field::new("type", Required(Choice::of(&TYPES).such_as("non-fiat")), "`fiat` or `non-fiat`.");
pub const IS_ACTIVE: Field<Flag> = Field::new("isActive", Flag, "Whether it takes new accounts.");
pub const ANYTHING: Field<Json> = Field::new("metadata", Json, "Anything about it.");

bodies! {
    /// Money to be held.
    HoldRequest {
        SOURCE.about("Whose money."), DESTINATION.about("Who is to be paid."), AMOUNT, CURRENCY, EXPIRES_AT,
        KEY.about("The same key holds once. Without one every call is a new hold."), REFERENCE, DESCRIPTION, METADATA,
    }

    /// What is to be paid of a hold.
    CaptureRequest { PART, FINAL, KEY.about("The same key captures once."), REFERENCE }

    /// A hold to be let go.
    VoidRequest { KEY.about("The same key voids once."), REFERENCE }

    /// New limits: what is left out stays as it is, null means no limit. One of them must be there.
    LimitsRequest { MIN_BALANCE, MAX_BALANCE, KEY.about("The same key changes once."), REASON }

    /// A new status.
    NativeStatusRequest { STATUS, KEY.about("The same key changes once."), REASON }

    /// A transaction to be posted, whole or not at all.
    TransactionRequest {
        KIND, POSTINGS, KEY.about("The same key posts once. Without one every call is a new transaction."), REFERENCE,
        DESCRIPTION, METADATA,
    }

    /// Money that is to leave one account and arrive at another.
    PostingRequest { SOURCE, DESTINATION, AMOUNT, CURRENCY }

    /// A payment, or a part of it, to be given back.
    RefundPaymentRequest { PART, KEY.about("The same key gives back once."), REFERENCE, DESCRIPTION, METADATA }

    /// A transaction to be undone.
    ReverseRequest { KEY.about("The same key undoes once."), REFERENCE, DESCRIPTION.about("Why.") }

    /// Money to be exchanged.
    ExchangeRequest {
        SOURCE, DESTINATION, AMOUNT.about("What is paid."), CURRENCY.about("The payer's currency."),
        DESTINATION_CURRENCY, RATE_ID, KEY.about("The same key exchanges once."), REFERENCE, DESCRIPTION, METADATA,
    }

    /// A rate to be written down: one unit of base is so many units of quote.
    RateRequest { BASE, QUOTE, RATE, QUOTED_BY, OBSERVED_AT, REASON }

    /// A payout or a card top-up, through the provider.
    ProviderRequest {
        CUSTOMER, AMOUNT, CURRENCY, INSTRUMENT, SAGA_KEY,
        REFERENCE.about("The caller's reference; the provider hears it too."),
    }

    /// Why an operator has a stuck step tried again.
    RetryRequest { WHY }

    /// How an operator says that a stuck step stands.
    ResolveRequest { HOW, WHY }

    /// A currency to be made.
    CreateCurrencyRequest {
        CODE, NAME, EXPONENT, TYPE, ANYTHING, REASON.about("Why, in the operator's words: kept with who made it."),
    }

    /// What of a currency is to be changed; what is left out stays as it is.
    UpdateCurrencyRequest {
        IS_ACTIVE, NEW_NAME, ANYTHING.about("Anything about it, in place of what was there."),
        REASON.about("Why, in the operator's words: kept with who made the change."),
    }
}
