//! Why a message is no order, no bill or no registration. Such a one goes to the dead letters with this reason; it is
//! never tried again.

use std::fmt;

/// Where in the message: `currency`, or `lines[3].qty`, counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The list and the place in it; `None`: a field of the message itself.
    pub item: Option<(&'static str, usize)>,
    /// Empty: the item itself.
    pub name: &'static str,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.item, self.name) {
            (None, name) => f.write_str(name),
            (Some((list, at)), "") => write!(f, "{list}[{at}]"),
            (Some((list, at)), name) => write!(f, "{list}[{at}].{name}"),
        }
    }
}

/// Values are as they stand in the message, cut to 40 characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenOrder {
    #[error("the message is empty")]
    Empty,
    #[error("the message has {bytes} bytes, more than {max}")]
    TooLong { bytes: usize, max: usize },
    #[error("the message is not UTF-8: byte {at} does not fit")]
    NotUtf8 { at: usize },
    #[error("the message is not JSON: {why}")]
    NotJson { why: String },
    #[error("the message must be a JSON object, not {value}")]
    NotAnObject { value: String },
    #[error("{field} stands twice")]
    Repeated { field: Field },
    #[error("{field} is missing")]
    Missing { field: Field },
    #[error("{field} must be {expected}, not {value}")]
    WrongType { field: Field, expected: &'static str, value: String },
    #[error("{field} must not be empty")]
    EmptyText { field: Field },
    #[error("{field} has {bytes} bytes, more than {max}: {value}")]
    LongText { field: Field, bytes: usize, max: usize, value: String },
    #[error("{field} contains the character U+0000: {value}")]
    Nul { field: Field, value: String },
    #[error("{field} contains a control character: {value}")]
    Control { field: Field, value: String },
    /// A text that cannot be read, such as one with half a surrogate pair.
    #[error("{field} is not a text: {why}")]
    BadText { field: Field, why: String },
    #[error("{field} must be a decimal number such as 12.50, not {value}")]
    NotANumber { field: Field, value: String },
    #[error("{field} must not be negative: {value}")]
    Negative { field: Field, value: String },
    #[error("{field} must be a whole number, not {value}")]
    NotWhole { field: Field, value: String },
    #[error("{field} has more than {max} decimals: {value}")]
    TooPrecise { field: Field, max: u8, value: String },
    #[error("{field} must be {limit}, not {value}")]
    TooLarge { field: Field, limit: &'static str, value: String },
    #[error("currency {value} is not known: codes are capital letters and digits, such as EUR")]
    UnknownCurrency { value: String },
    #[error("{list} must have at least one {}", list.trim_end_matches('s'))]
    EmptyList { list: &'static str },
    #[error("{list} has more than {max} {list}")]
    LongList { list: &'static str, max: usize },
    #[error("{field} must have {min} to {max} characters, not {characters}: {value}")]
    Characters { field: Field, min: usize, max: usize, characters: usize, value: String },
    #[error("{field} must be {expected}, not {value}")]
    NotOne { field: Field, expected: &'static str, value: String },
    #[error(
        "timestamp must be like 2026-11-20T02:09:34.076259Z, from the year 1970 to 9999, with or without zone, not {value}"
    )]
    BadTimestamp { value: String },
    #[error("it comes to more than 28 digits of its currency's smallest unit")]
    TotalTooLarge,
}

impl BrokenOrder {
    /// One word for metrics and dead letters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "EMPTY_MESSAGE",
            Self::TooLong { .. } => "MESSAGE_TOO_LONG",
            Self::NotUtf8 { .. } => "NOT_UTF8",
            Self::NotJson { .. } => "NOT_JSON",
            Self::NotAnObject { .. } => "NOT_AN_OBJECT",
            Self::Repeated { .. } => "REPEATED_FIELD",
            Self::Missing { .. } => "MISSING_FIELD",
            Self::WrongType { .. } => "WRONG_TYPE",
            Self::EmptyText { .. } => "EMPTY_FIELD",
            Self::LongText { .. } => "FIELD_TOO_LONG",
            Self::Nul { .. } => "NUL_CHARACTER",
            Self::Control { .. } => "CONTROL_CHARACTER",
            Self::BadText { .. } => "BAD_TEXT",
            Self::NotANumber { .. } => "NOT_A_NUMBER",
            Self::Negative { .. } => "NEGATIVE",
            Self::NotWhole { .. } => "NOT_WHOLE",
            Self::TooPrecise { .. } => "TOO_PRECISE",
            Self::TooLarge { .. } => "NUMBER_TOO_LARGE",
            Self::UnknownCurrency { .. } => "UNKNOWN_CURRENCY",
            Self::EmptyList { .. } => "NO_LINES",
            Self::LongList { .. } => "TOO_MANY_LINES",
            Self::Characters { .. } => "WRONG_LENGTH",
            Self::NotOne { .. } => "NOT_ALLOWED",
            Self::BadTimestamp { .. } => "BAD_TIMESTAMP",
            Self::TotalTooLarge => "TOTAL_TOO_LARGE",
        }
    }
}

/// At most 40 characters of a value, so that a reason stays short.
pub(in crate::billing) fn cut(value: &str) -> String {
    match value.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}
