//! Orders, invoices, and what becomes of them.

mod exports;
mod orders;
