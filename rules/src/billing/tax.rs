//! Tax on the lines of an invoice: once per rate on the exact sum, or line by line.
//!
//! Rounded amounts are never rounded again: what is printed adds up, lines to groups and groups to totals.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;

use super::rates::TaxRate;
use crate::money::{Amount, AmountError, Currency, Rounding, shares};

/// How prices become amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pricing {
    /// Whether the prices contain the tax.
    pub inclusive: bool,
    pub rounding: Rounding,
    pub per: Per,
}

/// On what the tax is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// On the exact sum of all lines of a rate (EN 16931, BR-CO-17; contract 2).
    #[default]
    Rate,
    /// On each line, so that many lines add many roundings.
    Line,
}

/// The two parts of a price with tax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetTax {
    pub net: Amount,
    pub tax: Amount,
}

impl NetTax {
    /// Both.
    ///
    /// # Errors
    /// `TooLarge` from 10^28 minor units on.
    pub fn gross(self) -> Result<Amount, AmountError> {
        self.net.plus(self.tax)
    }

    fn as_priced(self, pricing: Pricing) -> Result<Amount, AmountError> {
        if pricing.inclusive { self.gross() } else { Ok(self.net) }
    }
}

/// A line before tax.
#[derive(Clone, Debug, PartialEq)]
pub struct PricedLine {
    /// Price times quantity in the currency's unit, not rounded.
    pub exact: BigDecimal,
    pub rate: TaxRate,
}

/// A line with its share of the tax, before a discount on the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaxedLine {
    pub rate: TaxRate,
    pub net: Amount,
    pub tax: Amount,
    /// Net and tax.
    pub gross: Amount,
}

/// All lines of one rate, as an invoice shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaxGroup {
    pub rate: TaxRate,
    /// What of a discount on the document was taken off the sum of the lines' nets.
    pub discount: Amount,
    /// After the discount.
    pub net: Amount,
    /// On what is left after the discount.
    pub tax: Amount,
}

/// What an invoice comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taxed {
    /// In the order of the priced lines.
    pub lines: Vec<TaxedLine>,
    /// By rate, in the order of [`TaxRate`].
    pub groups: Vec<TaxGroup>,
    /// The sum of the groups' nets.
    pub subtotal: Amount,
    pub tax: Amount,
    /// Subtotal and tax.
    pub total: Amount,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaxError {
    #[error("the invoice comes to more than 28 digits")]
    TooLarge,
    #[error("a discount of {discount} minor units: it must be from 0 to {limit}, the sum of the lines")]
    Discount {
        discount: Amount,
        /// The sum of the lines as priced: with the tax if prices contain it.
        limit: Amount,
    },
}

impl From<AmountError> for TaxError {
    fn from(_: AmountError) -> Self {
        Self::TooLarge // nothing else comes of numbers that are not text
    }
}

/// What the lines come to.
///
/// # Errors
/// `TooLarge`.
pub fn tax(lines: &[PricedLine], pricing: Pricing, currency: Currency) -> Result<Taxed, TaxError> {
    discount(lines, Amount::ZERO, pricing, currency)
}

/// What the lines come to when so much is taken off the whole document, before the tax, or of the prices with tax if
/// they contain it. The discount goes to the rates in proportion to their sums.
///
/// # Errors
/// `Discount` below zero or above the sum of the lines; `TooLarge`.
pub fn discount(
    lines: &[PricedLine],
    discount: Amount,
    pricing: Pricing,
    currency: Currency,
) -> Result<Taxed, TaxError> {
    let mut indexes = BTreeMap::<TaxRate, Vec<usize>>::new();
    for (index, line) in lines.iter().enumerate() {
        indexes.entry(line.rate).or_default().push(index);
    }
    let exact_of =
        |indexes: &Vec<usize>| -> Vec<BigDecimal> { indexes.iter().map(|index| lines[*index].exact.clone()).collect() };
    let groups = indexes
        .iter()
        .map(|(rate, indexes)| Group::new(Rated { rate: *rate, pricing, currency }, &exact_of(indexes)))
        .collect::<Result<Vec<_>, _>>()?;

    let sums = groups.iter().map(|group| group.sum.as_priced(pricing)).collect::<Result<Vec<_>, _>>()?;
    let limit = sums.iter().try_fold(Amount::ZERO, |sum, part| sum.plus(*part))?;
    if discount != Amount::ZERO && !(Amount::ZERO..=limit).contains(&discount) {
        return Err(TaxError::Discount { discount, limit });
    }
    let discounts = shares::proportional(discount, &sums)?;

    let none = TaxedLine { rate: TaxRate::Exempt, net: Amount::ZERO, tax: Amount::ZERO, gross: Amount::ZERO };
    let mut taxed = Taxed {
        lines: vec![none; lines.len()],
        groups: Vec::with_capacity(groups.len()),
        subtotal: Amount::ZERO,
        tax: Amount::ZERO,
        total: Amount::ZERO,
    };
    for ((group, discount), indexes) in groups.into_iter().zip(discounts).zip(indexes.values()) {
        let after = group.after(discount)?;
        taxed.subtotal = taxed.subtotal.plus(after.net)?;
        taxed.tax = taxed.tax.plus(after.tax)?;
        let rate = group.rated.rate;
        let discount = group.sum.net.minus(after.net)?;
        taxed.groups.push(TaxGroup { rate, discount, net: after.net, tax: after.tax });
        for (index, sum) in indexes.iter().zip(group.lines) {
            taxed.lines[*index] = TaxedLine { rate, net: sum.net, tax: sum.tax, gross: sum.gross()? };
        }
    }
    taxed.total = taxed.subtotal.plus(taxed.tax)?;
    Ok(taxed)
}

/// How the prices of one rate become amounts.
#[derive(Clone, Copy)]
struct Rated {
    rate: TaxRate,
    pricing: Pricing,
    currency: Currency,
}

impl Rated {
    /// Net and tax of an exact price.
    fn sum(self, exact: &BigDecimal) -> Result<NetTax, AmountError> {
        let rounded = self.pricing.rounding.amount(exact, self.currency.exponent)?;
        self.split(rounded, self.tax(exact)?)
    }

    /// The tax on an exact price, or within it.
    fn tax(self, exact: &BigDecimal) -> Result<Amount, AmountError> {
        let (percent, Pricing { inclusive, rounding, .. }) = (self.rate.percent(), self.pricing);
        if inclusive {
            rounding.ratio(&(exact * percent.exact()), &(percent.exact() + 100), self.currency.exponent)
        } else {
            rounding.amount(&(exact * percent.fraction()), self.currency.exponent)
        }
    }

    fn split(self, priced: Amount, tax: Amount) -> Result<NetTax, AmountError> {
        Ok(NetTax { net: if self.pricing.inclusive { priced.minus(tax)? } else { priced }, tax })
    }

    /// The lines' nets and taxes, which add up to those of their sum.
    fn spread(self, exact: &[BigDecimal], sum: NetTax) -> Result<Vec<NetTax>, AmountError> {
        let exponent = self.currency.exponent;
        let (nets, taxes) = if self.pricing.inclusive {
            let gross = shares::nearest(sum.gross()?, exact, exponent)?;
            let nets = match sum.tax == Amount::ZERO {
                true => gross.clone(),
                false => shares::proportional(sum.net, &gross)?,
            };
            let taxes = gross.iter().zip(&nets).map(|(gross, net)| gross.minus(*net));
            (nets.clone(), taxes.collect::<Result<Vec<_>, _>>()?)
        } else {
            let percent = self.rate.percent().fraction();
            let taxes: Vec<BigDecimal> = exact.iter().map(|it| it * &percent).collect();
            (shares::nearest(sum.net, exact, exponent)?, shares::nearest(sum.tax, &taxes, exponent)?)
        };
        Ok(nets.into_iter().zip(taxes).map(|(net, tax)| NetTax { net, tax }).collect())
    }
}

/// The lines of one rate.
struct Group {
    rated: Rated,
    exact: BigDecimal,
    lines: Vec<NetTax>,
    /// The sum of the lines.
    sum: NetTax,
}

impl Group {
    fn new(rated: Rated, exact: &[BigDecimal]) -> Result<Self, AmountError> {
        let whole: BigDecimal = exact.iter().sum();
        let (lines, sum) = match rated.pricing.per {
            Per::Rate => {
                let sum = rated.sum(&whole)?;
                (rated.spread(exact, sum)?, sum)
            }
            Per::Line => {
                let lines = exact.iter().map(|it| rated.sum(it)).collect::<Result<Vec<_>, _>>()?;
                let mut sum = NetTax::default();
                for line in &lines {
                    sum = NetTax { net: sum.net.plus(line.net)?, tax: sum.tax.plus(line.tax)? };
                }
                (lines, sum)
            }
        };
        Ok(Self { rated, exact: whole, lines, sum })
    }

    /// Net and tax after a discount on what is priced.
    fn after(&self, discount: Amount) -> Result<NetTax, AmountError> {
        let Pricing { rounding, per, .. } = self.rated.pricing;
        let before = self.sum.as_priced(self.rated.pricing)?;
        let after = before.minus(discount)?;
        let tax = match per {
            _ if discount == Amount::ZERO => self.sum.tax,
            Per::Rate => {
                let exponent = i64::from(self.rated.currency.exponent);
                let exact = &self.exact - BigDecimal::new(discount.minor_units().into(), exponent);
                // The sum was rounded up by less than a unit, if it is below the discount.
                self.rated.tax(&exact.max(BigDecimal::from(0)))?
            }
            // The lines' taxes, in proportion.
            Per::Line => {
                let [tax, part, whole] = [self.sum.tax, after, before].map(|it| BigDecimal::from(it.minor_units()));
                rounding.ratio(&(tax * part), &whole, 0)?
            }
        };
        self.rated.split(after, tax)
    }
}

#[cfg(test)]
mod tests;
