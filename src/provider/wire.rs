//! Reads the answers of a provider, as `docs/provider.md` has them. Anything else is no answer.

use serde::Deserialize;

use super::{Answer, ProviderError};

#[derive(Deserialize)]
struct Body {
    key: String,
    status: Status,
    reference: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Status {
    Done,
    Pending,
    Refused,
    Unknown,
}

/// Characters of the provider's texts that are kept.
const TEXT_MAX: usize = 200;

/// The answer about the operation of this key; `None`: the provider never heard of it.
///
/// # Errors
/// `NotDone` for the statuses that say that the request was not looked at. `Unknown` for everything else that is no
/// answer; also for one about another key, which may have been left over on the connection.
pub(super) fn read(status: u16, body: &[u8], key: &str) -> Result<Option<Answer>, ProviderError> {
    match status {
        200 | 201 | 202 | 404 | 422 => {}
        401 | 403 | 429 => return Err(ProviderError::NotDone(format!("the provider answered {status}"))),
        _ => return Err(ProviderError::Unknown(format!("the provider answered {status}"))),
    }
    let garbled = |why: String| ProviderError::Unknown(format!("the provider answered {status} with {why}"));
    let body: Body = serde_json::from_slice(body).map_err(|error| garbled(format!("what is no answer: {error}")))?;
    if body.key != key {
        return Err(garbled("an answer about another key".into()));
    }
    let text = |text: Option<String>| {
        text.unwrap_or_default().chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect::<String>()
    };
    match (status, body.status) {
        (404, Status::Unknown) => Ok(None),
        (200..=202, Status::Done) => {
            Ok(Some(Answer::Done { reference: body.reference.map(|reference| text(Some(reference))) }))
        }
        (200..=202, Status::Pending) => Ok(Some(Answer::Pending)),
        (200..=202 | 422, Status::Refused) => {
            Ok(Some(Answer::Refused { code: text(body.code), message: text(body.message) }))
        }
        _ => Err(garbled("another outcome than its status says".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_exactly_an_answer_is_one() {
        let done = Ok(Some(Answer::Done { reference: Some("po_1".into()) }));
        let refused = Ok(Some(Answer::Refused { code: "closed".into(), message: "no such account".into() }));
        for (status, body, read_as) in [
            (200, r#"{"key":"k","status":"done","reference":"po_1"}"#, done.clone()),
            (201, r#"{"key":"k","status":"done","reference":"po_1","more":1}"#, done),
            (200, r#"{"key":"k","status":"done"}"#, Ok(Some(Answer::Done { reference: None }))),
            (202, r#"{"key":"k","status":"pending"}"#, Ok(Some(Answer::Pending))),
            (
                422,
                r#"{"key":"k","status":"refused","code":"closed","message":"no such\u0000 account"}"#,
                refused.clone(),
            ),
            (200, r#"{"key":"k","status":"refused","code":"closed","message":"no such account"}"#, refused),
            (404, r#"{"key":"k","status":"unknown"}"#, Ok(None)),
        ] {
            assert_eq!(read(status, body.as_bytes(), "k"), read_as, "{status} {body}");
        }
        for status in [401, 403, 429] {
            assert!(matches!(read(status, b"", "k"), Err(ProviderError::NotDone(_))), "{status}");
        }
        for (status, body) in [
            (200, r#"{"key":"other","status":"done"}"#),
            (200, r#"{"status":"done"}"#),
            (200, r#"{"key":"k","status":"settled"}"#),
            (200, "{}"),
            (200, "<html>"),
            (200, ""),
            (404, "not found"),
            (404, r#"{"key":"k","status":"done"}"#),
            (200, r#"{"key":"k","status":"unknown"}"#),
            (422, r#"{"key":"k","status":"done"}"#),
            (302, ""),
            (400, r#"{"key":"k","status":"refused"}"#),
            (408, ""),
            (409, ""),
            (500, r#"{"key":"k","status":"done"}"#),
            (503, ""),
        ] {
            assert!(matches!(read(status, body.as_bytes(), "k"), Err(ProviderError::Unknown(_))), "{status} {body}");
        }
    }
}
