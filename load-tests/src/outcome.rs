//! What became of each payment, and of each balance that was asked for. Whatever a server does, one of these is
//! counted.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as _;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// What became of one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The money moved.
    Paid,
    /// What was asked was answered; nothing was to be moved.
    Answered,
    /// The server knew the key, which was new: a bug, here or there.
    Duplicate,
    /// The server refused, as a matter of business.
    Declined,
    /// The limiter refused.
    RateLimited,
    /// The server, or what stands in for it, answered with this code.
    Refused(Code),
    /// The same over REST: it answered with this status.
    Status(u16),
    /// The connection broke, or none was had.
    Transport,
    /// No answer came within the tool's patience.
    Unanswered,
    /// The open loop came to its end before the payment's turn to be sent: the server was that far behind.
    Unsent,
    /// The database answered with an error (baselines).
    Database,
}

impl Outcome {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Paid => "paid".to_owned(),
            Self::Answered => "answered".to_owned(),
            Self::Duplicate => "duplicate".to_owned(),
            Self::Declined => "declined".to_owned(),
            Self::RateLimited => "rate_limited".to_owned(),
            Self::Refused(code) => format!("status_{code:?}"),
            Self::Status(status) => format!("status_{status}"),
            Self::Transport => "transport".to_owned(),
            Self::Unanswered => "unanswered".to_owned(),
            Self::Unsent => "unsent".to_owned(),
            Self::Database => "database".to_owned(),
        }
    }

    /// Whether the server did what it was asked to.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Self::Paid | Self::Answered)
    }

    /// Of a call that ended with a status. A status that the transport made up carries its cause; one that the server
    /// sent carries none.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        if status.source().is_some() {
            return Self::Transport;
        }
        match status.code() {
            Code::ResourceExhausted if reason(status).as_deref() == Some("RATE_LIMIT") => Self::RateLimited,
            code => Self::Refused(code),
        }
    }

    /// Of a movement over REST, by the answer's status and body.
    #[must_use]
    pub fn of_rest(status: StatusCode, body: &[u8]) -> Self {
        let code = || serde_json::from_slice(body).map_or_else(|_| String::new(), |RestError { code }| code);
        match status {
            StatusCode::CREATED => Self::Paid,
            StatusCode::CONFLICT => Self::Duplicate,
            StatusCode::BAD_REQUEST if DECLINES.contains(&code().as_str()) => Self::Declined,
            StatusCode::TOO_MANY_REQUESTS if !BOUNDS.contains(&code().as_str()) => Self::RateLimited,
            other => Self::Status(other.as_u16()),
        }
    }
}

/// Of an error's body over REST, what machines read.
#[derive(Deserialize)]
struct RestError {
    code: String,
}

/// What is refused over REST as a matter of business; any other 400 is a request that the tool got wrong.
const DECLINES: [&str; 6] = [
    "INSUFFICIENT_BALANCE",
    "INVALID_CURRENCY",
    "CURRENCY_MISMATCH",
    "ACCOUNT_INACTIVE",
    "INVALID_AMOUNT",
    "SAME_ACCOUNT_TRANSFER",
];

/// Bounds of the server that answer with 429 and are not the limiter.
const BOUNDS: [&str; 2] = ["IN_FLIGHT_LIMIT", "ACCOUNT_LIMIT"];

/// The reason that the status carries for machines.
fn reason(status: &Status) -> Option<String> {
    status.get_error_details().error_info().map(|info| info.reason.clone())
}

/// How many payments had which outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes(HashMap<Outcome, u64>);

impl Outcomes {
    /// Counts so many.
    pub fn add(&mut self, outcome: Outcome, n: u64) {
        if n > 0 {
            *self.0.entry(outcome).or_default() += n;
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (outcome, n) in &other.0 {
            self.add(*outcome, *n);
        }
    }

    /// How many had this outcome.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.0.get(&outcome).copied().unwrap_or_default()
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// All that the server did as asked.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.0.iter().filter(|(outcome, _)| outcome.is_done()).map(|(_, n)| n).sum()
    }

    /// All that it did not: payments that did not move money, balances that were not answered.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.total() - self.done()
    }

    /// By name.
    #[must_use]
    pub fn named(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(outcome, n)| (outcome.name(), *n)).collect()
    }
}

impl Serialize for Outcomes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.named().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_status_tells_its_outcome() {
        let detailed = |code, reason: &str| {
            Status::with_error_details(code, "no", ErrorDetails::with_error_info(reason, "florin", HashMap::new()))
        };
        for (status, outcome) in [
            (detailed(Code::ResourceExhausted, "RATE_LIMIT"), Outcome::RateLimited),
            (detailed(Code::ResourceExhausted, "IN_FLIGHT_LIMIT"), Outcome::Refused(Code::ResourceExhausted)),
            (detailed(Code::Unavailable, "STANDBY"), Outcome::Refused(Code::Unavailable)),
            (Status::unavailable("away"), Outcome::Refused(Code::Unavailable)),
            (Status::from_error(Box::new(std::io::Error::other("reset"))), Outcome::Transport),
        ] {
            assert_eq!(Outcome::of(&status), outcome, "{status:?}");
        }
    }

    #[test]
    fn an_answer_over_rest_tells_its_outcome() {
        let body =
            |code: &str| format!(r#"{{"statusCode":1,"error":"no","code":"{code}","message":["no"],"path":"/"}}"#);
        for (status, body, outcome) in [
            (201, "{}".to_owned(), Outcome::Paid),
            (400, body("INSUFFICIENT_BALANCE"), Outcome::Declined),
            (400, body("SAME_ACCOUNT_TRANSFER"), Outcome::Declined),
            (400, body("VALIDATION_FAILED"), Outcome::Status(400)),
            (400, "no JSON".to_owned(), Outcome::Status(400)),
            (409, body("DUPLICATE_TRANSACTION"), Outcome::Duplicate),
            (429, body("RATE_LIMIT"), Outcome::RateLimited),
            (429, String::new(), Outcome::RateLimited),
            (429, body("IN_FLIGHT_LIMIT"), Outcome::Status(429)),
            (429, body("ACCOUNT_LIMIT"), Outcome::Status(429)),
            (404, body("ACCOUNT_NOT_FOUND"), Outcome::Status(404)),
            (200, "{}".to_owned(), Outcome::Status(200)),
            (503, body("OUTCOME_UNKNOWN"), Outcome::Status(503)),
        ] {
            assert_eq!(
                Outcome::of_rest(StatusCode::from_u16(status).unwrap(), body.as_bytes()),
                outcome,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn everything_is_counted_and_only_what_was_done_is_no_error() {
        let mut outcomes = Outcomes::default();
        outcomes.add(Outcome::Answered, 4);
        outcomes.add(Outcome::Status(503), 1);
        assert_eq!((outcomes.total(), outcomes.done(), outcomes.errors()), (5, 4, 1));
        assert_eq!(serde_json::to_string(&outcomes).unwrap(), r#"{"answered":4,"status_503":1}"#);
        let mut outcomes = Outcomes::default();
        outcomes.add(Outcome::Paid, 7);
        outcomes.add(Outcome::Refused(Code::Unavailable), 2);
        outcomes.add(Outcome::Unanswered, 0);
        let mut all = Outcomes::default();
        all.add(Outcome::Unanswered, 1);
        all.merge(&outcomes);
        assert_eq!((all.total(), all.errors(), all.of(Outcome::Paid)), (10, 3, 7));
        assert_eq!(serde_json::to_string(&all).unwrap(), r#"{"paid":7,"status_Unavailable":2,"unanswered":1}"#);
    }
}
