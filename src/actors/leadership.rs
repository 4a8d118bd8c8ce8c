//! The lease: takes it, renews it, says when it is lost, and gives it up.
//!
//! It owns a session of its own and the epoch. All that writes is built when it says `Taken` and taken down when it
//! says `Lost`; the fence in the database shuts out a node that did not hear that. The lease runs on the database's
//! clock there, and here on a monotonic clock from before each renewal was sent, so that it always ends here first.

mod holder;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::node::Node;
use crate::faults::Faults;
use crate::resilience::health::{Condition, Health, Part};
use crate::store::leadership::{Attempt, LeaseSession};
use crate::store::outbox::Database as Identity;
use crate::store::{Database, StoreError};
use crate::telemetry::metrics::EPOCH;

pub use holder::Holder;

/// How often a standby looks at the lease: the leader may give it up long before it ends.
const STANDBY_LOOKS: Duration = Duration::from_millis(250);

pub struct LeadershipActor;

/// What it tells its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// This process may write, under this epoch.
    Taken(i64),
    /// This process may not write under this epoch any more.
    Lost(i64),
}

pub enum LeadershipMessage {
    /// Renew the lease, or try to take it.
    Tick,
    /// The fence refused a batch under this epoch.
    Fenced(i64),
    /// Give the lease up, so that another node need not wait for it to end.
    Release(oneshot::Sender<()>),
}

/// What the actor is started with.
#[derive(Clone)]
pub struct LeadershipArgs {
    pub database: Database,
    /// The name of this process on the lease.
    pub holder: Holder,
    /// How long a lease lasts.
    pub lease: Duration,
    /// Where the gateway sees whether this process may write.
    pub node: Node,
    /// Called with every change.
    pub events: Arc<dyn Fn(Leadership) + Send + Sync>,
    pub health: Health,
    pub faults: Faults,
}

pub struct LeadershipState {
    args: LeadershipArgs,
    session: Option<LeaseSession>,
    epoch: Option<i64>,
    /// The database that gave the epoch, and which of its histories it was; `None`: not asked yet.
    identity: Option<Identity>,
    released: bool,
}

impl Actor for LeadershipActor {
    type Msg = LeadershipMessage;
    type State = LeadershipState;
    type Arguments = LeadershipArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<LeadershipMessage>,
        args: LeadershipArgs,
    ) -> Result<LeadershipState, ActorProcessingErr> {
        myself.cast(LeadershipMessage::Tick)?;
        Ok(LeadershipState { args, session: None, epoch: None, identity: None, released: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<LeadershipMessage>,
        message: LeadershipMessage,
        state: &mut LeadershipState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            LeadershipMessage::Tick => {
                let next = state.tick().await;
                drop(myself.send_after(next, || LeadershipMessage::Tick));
            }
            LeadershipMessage::Fenced(epoch) if state.epoch == Some(epoch) => state.lose("a batch was fenced off"),
            LeadershipMessage::Fenced(_) => {} // of an epoch that we know is over
            LeadershipMessage::Release(done) => {
                state.release().await;
                let _ = done.send(()); // who asked may have left
            }
        }
        Ok(())
    }
}

impl LeadershipState {
    /// Renews the lease or tries to take it; returns how long to wait until the next time.
    async fn tick(&mut self) -> Duration {
        let third = self.args.lease / 3;
        if self.released {
            return third;
        }
        self.args.faults.pause("leadership.tick").await;
        match self.attempt().await {
            Ok(wait) => wait.min(third),
            Err(error) => {
                self.session = None;
                let news = Condition::Down(format!("the lease cannot be renewed or tried: {error}"));
                // while it lasts, memory is still believed
                let is_over = self.epoch.is_none() || !self.args.node.is_lease_valid();
                if is_over && self.args.health.report(Part::Leadership, news) {
                    tracing::warn!(%error, "the lease cannot be renewed or tried");
                }
                third.min(Duration::from_millis(200))
            }
        }
    }

    /// Connects. Where the database is another, or went on from another of its histories, the epoch ends: what memory
    /// has may not be there, and what is there memory may not have.
    async fn connect(&mut self) -> Result<LeaseSession, StoreError> {
        // Within a third of the lease, so that one dead connection does not cost it; at least as long as a lane's lock is
        // waited for.
        let answer_timeout = (self.args.lease / 3).clamp(Duration::from_secs(1), Duration::from_secs(3));
        let mut session = LeaseSession::open(&self.args.database, answer_timeout).await?;
        let identity = session.identity().await?;
        let before = self.identity.replace(identity);
        if self.epoch.is_some() && before != self.identity {
            self.lose("the database is another, or on another timeline");
        }
        Ok(session)
    }

    async fn attempt(&mut self) -> Result<Duration, StoreError> {
        if self.session.is_none() {
            self.session = Some(self.connect().await?);
        }
        let Some(session) = &mut self.session else { return Ok(STANDBY_LOOKS) };
        let before = Instant::now();
        if let Some(epoch) = self.epoch {
            let committed = self.args.node.active().and_then(|active| active.journal.last());
            match session.renew(epoch, &self.args.holder.to_string(), self.args.lease).await? {
                None => self.lose("another process has taken it"),
                Some(last) if committed.is_some_and(|committed| last < committed) => {
                    self.lose("the database is older than what was committed to it")
                }
                Some(_) => {
                    self.args.node.set_lease(Some(before + self.args.lease));
                    self.args.health.report(Part::Leadership, Condition::Up);
                }
            }
            return Ok(self.args.lease);
        }
        let name = self.args.holder.to_string();
        let mut attempt = session.take(&name, "", self.args.lease).await?;
        if let Attempt::Held { by, .. } = &attempt
            && (*by == name || self.args.holder.knows_dead(by))
        // our own, from before a restart of this actor, or a dead one
        {
            let dead = by.clone();
            attempt = session.take(&name, &dead, self.args.lease).await?;
        }
        match attempt {
            Attempt::Taken { epoch } => {
                tracing::info!(epoch, "the lease is ours");
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                metrics::gauge!(EPOCH).set(epoch as f64);
                self.epoch = Some(epoch);
                self.args.node.set_lease(Some(before + self.args.lease));
                self.args.health.report(Part::Leadership, Condition::Up);
                (self.args.events)(Leadership::Taken(epoch));
                Ok(self.args.lease)
            }
            Attempt::Held { by, remaining } => {
                if self.args.health.report(Part::Leadership, Condition::Down(format!("standby: {by} holds the lease")))
                {
                    tracing::info!(%by, "standing by");
                }
                Ok(remaining.clamp(Duration::from_millis(20), STANDBY_LOOKS))
            }
        }
    }

    fn lose(&mut self, why: &str) {
        let Some(epoch) = self.epoch.take() else { return };
        tracing::warn!(epoch, why, "the lease is lost");
        self.args.node.set_lease(None);
        metrics::gauge!(EPOCH).set(0.0);
        self.args.health.report(Part::Leadership, Condition::Down(format!("the lease is lost: {why}")));
        (self.args.events)(Leadership::Lost(epoch));
    }

    async fn release(&mut self) {
        self.released = true;
        if let (Some(epoch), Some(session)) = (self.epoch, self.session.as_mut())
            && let Err(error) = session.release(epoch, &self.args.holder.to_string()).await
        {
            tracing::warn!(%error, "the lease could not be let go: it ends by itself");
        }
        self.lose("let go");
    }
}
