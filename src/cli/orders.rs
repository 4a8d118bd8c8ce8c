//! `florin orders`: sends orders to the topic from which they are billed, and lists those that wait.

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sqlx::PgPool;

use super::discovery::{brokers, pool};
use super::options::SettingsArgs;
use super::output::{Failure, columns, note, say};
use crate::messaging::KafkaConfig;
use crate::runtime;
use crate::settings::Mode;
use crate::store::billing::orders::{self as store, ParkedRow};

/// How long the broker may take for all of them.
const LIMIT: Duration = Duration::from_secs(30);
/// The longest line, in bytes: what a message may have.
const LINE_MAX: u64 = 8 << 20;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Send orders, one JSON object a line, to the topic from which they are billed.
    Send(SendArgs),
    /// List orders that wait for an exchange rate.
    Parked(ParkedArgs),
}

#[derive(Debug, clap::Args)]
pub struct SendArgs {
    /// The file; the standard input if there is none
    file: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct ParkedArgs {
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Only those after this id
    #[arg(long, default_value_t = 0, value_name = "ID")]
    after: i64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Send(args) => send(&args),
        Command::Parked(args) => parked(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
    }
}

fn send(args: &SendArgs) -> Result<(), Failure> {
    let settings = args.settings.load(Mode::Tool)?;
    let (brokers, _) = brokers(&settings)?;
    let topic = &settings.kafka.orders_topic;
    let input: Box<dyn Read> = match &args.file {
        Some(path) => {
            let file = std::fs::File::open(path);
            Box::new(file.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?)
        }
        None => Box::new(std::io::stdin()),
    };
    let kafka = KafkaConfig { brokers: brokers.clone(), ..runtime::kafka(&settings) };
    let producer: BaseProducer = kafka.client().set("message.max.bytes", "16000000").create()?;
    let (mut lines, mut sent) = (BufReader::new(input), 0_u64);
    let mut line = Vec::new();
    while lines.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? > 0 {
        let body = line.trim_ascii();
        if !body.is_empty() {
            queue(&producer, topic, body)?;
            sent += 1;
        }
        line.clear();
    }
    producer
        .flush(LIMIT)
        .map_err(|error| Failure::new(format!("the broker at {brokers} does not take them: {error}")))?;
    Ok(say(format!("{sent} orders sent to {topic}"))?)
}

fn queue(producer: &BaseProducer, topic: &str, body: &[u8]) -> Result<(), Failure> {
    loop {
        match producer.send(BaseRecord::<(), [u8]>::to(topic).payload(body)) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                producer.poll(Duration::from_millis(100));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

async fn parked(pool: &PgPool, args: &ParkedArgs) -> Result<(), Failure> {
    let waiting = store::list(pool, args.after, args.limit).await?;
    if args.json {
        let json = |row: &ParkedRow| {
            serde_json::json!({
                "id": row.id, "event_id": row.event_id, "reason": row.reason, "received_at": row.received_at,
                "body": String::from_utf8_lossy(&row.body),
            })
        };
        return waiting.iter().try_for_each(|row| Ok(say(json(row))?));
    }
    if waiting.is_empty() {
        note("no orders wait");
        return Ok(());
    }
    let row = |row: &ParkedRow| {
        let received = row.received_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        [row.id.to_string(), received, row.event_id.clone(), row.reason.clone()]
    };
    Ok(columns(["ID", "RECEIVED AT", "EVENT", "REASON"], &waiting.iter().map(row).collect::<Vec<_>>())?)
}
