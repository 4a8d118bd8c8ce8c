//! Traces over OTLP: sampled, and sent in batches by a thread of their own, so that a slow collector costs nothing but
//! traces.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};

use super::TelemetryError;
use crate::settings::TraceSettings;

/// How long the last batch may take when the process ends.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);
const EXPORT_MAX: Duration = Duration::from_secs(5);

/// Exports traces; flushes them when dropped.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Builds the exporter; the collector need not run yet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the endpoint is not a URL.
    pub fn start(settings: &TraceSettings) -> Result<Self, TelemetryError> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(settings.endpoint.clone())
            .with_timeout(EXPORT_MAX)
            .build();
        let exporter = exporter
            .map_err(|e| TelemetryError::Endpoint { endpoint: settings.endpoint.clone(), reason: e.to_string() })?;
        let sampler = Sampler::ParentBased(Box::new(sampler(settings.sample_percent)));
        let resource = Resource::builder().with_service_name("florin").build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// The tracer for the subscriber's layer.
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer("florin")
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // The process is ending: a collector that is away costs the last traces, and nobody is left to tell but
        // standard error.
        if let Err(e) = self.provider.shutdown_with_timeout(SHUTDOWN_MAX) {
            tracing::debug!(error = %e, "the last traces were not sent");
        }
    }
}

fn sampler(percent: u8) -> Sampler {
    match percent {
        0 => Sampler::AlwaysOff,
        100.. => Sampler::AlwaysOn,
        percent => Sampler::TraceIdRatioBased(ratio(percent)),
    }
}

#[expect(clippy::float_arithmetic, reason = "a sampling ratio is no money")]
fn ratio(percent: u8) -> f64 {
    f64::from(percent) / 100.0
}
