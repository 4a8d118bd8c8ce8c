//! The fields of a JSON object, each as the text that stands there, so that no number passes through a float.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::broken::{BrokenOrder, Field, cut};

/// What one object of a message has: its known fields, by their place among the names.
pub(in crate::billing) struct Fields<'a, const N: usize> {
    item: Option<(&'static str, usize)>,
    names: [&'static str; N],
    values: [Option<&'a str>; N],
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads an object; unknown fields are ignored.
    pub(in crate::billing) fn read(
        text: &'a str,
        names: [&'static str; N],
        item: Option<(&'static str, usize)>,
    ) -> Result<Self, BrokenOrder> {
        let mut all = Self { item, names, values: [None; N] };
        let mut repeated = None;
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_any(Object { fields: &mut all, repeated: &mut repeated });
        let read = read.and_then(|()| json.end());
        if let Some(index) = repeated {
            return Err(BrokenOrder::Repeated { field: all.field(index) });
        }
        match read {
            Ok(()) => Ok(all),
            Err(error) if error.is_data() => Err(all.not_an_object(text)),
            Err(error) => Err(BrokenOrder::NotJson { why: error.to_string() }),
        }
    }

    fn not_an_object(&self, text: &str) -> BrokenOrder {
        let value = cut(text.trim());
        let field = Field { item: self.item, name: "" };
        match self.item {
            None => BrokenOrder::NotAnObject { value },
            Some(_) => BrokenOrder::WrongType { field, expected: "an object", value },
        }
    }

    pub(in crate::billing) fn field(&self, index: usize) -> Field {
        Field { item: self.item, name: self.names[index] }
    }

    /// The JSON text of a field, `null` as well; `None` if it is absent.
    pub(in crate::billing) fn given(&self, index: usize) -> Option<&'a str> {
        self.values[index]
    }

    /// The JSON text of a field; `None` if it is absent or null.
    pub(in crate::billing) fn optional(&self, index: usize) -> Option<&'a str> {
        self.values[index].filter(|text| *text != "null")
    }

    pub(in crate::billing) fn required(&self, index: usize) -> Result<&'a str, BrokenOrder> {
        self.optional(index).ok_or_else(|| BrokenOrder::Missing { field: self.field(index) })
    }

    pub(in crate::billing) fn wrong_type(&self, index: usize, expected: &'static str, text: &str) -> BrokenOrder {
        BrokenOrder::WrongType { field: self.field(index), expected, value: cut(text) }
    }

    /// What a JSON text says, at least one byte and at most so many.
    pub(in crate::billing) fn text(
        &self,
        index: usize,
        json: &'a str,
        bytes_max: usize,
    ) -> Result<Cow<'a, str>, BrokenOrder> {
        let field = self.field(index);
        if !json.starts_with('"') {
            return Err(self.wrong_type(index, "a text", json));
        }
        let bare = &json[1..json.len() - 1];
        let text = match bare.contains('\\') {
            false => Cow::Borrowed(bare),
            true => serde_json::from_str::<String>(json)
                .map(Cow::Owned)
                .map_err(|error| BrokenOrder::BadText { field, why: error.to_string() })?,
        };
        if text.is_empty() {
            return Err(BrokenOrder::EmptyText { field });
        }
        if text.len() > bytes_max {
            return Err(BrokenOrder::LongText { field, bytes: text.len(), max: bytes_max, value: cut(json) });
        }
        if text.contains('\0') {
            return Err(BrokenOrder::Nul { field, value: cut(json) });
        }
        Ok(text)
    }

    /// The same of an id: others ask for it, so it has no control characters.
    pub(in crate::billing) fn id(
        &self,
        index: usize,
        json: &'a str,
        bytes_max: usize,
    ) -> Result<Cow<'a, str>, BrokenOrder> {
        let text = self.text(index, json, bytes_max)?;
        if text.contains(char::is_control) {
            return Err(BrokenOrder::Control { field: self.field(index), value: cut(json) });
        }
        Ok(text)
    }

    pub(in crate::billing) fn optional_text(
        &self,
        index: usize,
        bytes_max: usize,
    ) -> Result<Option<String>, BrokenOrder> {
        let text = self.optional(index).map(|json| self.text(index, json, bytes_max)).transpose()?;
        Ok(text.map(Cow::into_owned))
    }
}

struct Object<'f, 'a, const N: usize> {
    fields: &'f mut Fields<'a, N>,
    repeated: &'f mut Option<usize>,
}

impl<'a, const N: usize> Visitor<'a> for Object<'_, 'a, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(known) = map.next_key_seed(Name(&self.fields.names))? {
            let Some(index) = known else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if self.fields.values[index].replace(map.next_value::<&RawValue>()?.get()).is_some() {
                *self.repeated = Some(index);
                return Err(A::Error::custom("a field stands twice"));
            }
        }
        Ok(())
    }
}

/// Reads a key: the place of its name, if it is known.
struct Name<'n>(&'n [&'static str]);

impl<'a> DeserializeSeed<'a> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, key: D) -> Result<Option<usize>, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}

/// The JSON texts of an array's items; `None` from one more than the most on.
pub(in crate::billing) fn items(array: &str, count_max: usize) -> Option<Vec<&str>> {
    serde_json::Deserializer::from_str(array).deserialize_seq(Items(count_max)).ok()
}

struct Items(usize);

impl<'a> Visitor<'a> for Items {
    type Value = Vec<&'a str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} items", self.0)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<Vec<&'a str>, A::Error> {
        let mut texts = Vec::new();
        while let Some(item) = items.next_element::<&RawValue>()? {
            if texts.len() == self.0 {
                return Err(A::Error::custom("too many"));
            }
            texts.push(item.get());
        }
        Ok(texts)
    }
}
