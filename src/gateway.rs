//! The wires: listeners, and a folder for each contract. Translates what comes into what the teller is asked, and its answers back.

pub mod call;
pub mod florin_v1;
pub mod payment_v1;
pub mod rest;
pub mod server;
pub mod status;
