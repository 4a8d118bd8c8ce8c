//! Committed events on their way to live streams, in the journal's order.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ractor::ActorRef;
use smallvec::SmallVec;
use tokio::sync::broadcast;

use super::events::EventType;
use super::record::TransactionId;

/// An event as it is published.
#[derive(Clone, Debug)]
pub struct LiveEvent {
    /// Its place in the journal: rises, with gaps.
    pub id: i64,
    pub event: EventType,
    pub tenant: Arc<str>,
    /// The transaction that it is about; a nil UUID for an account's opening, which has none.
    pub transaction: TransactionId,
    /// The transaction that this one reverses, if it is a reversal.
    pub reverses: Option<TransactionId>,
    /// Ids of the accounts that it names, as callers use them, each once.
    pub accounts: SmallVec<[Box<str>; 2]>,
    /// The message key: events with the same key keep their order.
    pub key: Box<str>,
    /// The whole envelope as JSON text, as Kafka gets it.
    pub body: Arc<str>,
    /// What the topic of the orders contract gets beside it; most events have none.
    pub copies: Vec<Box<str>>,
    /// Whether live streams had it before, at its first place: only Kafka had not.
    pub is_repeat: bool,
}

/// What is sent at once: every event after `from`, up to and including `to`.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where the batch before it ended. A watcher that is not there yet has missed something, and reads it from the
    /// journal.
    pub from: i64,
    /// Up to this place every row of the journal is visible.
    pub to: i64,
    /// In order of their places.
    pub events: Arc<[LiveEvent]>,
}

pub enum FeedMessage {
    /// Look whether the journal has new rows.
    Look,
}

/// Batches that a watcher may be behind before it is cut off; a batch has up to 1,000 events.
const BATCHES_MAX: usize = 256;

/// Where live events come out during one epoch; clones share it.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    sender: broadcast::Sender<Batch>,
    /// Up to this place every row of the journal is visible.
    position: AtomicI64,
    watchers: AtomicUsize,
    woken: AtomicBool,
    closed: AtomicBool,
    actor: Mutex<Option<ActorRef<FeedMessage>>>,
}

impl Default for Feed {
    fn default() -> Self {
        let inner = Inner {
            sender: broadcast::Sender::new(BATCHES_MAX),
            position: AtomicI64::new(0),
            watchers: AtomicUsize::new(0),
            woken: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            actor: Mutex::default(),
        };
        Self(Arc::new(inner))
    }
}

/// A watcher's place in the feed; dropped, it watches no more.
pub struct Subscription {
    feed: Feed,
    receiver: broadcast::Receiver<Batch>,
}

/// What a subscription gets next.
pub enum Next {
    Batch(Batch),
    /// More has come than is kept: the watcher must go on from the journal.
    Behind,
    /// The epoch is over: nothing more comes.
    Closed,
}

impl Feed {
    /// Begins to watch: all that the journal gets from now on will come out.
    pub fn subscribe(&self) -> Subscription {
        let receiver = self.0.sender.subscribe();
        self.0.watchers.fetch_add(1, Ordering::AcqRel);
        self.wake();
        Subscription { feed: self.clone(), receiver }
    }

    /// Something new was written. Costs next to nothing while nobody watches.
    pub fn wake(&self) {
        if self.watchers() > 0
            && !self.0.woken.swap(true, Ordering::AcqRel)
            && let Some(actor) = &*self.0.actor.lock().unwrap_or_else(PoisonError::into_inner)
        {
            let _ = actor.cast(FeedMessage::Look); // one that is being started looks by itself
        }
    }

    pub fn watchers(&self) -> usize {
        self.0.watchers.load(Ordering::Acquire)
    }

    /// Up to this place everything can be read from the journal. What comes after it comes out of subscriptions made
    /// before this call.
    pub fn position(&self) -> i64 {
        self.0.position.load(Ordering::Acquire)
    }

    /// The epoch is over: every watcher is told that nothing more comes.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        let _ = self.0.sender.send(Batch { from: 0, to: 0, events: Arc::new([]) }); // nobody watching is fine
    }

    /// Called by the actor when it starts: it is the one to wake.
    pub fn attach(&self, actor: ActorRef<FeedMessage>) {
        *self.0.actor.lock().unwrap_or_else(PoisonError::into_inner) = Some(actor);
    }

    /// Called by the actor before it looks at the journal, so that what is written after that wakes it again.
    pub fn looking(&self) {
        self.0.woken.store(false, Ordering::Release);
    }

    /// Called by the actor to send a batch. The position is stored first: who subscribes after the batch finds it in
    /// the journal.
    pub fn send(&self, batch: Batch) {
        self.0.position.store(batch.to, Ordering::Release);
        let _ = self.0.sender.send(batch); // nobody watching is fine
    }
}

impl Subscription {
    pub async fn next(&mut self) -> Next {
        match self.receiver.recv().await {
            Ok(_) | Err(_) if self.feed.0.closed.load(Ordering::Acquire) => Next::Closed,
            Ok(batch) => Next::Batch(batch),
            Err(broadcast::error::RecvError::Lagged(_)) => Next::Behind,
            Err(broadcast::error::RecvError::Closed) => Next::Closed,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.feed.0.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}
