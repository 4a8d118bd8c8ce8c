//! The orders contract: the service `ledger` over gRPC ([`grpc`]), and its REST calls ([`rest`]). An adapter: it
//! translates names and errors, and holds no rules. The orders themselves come from Kafka
//! ([`crate::actors::orders`]).

pub mod grpc;
pub mod rest;
