//! Committed events on their way to Kafka and to those who watch, in the journal's order.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ractor::ActorRef;
use smallvec::SmallVec;
use tokio::sync::broadcast;

use super::events::EventType;
use super::record::TransactionId;

/// One event.
#[derive(Clone, Debug)]
pub struct LiveEvent {
    /// Its place in the journal: rises, with gaps.
    pub id: i64,
    /// Which event.
    pub event: EventType,
    /// Whose it is.
    pub tenant: Arc<str>,
    /// The transaction that it tells of.
    pub transaction: TransactionId,
    /// The transaction that this one undoes, if it undoes one.
    pub reverses: Option<TransactionId>,
    /// The accounts that it names.
    pub accounts: SmallVec<[Box<str>; 2]>,
    /// The message key: what it happened to, which keeps the order.
    pub key: Box<str>,
    /// The whole envelope as JSON text, as Kafka hears it.
    pub body: Arc<str>,
}

/// What comes out at once: every event in (from, to].
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where the one before it ended. A watcher that is not there yet has missed something, and reads it from the journal.
    pub from: i64,
    /// Up to here everything is visible.
    pub to: i64,
    /// In order.
    pub events: Arc<[LiveEvent]>,
}

/// What the feed's actor is told.
pub enum FeedMessage {
    /// Look at the journal.
    Look,
}

/// Batches of events that watchers may be behind before they are cut off; a batch has up to 1,000.
const BATCHES_MAX: usize = 256;

/// Where events come out, under one epoch; clones share it.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    sender: broadcast::Sender<Batch>,
    /// Up to here everything is visible.
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

/// Watches; dropped, it watches no more.
pub struct Subscription {
    feed: Feed,
    receiver: broadcast::Receiver<Batch>,
}

/// What comes out next.
pub enum Next {
    /// These.
    Batch(Batch),
    /// More has come than is kept.
    Behind,
    /// Nothing more under this epoch.
    Closed,
}

impl Feed {
    /// Begins to watch: what the journal gets from now on will come out.
    pub fn subscribe(&self) -> Subscription {
        let receiver = self.0.sender.subscribe();
        self.0.watchers.fetch_add(1, Ordering::AcqRel);
        self.wake();
        Subscription { feed: self.clone(), receiver }
    }

    /// There is something new, or somebody new. Costs next to nothing while nobody watches.
    pub fn wake(&self) {
        if self.watchers() > 0
            && !self.0.woken.swap(true, Ordering::AcqRel)
            && let Some(actor) = &*self.0.actor.lock().unwrap_or_else(PoisonError::into_inner)
        {
            let _ = actor.cast(FeedMessage::Look); // one that is being started looks by itself
        }
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.0.watchers.load(Ordering::Acquire)
    }

    /// Up to here everything can be read from the journal; what comes after it comes out to whoever subscribed before asking.
    pub fn position(&self) -> i64 {
        self.0.position.load(Ordering::Acquire)
    }

    /// The epoch is over: whoever watches hears that nothing more comes.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        let _ = self.0.sender.send(Batch { from: 0, to: 0, events: Arc::new([]) }); // nobody watching is fine
    }

    /// The actor: this is me.
    pub fn attach(&self, actor: ActorRef<FeedMessage>) {
        *self.0.actor.lock().unwrap_or_else(PoisonError::into_inner) = Some(actor);
    }

    /// The actor: called before the journal is looked at, so that what comes later wakes again.
    pub fn looking(&self) {
        self.0.woken.store(false, Ordering::Release);
    }

    /// The actor: hands a batch out. The position first: who subscribes after the batch finds it in the journal.
    pub fn send(&self, batch: Batch) {
        self.0.position.store(batch.to, Ordering::Release);
        let _ = self.0.sender.send(batch); // nobody watching is fine
    }
}

impl Subscription {
    /// Waits for what comes next.
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
