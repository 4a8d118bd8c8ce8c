//! Reads events from the journal in its order, for live streams, and sends them to the watchers.
//!
//! One actor on the leader, which does nothing while nobody watches. It reads only what is folded: no event can be
//! missing before those. It owns its place. If it dies between any two lines, the next one begins where the journal
//! then is, and watchers read what was not sent from the journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;

use crate::faults::Faults;
pub use crate::protocol::live::Feed;
use crate::protocol::live::{Batch, FeedMessage};
use crate::store::journal_rows::Names;
use crate::store::{fold, live};

/// Rows of one look.
const ROWS_MAX: i64 = 1_000;
/// The time between two looks while somebody watches and nothing wakes it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The shortest time between two looks, so that many events share a read.
const LOOK_NEXT: Duration = Duration::from_millis(20);
type Timer = tokio::task::JoinHandle<Result<(), ractor::MessagingErr<FeedMessage>>>;

pub struct FeedActor;

/// What the actor is started with.
pub struct FeedArgs {
    pub feed: Feed,
    pub pool: PgPool,
    pub faults: Faults,
}

pub struct FeedState {
    args: FeedArgs,
    names: Names,
    /// Whether it sends batch after batch: somebody has watched since the last look.
    running: bool,
    looked: Option<Instant>,
    timer: Option<Timer>,
}

impl Actor for FeedActor {
    type Msg = FeedMessage;
    type State = FeedState;
    type Arguments = FeedArgs;

    async fn pre_start(&self, myself: ActorRef<FeedMessage>, args: FeedArgs) -> Result<FeedState, ActorProcessingErr> {
        args.feed.attach(myself.clone());
        myself.cast(FeedMessage::Look)?;
        Ok(FeedState { args, names: Names::default(), running: false, looked: None, timer: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<FeedMessage>,
        _: FeedMessage,
        state: &mut FeedState,
    ) -> Result<(), ActorProcessingErr> {
        state.args.feed.looking();
        let early = state.looked.map_or(Duration::ZERO, |looked| LOOK_NEXT.saturating_sub(looked.elapsed()));
        if !early.is_zero() {
            state.look_after(early, &myself);
            return Ok(());
        }
        state.args.faults.pause("feed.look").await;
        if state.args.feed.watchers() == 0 {
            // whoever comes next begins where the journal then is
            (state.running, state.names) = (false, Names::default());
            return Ok(());
        }
        let again = state.look().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "live events cannot be read: tried again");
            LOOK_EVERY
        });
        state.looked = Some(Instant::now());
        state.look_after(again, &myself);
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<FeedMessage>, state: &mut FeedState) -> Result<(), ActorProcessingErr> {
        if let Some(timer) = state.timer.take() {
            timer.abort();
        }
        Ok(())
    }
}

impl FeedState {
    /// There is one timer: a wake-up meanwhile must not leave two.
    fn look_after(&mut self, delay: Duration, myself: &ActorRef<FeedMessage>) {
        if let Some(timer) = self.timer.replace(myself.send_after(delay, || FeedMessage::Look)) {
            timer.abort();
        }
    }

    /// Looks once, and returns after how long to look again.
    async fn look(&mut self) -> Result<Duration, sqlx::Error> {
        let (feed, position) = (&self.args.feed, self.args.feed.position());
        let mut db = self.args.pool.acquire().await?;
        let tip = fold::folded(&mut *db).await?;
        if !self.running {
            // Nobody watched for a while: what came meanwhile, watchers read from the journal.
            self.running = true;
            feed.send(Batch { from: tip, to: tip, events: Arc::new([]) });
            return Ok(LOOK_NEXT);
        }
        if tip <= position {
            return Ok(LOOK_EVERY);
        }
        let part = live::read(&mut db, &mut self.names, position, tip, ROWS_MAX).await?;
        self.args.faults.point("feed.read");
        let events = part.events.into_iter().filter_map(live::JournalEvent::shown).collect();
        feed.send(Batch { from: position, to: part.to, events });
        Ok(LOOK_NEXT)
    }
}
