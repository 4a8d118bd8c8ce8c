//! Reads events from the journal for those who watch, in its order, and hands them out.
//!
//! One actor on the leader, which does nothing while nobody watches. What is folded is whole, so no event comes out that
//! could still be missing one before it. The actor owns its place. If it dies between any two lines, the next one begins where the journal then is,
//! and watchers read from the journal what it had not handed out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;

use crate::faults::Faults;
pub use crate::protocol::live::Feed;
use crate::protocol::live::{Batch, FeedMessage};
use crate::store::journal_rows::Names;
use crate::store::{fold, live};

/// Events of one look.
const ROWS_MAX: i64 = 1_000;
/// Between two looks while somebody watches and nothing woke it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two looks at least, so that many events share a read.
const LOOK_NEXT: Duration = Duration::from_millis(20);
type Timer = tokio::task::JoinHandle<Result<(), ractor::MessagingErr<FeedMessage>>>;

/// The actor; all it has is in its state.
pub struct FeedActor;

/// What it is made of.
pub struct FeedArgs {
    /// Where it hands them out.
    pub feed: Feed,
    /// Reads from the primary.
    pub pool: PgPool,
    /// Where tests make it fail.
    pub faults: Faults,
}

/// What it owns.
pub struct FeedState {
    args: FeedArgs,
    names: Names,
    /// It hands out batch after batch since somebody watches.
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

    async fn handle(&self, myself: ActorRef<FeedMessage>, _: FeedMessage, state: &mut FeedState) -> Result<(), ActorProcessingErr> {
        state.args.feed.looking();
        let early = state.looked.map_or(Duration::ZERO, |looked| LOOK_NEXT.saturating_sub(looked.elapsed()));
        if !early.is_zero() {
            state.look_after(early, &myself);
            return Ok(());
        }
        state.args.faults.pause("feed.look").await;
        if state.args.feed.watchers() == 0 {
            (state.running, state.names) = (false, Names::default()); // whoever comes next begins where the journal then is
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
    /// One clock: a look that was asked for meanwhile must not leave two behind.
    fn look_after(&mut self, delay: Duration, myself: &ActorRef<FeedMessage>) {
        if let Some(timer) = self.timer.replace(myself.send_after(delay, || FeedMessage::Look)) {
            timer.abort();
        }
    }

    /// One look; answers when to look again.
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
        let events = part.told.into_iter().filter_map(live::Told::shown).collect();
        feed.send(Batch { from: position, to: part.to, events });
        Ok(LOOK_NEXT)
    }
}
