//! One connection to Kafka and one to PostgreSQL, and what is known as long as both stand.
//!
//! The connection to PostgreSQL is a single one, not a pool. When it breaks, what answers next may be another database,
//! or an older one, so the session ends and the next one is judged anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::Utc;
use sqlx::{Connection as _, PgConnection};

use super::batch::{Dead, build, hash};
use super::ends::{Ends, Trouble, within};
use super::judge::{Found, Verdict, judge};
use super::{OutboxArgs, OutboxConfig};
use crate::messaging::position::{Position, read_position};
use crate::messaging::producer::{Failure, Outgoing, Producer};
use crate::messaging::topics::Topics;
use crate::protocol::events::EventType;
use crate::store::fold;
use crate::store::journal_rows::Names;
use crate::store::live::{self, JournalEvent};
use crate::store::outbox::{self as store, Copy, Database};
use crate::telemetry::metrics::{OUTBOX_FAILED, OUTBOX_PUBLISHED, OUTBOX_TRANSACTIONS};

/// The outcome of a step.
pub(super) enum Outcome {
    /// There may be more.
    More,
    /// Everything that was visible is published; newer events share the next transaction.
    CaughtUp,
    /// There was nothing to publish.
    Idle,
}

/// What is known while both connections stand.
pub(super) struct Session {
    producer: Producer,
    db: PgConnection,
    cluster: String,
    database: Database,
    /// The place of the last published event; `last` is its hash.
    position: i64,
    last: String,
    /// Whether the copy of the position must be written before anything else.
    copy_due: bool,
    /// There is no event after `position` and up to this place.
    scanned: i64,
    /// Everything up to this place is folded.
    tip: i64,
    names: Names,
    dead: BTreeMap<i64, Dead>,
    rows_max: usize,
    /// Up to this place transactions are smaller, to find the event that Kafka refuses.
    narrow_until: i64,
    tries: u32,
    last_transaction: Instant,
}

impl Session {
    /// Connects, looks at both ends, and judges whether to go on.
    pub async fn open(args: &OutboxArgs) -> Result<Self, Trouble> {
        let ends = Ends::look(&args.config, &args.kafka, &args.pool, &args.handle).await?;
        let Ends { producer, db, found } = ends;
        let mut session = Self {
            producer,
            db,
            cluster: found.cluster.clone(),
            database: found.database.clone(),
            position: 0,
            last: String::new(),
            copy_due: true,
            scanned: 0,
            tip: 0,
            names: Names::default(),
            dead: BTreeMap::new(),
            rows_max: args.config.batch_rows_max.max(1),
            narrow_until: 0,
            tries: 0,
            last_transaction: Instant::now(),
        };
        match session.settle(args, &found).await {
            Ok(()) => Ok(session),
            Err(trouble) => {
                session.close().await;
                Err(trouble)
            }
        }
    }

    /// Goes to the position that the verdict gives.
    async fn settle(&mut self, args: &OutboxArgs, found: &Found) -> Result<(), Trouble> {
        let config = &args.config;
        if config.transactional {
            match judge(found, config.start_over) {
                Verdict::Resume(position) => {
                    self.position = position;
                    self.last = found.position.as_ref().map(|it| it.last.clone()).unwrap_or_default();
                }
                Verdict::First => self.publish_position(args).await?,
                Verdict::StartOver(refusal) => {
                    tracing::warn!(%refusal, "the outbox starts over: everything there is is published again");
                    self.publish_position(args).await?;
                }
                Verdict::Refuse(refusal) => return Err(Trouble::Refused(refusal)),
            }
        } else {
            self.position = found.copy.as_ref().map_or(0, |copy| copy.position); // the copy is the position
        }
        self.scanned = self.position;
        self.tip = self.position;
        self.write_copy(config).await?;
        for (id, reason, retries) in within(store::dead_letters_after(&mut self.db, self.position)).await? {
            self.dead.insert(id, Dead { reason, retries: u32::try_from(retries).unwrap_or(0) });
        }
        tracing::info!(position = self.position, cluster = self.cluster, "the outbox publisher goes on");
        Ok(())
    }

    /// Publishes one batch at most.
    pub async fn step(&mut self, args: &OutboxArgs, topics: &Topics) -> Result<Outcome, Trouble> {
        args.faults.pause("outbox.before_read").await;
        if self.copy_due {
            self.write_copy(&args.config).await?;
        }
        if self.scanned >= self.tip {
            self.tip = within(fold::folded(&mut self.db)).await?;
            if self.scanned >= self.tip {
                return self.idle(args).await;
            }
        }
        let events_max =
            if self.scanned < self.narrow_until { self.rows_max } else { args.config.batch_rows_max.max(1) };
        self.rows_max = events_max;
        let rows_max = i64::try_from(events_max).unwrap_or(i64::MAX);
        let mut part = within(live::read(&mut self.db, &mut self.names, self.scanned, self.tip, rows_max)).await?;
        let is_all = part.is_all && part.events.len() <= events_max;
        part.events.truncate(events_max);
        let Some(last) = part.events.last().map(|last| last.seq) else {
            self.scanned = part.to;
            return if self.scanned >= self.tip { self.idle(args).await } else { Ok(Outcome::More) };
        };
        self.publish(args, topics, &part.events).await?;
        if is_all && self.scanned == last {
            self.scanned = self.tip;
            return Ok(Outcome::CaughtUp);
        }
        Ok(Outcome::More)
    }

    /// After a long time without events it runs a transaction, or Kafka would forget its name.
    async fn idle(&mut self, args: &OutboxArgs) -> Result<Outcome, Trouble> {
        if args.config.transactional && self.last_transaction.elapsed() > args.config.keep_alive {
            self.publish_position(args).await?;
        }
        Ok(Outcome::Idle)
    }

    async fn publish(&mut self, args: &OutboxArgs, topics: &Topics, events: &[JournalEvent]) -> Result<(), Trouble> {
        let items = build(events, &self.dead, Utc::now());
        for item in &items {
            if let Some(dead) = &item.dead {
                args.faults.pause("outbox.before_dead_letter").await;
                let retries = i32::try_from(dead.retries).unwrap_or(i32::MAX);
                within(store::insert_dead_letter(&mut self.db, item.letter(&dead.reason, retries))).await?;
            }
        }
        let Some(last) = events.last() else { return Ok(()) };
        let position = self.position_record(&args.config, last.seq, hash(last));
        let mut records: Vec<Outgoing<'_>> = items.iter().map(|item| item.outgoing(topics)).collect();
        let mut sources: Vec<usize> = (0..items.len()).collect(); // which event each record is of
        for (n, item) in items.iter().enumerate() {
            for copy in item.copies(topics) {
                records.push(copy);
                sources.push(n);
            }
        }
        let body = position.encode();
        if args.config.transactional {
            records.push(own_place(args, &body));
        }
        if let Err(failure) = self.transaction(args, &records).await {
            return self.failed(args, events, &sources, failure).await;
        }
        (self.position, self.last, self.scanned, self.copy_due, self.tries) =
            (position.position, position.last, position.position, true, 0);
        self.dead = self.dead.split_off(&(self.position + 1));
        args.faults.pause("outbox.after_commit").await;
        for item in &items {
            if let Some(dead) = &item.dead {
                metrics::counter!(OUTBOX_FAILED, "event_type" => item.label()).increment(1);
                tracing::error!(
                    place = item.source.seq,
                    event = item.label(),
                    reason = dead.reason,
                    "an event became a dead letter"
                );
            }
        }
        for event in EventType::ALL {
            let count = items.iter().filter(|item| item.dead.is_none() && item.event == Some(event)).count();
            if count > 0 {
                metrics::counter!(OUTBOX_PUBLISHED, "event_type" => event.name())
                    .increment(u64::try_from(count).unwrap_or(0));
            }
        }
        self.write_copy(&args.config).await?;
        args.faults.pause("outbox.after_copy").await;
        Ok(())
    }

    async fn transaction(&mut self, args: &OutboxArgs, records: &[Outgoing<'_>]) -> Result<(), Failure> {
        self.producer.begin()?;
        args.faults.pause("outbox.after_begin").await;
        self.producer.send(records, &args.handle).await?;
        args.faults.pause("outbox.after_send").await;
        args.faults.pause("outbox.before_commit").await;
        self.producer.commit(&args.handle).await?;
        self.last_transaction = Instant::now();
        metrics::counter!(OUTBOX_TRANSACTIONS).increment(1);
        Ok(())
    }

    /// Runs a transaction with the position alone.
    async fn publish_position(&mut self, args: &OutboxArgs) -> Result<(), Trouble> {
        let body = self.position_record(&args.config, self.position, self.last.clone()).encode();
        Ok(self.transaction(args, &[own_place(args, &body)]).await?)
    }

    /// Aborts a failed transaction if need be, and decides how to go on. `sources`: which event each record is of.
    async fn failed(
        &mut self,
        args: &OutboxArgs,
        events: &[JournalEvent],
        sources: &[usize],
        failure: Failure,
    ) -> Result<(), Trouble> {
        match failure {
            Failure::Poison { index, reason } => {
                self.producer.abort(&args.handle).await?;
                let event = index.map(|index| sources.get(index).copied().unwrap_or(usize::MAX));
                self.blame(args, events, event, reason)
            }
            Failure::Abort(reason) => {
                self.producer.abort(&args.handle).await?;
                let renew = !self.still_there(args).await?;
                Err(Trouble::Passing { reason: format!("kafka: {reason}"), renew })
            }
            other => Err(other.into()),
        }
    }

    /// Whether Kafka has the position that this session believes.
    async fn still_there(&self, args: &OutboxArgs) -> Result<bool, Trouble> {
        if !args.config.transactional {
            return Ok(true);
        }
        let found = read_position(&args.kafka, &args.config.publisher, args.config.partition, &args.handle).await?;
        Ok(found.is_some_and(|found| found.position == self.position))
    }

    /// Finds the event that Kafka refuses: it is named, or it is alone, or half as many are tried next.
    fn blame(
        &mut self,
        args: &OutboxArgs,
        events: &[JournalEvent],
        index: Option<usize>,
        reason: String,
    ) -> Result<(), Trouble> {
        let named = index.map(|index| events.get(index).filter(|row| !self.dead.contains_key(&row.seq)));
        match (named, events) {
            (Some(Some(row)), _) => {
                self.dead.insert(row.seq, Dead { reason, retries: 0 });
            }
            (Some(None), _) => {
                return Err(Trouble::Passing {
                    reason: format!("kafka refuses florin's own record: {reason}"),
                    renew: true,
                });
            }
            (None, [row]) if self.dead.contains_key(&row.seq) => {
                return Err(Trouble::Passing { reason: format!("kafka refuses a dead letter: {reason}"), renew: true });
            }
            (None, [row]) if self.tries >= args.config.retries_max => {
                self.dead
                    .insert(row.seq, Dead { reason: format!("max_retries_exceeded: {reason}"), retries: self.tries });
                self.tries = 0;
            }
            (None, [_]) => self.tries += 1,
            (None, events) => {
                self.narrow_until = self.narrow_until.max(events.last().map_or(0, |row| row.seq));
                self.rows_max = events.len().div_ceil(2);
            }
        }
        Ok(())
    }

    async fn write_copy(&mut self, config: &OutboxConfig) -> Result<(), Trouble> {
        let copy = Copy { position: self.position, cluster: self.cluster.clone(), database: self.database.clone() };
        within(store::write_copy(&mut self.db, &config.publisher, &copy)).await?;
        self.copy_due = false;
        Ok(())
    }

    fn position_record(&self, config: &OutboxConfig, position: i64, last: String) -> Position {
        Position {
            publisher: config.publisher.clone(),
            position,
            previous: self.position,
            last,
            cluster: self.cluster.clone(),
            system: self.database.system.clone(),
            timeline: self.database.timeline,
        }
    }

    /// Closes both connections.
    pub async fn close(self) {
        self.producer.close().await;
        let _ = tokio::time::timeout(Duration::from_secs(1), self.db.close()).await;
    }
}

fn own_place<'a>(args: &'a OutboxArgs, body: &'a str) -> Outgoing<'a> {
    Outgoing {
        topic: &args.kafka.position_topic,
        partition: Some(args.config.partition),
        key: Some(&args.config.publisher),
        body,
        tenant: None,
    }
}
