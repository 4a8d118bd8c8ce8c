//! Orders, invoices, and what becomes of them.

mod customers;
mod orders;
