//! Amounts as people write them, and back. Exact: text to whole minor units, no float between.

/// Minor units per currency, as the schema has them: code and decimals.
const CURRENCIES: &[(&str, u32)] =
    &[("USD", 2), ("EUR", 2), ("GBP", 2), ("INR", 2), ("CHF", 2), ("JPY", 0), ("BHD", 3), ("BTC", 8), ("ETH", 8), ("POINTS", 0)];

/// Decimals of a currency.
///
/// # Errors
/// When it is not known here.
pub fn exponent(currency: &str) -> Result<u32, String> {
    let found = CURRENCIES.iter().find(|(code, _)| *code == currency).map(|(_, exponent)| *exponent);
    found.ok_or_else(|| {
        let known: Vec<_> = CURRENCIES.iter().map(|(code, _)| *code).collect();
        format!("currency {currency:?} is unknown: allowed is {}", known.join(", "))
    })
}

/// `12.50` of a currency with two decimals is 1250.
///
/// # Errors
/// When it is no decimal number, has more decimals than the currency, or is too large.
pub fn minor_units(text: &str, currency: &str) -> Result<i64, String> {
    let exponent = exponent(currency)?;
    let wrong = |why: String| format!("amount {text:?} {why}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !numeric(whole) || !numeric(decimals) || digits.ends_with('.') {
        return Err(wrong("is no decimal number such as 12.50".into()));
    }
    let width = usize::try_from(exponent).unwrap_or(usize::MAX);
    let decimals = if decimals.len() > width { decimals.trim_end_matches('0') } else { decimals };
    if decimals.len() > width {
        return Err(wrong(format!("has more decimals than {currency} allows: {exponent}")));
    }
    format!("{sign}{whole}{decimals:0<width$}")
        .parse()
        .map_err(|_| wrong(format!("is too large: allowed is up to {} {currency}", text_of(i64::MAX, exponent))))
}

/// 1250 with two decimals is `12.50`.
pub fn text_of(minor: i64, exponent: u32) -> String {
    let (sign, digits) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs().to_string());
    let width = usize::try_from(exponent).unwrap_or(0);
    let digits = format!("{digits:0>least$}", least = width + 1);
    let (whole, decimals) = digits.split_at(digits.len() - width);
    if decimals.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{decimals}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, currency, want) in [
            ("12.50", "USD", Some(1_250)),
            ("12.5", "USD", Some(1_250)),
            ("12", "USD", Some(1_200)),
            ("0.1", "USD", Some(10)),
            ("12.500", "USD", Some(1_250)),
            ("12.505", "USD", None),
            ("-5", "USD", Some(-500)),
            ("0", "USD", Some(0)),
            ("1200", "JPY", Some(1_200)),
            ("1.5", "JPY", None),
            ("1.234", "BHD", Some(1_234)),
            ("0.00000001", "BTC", Some(1)),
            ("92233720368547758.07", "USD", Some(i64::MAX)),
            ("92233720368547758.08", "USD", None),
            ("1e3", "USD", None),
            ("", "USD", None),
            ("-", "USD", None),
            (".5", "USD", None),
            ("5.", "USD", None),
            ("--5", "USD", None),
            ("1,000", "USD", None),
            ("1", "usd", None),
        ] {
            assert_eq!(minor_units(text, currency).ok(), want, "{text} {currency}");
        }
    }

    #[test]
    fn text_and_minor_units_are_inverse() {
        for (minor, exponent, text) in [(1_250, 2, "12.50"), (5, 2, "0.05"), (-5, 2, "-0.05"), (0, 0, "0"), (7, 0, "7"), (1, 8, "0.00000001")] {
            assert_eq!(text_of(minor, exponent), text);
        }
        assert_eq!(text_of(i64::MIN, 2), "-92233720368547758.08");
    }
}
