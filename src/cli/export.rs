//! `florin export`: the invoices and ledger entries of a day as CSV.

use chrono::NaiveDate;

use super::discovery::database;
use super::options::SettingsArgs;
use super::output::{Failure, say};
use crate::actors::exports;
use crate::runtime;
use crate::settings::Mode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The day (UTC), such as 2026-11-20; it must have ended
    day: NaiveDate,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let settings = args.settings.load(Mode::Tool)?;
    let config = runtime::exports(&settings, &database(&settings)?);
    let made = exports::make(&config, args.day).await.map_err(|error| Failure::new(error.to_string()))?;
    Ok(say(format!("{} ({} invoices)", made.url, made.rows))?)
}
