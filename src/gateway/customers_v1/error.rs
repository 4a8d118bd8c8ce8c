//! What this contract answers when there is no answer: `status` is false, or the number of the status where the body
//! could not be read.

use axum::http::StatusCode;
use serde::Serialize;

use crate::gateway::http::refusal::{Manners, Message, Refusal};

/// How it is written.
pub const MANNERS: Manners = Manners { body: |refusal, _, _| written(refusal), schema: None };

/// Of a body that is no JSON.
const UNREADABLE: &str = "UNREADABLE_BODY";
/// Of a body that is too large.
const TOO_LARGE: &str = "PAYLOAD_TOO_LARGE";

#[derive(Serialize)]
struct ErrorBody<'a> {
    status: Status,
    message: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Status {
    Failed(bool),
    Number(u16),
}

/// 400 with this text.
pub fn refused(message: impl Into<String>) -> Refusal {
    Refusal::bad("INVALID_ARGUMENT", message)
}

/// 400: the body is no JSON.
pub fn unreadable(message: impl Into<String>) -> Refusal {
    Refusal::bad(UNREADABLE, message)
}

/// 500: whoever calls cannot mend it.
pub fn failed() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "NOT_PUBLISHED", "")
}

fn written(refusal: &Refusal) -> Vec<u8> {
    let status = match refusal.code {
        UNREADABLE | TOO_LARGE => Status::Number(refusal.status.as_u16()),
        _ => Status::Failed(false),
    };
    let told = match &refusal.message {
        Message::Text(text) => text.clone(),
        Message::List(faults) => faults.join("; "),
    };
    let message = if refusal.status.is_server_error() { "Something went wrong" } else { &told };
    serde_json::to_vec(&ErrorBody { status, message }).unwrap_or_default() // texts and numbers encode
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_the_contract() {
        for (refusal, status, body) in [
            (refused("Invalid user data"), 400, r#"{"status":false,"message":"Invalid user data"}"#),
            (unreadable("no JSON"), 400, r#"{"status":400,"message":"no JSON"}"#),
            (Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, "x"), 413, r#"{"status":413,"message":"x"}"#),
            (failed(), 500, r#"{"status":false,"message":"Something went wrong"}"#),
            (Refusal::bug(), 500, r#"{"status":false,"message":"Something went wrong"}"#),
            (Refusal::faults(vec!["a".into(), "b".into()]), 400, r#"{"status":false,"message":"a; b"}"#),
        ] {
            let said = String::from_utf8((MANNERS.body)(&refusal, "/", "c")).unwrap();
            assert_eq!((refusal.status.as_u16(), said.as_str()), (status, body));
        }
    }
}
