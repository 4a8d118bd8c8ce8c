//! Reads query parameters. Those that are not known are ignored, as clients of the accounts REST API expect.

use axum::extract::{FromRequestParts, Query as Pairs};
use axum::http::request::Parts;

use crate::gateway::http::refusal::Refusal;
use crate::teller::validate::{self, cut};

/// The parameters of a request, and what was wrong with them so far.
#[derive(Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
    faults: Vec<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let pairs = Pairs::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Pairs(pairs) = pairs.map_err(|_| Refusal::faults(vec!["the query cannot be read".into()]))?;
        Ok(Self { pairs, faults: Vec::new() })
    }
}

impl Query {
    /// A parameter as it was given.
    fn take(&mut self, name: &str) -> Option<String> {
        let mut given = self.pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        let value = given.next()?.clone();
        if given.next().is_some() {
            self.faults.push(format!("{name} is given more than once"));
        }
        Some(value)
    }

    /// A text of at most so many bytes.
    pub fn text(&mut self, name: &str, bytes_max: usize) -> Option<String> {
        let value = self.take(name)?;
        if let Err(failure) = validate::required(name, &value, bytes_max) {
            self.faults.push(failure.to_string());
        }
        Some(value)
    }

    /// A text that must be there.
    pub fn required(&mut self, name: &str, bytes_max: usize) -> String {
        self.text(name, bytes_max).unwrap_or_else(|| {
            self.faults.push(format!("{name} is required"));
            String::new()
        })
    }

    /// A whole number within bounds; `beyond` says what to do instead of going above them.
    pub fn number(&mut self, name: &str, range: std::ops::RangeInclusive<u32>, default: u32, beyond: &str) -> u32 {
        let Some(value) = self.take(name) else { return default };
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        match value.parse().ok().filter(|n| digits && range.contains(n)) {
            Some(number) => number,
            None => {
                let (low, high) = (range.start(), range.end());
                self.faults
                    .push(format!("{name} {:?} must be a whole number from {low} to {high}{beyond}", cut(&value)));
                default
            }
        }
    }

    /// One of a few names.
    pub fn choice<T: Copy>(&mut self, name: &str, allowed: &[(&str, T)]) -> Option<T> {
        let value = self.take(name)?;
        let choice = allowed.iter().find(|(known, _)| *known == value).map(|(_, choice)| *choice);
        if choice.is_none() {
            let names: Vec<_> = allowed.iter().map(|(known, _)| *known).collect();
            self.faults.push(format!("{name} must be one of the following values: {}", names.join(", ")));
        }
        choice
    }

    /// Notes a fault.
    pub fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    /// All parameters are taken.
    ///
    /// # Errors
    /// 400 with every fault.
    pub fn end(self) -> Result<(), Refusal> {
        if self.faults.is_empty() { Ok(()) } else { Err(Refusal::faults(self.faults)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn query(text: &str) -> Query {
        let (mut parts, ()) = axum::http::Request::builder().uri(format!("/x?{text}")).body(()).unwrap().into_parts();
        Query::from_request_parts(&mut parts, &()).await.unwrap()
    }

    #[tokio::test]
    async fn limits_are_whole_numbers_within_bounds() {
        for (text, limit) in [("", Some(50)), ("limit=1", Some(1)), ("limit=1000&other=x", Some(1_000))] {
            let mut query = query(text).await;
            let read = query.number("limit", 1..=1_000, 50, "");
            assert_eq!(query.end().is_ok().then_some(read), limit, "{text}");
        }
        for text in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=+1",
            "limit=abc",
            "limit=",
            "limit=1.5",
            "limit=%201",
            "limit=99999999999",
            "limit=1&limit=2",
        ] {
            let mut query = query(text).await;
            query.number("limit", 1..=1_000, 50, "");
            assert!(query.end().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn texts_and_names_are_checked() {
        let mut given = query("accountId=a%20b&status=done&type=payment").await;
        assert_eq!(given.text("accountId", 128).as_deref(), Some("a b"));
        assert_eq!(given.choice("type", &[("payment", 1)]), Some(1));
        assert_eq!(given.choice("status", &[("failed", 1), ("completed", 2)]), None);
        assert_eq!(given.faults, ["status must be one of the following values: failed, completed"]);
        let mut given = query("accountId=%00").await;
        given.text("accountId", 128);
        given.required("ownerId", 10);
        assert_eq!(given.faults.len(), 2);
    }
}
