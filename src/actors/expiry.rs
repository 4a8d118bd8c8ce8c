//! Releases what holds have left when they expire: one actor, in order of time, along the index of open holds.
//!
//! It owns only its timer: when a hold expires is in its row. It runs on the leader alone, sends slips to accounts as
//! gateways do, and waits for their outcomes. The record's id is derived from the hold, so that doing it again after a
//! crash or a takeover has no second effect. If it dies between any two lines, the next one finds the same holds due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use smallvec::smallvec;
use sqlx::PgPool;
use tokio::sync::oneshot;

use super::accounts::{Registry, Resolved};
use super::journal::Journal;
use super::posting;
use crate::faults::Faults;
use crate::money::Amount;
use crate::protocol::admission::InFlight;
use crate::protocol::movement::{Source, Void};
use crate::protocol::record::{AccountId, Api, Posting, Record, RequestHash, TransactionId, now_micros};
use crate::protocol::slip::Outcome;
use crate::store::StoreError;
use crate::store::holds::{self, HoldRow};
use crate::telemetry::metrics::HOLDS_EXPIRED;

/// Holds that are released side by side.
const BATCH: usize = 500;
/// Accounts that are loaded side by side for them.
const LOADED_MAX: usize = 64;
/// The longest sleep: a new hold may expire before all those that it saw.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// The shortest sleep while something that is due could not be done.
const SLEEP_MIN: Duration = Duration::from_millis(100);
/// How long outcomes are waited for. A later one is found done by the next look.
const PATIENCE: Duration = Duration::from_secs(5);

/// Releases holds when they expire.
pub struct Expiry;

pub enum ExpiryMessage {
    /// Look for expired holds.
    Tick,
}

/// What the actor is started with.
pub struct ExpiryArgs {
    pub pool: PgPool,
    pub registry: Registry,
    pub journal: Journal,
    pub faults: Faults,
}

pub struct ExpiryState {
    args: ExpiryArgs,
    places: InFlight,
}

impl Actor for Expiry {
    type Msg = ExpiryMessage;
    type State = ExpiryState;
    type Arguments = ExpiryArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<ExpiryMessage>,
        args: ExpiryArgs,
    ) -> Result<ExpiryState, ActorProcessingErr> {
        myself.cast(ExpiryMessage::Tick)?;
        Ok(ExpiryState { args, places: InFlight::new(BATCH) })
    }

    async fn handle(
        &self,
        myself: ActorRef<ExpiryMessage>,
        _: ExpiryMessage,
        state: &mut ExpiryState,
    ) -> Result<(), ActorProcessingErr> {
        let sleep = state.tick().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "holds whose time has come cannot be looked up: tried again");
            SLEEP_MAX
        });
        drop(myself.send_after(sleep, || ExpiryMessage::Tick));
        Ok(())
    }
}

impl ExpiryState {
    /// Releases what is due, and returns how long to sleep.
    async fn tick(&mut self) -> Result<Duration, StoreError> {
        self.args.faults.pause("expiry.tick").await;
        let due = holds::due(&self.args.pool, i64::try_from(BATCH).unwrap_or(i64::MAX)).await?;
        let mut outcomes = Vec::with_capacity(due.len());
        for some in due.chunks(LOADED_MAX) {
            outcomes.extend(join_all(some.iter().map(|hold| self.send(hold))).await.into_iter().flatten());
        }
        self.args.faults.point("expiry.sent");
        let until = tokio::time::Instant::now() + PATIENCE;
        for outcome in outcomes {
            if let Ok(Ok(Outcome::Done { .. })) = tokio::time::timeout_at(until, outcome).await {
                metrics::counter!(HOLDS_EXPIRED).increment(1);
            }
        }
        let next = holds::next_due(&self.args.pool)
            .await?
            .map_or(SLEEP_MAX, |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        Ok(next.clamp(if due.is_empty() { Duration::from_millis(1) } else { SLEEP_MIN }, SLEEP_MAX))
    }

    /// Sends the slip. If it cannot be sent, or is lost, the hold stays due.
    async fn send(&self, hold: &HoldRow) -> Option<oneshot::Receiver<Outcome>> {
        let Resolved::Account(account) = self.args.registry.resolve(&hold.tenant, &hold.debit).await else {
            return None;
        };
        let record = record(hold, account.identity.id);
        posting::send(&self.args.journal, record, &[&account], usize::MAX, self.places.enter()?).ok()
    }
}

/// The record that releases what a hold has left. Its id is derived from the hold's: it expires once.
fn record(hold: &HoldRow, debit: AccountId) -> Record {
    let void = Void { hold: TransactionId(hold.id) };
    let amount = Amount::new(hold.remaining()).unwrap_or(Amount::ZERO);
    let source = Source {
        id: TransactionId::derived(void.hold, "expire"),
        tenant: Arc::from(hold.tenant.as_str()),
        api: Api::FlorinV1,
        request: RequestHash::of(&[b"expire", hold.id.as_bytes()]),
        at: now_micros(),
        cutoff: Instant::now() + PATIENCE,
    };
    let postings = smallvec![Posting { debit, credit: AccountId(hold.credit_account), amount }];
    Record { description: Some(format!("Hold {} expired", hold.id)), ..Record::of(&void, postings, source) }
}
