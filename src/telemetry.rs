//! Logs, metrics and traces: started once per process, flushed when the guard is dropped.
//!
//! Knows no other room but settings: whoever starts it hands in the settings, and a view of the node's health.

pub mod correlation;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod traces;

use std::sync::atomic::{AtomicBool, Ordering};

use ::http::HeaderMap;
use tracing::Span;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use crate::settings::{LogSettings, TraceSettings};

/// Keeps logs and traces going, and flushes the traces when dropped. Keep it until the end of `main`, inside the
/// runtime.
#[must_use = "traces are flushed when this is dropped"]
pub struct Telemetry {
    _traces: Option<traces::Traces>,
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `LOG_FILTER` cannot be read.
    #[error(
        "LOG_FILTER is {filter:?}: {reason}; allowed are levels by target such as florin::actors=debug, separated by commas"
    )]
    Filter {
        /// The setting's value.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The exporter of traces cannot be built.
    #[error("OTLP_ENDPOINT is {endpoint:?}: {reason}")]
    Endpoint {
        /// The setting's value.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Whether requests get spans: they cost throughput, so only where somebody reads them.
static SPANS: AtomicBool = AtomicBool::new(false);

/// The span of a request. It is empty unless traces or `LOG_PAYMENTS` are on, or the level is below info.
pub fn request_span(method: &'static str, headers: &HeaderMap) -> Span {
    if SPANS.load(Ordering::Relaxed) {
        tracing::info_span!("request", method, correlation_id = %correlation::CorrelationId::of(headers))
    } else {
        Span::none()
    }
}

impl Telemetry {
    /// Starts logs to standard error, and traces when there is an endpoint. If the process has a subscriber already
    /// (tests), that one stays. With traces it must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the filter or the endpoint cannot be used.
    pub fn start(log: &LogSettings, traces: Option<&TraceSettings>) -> Result<Self, TelemetryError> {
        let filter = logs::filter(log)?;
        SPANS.store(
            traces.is_some() || log.payments || matches!(log.level.as_str(), "debug" | "trace"),
            Ordering::Relaxed,
        );
        let traces = traces.map(traces::Traces::start).transpose()?;
        let layer = traces.as_ref().map(|traces| tracing_opentelemetry::layer().with_tracer(traces.tracer()));
        let registry = Registry::default().with(layer).with(filter);
        // A second start in one process keeps the first subscriber.
        let _ = match log.format {
            crate::settings::LogFormat::Json => registry.with(logs::json()).try_init(),
            crate::settings::LogFormat::Console => registry.with(logs::console()).try_init(),
        };
        Ok(Self { _traces: traces })
    }
}

/// Reads a filter, to check it before anything starts.
fn parse_filter(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(text).map_err(|e| e.to_string())
}
