//! The edge: what comes in from the network, who may send it, and how much of it.

pub mod rate_limit;
