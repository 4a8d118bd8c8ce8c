//! The rules of billing: what an order is, what it comes to, and what becomes of its invoice. Pure: knows
//! [`crate::money`] only.
//!
//! A message becomes an [`Order`]; [`Order::taxed`] finds its rates and computes what it comes to ([`tax()`] for what is
//! no order). [`invoice::decide`] says what a payment, a credit note, a write-off or a void invoice changes,
//! [`postings`] which accounts that moves, [`allocation`] which invoices a payment pays, and [`terms`] how an invoice is
//! numbered and when it is due. A shop's [`Bill`] and a [`Registration`] are read as strictly as an order.

pub mod allocation;
pub mod bill;
pub mod books;
pub mod invoice;
pub mod order;
pub mod postings;
mod rates;
pub mod registration;
mod tax;
pub mod terms;

pub use bill::{Bill, BillItem};
pub use books::Books;
pub use order::{BrokenOrder, Order, OrderLine};
pub use rates::{Percent, RatesError, TaxRate, TaxRates, TaxRule};
pub use registration::Registration;
pub use tax::{NetTax, Per, PricedLine, Pricing, TaxError, TaxGroup, Taxed, TaxedLine, discount, tax};
pub use terms::{NumberFormat, NumberFormatError};
