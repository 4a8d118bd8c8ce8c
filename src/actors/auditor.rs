//! The auditor: folds the journal into balances, which computes independently what memory believes, and puts accounts
//! that differ into quarantine.
//!
//! One actor on the leader, with a connection of its own. A batch wakes it. It folds one part a turn and then rests in
//! proportion to the time that took: so it folds often while the machine has time to spare, and rarely, but many rows
//! at once, while it has none. After each turn it tells the journal (which then forgets what it remembered), the
//! publisher and the feed. If it dies between any two lines, the next one goes on from where the database is; the fold
//! itself is one transaction.
//!
//! Under a new epoch no account is loaded before all that was committed earlier is folded: see
//! [`super::journal::Journal::recall`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::Notify;

use super::accounts::Registry;
use super::journal::Journal;
use crate::faults::Faults;
use crate::store::fold::{self, FoldSession, Folded};
use crate::store::{Database, StoreError};
use crate::telemetry::metrics::{FOLD, QUARANTINED};
use sqlx::PgPool;

/// Rows of one turn: those of about a second at 10,000 payments a second.
const ROWS_MAX: i64 = 10_000;
/// The shortest rest between two turns.
const REST_MIN: Duration = Duration::from_millis(60);
/// The longest rest: balances are never further behind than this, plus the time that folding takes.
const REST_MAX: Duration = Duration::from_millis(800);
/// How many times as long as the turn it rests. At half the load that the machine can take, turns are then short enough
/// not to delay payments; at full load they grow up to the longest rest, and fold many rows of an account at once.
const REST_SHARE: u32 = 4;
/// The rest after a failure.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// The longest wait for a commit before a turn is taken all the same: an operator may have released an account.
const IDLE: Duration = Duration::from_millis(500);
/// Accounts in quarantine that one turn names in the log.
const NAMED_MAX: i64 = 100;

/// Folds the journal into balances.
pub struct Auditor;

pub enum AuditorMessage {
    /// Take the next turn. It sends this to itself.
    Turn,
}

/// What the actor is started with.
pub struct AuditorArgs {
    pub database: Database,
    /// For reading about accounts in quarantine.
    pub pool: PgPool,
    /// A fold without an answer for this long has failed.
    pub answer_timeout: Duration,
    pub journal: Journal,
    /// Accounts released from quarantine are found here: their actors end, and are loaded anew.
    pub registry: Registry,
    /// Wakes it after each batch.
    pub committed: Arc<Notify>,
    /// Called when something was folded.
    pub folded: Arc<dyn Fn() + Send + Sync>,
    pub faults: Faults,
}

pub struct AuditorState {
    args: AuditorArgs,
    session: Option<FoldSession>,
    /// Whether there is more to fold, or nobody has looked yet.
    behind: bool,
    next: Instant,
    place: i64,
    failing: bool,
}

impl Actor for Auditor {
    type Msg = AuditorMessage;
    type State = AuditorState;
    type Arguments = AuditorArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<AuditorMessage>,
        args: AuditorArgs,
    ) -> Result<AuditorState, ActorProcessingErr> {
        myself.cast(AuditorMessage::Turn)?;
        Ok(AuditorState { args, session: None, behind: true, next: Instant::now(), place: 0, failing: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<AuditorMessage>,
        _: AuditorMessage,
        state: &mut AuditorState,
    ) -> Result<(), ActorProcessingErr> {
        if !state.behind {
            let _ = tokio::time::timeout(IDLE, state.args.committed.notified()).await; // either way it looks
        }
        tokio::time::sleep_until(state.next.into()).await;
        let began = Instant::now();
        match state.turn().await {
            Ok(()) => {
                let took = began.elapsed();
                let rest =
                    if state.behind { took.min(REST_MAX) } else { (took * REST_SHARE).clamp(REST_MIN, REST_MAX) };
                state.next = Instant::now() + rest;
                state.failing = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut state.failing, true) {
                    tracing::warn!(%error, "the journal cannot be folded: tried again");
                }
                (state.session, state.behind, state.next) = (None, true, Instant::now() + TRY_AGAIN);
            }
        }
        myself.cast(AuditorMessage::Turn)?;
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<AuditorMessage>, _: &mut AuditorState) -> Result<(), ActorProcessingErr> {
        metrics::gauge!(QUARANTINED).set(0.0); // whoever leads from now on counts them
        Ok(())
    }
}

impl AuditorState {
    async fn turn(&mut self) -> Result<(), StoreError> {
        self.args.faults.pause("auditor.fold").await;
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(FoldSession::open(&self.args.database, self.args.answer_timeout).await?),
        };
        let began = Instant::now();
        let folded = session.fold(ROWS_MAX).await?;
        self.args.faults.point("auditor.folded");
        self.behind = folded.place < folded.tip;
        let released = self.args.journal.folded(folded.place, &folded.quarantined);
        for account in self.args.registry.find(&released) {
            tracing::warn!(account = %account.identity.name, tenant = %account.identity.tenant, "an account was released from quarantine: it is loaded anew");
            account.cell.bury();
            account.actor.get_cell().kill();
        }
        metrics::gauge!(QUARANTINED).set(count(folded.quarantined.len()));
        if folded.suspects > 0 {
            self.tell(&folded).await?;
        }
        if std::mem::replace(&mut self.place, folded.place) != folded.place {
            metrics::histogram!(FOLD).record(began.elapsed());
            (self.args.folded)();
        }
        Ok(())
    }

    /// Logs the accounts about which memory and the database disagree.
    async fn tell(&self, folded: &Folded) -> Result<(), StoreError> {
        for found in fold::quarantines(&self.args.pool, false, NAMED_MAX)
            .await?
            .iter()
            .filter(|found| folded.quarantined.contains(&found.account))
        {
            let (name, tenant) = (found.name.as_deref().unwrap_or("none"), found.tenant.as_deref().unwrap_or("none"));
            let fold::Quarantine { account, reason, expected, found, first_seq, .. } = found;
            tracing::error!(
                account,
                name,
                tenant,
                reason,
                expected,
                found,
                behind = first_seq,
                "memory and the database disagree about an account: it is in quarantine"
            );
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn count(n: usize) -> f64 {
    n as f64
}
