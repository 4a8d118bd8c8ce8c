//! Watches events from a place on, without a gap or a repeat: first those in the journal, then new ones. Every contract
//! is an adapter of this.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::Failure;
use super::ledger::{Ledger, read_failure};
use crate::protocol::live::{Batch, LiveEvent, Next, Subscription};
use crate::store::journal_rows::{self, Names};
use crate::store::{StoreError, live};

/// Which events to watch: those that match all of these.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub tenant: Arc<str>,
    /// Those that name this account.
    pub account: Option<String>,
    /// Those about this transaction or its reversal.
    pub transaction: Option<uuid::Uuid>,
}

/// Watchers of one node at the same time.
pub const WATCHERS_MAX: usize = 20_000;
/// Rows read from the journal at a time.
const PAGE: i64 = 500;
/// Watchers that read from the journal at the same time; the others wait for their turn.
const READERS_MAX: usize = 4;
/// KiB of events that were read from the journal and are not taken yet, of all watchers. Beyond that each has one.
const KEPT_KIB_MAX: usize = 64 << 10;
/// The same of one watcher.
const SHARE_KIB_MAX: u32 = 256;

/// What watchers that catch up may take together: many who come back at once neither fill memory nor keep the
/// connections from others.
#[derive(Debug)]
pub struct CatchUps {
    readers: Semaphore,
    kept_kib: Arc<Semaphore>,
}

impl Default for CatchUps {
    fn default() -> Self {
        Self { readers: Semaphore::new(READERS_MAX), kept_kib: Arc::new(Semaphore::new(KEPT_KIB_MAX)) }
    }
}

/// One who watches events.
pub struct Watcher {
    ledger: Ledger,
    subscription: Subscription,
    wanted: Wanted,
    /// Every event up to this place was looked at for this watcher.
    at: i64,
    /// Up to this place events are read from the journal.
    catch_up: i64,
    /// The batch that came while it was catching up.
    waiting: Option<Batch>,
    ready: VecDeque<Ready>,
    /// Whether it has caught up once: from then on it must keep up.
    live: bool,
}

/// An event that waits to be taken.
struct Ready {
    event: LiveEvent,
    /// Of [`CatchUps::kept_kib`]; `None`: batches share it.
    _kept: Option<OwnedSemaphorePermit>,
}

/// Why a watcher gets no more events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The watcher did not take its events in time; it can go on after the last id that it has.
    #[error("too slow: what came was not taken; watch again after the last event")]
    TooSlow,
    /// This node does not lead any more.
    #[error("another process leads: watch there after the last event")]
    NotLeader,
    /// Events cannot be read now.
    #[error(transparent)]
    Failed(Failure),
}

impl Watcher {
    /// Begins after the event of this id; `None`: with new events.
    ///
    /// # Errors
    /// `NotLeader`; `Failed` with `Invalid` for an id that was not given yet.
    pub async fn start(ledger: &Ledger, wanted: Wanted, after: Option<i64>) -> Result<Self, Ended> {
        let active = ledger.active().map_err(Ended::Failed)?;
        if active.feed.watchers() >= WATCHERS_MAX {
            return Err(Ended::Failed(Failure::AtBound { max: WATCHERS_MAX }));
        }
        let subscription = active.feed.subscribe();
        let pool = &ledger.parts().pool;
        let failed = |error: sqlx::Error| Ended::Failed(read_failure(&StoreError::from(error)));
        // Subscribed first: what is written from here on comes out, at the latest after a look at the journal.
        let tip = journal_rows::tip(pool).await.map_err(failed)?;
        let at = after.unwrap_or(tip);
        if at > tip || at < 0 {
            return Err(Ended::Failed(Failure::Invalid(format!(
                "last event id {at} was not given yet: the last is {tip}"
            ))));
        }
        let catch_up = active.feed.position();
        Ok(Self {
            ledger: ledger.clone(),
            subscription,
            wanted,
            at,
            catch_up,
            waiting: None,
            ready: VecDeque::new(),
            live: false,
        })
    }

    /// Waits for the next event that is wanted.
    ///
    /// # Errors
    /// Why nothing more comes.
    pub async fn next(&mut self) -> Result<LiveEvent, Ended> {
        loop {
            if let Some(Ready { event, .. }) = self.ready.pop_front() {
                return Ok(event);
            }
            if self.at < self.catch_up {
                self.read().await?;
                continue;
            }
            if let Some(batch) = self.waiting.take() {
                for event in batch.events.iter().filter(|event| event.id > self.at) {
                    if self.wanted.takes(event) {
                        self.ready.push_back(Ready { event: event.clone(), _kept: None });
                    }
                }
                self.at = self.at.max(batch.to);
                continue;
            }
            match self.subscription.next().await {
                Next::Batch(batch) => {
                    self.catch_up = batch.from; // what lies before it and was missed is in the journal
                    self.live |= batch.from <= self.at;
                    self.waiting = Some(batch);
                }
                Next::Behind if self.live => return Err(Ended::TooSlow),
                Next::Behind => {} // it is catching up: the next batch says where to
                Next::Closed => return Err(Ended::NotLeader),
            }
        }
    }

    /// Reads the next page of the journal, and keeps what there is room for; the rest is read again later.
    async fn read(&mut self) -> Result<(), Ended> {
        let ledger = self.ledger.clone();
        let catch_ups = &ledger.parts().memory.catch_ups;
        let Ok(_turn) = catch_ups.readers.acquire().await else { return Err(Ended::NotLeader) }; // never closed
        let part = async {
            let mut db = self.ledger.parts().pool.acquire().await?;
            live::read(&mut db, &mut Names::default(), self.at, self.catch_up, PAGE).await
        };
        let part = part.await.map_err(|error| Ended::Failed(read_failure(&StoreError::from(error))))?;
        let events = part.events.into_iter().filter_map(live::JournalEvent::shown);
        let wanted: Vec<LiveEvent> = events.filter(|event| self.wanted.takes(event)).collect();
        self.at = self.keep(wanted, &catch_ups.kept_kib).unwrap_or(part.to);
        Ok(())
    }

    /// Keeps events until they are taken: the first in any case, the others while there is room. Returns the place of
    /// the last one; `None`: all are kept.
    fn keep(&mut self, events: Vec<LiveEvent>, kept_kib: &Arc<Semaphore>) -> Option<i64> {
        let (mut share, mut last) = (0_u32, None);
        for event in events {
            let kib = u32::try_from(event.body.len() / 1024).unwrap_or(u32::MAX).saturating_add(1);
            share = share.saturating_add(kib);
            let room = if share > SHARE_KIB_MAX { None } else { kept_kib.clone().try_acquire_many_owned(kib).ok() };
            if room.is_none() && last.is_some() {
                return last;
            }
            last = Some(event.id);
            self.ready.push_back(Ready { event, _kept: room });
        }
        None
    }
}

impl Wanted {
    fn takes(&self, event: &LiveEvent) -> bool {
        self.tenant == event.tenant
            && self.account.as_ref().is_none_or(|account| event.accounts.iter().any(|named| **named == **account))
            && self
                .transaction
                .is_none_or(|id| event.transaction.0 == id || event.reverses.is_some_and(|reversed| reversed.0 == id))
    }
}
