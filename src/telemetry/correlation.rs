//! The id that ties a request's log lines, rows and answers together.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use uuid::Uuid;

/// A caller's longer id is ignored.
pub const BYTES_MAX: usize = 128;
/// The headers in which a caller may send an id; the first has precedence.
pub const HEADERS: [&str; 2] = ["x-correlation-id", "x-request-id"];

/// The correlation id of one request: the caller's, or a new one. Clones share the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// The caller's id if it is valid: 1 to 128 visible ASCII characters. Else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        Self::given(headers).unwrap_or_else(Self::new)
    }

    /// The caller's id; `None`: it sent none, or none that is valid.
    pub fn given(headers: &HeaderMap) -> Option<Self> {
        HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok().and_then(Self::parse))
    }

    /// A new one: a UUID of version 7, so that ids sort by time.
    #[expect(clippy::new_without_default, reason = "each one differs")]
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// `None`: the text is not 1 to 128 visible ASCII characters.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = (1..=BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_id_is_taken_if_it_can_be_carried() {
        let long = "x".repeat(BYTES_MAX + 1);
        for (given, taken) in [
            (vec![("x-correlation-id", "abc-1")], Some("abc-1")),
            (vec![("x-request-id", "r")], Some("r")),
            (vec![("x-request-id", "r"), ("x-correlation-id", "c")], Some("c")),
            (vec![("x-request-id", "r"), ("x-correlation-id", "two words")], Some("r")),
            (vec![("x-correlation-id", "")], None),
            (vec![("x-correlation-id", long.as_str())], None),
            (vec![], None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.insert(name, value.parse().unwrap());
            }
            let id = CorrelationId::of(&headers);
            match taken {
                Some(taken) => assert_eq!(id.as_str(), taken),
                None => assert_eq!(Uuid::parse_str(id.as_str()).unwrap().get_version_num(), 7),
            }
        }
    }
}
