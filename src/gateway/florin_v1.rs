//! Florin's own API: over gRPC ([`grpc`]) and as REST under `/v1` ([`rest`]). Both are faces of
//! [`crate::teller::native`], so a key is one key, a request the same request and an answer the same answer whichever
//! way it comes.

pub mod grpc;
pub mod rest;

#[cfg(test)]
mod tests;
