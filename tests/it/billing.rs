//! Orders, invoices, and what becomes of them.

mod corpus;
mod crashes;
mod exports;
mod orders;
