//! Fields that hold amounts, numbers, objects and lists.

use std::collections::HashMap;
use std::marker::PhantomData;

use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ArrayItems, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr};

use super::{Kind, Required, Schemas, formatted, reference, typed};
use crate::gateway::http::body::Object;
use crate::gateway::http::text::{AmountText, LimitText};

/// A reference to a named schema, or `null`.
fn nullable(name: &str, about: &str) -> RefOr<Schema> {
    OneOfBuilder::new().item(reference(name, about)).item(ObjectBuilder::new().schema_type(Type::Null)).into()
}

/// Adds a type and what it refers to.
fn add<S: ToSchema>(schemas: &mut Schemas) {
    schemas.push((S::name().into_owned(), S::schema()));
    S::schemas(schemas);
}

/// A positive amount: decimal text, or a JSON number.
#[derive(Clone, Copy, Debug)]
pub struct Amount;

impl Kind for Amount {
    type Value<'a> = Option<AmountText>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<AmountText> {
        object.optional_amount(name)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        nullable(&AmountText::name(), about)
    }

    fn add_schemas(&self, schemas: &mut Schemas) {
        add::<AmountText>(schemas);
    }
}

impl Kind for Required<Amount> {
    type Value<'a> = AmountText;
    const IS_REQUIRED: bool = true;

    fn read(&self, name: &str, object: &mut Object<'_>) -> AmountText {
        object.amount(name)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        reference(&AmountText::name(), about).into()
    }

    fn add_schemas(&self, schemas: &mut Schemas) {
        add::<AmountText>(schemas);
    }
}

/// A limit of an account's balance.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Whether it may be below zero.
    pub may_be_negative: bool,
}

impl Kind for Limit {
    type Value<'a> = Option<AmountText>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<AmountText> {
        object.limit(name, self.may_be_negative)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        nullable(&LimitText::name(), about)
    }

    fn add_schemas(&self, schemas: &mut Schemas) {
        add::<LimitText>(schemas);
    }
}

/// An account's new limit: `null` removes it, and what is left out stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct NewLimit;

impl Kind for NewLimit {
    type Value<'a> = Option<Option<AmountText>>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<Option<AmountText>> {
        object.new_limit(name)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        nullable(&LimitText::name(), about)
    }

    fn add_schemas(&self, schemas: &mut Schemas) {
        add::<LimitText>(schemas);
    }
}

/// True or false.
#[derive(Clone, Copy, Debug)]
pub struct Flag;

impl Kind for Flag {
    type Value<'a> = Option<bool>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<bool> {
        object.flag(name)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        typed(Type::Boolean, false, about).into()
    }
}

/// A whole number from 1 on.
#[derive(Clone, Copy, Debug)]
pub struct Number;

impl Kind for Number {
    type Value<'a> = Option<i64>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<i64> {
        object.number(name)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        formatted(Type::Integer, KnownFormat::Int64, false, about).minimum(Some(1)).into()
    }
}

/// A whole number from 0 to `max`.
#[derive(Clone, Copy, Debug)]
pub struct Whole {
    /// The largest.
    pub max: u32,
    /// One that is usual.
    pub example: u32,
}

impl Kind for Whole {
    type Value<'a> = Option<u32>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<u32> {
        object.whole(name, self.max)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        let number = formatted(Type::Integer, KnownFormat::Int32, false, about);
        number.minimum(Some(0)).maximum(Some(self.max)).examples([self.example]).into()
    }
}

impl Kind for Required<Whole> {
    type Value<'a> = Option<u32>;
    const IS_REQUIRED: bool = true;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<u32> {
        object.required_whole(name, self.0.max)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        let number = formatted(Type::Integer, KnownFormat::Int32, true, about);
        number.minimum(Some(0)).maximum(Some(self.0.max)).examples([self.0.example]).into()
    }
}

/// Texts by name; the handler checks how many, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Texts;

impl Kind for Texts {
    type Value<'a> = HashMap<String, String>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> HashMap<String, String> {
        object.texts(name)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let texts = typed(Type::Object, false, about).additional_properties(Some(text()));
        texts.property_names(Some(Schema::Object(text().build()))).into()
    }
}

/// Any JSON object; kept as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Kind for Json {
    type Value<'a> = Option<String>;

    fn read(&self, name: &str, object: &mut Object<'_>) -> Option<String> {
        object.metadata(name)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        typed(Type::Object, false, about).into()
    }
}

/// A list of one to so many objects of a shape. What is read of each is given back to [`Object::absorb`].
#[derive(Debug)]
pub struct List<S> {
    count_max: usize,
    of: PhantomData<S>,
}

impl<S> List<S> {
    /// Of at most so many.
    pub const fn of(count_max: usize) -> Self {
        Self { count_max, of: PhantomData }
    }
}

impl<S: ToSchema> Kind for List<S> {
    type Value<'a> = Vec<Object<'a>>;
    const IS_REQUIRED: bool = true;

    fn read<'a>(&self, name: &str, object: &mut Object<'a>) -> Vec<Object<'a>> {
        object.objects(name, self.count_max)
    }

    fn schema(&self, about: &str) -> RefOr<Schema> {
        let item = RefOr::Ref(Ref::from_schema_name(S::name()));
        let list = ArrayBuilder::new().items(ArrayItems::RefOrSchema(Box::new(item))).description(Some(about));
        list.min_items(Some(1)).max_items(Some(self.count_max)).into()
    }

    fn add_schemas(&self, schemas: &mut Schemas) {
        add::<S>(schemas);
    }
}
