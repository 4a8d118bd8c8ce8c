//! The header `Idempotency-Key`, where a contract takes it: it is the key of the body by another way.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName};
use serde_json::value::{RawValue, to_raw_value};

use super::body::Object;
use super::refusal::Refusal;
use crate::teller::validate::cut;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The field of bodies that the header stands for; in the extensions of requests whose contract takes it.
#[derive(Clone, Copy)]
pub struct KeyField(pub &'static str);

/// What the header says, as the field's JSON.
pub struct HeaderKey {
    field: &'static str,
    text: String,
    json: Box<RawValue>,
}

impl HeaderKey {
    /// Reads it; in quotes, as it is written by those who take it for a structured field, it is the same.
    ///
    /// # Errors
    /// 400: it is given twice, or has characters that no header should have.
    pub fn of(field: &'static str, headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let wrong = |why: &str| Refusal::faults(vec![format!("header Idempotency-Key {why}")]);
        if values.next().is_some() {
            return Err(wrong("is given more than once"));
        }
        let text = value.to_str().map_err(|_| wrong("must be visible ASCII"))?.trim();
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned();
        let json = to_raw_value(&text).map_err(|_| wrong("cannot be read"))?;
        Ok(Some(Self { field, text, json }))
    }

    /// Makes it the field of a body that has none; another one there is a fault.
    pub fn put_into<'a>(&'a self, object: &mut Object<'a>) {
        object.by_header = Some(self.field);
        let own = object.fields.iter_mut().find(|(name, _)| *name == self.field);
        match own {
            None => object.fields.push((Cow::Borrowed(self.field), &self.json)),
            Some((_, value)) if value.get() == "null" => *value = &self.json,
            Some((_, value)) => {
                let same = serde_json::from_str::<String>(value.get()).is_ok_and(|key| key == self.text);
                if !same {
                    let (field, text) = (self.field, cut(&self.text));
                    object.fault(format!("header Idempotency-Key {text:?} is another key than {field} in the body"));
                }
            }
        }
    }
}
