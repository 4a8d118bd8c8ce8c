//! How many requests a client may make: a sliding window per client, over all nodes with Redis, per node without it.
//!
//! **With Redis.** No window of any position, by the clock of Redis and at the moment it counts, holds more than
//! `requests_max` granted requests, over all nodes. A request counts for at least a window and at most a window and a
//! bucket (1/60 of it) more; a refused one does not count. Checks of one client that meet are sent to Redis in one
//! call, and a node has one call in flight per client. When the limit is 200 or more, a node takes permits ahead: as
//! many as the recent rate uses in 200 ms, at most `requests_max / 100`, valid for the rest of their bucket, and given
//! back with its next call. So a client spread over n nodes may be refused up to `(n - 1) * (requests_max / 100)`
//! requests early, and for up to 50 ms longer than it must, since a node repeats a refusal that long. For one client a
//! node calls Redis about 5 times a second (60 with a window of one second, because permits end with their bucket), and
//! while a burst uses a full window up to 100 times more (199 times when the limit is below 200).
//!
//! **Without.** The first error, or a call longer than `call_timeout`, ends the use of Redis for all clients at once.
//! Requests that wait are decided by the window in memory, which knows what this node has allowed before. Each node
//! then allows up to `requests_max`. No check waits longer than `call_timeout`, and none at all until a probe finds
//! Redis answering again. What a node allowed meanwhile is added to Redis with the client's next call, in the bucket of
//! its time. What may have been added or granted in a call without an answer is counted twice rather than not at all,
//! and permits in hand are given up. A client that does not call again on that node is not added.
//!
//! **Not promised.** A Redis that restarts empty, or fails over to a replica that lags, has forgotten what counted:
//! clients begin anew there. A step forward of its clock ages what counts; a step back keeps it for one more window.
//!
//! Nothing depends on a caller's future: one that is dropped leaves its permit to the next.

mod circuit;
mod clients;
mod lease;
mod redis;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{Counter, Histogram};
use secrecy::SecretString;

use self::circuit::{Circuit, Timing};
use self::clients::{Client, Clients};
use self::lease::{Asked, Moment, Order, Rules};
use self::redis::{Answer, Server};
use self::window::{BUCKETS, Shape};
use crate::faults::Faults;
use crate::resilience::health::Health;
use crate::telemetry::metrics::{LIMITER_DECISIONS, LIMITER_REDIS};

/// The fault point at which tests make the task that calls Redis panic or hang.
const FAULT_CALL: &str = "limiter.call";
const REQUESTS_MAX: u64 = 1_000_000_000;
const WINDOW_MAX: Duration = Duration::from_secs(7 * 86_400);
const CLIENTS_MAX: usize = 10_000_000;

#[derive(Clone)]
pub struct RateLimitConfig {
    /// False: everything is allowed and nothing is counted.
    pub enabled: bool,
    /// Requests of one client in any window, 1 to 1,000,000,000.
    pub requests_max: u64,
    /// 1 ms to 7 days.
    pub window: Duration,
    /// `None`: the limit holds per node.
    pub redis_url: Option<SecretString>,
    /// CA certificates in PEM that a `rediss` server's must come from; `None`: the public authorities.
    pub redis_ca: Option<Vec<u8>>,
    /// The beginning of every key in Redis. Limits that are separate need different ones.
    pub key_prefix: String,
    /// The longest call to Redis, and so the longest that a check waits: 1 ms to 10 s.
    pub call_timeout: Duration,
    /// The pause before Redis is tried again, from 1 ms; it doubles with each failure.
    pub probe_delay_min: Duration,
    /// The longest pause.
    pub probe_delay_max: Duration,
    /// Clients that this node remembers, 1 to 10,000,000: about 0.5 kB each, 2 kB for one that is busy in every bucket.
    pub clients_max: usize,
    pub health: Health,
    pub faults: Faults,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            requests_max: 100,
            window: Duration::from_secs(60),
            redis_url: None,
            redis_ca: None,
            key_prefix: "florin:rate".into(),
            call_timeout: Duration::from_millis(25),
            probe_delay_min: Duration::from_millis(250),
            probe_delay_max: Duration::from_secs(5),
            clients_max: 100_000,
            health: Health::default(),
            faults: Faults::default(),
        }
    }
}

/// Why a limiter cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RateLimitError {
    #[error("{name} is {value}, allowed is {allowed}")]
    OutOfRange {
        /// The field of the configuration.
        name: &'static str,
        value: String,
        /// The range, in words.
        allowed: &'static str,
    },
    /// The URL cannot be used. It is not shown, since it may have a password; the text says what is wrong.
    #[error("the redis url cannot be used: {0}")]
    RedisUrl(String),
    /// Redis is configured, but there is no tokio runtime to call it on.
    #[error("a limiter with redis must be made inside a tokio runtime")]
    NoRuntime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed {
        /// How many more requests could go on now, as far as this node knows.
        remaining: u64,
    },
    Refused {
        /// When there will be space again, if no other request takes it.
        retry_after: Duration,
    },
}

/// Who decides.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Redis, for all nodes.
    Redis,
    /// This node for itself.
    Local {
        since: Instant,
        /// Why Redis is not used.
        reason: String,
    },
}

/// The limiter of one node; clones share it.
#[derive(Clone)]
pub struct RateLimiter {
    inner: Arc<Inner>,
}

struct Inner {
    enabled: bool,
    rules: Rules,
    started: Instant,
    clients: Clients,
    circuit: Arc<Circuit>,
    meters: Meters,
}

/// Kept, so that a check looks up no metric.
struct Meters {
    redis_allowed: Counter,
    redis_refused: Counter,
    local_allowed: Counter,
    local_refused: Counter,
    call_seconds: Histogram,
}

impl RateLimiter {
    /// Makes a limiter and begins to connect; never waits for Redis. The metrics recorder must be installed before.
    ///
    /// # Errors
    /// `OutOfRange` and `RedisUrl` for a wrong configuration, `NoRuntime` when called with Redis outside a runtime.
    pub fn new(config: RateLimitConfig) -> Result<Self, RateLimitError> {
        validate(&config)?;
        let server = match config.redis_url.filter(|_| config.enabled) {
            Some(url) => Some(Server::new(&url, config.redis_ca, config.key_prefix).map_err(RateLimitError::RedisUrl)?),
            None => None,
        };
        if server.is_some() && tokio::runtime::Handle::try_current().is_err() {
            return Err(RateLimitError::NoRuntime);
        }
        let RateLimitConfig { call_timeout, probe_delay_min, probe_delay_max, .. } = config;
        let timing = Timing { call_timeout, probe_delay_min, probe_delay_max };
        let shape = Shape::new(config.requests_max, config.window);
        Ok(Self {
            inner: Arc::new(Inner {
                enabled: config.enabled,
                rules: Rules::new(shape),
                started: Instant::now(),
                clients: Clients::new(config.clients_max, (BUCKETS + 2) * shape.width_us),
                circuit: Circuit::start(timing, server, config.health, config.faults),
                meters: Meters::new(),
            }),
        })
    }

    /// Decides one request of a client.
    pub async fn check(&self, client: &str) -> Decision {
        self.check_many(client, 1).await
    }

    /// Decides `n` requests of a client at once, all or none; 0 counts as 1. More than the limit are never allowed.
    pub async fn check_many(&self, client: &str, n: u64) -> Decision {
        let (inner, n) = (&self.inner, n.max(1));
        if !inner.enabled {
            return Decision::Allowed { remaining: inner.rules.shape.requests_max };
        }
        let at = inner.moment();
        let client = inner.clients.get(client, at.now_us);
        let asked = client.lock().ask(&inner.rules, at, n);
        let (reply, launch) = match asked {
            Asked::Now(decision) => return inner.meters.count(at.on_redis, decision),
            Asked::Wait { reply, launch } => (reply, launch),
        };
        if launch {
            spawn(
                Flight { inner: Arc::clone(inner), client: Arc::clone(&client), epoch: at.epoch, landed: false }.run(),
            );
        }
        match tokio::time::timeout(inner.circuit.timing.call_timeout, reply).await {
            Ok(Ok(decision)) => return inner.meters.count(true, decision),
            Ok(Err(_)) => {} // the circuit is open
            Err(_) => {
                inner.trip(at.epoch, &format!("a check waited {} ms", inner.circuit.timing.call_timeout.as_millis()))
            }
        }
        let now_us = inner.moment().now_us;
        let decision = client.lock().decide_alone(&inner.rules, now_us, n);
        inner.meters.count(false, decision)
    }

    pub fn mode(&self) -> Mode {
        self.inner.circuit.watch().borrow().mode.clone()
    }

    /// How many clients are remembered.
    pub fn clients(&self) -> usize {
        self.inner.clients.len()
    }
}

impl Inner {
    fn moment(&self) -> Moment {
        let (epoch, on_redis) = self.circuit.epoch();
        Moment { epoch, on_redis, now_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX) }
    }

    fn trip(&self, epoch: u64, reason: &str) {
        self.circuit.trip(epoch, reason);
    }

    /// One call to Redis. It ends early when the circuit opens for another reason.
    async fn call(&self, client: &str, order: &Order) -> Result<Answer, String> {
        let (circuit, mut phase) = (&self.circuit, self.circuit.watch());
        let (Some(server), Some(mut connection)) = (&circuit.server, circuit.connection(order.epoch)) else {
            return Err("the circuit is open".into());
        };
        let call = async {
            circuit.faults.pause(FAULT_CALL).await;
            server.call(&mut connection, client, &self.rules.shape, order).await
        };
        let started = Instant::now();
        let answer = tokio::select! {
            answer = tokio::time::timeout(circuit.timing.call_timeout, call) => {
                answer.unwrap_or_else(|_| Err(format!("redis: no answer within {} ms", circuit.timing.call_timeout.as_millis())))
            }
            _ = phase.wait_for(|phase| phase.epoch != order.epoch) => Err("the circuit is open".into()),
        };
        self.meters.call_seconds.record(started.elapsed());
        answer
    }
}

/// The task that calls Redis for one client until nobody waits. However it ends, nobody is left waiting.
struct Flight {
    inner: Arc<Inner>,
    client: Arc<Client>,
    epoch: u64,
    landed: bool,
}

impl Flight {
    async fn run(mut self) {
        loop {
            let at = self.inner.moment();
            self.epoch = at.epoch;
            let Some(order) = self.client.lock().order(&self.inner.rules, at) else { break };
            let answer = self.inner.call(&self.client.name, &order).await;
            if let Err(reason) = &answer {
                self.inner.trip(order.epoch, reason);
            }
            let at = self.inner.moment();
            let mut account = self.client.lock();
            if !answer.is_ok_and(|answer| account.settle(&self.inner.rules, at, &order, &answer)) {
                account.abandon();
                break;
            }
        }
        self.landed = true;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.landed {
            self.inner.trip(self.epoch, "the task that calls redis ended early");
            self.client.lock().abandon();
        }
    }
}

impl Meters {
    fn new() -> Self {
        let decisions = |mode: &'static str, decision: &'static str| metrics::counter!(LIMITER_DECISIONS, "mode" => mode, "decision" => decision);
        Self {
            redis_allowed: decisions("redis", "allowed"),
            redis_refused: decisions("redis", "refused"),
            local_allowed: decisions("local", "allowed"),
            local_refused: decisions("local", "refused"),
            call_seconds: metrics::histogram!(LIMITER_REDIS),
        }
    }

    fn count(&self, on_redis: bool, decision: Decision) -> Decision {
        let counter = match (on_redis, decision) {
            (true, Decision::Allowed { .. }) => &self.redis_allowed,
            (true, Decision::Refused { .. }) => &self.redis_refused,
            (false, Decision::Allowed { .. }) => &self.local_allowed,
            (false, Decision::Refused { .. }) => &self.local_refused,
        };
        counter.increment(1);
        decision
    }
}

fn validate(config: &RateLimitConfig) -> Result<(), RateLimitError> {
    let wrong = |name, value: String, allowed| Err(RateLimitError::OutOfRange { name, value, allowed });
    if !(1..=REQUESTS_MAX).contains(&config.requests_max) {
        return wrong("requests_max", config.requests_max.to_string(), "1 to 1000000000");
    }
    if config.window < Duration::from_millis(1) || config.window > WINDOW_MAX {
        return wrong("window", format!("{:?}", config.window), "1 ms to 7 days");
    }
    if !(1..=CLIENTS_MAX).contains(&config.clients_max) {
        return wrong("clients_max", config.clients_max.to_string(), "1 to 10000000");
    }
    if config.call_timeout < Duration::from_millis(1) || config.call_timeout > Duration::from_secs(10) {
        return wrong("call_timeout", format!("{:?}", config.call_timeout), "1 ms to 10 s");
    }
    if config.probe_delay_min < Duration::from_millis(1) || config.probe_delay_min > config.probe_delay_max {
        return wrong("probe_delay_min", format!("{:?}", config.probe_delay_min), "1 ms to probe_delay_max");
    }
    Ok(())
}

/// Starts a task of the limiter: a flight or a probe. Both end by themselves, and no caller joins them. Without a
/// runtime (it is being shut down) the task is dropped, which a flight turns into an answer.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if tokio::runtime::Handle::try_current().is_ok() {
        #[expect(
            clippy::disallowed_methods,
            reason = "a flight outlives the caller that launched it and guards its own end"
        )]
        drop(tokio::spawn(task));
    }
}
