//! SQL, and only SQL.

pub mod api_keys;
pub mod schema;
