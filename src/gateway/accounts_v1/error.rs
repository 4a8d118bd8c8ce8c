//! What this contract answers when there is no answer: its codes, in the body of every error.

use crate::gateway::http::refusal::{ErrorBody, Manners};

/// How it is written.
pub const MANNERS: Manners = Manners {
    body: |refusal, path, correlation| ErrorBody::written(refusal, code(refusal.code), path, correlation),
    schema: Some("ErrorBody"),
};

/// The code of this contract for one of the native API.
fn code(native: &'static str) -> &'static str {
    match native {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => "VALIDATION_FAILED",
        "IDEMPOTENCY_KEY_REUSED" | "IDEMPOTENCY_KEY_RETIRED" => "DUPLICATE_TRANSACTION",
        own => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::http::refusal::Refusal;
    use crate::teller::failure::Failure;

    #[test]
    fn codes_are_those_of_the_contract() {
        for (failure, code) in [
            (Failure::Invalid("x".into()), "VALIDATION_FAILED"),
            (Failure::FailedPrecondition("x".into()), "VALIDATION_FAILED"),
            (Failure::KeyReused, "DUPLICATE_TRANSACTION"),
            (Failure::KeyRetired, "DUPLICATE_TRANSACTION"),
            (Failure::NotLeader, "STANDBY"),
        ] {
            let body = (MANNERS.body)(&Refusal::from(failure), "/", "c");
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["code"], code);
        }
    }
}
