//! The edge: listeners, authentication, rate limit.

pub mod auth;
