//! What is sent, described by the fields that the rules read. Other fields are taken along.

use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::billing::bill::{ITEMS_MAX, PRODUCT_BYTES_MAX, USER_BYTES_MAX};
use crate::billing::registration::{EMAIL_BYTES_MAX, MOBILE, NAME_MAX};
use crate::billing::{Bill, BillItem, Registration};

/// A customer who registers.
pub struct RegisterRequest;

/// What somebody bought.
pub struct BillRequest;

impl ToSchema for RegisterRequest {}

impl PartialSchema for RegisterRequest {
    fn schema() -> RefOr<Schema> {
        let [first_name, middle_name, last_name, email, mobile, born_on, _] = Registration::FIELDS;
        let name = |min| text().min_length(Some(min)).max_length(Some(NAME_MAX));
        let or_null = SchemaType::from_iter([Type::String, Type::Null]);
        let date = text().schema_type(or_null.clone()).description(Some("`1990-12-31`."));
        ObjectBuilder::new()
            .description(Some("A customer who registers; other fields are taken along."))
            .property(first_name, name(1))
            .property(middle_name, name(0).schema_type(or_null))
            .property(last_name, name(1))
            .property(email, format(text(), KnownFormat::Email).max_length(Some(EMAIL_BYTES_MAX)))
            .property(mobile, text().min_length(Some(MOBILE.0)).max_length(Some(MOBILE.1)))
            .property(born_on, format(date, KnownFormat::Date))
            .required(first_name)
            .required(last_name)
            .required(email)
            .required(mobile)
            .into()
    }
}

impl ToSchema for BillRequest {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("BillItem".into(), item()));
    }
}

impl PartialSchema for BillRequest {
    fn schema() -> RefOr<Schema> {
        let [user_id, items] = Bill::FIELDS;
        let user = text().min_length(Some(1)).max_length(Some(USER_BYTES_MAX));
        let list = ArrayBuilder::new().items(Ref::from_schema_name("BillItem"));
        ObjectBuilder::new()
            .description(Some("What somebody bought."))
            .property(user_id, user.description(Some("The customer's e-mail.")))
            .property(items, list.min_items(Some(1)).max_items(Some(ITEMS_MAX)))
            .required(user_id)
            .required(items)
            .into()
    }
}

fn item() -> RefOr<Schema> {
    let [product_id, quantity, price, product_name] = BillItem::FIELDS;
    let product = || text_or_number("A text or a number.").max_length(Some(PRODUCT_BYTES_MAX));
    let number = "A number or a text that is one, below 10^8, with at most 6 decimals.";
    let money = "A number or a text that is one, below 10^12, without tax.";
    let object = ObjectBuilder::new()
        .property(product_id, product())
        .property(quantity, text_or_number(number))
        .property(price, text_or_number(money))
        .property(product_name, product());
    BillItem::FIELDS.into_iter().fold(object, ObjectBuilder::required).into()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn text_or_number(about: &str) -> ObjectBuilder {
    text().schema_type(SchemaType::from_iter([Type::String, Type::Number])).description(Some(about))
}

fn format(text: ObjectBuilder, format: KnownFormat) -> ObjectBuilder {
    text.format(Some(SchemaFormat::KnownFormat(format)))
}
