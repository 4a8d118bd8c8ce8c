//! Everything that may refuse a call before a use case is asked: who calls, how often, and over how many connections.

pub mod auth;
pub mod connections;
pub mod limits;
pub mod places;
pub mod rate_limit;
pub mod tls;
