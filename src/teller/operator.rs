//! Who makes a change, and why: recorded with the change, and listed by `ListOperatorActions`.

use std::sync::Arc;

use super::failure::Failure;
use super::validate;
use crate::protocol::record::Operator;

/// Bytes of a reason.
pub const REASON_MAX: usize = 1_024;
/// Bytes of an action's subject.
pub const SUBJECT_MAX: usize = 255;
/// Bytes of an action's name.
pub const ACTION_MAX: usize = 64;
/// The operator's name when no credentials are required.
const ANONYMOUS: &str = "anonymous";

/// The caller as an operator; an empty reason is allowed.
///
/// # Errors
/// `Invalid`: the reason is too long, or has a control character.
pub fn operator(client: Option<&Arc<str>>, reason: &str) -> Result<Operator, Failure> {
    validate::text("reason", reason, REASON_MAX)?;
    Ok(Operator { name: client.cloned().unwrap_or_else(|| ANONYMOUS.into()), reason: reason.to_owned(), address: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_bounded_and_nobody_is_anonymous() {
        let key: Arc<str> = "key:till".into();
        assert_eq!(
            operator(Some(&key), "audit 7").unwrap(),
            Operator { name: key.clone(), reason: "audit 7".into(), address: None }
        );
        assert_eq!(&*operator(None, "").unwrap().name, "anonymous");
        assert!(
            operator(None, &"x".repeat(REASON_MAX)).is_ok() && operator(None, &"x".repeat(REASON_MAX + 1)).is_err()
        );
        assert!(operator(None, "a\0b").is_err());
    }
}
