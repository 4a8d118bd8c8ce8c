//! Whatever is not an answer: one shape, one body, and the one place where failures become HTTP statuses.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;

use crate::admission::auth::Denial;
use crate::gateway::http::text;
use crate::teller::failure::Failure;
use crate::teller::validate::cut;

/// What is logged: nobody knows what became of a call, or a guard caught a bug.
const LOGGED: [&str; 3] = ["OUTCOME_UNKNOWN", "LEDGER_GUARD", "INTERNAL_ERROR"];
/// Characters of a path that the error body repeats.
const PATH_MAX: usize = 512;

/// Why a call has no answer. It travels in the response's extensions to [`crate::gateway::http::around`], which knows
/// path and correlation id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// What machines read, in the words of the native API; each contract has its own for some.
    pub code: &'static str,
    /// What people read.
    pub message: Message,
    /// Seconds after which it may be tried again.
    pub retry_after: Option<u64>,
    /// Whether the log has it too.
    pub is_logged: bool,
}

/// A text, or one for each fault of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Message {
    /// One.
    Text(String),
    /// All faults of a request.
    List(Vec<String>),
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody<'a> {
    /// The HTTP status.
    #[schema(example = 404)]
    status_code: u16,
    /// Its reason phrase.
    #[schema(value_type = String, example = "Not Found")]
    error: &'a str,
    /// What machines read.
    #[schema(value_type = String, example = "ACCOUNT_NOT_FOUND")]
    code: &'a str,
    /// A text, or a list with every fault of the request.
    message: &'a Message,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    timestamp: String,
    /// The path that was asked for.
    #[schema(value_type = String)]
    path: &'a str,
    /// The id that ties this answer to the log.
    #[schema(value_type = String)]
    correlation_id: &'a str,
}

/// How a contract writes what is not an answer.
#[derive(Clone, Copy)]
pub struct Manners {
    /// The body, by the path that was asked for and the correlation id.
    pub body: fn(&Refusal, &str, &str) -> Vec<u8>,
    /// The name of the body's schema in the description; `None`: it is not described.
    pub schema: Option<&'static str>,
}

impl ErrorBody<'_> {
    /// The body in JSON; `code`: what machines read in the contract that answers.
    pub fn written(refusal: &Refusal, code: &str, path: &str, correlation: &str) -> Vec<u8> {
        let body = ErrorBody {
            status_code: refusal.status.as_u16(),
            error: refusal.status.canonical_reason().unwrap_or("Error"),
            code,
            message: &refusal.message,
            timestamp: text::time(Utc::now()),
            path,
            correlation_id: correlation,
        };
        serde_json::to_vec(&body).unwrap_or_default() // texts and numbers encode
    }
}

impl Refusal {
    /// 415: a body that is no JSON, or does not say that it is.
    pub fn not_json() -> Self {
        let why = "the body must be JSON: send it with content-type: application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", why)
    }

    /// A refusal with one text.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: Message::Text(message.into()),
            retry_after: None,
            is_logged: LOGGED.contains(&code),
        }
    }

    /// 400: the request as such is wrong.
    pub fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400: everything that is wrong with a request's fields.
    pub fn faults(faults: Vec<String>) -> Self {
        Self { message: Message::List(faults), ..Self::bad("INVALID_ARGUMENT", "") }
    }

    /// 404: no such account.
    pub fn no_account(id: &str) -> Self {
        Failure::no_account(id).into()
    }

    /// 404: no such transaction.
    pub fn no_transaction(id: &str) -> Self {
        Failure::no_transaction(id).into()
    }

    /// 400: not a currency of this ledger.
    pub fn no_currency(code: &str) -> Self {
        Self::bad("INVALID_CURRENCY", format!("Invalid currency: {}", cut(code)))
    }

    /// 500: a bug of ours.
    pub fn bug() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_ERROR",
            "an error inside the ledger: look the transaction up, or repeat with the same key",
        )
    }

    /// Writes it out, in a contract's manners, into the response that carried it, whose headers stay.
    pub fn write(&self, manners: Manners, response: &mut Response, path: &str, correlation: &str) {
        let path = path.char_indices().nth(PATH_MAX).map_or(path, |(end, _)| &path[..end]);
        let bytes = (manners.body)(self, path, correlation);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        *response.body_mut() = Body::from(bytes);
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let (status, retry_after) = match &failure {
            Failure::Invalid(fault) => return Self::faults(vec![fault.clone()]),
            Failure::FailedPrecondition(_) => (StatusCode::BAD_REQUEST, None),
            Failure::NotFound(..) => (StatusCode::NOT_FOUND, None),
            Failure::AlreadyExists(_) | Failure::KeyReused | Failure::KeyRetired => (StatusCode::CONFLICT, None),
            Failure::RateLimited { retry_after_ms } => {
                (StatusCode::TOO_MANY_REQUESTS, Some(retry_after_ms.div_ceil(1_000).max(1)))
            }
            Failure::AtBound { .. } | Failure::AccountBusy { .. } => (StatusCode::TOO_MANY_REQUESTS, Some(1)),
            Failure::DatabaseAway
            | Failure::NotLeader
            | Failure::Interrupted
            | Failure::TooLate
            | Failure::Backpressure(_)
            | Failure::Unknown
            | Failure::EarlierUnknown(_) => (StatusCode::SERVICE_UNAVAILABLE, Some(1)),
            Failure::Unconfigured(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
            Failure::Deadline => (StatusCode::GATEWAY_TIMEOUT, None),
            Failure::Forbidden(_) => (StatusCode::FORBIDDEN, None),
            Failure::Guard => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let refusal = Self::new(status, failure.reason(), failure.to_string());
        // in an outage every repeat hears it
        let is_logged = refusal.is_logged && !matches!(failure, Failure::EarlierUnknown(_));
        Self { retry_after, is_logged, ..refusal }
    }
}

impl From<&Denial> for Refusal {
    fn from(denial: &Denial) -> Self {
        let (status, code, retry_after) = match denial {
            Denial::Missing | Denial::Malformed | Denial::Unknown | Denial::Stranger | Denial::Expired => {
                (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", None)
            }
            Denial::Scope { .. } | Denial::Prefix { .. } => (StatusCode::FORBIDDEN, "FORBIDDEN", None),
            Denial::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", Some(1)),
        };
        Self { retry_after, ..Self::new(status, code, denial.status().message()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teller::failure::Noun;

    #[test]
    fn every_failure_has_its_status_and_what_may_be_repeated_says_when() {
        let table = [
            (Failure::Invalid("x".into()), 400, "INVALID_ARGUMENT", None),
            (Failure::FailedPrecondition("x".into()), 400, "FAILED_PRECONDITION", None),
            (Failure::NotFound(Noun::Other, "x".into()), 404, "NOT_FOUND", None),
            (Failure::no_account("x"), 404, "ACCOUNT_NOT_FOUND", None),
            (Failure::no_hold("x"), 404, "HOLD_NOT_FOUND", None),
            (Failure::no_transaction("x"), 404, "TRANSACTION_NOT_FOUND", None),
            (Failure::AlreadyExists("x".into()), 409, "ALREADY_EXISTS", None),
            (Failure::KeyReused, 409, "IDEMPOTENCY_KEY_REUSED", None),
            (Failure::KeyRetired, 409, "IDEMPOTENCY_KEY_RETIRED", None),
            (Failure::AtBound { max: 1 }, 429, "IN_FLIGHT_LIMIT", Some(1)),
            (Failure::AccountBusy { max: 1 }, 429, "ACCOUNT_LIMIT", Some(1)),
            (Failure::RateLimited { retry_after_ms: 1_001 }, 429, "RATE_LIMIT", Some(2)),
            (Failure::DatabaseAway, 503, "DATABASE_AWAY", Some(1)),
            (Failure::NotLeader, 503, "STANDBY", Some(1)),
            (Failure::Interrupted, 503, "INTERRUPTED", Some(1)),
            (Failure::TooLate, 503, "TOO_LATE", Some(1)),
            (Failure::Backpressure("x".into()), 503, "BACKPRESSURE", Some(1)),
            (Failure::Unconfigured("x"), 503, "NOT_CONFIGURED", None),
            (Failure::Unknown, 503, "OUTCOME_UNKNOWN", Some(1)),
            (Failure::EarlierUnknown("x".into()), 503, "OUTCOME_UNKNOWN", Some(1)),
            (Failure::Deadline, 504, "DEADLINE_EXCEEDED", None),
            (Failure::Forbidden("x".into()), 403, "FORBIDDEN", None),
            (Failure::Guard, 500, "LEDGER_GUARD", None),
        ];
        for (failure, status, code, retry_after) in table {
            let refusal = Refusal::from(failure.clone());
            assert_eq!(
                (refusal.status.as_u16(), refusal.code, refusal.retry_after),
                (status, code, retry_after),
                "{failure:?}"
            );
        }
    }

    #[tokio::test]
    async fn the_body_has_every_field_of_the_contract() {
        let refusal = Refusal::no_account(&"x".repeat(100));
        let mut response = refusal.clone().into_response();
        let manners = Manners {
            body: |refusal, path, correlation| ErrorBody::written(refusal, refusal.code, path, correlation),
            schema: Some("ErrorBody"),
        };
        refusal.write(manners, &mut response, "/api/v1/accounts/x", "c-1");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = format!("Account not found: {}...", "x".repeat(40));
        for (field, value) in [
            ("error", "Not Found"),
            ("code", "ACCOUNT_NOT_FOUND"),
            ("message", &expected),
            ("path", "/api/v1/accounts/x"),
            ("correlationId", "c-1"),
        ] {
            assert_eq!(body[field], value, "{field}");
        }
        assert_eq!((body["statusCode"].as_u64(), body["timestamp"].as_str().unwrap().len()), (Some(404), 24));
    }
}
