//! The body of a call: none, or JSON that is an object or a list.

use axum::extract::{FromRequest, Request};
use serde_json::value::RawValue;

use super::error::unreadable;
use crate::gateway::http::body::{is_json, whole};
use crate::gateway::http::refusal::Refusal;

/// Bytes of a body: 100 kB.
pub const BYTES_MAX: usize = 100 << 10;

/// What came: its bytes are JSON.
pub struct Sent(Vec<u8>);

impl Sent {
    /// `None`: nothing came, or nothing that is said to be JSON.
    pub fn body(&self) -> Option<&[u8]> {
        (!self.0.is_empty()).then_some(&self.0)
    }
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        let bytes = whole(body, BYTES_MAX).await?;
        if bytes.is_empty() || !is_json(&head.headers) {
            return Ok(Self(Vec::new()));
        }
        check(&bytes).map_err(unreadable)?;
        Ok(Self(bytes))
    }
}

/// # Errors
/// Why these bytes are no JSON that is an object or a list.
fn check(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the body is not UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if !text.starts_with(['{', '[']) {
        return Err("the body is not valid JSON: it must begin with { or [".into());
    }
    serde_json::from_str::<&RawValue>(text)
        .map(drop)
        .map_err(|error| format!("the body is not valid JSON (line {}, column {})", error.line(), error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_and_lists_are_read() {
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        for good in ["{}", "[]", " {\"a\": 1e400}\n", "\u{feff}{}", &deep] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good:.40}");
        }
        for bad in [&b"{"[..], b"null", b"7", b"\"a\"", b"{} {}", b"{\"a\":}", b"\xff", b"  "] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
