//! The wires, contract by contract.

mod contract;
pub mod native;
mod payments;
pub mod rest;
