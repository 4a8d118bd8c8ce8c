//! The rules of billing: what an order is, what it comes to, and what becomes of its invoice. Pure: knows
//! [`crate::money`] only.

pub mod order;
pub mod postings;
mod rates;
mod tax;

pub use order::{BrokenOrder, Order, OrderLine};
pub use rates::{Percent, RatesError, TaxRate, TaxRates, TaxRule};
pub use tax::{Per, PricedLine, Pricing, TaxError, TaxGroup, Taxed, TaxedLine, discount, tax};
