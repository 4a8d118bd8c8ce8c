//! `florin events`: a read-committed consumer of the topics, in no group, that changes nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::discovery::brokers;
use super::options::SettingsArgs;
use super::output::{Failure, Hint, say};
use crate::messaging::KafkaConfig;
use crate::runtime;
use crate::settings::Mode;

/// The events that are read when no topic is named: behind the prefix.
const TOPICS: [&str; 2] = ["paymentauthorized", "paymentdeclined"];
const METADATA_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);
/// Without a word from the broker for so long a reader that does not follow gives up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Wait for new events until stopped; starts with the next one
    #[arg(long, short)]
    follow: bool,
    /// Start with the oldest event, as it does without --follow
    #[arg(long)]
    from_beginning: bool,
    /// Topic to read; several may be given; the payment events if none is
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,
    /// Print the events alone, without topic, partition, offset and key
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let settings = args.settings.load(Mode::Tool)?;
    let (brokers, prefix) = brokers(&settings)?;
    let topics =
        if args.topic.is_empty() { TOPICS.map(|name| format!("{prefix}.{name}")).to_vec() } else { args.topic.clone() };
    let kafka = KafkaConfig { brokers: brokers.clone(), ..runtime::kafka(&settings) };
    let consumer: BaseConsumer = kafka
        .client()
        .set("group.id", "florin-events") // asked for by the library; never joined, nothing is committed
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .create()?;
    if args.follow {
        let from = if args.from_beginning { Offset::Beginning } else { Offset::End };
        let all = topics.iter().map(|topic| Ok((topic.as_str(), partitions(&consumer, topic, &brokers)?)));
        assign(&consumer, &all.collect::<Result<Vec<_>, Failure>>()?, from)?;
        return follow(&consumer, args.plain);
    }
    for topic in &topics {
        let partitions = partitions(&consumer, topic, &brokers)?;
        assign(&consumer, &[(topic, partitions.clone())], Offset::Beginning)?;
        read_to_end(&consumer, partitions, args.plain)?;
    }
    Ok(())
}

fn follow(consumer: &BaseConsumer, plain: bool) -> Result<(), Failure> {
    loop {
        match consumer.poll(POLL) {
            Some(Ok(message)) => say(line(&message, plain))?,
            None | Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(e)) => patient(e)?,
        }
    }
}

/// Ends where each partition ends now: for a read-committed reader that is before the oldest open transaction.
fn read_to_end(consumer: &BaseConsumer, mut open: BTreeSet<i32>, plain: bool) -> Result<(), Failure> {
    let mut heard = Instant::now();
    while !open.is_empty() {
        match consumer.poll(POLL) {
            Some(Ok(message)) => say(line(&message, plain))?,
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
            Some(Err(e)) => {
                patient(e)?;
                continue;
            }
            None if heard.elapsed() > SILENCE_MAX => {
                return Err(Failure::new(format!("the broker said nothing for {} s", SILENCE_MAX.as_secs())));
            }
            None => continue,
        }
        heard = Instant::now();
    }
    Ok(())
}

/// A broker that is away for a moment is waited for: the library reconnects.
fn patient(error: KafkaError) -> Result<(), Failure> {
    use rdkafka::types::RDKafkaErrorCode as E;
    match error.rdkafka_error_code() {
        Some(E::AllBrokersDown | E::BrokerTransportFailure | E::OperationTimedOut | E::Resolve) => {
            tracing::debug!(%error, "waiting for the broker");
            Ok(())
        }
        _ => Err(error.into()),
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str, brokers: &str) -> Result<BTreeSet<i32>, Failure> {
    let metadata = consumer
        .fetch_metadata(Some(topic), METADATA_MAX)
        .map_err(|e| Failure::new(format!("no answer from the brokers {brokers}: {e}")));
    let metadata = metadata.hint("is the broker running, and is KAFKA_BROKERS right?")?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let partitions: BTreeSet<i32> =
        found.map(|found| found.partitions().iter().map(|partition| partition.id()).collect()).unwrap_or_default();
    match partitions.is_empty() {
        true => Err(Failure::new(format!("there is no topic {topic}"))
            .hint("`florin migrate` creates the topics; is KAFKA_TOPIC_PREFIX right?")),
        false => Ok(partitions),
    }
}

fn assign(consumer: &BaseConsumer, topics: &[(&str, BTreeSet<i32>)], from: Offset) -> Result<(), Failure> {
    let mut list = TopicPartitionList::new();
    for (topic, partitions) in topics {
        for partition in partitions {
            list.add_partition_offset(topic, *partition, from)?;
        }
    }
    Ok(consumer.assign(&list)?)
}

fn line(message: &BorrowedMessage<'_>, plain: bool) -> String {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let body = text(message.payload()).unwrap_or_default();
    let event = serde_json::from_str::<Value>(&body).unwrap_or(Value::String(body));
    if plain {
        return event.to_string();
    }
    json!({
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "key": text(message.key()),
        "event": event,
    })
    .to_string()
}
