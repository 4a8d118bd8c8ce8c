//! The generated messages and client of payment.v1.
#![expect(missing_docs, clippy::default_trait_access, reason = "generated; the proto file is the documentation")]

tonic::include_proto!("payment.v1");
