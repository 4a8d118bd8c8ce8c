//! What actors say to each other, what the journal writes, and the wire's generated types. Holds no rules and no SQL.

pub mod account;
pub mod admission;
pub mod batch;
pub mod events;
pub mod journal;
pub mod live;
pub mod record;
pub mod slip;

/// Generated from `proto/`.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
pub mod pb {
    /// payment.v1: payment authorization.
    pub mod payment_v1 {
        tonic::include_proto!("payment.v1");
    }
    /// florin.v1: Florin's own API.
    pub mod florin_v1 {
        tonic::include_proto!("florin.v1");
    }
    /// All of it, for reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}
