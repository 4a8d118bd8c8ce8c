//! Looks at both ends, Kafka and PostgreSQL, before anything is judged.

use sqlx::{PgConnection, PgPool};

use super::OutboxConfig;
use super::batch::hash;
use super::judge::Found;
use super::session::{Trouble, within};
use crate::messaging::KafkaConfig;
use crate::messaging::position::read_position;
use crate::messaging::producer::{Producer, Stopping};
use crate::messaging::topics::check_position_topic;
use crate::store::outbox as store;

/// Both ends, and what was found there.
pub(super) struct Ends {
    pub producer: Producer,
    pub db: PgConnection,
    pub found: Found,
}

impl Ends {
    /// Connects; from here on no older publisher of the same name can commit anything.
    pub async fn look(config: &OutboxConfig, kafka: &KafkaConfig, pool: &PgPool, stop: &impl Stopping) -> Result<Self, Trouble> {
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
        let position = if config.transactional { read_position(kafka, &config.publisher, config.partition, stop).await? } else { None };
        let last_row = match &position {
            Some(position) => within(store::row(&mut *db, position.position)).await?,
            None => None,
        };
        Ok(Found {
            cluster,
            position,
            last: last_row.as_ref().map(hash),
            database: within(store::database(&mut *db)).await?,
            copy: within(store::copy(&mut *db, &config.publisher)).await?,
            drawn: within(store::drawn(&mut *db)).await?,
        })
    }
}
