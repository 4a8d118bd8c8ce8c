//! The rules of billing: what an order is, what it comes to, and what becomes of its invoice. Pure: knows
//! [`crate::money`] only.

pub mod allocation;
pub mod invoice;
pub mod order;
pub mod postings;
mod rates;
mod tax;
pub mod terms;

pub use order::{BrokenOrder, Order, OrderLine};
pub use rates::{Percent, RatesError, TaxRate, TaxRates, TaxRule};
pub use tax::{NetTax, Per, PricedLine, Pricing, TaxError, TaxGroup, Taxed, TaxedLine, discount, tax};
pub use terms::{NumberFormat, NumberFormatError};
