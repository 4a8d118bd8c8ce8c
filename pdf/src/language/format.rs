//! Numbers and dates as CLDR 45 has them, but for the currency: its code, for a sign is shared by several.

use chrono::{Datelike, NaiveDate};

use super::Language;

const NARROW: &str = "\u{202f}";
const NO_BREAK: &str = "\u{a0}";

/// How the digits before the decimals are grouped.
struct Separators {
    decimal: &'static str,
    group: &'static str,
    /// Digits of every group but the last, which has three.
    group_digits: usize,
    /// The fewest digits that are grouped.
    from_digits: usize,
}

const fn separators(language: Language) -> Separators {
    match language {
        Language::English | Language::Arabic | Language::Japanese => {
            Separators { decimal: ".", group: ",", group_digits: 3, from_digits: 4 }
        }
        Language::German => Separators { decimal: ",", group: ".", group_digits: 3, from_digits: 4 },
        Language::French => Separators { decimal: ",", group: NARROW, group_digits: 3, from_digits: 4 },
        Language::Spanish => Separators { decimal: ",", group: ".", group_digits: 3, from_digits: 5 },
        Language::Hindi => Separators { decimal: ".", group: ",", group_digits: 2, from_digits: 4 },
    }
}

/// `-1234.50`: no grouping, a point.
pub fn plain(minor: i128, exponent: u8) -> String {
    let places = usize::from(exponent);
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = places + 1);
    let (whole, decimals) = digits.split_at(digits.len() - places);
    let sign = if minor < 0 { "-" } else { "" };
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{decimals}") }
}

pub fn amount(language: Language, minor: i128, exponent: u8) -> String {
    decimal(language, &plain(minor, exponent), 0)
}

/// An amount and its currency.
pub fn money(language: Language, minor: i128, exponent: u8, currency: &str) -> String {
    let amount = amount(language, minor, exponent);
    match language {
        Language::English | Language::Hindi | Language::Japanese => format!("{currency}{NO_BREAK}{amount}"),
        Language::German | Language::French | Language::Spanish | Language::Arabic => {
            format!("{amount}{NO_BREAK}{currency}")
        }
    }
}

/// Decimal text with this language's separators, and with zeros up to `places_min` decimals.
pub fn decimal(language: Language, text: &str, places_min: u8) -> String {
    let Separators { decimal, group, group_digits, from_digits } = separators(language);
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |unsigned| ("-", unsigned));
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut out = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at; // digits from here to the point
        if at > 0 && whole.len() >= from_digits && (left == 3 || left > 3 && (left - 3).is_multiple_of(group_digits)) {
            out.push_str(group);
        }
        out.push(digit);
    }
    if places_min > 0 || !decimals.is_empty() {
        out.push_str(decimal);
        out.push_str(&format!("{decimals:0<width$}", width = usize::from(places_min)));
    }
    out
}

/// A rate in per cent, without zeros at its end.
pub fn percent(language: Language, rate: &str) -> String {
    let short = if rate.contains('.') { rate.trim_end_matches('0').trim_end_matches('.') } else { rate };
    let space = match language {
        Language::German | Language::Spanish => NO_BREAK,
        Language::French => NARROW,
        Language::English | Language::Hindi | Language::Arabic | Language::Japanese => "",
    };
    format!("{}{space}%", decimal(language, short, 0))
}

/// Day, month in words, year: nobody takes the day for the month.
pub fn date(language: Language, date: NaiveDate) -> String {
    let (day, year) = (date.day(), date.year());
    match language {
        Language::English => format!("{day} {} {year}", month(&ENGLISH, date)),
        Language::German => format!("{day}. {} {year}", month(&GERMAN, date)),
        Language::French if day == 1 => format!("1er {} {year}", month(&FRENCH, date)),
        Language::French => format!("{day} {} {year}", month(&FRENCH, date)),
        Language::Spanish => format!("{day} de {} de {year}", month(&SPANISH, date)),
        Language::Hindi => format!("{day} {} {year}", month(&HINDI, date)),
        Language::Arabic => format!("{day} {} {year}", month(&ARABIC, date)),
        Language::Japanese => format!("{year}年{}月{day}日", date.month()),
    }
}

fn month(names: &[&'static str; 12], date: NaiveDate) -> &'static str {
    names.get(date.month0() as usize).copied().unwrap_or_default()
}

const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const GERMAN: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];
const FRENCH: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];
const SPANISH: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];
const HINDI: [&str; 12] =
    ["जनवरी", "फ़रवरी", "मार्च", "अप्रैल", "मई", "जून", "जुलाई", "अगस्त", "सितंबर", "अक्टूबर", "नवंबर", "दिसंबर"];
const ARABIC: [&str; 12] =
    ["يناير", "فبراير", "مارس", "أبريل", "مايو", "يونيو", "يوليو", "أغسطس", "سبتمبر", "أكتوبر", "نوفمبر", "ديسمبر"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_as_each_language_groups_them() {
        for (language, small, large) in [
            (Language::English, "1,234.50", "-12,345,678.90"),
            (Language::German, "1.234,50", "-12.345.678,90"),
            (Language::French, "1\u{202f}234,50", "-12\u{202f}345\u{202f}678,90"),
            (Language::Spanish, "1234,50", "-12.345.678,90"),
            (Language::Hindi, "1,234.50", "-1,23,45,678.90"),
            (Language::Arabic, "1,234.50", "-12,345,678.90"),
            (Language::Japanese, "1,234.50", "-12,345,678.90"),
        ] {
            assert_eq!(amount(language, 1_234_50, 2), small, "{language:?}");
            assert_eq!(amount(language, -12_345_678_90, 2), large, "{language:?}");
        }
    }

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        for (minor, exponent, text) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (1_234, 0, "1234"),
            (1_234, 3, "1.234"),
            (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        ] {
            assert_eq!(plain(minor, exponent), text);
        }
    }

    #[test]
    fn the_currency_stands_where_the_language_puts_it() {
        assert_eq!(money(Language::English, 1_234_50, 2, "USD"), "USD\u{a0}1,234.50");
        assert_eq!(money(Language::German, 1_234_50, 2, "EUR"), "1.234,50\u{a0}EUR");
        assert_eq!(money(Language::Japanese, 1_234, 0, "JPY"), "JPY\u{a0}1,234");
    }

    #[test]
    fn a_decimal_keeps_what_it_has_and_is_filled_up() {
        assert_eq!(decimal(Language::English, "12.5", 2), "12.50");
        assert_eq!(decimal(Language::English, "0.0035", 2), "0.0035");
        assert_eq!(decimal(Language::German, "1500", 0), "1.500");
        assert_eq!(decimal(Language::Hindi, "100000", 2), "1,00,000.00");
    }

    #[test]
    fn rates_are_short() {
        assert_eq!(percent(Language::English, "19.00"), "19%");
        assert_eq!(percent(Language::German, "7.50"), "7,5\u{a0}%");
        assert_eq!(percent(Language::French, "20"), "20\u{202f}%");
        assert_eq!(percent(Language::English, "0"), "0%");
    }

    #[test]
    fn dates_name_their_month() {
        let first = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        for (language, text) in [
            (Language::English, "1 March 2026"),
            (Language::German, "1. März 2026"),
            (Language::French, "1er mars 2026"),
            (Language::Spanish, "1 de marzo de 2026"),
            (Language::Hindi, "1 मार्च 2026"),
            (Language::Arabic, "1 مارس 2026"),
            (Language::Japanese, "2026年3月1日"),
        ] {
            assert_eq!(date(language, first), text);
        }
    }
}
