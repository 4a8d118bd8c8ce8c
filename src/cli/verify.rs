//! `florin verify`.

use std::process::ExitCode;

use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::Failure;
use crate::settings::Mode;

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
#[expect(clippy::unused_async, reason = "its body is written with the ledger")]
async fn verify(_pool: &sqlx::PgPool, _json: bool) -> Result<ExitCode, Failure> {
    Err(Failure::not_built_yet("verify"))
}
