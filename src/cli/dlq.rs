//! `florin dlq`: the events that Kafka refused for themselves.

use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::Failure;
use crate::settings::Mode;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List dead letters, oldest first.
    List(ListArgs),
    /// Show one with its whole body.
    Show(ShowArgs),
    /// Publish dead letters again, as new last events of their aggregates.
    Replay(ReplayArgs),
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Only those after this id
    #[arg(long, default_value_t = 0, value_name = "ID")]
    after: i64,
    /// Replayed ones too
    #[arg(long)]
    replayed: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The dead letter's id, as `florin dlq list` shows it
    id: i64,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// Which ones
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<i64>,
    /// All that were not replayed yet
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(args) => list(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
        Command::Show(args) => show(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
        Command::Replay(args) => replay(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
    }
}

/// Prints the dead letters that the options name.
#[expect(clippy::unused_async, reason = "its body is written with the publisher's store")]
async fn list(_pool: &sqlx::PgPool, args: &ListArgs) -> Result<(), Failure> {
    let _ = (args.limit, args.after, args.replayed, args.json);
    Err(Failure::not_built_yet("dlq list"))
}

/// Prints one dead letter whole.
#[expect(clippy::unused_async, reason = "its body is written with the publisher's store")]
async fn show(_pool: &sqlx::PgPool, args: &ShowArgs) -> Result<(), Failure> {
    let _ = (args.id, args.json);
    Err(Failure::not_built_yet("dlq show"))
}

/// Puts dead letters into the outbox again and says which event each became.
#[expect(clippy::unused_async, reason = "its body is written with the publisher's store")]
async fn replay(_pool: &sqlx::PgPool, args: &ReplayArgs) -> Result<(), Failure> {
    let _ = (&args.ids, args.all);
    Err(Failure::not_built_yet("dlq replay"))
}
