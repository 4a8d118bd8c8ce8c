//! What a gRPC call carries beside its message, and how it is counted and answered.

use std::time::{Duration, Instant};

use http::HeaderMap;
use metrics::{Counter, Histogram};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};

use crate::admission::auth::{Identity, Standing};
use crate::gateway::grpc::status;
use crate::protocol::record::DEFAULT_TENANT;
use crate::protocol::record::Maker;
use crate::telemetry::correlation::CorrelationId;
use crate::telemetry::metrics::{GRPC_DURATION, GRPC_REQUESTS};
use crate::teller::call::Call;
use crate::teller::failure::Failure;

/// What a request that just came carries.
pub fn call_of<T>(request: &Request<T>) -> Call {
    let identity = request.extensions().get::<Identity>();
    let tenant = identity.map_or_else(|| DEFAULT_TENANT.into(), |identity| identity.tenant.clone());
    let address = request.remote_addr().map(|address| address.ip().to_string().into());
    let name = identity.and_then(|identity| identity.client.clone());
    let rights = identity.map(|identity| identity.rights.clone()).unwrap_or_default();
    let maker = Maker { name, address, rights };
    Call::new(tenant, maker, correlation(request.metadata()), patience(request.metadata().as_ref()))
}

/// What the caller's stream must go on having; `None`: nothing was asked.
pub fn standing_of<T>(request: &Request<T>) -> Option<Standing> {
    request.extensions().get().cloned()
}

/// The caller's correlation id, if it gave one that can be carried.
pub fn correlation(metadata: &MetadataMap) -> Option<String> {
    CorrelationId::given(metadata.as_ref()).map(|id| id.as_str().to_owned())
}

/// Counts a call that has ended, and turns its failure into a status.
///
/// # Errors
/// The failure.
pub fn ended<T>(
    method: &'static str,
    correlation: Option<&str>,
    began: Instant,
    answer: Result<T, Failure>,
) -> Result<tonic::Response<T>, Status> {
    Answers::of(method, answer.as_ref().map_or_else(status::code, |_| Code::Ok)).count(began);
    answered(method, correlation, answer)
}

/// What is counted of the calls of one method that ended alike. Handles are kept where calls are many: looking them up
/// costs more than counting.
#[derive(Clone)]
pub struct Answers {
    calls: Counter,
    seconds: Histogram,
}

impl Answers {
    /// Looks the handles up; the recorder must be installed before.
    pub fn of(method: &'static str, code: Code) -> Self {
        Self {
            calls: metrics::counter!(GRPC_REQUESTS, "method" => method, "status_code" => name(code)),
            seconds: metrics::histogram!(GRPC_DURATION, "method" => method, "status_code" => name(code)),
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
fn answered<T>(
    method: &'static str,
    correlation: Option<&str>,
    answer: Result<T, Failure>,
) -> Result<tonic::Response<T>, Status> {
    match answer {
        Ok(message) => Ok(tonic::Response::new(message)),
        Err(failure) => {
            if matches!(failure, Failure::Unknown | Failure::Guard) {
                tracing::warn!(
                    method,
                    correlation_id = correlation,
                    reason = failure.reason(),
                    "a call was not answered as it should be"
                );
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
pub(super) fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
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
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", http::HeaderValue::from_static(text));
            patience(&headers)
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("2S"), Some(Duration::from_secs(2)));
        for wrong in ["", "S", "1x", "123456789S", "-1S"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
