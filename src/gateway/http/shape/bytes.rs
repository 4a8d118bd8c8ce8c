//! Fields that hold bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use utoipa::openapi::schema::{Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr};

use super::{Kind, formatted};
use crate::gateway::http::body::Object;

/// Bytes in place of what was there, as base64 (RFC 4648, with `+`, `/` and `=`): `null` or an empty text takes them
/// away, and what is left out stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct NewBytes {
    pub bytes_max: usize,
}

impl Kind for NewBytes {
    type Value<'a> = Option<Vec<u8>>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<Vec<u8>> {
        let place = object.fields.iter().position(|(known, _)| known == name)?;
        let (_, value) = object.fields.swap_remove(place);
        if value.get() == "null" {
            return Some(Vec::new());
        }
        let text: Option<String> = serde_json::from_str(value.get()).ok();
        let Some(bytes) = text.and_then(|text| STANDARD.decode(text).ok()) else {
            object.fault(format!("{name} must be base64 of at most {} bytes", self.bytes_max));
            return None;
        };
        if bytes.len() > self.bytes_max {
            object.fault(format!("{name} is {} bytes long, the limit is {}", bytes.len(), self.bytes_max));
            return None;
        }
        Some(bytes)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        let text = formatted(Type::String, KnownFormat::Byte, false, about);
        text.max_length(Some(self.bytes_max.div_ceil(3) * 4)).into()
    }
}
