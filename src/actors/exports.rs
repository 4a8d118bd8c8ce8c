//! Exports a day's invoices and ledger entries as CSV, each day once: by itself when the day has ended, and when asked.
//!
//! Which days are written stands in the database, so days that ended while nothing ran are made up for. A file is
//! written once, and never changed: if the actor dies between the file and its row, the next one makes the same bytes
//! again, finds them there, and notes them. One day is made after the other, so that memory is bounded.

mod files;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime, TimeDelta, Utc};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;
use tokio::sync::oneshot;

use crate::documents::storage::{BucketConfig, Storage, StorageError};
use crate::store::StoreError;
use crate::store::billing::exports::{self, ExportKind, ExportRow};

/// How long after its end a day is exported at the earliest: what was accepted just before is committed by then.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(30);
/// How often it is looked for days that have ended.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// Days that are made up for at one look.
const DAYS_MAX: usize = 31;

/// Where exports go, and from where they are made.
#[derive(Clone)]
pub struct ExportsConfig {
    pub tenant: Arc<str>,
    pub target: Target,
    pub pool: PgPool,
}

/// Where files go.
#[derive(Clone)]
pub enum Target {
    Folder(PathBuf),
    Bucket(BucketConfig),
}

impl Target {
    /// Opened anew for each file: a folder or a bucket that cannot be had now must not keep anything else from going on.
    async fn open(&self) -> Result<Storage, StorageError> {
        match self {
            Self::Folder(path) => Storage::folder(path).await,
            Self::Bucket(config) => Storage::bucket(config.clone()),
        }
    }
}

/// Why there is no export of a day.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the day {0} has not ended: its export is made 30 seconds after its end (UTC)")]
    NotEnded(NaiveDate),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("exports are not made here now")]
    Away,
}

impl ExportError {
    /// Whether other bytes are where the export belongs.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Storage(StorageError::Differs { .. }))
    }
}

pub enum ExportsMessage {
    /// Make what is due.
    Look,
    /// The export of a day, now.
    Day { day: NaiveDate, reply: oneshot::Sender<Result<ExportRow, ExportError>> },
}

/// How exports are asked for, across the actor's restarts; clones share it.
#[derive(Clone, Default)]
pub struct ExportsHandle(Arc<Mutex<Option<ActorRef<ExportsMessage>>>>);

impl ExportsHandle {
    /// The export of a day's invoices; made unless it is there.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub async fn day(&self, day: NaiveDate) -> Result<ExportRow, ExportError> {
        let (reply, answer) = oneshot::channel();
        let actor = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sent = actor.ok_or(ExportError::Away)?.cast(ExportsMessage::Day { day, reply });
        sent.map_err(|_| ExportError::Away)?;
        answer.await.unwrap_or(Err(ExportError::Away))
    }
}

/// Makes exports.
pub struct Exports;

pub struct ExportsState {
    config: ExportsConfig,
}

impl Actor for Exports {
    type Msg = ExportsMessage;
    type State = ExportsState;
    type Arguments = (ExportsConfig, ExportsHandle);

    async fn pre_start(
        &self,
        myself: ActorRef<ExportsMessage>,
        (config, handle): (ExportsConfig, ExportsHandle),
    ) -> Result<ExportsState, ActorProcessingErr> {
        myself.cast(ExportsMessage::Look)?;
        *handle.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(myself);
        Ok(ExportsState { config })
    }

    async fn handle(
        &self,
        myself: ActorRef<ExportsMessage>,
        message: ExportsMessage,
        state: &mut ExportsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ExportsMessage::Look => {
                if let Err(error) = state.look().await {
                    tracing::warn!(%error, "the export of a day is made later");
                }
                drop(myself.send_after(LOOK_EVERY, || ExportsMessage::Look));
            }
            ExportsMessage::Day { day, reply } => {
                if !reply.is_closed() {
                    let _ = reply.send(state.day(day).await); // who asked may have left
                }
            }
        }
        Ok(())
    }
}

impl ExportsState {
    /// Makes the exports of all days that have ended since the last one.
    async fn look(&self) -> Result<(), ExportError> {
        let Some(first) = exports::first_due(&self.config.pool, &self.config.tenant).await? else { return Ok(()) };
        for day in first.iter_days().take(DAYS_MAX).take_while(|day| has_ended(*day)) {
            let ExportRow { url, rows } = self.day(day).await?;
            tracing::info!(%day, url, rows, "a day was exported");
        }
        Ok(())
    }

    /// Both files of a day; answers that of its invoices.
    async fn day(&self, day: NaiveDate) -> Result<ExportRow, ExportError> {
        if !has_ended(day) {
            return Err(ExportError::NotEnded(day));
        }
        let entries = self.file(day, ExportKind::LedgerEntries).await?;
        tracing::debug!(%day, entries.url, "ledger entries are exported");
        self.file(day, ExportKind::Invoices).await
    }

    async fn file(&self, day: NaiveDate, kind: ExportKind) -> Result<ExportRow, ExportError> {
        let ExportsConfig { tenant, target, pool } = &self.config;
        if let Some(written) = exports::written(pool, tenant, day, kind).await? {
            return Ok(written);
        }
        let made = files::write(&target.open().await?, pool, tenant, day, kind).await?;
        exports::note(pool, tenant, day, kind, &made).await?;
        Ok(made)
    }
}

/// Makes the export of a day from outside of the actor.
///
/// # Errors
/// See [`ExportError`].
pub async fn make(config: &ExportsConfig, day: NaiveDate) -> Result<ExportRow, ExportError> {
    ExportsState { config: config.clone() }.day(day).await
}

fn has_ended(day: NaiveDate) -> bool {
    let ends = day.succ_opt().map(|next| next.and_time(NaiveTime::MIN).and_utc());
    ends.is_some_and(|ends| Utc::now() >= ends + SETTLED_AFTER)
}
