//! `florin outbox repair`: makes a publisher that refuses to publish go on, so that no event is skipped.
//!
//! It takes the publisher's name at Kafka, which shuts out one that is running. Where PostgreSQL lost data, events that
//! were published and are waiting again are published twice (their event ids tell): repeating is the lesser evil, and
//! only a human can decide otherwise. Rows written after the repair have places above everything that was ever
//! published. Each step can be repeated: after a crash in between the publisher still refuses, or goes on.

use sqlx::{Connection as _, PgPool};

use super::OutboxConfig;
use super::batch::hash;
use super::ends::{Ends, Trouble, within};
use super::judge::{Found, Mend, mend};
use crate::messaging::KafkaConfig;
use crate::messaging::position::Position;
use crate::messaging::producer::{Outgoing, Stopping};
use crate::store::live;
use crate::store::outbox::{self as store, Copy};

/// What a repair found and did.
#[derive(Debug)]
pub struct Repaired {
    pub found: Found,
    pub mended: Mend,
    /// How many events are published again.
    pub again: i64,
}

/// Why a repair failed; it can be called again.
#[derive(Debug, thiserror::Error)]
#[error("outbox repair: {0}")]
pub struct RepairError(String);

impl From<Trouble> for RepairError {
    fn from(trouble: Trouble) -> Self {
        Self(trouble.to_string())
    }
}

/// How often a repair is tried: a publisher that connects in the middle of it shuts it out.
const ATTEMPTS_MAX: u32 = 5;

struct Never;

impl Stopping for Never {
    fn stopping(&self) -> bool {
        false
    }
}

/// Looks at both ends and mends what [`super::judge`] refuses. `from` is the first place to publish again where the
/// broker lost data.
///
/// # Errors
/// When Kafka or PostgreSQL fails on the way.
pub async fn repair(
    config: &OutboxConfig,
    kafka: &KafkaConfig,
    pool: &PgPool,
    from: Option<i64>,
) -> Result<Repaired, RepairError> {
    let (mut again, mut first) = (0, None);
    let mut attempts = 0;
    loop {
        attempts += 1;
        match attempt(config, kafka, pool, if first.is_none() { from } else { None }, &mut again).await {
            Ok((found, mended)) => {
                let (found, mended) = first.unwrap_or((found, mended));
                return Ok(Repaired { found, mended, again });
            }
            Err((planned, trouble)) => {
                first = first.or(planned);
                if attempts == ATTEMPTS_MAX {
                    return Err(trouble.into());
                }
            }
        }
    }
}

type Plan = (Found, Mend);

async fn attempt(
    config: &OutboxConfig,
    kafka: &KafkaConfig,
    pool: &PgPool,
    from: Option<i64>,
    again: &mut i64,
) -> Result<Plan, (Option<Plan>, Trouble)> {
    let mut ends = Ends::look(config, kafka, pool, &Never).await.map_err(|trouble| (None, trouble))?;
    let mended = mend(&ends.found, from);
    let result = carry_out(config, kafka, pool, &mut ends, &mended, again).await;
    let Ends { producer, db, found } = ends;
    producer.close().await;
    let _ = db.close().await;
    match result {
        Ok(()) => Ok((found, mended)),
        Err(trouble) => Err((Some((found, mended)), trouble)),
    }
}

async fn carry_out(
    config: &OutboxConfig,
    kafka: &KafkaConfig,
    pool: &PgPool,
    ends: &mut Ends,
    mended: &Mend,
    again: &mut i64,
) -> Result<(), Trouble> {
    let Found { cluster, database, position, .. } = &ends.found;
    let copy = |position| Copy { position, cluster: cluster.clone(), database: database.clone() };
    // First the copy, then the position: a copy without its position is refused, not followed.
    let to = match *mended {
        Mend::Nothing => return Ok(()),
        Mend::Again { after, to } => {
            *again = store::publish_again(pool, &config.publisher, to, &copy(after)).await?;
            after
        }
        Mend::Set(to) => {
            within(store::write_copy(&mut ends.db, &config.publisher, &copy(to))).await?;
            to
        }
    };
    if !config.transactional {
        return Ok(());
    }
    let event = within(live::at(&mut ends.db, to)).await?;
    let last = event
        .as_ref()
        .map(hash)
        .or_else(|| position.as_ref().filter(|it| it.position == to).map(|it| it.last.clone()))
        .unwrap_or_default();
    let record = Position {
        publisher: config.publisher.clone(),
        position: to,
        previous: to,
        last,
        cluster: cluster.clone(),
        system: database.system.clone(),
        timeline: database.timeline,
    };
    let body = record.encode();
    ends.producer.begin()?;
    let record = Outgoing {
        topic: &kafka.position_topic,
        partition: Some(config.partition),
        key: Some(&config.publisher),
        body: &body,
        tenant: None,
    };
    ends.producer.send(&[record], &Never).await?;
    Ok(ends.producer.commit(&Never).await?)
}
