//! The edge: authenticates, sheds, validates, translates, and hands commands to the actors. Holds no rules of money.

pub mod auth;
pub mod call;
pub mod connections;
pub mod failure;
pub mod florin_v1;
pub mod ledger;
pub mod native;
pub mod operator;
pub mod payment_v1;
pub mod rate_limit;
pub mod rest;
pub mod seed;
pub mod server;
pub mod validate;
pub mod watch;
