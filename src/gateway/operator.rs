//! Who makes a change, and why: kept with the change, listed by ListOperatorActions.

use std::sync::Arc;

use http::HeaderMap;

use super::failure::Failure;
use super::validate;
use crate::protocol::record::Operator;

/// Bytes of a reason.
pub const REASON_MAX: usize = 1_024;
/// Bytes of what an action was done to.
pub const SUBJECT_MAX: usize = 255;
/// Bytes of an action's name.
pub const ACTION_MAX: usize = 64;
/// Where calls without a body give their reason.
pub const REASON_HEADER: &str = "x-reason";
/// Who makes a change when nobody is asked who they are.
const ANONYMOUS: &str = "anonymous";

/// The caller with the reason that they gave; empty: none.
///
/// # Errors
/// `Invalid`: the reason is too long, or has a control character.
pub fn operator(client: Option<&Arc<str>>, reason: &str) -> Result<Operator, Failure> {
    validate::text("reason", reason, REASON_MAX)?;
    Ok(Operator { name: client.cloned().unwrap_or_else(|| ANONYMOUS.into()), reason: reason.to_owned(), address: None })
}

/// The same for a call that has no body.
///
/// # Errors
/// `Invalid`: the header is no UTF-8, or as [`operator`].
pub fn operator_by_header(client: Option<&Arc<str>>, headers: &HeaderMap) -> Result<Operator, Failure> {
    let given = headers.get(REASON_HEADER).map_or(Ok(""), |value| std::str::from_utf8(value.as_bytes()));
    operator(client, given.map_err(|_| Failure::Invalid(format!("{REASON_HEADER} is not UTF-8")))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_bounded_and_nobody_is_anonymous() {
        let key: Arc<str> = "key:till".into();
        assert_eq!(operator(Some(&key), "audit 7").unwrap(), Operator { name: key.clone(), reason: "audit 7".into(), address: None });
        assert_eq!(&*operator(None, "").unwrap().name, "anonymous");
        assert!(operator(None, &"x".repeat(REASON_MAX)).is_ok() && operator(None, &"x".repeat(REASON_MAX + 1)).is_err());
        assert!(operator(None, "a\0b").is_err());
        let headers = |bytes: &[u8]| HeaderMap::from_iter([(REASON_HEADER.parse().unwrap(), http::HeaderValue::from_bytes(bytes).unwrap())]);
        assert_eq!(operator_by_header(None, &headers("Prüfung".as_bytes())).unwrap().reason, "Prüfung");
        assert!(operator_by_header(None, &headers(b"\xff")).is_err());
        assert_eq!(operator_by_header(None, &HeaderMap::new()).unwrap().reason, "");
    }
}
