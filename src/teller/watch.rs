//! Watches events from a place on, without a gap or a repeat: first those in the journal, then new ones. Every contract
//! is an adapter of this.

use std::collections::VecDeque;
use std::sync::Arc;

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
    ready: VecDeque<LiveEvent>,
    names: Names,
    /// Whether it has caught up once: from then on it must keep up.
    live: bool,
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
            names: Names::default(),
            live: false,
        })
    }

    /// Waits for the next event that is wanted.
    ///
    /// # Errors
    /// Why nothing more comes.
    pub async fn next(&mut self) -> Result<LiveEvent, Ended> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if self.at < self.catch_up {
                self.read().await?;
                continue;
            }
            if let Some(batch) = self.waiting.take() {
                for event in batch.events.iter().filter(|event| event.id > self.at) {
                    if self.wanted.takes(event) {
                        self.ready.push_back(event.clone());
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

    /// Reads the next page of the journal.
    async fn read(&mut self) -> Result<(), Ended> {
        let part = async {
            let mut db = self.ledger.parts().pool.acquire().await?;
            live::read(&mut db, &mut self.names, self.at, self.catch_up, PAGE).await
        };
        let part = part.await.map_err(|error| Ended::Failed(read_failure(&StoreError::from(error))))?;
        self.at = part.to;
        if self.at >= self.catch_up {
            self.names = Names::default(); // an idle watcher is to cost little
        }
        self.ready.extend(
            part.events.into_iter().filter_map(live::JournalEvent::shown).filter(|event| self.wanted.takes(event)),
        );
        Ok(())
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
