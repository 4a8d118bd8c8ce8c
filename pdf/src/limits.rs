//! How much of a document is printed. What is more, or no number, is refused before typst sees it.

use std::fmt::Display;

use chrono::Datelike;

use crate::document::{Document, Kind};
use crate::error::PdfError;
use crate::logo;

/// About 160 pages. With the longest descriptions of many scripts it takes 0.6 GB of memory and 9 s to make them.
pub const LINES_MAX: usize = 5_000;
/// Characters of the descriptions of all lines together.
pub const LINES_CHARS_MAX: usize = 500_000;
pub const TAXES_MAX: usize = 100;
/// Lines of an address.
pub const ADDRESS_LINES_MAX: usize = 10;
/// Characters of a name, which is up to three of 255, of a line of an address, and of what has no limit of its own.
pub const NAME_CHARS_MAX: usize = 800;
/// Characters of a number, an item's code, an id of a customer or for tax, a phone.
pub const CODE_CHARS_MAX: usize = 256;
/// Characters of an e-mail address: RFC 5321 has 64, `@` and 255.
pub const EMAIL_CHARS_MAX: usize = 320;
/// Characters of an item's description.
pub const DESCRIPTION_CHARS_MAX: usize = 1_024;
/// Characters of the terms, and of the note.
pub const NOTE_CHARS_MAX: usize = 4_000;
pub const CURRENCY_CHARS_MAX: usize = 12;
/// Decimals of a currency.
pub const EXPONENT_MAX: u8 = 12;
/// Digits of a quantity, a price or a rate: what fits into its column.
pub const DIGITS_MAX: usize = 18;
/// Digits of an amount in minor units.
pub const AMOUNT_DIGITS_MAX: u32 = 24;
/// Bytes of a logo.
pub const LOGO_BYTES_MAX: usize = 512 * 1024;
/// Pixels of a PNG: 16 MB once decoded.
pub const LOGO_PIXELS_MAX: u64 = 4_000_000;
/// Elements of an SVG.
pub const LOGO_ELEMENTS_MAX: usize = 2_000;

/// # Errors
/// The first field that is not printed, as the document has them from its top.
pub(crate) fn check(document: &Document) -> Result<(), PdfError> {
    texts(document)?;
    for (field, date) in [("issued_on", Some(document.issued_on)), ("due_on", document.due_on)] {
        if let Some(date) = date.filter(|date| !(1..=9999).contains(&date.year())) {
            return Err(PdfError::field(field, date, "a day of the years 1 to 9999"));
        }
    }
    if document.exponent > EXPONENT_MAX {
        return Err(PdfError::field("exponent", document.exponent, format!("at most {EXPONENT_MAX}")));
    }
    if document.kind == Kind::GstBill && document.exponent != 2 {
        return Err(PdfError::field("exponent", document.exponent, "2 on a GST bill"));
    }
    count("lines", document.lines.len(), LINES_MAX)?;
    let lines_chars = document.lines.iter().map(|line| line.description.chars().count()).sum::<usize>();
    if lines_chars > LINES_CHARS_MAX {
        let limit = format!("at most {LINES_CHARS_MAX} in all descriptions");
        return Err(PdfError::field("lines", format!("{lines_chars} characters"), limit));
    }
    for (at, line) in document.lines.iter().enumerate() {
        let field = |name: &str| format!("lines[{at}].{name}");
        chars(|| field("description"), &line.description, DESCRIPTION_CHARS_MAX)?;
        optional(|| field("code"), line.code.as_ref(), CODE_CHARS_MAX)?;
        decimal(|| field("quantity"), &line.quantity)?;
        decimal(|| field("unit_price"), &line.unit_price)?;
        amount(|| field("net"), line.net)?;
        line.tax_rate.as_ref().map_or(Ok(()), |rate| decimal(|| field("tax_rate"), rate))?;
    }
    count("taxes", document.taxes.len(), TAXES_MAX)?;
    for (at, tax) in document.taxes.iter().enumerate() {
        let field = |name: &str| format!("taxes[{at}].{name}");
        chars(|| field("label"), &tax.label, NAME_CHARS_MAX)?;
        tax.rate.as_ref().map_or(Ok(()), |rate| decimal(|| field("rate"), rate))?;
        amount(|| field("net"), tax.net)?;
        amount(|| field("tax"), tax.tax)?;
    }
    for (name, sum) in [
        ("subtotal", document.subtotal),
        ("tax", document.tax),
        ("total", document.total),
        ("paid", document.paid),
        ("due", document.due),
    ] {
        amount(|| name, sum)?;
    }
    document.seller.logo.as_deref().map_or(Ok(()), logo::check)
}

fn texts(document: &Document) -> Result<(), PdfError> {
    let Document { seller, buyer, .. } = document;
    chars(|| "number", &document.number, CODE_CHARS_MAX)?;
    chars(|| "seller.name", &seller.name, NAME_CHARS_MAX)?;
    address("seller.address", &seller.address)?;
    optional(|| "seller.tax_id", seller.tax_id.as_ref(), CODE_CHARS_MAX)?;
    optional(|| "seller.phone", seller.phone.as_ref(), CODE_CHARS_MAX)?;
    optional(|| "seller.email", seller.email.as_ref(), EMAIL_CHARS_MAX)?;
    chars(|| "buyer.name", &buyer.name, NAME_CHARS_MAX)?;
    optional(|| "buyer.customer_id", buyer.customer_id.as_ref(), CODE_CHARS_MAX)?;
    address("buyer.address", &buyer.address)?;
    optional(|| "buyer.tax_id", buyer.tax_id.as_ref(), CODE_CHARS_MAX)?;
    optional(|| "buyer.phone", buyer.phone.as_ref(), CODE_CHARS_MAX)?;
    optional(|| "buyer.email", buyer.email.as_ref(), EMAIL_CHARS_MAX)?;
    optional(|| "corrects", document.corrects.as_ref(), CODE_CHARS_MAX)?;
    chars(|| "currency", &document.currency, CURRENCY_CHARS_MAX)?;
    optional(|| "terms", document.terms.as_ref(), NOTE_CHARS_MAX)?;
    optional(|| "note", document.note.as_ref(), NOTE_CHARS_MAX)
}

fn address(name: &str, lines: &[String]) -> Result<(), PdfError> {
    count(name, lines.len(), ADDRESS_LINES_MAX)?;
    lines.iter().enumerate().try_for_each(|(at, line)| chars(|| format!("{name}[{at}]"), line, NAME_CHARS_MAX))
}

fn count(field: &str, entries: usize, max: usize) -> Result<(), PdfError> {
    if entries > max {
        return Err(PdfError::field(field, format!("{entries} entries"), format!("at most {max}")));
    }
    Ok(())
}

fn optional<F: Display>(field: impl Fn() -> F, text: Option<&String>, max: usize) -> Result<(), PdfError> {
    text.map_or(Ok(()), |text| chars(field, text, max))
}

fn chars<F: Display>(field: impl Fn() -> F, text: &str, max: usize) -> Result<(), PdfError> {
    let chars = text.chars().count();
    if chars > max {
        return Err(PdfError::field(field().to_string(), format!("{chars} characters"), format!("at most {max}")));
    }
    Ok(())
}

fn decimal<F: Display>(field: impl Fn() -> F, text: &str) -> Result<(), PdfError> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    if unsigned.len() > DIGITS_MAX + 1 || !digits(whole) || !digits(decimals) {
        let shown: String = text.chars().take(40).collect();
        let limit = format!("a decimal number of at most {DIGITS_MAX} digits, with a point");
        return Err(PdfError::field(field().to_string(), format!("{shown:?}"), limit));
    }
    Ok(())
}

fn amount<F: Display>(field: impl Fn() -> F, minor: i128) -> Result<(), PdfError> {
    if minor.unsigned_abs() >= 10_u128.pow(AMOUNT_DIGITS_MAX) {
        return Err(PdfError::field(field().to_string(), minor, format!("of at most {AMOUNT_DIGITS_MAX} digits")));
    }
    Ok(())
}
