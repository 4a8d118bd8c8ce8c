//! `florin config`.

use super::options::SettingsArgs;
use super::output::{Failure, say};
use crate::settings::{self, Mode};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the page of all settings for the docs
    #[arg(long, conflicts_with_all = ["json", "dev", "serve"])]
    markdown: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// With the defaults of `florin dev`
    #[arg(long, conflicts_with = "serve")]
    dev: bool,
    /// Check also what `florin serve` would
    #[arg(long)]
    serve: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let text = if args.markdown {
        settings::markdown()
    } else {
        let mode = match (args.dev, args.serve) {
            (true, _) => Mode::Dev,
            (_, true) => Mode::Serve,
            _ => Mode::Tool,
        };
        let (_, entries) = args.settings.load_with_entries(mode)?;
        if args.json { settings::json(&entries).to_string() } else { settings::list(&entries) }
    };
    Ok(say(text.trim_end_matches('\n'))?)
}
