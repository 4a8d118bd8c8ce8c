//! Topics: which event goes to which, and creating those that are missing.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::KafkaConfig;
use super::consumer::MESSAGE_BYTES_MAX;
use crate::protocol::events::{EventType, Stream};

/// Room for a record's key, headers and framing, in bytes.
pub const FRAMING: usize = 65_536;
/// The contract of customers names partitions 0 to 2.
const NUMBERED_PARTITIONS_MIN: i32 = 3;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The names of the topics.
#[derive(Clone, Debug)]
pub struct Topics {
    events: Vec<(EventType, String)>,
    /// Dead letters go here, shortened.
    pub dead_letters: String,
    /// Topics that are read, and those of their dead letters.
    pub received: Vec<String>,
    /// Those of them that others write to by the number of a partition.
    numbered: Vec<String>,
    /// Copies of billing's events, in the form of the orders contract.
    pub billing: String,
    /// Publishers keep their positions here.
    pub positions: String,
}

impl Topics {
    pub fn new(config: &KafkaConfig) -> Self {
        let name = |event: EventType| match event.stream() {
            Stream::Payments(suffix) => format!("{}.{suffix}", config.topic_prefix),
            Stream::Transactions => config.florin_topic.clone(),
            Stream::Invoices => config.invoices_topic.clone(),
        };
        let numbered: Vec<String> =
            [&config.users, &config.bills, &config.notices].iter().flat_map(|it| it.topics.iter().cloned()).collect();
        let received = numbered.iter().chain([&config.orders_topic]);
        Self {
            events: EventType::ALL.into_iter().map(|event| (event, name(event))).collect(),
            dead_letters: format!("{}.dlq", config.topic_prefix),
            received: received.flat_map(|topic| [topic.clone(), KafkaConfig::dead_letters_of(topic)]).collect(),
            numbered,
            billing: config.billing_topic.clone(),
            positions: config.position_topic.clone(),
        }
    }

    pub fn of(&self, event: EventType) -> &str {
        self.events.iter().find(|(other, _)| *other == event).map_or("", |(_, topic)| topic)
    }

    /// Every topic once, with its settings: for events, for dead letters, for positions.
    pub fn plan(&self, config: &KafkaConfig) -> Vec<Plan> {
        let (own, received) = (config.record_bytes_max, MESSAGE_BYTES_MAX);
        let written = self.events.iter().map(|(_, name)| name).chain([&self.dead_letters, &self.billing]);
        let all = written.map(|name| (name, own)).chain(self.received.iter().map(|name| (name, received)));
        let mut plans: Vec<Plan> = Vec::new();
        for (name, bytes_max) in all {
            let size = (bytes_max + FRAMING).to_string();
            if plans.iter().all(|plan| plan.name != *name) {
                let is_numbered = self.numbered.contains(name);
                let least = if is_numbered { NUMBERED_PARTITIONS_MIN } else { 1 };
                plans.push(Plan {
                    name: name.clone(),
                    partitions: config.partitions.max(least),
                    is_numbered,
                    settings: vec![("max.message.bytes", size.clone())],
                });
            }
        }
        let compacted = [
            ("cleanup.policy", "compact"),
            ("segment.bytes", "16777216"),
            ("min.cleanable.dirty.ratio", "0.2"),
            ("max.compaction.lag.ms", "3600000"),
        ];
        let settings = compacted.map(|(name, value)| (name, value.to_owned())).to_vec();
        plans.push(Plan { name: self.positions.clone(), partitions: 1, is_numbered: false, settings });
        plans
    }
}

/// A topic to be created.
pub struct Plan {
    pub name: String,
    pub partitions: i32,
    /// Others write to it by the number of a partition.
    is_numbered: bool,
    settings: Vec<(&'static str, String)>,
}

/// Why the topics are not as they must be.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// Kafka did not answer, or refused.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    #[error("topic {topic} could not be created: {code}")]
    Create {
        /// The topic's name.
        topic: String,
        /// Kafka's reason.
        code: RDKafkaErrorCode,
    },
    #[error("topic {0} is missing: create the topics with `florin migrate`")]
    Missing(String),
    /// Kafka would delete positions after a while.
    #[error("topic {topic} has cleanup.policy={found}, which forgets positions: it must be compact")]
    Forgetful {
        /// The topic's name.
        topic: String,
        /// The value of its `cleanup.policy`.
        found: String,
    },
}

/// Creates the topics that are missing, with their settings, and returns the names of those that it created. One that
/// others write to by the number of a partition gets the partitions that they name.
///
/// # Errors
/// When Kafka does not answer within 10 s, or refuses.
pub async fn ensure_topics(config: &KafkaConfig) -> Result<Vec<String>, TopicError> {
    let admin: AdminClient<DefaultClientContext> = config.client().create()?;
    let plans = Topics::new(config).plan(config);
    let topics: Vec<NewTopic<'_>> = plans
        .iter()
        .map(|plan| {
            let settings = plan.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
            NewTopic {
                name: &plan.name,
                num_partitions: plan.partitions,
                replication: TopicReplication::Fixed(config.replication),
                config: settings,
            }
        })
        .collect();
    let mut created = Vec::new();
    for result in admin
        .create_topics(&topics, &AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT)))
        .await?
    {
        match result {
            Ok(topic) => created.push(topic),
            Err((topic, RDKafkaErrorCode::TopicAlreadyExists)) => {
                if let Some(plan) = plans.iter().find(|plan| plan.name == topic && plan.is_numbered) {
                    widen(&admin, plan).await?;
                }
            }
            Err((topic, code)) => return Err(TopicError::Create { topic, code }),
        }
    }
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match check_position_topic(config).await {
            // A topic that was just made is not known to the whole cluster at once, or not yet with its settings.
            Err(TopicError::Missing(_)) if Instant::now() < deadline => {}
            Err(TopicError::Forgetful { found, .. }) if found.is_empty() && Instant::now() < deadline => {}
            checked => return checked.map(|()| created),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Gives a topic that others write to by number the partitions that they name.
async fn widen(admin: &AdminClient<DefaultClientContext>, plan: &Plan) -> Result<(), TopicError> {
    let least = usize::try_from(NUMBERED_PARTITIONS_MIN).unwrap_or(usize::MAX);
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
    for result in admin.create_partitions(&[NewPartitions::new(&plan.name, least)], &options).await? {
        match result {
            // it has as many, or more
            Ok(_) | Err((_, RDKafkaErrorCode::InvalidPartitions)) => {}
            Err((topic, code)) => return Err(TopicError::Create { topic, code }),
        }
    }
    Ok(())
}

/// Checks that the topic of positions exists and keeps every key's newest record.
///
/// # Errors
/// When it is missing or not compacted, or Kafka does not answer within 10 s.
pub async fn check_position_topic(config: &KafkaConfig) -> Result<(), TopicError> {
    let admin: AdminClient<DefaultClientContext> = config.client().create()?;
    let topic = config.position_topic.as_str();
    let answers = admin
        .describe_configs([&ResourceSpecifier::Topic(topic)], &AdminOptions::new().request_timeout(Some(TIMEOUT)))
        .await?;
    let resource = match answers.into_iter().next() {
        Some(Ok(resource)) => resource,
        Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)) | None => {
            return Err(TopicError::Missing(topic.into()));
        }
        Some(Err(code)) => return Err(KafkaError::AdminOp(code).into()),
    };
    let Some(found) = resource.get("cleanup.policy").and_then(|entry| entry.value.clone()) else {
        return Err(TopicError::Missing(topic.into()));
    };
    if found == "compact" { Ok(()) } else { Err(TopicError::Forgetful { topic: topic.into(), found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_the_topic_that_the_contract_names() {
        let topics = Topics::new(&KafkaConfig::default());
        let names = EventType::ALL.map(|event| topics.of(event).to_owned());
        assert_eq!(names[..2], ["payments.paymentauthorized", "payments.paymentdeclined"]);
        assert!(names[2..8].iter().all(|name| name == "florin.transactions"), "{names:?}");
        assert!(names[8..].iter().all(|name| name == "florin.invoices"), "{names:?}");
        assert_eq!(topics.billing, "billing.events");
        assert_eq!(topics.dead_letters, "payments.dlq");
        assert_eq!(topics.plan(&KafkaConfig::default()).len(), 15);
        let few = KafkaConfig { partitions: 1, ..KafkaConfig::default() };
        let plan = Topics::new(&few).plan(&few);
        let partitions = |name: &str| plan.iter().find(|plan| plan.name == name).map(|plan| plan.partitions);
        for (name, count) in [("users", 3), ("billing", 3), ("notify", 3), ("notify.dlq", 1), ("orders", 1)] {
            assert_eq!(partitions(name), Some(count), "{name}");
        }
    }
}
