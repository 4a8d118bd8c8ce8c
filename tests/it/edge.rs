//! The edge: API keys and schema on PostgreSQL, the metrics listener over HTTP, the binary as a user runs it.

mod api_keys;
mod binary;
mod events;
mod metrics_endpoint;
pub mod mutual_tls;
mod schema;
mod traces;
mod words;
