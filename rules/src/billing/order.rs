//! Orders, as the messages of the topic `orders` bring them (contract 2), and what they come to.

mod broken;
pub(super) mod fields;
pub(super) mod number;
#[cfg(test)]
mod tests;
mod timestamp;

use std::borrow::Cow;

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};

pub(super) use self::broken::cut;
pub use self::broken::{BrokenOrder, Field};
use self::fields::{Fields, items};
use self::number::Fault;
use super::rates::TaxRates;
use super::tax::{Per, PricedLine, Pricing, TaxError, Taxed, tax};
use crate::money::{Currency, Rounding};

/// Bytes of a message, at most.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Lines of an order, at most.
pub const LINES_MAX: usize = 100_000;
/// Bytes of an event id, an order id, a customer id, at most.
pub const ID_BYTES_MAX: usize = 128;
/// Bytes of a SKU, at most.
pub const SKU_BYTES_MAX: usize = 256;
/// Bytes of the name of a region or a tax category, at most.
pub const NAME_BYTES_MAX: usize = 64;

/// A number that is not rounded.
pub type Exact = BigDecimal;

/// An order that can be billed. Its texts are not empty and hold no U+0000, its ids no control characters.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The key of repeats: one order, however often it is delivered.
    pub event_id: String,
    pub order_id: String,
    pub currency: Currency,
    /// `None`: the walk-in customer.
    pub customer_id: Option<String>,
    pub region: Option<String>,
    /// Whether the prices contain the tax.
    pub tax_inclusive: bool,
    /// At least one.
    pub lines: Vec<OrderLine>,
    /// `None`: the time at which the message was received counts.
    pub ordered_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OrderLine {
    pub sku: String,
    /// From 0 to 10^12.
    pub qty: i64,
    /// From 0 to below 10^20, with at most 18 decimals.
    pub unit_price: BigDecimal,
    pub tax_category: Option<String>,
}

/// The list of its lines.
const LINES: &str = "lines";
const ORDER: [&str; 8] =
    ["event_id", "order_id", "currency", "lines", "customer_id", "region", "tax_inclusive", "timestamp"];
const LINE: [&str; 4] = ["sku", "qty", "unit_price", "tax_category"];

impl Order {
    /// Reads a message. Unknown fields are ignored, and null is the same as absent.
    ///
    /// # Errors
    /// The first fault, in the order of the fields above.
    pub fn parse(bytes: &[u8], known: impl Fn(&str) -> Option<Currency>) -> Result<Self, BrokenOrder> {
        let fields = Fields::read(message(bytes)?, ORDER, None)?;
        let [event_id, order_id, currency, lines, customer_id, region, tax_inclusive, timestamp] =
            std::array::from_fn(|index| index);
        Ok(Self {
            event_id: fields.id(event_id, fields.required(event_id)?, ID_BYTES_MAX)?.into_owned(),
            order_id: text_or_integer(&fields, order_id)?,
            currency: read_currency(&fields, currency, known)?,
            lines: read_lines(&fields, lines)?,
            customer_id: optional_id(&fields, customer_id)?,
            region: fields.optional_text(region, NAME_BYTES_MAX)?,
            tax_inclusive: read_bool(&fields, tax_inclusive)?,
            ordered_at: read_time(&fields, timestamp)?,
        })
    }

    /// When it was ordered: its own time, or else when it was received.
    pub fn time(&self, received_at: DateTime<Utc>) -> DateTime<Utc> {
        self.ordered_at.unwrap_or(received_at)
    }

    /// What the order comes to, at the rates of the day (UTC) on which it was ordered.
    ///
    /// # Errors
    /// `TotalTooLarge`.
    pub fn taxed(
        &self,
        rates: &TaxRates,
        rounding: Rounding,
        per: Per,
        received_at: DateTime<Utc>,
    ) -> Result<Taxed, BrokenOrder> {
        let (region, on) = (self.region.as_deref(), self.time(received_at).date_naive());
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|line| PricedLine {
                exact: &line.unit_price * line.qty,
                rate: rates.find(region, line.tax_category.as_deref(), on),
            })
            .collect();
        tax(&lines, Pricing { inclusive: self.tax_inclusive, rounding, per }, self.currency).map_err(
            |error| match error {
                TaxError::TooLarge | TaxError::Discount { .. } => BrokenOrder::TotalTooLarge, // there is no discount
            },
        )
    }
}

/// A quantity or a price that was written by hand: from 0 to below 10^20, with at most 18 decimals. `None`: it is not.
pub fn decimal(text: &str) -> Option<Exact> {
    number::price(text).ok()
}

/// The text of a message; a byte-order mark is no part of it.
pub(super) fn message(bytes: &[u8]) -> Result<&str, BrokenOrder> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(BrokenOrder::TooLong { bytes: bytes.len(), max: MESSAGE_BYTES_MAX });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| BrokenOrder::NotUtf8 { at: error.valid_up_to() })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() { Err(BrokenOrder::Empty) } else { Ok(text) }
}

fn text_or_integer<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<String, BrokenOrder> {
    let json = fields.required(index)?;
    let digits = json.strip_prefix('-').unwrap_or(json);
    if json.starts_with('"') {
        fields.id(index, json, ID_BYTES_MAX).map(Cow::into_owned)
    } else if !digits.bytes().all(|b| b.is_ascii_digit()) {
        Err(fields.wrong_type(index, "a text or an integer", json))
    } else if json.len() > ID_BYTES_MAX {
        let (field, bytes, max) = (fields.field(index), json.len(), ID_BYTES_MAX);
        Err(BrokenOrder::LongText { field, bytes, max, value: cut(json) })
    } else {
        Ok(json.to_owned())
    }
}

fn optional_id<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<Option<String>, BrokenOrder> {
    let id = fields.optional(index).map(|json| fields.id(index, json, ID_BYTES_MAX)).transpose()?;
    Ok(id.map(Cow::into_owned))
}

fn read_currency<const N: usize>(
    fields: &Fields<'_, N>,
    index: usize,
    known: impl Fn(&str) -> Option<Currency>,
) -> Result<Currency, BrokenOrder> {
    let json = fields.required(index)?;
    let code = fields.text(index, json, NAME_BYTES_MAX)?;
    known(&code).ok_or_else(|| BrokenOrder::UnknownCurrency { value: cut(json) })
}

fn read_bool<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<bool, BrokenOrder> {
    match fields.optional(index) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(json) => Err(fields.wrong_type(index, "true or false", json)),
    }
}

fn read_time<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<Option<DateTime<Utc>>, BrokenOrder> {
    let read = |json| {
        let text = fields.text(index, json, NAME_BYTES_MAX)?;
        timestamp::parse(&text).ok_or_else(|| BrokenOrder::BadTimestamp { value: cut(json) })
    };
    fields.optional(index).map(read).transpose()
}

fn read_lines<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<Vec<OrderLine>, BrokenOrder> {
    let json = fields.required(index)?;
    if !json.starts_with('[') {
        return Err(fields.wrong_type(index, "an array", json));
    }
    let lines = items(json, LINES_MAX).ok_or(BrokenOrder::LongList { list: LINES, max: LINES_MAX })?;
    if lines.is_empty() {
        return Err(BrokenOrder::EmptyList { list: LINES });
    }
    lines.into_iter().enumerate().map(|(number, json)| read_line(json, number)).collect()
}

fn read_line(json: &str, number: usize) -> Result<OrderLine, BrokenOrder> {
    let fields = Fields::read(json, LINE, Some((LINES, number)))?;
    let [sku, qty, unit_price, tax_category] = std::array::from_fn(|index| index);
    Ok(OrderLine {
        sku: fields.text(sku, fields.required(sku)?, SKU_BYTES_MAX)?.into_owned(),
        qty: read_qty(&fields, qty)?,
        unit_price: read_price(&fields, unit_price)?,
        tax_category: fields.optional_text(tax_category, NAME_BYTES_MAX)?,
    })
}

fn read_qty<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<i64, BrokenOrder> {
    let (json, field) = (fields.required(index)?, fields.field(index));
    if !is_number(json) {
        return Err(fields.wrong_type(index, "a whole number", json));
    }
    let value = || cut(json);
    number::quantity(json).map_err(|fault| match fault {
        Fault::NotANumber => BrokenOrder::NotANumber { field, value: value() },
        Fault::Negative => BrokenOrder::Negative { field, value: value() },
        Fault::TooPrecise => BrokenOrder::NotWhole { field, value: value() },
        Fault::TooLarge => BrokenOrder::TooLarge { field, limit: "at most 10^12", value: value() },
    })
}

fn read_price<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<BigDecimal, BrokenOrder> {
    let (json, field) = (fields.required(index)?, fields.field(index));
    let text = match json.starts_with('"') {
        true => fields.text(index, json, usize::MAX)?,
        false if is_number(json) => Cow::Borrowed(json),
        false => return Err(fields.wrong_type(index, "a number or a text that is one", json)),
    };
    let value = || cut(json);
    number::price(&text).map_err(|fault| match fault {
        Fault::NotANumber => BrokenOrder::NotANumber { field, value: value() },
        Fault::Negative => BrokenOrder::Negative { field, value: value() },
        Fault::TooPrecise => BrokenOrder::TooPrecise { field, max: number::PRICE_DECIMALS_MAX, value: value() },
        Fault::TooLarge => BrokenOrder::TooLarge { field, limit: "below 10^20", value: value() },
    })
}

pub(super) fn is_number(json: &str) -> bool {
    json.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}
