//! What a document says: the JSON object in `invoices.content`. Amounts are decimal text in the document's currency, with
//! all of its decimals.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::billing::{Bill, Order, TaxGroup, TaxRate, Taxed, TaxedLine};
use crate::money::Currency;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// When it was ordered: the time of its taxes and of its exchange rate.
    pub ordered_at: DateTime<Utc>,
    pub prices_include_tax: bool,
    /// Who gets it, as they were then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer: Option<Party>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
    pub lines: Vec<Line>,
    pub taxes: Vec<Tax>,
    /// The rate at which it was booked, where the books are in another currency.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exchange: Option<Exchange>,
    /// Taken off the whole document: decimal text, with the tax if prices contain it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub discount: Option<String>,
    /// Days from its date to its due date, where they are not its entity's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub due_days: Option<u16>,
    /// In the caller's own words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// The number in `customers.id`.
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mobile: Option<String>,
    /// Its lines.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub address: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tax_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The code of what was sold.
    pub sku: String,
    /// What was sold, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Decimal text.
    pub quantity: String,
    /// Decimal text in the currency's unit, as it was ordered.
    pub unit_price: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tax_category: Option<String>,
    /// `standard`, `exempt` or `reverse_charge`.
    pub treatment: String,
    pub tax_percent: String,
    pub net: String,
    pub tax: String,
}

/// One unit of `base`, the document's currency, is `rate` units of `quote`, the books' currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// The number in `rates.id`.
    pub rate_id: i64,
    pub base: String,
    pub quote: String,
    /// Decimal text.
    pub rate: String,
    pub observed_at: DateTime<Utc>,
    /// What was booked, in the books' currency.
    pub net: String,
    pub tax: String,
}

/// All lines of one rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tax {
    /// `standard`, `exempt` or `reverse_charge`.
    pub treatment: String,
    pub percent: String,
    pub net: String,
    pub tax: String,
}

impl Content {
    /// What the invoice of an order says.
    pub fn of_order(order: &Order, taxed: &Taxed, received_at: DateTime<Utc>) -> Self {
        let lines = order.lines.iter().zip(&taxed.lines).map(|(line, taxed)| Line {
            sku: line.sku.clone(),
            description: None,
            quantity: line.qty.to_string(),
            unit_price: line.unit_price.to_plain_string(),
            tax_category: line.tax_category.clone(),
            ..Line::of(taxed, order.currency)
        });
        Self {
            ordered_at: order.time(received_at),
            prices_include_tax: order.tax_inclusive,
            customer: None,
            region: order.region.clone(),
            lines: lines.collect(),
            taxes: taxed.groups.iter().map(|group| Tax::of(group, order.currency)).collect(),
            exchange: None,
            discount: None,
            due_days: None,
            note: None,
        }
    }

    /// What the invoice of a bill says.
    pub fn of_bill(
        bill: &Bill,
        taxed: &Taxed,
        currency: Currency,
        customer: Party,
        region: Option<String>,
        billed_at: DateTime<Utc>,
    ) -> Self {
        let lines = bill.items.iter().zip(&taxed.lines).map(|(item, taxed)| Line {
            sku: item.product_id.clone(),
            description: Some(item.product_name.clone()),
            quantity: item.quantity.normalized().to_plain_string(),
            unit_price: item.price.to_plain_string(),
            ..Line::of(taxed, currency)
        });
        Self {
            ordered_at: billed_at,
            prices_include_tax: false,
            customer: Some(customer),
            region,
            lines: lines.collect(),
            taxes: taxed.groups.iter().map(|group| Tax::of(group, currency)).collect(),
            exchange: None,
            discount: None,
            due_days: None,
            note: None,
        }
    }

    /// As it is stored.
    ///
    /// # Panics
    /// Never: texts and times always encode.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and times encode")
    }
}

impl Line {
    /// Of no particular thing.
    pub fn of(taxed: &TaxedLine, currency: Currency) -> Self {
        Self {
            sku: String::new(),
            description: None,
            quantity: String::new(),
            unit_price: String::new(),
            tax_category: None,
            treatment: taxed.rate.treatment().to_owned(),
            tax_percent: percent(taxed.rate),
            net: taxed.net.text(currency.exponent),
            tax: taxed.tax.text(currency.exponent),
        }
    }
}

impl Tax {
    pub fn of(group: &TaxGroup, currency: Currency) -> Self {
        Self {
            treatment: group.rate.treatment().to_owned(),
            percent: percent(group.rate),
            net: group.net.text(currency.exponent),
            tax: group.tax.text(currency.exponent),
        }
    }
}

fn percent(rate: TaxRate) -> String {
    rate.percent().to_string()
}
