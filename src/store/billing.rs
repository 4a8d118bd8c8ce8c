//! Invoices, customers, legal entities and tax rates.

pub mod entities;
pub mod facts;
pub mod orders;

/// The name of a number in `invoices.status`; `None`: no status has this number.
fn status_name(code: i16) -> Option<&'static str> {
    ["draft", "open", "paid", "void", "uncollectible"].get(usize::try_from(code).ok()?).copied()
}

/// A document's number as it is written.
fn number_text(format: &str, year: i32, number: i64) -> String {
    let _ = year;
    format!("{format}{number}")
}
