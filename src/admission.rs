//! Everything that may say no before a use case is asked: who calls, how often, over how many connections.

pub mod auth;
pub mod connections;
pub mod limits;
pub mod rate_limit;
