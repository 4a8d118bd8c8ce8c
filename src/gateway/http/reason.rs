//! The reason of an operator's call that has no body: a header.

use std::sync::Arc;

use http::HeaderMap;

use crate::protocol::record::Operator;
use crate::teller::failure::Failure;
use crate::teller::operator::operator;

/// Where such calls give their reason.
pub const REASON_HEADER: &str = "x-reason";

/// The caller with the reason that they gave; empty: none.
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
    fn a_reason_is_read_as_utf_8() {
        let headers = |bytes: &[u8]| {
            HeaderMap::from_iter([(REASON_HEADER.parse().unwrap(), http::HeaderValue::from_bytes(bytes).unwrap())])
        };
        assert_eq!(operator_by_header(None, &headers("Prüfung".as_bytes())).unwrap().reason, "Prüfung");
        assert!(operator_by_header(None, &headers(b"\xff")).is_err());
        assert_eq!(operator_by_header(None, &HeaderMap::new()).unwrap().reason, "");
    }
}
