//! How times and amounts are written, and how an amount is read: from the very characters that were sent, never through a float.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::money::{Amount, AmountError, Currency, decimal_text};
use crate::teller::validate::cut;

/// Bytes of an amount's text: 28 digits, sign and point, and some zeros.
pub const AMOUNT_MAX: usize = 64;

/// An amount as it was sent: decimal text or a JSON number.
#[derive(Clone, Debug)]
pub struct AmountText {
    /// The JSON token, to be echoed.
    pub sent: Box<RawValue>,
    /// Its decimal text.
    pub text: String,
}

impl Serialize for AmountText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.sent.serialize(serializer)
    }
}

impl PartialSchema for AmountText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^[0-9]{1,28}(\.[0-9]{1,18})?$"))
            .description(Some("decimal text, positive, with no more decimals than the currency has"))
            .examples(["10.50"]);
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)))
            .exclusive_minimum(Some(0))
            .description(Some("the same as a JSON number; it is read digit by digit"));
        OneOfBuilder::new().item(text).item(number).into()
    }
}

impl ToSchema for AmountText {
    fn name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }
}

/// How a limit of an account may be sent: as an amount, or zero, or below it.
pub struct LimitText;

impl PartialSchema for LimitText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^-?[0-9]{1,28}(\.[0-9]{1,18})?$"));
        let number =
            ObjectBuilder::new().schema_type(Type::Number).format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)));
        OneOfBuilder::new().item(text).item(number).into()
    }
}

impl ToSchema for LimitText {
    fn name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }
}

/// A time: RFC 3339 in UTC with milliseconds.
pub fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Decimals of an amount where all have as many; a currency with more keeps its own.
pub const DECIMALS: usize = 8;

/// An amount with exactly 8 decimals, or the currency's own if it has more.
pub fn stored(minor_units: i128, exponent: u8) -> String {
    let (mut text, places) = (decimal_text(minor_units, exponent), usize::from(exponent));
    if places == 0 {
        text.push('.');
    }
    text.extend(std::iter::repeat_n('0', DECIMALS.saturating_sub(places)));
    text
}

/// JSON that was stored as text; what is none shows as an empty object.
pub fn metadata(text: Option<&str>) -> Box<RawValue> {
    let stored = text.and_then(|text| RawValue::from_string(text.to_owned()).ok());
    stored.unwrap_or_else(|| RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
}

/// What is said of a field that holds no positive amount.
pub fn not_positive(field: &str) -> String {
    format!("{field} must be a positive decimal amount (e.g., \"10.50\")")
}

/// Whether a text is a positive amount in some currency: digits, perhaps a point and more digits, not all of them
/// zeros.
pub fn is_positive(text: &str) -> bool {
    is_decimal(text) && !text.starts_with('-') && text.bytes().any(|b| matches!(b, b'1'..=b'9'))
}

/// Whether a text is an amount of any sign in some currency.
pub fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= AMOUNT_MAX && numeric(whole) && numeric(fraction)
}

/// Reads an amount in its currency's minor unit.
///
/// # Errors
/// What is wrong with it: field, value and limit in words.
pub fn amount(field: &str, text: &str, currency: Currency) -> Result<Amount, String> {
    let shown = cut(text);
    Amount::parse(text, currency.exponent).map_err(|error| match error {
        AmountError::NotDecimal(_) => not_positive(field),
        AmountError::TooPrecise { exponent, .. } => {
            format!("{field} {shown:?} has more than the {exponent} decimals of {}", currency.code)
        }
        AmountError::TooLarge => format!(
            "{field} {shown:?} has more than 28 digits in the smallest unit of {}, which is the limit",
            currency.code
        ),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::CurrencyCode;

    proptest! {
        /// What passes for positive is positive in every currency that can carry it.
        #[test]
        fn what_is_positive_is_so_in_every_currency_that_can_carry_it(text in "[0-9+.e -]{0,12}") {
            prop_assert_eq!(is_positive(&text), Amount::parse(&text, 18).is_ok_and(|amount| amount > Amount::ZERO), "{}", text);
        }
    }

    #[test]
    fn only_positive_decimals_are_amounts() {
        for text in ["10.50", "10", "0.01", "0000000000000001", "99999999999999999999999999.99"] {
            assert!(is_positive(text), "{text}");
        }
        let long = "9".repeat(65);
        for text in [
            "", " 5", "5 ", "0", "0.00", "-5", "+5", "1e3", "1E3", "NaN", "Infinity", "abc", ".5", "5.", "1,5", "٣",
            "0x10", "1.2.3", "--1", &long,
        ] {
            assert!(!is_positive(text), "{text}");
        }
        assert!(is_decimal("-100.00") && is_decimal("0") && !is_decimal("-") && !is_decimal("-.5"));
    }

    #[test]
    fn amounts_are_refused_by_field_value_and_limit() {
        let usd = Currency { code: CurrencyCode::parse("USD").unwrap(), exponent: 2 };
        assert_eq!(amount("amount", "1.234", usd).unwrap_err(), "amount \"1.234\" has more than the 2 decimals of USD");
        assert!(amount("refundAmount", &"9".repeat(40), usd).unwrap_err().contains("28 digits"));
        assert_eq!(amount("amount", "1.500", usd), Ok(Amount::from(150)));
    }

    #[test]
    fn times_have_milliseconds_and_a_z() {
        assert_eq!(time(DateTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn what_is_stored_has_eight_decimals_or_the_currencys_own() {
        for (units, exponent, text) in [
            (10_000, 2, "100.00000000"),
            (-5, 2, "-0.05000000"),
            (0, 2, "0.00000000"),
            (7, 0, "7.00000000"),
            (1, 8, "0.00000001"),
            (1, 3, "0.00100000"),
            (1_500_000_000_000_000_000, 18, "1.500000000000000000"),
        ] {
            assert_eq!(stored(units, exponent), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back_as_the_same_amount(units in 1i128..=9_999_999_999_999_999_999_999_999_999, exponent in 0u8..=18) {
            let shown = stored(units, exponent);
            prop_assert_eq!(Amount::parse(&shown, exponent).map(Amount::minor_units), Ok(units));
            prop_assert!(shown.split_once('.').is_some_and(|(_, fraction)| fraction.len() == DECIMALS.max(usize::from(exponent))));
        }
    }
}
