//! Metrics and traces, as whoever collects them sees them.

mod metrics_endpoint;
mod traces;
