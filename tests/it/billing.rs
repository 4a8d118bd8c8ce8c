//! Orders, invoices, and what becomes of them.

mod commands;
mod corpus;
mod crashes;
mod customers;
mod exports;
mod native;
mod orders;
