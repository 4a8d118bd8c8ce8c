//! The form of log lines, and which ones are written.

use std::io::{IsTerminal, Stderr};

use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::{TelemetryError, parse_filter};
use crate::settings::LogSettings;

/// Libraries whose lines at `info` an operator need not read, or that make a span per actor, which costs time with
/// every message. `LOG_FILTER` can turn each up again.
const QUIET: &str =
    "ractor=warn,h2=warn,hyper=warn,tower=warn,sqlx=warn,rdkafka=warn,librdkafka=warn,opentelemetry=warn";

/// The level for everything, the quiet libraries, and what the settings add.
///
/// # Errors
/// When `LOG_FILTER` cannot be read.
pub fn filter(log: &LogSettings) -> Result<EnvFilter, TelemetryError> {
    let given = log.filter.as_deref().unwrap_or_default();
    // Checked alone first, so that the error names the setting and not our own part. The last directive for a target
    // wins.
    parse_filter(given).map_err(|reason| TelemetryError::Filter { filter: given.into(), reason })?;
    let quiet = if matches!(log.level.as_str(), "trace" | "debug" | "info") { QUIET } else { "" };
    let all =
        [log.level.as_str(), quiet, given].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",");
    parse_filter(&all).map_err(|reason| TelemetryError::Filter { filter: given.into(), reason })
}

/// One JSON object a line: the fields at its top, those of the request's span under `span`.
pub fn json<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr as fn() -> Stderr)
}

/// Text for people, coloured on a terminal.
pub fn console<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_writer(std::io::stderr as fn() -> Stderr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::LogFormat;

    fn log(level: &str, filter: Option<&str>) -> LogSettings {
        LogSettings { level: level.into(), filter: filter.map(Into::into), format: LogFormat::Json, payments: false }
    }

    #[test]
    fn filters_add_up_and_wrong_ones_are_named() {
        let text = filter(&log("info", Some("florin::actors=debug"))).unwrap().to_string();
        assert!(text.contains("florin::actors=debug") && text.contains("sqlx=warn") && text.contains("info"), "{text}");
        filter(&log("off", None)).unwrap();
        let said = filter(&log("info", Some("florin=loud"))).unwrap_err().to_string();
        assert!(said.starts_with("LOG_FILTER is \"florin=loud\""), "{said}");
    }
}
