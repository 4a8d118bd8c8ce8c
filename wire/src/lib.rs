//! The gRPC contracts as Rust, generated from `proto/`: messages, clients and servers, and the bound on what they decode.
//! A client needs this and nothing else of Florin.
#![allow(clippy::all, clippy::pedantic, reason = "generated code")]

pub mod bounded;

pub mod payment_v1 {
    tonic::include_proto!("payment.v1");
}

pub mod florin_v1 {
    tonic::include_proto!("florin.v1");
}

pub mod ledger {
    tonic::include_proto!("ledger");
}

/// The file descriptors of all contracts, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
