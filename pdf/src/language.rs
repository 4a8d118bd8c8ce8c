//! The customer's language: labels, and the form of numbers and dates. Digits are ASCII in all of them.

mod format;
mod labels;

use chrono::NaiveDate;

pub(crate) use self::format::{amount, date, decimal, money, percent, plain};
pub(crate) use self::labels::Labels;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    English,
    German,
    French,
    Spanish,
    Hindi,
    Arabic,
    Japanese,
}

impl Language {
    pub const ALL: [Self; 7] =
        [Self::English, Self::German, Self::French, Self::Spanish, Self::Hindi, Self::Arabic, Self::Japanese];

    /// ISO 639-1.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Hindi => "hi",
            Self::Arabic => "ar",
            Self::Japanese => "ja",
        }
    }

    /// The language of a tag such as `de`, `de-AT` or `DE_at`, if it is one of these.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let code = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    /// A day as its reader writes it.
    pub fn date(self, day: NaiveDate) -> String {
        date(self, day)
    }

    /// An amount in minor units, and its currency.
    pub fn money(self, minor: i128, exponent: u8, currency: &str) -> String {
        money(self, minor, exponent, currency)
    }

    pub(crate) const fn is_right_to_left(self) -> bool {
        matches!(self, Self::Arabic)
    }
}
