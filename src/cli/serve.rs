//! `florin serve`.

use super::options::SettingsArgs;
use super::output::Failure;
use crate::settings::{Mode, Settings};
use crate::telemetry::Telemetry;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let settings = args.settings.load(Mode::Serve)?;
    let _telemetry = Telemetry::start(&settings.log, settings.traces.as_ref())?;
    serve(settings).await
}

/// Runs until told to stop, then drains.
#[expect(clippy::unused_async, reason = "its body is written with the runtime")]
async fn serve(_settings: Settings) -> Result<(), Failure> {
    Err(Failure::not_built_yet("serve"))
}
