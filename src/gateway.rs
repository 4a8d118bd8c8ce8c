//! The wires: listeners for HTTP and gRPC, and a folder for each contract. Translates what comes into what the teller
//! is asked, and its answers back.

pub mod accounts_v1;
pub mod customers_v1;
pub mod docs;
pub mod florin_v1;
pub mod grpc;
pub mod http;
pub mod listener;
pub mod orders_v1;
pub mod payment_v1;
pub mod routes;

#[cfg(test)]
mod tests;
