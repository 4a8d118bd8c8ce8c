//! The native API without its wire: checked fields in, rows out. gRPC (`florin_v1`) and REST (`rest/native`) are two faces of it, so a key is one key
//! and a request the same request whichever way it comes. It builds commands and reads; it holds no rule of money.

pub mod accounts;
pub mod exchanges;
pub mod fields;
pub mod holds;
pub mod pages;
pub mod post;
pub mod reads;
pub mod returns;
