//! The root of the tree. The lease is always there; the journal, the accounts and all else that writes only while this
//! process leads.

mod child;
mod config;
mod start;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::{Notify, oneshot, watch};

pub use self::child::Child;
pub use self::config::{Billing, Publishing, TreeConfig};
use crate::actors::accounts::Registry;
use crate::actors::exports::ExportsHandle;
use crate::actors::feed::Feed;
use crate::actors::invoices::InvoicesHandle;
use crate::actors::journal::{Journal, JournalConfig};
use crate::actors::leadership::{Leadership, LeadershipMessage};
use crate::actors::node::{Active, Node};
use crate::actors::outbox::OutboxHandle;
use crate::actors::saga::SagasHandle;
use crate::messaging::consumer;
use crate::resilience::health::{Condition, Part};
use crate::resilience::policy::{self, ChildName, History, Verdict};
use crate::resilience::tasks;
use crate::telemetry::metrics::ACTOR_RESTARTS;

/// The running actor tree.
pub struct Tree {
    /// What the gateway sees of the tree.
    pub node: Node,
    root: ActorRef<RootMessage>,
    ended: watch::Receiver<bool>,
}

pub enum RootMessage {
    /// The lease was taken or lost.
    Leadership(Leadership),
    /// The fence refused a batch under this epoch.
    Fenced(i64),
    /// Start this child again.
    Restart(Child),
    /// Give the lease up, and end.
    Stop(oneshot::Sender<()>),
}

impl Tree {
    /// Starts the tree. It serves once it has the lease: follow [`Health::watch`].
    ///
    /// # Errors
    /// When the root cannot be started.
    pub async fn start(config: TreeConfig) -> anyhow::Result<Self> {
        let node = Node::default();
        let (root, running) = Actor::spawn(None, Root, (config, node.clone())).await?;
        let (end, ended) = watch::channel(false);
        tasks::spawn(async move {
            let _ = running.await; // ended is ended
            end.send_replace(true);
        });
        Ok(Self { node, root, ended })
    }

    /// Waits until the tree has ended. By itself it ends only when a child escalates.
    pub async fn ended(&self) {
        let _ = self.ended.clone().wait_for(|ended| *ended).await; // a sender that is gone has sent
    }

    /// Gives the lease up and takes the tree down. Nothing should be in flight any more.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.root.cast(RootMessage::Stop(done)).is_ok() {
            // a lease that is not let go ends by itself
            let _ = tokio::time::timeout(Duration::from_secs(3), stopped).await;
        }
        self.root.stop(None);
        self.ended().await;
        self.close();
        // else the next process waits for the topic partitions of this one
        consumer::all_left(Duration::from_millis(1_500)).await;
    }

    /// Ends at once, as if the process had died: the lease is not given up.
    pub async fn kill(&self) {
        self.root.kill();
        self.ended().await;
        self.close();
    }

    /// Closes the journal after the root's end, so that nobody waits for its lane. The root may have ended before it
    /// knew that the lease was given up.
    fn close(&self) {
        if let Some(active) = self.node.active() {
            active.journal.close();
        }
        self.node.set_active(None);
    }
}

struct Root;

struct RootState {
    config: TreeConfig,
    node: Node,
    leadership: Option<ActorRef<LeadershipMessage>>,
    outbox: OutboxHandle,
    running: Vec<(ActorId, Child, ActorCell)>,
    histories: Vec<(ChildName, History)>,
}

impl Actor for Root {
    type Msg = RootMessage;
    type State = RootState;
    type Arguments = (TreeConfig, Node);

    async fn pre_start(
        &self,
        myself: ActorRef<RootMessage>,
        (config, node): (TreeConfig, Node),
    ) -> Result<RootState, ActorProcessingErr> {
        let mut state = RootState {
            config,
            node,
            leadership: None,
            outbox: OutboxHandle::default(),
            running: Vec::new(),
            histories: Vec::new(),
        };
        state.start(Child::Leadership, &myself).await?;
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<RootMessage>,
        message: RootMessage,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMessage::Leadership(Leadership::Taken(epoch)) => state.activate(epoch, &myself).await?,
            RootMessage::Leadership(Leadership::Lost(_)) => state.deactivate(),
            RootMessage::Fenced(epoch) => {
                if state.node.active().is_some_and(|active| active.epoch == epoch) {
                    state.deactivate(); // also when leadership was restarted since and knows nothing of this epoch
                }
                if let Some(leadership) = &state.leadership {
                    // being restarted: it finds out by itself
                    let _ = leadership.cast(LeadershipMessage::Fenced(epoch));
                }
            }
            RootMessage::Restart(child) => state.restart(child, &myself).await?,
            RootMessage::Stop(done) => {
                state.stop_publishing().await;
                state.deactivate();
                match &state.leadership {
                    Some(leadership) => drop(leadership.cast(LeadershipMessage::Release(done))),
                    None => drop(done),
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<RootMessage>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, cause) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell.get_id(), error.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, reason) => {
                (cell.get_id(), reason.unwrap_or_else(|| "stopped".into()))
            }
            _ => return Ok(()),
        };
        // taken down on purpose
        let Some(at) = state.running.iter().position(|(id, ..)| *id == actor) else { return Ok(()) };
        let (_, child, _) = state.running.remove(at);
        state.failed(child, &cause, &myself)
    }
}

impl RootState {
    /// The lease was taken: builds all that writes.
    async fn activate(&mut self, epoch: i64, myself: &ActorRef<RootMessage>) -> Result<(), ActorProcessingErr> {
        self.deactivate();
        let root = myself.clone();
        let fenced = Arc::new(move || drop(root.cast(RootMessage::Fenced(epoch))));
        let config = &self.config;
        let journal = Journal::new(JournalConfig {
            database: config.database.clone(),
            epoch,
            holder: config.holder.to_string(),
            writers: config.writers,
            partition_rows: config.partition_rows,
            batch_max: config.batch_max,
            answer_timeout: config.answer_timeout,
            fenced,
            committed: Arc::new(Notify::new()),
            health: config.health.clone(),
            faults: config.faults.clone(),
        });
        self.node.set_active(Some(Active {
            epoch,
            journal,
            registry: Registry::default(),
            feed: Feed::default(),
            sagas: SagasHandle::default(),
            invoices: InvoicesHandle::default(),
            exports: ExportsHandle::default(),
        }));
        for child in [
            Child::Journal(epoch),
            Child::Auditor(epoch),
            Child::Accounts(epoch),
            Child::Expiry(epoch),
            Child::Feed(epoch),
            Child::Invoices(epoch),
            Child::Overdue(epoch),
        ] {
            self.start(child, myself).await?;
        }
        if self.config.sagas.is_some() {
            self.start(Child::Sagas(epoch), myself).await?;
        }
        if self.config.exports.is_some() {
            self.start(Child::Exports(epoch), myself).await?;
        }
        if self.config.billing.is_some() {
            for child in [
                Child::Orders(epoch),
                Child::Users(epoch),
                Child::Bills(epoch),
                Child::Notices(epoch),
                Child::Mailer(epoch),
            ] {
                self.start(child, myself).await?; // those that are not set up are left out
            }
        }
        if self.config.publishing.is_some() {
            for child in [Child::Outbox(epoch), Child::Housekeeping(epoch)] {
                self.start(child, myself).await?;
            }
        }
        Ok(())
    }

    /// The lease was lost: takes down all that writes, every account actor included.
    fn deactivate(&mut self) {
        let Some(active) = self.node.active() else { return };
        self.node.set_active(None);
        active.journal.close();
        active.feed.close();
        self.config.health.report(Part::Journal, Condition::Down("standby".into()));
        for (_, child, cell) in self.running.extract_if(.., |(_, child, _)| *child != Child::Leadership) {
            match child {
                // it may be waiting for Kafka: it ends by itself, and a newer one shuts it out
                Child::Outbox(_) => self.outbox.stop(),
                _ => cell.kill(),
            }
        }
    }

    /// Lets the publisher end its transaction, but does not wait long for a broker that is away.
    async fn stop_publishing(&mut self) {
        if let Some((_, _, cell)) = self.running.iter().find(|(_, child, _)| matches!(child, Child::Outbox(_))) {
            let cell = cell.clone();
            self.outbox.stop();
            // what is not published now is published by the next
            let _ = cell.wait(Some(Duration::from_millis(1_500))).await;
        }
    }

    async fn restart(&mut self, child: Child, myself: &ActorRef<RootMessage>) -> Result<(), ActorProcessingErr> {
        match self.start(child, myself).await {
            Ok(()) => Ok(()),
            Err(error) => self.failed(child, &error.to_string(), myself),
        }
    }

    fn failed(&mut self, child: Child, cause: &str, myself: &ActorRef<RootMessage>) -> Result<(), ActorProcessingErr> {
        let row = policy::row(child.name());
        tracing::error!(child = child.name().as_str(), cause, "a child of the root failed");
        metrics::counter!(ACTOR_RESTARTS, "actor" => child.name().as_str()).increment(1);
        self.config.health.restarted(row.part, cause);
        if child == Child::Leadership {
            // Its epoch went with it: it takes a new one, and what writes is built anew under that.
            self.leadership = None;
            self.node.set_lease(None);
        }
        let at = self.histories.iter().position(|(name, _)| *name == child.name()).unwrap_or_else(|| {
            self.histories.push((child.name(), History::default()));
            self.histories.len() - 1
        });
        match self.histories[at].1.next(&row.policy, Instant::now()) {
            Verdict::RestartAfter(delay) => {
                drop(myself.send_after(tasks::jittered(delay), move || RootMessage::Restart(child)));
                Ok(())
            }
            Verdict::Escalate => {
                Err(format!("{} fails too often, the last time with: {cause}", child.name().as_str()).into())
            }
        }
    }
}
