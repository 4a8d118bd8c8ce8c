//! Failures as gRPC tells them.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::teller::failure::Failure;

/// The gRPC code.
pub fn code(failure: &Failure) -> Code {
    match failure {
        Failure::Invalid(_) => Code::InvalidArgument,
        Failure::NotFound(..) => Code::NotFound,
        Failure::AlreadyExists(_) => Code::AlreadyExists,
        Failure::FailedPrecondition(_) | Failure::Unconfigured(_) => Code::FailedPrecondition,
        Failure::AtBound { .. } | Failure::AccountBusy { .. } | Failure::RateLimited { .. } => Code::ResourceExhausted,
        Failure::DatabaseAway
        | Failure::NotLeader
        | Failure::Interrupted
        | Failure::TooLate
        | Failure::Backpressure(_)
        | Failure::Unknown
        | Failure::EarlierUnknown(_) => Code::Unavailable,
        Failure::Deadline => Code::DeadlineExceeded,
        Failure::KeyReused | Failure::KeyRetired => Code::Aborted,
        Failure::Forbidden(_) => Code::PermissionDenied,
        Failure::Guard => Code::Internal,
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let (code, message) = (code(&failure), failure.to_string());
        Self::with_error_details(
            code,
            message,
            ErrorDetails::with_error_info(failure.reason(), "florin", std::collections::HashMap::new()),
        )
    }
}
