//! Both ends of the publisher, Kafka and PostgreSQL: what is found there at the start, and what can go wrong with them.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};

use super::OutboxConfig;
use super::batch::hash;
use super::judge::{Found, Refusal};
use crate::messaging::KafkaConfig;
use crate::messaging::position::{ReadError, read_position};
use crate::messaging::producer::{Failure, Producer, Stopping};
use crate::messaging::topics::{TopicError, check_position_topic};
use crate::store::{journal_rows, live, outbox as store};

/// How long PostgreSQL may take to answer; after that the session ends.
const SQL_MAX: Duration = Duration::from_secs(10);

/// Why a step did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Fatal(String),
    #[error(transparent)]
    Refused(Refusal),
    #[error("{reason}")]
    Passing { reason: String, renew: bool },
    #[error("the lease is not confirmed")]
    Unconfirmed,
    #[error("stopped")]
    Stopped,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Fatal(reason) => Self::Fatal(reason),
            Failure::Stopped => Self::Stopped,
            other => Self::Passing { reason: format!("kafka: {other}"), renew: true },
        }
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Cut(failure) => failure.into(),
            other => Self::Passing { reason: other.to_string(), renew: true },
        }
    }
}

impl From<TopicError> for Trouble {
    fn from(error: TopicError) -> Self {
        Self::Passing { reason: error.to_string(), renew: true }
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Passing { reason: format!("postgresql: {error}"), renew: true }
    }
}

/// The connections to both ends, and what was found there.
pub(super) struct Ends {
    pub producer: Producer,
    pub db: PgConnection,
    pub found: Found,
}

impl Ends {
    /// Connects. From here on no older publisher of the same name can commit anything.
    pub async fn look(
        config: &OutboxConfig,
        kafka: &KafkaConfig,
        pool: &PgPool,
        stop: &impl Stopping,
    ) -> Result<Self, Trouble> {
        let mut db = within(async { Ok(pool.acquire().await?.detach()) }).await?;
        if config.transactional {
            check_position_topic(kafka).await?;
        }
        let producer = Producer::create(kafka, config.transactional)?;
        match Self::find(config, kafka, &producer, &mut db, stop).await {
            Ok(found) => Ok(Self { producer, db, found }),
            Err(trouble) => {
                producer.close().await;
                Err(trouble)
            }
        }
    }

    async fn find(
        config: &OutboxConfig,
        kafka: &KafkaConfig,
        producer: &Producer,
        db: &mut PgConnection,
        stop: &impl Stopping,
    ) -> Result<Found, Trouble> {
        producer.init(stop).await?;
        let cluster = producer.cluster(stop).await?;
        let position = if config.transactional {
            read_position(kafka, &config.publisher, config.partition, stop).await?
        } else {
            None
        };
        let last_row = match &position {
            Some(position) => within(live::at(&mut *db, position.position)).await?,
            None => None,
        };
        Ok(Found {
            cluster,
            position,
            last: last_row.as_ref().map(hash),
            database: within(store::database(&mut *db)).await?,
            copy: within(store::copy(&mut *db, &config.publisher)).await?,
            tip: within(journal_rows::tip(&mut *db)).await?,
        })
    }
}

pub(super) async fn within<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Trouble> {
    match tokio::time::timeout(SQL_MAX, work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Trouble::Passing {
            reason: format!("postgresql did not answer within {} s", SQL_MAX.as_secs()),
            renew: true,
        }),
    }
}
