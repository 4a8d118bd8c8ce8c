//! `florin outbox`: the publisher's position.

use sqlx::PgPool;

use super::discovery::{brokers, pool};
use super::options::SettingsArgs;
use super::output::{Failure, say};
use crate::actors::outbox::repair;
use crate::messaging::KafkaConfig;
use crate::runtime;
use crate::settings::{Mode, Settings};
use crate::store::{journal_rows, outbox as store};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the position, its copy and what waits.
    Status(StatusArgs),
    /// Set the position after data was lost at the broker or in the database; the publisher names this command when it
    /// refuses to start.
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
    /// Where the broker lost data: publish again from this place on
    #[arg(long, value_name = "ID")]
    from: Option<i64>,
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
            repair(&settings, &pool(&settings).await?, args.from, args.yes).await
        }
    }
}

/// Prints position, copy and lag.
async fn status(settings: &Settings, pool: &PgPool, json: bool) -> Result<(), Failure> {
    let publisher = runtime::outbox(settings).publisher;
    let (copy, tip) = (store::copy(pool, &publisher).await?, journal_rows::tip(pool).await?);
    let position = copy.as_ref().map_or(0, |copy| copy.position);
    let waiting = store::backlog(pool, position, 1_000_000).await?;
    if json {
        return Ok(say(serde_json::json!({
            "published_up_to": position, "cluster": copy.map(|copy| copy.cluster), "journal_up_to": tip, "waiting": waiting.rows,
            "oldest_waits_seconds": waiting.age.as_secs_f64(),
        }))?);
    }
    say(format!(
        "published up to  {position}{}",
        copy.map_or_else(String::new, |copy| format!(" (to Kafka cluster {})", copy.cluster))
    ))?;
    say(format!("journal up to    {tip}"))?;
    Ok(say(format!("waiting          {} events, the oldest for {:.1} s", waiting.rows, waiting.age.as_secs_f64()))?)
}

/// Says what it would do; does it with `yes`.
async fn repair(settings: &Settings, pool: &PgPool, from: Option<i64>, yes: bool) -> Result<(), Failure> {
    let (brokers, prefix) = brokers(settings)?;
    let kafka = KafkaConfig { brokers, topic_prefix: prefix, ..runtime::kafka(settings) };
    if !yes {
        return Err(Failure::new(
            "repair takes the publisher's place, and changes the position in Kafka and its copy in PostgreSQL",
        )
        .hint("read what the publisher said when it refused, then repeat the command with --yes"));
    }
    let done = repair::repair(&runtime::outbox(settings), &kafka, pool, from).await?;
    say(format!("found     {:?}", done.found))?;
    say(format!("mended    {:?}", done.mended))?;
    Ok(say(format!("again     {} events are published again", done.again))?)
}
