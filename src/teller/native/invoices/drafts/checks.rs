//! What a draft may say.

use super::{CUSTOMER_MAX, DECIMAL_MAX, DRAFT_LINES_MAX, DUE_DAYS_MAX, ENTITY_MAX, NewInvoice};
use crate::billing::TaxError;
use crate::billing::order::{Exact, NAME_BYTES_MAX, SKU_BYTES_MAX, decimal};
use crate::money::Currency;
use crate::teller::failure::Failure;
use crate::teller::native::names::{self, Spelling};
use crate::teller::validate::{self, DESCRIPTION_MAX, cut};

pub fn check(asked: &NewInvoice, spelled: Spelling) -> Result<(), Failure> {
    validate::required(spelled(names::CUSTOMER_ID), &asked.customer, CUSTOMER_MAX)?;
    if let Some(entity) = &asked.entity {
        validate::required(spelled(names::ENTITY_ID), entity, ENTITY_MAX)?;
    }
    if let Some(region) = &asked.region {
        validate::required("region", region, NAME_BYTES_MAX)?;
    }
    validate::text("note", asked.note.as_deref().unwrap_or_default(), DESCRIPTION_MAX)?;
    if let Some(days) = asked.due_days.filter(|days| *days > DUE_DAYS_MAX) {
        let name = spelled(names::DUE_DAYS);
        return Err(Failure::Invalid(format!("{name} {days} is above {DUE_DAYS_MAX}, which is the limit")));
    }
    if asked.lines.is_empty() || asked.lines.len() > DRAFT_LINES_MAX {
        let count = asked.lines.len();
        return Err(Failure::Invalid(format!("lines has {count} entries, it must have 1 to {DRAFT_LINES_MAX}")));
    }
    for (n, line) in asked.lines.iter().enumerate() {
        validate::required(&format!("lines[{n}].description"), &line.description, DESCRIPTION_MAX)?;
        validate::text(&format!("lines[{n}].sku"), line.sku.as_deref().unwrap_or_default(), SKU_BYTES_MAX)?;
        let category = line.tax_category.as_deref().unwrap_or_default();
        validate::text(&format!("lines[{n}].{}", spelled(names::TAX_CATEGORY)), category, NAME_BYTES_MAX)?;
    }
    Ok(())
}

pub fn exact(field: &str, text: &str) -> Result<Exact, Failure> {
    validate::required(field, text, DECIMAL_MAX)?;
    decimal(text).ok_or_else(|| {
        Failure::Invalid(format!(
            "{field} {:?} is not a decimal from 0 to below 10^20 with at most 18 decimals, such as \"12.50\"",
            cut(text)
        ))
    })
}

pub fn untaxed(error: &TaxError, currency: Currency) -> Failure {
    Failure::Invalid(match error {
        TaxError::TooLarge => "lines come to more than 28 digits, which is the limit of an amount".into(),
        TaxError::Discount { discount, limit } => format!(
            "discount {:?} is not from 0 to {}, the sum of the lines",
            discount.text(currency.exponent),
            limit.text(currency.exponent)
        ),
    })
}
