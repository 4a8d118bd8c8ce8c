//! The use cases, without any wire: checks what is asked, hands commands to the actors, reads what is there. Every contract of the gateway is a face of this. Holds no rules
//! of money.

pub mod call;
pub mod declines;
pub mod externals;
pub mod failure;
pub mod ledger;
pub mod native;
pub mod operator;
pub mod seed;
pub mod validate;
pub mod watch;
