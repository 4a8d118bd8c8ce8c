//! The limits of every field, checked before anything else is done. Messages name the field, the value (cut) and the
//! limit.

use super::failure::Failure;
use crate::store::api_keys::TENANT_BYTES_MAX;

/// Bytes of an account's id.
pub const ACCOUNT_MAX: usize = 128;
/// Bytes of an idempotency key.
pub const KEY_MAX: usize = 255;
/// Bytes of a description.
pub const DESCRIPTION_MAX: usize = 1_024;
/// Bytes of a reference.
pub const REFERENCE_MAX: usize = 255;
/// Bytes of a currency's code.
pub const CURRENCY_MAX: usize = 12;
/// Postings of one transaction.
pub const POSTINGS_MAX: usize = 100;
/// Entries of a metadata map.
pub const METADATA_ENTRIES_MAX: usize = 50;
/// Bytes of a metadata key.
pub const METADATA_KEY_MAX: usize = 64;
/// Bytes of a metadata value.
pub const METADATA_VALUE_MAX: usize = 512;
/// Bytes of a metadata map as JSON.
pub const METADATA_MAX: usize = 8_192;

/// Reads the name of a tenant.
///
/// # Errors
/// What is allowed.
pub fn tenant(text: &str) -> Result<String, String> {
    let fits = (1..=TENANT_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("allowed is 1 to {TENANT_BYTES_MAX} letters, digits, dots, underscores and dashes"))
}

/// Checks a text that may be empty: its bytes, and that it has no control characters (PostgreSQL cannot store U+0000).
///
/// # Errors
/// `Invalid`, naming field, value and limit.
pub fn text(field: &str, value: &str, bytes_max: usize) -> Result<(), Failure> {
    prose(field, value, bytes_max)?;
    if let Some(bad) = value.chars().find(|c| c.is_control()) {
        return Err(Failure::Invalid(format!(
            "{field} {:?} contains the control character U+{:04X}, which is not allowed",
            cut(value),
            u32::from(bad)
        )));
    }
    Ok(())
}

/// Checks the bytes of a text of people's, which may have any characters and several lines.
///
/// # Errors
/// `Invalid`, naming field, value and limit.
pub fn prose(field: &str, value: &str, bytes_max: usize) -> Result<(), Failure> {
    if value.len() > bytes_max {
        return Err(Failure::Invalid(format!(
            "{field} {:?} is {} bytes long, the limit is {bytes_max}",
            cut(value),
            value.len()
        )));
    }
    Ok(())
}

/// Checks a text that may not be empty.
///
/// # Errors
/// `Invalid`: `<field> is required`, or as [`text`].
pub fn required(field: &str, value: &str, bytes_max: usize) -> Result<(), Failure> {
    if value.is_empty() {
        return Err(Failure::Invalid(format!("{field} is required")));
    }
    text(field, value, bytes_max)
}

/// The first 40 characters of a value, for error messages.
pub fn cut(value: &str) -> String {
    if value.chars().count() <= 40 { value.to_owned() } else { value.chars().take(40).chain("...".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_field_the_value_and_the_limit() {
        assert_eq!(required("currency", "", 12), Err(Failure::Invalid("currency is required".into())));
        let long = "x".repeat(129);
        let Err(Failure::Invalid(message)) = required("payer_account_id", &long, ACCOUNT_MAX) else {
            panic!("too long is accepted")
        };
        assert!(
            message.contains("payer_account_id")
                && message.contains("129")
                && message.contains("128")
                && message.len() < 150,
            "{message}"
        );
        assert!(matches!(text("description", "a\0b", 10), Err(Failure::Invalid(m)) if m.contains("U+0000")));
        assert_eq!(text("description", "Grüße, 世界", 40), Ok(()));
    }
}
