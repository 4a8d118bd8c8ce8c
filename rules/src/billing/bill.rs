//! Bills of shops, as the topic `billing` and `POST /api/v1/bill/genBill` bring them (contract 3).

use std::borrow::Cow;

use bigdecimal::BigDecimal;
use chrono::NaiveDate;

use super::order::fields::{Fields, items};
use super::order::number::{self, Fault};
use super::order::{BrokenOrder, cut, is_number, message};
use super::rates::TaxRates;
use super::tax::{Per, PricedLine, Pricing, TaxError, Taxed, tax};
use crate::money::{Currency, Rounding};

/// Items of a bill, at most.
pub const ITEMS_MAX: usize = 10_000;
/// Bytes of `userId`, the e-mail of a customer, at most.
pub const USER_BYTES_MAX: usize = 320;
/// Bytes of the id and of the name of a product, at most.
pub const PRODUCT_BYTES_MAX: usize = 256;
/// Digits before the point and decimals, at most. All items together come to less than 10^28 of any currency's
/// smallest unit that has up to 3 decimals.
const QUANTITY: Limits = Limits { whole_digits: 8, decimals: 6, words: "below 10^8" };
const PRICE: Limits = Limits { whole_digits: 12, decimals: 18, words: "below 10^12" };

/// A bill that can be made. Its texts are not empty and hold no U+0000.
#[derive(Clone, Debug, PartialEq)]
pub struct Bill {
    /// The customer's e-mail.
    pub user_id: String,
    /// At least one.
    pub items: Vec<BillItem>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BillItem {
    pub product_id: String,
    pub product_name: String,
    /// From 0 to below 10^8, with at most 6 decimals.
    pub quantity: BigDecimal,
    /// From 0 to below 10^12, with at most 18 decimals.
    pub price: BigDecimal,
}

impl BillItem {
    /// The fields that are read.
    pub const FIELDS: [&str; 4] = ["productId", "quantity", "price", "productName"];
}

struct Limits {
    whole_digits: usize,
    decimals: u8,
    words: &'static str,
}

const ITEMS: &str = "items";

impl Bill {
    /// The fields that are read, in the order of [`Bill`].
    pub const FIELDS: [&str; 2] = ["userId", ITEMS];

    /// Reads a message. Unknown fields are ignored, and null is the same as absent.
    ///
    /// # Errors
    /// The first fault, in the order of the fields above.
    pub fn parse(bytes: &[u8]) -> Result<Self, BrokenOrder> {
        let fields = Fields::read(message(bytes)?, Self::FIELDS, None)?;
        let [user_id, items] = std::array::from_fn(|index| index);
        Ok(Self {
            user_id: fields.text(user_id, fields.required(user_id)?, USER_BYTES_MAX)?.into_owned(),
            items: read_items(&fields, items)?,
        })
    }

    /// What the bill comes to, with the tax on top, at the rates of this day.
    ///
    /// # Errors
    /// `TotalTooLarge`.
    pub fn taxed(
        &self,
        rates: &TaxRates,
        region: Option<&str>,
        on: NaiveDate,
        currency: Currency,
    ) -> Result<Taxed, BrokenOrder> {
        let rate = rates.find(region, None, on);
        let lines: Vec<_> =
            self.items.iter().map(|item| PricedLine { exact: &item.price * &item.quantity, rate }).collect();
        let pricing = Pricing { inclusive: false, rounding: Rounding::HalfAwayFromZero, per: Per::Rate };
        tax(&lines, pricing, currency).map_err(|error| match error {
            TaxError::TooLarge | TaxError::Discount { .. } => BrokenOrder::TotalTooLarge, // there is no discount
        })
    }
}

fn read_items<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<Vec<BillItem>, BrokenOrder> {
    let json = fields.required(index)?;
    if !json.starts_with('[') {
        return Err(fields.wrong_type(index, "an array", json));
    }
    let all = items(json, ITEMS_MAX).ok_or(BrokenOrder::LongList { list: ITEMS, max: ITEMS_MAX })?;
    if all.is_empty() {
        return Err(BrokenOrder::EmptyList { list: ITEMS });
    }
    all.into_iter().enumerate().map(|(at, json)| read_item(json, at)).collect()
}

fn read_item(json: &str, at: usize) -> Result<BillItem, BrokenOrder> {
    let fields = Fields::read(json, BillItem::FIELDS, Some((ITEMS, at)))?;
    let [product_id, quantity, price, product_name] = std::array::from_fn(|index| index);
    Ok(BillItem {
        product_id: text_or_number(&fields, product_id)?,
        quantity: number_or_text(&fields, quantity, &QUANTITY)?,
        price: number_or_text(&fields, price, &PRICE)?,
        product_name: text_or_number(&fields, product_name)?,
    })
}

fn text_or_number<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<String, BrokenOrder> {
    let json = fields.required(index)?;
    if json.starts_with('"') {
        return fields.text(index, json, PRODUCT_BYTES_MAX).map(Cow::into_owned);
    }
    if !is_number(json) {
        return Err(fields.wrong_type(index, "a text or a number", json));
    }
    if json.len() > PRODUCT_BYTES_MAX {
        let (field, bytes, max) = (fields.field(index), json.len(), PRODUCT_BYTES_MAX);
        return Err(BrokenOrder::LongText { field, bytes, max, value: cut(json) });
    }
    Ok(json.to_owned())
}

fn number_or_text<const N: usize>(
    fields: &Fields<'_, N>,
    index: usize,
    limits: &Limits,
) -> Result<BigDecimal, BrokenOrder> {
    let (json, field) = (fields.required(index)?, fields.field(index));
    let text = match json.starts_with('"') {
        true => fields.text(index, json, usize::MAX)?,
        false if is_number(json) => Cow::Borrowed(json),
        false => return Err(fields.wrong_type(index, "a number or a text that is one", json)),
    };
    let value = || cut(json);
    let text = text.trim(); // as JavaScript reads it, which wrote it
    number::limited(text.strip_prefix('+').unwrap_or(text), limits.decimals, limits.whole_digits).map_err(|fault| {
        match fault {
            Fault::NotANumber => BrokenOrder::NotANumber { field, value: value() },
            Fault::Negative => BrokenOrder::Negative { field, value: value() },
            Fault::TooPrecise => BrokenOrder::TooPrecise { field, max: limits.decimals, value: value() },
            Fault::TooLarge => BrokenOrder::TooLarge { field, limit: limits.words, value: value() },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::TaxRate;
    use crate::money::CurrencyCode;

    const ITEM: &str = r#"{"productId": "p", "quantity": 1, "price": "0.25", "productName": "Pen"}"#;

    fn bill(items: &str) -> Result<Bill, BrokenOrder> {
        Bill::parse(format!(r#"{{"userId": "ada@example.com", "items": {items}}}"#).as_bytes())
    }

    #[test]
    fn a_whole_bill_is_read() {
        let item = |id: &str, name: &str, quantity: &str, price: &str| BillItem {
            product_id: id.into(),
            product_name: name.into(),
            quantity: quantity.parse().unwrap(),
            price: price.parse().unwrap(),
        };
        let second = r#"{"productId": 17, "quantity": "1.5", "price": 2e1, "productName": 4.50, "colour": "red"}"#;
        let read = bill(&format!("[{ITEM}, {second}]")).unwrap();
        assert_eq!(read.user_id, "ada@example.com");
        assert_eq!(read.items, [item("p", "Pen", "1", "0.25"), item("17", "4.50", "1.5", "20")]);
    }

    #[test]
    fn what_is_no_bill_is_told_with_field_value_and_limit() {
        for (message, why) in [
            ("", "the message is empty"),
            ("[]", "the message must be a JSON object, not []"),
            (r#"{"items": []}"#, "userId is missing"),
            (r#"{"userId": "", "items": []}"#, "userId must not be empty"),
            (r#"{"userId": 7, "items": []}"#, "userId must be a text, not 7"),
            (r#"{"userId": "a"}"#, "items is missing"),
            (r#"{"userId": "a", "items": {}}"#, "items must be an array, not {}"),
            (r#"{"userId": "a", "items": []}"#, "items must have at least one item"),
            (r#"{"userId": "a", "items": [7]}"#, "items[0] must be an object, not 7"),
            (r#"{"userId": "a", "items": [], "items": []}"#, "items stands twice"),
        ] {
            assert_eq!(Bill::parse(message.as_bytes()).unwrap_err().to_string(), why, "{message}");
        }
        for (from, to, why) in [
            (r#""p""#, "[]", "items[1].productId must be a text or a number, not []"),
            (r#""Pen""#, "null", "items[1].productName is missing"),
            (r#""Pen""#, r#""""#, "items[1].productName must not be empty"),
            (r#""quantity": 1"#, r#""quantity": -1"#, "items[1].quantity must not be negative: -1"),
            (
                r#""quantity": 1"#,
                r#""quantity": true"#,
                "items[1].quantity must be a number or a text that is one, not true",
            ),
            (r#""quantity": 1"#, r#""quantity": 1e8"#, "items[1].quantity must be below 10^8, not 1e8"),
            (r#""quantity": 1"#, r#""quantity": 0.0000001"#, "items[1].quantity has more than 6 decimals: 0.0000001"),
            (r#""0.25""#, r#""1,5""#, r#"items[1].price must be a decimal number such as 12.50, not "1,5""#),
            (r#""0.25""#, r#""-0.01""#, r#"items[1].price must not be negative: "-0.01""#),
            (r#""0.25""#, "1000000000000", "items[1].price must be below 10^12, not 1000000000000"),
            (r#""price": "0.25","#, "", "items[1].price is missing"),
        ] {
            let told = bill(&format!("[{ITEM}, {}]", ITEM.replace(from, to))).unwrap_err().to_string();
            assert_eq!(told, why);
        }
        let many = |count: usize| bill(&format!("[{}]", vec![ITEM; count].join(",")));
        assert!(many(ITEMS_MAX).is_ok());
        assert_eq!(many(ITEMS_MAX + 1).unwrap_err().to_string(), "items has more than 10000 items");
    }

    #[test]
    fn the_tax_is_on_top_exact_and_rounded_half_away_from_zero() {
        let rates = TaxRates::new(Vec::new(), TaxRate::standard("18".parse().unwrap()).unwrap()).unwrap();
        let inr = Currency { code: CurrencyCode::parse("INR").unwrap(), exponent: 2 };
        let comes_to = |items: &str| {
            let taxed = bill(items).unwrap().taxed(&rates, None, NaiveDate::MIN, inr).unwrap();
            [taxed.subtotal, taxed.tax, taxed.total].map(|it| it.text(2))
        };
        assert_eq!(comes_to(&format!("[{ITEM}]")), ["0.25", "0.05", "0.30"]);
        assert_eq!(comes_to(&ITEM.replace("0.25", "0").replace(['{'], "[{").replace('}', "}]")), ["0.00"; 3]);
        let most = ITEM.replace(": 1,", ": 99999999.999999,").replace("0.25", "999999999999.999999999999999999");
        let most = bill(&format!("[{}]", vec![most; ITEMS_MAX].join(","))).unwrap();
        let bhd = Currency { exponent: 3, ..inr };
        assert!(most.taxed(&rates, None, NaiveDate::MIN, bhd).is_ok(), "what is read can be billed");
    }
}
