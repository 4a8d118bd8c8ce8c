//! The messages between actors, what the journal writes, and the types generated for the wires. Holds no rules and no
//! SQL.

pub mod account;
pub mod admission;
pub mod batch;
pub mod events;
pub mod journal;
pub mod live;
pub mod movement;
pub mod record;
pub mod slip;

/// Generated from `proto/`.
#[allow(clippy::all, clippy::pedantic, reason = "generated code")]
pub mod pb {
    pub mod payment_v1 {
        tonic::include_proto!("payment.v1");
    }
    pub mod florin_v1 {
        tonic::include_proto!("florin.v1");
    }
    /// The file descriptors of both contracts, for gRPC reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}
