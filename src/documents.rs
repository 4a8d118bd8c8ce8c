//! What leaves the house as a document: mails, files of exports, and the CSV in them.
//!
//! It is told everything it needs by its caller: plain settings, texts that are formatted, bytes that are made. It reads
//! no tables, keeps no queue and repeats nothing: its errors say whether a repeat can help. Personal data is in what it
//! sends and never in what it says about it: [`masked`].

pub mod csv;
pub mod mail;
pub mod storage;
mod words;

pub use words::masked;
