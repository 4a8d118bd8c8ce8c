//! SQL, and only SQL.

pub mod outbox;
