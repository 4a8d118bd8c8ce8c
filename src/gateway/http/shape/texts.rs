//! Fields that hold texts.

use utoipa::openapi::schema::{Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr};

use super::{Kind, Required, formatted, typed};
use crate::gateway::http::body::Object;
use crate::teller::operator::REASON_MAX;

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
