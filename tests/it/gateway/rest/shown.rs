//! Answers as snapshots hold them.

use serde_json::Value;

use super::client::{is_time, is_uuid};

/// The answer with words for what is another in every run: these texts by their names, other ids as `[id]`, times as
/// `[time]`.
pub fn shown(body: &Value, names: &[(&str, &str)]) -> Value {
    match body {
        Value::String(text) => match names.iter().find(|(_, known)| known == text) {
            Some((name, _)) => format!("[{name}]").into(),
            None if is_uuid(body) => "[id]".into(),
            None if is_time(body) => "[time]".into(),
            None => body.clone(),
        },
        Value::Array(list) => list.iter().map(|value| shown(value, names)).collect(),
        Value::Object(fields) => fields.iter().map(|(field, value)| (field.clone(), shown(value, names))).collect(),
        other => other.clone(),
    }
}
