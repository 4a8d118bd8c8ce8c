//! Fields that hold texts.

use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr};

use super::{Kind, Required, formatted, typed};
use crate::gateway::http::body::Object;
use crate::teller::operator::REASON_MAX;
use crate::teller::validate;

/// Bytes of a time's text.
const TIME_MAX: usize = 64;

/// A text of at least one byte, without control characters.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    bytes_max: usize,
    /// What it must look like, where the handler checks that.
    pattern: Option<&'static str>,
    example: Option<&'static str>,
}

impl Text {
    /// Of at most so many bytes.
    pub const fn of(bytes_max: usize) -> Self {
        Self { bytes_max, pattern: None, example: None }
    }

    /// Described by a pattern, which the handler checks.
    pub const fn like(self, pattern: &'static str) -> Self {
        Self { pattern: Some(pattern), ..self }
    }

    /// With an example.
    pub const fn such_as(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    fn described(self, is_required: bool, about: &str) -> RefOr<Schema> {
        let text = typed(Type::String, is_required, about).examples(self.example);
        let text = match self.pattern {
            Some(pattern) => text.pattern(Some(pattern)),
            None => text.min_length(Some(1)).max_length(Some(self.bytes_max)),
        };
        text.into()
    }
}

impl Kind for Text {
    type Value<'a> = Option<String>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<String> {
        object.optional(name, self.bytes_max)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        self.described(false, about)
    }
}

impl Kind for Required<Text> {
    type Value<'a> = String;
    const IS_REQUIRED: bool = true;

    fn read(&self, name: &str, object: &mut Object<'_>) -> String {
        object.required(name, self.0.bytes_max)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        self.0.described(true, about)
    }
}

/// A text in place of what was there: `null` or an empty one takes it away, and what is left out stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct NewText {
    bytes_max: usize,
}

impl NewText {
    /// Of at most so many bytes.
    pub const fn of(bytes_max: usize) -> Self {
        Self { bytes_max }
    }
}

impl Kind for NewText {
    type Value<'a> = Option<String>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<String> {
        let place = object.fields.iter().position(|(known, _)| known == name)?;
        if matches!(object.fields[place].1.get(), "null" | "\"\"") {
            object.fields.swap_remove(place);
            return Some(String::new());
        }
        object.optional(name, self.bytes_max)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        typed(Type::String, false, about).max_length(Some(self.bytes_max)).into()
    }
}

/// A list of texts, which may be left out.
#[derive(Clone, Copy, Debug)]
pub struct TextList {
    pub count_max: usize,
    /// Of each text.
    pub bytes_max: usize,
}

impl Kind for TextList {
    type Value<'a> = Option<Vec<String>>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<Vec<String>> {
        let place = object.fields.iter().position(|(known, _)| known == name)?;
        let (_, value) = object.fields.swap_remove(place);
        if value.get() == "null" {
            return None;
        }
        let list: Option<Vec<String>> = serde_json::from_str(value.get()).ok();
        let fits = |list: &Vec<String>| {
            list.len() <= self.count_max && list.iter().all(|text| validate::text(name, text, self.bytes_max).is_ok())
        };
        let list = list.filter(fits);
        if list.is_none() {
            let (count, bytes) = (self.count_max, self.bytes_max);
            object.fault(format!("{name} must be a list of up to {count} strings of up to {bytes} bytes each"));
        }
        list
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(self.bytes_max));
        let list = ArrayBuilder::new().items(text).description(Some(about)).max_items(Some(self.count_max));
        list.schema_type(SchemaType::from_iter([Type::Array, Type::Null])).into()
    }
}

/// Why an operator does something; may be empty.
#[derive(Clone, Copy, Debug)]
pub struct Reason;

impl Kind for Reason {
    type Value<'a> = String;

    fn read(&self, _: &str, object: &mut Object<'_>) -> String {
        object.reason()
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        typed(Type::String, false, about).max_length(Some(REASON_MAX)).into()
    }
}

/// The text of an RFC 3339 time, which the handler reads.
#[derive(Clone, Copy, Debug)]
pub struct Time;

impl Kind for Time {
    type Value<'a> = Option<String>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<String> {
        object.optional(name, TIME_MAX)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        formatted(Type::String, KnownFormat::DateTime, false, about).into()
    }
}

/// A UUID.
#[derive(Clone, Copy, Debug)]
pub struct Uuid;

impl Kind for Uuid {
    type Value<'a> = Option<String>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<String> {
        object.uuid(name)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        formatted(Type::String, KnownFormat::Uuid, false, about).into()
    }
}

impl Kind for Required<Uuid> {
    type Value<'a> = Option<String>;
    const IS_REQUIRED: bool = true;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<String> {
        object.required_uuid(name)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        formatted(Type::String, KnownFormat::Uuid, true, about).into()
    }
}

/// One of a few names, in any case.
#[derive(Clone, Copy, Debug)]
pub struct Choice<T: 'static> {
    names: &'static [(&'static str, T)],
    example: Option<&'static str>,
}

impl<T: Copy + 'static> Choice<T> {
    /// Of these names, each with what it stands for.
    pub const fn of(names: &'static [(&'static str, T)]) -> Self {
        Self { names, example: None }
    }

    /// With an example.
    pub const fn such_as(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    fn described(self, is_required: bool, about: &str) -> RefOr<Schema> {
        let mut pattern = String::from("^(");
        for (n, (name, _)) in self.names.iter().enumerate() {
            pattern.push_str(if n == 0 { "" } else { "|" });
            for letter in name.chars() {
                match letter {
                    'A'..='Z' | 'a'..='z' => {
                        pattern.extend(['[', letter.to_ascii_uppercase(), letter.to_ascii_lowercase(), ']']);
                    }
                    _ => pattern.push(letter),
                }
            }
        }
        pattern.push_str(")$");
        typed(Type::String, is_required, about).pattern(Some(pattern)).examples(self.example).into()
    }
}

impl<T: Copy + 'static> Kind for Choice<T> {
    type Value<'a> = Option<T>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<T> {
        object.choice(name, self.names)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        self.described(false, about)
    }
}

impl<T: Copy + 'static> Kind for Required<Choice<T>> {
    type Value<'a> = Option<T>;
    const IS_REQUIRED: bool = true;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<T> {
        object.required_choice(name, self.0.names)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        self.0.described(true, about)
    }
}
