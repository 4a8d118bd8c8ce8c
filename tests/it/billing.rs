//! Orders, invoices, and what becomes of them.

mod native;
mod orders;
