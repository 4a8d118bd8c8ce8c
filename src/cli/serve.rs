//! `florin serve`.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::options::SettingsArgs;
use super::output::Failure;
use crate::faults::Faults;
use crate::runtime::Runtime;
use crate::settings::{Mode, Settings};
use crate::telemetry::Telemetry;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Args {
    pub fn settings(&self) -> Result<Settings, Failure> {
        self.settings.load(Mode::Serve)
    }
}

pub async fn run(settings: Settings) -> Result<(), Failure> {
    let _telemetry = Telemetry::start(&settings.log, settings.traces.as_ref())?;
    let mut signals = StopSignals::listen()?;
    let runtime =
        Runtime::start(&settings, Faults::default()).await.map_err(|error| Failure::new(format!("{error:#}")))?;
    tracing::info!(grpc = %runtime.grpc, http = runtime.http.map(tracing::field::display), orders_http = runtime.orders_http.map(tracing::field::display), metrics = runtime.metrics.map(tracing::field::display), "listening");
    run_until_signalled(runtime, &mut signals).await
}

/// SIGTERM and SIGINT.
pub struct StopSignals {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Takes the signals over, so that from now on they drain instead of killing.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    pub async fn stop(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Serves until told to stop, then drains; a second signal ends it at once.
pub async fn run_until_signalled(runtime: Runtime, signals: &mut StopSignals) -> Result<(), Failure> {
    let ended = runtime.ended();
    tokio::select! {
        () = signals.stop() => {
            tracing::info!("stopping: what was accepted is finished");
            tokio::select! {
                () = runtime.drain() => Ok(()),
                () = signals.stop() => Err(Failure::new("told to stop twice: ended without draining")),
            }
        }
        () = ended => {
            // The lease is not let go: it ends by itself. Whoever runs this process starts it anew.
            tokio::time::sleep(Duration::from_millis(10)).await; // the last log lines
            Err(Failure::new("a part failed too often and was given up: see the log"))
        }
    }
}
