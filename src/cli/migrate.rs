//! `florin migrate`.

use secrecy::ExposeSecret;

use super::discovery::{database_url, pool};
use super::options::SettingsArgs;
use super::output::{Failure, note, progress, say};
use crate::messaging::topics::ensure_topics;
use crate::runtime;
use crate::settings::{Mode, Settings};
use crate::store::advice::advice;
use crate::store::schema;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Change nothing; fail unless the schema is the one of this florin
    #[arg(long)]
    check: bool,
    /// Leave the topics alone
    #[arg(long)]
    no_topics: bool,
    /// Give this role what `serve` needs, and no more: for it the ledger is append-only
    #[arg(long, value_name = "ROLE")]
    grant_to: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let settings = args.settings.load(Mode::Tool)?;
    if args.check {
        say(format!("the schema is version {}, as it should be", schema::newest()))?;
        return advise(&settings).await;
    }
    let bar = progress("migrating", None);
    let url = database_url(&settings)?;
    let steps = schema::migrate(url.expose_secret(), |step| {
        bar.suspend(|| note(format_args!("migrated to version {}: {}", step.version, step.description)));
        bar.inc(1);
    });
    let steps = steps.await;
    bar.finish_and_clear();
    match steps?.len() {
        0 => say(format!("the schema is up to date: version {}", schema::newest()))?,
        n => say(format!("the schema is now version {}: {n} migrations", schema::newest()))?,
    }
    if let Some(role) = &args.grant_to {
        schema::grant(url.expose_secret(), role).await?;
        say(format!("role {role} may serve"))?;
    }
    match (&settings.kafka.brokers, args.no_topics) {
        (_, true) => {}
        (None, _) => say("no topics were looked at: KAFKA_BROKERS is not set")?,
        (Some(_), _) => match ensure_topics(&runtime::kafka(&settings)).await?.as_slice() {
            [] => say("all topics are there")?,
            made => say(format!("topics created: {}", made.join(", ")))?,
        },
    }
    advise(&settings).await
}

/// Says which of the server's settings should be others.
async fn advise(settings: &Settings) -> Result<(), Failure> {
    for advice in advice(&pool(settings).await?).await? {
        note(advice);
    }
    Ok(())
}
