//! `florin outbox`: the publisher's position.

use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::Failure;
use crate::settings::{Mode, Settings};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the position, its copy, what waits and what holds it back.
    Status(StatusArgs),
    /// Set the position after data was lost at the broker or in the database; the publisher names this command when it refuses to start.
    Repair(RepairArgs),
}

#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct RepairArgs {
    /// Publish from behind this outbox id on; if not given, what the evidence says is printed and proposed
    #[arg(long, value_name = "ID")]
    position: Option<i64>,
    /// Do it, having read what it will do
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Status(args) => {
            let settings = args.settings.load(Mode::Tool)?;
            status(&settings, &pool(&settings).await?, args.json).await
        }
        Command::Repair(args) => {
            let settings = args.settings.load(Mode::Tool)?;
            repair(&settings, &pool(&settings).await?, args.position, args.yes).await
        }
    }
}

/// Prints position, copy and lag.
#[expect(clippy::unused_async, reason = "its body is written with the publisher's store")]
async fn status(_settings: &Settings, _pool: &sqlx::PgPool, _json: bool) -> Result<(), Failure> {
    Err(Failure::not_built_yet("outbox status"))
}

/// Says what it would do; does it with `yes`.
#[expect(clippy::unused_async, reason = "its body is written with the publisher's store")]
async fn repair(_settings: &Settings, _pool: &sqlx::PgPool, _position: Option<i64>, _yes: bool) -> Result<(), Failure> {
    Err(Failure::not_built_yet("outbox repair"))
}
