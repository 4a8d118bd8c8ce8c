//! The wires, contract by contract.

mod contract;
pub mod native;
mod orders_v1;
mod payments;
pub mod rest;
