//! The actor tree: which actor restarts when, after which delay, and what health says meanwhile.

pub mod health;
pub mod policy;
pub mod tasks;
pub mod tree;
