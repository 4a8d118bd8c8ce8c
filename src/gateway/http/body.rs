//! Reads a request's body: bounded in bytes, time and depth, strictly JSON, every key once.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::gateway::http::key::{HeaderKey, KeyField};
use crate::gateway::http::refusal::Refusal;
use crate::teller::validate::cut;

/// Bytes of a body, where a contract says nothing else.
pub const BYTES_MAX: usize = 64 << 10;
/// Bytes of a body that is too large, read all the same: who is still sending would not hear the answer.
const DISCARD_MAX: usize = 16 << 20;
/// How long a body may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);
/// Levels of objects and lists in each other.
const DEPTH_MAX: usize = 32;
/// Fields of one object, known or not.
const FIELDS_MAX: usize = 256;

/// The bytes of a JSON body of at most so many, read whole; not parsed yet.
pub struct JsonBody<const MAX: usize = BYTES_MAX> {
    bytes: Vec<u8>,
    key: Option<HeaderKey>,
}

impl<S: Send + Sync, const MAX: usize> FromRequest<S> for JsonBody<MAX> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        let key = match head.extensions.get() {
            Some(KeyField(field)) => HeaderKey::of(field, &head.headers)?,
            None => None,
        };
        let bytes = whole(body, MAX).await?;
        if !bytes.is_empty() && !is_json(&head.headers) {
            return Err(Refusal::not_json());
        }
        Ok(Self { bytes, key })
    }
}

/// All of a body, of at most so many bytes.
///
/// # Errors
/// 413 when it is larger, 408 when it does not arrive in time, 400 when it ends early.
pub async fn whole(body: Body, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    tokio::time::timeout(ARRIVAL_MAX, read(body, bytes_max)).await.unwrap_or_else(|_| {
        let why = format!("the body did not arrive within {} s", ARRIVAL_MAX.as_secs());
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", why))
    })
}

async fn read(body: Body, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let (mut chunks, mut bytes, mut seen) = (body.into_data_stream(), Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::bad("INVALID_ARGUMENT", "the body ended early"))?;
        seen += chunk.len();
        if seen <= bytes_max {
            bytes.extend_from_slice(&chunk);
        } else if seen > DISCARD_MAX {
            break;
        }
    }
    if seen > bytes_max {
        let why = format!("the body is larger than {bytes_max} bytes, which is the limit");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", why));
    }
    Ok(bytes)
}

/// Whether the body is said to be JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let kind = kind.split(';').next().unwrap_or(kind).trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The fields of a JSON object as they were sent, and what was wrong with them so far.
#[derive(Debug, Default)]
pub struct Object<'a> {
    pub(super) fields: Vec<(Cow<'a, str>, &'a RawValue)>,
    pub(super) faults: Vec<String>,
    /// The field that the header `Idempotency-Key` stands for, if that was sent.
    pub(super) by_header: Option<&'static str>,
}

impl<const MAX: usize> JsonBody<MAX> {
    /// The fields of the object that the body is. No body is an object without fields.
    ///
    /// # Errors
    /// 400 when it is nested too deep, is no JSON, or no object. A key given twice is a fault of the object.
    pub fn object(&self) -> Result<Object<'_>, Refusal> {
        let mut object = self.sent()?;
        if let Some(key) = &self.key {
            key.put_into(&mut object);
        }
        Ok(object)
    }

    fn sent(&self) -> Result<Object<'_>, Refusal> {
        let bytes = self.bytes.as_slice();
        if bytes.trim_ascii().is_empty() {
            return Ok(Object::default());
        }
        let wrong = |why: String| Refusal::faults(vec![why]);
        if !is_shallow(bytes) {
            return Err(wrong(format!("the body is nested deeper than {DEPTH_MAX} levels, which is the limit")));
        }
        let mut object: Object<'_> = serde_json::from_slice(bytes).map_err(|error| {
            wrong(match error.classify() {
                serde_json::error::Category::Data => {
                    format!("the body must be a JSON object with at most {FIELDS_MAX} properties")
                }
                _ => format!("the body is not valid JSON (line {}, column {})", error.line(), error.column()),
            })
        })?;
        for (name, value) in &object.fields {
            if !value.get().starts_with(['{', '[']) {
                continue;
            }
            let mut twice = None;
            let walked = Walk(&mut twice).deserialize(&mut serde_json::Deserializer::from_str(value.get()));
            match (twice, walked) {
                (Some(key), _) => object.faults.push(format!("property {}.{key} is given more than once", cut(name))),
                (None, Err(_)) => {
                    object.faults.push(format!("{} holds a text or a number that cannot be carried", cut(name)))
                }
                (None, Ok(())) => {}
            }
        }
        Ok(object)
    }
}

/// Counts brackets outside of texts, so that no parser has to recurse to find out.
fn is_shallow(bytes: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return false;
        }
    }
    true
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut object = Object::default();
                while let Some(Key(name)) = map.next_key()? {
                    let value = map.next_value()?;
                    if object.fields.iter().any(|(known, _)| *known == name) {
                        object.faults.push(format!("property {} is given more than once", cut(&name)));
                    } else if object.fields.len() == FIELDS_MAX {
                        return Err(de::Error::custom("too many properties"));
                    } else {
                        object.fields.push((name, value));
                    }
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// Walks a value through and notes the first key that an object in it has twice.
struct Walk<'f>(&'f mut Option<String>);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = std::collections::HashSet::new();
        while let Some(Key(name)) = map.next_key()? {
            map.next_value_seed(Walk(self.0))?;
            if !seen.insert(name.clone()) {
                self.0.get_or_insert_with(|| cut(&name));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Walk(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gateway::http::refusal::Message;

    fn body(bytes: Vec<u8>) -> JsonBody {
        JsonBody { bytes, key: None }
    }

    fn faults(text: &[u8]) -> Vec<String> {
        match body(text.to_vec()).object() {
            Ok(object) => object.faults,
            Err(Refusal { message: Message::List(faults), status: StatusCode::BAD_REQUEST, .. }) => faults,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place_and_nothing_of_its_text() {
        for text in ["{", "{\"a\":}", "nonsense", "{} x", "{\"a\":1,}", "{\"a\":01}", "\u{feff}{}"] {
            assert!(
                faults(text.as_bytes())[0].starts_with("the body is not valid JSON (line 1"),
                "{text}: {:?}",
                faults(text.as_bytes())
            );
        }
        for text in ["[]", "1", "\"text\"", "null"] {
            assert!(faults(text.as_bytes())[0].starts_with("the body must be a JSON object"), "{text}");
        }
        assert_eq!(faults(b"{\"a\":\"\xff\"}").len(), 1);
        assert!(faults(b" \n").is_empty() && faults(b"").is_empty());
        let many: Vec<String> = (0..=FIELDS_MAX).map(|n| format!("\"{n}\":1")).collect();
        assert_eq!(faults(format!("{{{}}}", many.join(",")).as_bytes()).len(), 1);
    }

    proptest! {
        /// Whatever is sent, it is read or refused; what is read has each name once.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), text in r#"[{}\[\]",:0-9a-e\\ ]{0,60}"#) {
            for bytes in [bytes, text.into_bytes()] {
                if let Ok(object) = body(bytes).object() {
                    let names: std::collections::HashSet<_> = object.fields.iter().map(|(name, _)| name).collect();
                    prop_assert_eq!(names.len(), object.fields.len());
                }
            }
        }
    }

    #[test]
    fn depth_is_bounded_without_recursion_and_texts_do_not_count() {
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n)).into_bytes();
        assert!(faults(&nested(DEPTH_MAX - 1)).is_empty());
        assert!(faults(&nested(DEPTH_MAX))[0].contains("32 levels"));
        assert!(faults(&nested(10_000))[0].contains("32 levels"));
        assert!(faults(format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(100)).as_bytes()).is_empty());
    }

    #[test]
    fn keys_given_twice_are_named_wherever_they_are() {
        assert_eq!(faults(br#"{"a":1,"b":2,"a":3}"#), ["property a is given more than once"]);
        assert_eq!(faults(br#"{"a":1,"\u0061":3}"#), ["property a is given more than once"], "an escape hides nothing");
        assert_eq!(faults(br#"{"m":[{"x":{"k":1,"k":2}}]}"#), ["property m.k is given more than once"]);
        assert_eq!(faults(br#"{"m":{"k":"\ud800"}}"#), ["m holds a text or a number that cannot be carried"]);
        assert!(faults(br#"{"m":{"k":{"k":1.50,"n":null,"t":true,"i":-1}}}"#).is_empty());
    }

    #[test]
    fn only_json_is_json() {
        let given =
            |kind: &'static str| is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]));
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(given(kind), "{kind}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp", "text/x+json"] {
            assert!(!given(kind), "{kind}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_body_above_the_limit_is_refused_however_large_it_is() {
        for (bytes, status) in
            [(BYTES_MAX, None), (BYTES_MAX + 1, Some(413)), (10 << 20, Some(413)), (DISCARD_MAX + 1, Some(413))]
        {
            let read = read(Body::from(vec![b' '; bytes]), BYTES_MAX).await;
            assert_eq!(read.err().map(|refusal| refusal.status.as_u16()), status, "{bytes}");
        }
    }
}
