//! The use cases, without any wire: checks requests, hands commands to the actors, reads from the database. Every
//! contract of the gateway is an adapter of this room. Holds no rules of money.

pub mod call;
pub mod customers;
pub mod declines;
pub mod exports;
pub mod externals;
pub mod failure;
pub mod ledger;
pub mod ledger_entry;
pub mod native;
pub mod operator;
pub mod seed;
pub mod validate;
pub mod watch;
