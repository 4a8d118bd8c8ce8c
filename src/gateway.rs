//! The edge: authenticates, sheds, validates, translates, and hands commands to the actors. Holds no rules of money.

pub mod failure;
pub mod florin_v1;
pub mod ledger;
pub mod payment_v1;
pub mod server;
pub mod validate;
