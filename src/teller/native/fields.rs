//! Reads the fields of the native API: amounts, currencies, times, metadata.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Datelike, Timelike, Utc};

use crate::money::{Amount, AmountError, Currencies, Currency};
use crate::protocol::events::metadata_texts;
use crate::teller::failure::Failure;
use crate::teller::validate::{
    self, CURRENCY_MAX, METADATA_ENTRIES_MAX, METADATA_KEY_MAX, METADATA_MAX, METADATA_VALUE_MAX, cut,
};

/// Bytes of an amount's text: 28 digits, sign and point, and some zeros.
const AMOUNT_MAX: usize = 64;
/// Bytes of a time's text.
const TIME_MAX: usize = 64;

/// Reads the code of a currency of this ledger.
///
/// # Errors
/// `Invalid`: it is no currency of this ledger.
pub fn currency(currencies: &Currencies, field: &str, code: &str) -> Result<Currency, Failure> {
    validate::required(field, code, CURRENCY_MAX)?;
    currencies
        .get(code)
        .ok_or_else(|| Failure::Invalid(format!("{field} {:?} is not a currency of this ledger", cut(code))))
}

/// Reads decimal text in the currency's unit.
///
/// # Errors
/// `Invalid`, naming field, value and limit.
pub fn amount(field: &str, text: &str, currency: Currency) -> Result<Amount, Failure> {
    validate::required(field, text, AMOUNT_MAX)?;
    Amount::parse(text, currency.exponent).map_err(|error| {
        let shown = cut(text);
        Failure::Invalid(match error {
            AmountError::NotDecimal(_) => format!("{field} {shown:?} is not a decimal amount such as \"12.50\""),
            AmountError::TooPrecise { exponent, .. } => {
                format!("{field} {shown:?} has more than the {exponent} decimals of {}", currency.code)
            }
            AmountError::TooLarge => {
                format!(
                    "{field} {shown:?} has more than 28 digits in the smallest unit of {}, which is the limit",
                    currency.code
                )
            }
        })
    })
}

/// Nanoseconds of a second; a time with as many or more is in a leap second.
const SECOND: u32 = 1_000_000_000;

/// Reads an RFC 3339 time of the years 0 to 9999 in UTC; `None`: the text is empty. No leap seconds: neither the
/// database nor an answer could carry one.
///
/// # Errors
/// `Invalid`, naming field and value.
pub fn time(field: &str, text: &str) -> Result<Option<DateTime<Utc>>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    validate::text(field, text, TIME_MAX)?;
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    let time = time.filter(|time| time.nanosecond() < SECOND && (0..=9999).contains(&time.year()));
    time.map(Some).ok_or_else(|| {
        Failure::Invalid(format!("{field} {:?} is not a time such as \"2026-01-31T12:00:00Z\"", cut(text)))
    })
}

/// From when, and before when; `None`: no bound.
pub type Times = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// Reads two RFC 3339 times; either text may be empty. Each argument is a field's name and its text.
///
/// # Errors
/// `Invalid`, naming the field; also when the second time is not after the first.
pub fn times(from: (&str, &str), to: (&str, &str)) -> Result<Times, Failure> {
    let (start, end) = (time(from.0, from.1)?, time(to.0, to.1)?);
    if start.is_some_and(|start| end.is_some_and(|end| end <= start)) {
        return Err(Failure::Invalid(format!("{} {:?} is not after {} {:?}", to.0, cut(to.1), from.0, cut(from.1))));
    }
    Ok((start, end))
}

/// A metadata map as the JSON object that is stored. Keys are sorted, so that the same map is always the same text.
/// `None`: it is empty.
///
/// # Errors
/// `Invalid`, naming entry and limit.
pub fn metadata(map: &HashMap<String, String>) -> Result<Option<String>, Failure> {
    if map.is_empty() {
        return Ok(None);
    }
    if map.len() > METADATA_ENTRIES_MAX {
        return Err(Failure::Invalid(format!(
            "metadata has {} entries, the limit is {METADATA_ENTRIES_MAX}",
            map.len()
        )));
    }
    let sorted: BTreeMap<&str, &str> = map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    for (key, value) in &sorted {
        validate::required("metadata key", key, METADATA_KEY_MAX)?;
        validate::text(&format!("metadata[{:?}]", cut(key)), value, METADATA_VALUE_MAX)?;
    }
    let json = serde_json::to_string(&sorted).map_err(|_| Failure::Guard)?; // texts by texts always can be written
    if json.len() > METADATA_MAX {
        return Err(Failure::Invalid(format!(
            "metadata is {} bytes long as JSON, the limit is {METADATA_MAX}",
            json.len()
        )));
    }
    Ok(Some(json))
}

/// The map of a stored JSON object; values that are not texts are shown as JSON.
pub fn metadata_map(json: Option<&str>) -> HashMap<String, String> {
    metadata_texts(json).into_iter().collect()
}

/// The error for a value that is not in a closed list.
///
/// # Errors
/// Always: `Invalid`.
pub fn unknown<T>(field: &str, value: &str, allowed: &str) -> Result<T, Failure> {
    Err(Failure::Invalid(format!("{field} {:?} is not one of {allowed}", cut(value))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::CurrencyCode;

    #[test]
    fn amounts_are_refused_by_name_value_and_limit() {
        let usd = Currency { code: CurrencyCode::parse("USD").unwrap(), exponent: 2 };
        let refused = |text: &str| amount("postings[3].amount", text, usd).unwrap_err().to_string();
        assert_eq!(refused("1.234"), "postings[3].amount \"1.234\" has more than the 2 decimals of USD");
        assert_eq!(refused("x"), "postings[3].amount \"x\" is not a decimal amount such as \"12.50\"");
        assert_eq!(refused(""), "postings[3].amount is required");
        assert!(refused(&"9".repeat(27)).contains("28 digits"));
        assert!(refused(&"0".repeat(65)).contains("limit is 64"));
        assert_eq!(amount("a", "1.500", usd), Ok(Amount::from(150)));
    }

    // Fails when a leap second is taken: it would be answered as second 60 of any minute.
    #[test]
    fn times_that_no_answer_can_carry_are_refused() {
        for wrong in [
            "2030-06-01T12:30:60Z",
            "2016-12-31T23:59:60Z",
            "2030-06-01T12:30:60.5+05:30",
            "2030-06-01T24:00:00Z",
            "2030-02-29T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "2030-06-01 ",
        ] {
            let refused = time("expires_at", wrong).unwrap_err().to_string();
            assert!(refused.starts_with("expires_at") && refused.contains(wrong), "{refused}");
        }
        let good = time("expires_at", "2030-06-01T12:30:59.999999999Z").unwrap().unwrap();
        assert_eq!(crate::protocol::events::timestamp(good), "2030-06-01T12:30:59.999999+00:00");
        assert_eq!(time("expires_at", ""), Ok(None));
    }

    #[test]
    fn metadata_is_the_same_text_in_whatever_order_it_came() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<HashMap<_, _>>()
        };
        let text = metadata(&map(&[("b", "2"), ("a", "\"")])).unwrap().unwrap();
        assert_eq!(text, r#"{"a":"\"","b":"2"}"#);
        assert_eq!(metadata_map(Some(&text)), map(&[("a", "\""), ("b", "2")]));
        assert_eq!(metadata(&map(&[])), Ok(None));
        for bad in [
            map(&[("", "x")]),
            map(&[("k", "a\0b")]),
            map(&[("k\u{1}", "x")]),
            map(&[("k", &"v".repeat(513))]),
            map(&[(&"k".repeat(65), "v")]),
        ] {
            assert!(matches!(metadata(&bad), Err(Failure::Invalid(_))), "{bad:?}");
        }
    }
}
