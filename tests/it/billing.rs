//! Orders, invoices, and what becomes of them.

mod orders;
