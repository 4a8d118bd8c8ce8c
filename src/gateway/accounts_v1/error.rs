//! What this contract answers when there is no answer: its codes, in the body of every error.

use crate::gateway::http::refusal::{ErrorBody, Manners};

/// How it is written.
pub const MANNERS: Manners = Manners { body: |refusal, path, correlation| ErrorBody::written(refusal, code(refusal.code), path, correlation) };

/// The code of this contract for one of the native API.
fn code(native: &'static str) -> &'static str {
    match native {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => "VALIDATION_FAILED",
        "IDEMPOTENCY_KEY_REUSED" | "IDEMPOTENCY_KEY_RETIRED" => "DUPLICATE_TRANSACTION",
        own => own,
    }
}
