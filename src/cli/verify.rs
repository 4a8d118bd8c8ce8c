//! `florin verify`.

use std::process::ExitCode;

use sqlx::PgPool;

use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::{Failure, progress, say};
use crate::settings::Mode;
use crate::store::verify as store;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the figures as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(args: Args) -> Result<ExitCode, Failure> {
    let settings = args.settings.load(Mode::Tool)?;
    let pool = pool(&settings).await?;
    verify(&pool, args.json).await
}

/// Reads the whole ledger and prints the figures; 1 if any row disagrees, naming the first ones.
async fn verify(pool: &PgPool, json: bool) -> Result<ExitCode, Failure> {
    let bar = progress("verifying", Some(1));
    let report = store::verify(pool, |step, n, of| {
        bar.set_length(u64::try_from(of).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(n).unwrap_or(u64::MAX));
        bar.set_message(step.to_owned());
    });
    let report = report.await;
    bar.finish_and_clear();
    let report = report?;
    if json {
        say(serde_json::to_string(&report)?)?;
    } else {
        say(report.to_string().trim_end())?;
    }
    Ok(report.exit_code())
}
