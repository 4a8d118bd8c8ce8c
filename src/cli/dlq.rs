//! `florin dlq`: the events that Kafka refused for themselves, and the messages from Kafka that could have no effect.

mod received;

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::PgPool;

use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::{Failure, columns, note, say};
use crate::settings::Mode;
use crate::store::outbox::{self as store, DeadLetterRow};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List dead letters, oldest first.
    List(ListArgs),
    /// Show one with its whole body.
    Show(ShowArgs),
    /// Publish events again, as new last ones of their aggregates; read messages again.
    Replay(ReplayArgs),
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Only those after this id, and of its kind
    #[arg(long, value_name = "ID")]
    after: Option<LetterId>,
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
    id: LetterId,
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
    ids: Vec<LetterId>,
    /// All that were not replayed yet
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// The number of an event that Kafka refused, such as `7`, or of a message that could have no effect, such as `r7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LetterId {
    Event(i64),
    Received(i64),
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            let number = digits.parse().ok().filter(|number| *number >= 0);
            number.ok_or_else(|| format!("{text:?} is not the id of a dead letter, such as 7 or r7"))
        };
        match text.strip_prefix('r') {
            Some(digits) => number(digits).map(Self::Received),
            None => number(text).map(Self::Event),
        }
    }
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(args) => list(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
        Command::Show(args) => show(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
        Command::Replay(args) => replay(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
    }
}

/// Prints the dead letters that the options name.
async fn list(pool: &PgPool, args: &ListArgs) -> Result<(), Failure> {
    let (events, messages) = match args.after {
        None => (Some(0), Some(0)),
        Some(LetterId::Event(after)) => (Some(after), None),
        Some(LetterId::Received(after)) => (None, Some(after)),
    };
    let letters = match events {
        Some(after) => store::list_dead_letters(pool, after, args.replayed, args.limit).await?,
        None => Vec::new(),
    };
    let received = match messages {
        Some(after) => crate::store::received::list(pool, after, args.replayed, args.limit).await?,
        None => Vec::new(),
    };
    if args.json {
        let lines = letters.iter().map(json).chain(received.iter().map(received::json));
        return lines.into_iter().try_for_each(|line| Ok(say(line)?));
    }
    if letters.is_empty() && received.is_empty() {
        note("no dead letters");
        return Ok(());
    }
    let row = |letter: &DeadLetterRow| {
        [
            letter.id.to_string(),
            letter.failed_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            letter.event.name().to_owned(),
            letter.aggregate.clone(),
            letter.replayed_as.map_or_else(|| "no".into(), |id| format!("as {id}")),
            letter.error.chars().take(60).collect(),
        ]
    };
    Ok(columns(
        ["ID", "FAILED AT", "EVENT OR FAULT", "AGGREGATE OR MESSAGE", "REPLAYED", "ERROR"],
        &letters.iter().map(row).chain(received.iter().map(received::row)).collect::<Vec<_>>(),
    )?)
}

/// Prints one dead letter whole.
async fn show(pool: &PgPool, args: &ShowArgs) -> Result<(), Failure> {
    let id = match args.id {
        LetterId::Event(id) => id,
        LetterId::Received(id) => {
            let letter = received::get(pool, id).await?;
            return if args.json { Ok(say(received::json(&letter))?) } else { received::show(&letter) };
        }
    };
    let letter = store::show_dead_letter(pool, id)
        .await?
        .ok_or_else(|| Failure::new(format!("there is no dead letter {id}")))?;
    if args.json {
        return Ok(say(json(&letter))?);
    }
    say(format!("dead letter  {}", letter.id))?;
    say(format!("event        {} of {} (place {})", letter.event.name(), letter.aggregate, letter.seq))?;
    say(format!("failed at    {} after {} retries", letter.failed_at.to_rfc3339(), letter.retry_count))?;
    say(format!("error        {}", letter.error))?;
    say(format!("replayed     {}", letter.replayed_as.map_or_else(|| "no".into(), |id| format!("as event {id}"))))?;
    Ok(say(format!("body         {}", letter.body))?)
}

/// Has dead letters told again and says which event each became.
async fn replay(pool: &PgPool, args: &ReplayArgs) -> Result<(), Failure> {
    let named = |kind: fn(&LetterId) -> Option<i64>| args.ids.iter().filter_map(kind).collect::<Vec<_>>();
    let received = named(|id| if let LetterId::Received(id) = id { Some(*id) } else { None });
    for id in if args.all { received::all(pool).await? } else { received } {
        received::replay(pool, id).await?;
    }
    let mut after = 0;
    loop {
        let ids: Vec<i64> = if args.all {
            store::list_dead_letters(pool, after, false, PAGE).await?.iter().map(|letter| letter.id).collect()
        } else {
            named(|id| if let LetterId::Event(id) = id { Some(*id) } else { None })
        };
        for id in &ids {
            store::ask_replay(pool, *id).await?;
        }
        for id in &ids {
            let place = replayed(pool, *id).await?;
            say(format!("dead letter {id} is event {place} of the journal now"))?;
        }
        match ids.last() {
            Some(last) if args.all => after = *last,
            _ => return Ok(()),
        }
    }
}

/// Waits until whoever leads has told it again.
async fn replayed(pool: &PgPool, id: i64) -> Result<i64, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(place) = store::show_dead_letter(pool, id).await?.and_then(|letter| letter.replayed_as) {
            return Ok(place);
        }
        if Instant::now() > until {
            return Err(Failure::new(format!(
                "dead letter {id} is to be replayed, and no florin did it within {} s",
                PATIENCE.as_secs()
            ))
            .hint("it is replayed as soon as one leads"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How long a replay is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks whether it was done.
const PAUSE: Duration = Duration::from_millis(50);
/// Dead letters read at a time.
const PAGE: i64 = 500;

fn json(letter: &DeadLetterRow) -> serde_json::Value {
    let body = serde_json::from_str(&letter.body).unwrap_or_else(|_| serde_json::Value::from(letter.body.as_str()));
    serde_json::json!({
        "id": letter.id, "place": letter.seq, "event_type": letter.event.name(), "aggregate_id": letter.aggregate, "error": letter.error,
        "retry_count": letter.retry_count, "failed_at": letter.failed_at, "replayed_as": letter.replayed_as, "body": body,
    })
}
