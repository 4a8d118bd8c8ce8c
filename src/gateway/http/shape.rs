//! The fields of a body, each said once: by it a handler reads the body, and OpenAPI describes it.

mod bytes;
mod texts;
mod values;

use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr, SchemaFormat};

pub use self::bytes::NewBytes;
pub use self::texts::{Choice, NewText, Reason, Text, TextList, Time, Uuid};
pub use self::values::{Amount, Flag, Json, Limit, List, NewLimit, Number, Texts, Whole};
use crate::gateway::http::body::Object;

/// A field of a body.
#[derive(Clone, Copy, Debug)]
pub struct Field<K> {
    /// What callers call it.
    pub name: &'static str,
    /// What it holds.
    kind: K,
    /// What it means, for people.
    about: &'static str,
}

/// Named schemas that a description refers to.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

/// What a field holds.
pub trait Kind {
    /// What is read of it. What stands for a value that is wrong is not used: [`Object::end`] finds the fault.
    type Value<'a>;
    /// Whether it must be there.
    const IS_REQUIRED: bool = false;

    /// Takes the field of this name; what is wrong with it is a fault of the object.
    fn read<'a>(&self, name: &str, object: &mut Object<'a>) -> Self::Value<'a>;

    /// Its description, with what it means.
    fn schema(&self, about: &str) -> RefOr<Schema>;

    /// Adds the named schemas that the description refers to.
    fn add_schemas(&self, _: &mut Schemas) {}
}

impl<K> Field<K> {
    /// A field of this name.
    pub const fn new(name: &'static str, kind: K, about: &'static str) -> Self {
        Self { name, kind, about }
    }
}

impl<K: Copy> Field<K> {
    /// The same where it means something else.
    pub fn about(&self, about: &'static str) -> Self {
        Self { about, ..*self }
    }
}

impl<'a> Object<'a> {
    /// Takes a field.
    pub fn read<K: Kind>(&mut self, field: &Field<K>) -> K::Value<'a> {
        field.kind.read(field.name, self)
    }
}

/// A value that must be there. The kinds themselves may be left out; `null` counts as left out.
#[derive(Clone, Copy, Debug)]
pub struct Required<K>(pub K);

/// A field of whatever kind.
pub trait Described {
    /// What it is called, whether it must be there, and its description.
    fn described(&self) -> (&'static str, bool, RefOr<Schema>);

    /// Adds the named schemas that the description refers to.
    fn add_schemas(&self, schemas: &mut Schemas);
}

impl<K: Kind> Described for Field<K> {
    fn described(&self) -> (&'static str, bool, RefOr<Schema>) {
        (self.name, K::IS_REQUIRED, self.kind.schema(self.about))
    }

    fn add_schemas(&self, schemas: &mut Schemas) {
        self.kind.add_schemas(schemas);
    }
}

/// The description of an object that has these fields and no others.
pub fn object(about: &str, fields: &[&dyn Described]) -> RefOr<Schema> {
    let closed = AdditionalProperties::<Schema>::FreeForm(false);
    let mut object = ObjectBuilder::new().description(Some(about)).additional_properties(Some(closed));
    for (name, is_required, schema) in fields.iter().map(|field| field.described()) {
        object = object.property(name, schema);
        if is_required {
            object = object.required(name);
        }
    }
    object.into()
}

fn typed(kind: Type, is_required: bool, about: &str) -> ObjectBuilder {
    let kind = if is_required { SchemaType::from(kind) } else { SchemaType::from_iter([kind, Type::Null]) };
    ObjectBuilder::new().schema_type(kind).description(Some(about))
}

fn formatted(kind: Type, format: KnownFormat, is_required: bool, about: &str) -> ObjectBuilder {
    typed(kind, is_required, about).format(Some(SchemaFormat::KnownFormat(format)))
}

/// A reference to a named schema, with what it means here.
fn reference(name: &str, about: &str) -> Ref {
    Ref::builder().ref_location_from_schema_name(name).description(Some(about)).build()
}

/// Bodies, each a type for the attributes of handlers: its name, what it is, and its fields.
macro_rules! bodies {
    ($($(#[doc = $about:literal])+ $name:ident { $($field:expr),+ $(,)? })+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl utoipa::PartialSchema for $name {
                fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                    let about = concat!($($about),+).trim();
                    $crate::gateway::http::shape::object(
                        about,
                        &[$(&$field as &dyn $crate::gateway::http::shape::Described),+],
                    )
                }
            }

            impl utoipa::ToSchema for $name {
                fn schemas(schemas: &mut $crate::gateway::http::shape::Schemas) {
                    $($crate::gateway::http::shape::Described::add_schemas(&$field, schemas);)+
                }
            }
        )+
    };
}

pub(crate) use bodies;

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::{PartialSchema, ToSchema};

    use super::*;

    const NAME: Field<Required<Text>> = Field::new("name", Required(Text::of(8).such_as("ann")), "Whose.");
    const SHARE: Field<Amount> = Field::new("share", Amount, "How much.");
    const PARTS: Field<List<Part>> = Field::new("parts", List::of(3), "All of them.");

    bodies! {
        /// A part.
        Part { NAME, SHARE }
        /// A basket
        /// of parts.
        Basket { PARTS, NAME.about("What it is called.") }
    }

    #[test]
    fn a_body_is_described_by_the_fields_that_are_read() {
        let name = |about: &str| {
            json!({
                "type": "string", "description": about, "examples": ["ann"], "maxLength": 8, "minLength": 1,
            })
        };
        let parts = json!({
            "type": "array", "items": { "$ref": "#/components/schemas/Part" }, "description": "All of them.",
            "maxItems": 3, "minItems": 1,
        });
        assert_eq!(
            serde_json::to_value(Basket::schema()).unwrap(),
            json!({
                "type": "object", "description": "A basket of parts.", "required": ["parts", "name"],
                "properties": { "name": name("What it is called."), "parts": parts }, "additionalProperties": false,
            })
        );
        let mut schemas = Schemas::new();
        Basket::schemas(&mut schemas);
        assert_eq!(schemas.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Part", "Amount"]);
        let share = json!({ "$ref": "#/components/schemas/Amount", "description": "How much." });
        let part = serde_json::to_value(&schemas[0].1).unwrap();
        assert_eq!(
            part["properties"],
            json!({ "name": name("Whose."), "share": { "oneOf": [share, { "type": "null" }] } })
        );

        let sent = r#"{"parts":[{"name":"b","share":"1.50"}],"name":""}"#;
        let mut object: Object<'_> = serde_json::from_str(sent).unwrap();
        let mut parts = object.read(&PARTS);
        assert_eq!(
            (parts.len(), parts[0].read(&NAME), parts[0].read(&SHARE).unwrap().text),
            (1, "b".into(), "1.50".into())
        );
        object.read(&NAME);
        assert!(!object.is_faultless());
    }

    #[test]
    fn a_choice_is_described_in_any_case() {
        let choice = Choice::of(&[("a-b", 1), ("c", 2)]).schema("One.");
        let expected = json!({ "type": ["string", "null"], "description": "One.", "pattern": "^([Aa]-[Bb]|[Cc])$" });
        assert_eq!(serde_json::to_value(choice).unwrap(), expected);
    }
}
