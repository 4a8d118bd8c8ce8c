//! Orders, invoices, and what becomes of them.

mod commands;
mod corpus;
mod crashes;
mod customers;
mod exports;
mod hostile;
mod native;
mod orders;
