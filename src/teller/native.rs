//! The native API without its wires: checked fields in, rows out, and rows as answers show them ([`views`]). gRPC and REST are two adapters of it, so that a key
//! is one key and a request the same request whichever way it comes. It builds commands and reads; it holds no rule of
//! money.

pub mod accounts;
pub mod customers;
pub mod entities;
pub mod exchanges;
pub mod fields;
pub mod holds;
pub mod invoices;
pub mod names;
pub mod operators;
pub mod pages;
pub mod post;
pub mod reads;
pub mod returns;
pub mod tax_rates;
pub mod views;
