//! `florin seed`.

use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::Failure;
use crate::settings::{Mode, Settings};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let settings = args.settings.load(Mode::Tool)?;
    let pool = pool(&settings).await?;
    seed(&settings, &pool).await
}

/// Creates the demo accounts with their money; those that are there stay as they are.
#[expect(clippy::unused_async, reason = "its body is written with the ledger")]
async fn seed(_settings: &Settings, _pool: &sqlx::PgPool) -> Result<(), Failure> {
    Err(Failure::not_built_yet("seed"))
}
