//! Whether Redis is used. The first error or slow call ends its use, at once and for all clients; one probe at a time
//! finds out when it is back.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use futures::FutureExt;
use metrics::Gauge;
use tokio::sync::watch;

use super::redis::Server;
use super::{Mode, spawn};
use crate::faults::Faults;
use crate::resilience::health::{Condition, Health, Part};
use crate::telemetry::metrics::REDIS_CONNECTIONS;

/// How long a probe may take to connect, and to load the script.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The reason for deciding locally until the first attempt has ended.
const STARTING: &str = "connecting to redis";

/// How long calls and pauses may be.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The longest call, and the longest wait of a check.
    pub call_timeout: Duration,
    /// The pause before the first probe; it doubles with each failure.
    pub probe_delay_min: Duration,
    /// The longest pause.
    pub probe_delay_max: Duration,
}

/// The mode, and the epoch that it began. Odd epochs are local, even ones use Redis.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Grows by one with every change.
    pub epoch: u64,
    pub mode: Mode,
}

/// The circuit is open while Redis is not used. Without a server it stays open.
pub struct Circuit {
    pub timing: Timing,
    pub server: Option<Server>,
    pub faults: Faults,
    health: Health,
    connections: Gauge,
    /// The epoch of `phase`, for every check to read.
    epoch: AtomicU64,
    phase: watch::Sender<Phase>,
    link: Mutex<Link>,
}

struct Link {
    connection: Option<MultiplexedConnection>,
    since: Instant,
    delay: Duration,
}

impl Circuit {
    /// Begins with the circuit open; with a server it also begins to connect.
    pub fn start(timing: Timing, server: Option<Server>, health: Health, faults: Faults) -> Arc<Self> {
        let configured = server.is_some();
        let reason = if configured { STARTING } else { "no redis is configured" };
        let mode = Mode::Local { since: Instant::now(), reason: reason.into() };
        health.report(Part::Limiter, if configured { Condition::Degraded(reason.into()) } else { Condition::Up });
        let circuit = Arc::new(Self {
            timing,
            server,
            faults,
            health,
            connections: metrics::gauge!(REDIS_CONNECTIONS),
            epoch: AtomicU64::new(1),
            phase: watch::Sender::new(Phase { epoch: 1, mode }),
            link: Mutex::new(Link { connection: None, since: Instant::now(), delay: timing.probe_delay_min }),
        });
        circuit.connections.set(0.0);
        if configured {
            spawn(probe(Arc::downgrade(&circuit), Duration::ZERO));
        }
        circuit
    }

    /// The epoch, and whether Redis is used in it.
    pub fn epoch(&self) -> (u64, bool) {
        let epoch = self.epoch.load(Ordering::Acquire);
        (epoch, epoch.is_multiple_of(2))
    }

    /// Follows changes of the mode.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// The connection of an epoch; `None`: that epoch is over.
    pub fn connection(&self, epoch: u64) -> Option<MultiplexedConnection> {
        let link = self.lock();
        if self.epoch().0 == epoch { link.connection.clone() } else { None }
    }

    /// Ends an epoch that used Redis: from here on every check is decided locally. A second call for the same epoch
    /// changes nothing.
    pub fn trip(self: &Arc<Self>, epoch: u64, reason: &str) {
        let mut link = self.lock();
        let (now, on_redis) = self.epoch();
        if now != epoch || !on_redis {
            return;
        }
        // A Redis that fails right after each probe is probed ever more rarely.
        let lasted = link.since.elapsed();
        let delay = if lasted > self.timing.probe_delay_max { self.timing.probe_delay_min } else { link.delay };
        link.delay = delay.saturating_mul(2).min(self.timing.probe_delay_max);
        link.connection = None;
        self.enter(&mut link, epoch + 1, Mode::Local { since: Instant::now(), reason: reason.into() });
        drop(link);
        spawn(probe(Arc::downgrade(self), delay));
    }

    fn close(&self, connection: MultiplexedConnection) {
        let mut link = self.lock();
        link.connection = Some(connection);
        self.enter(&mut link, self.epoch().0 + 1, Mode::Redis);
    }

    /// An attempt failed. Only the first after the start is reported: later ones follow a change that was reported
    /// already.
    fn explain(&self, reason: &str) {
        let link = self.lock();
        let starting = matches!(&self.phase.borrow().mode, Mode::Local { reason, .. } if reason == STARTING);
        if starting {
            self.phase.send_modify(|phase| phase.mode = Mode::Local { since: link.since, reason: reason.into() });
            self.health.report(Part::Limiter, Condition::Degraded(reason.into()));
            tracing::warn!(reason, "redis is away: requests are limited per node");
        }
    }

    fn enter(&self, link: &mut MutexGuard<'_, Link>, epoch: u64, mode: Mode) {
        link.since = Instant::now();
        match &mode {
            Mode::Redis => {
                self.connections.set(1.0);
                self.health.report(Part::Limiter, Condition::Up);
                tracing::info!("redis is there: requests are limited over all nodes");
            }
            Mode::Local { reason, .. } => {
                self.connections.set(0.0);
                self.health.report(Part::Limiter, Condition::Degraded(reason.clone()));
                tracing::warn!(reason, "redis is away: requests are limited per node");
            }
        }
        self.epoch.store(epoch, Ordering::Release);
        self.phase.send_replace(Phase { epoch, mode });
    }

    async fn attempt(&self) -> Result<MultiplexedConnection, String> {
        self.faults.pause("limiter.probe").await;
        match &self.server {
            Some(server) => server.connect(CONNECT_TIMEOUT, self.timing.call_timeout).await,
            None => Err("no redis is configured".into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries until Redis answers, or the limiter is gone. A panic on the way counts as a failure.
async fn probe(circuit: Weak<Circuit>, first: Duration) {
    let mut delay = first;
    loop {
        tokio::time::sleep(delay).await;
        let Some(circuit) = circuit.upgrade() else { return };
        match AssertUnwindSafe(circuit.attempt()).catch_unwind().await {
            Ok(Ok(connection)) => return circuit.close(connection),
            Ok(Err(reason)) => circuit.explain(&reason),
            Err(_) => circuit.explain("the probe panicked"),
        }
        delay = delay.max(circuit.timing.probe_delay_min / 2).saturating_mul(2).min(circuit.timing.probe_delay_max);
    }
}
