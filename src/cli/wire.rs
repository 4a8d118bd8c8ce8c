//! The generated messages and client of payment.v1.

tonic::include_proto!("payment.v1");
