//! What every call carries beside its message: who calls, until when, how often they may, and how it is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use metrics::{Counter, Histogram};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};

use super::auth::{DEFAULT_TENANT, Identity};
use super::failure::Failure;
use super::ledger::{Deadline, Ledger};
use super::operator::operator;
use super::rate_limit::{Decision, RateLimiter};
use super::validate::cut;
use crate::protocol::record::{Maker, Operator};
use crate::telemetry::correlation::CorrelationId;

/// Who may call how often; none means no limit.
#[derive(Clone, Default)]
pub struct Limits {
    /// Of payment.v1.
    pub payment: Option<RateLimiter>,
    /// Of florin.v1, where a batch counts once, and of REST.
    pub native: Option<RateLimiter>,
}

/// A caller's deadline is told this much before the transport would cut the call: the answer says more than the cut.
const AHEAD: Duration = Duration::from_millis(5);

/// What a call carries beside its message.
#[derive(Clone, Debug)]
pub struct Call {
    /// Whose accounts and keys it is about.
    pub tenant: Arc<str>,
    /// What links it to its cause.
    pub correlation: Option<String>,
    /// Who calls, if they were asked, and from where.
    pub maker: Maker,
    began: Instant,
    /// How long the caller waits, from the beginning.
    patience: Option<Duration>,
}

impl Call {
    /// Of a request that just came.
    pub fn of<T>(request: &Request<T>) -> Self {
        let identity = request.extensions().get::<Identity>();
        let tenant = identity.map_or_else(|| DEFAULT_TENANT.into(), |identity| identity.tenant.clone());
        let address = request.remote_addr().map(|address| address.ip().to_string().into());
        let maker = Maker { name: identity.and_then(|identity| identity.client.clone()), address };
        Self { tenant, maker, correlation: correlation(request.metadata()), began: Instant::now(), patience: patience(request.metadata()) }
    }

    /// Of a request over HTTP: its caller says no deadline.
    pub fn over_http(tenant: Arc<str>, maker: Maker, correlation: String) -> Self {
        Self { tenant, maker, correlation: Some(correlation), began: Instant::now(), patience: None }
    }

    /// Who makes a change by this call, for this reason.
    ///
    /// # Errors
    /// `Invalid`: the reason is too long, or has a control character.
    pub fn operator(&self, reason: &str) -> Result<Operator, Failure> {
        Ok(Operator { address: self.maker.address.clone(), ..operator(self.maker.name.as_ref(), reason)? })
    }

    /// When a command that begins now ends; the caller's own deadline runs from the beginning of the call.
    pub fn deadline(&self, ledger: &Ledger) -> Deadline {
        ledger.deadline(self.patience.map(|patience| patience.saturating_sub(self.began.elapsed() + AHEAD)))
    }
}

/// The caller's correlation id, if it gave one that can be carried.
pub fn correlation(metadata: &MetadataMap) -> Option<String> {
    CorrelationId::given(metadata.as_ref()).map(|id| id.as_str().to_owned())
}

/// Lets the client's call count against its limit: named by `x-client-id`, else by the first address of `x-forwarded-for`, else by the method;
/// each tenant's clients are its own.
///
/// # Errors
/// `RateLimited`.
pub async fn limit(limiter: Option<&RateLimiter>, tenant: &str, headers: &HeaderMap, method: &'static str) -> Result<(), Failure> {
    let Some(limiter) = limiter else { return Ok(()) };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty());
    let (named_by, client) = match (text("x-client-id"), text("x-forwarded-for")) {
        (Some(client), _) => ("client_id", client),
        (None, Some(addresses)) => ("ip", addresses.split(',').next().unwrap_or(addresses).trim()),
        (None, None) => ("method", method),
    };
    let own = (tenant != DEFAULT_TENANT).then(|| format!("{tenant}\n{client}")); // no header has a line's end: none names itself into a tenant's window
    match limiter.check(own.as_deref().unwrap_or(client)).await {
        Decision::Allowed { .. } => Ok(()),
        Decision::Refused { retry_after } => {
            metrics::counter!("rate_limit_exceeded_total", "identifier_type" => named_by).increment(1);
            tracing::debug!(client = cut(client), named_by, "over the rate limit");
            Err(Failure::RateLimited { retry_after_ms: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX).max(1) })
        }
    }
}

/// Counts a call that has ended, and turns its failure into a status.
///
/// # Errors
/// The failure.
pub fn ended<T>(method: &'static str, correlation: Option<&str>, began: Instant, answer: Result<T, Failure>) -> Result<tonic::Response<T>, Status> {
    Answers::of(method, answer.as_ref().map_or_else(Failure::code, |_| Code::Ok)).count(began);
    answered(method, correlation, answer)
}

/// What is counted of the calls of one method that ended alike. Handles are kept where calls are many: looking them up costs more than counting.
#[derive(Clone)]
pub struct Answers {
    calls: Counter,
    seconds: Histogram,
}

impl Answers {
    /// Looks the handles up; the recorder must be installed before.
    pub fn of(method: &'static str, code: Code) -> Self {
        Self {
            calls: metrics::counter!("grpc_requests_total", "method" => method, "status_code" => name(code)),
            seconds: metrics::histogram!("grpc_request_duration_seconds", "method" => method, "status_code" => name(code)),
        }
    }

    /// One more.
    pub fn count(&self, began: Instant) {
        self.calls.increment(1);
        self.seconds.record(began.elapsed());
    }
}

/// Turns what became of a call into what its caller hears.
///
/// # Errors
/// The failure.
fn answered<T>(method: &'static str, correlation: Option<&str>, answer: Result<T, Failure>) -> Result<tonic::Response<T>, Status> {
    match answer {
        Ok(message) => Ok(tonic::Response::new(message)),
        Err(failure) => {
            if matches!(failure, Failure::Unknown | Failure::Guard) {
                tracing::warn!(method, correlation_id = correlation, reason = failure.reason(), "a call was not answered as it should be");
            }
            Err(failure.into())
        }
    }
}

fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::Unavailable => "UNAVAILABLE",
        Code::Internal => "INTERNAL",
        _ => "UNKNOWN",
    }
}

/// The caller's own deadline, from `grpc-timeout`: up to 8 digits and a unit.
fn patience(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        let read = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", tonic::metadata::MetadataValue::from_static(text));
            patience(&metadata)
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("2S"), Some(Duration::from_secs(2)));
        for wrong in ["", "S", "1x", "123456789S", "-1S"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
