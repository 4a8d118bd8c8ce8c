//! Takes the fields out of a body one by one, as their kinds ([`super::shape`]) say, and collects everything that is wrong with them, to be told at once.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::gateway::http::body::Object;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::text;
use crate::gateway::http::text::{AMOUNT_MAX, AmountText};
use crate::teller::failure::Failure;
use crate::teller::operator::REASON_MAX;
use crate::teller::validate::{self, METADATA_MAX, cut};

/// Faults that one answer names.
const FAULTS_MAX: usize = 20;

impl<'a> Object<'a> {
    /// Notes a fault.
    pub fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    /// A field's JSON; `null` counts as not given.
    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let place = self.fields.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.fields.swap_remove(place);
        (value.get() != "null").then_some(value)
    }

    /// A text that may be left out, of at most so many bytes and without control characters.
    pub(super) fn optional(&mut self, name: &str, bytes_max: usize) -> Option<String> {
        let raw = self.take(name)?.get();
        let Ok(text) = serde_json::from_str::<String>(raw) else {
            self.fault(format!("{name} must be a string"));
            return None;
        };
        if text.is_empty() {
            self.fault(format!("{name} should not be empty"));
            return None;
        }
        match validate::text(name, &text, bytes_max) {
            Ok(()) => Some(text),
            Err(failure) => {
                self.fault(failure.to_string());
                None
            }
        }
    }

    /// Why something is changed, in the caller's words; an empty one is as good as none.
    pub(super) fn reason(&mut self) -> String {
        let place = self.fields.iter().position(|(known, value)| known == "reason" && value.get() == "\"\"");
        if let Some(place) = place {
            self.fields.swap_remove(place);
        }
        self.optional("reason", REASON_MAX).unwrap_or_default()
    }

    /// A text that must be there. What this and its like answer is only meant to be used once [`Object::end`] found no
    /// fault.
    pub(super) fn required(&mut self, name: &str, bytes_max: usize) -> String {
        let faults = self.faults.len();
        let text = self.optional(name, bytes_max);
        if text.is_none() && self.faults.len() == faults {
            self.fault(format!("{name} is required"));
        }
        text.unwrap_or_default()
    }

    /// A UUID in its usual form, in small letters.
    pub(super) fn uuid(&mut self, name: &str) -> Option<String> {
        let raw = self.take(name)?.get();
        let id = serde_json::from_str::<String>(raw)
            .ok()
            .filter(|text| text.len() == 36)
            .and_then(|text| Uuid::try_parse(&text).ok());
        if id.is_none() {
            self.fault(format!("{name} must be a UUID"));
        }
        id.map(|id| id.to_string())
    }

    /// A UUID that must be there.
    pub(super) fn required_uuid(&mut self, name: &str) -> Option<String> {
        let faults = self.faults.len();
        let id = self.uuid(name);
        if id.is_none() && self.faults.len() == faults {
            self.fault(format!("{name} must be a UUID"));
        }
        id
    }

    /// A positive amount that must be there; the currency tells later whether it has too many decimals.
    pub(super) fn amount(&mut self, name: &str) -> AmountText {
        let amount = self.take(name).and_then(amount_text).filter(|amount| text::is_positive(&amount.text));
        amount.unwrap_or_else(|| {
            self.fault(text::not_positive(name));
            AmountText { sent: RawValue::NULL.to_owned(), text: String::new() }
        })
    }

    /// The same where it may be left out.
    pub(super) fn optional_amount(&mut self, name: &str) -> Option<AmountText> {
        let is_given = self.fields.iter().any(|(known, value)| known == name && value.get() != "null");
        if is_given { Some(self.amount(name)) } else { self.take(name).and(None) }
    }

    /// An account's new limit: `null` means none, and what is left out stays as it is.
    pub(super) fn new_limit(&mut self, name: &str) -> Option<Option<AmountText>> {
        let is_null = self.fields.iter().any(|(known, value)| known == name && value.get() == "null");
        let limit = self.limit(name, true);
        if is_null { Some(None) } else { limit.map(Some) }
    }

    /// An amount that may be left out; a negative one only where it may be.
    pub(super) fn limit(&mut self, name: &str, may_be_negative: bool) -> Option<AmountText> {
        let raw = self.take(name)?;
        let amount = amount_text(raw)
            .filter(|amount| text::is_decimal(&amount.text) && (may_be_negative || !amount.text.starts_with('-')));
        if amount.is_none() {
            self.fault(if may_be_negative {
                format!("{name} must be a decimal amount (e.g., \"-100.00\")")
            } else {
                format!("{name} must be a decimal amount of zero or more (e.g., \"1000.00\")")
            });
        }
        amount
    }

    /// One of a few names, in any case.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, allowed: &[(&str, T)]) -> Option<T> {
        let raw = self.take(name)?.get();
        let text = serde_json::from_str::<String>(raw).unwrap_or_default();
        let choice = allowed.iter().find(|(known, _)| known.eq_ignore_ascii_case(&text)).map(|(_, choice)| *choice);
        if choice.is_none() {
            let names: Vec<_> = allowed.iter().map(|(known, _)| *known).collect();
            self.fault(format!("{name} must be one of the following values: {}", names.join(", ")));
        }
        choice
    }

    /// One of a few names that must be there.
    pub(super) fn required_choice<T: Copy>(&mut self, name: &str, allowed: &[(&str, T)]) -> Option<T> {
        let faults = self.faults.len();
        let choice = self.choice(name, allowed);
        if choice.is_none() && self.faults.len() == faults {
            self.fault(format!("{name} is required"));
        }
        choice
    }

    /// True or false.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let flag = serde_json::from_str(self.take(name)?.get()).ok();
        if flag.is_none() {
            self.fault(format!("{name} must be true or false"));
        }
        flag
    }

    /// A whole number from 1 on.
    pub(super) fn number(&mut self, name: &str) -> Option<i64> {
        let number = serde_json::from_str(self.take(name)?.get()).ok().filter(|number| *number > 0);
        if number.is_none() {
            self.fault(format!("{name} must be a whole number from 1 to {}", i64::MAX));
        }
        number
    }

    /// A whole number from 0 to `max`.
    pub(super) fn whole(&mut self, name: &str, max: u32) -> Option<u32> {
        let number = serde_json::from_str(self.take(name)?.get()).ok().filter(|number| *number <= max);
        if number.is_none() {
            self.fault(format!("{name} must be a whole number from 0 to {max}"));
        }
        number
    }

    /// A whole number from 0 to `max` that must be there.
    pub(super) fn required_whole(&mut self, name: &str, max: u32) -> Option<u32> {
        if !self.is_given(name) {
            self.fault(format!("{name} is required"));
            return self.take(name).and(None);
        }
        self.whole(name, max)
    }

    /// An object of texts by name.
    pub(super) fn texts(&mut self, name: &str) -> HashMap<String, String> {
        let Some(raw) = self.take(name) else { return HashMap::new() };
        serde_json::from_str(raw.get()).unwrap_or_else(|_| {
            self.fault(format!("{name} must be an object of strings"));
            HashMap::new()
        })
    }

    /// A list of one up to so many objects that must be there. What is read of each is given back to
    /// [`Object::absorb`].
    pub(super) fn objects(&mut self, name: &str, count_max: usize) -> Vec<Self> {
        let list: Option<Vec<Self>> = self.take(name).and_then(|raw| serde_json::from_str(raw.get()).ok());
        let list = list.filter(|list| (1..=count_max).contains(&list.len()));
        let Some(mut list) = list else {
            self.fault(format!("{name} must be a list of 1 to {count_max} objects"));
            return Vec::new();
        };
        list.iter_mut().for_each(|object| object.faults.clear()); // a key given twice was found when the body was read
        list
    }

    /// Takes over what is wrong with an object inside this one, whose fields are all taken.
    pub fn absorb(&mut self, prefix: &str, inner: Self) {
        self.faults
            .extend(inner.fields.iter().map(|(name, _)| format!("property {prefix}{} should not exist", cut(name))));
        self.faults.extend(inner.faults.into_iter().map(|fault| format!("{prefix}{fault}")));
    }

    /// What was read of a field elsewhere; if it is wrong, that is a fault like any other.
    pub fn checked<T>(&mut self, read: Result<T, Failure>) -> Option<T> {
        read.map_err(|failure| self.fault(failure.to_string())).ok()
    }

    /// Nothing was wrong so far.
    pub fn is_faultless(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether a field is there, and not `null`; asked before it is taken.
    pub fn is_given(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, value)| known == name && value.get() != "null")
    }

    /// A JSON object, kept as the text that was sent; an empty one is none.
    pub(super) fn metadata(&mut self, name: &str) -> Option<String> {
        let text = self.take(name)?.get().to_owned();
        if !text.starts_with('{') {
            self.fault(format!("{name} must be an object"));
            return None;
        }
        if text.len() > METADATA_MAX {
            self.fault(format!("{name} is {} bytes long as JSON, the limit is {METADATA_MAX}", text.len()));
            return None;
        }
        // Kept as it was sent; but what cannot be read, a lone surrogate or a number beyond all bounds, could not be
        // kept everywhere.
        match serde_json::from_str(&text) {
            Ok(object) if has_nul(&object) => {
                self.fault(format!("{name} contains the control character U+0000, which is not allowed"))
            }
            Ok(_) => return Some(text).filter(|text| !text.trim_matches(['{', '}']).trim().is_empty()),
            Err(error) => self.fault(format!("{name} cannot be read: {error}")),
        }
        None
    }
    /// All fields are taken: what is left should not be there.
    ///
    /// # Errors
    /// 400 with every fault.
    pub fn end(mut self) -> Result<(), Refusal> {
        let unknown = self.fields.iter().map(|(name, _)| match self.by_header {
            Some(field) if *name == field => "header Idempotency-Key is not taken: this call has no key".to_owned(),
            _ => format!("property {} should not exist", cut(name)),
        });
        let mut faults: Vec<String> = unknown.collect();
        faults.append(&mut self.faults);
        if faults.is_empty() {
            return Ok(());
        }
        if faults.len() > FAULTS_MAX {
            let more = faults.len() - FAULTS_MAX;
            faults.truncate(FAULTS_MAX);
            faults.push(format!("and {more} more"));
        }
        Err(Refusal::faults(faults))
    }
}

/// The characters of a JSON text or number.
fn amount_text(raw: &RawValue) -> Option<AmountText> {
    let token = raw.get();
    if token.len() > AMOUNT_MAX + 2 {
        return None;
    }
    let text = match token.as_bytes().first()? {
        b'"' => serde_json::from_str(token).ok()?,
        b'-' | b'0'..=b'9' => token.to_owned(),
        _ => return None,
    };
    Some(AmountText { sent: raw.to_owned(), text })
}

/// Whether U+0000 stands in any text of it, or name: PostgreSQL cannot keep that in JSON.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::http::refusal::Message;

    fn faults(text: &str, read: impl FnOnce(&mut Object<'_>)) -> Vec<String> {
        let mut object: Object<'_> = serde_json::from_str(text).unwrap();
        read(&mut object);
        match object.end() {
            Ok(()) => Vec::new(),
            Err(Refusal { message: Message::List(faults), .. }) => faults,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let read = |object: &mut Object<'_>| {
            object.required_uuid("idempotencyKey");
            object.required("sourceAccountId", 128);
            object.amount("amount");
            object.optional("reference", 5);
        };
        let told = faults(r#"{"amount":"-5","reference":"too long","zzz":1,"idempotencyKey":"k"}"#, read);
        for expected in [
            "property zzz should not exist",
            "idempotencyKey must be a UUID",
            "sourceAccountId is required",
            "amount must be a positive decimal amount (e.g., \"10.50\")",
        ] {
            assert!(told.iter().any(|fault| fault == expected), "{expected} is not in {told:?}");
        }
        assert_eq!(told.len(), 5, "{told:?}");
        let good = r#"{"idempotencyKey":"0192F0C1-7B7A-7000-8000-000000000001","sourceAccountId":"a","amount":10.50,"reference":null}"#;
        assert_eq!(faults(good, read), Vec::<String>::new());
    }

    #[test]
    fn amounts_are_taken_from_the_characters_that_were_sent() {
        for (sent, text) in [
            ("10.50", Some("10.50")),
            ("\"10.50\"", Some("10.50")),
            ("0.1", Some("0.1")),
            ("12345678901234567890.12", Some("12345678901234567890.12")),
        ] {
            let mut object: Object<'_> = serde_json::from_str(r#"{"a":1}"#).unwrap();
            assert_eq!(object.fields.len(), 1);
            let body = format!("{{\"amount\":{sent}}}");
            object = serde_json::from_str(&body).unwrap();
            let amount = object.amount("amount");
            assert_eq!((object.faults.is_empty().then_some(amount.text.as_str()), amount.sent.get()), (text, sent));
        }
        for sent in ["1e3", "1E-2", "-5", "0", "true", "[1]", "{}", "null", "\"\"", "\" 5\"", "\"1\\u0000\"", "\"NaN\""]
        {
            assert_eq!(
                faults(&format!("{{\"amount\":{sent}}}"), |object| drop(object.amount("amount"))).len(),
                1,
                "{sent}"
            );
        }
    }

    #[test]
    fn choices_limits_and_metadata_are_checked() {
        let of = |text: &str| {
            faults(text, |object| {
                let _ = object.choice("type", &[("user", 1), ("system", 2)]);
            })
        };
        assert!(of(r#"{"type":"USER"}"#).is_empty() && of("{}").is_empty());
        assert_eq!(of(r#"{"type":"x"}"#), ["type must be one of the following values: user, system"]);
        let limit = |text: &str, negative| {
            faults(&format!("{{\"l\":{text}}}"), |object| drop(object.limit("l", negative))).len()
        };
        assert_eq!(
            (limit("\"-5.00\"", true), limit("\"-5.00\"", false), limit("0", false), limit("\"x\"", true)),
            (0, 1, 0, 1)
        );
        let metadata = |text: &str| {
            let body = format!("{{\"m\":{text}}}");
            let mut object: Object<'_> = serde_json::from_str(&body).unwrap();
            (object.metadata("m"), object.faults.len())
        };
        assert_eq!(metadata(r#"{"a": {"b": 1.50}}"#), (Some(r#"{"a": {"b": 1.50}}"#.into()), 0));
        assert_eq!((metadata("{ }"), metadata("[]"), metadata("null")), ((None, 0), (None, 1), (None, 0)));
        assert_eq!(metadata(&format!("{{\"a\":\"{}\"}}", "x".repeat(METADATA_MAX))).1, 1);
    }

    #[test]
    fn a_flood_of_unknown_fields_is_told_briefly() {
        let body: Vec<String> = (0..100).map(|n| format!("\"{n}\":1")).collect();
        let told = faults(&format!("{{{}}}", body.join(",")), |_| {});
        assert_eq!((told.len(), told.last().map(String::as_str)), (FAULTS_MAX + 1, Some("and 80 more")));
    }
}
