//! What a node knows of one client: permits taken ahead, requests that wait, and the window that decides when Redis
//! does not.
//!
//! Knows neither Redis nor the clock: the moment is an argument, and answers go into the channels of those who wait.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Decision;
use super::redis::Answer;
use super::window::{BUCKETS, Shape, Window};

/// A block of permits is what the recent rate uses in this time.
const BLOCK_US: u64 = 200_000;
/// A refusal by Redis is repeated without asking for this long, or until the window has space again, if that is sooner.
const REFUSAL_US: u64 = 50_000;
/// With so many checks of one client waiting, further ones are refused.
const WAITERS_MAX: usize = 65_536;

/// The limit, and the largest block.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub shape: Shape,
    /// The most permits taken ahead: a hundredth of the limit. It is 1, so none is taken ahead, if the limit is below
    /// 200.
    pub block_max: u64,
}

impl Rules {
    /// Derives the largest block from the limit.
    pub fn new(shape: Shape) -> Self {
        Self { shape, block_max: (shape.requests_max / 100).max(1) }
    }
}

/// When something happens.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The circuit's; grows with every change of mode.
    pub epoch: u64,
    /// Whether Redis is used in this epoch.
    pub on_redis: bool,
    /// Microseconds on this node's clock.
    pub now_us: u64,
}

/// The outcome of asking.
pub enum Asked {
    /// Decided by what this node knows.
    Now(Decision),
    /// Redis must be asked; `launch`: no task is asking it yet.
    Wait { reply: oneshot::Receiver<Decision>, launch: bool },
}

/// One call of the script.
#[derive(Debug)]
pub struct Order {
    /// The circuit's epoch in which it is made.
    pub epoch: u64,
    /// Permits requested.
    pub want: u64,
    /// Permits that were not used: their bucket in Redis, and how many.
    pub back: Option<(u64, u64)>,
    /// What was decided without Redis: the age in microseconds, and how many.
    pub reports: Vec<(u64, u64)>,
    /// So many waiters, from the first, are part of this call.
    waiters: usize,
    sent_us: u64,
}

/// The state of one client.
#[derive(Default)]
pub struct Account {
    window: Window,
    lease: Lease,
    refusal: Option<Refusal>,
    queue: VecDeque<Waiter>,
    /// Whether a task is asking Redis for this client.
    flying: bool,
    seen_us: u64,
    /// Requests since the last order, which was at `ordered_us`: the recent rate.
    demand: u64,
    ordered_us: u64,
    block: u64,
}

/// Permits that Redis has granted and counted, valid in one bucket and one epoch.
#[derive(Default)]
struct Lease {
    epoch: u64,
    left: u64,
    until_us: u64,
    bucket: u64,
    /// What Redis had left beyond these.
    beyond: u64,
}

struct Refusal {
    epoch: u64,
    n: u64,
    until_us: u64,
    room_us: u64,
}

struct Waiter {
    n: u64,
    reply: oneshot::Sender<Decision>,
}

impl Account {
    /// Decides `n` requests, all or none, or lets them wait.
    pub fn ask(&mut self, rules: &Rules, at: Moment, n: u64) -> Asked {
        self.seen_us = at.now_us;
        if !at.on_redis {
            return Asked::Now(self.decide_alone(rules, at.now_us, n));
        }
        if let Some(decision) = self.decide_ahead(rules, at, n) {
            return Asked::Now(decision);
        }
        if n > rules.shape.requests_max {
            return Asked::Now(Decision::Refused {
                retry_after: Duration::from_micros(rules.shape.width_us * BUCKETS),
            });
        }
        if self.queue.len() >= WAITERS_MAX {
            return Asked::Now(Decision::Refused { retry_after: Duration::from_micros(REFUSAL_US) });
        }
        let (sender, reply) = oneshot::channel();
        self.demand = self.demand.saturating_add(n);
        self.queue.push_back(Waiter { n, reply: sender });
        Asked::Wait { reply, launch: !std::mem::replace(&mut self.flying, true) }
    }

    /// Decides by what this node knows. Redis is told when it is back.
    pub fn decide_alone(&mut self, rules: &Rules, now_us: u64, n: u64) -> Decision {
        match self.window.admit(&rules.shape, now_us, n) {
            Ok(remaining) => Decision::Allowed { remaining },
            Err(wait_us) => Decision::Refused { retry_after: Duration::from_micros(wait_us) },
        }
    }

    /// The next call to make, for all that wait by now; `None` ends the flight.
    pub fn order(&mut self, rules: &Rules, at: Moment) -> Option<Order> {
        self.queue.retain(|waiter| !waiter.reply.is_closed());
        if self.queue.is_empty() || !at.on_redis {
            self.abandon();
            return None;
        }
        let elapsed_us = at.now_us.saturating_sub(self.ordered_us).max(1);
        let used_in_block = self.demand.saturating_mul(BLOCK_US) / elapsed_us;
        // At most twice the last one: a short burst says little about the rate.
        self.block = used_in_block.min(self.block.saturating_mul(2)).clamp(1, rules.block_max);
        (self.demand, self.ordered_us) = (0, at.now_us);
        let unused = std::mem::take(&mut self.lease);
        Some(Order {
            epoch: at.epoch,
            want: self.queue.iter().map(|waiter| waiter.n).fold(0, u64::saturating_add).max(self.block),
            back: (unused.epoch == at.epoch && unused.left > 0).then_some((unused.bucket, unused.left)),
            reports: self.window.unreported(&rules.shape, at.now_us),
            waiters: self.queue.len(),
            sent_us: at.now_us,
        })
    }

    /// Takes in the answer of Redis and answers those who wait, in the order of arrival. False: the circuit changed
    /// meanwhile.
    pub fn settle(&mut self, rules: &Rules, at: Moment, order: &Order, answer: &Answer) -> bool {
        if at.epoch != order.epoch {
            return false;
        }
        self.window.mark_reported();
        // The script ran after the call was sent, so the bucket ends no sooner than this.
        let until_us = order.sent_us.saturating_add(answer.bucket_left_us);
        self.lease =
            Lease { epoch: at.epoch, left: answer.granted, until_us, bucket: answer.bucket, beyond: answer.remaining };
        for waiter in self.queue.drain(..order.waiters.min(self.queue.len())).collect::<Vec<_>>() {
            if waiter.reply.is_closed() {
                continue; // its permit stays in the lease
            }
            let decision = if waiter.n <= self.lease.left {
                self.spend(rules, at.now_us, waiter.n)
            } else {
                self.refuse(rules, at, waiter.n, answer.room_us)
            };
            let _ = waiter.reply.send(decision); // gone in this very moment: it counts
        }
        for waiter in std::mem::take(&mut self.queue) {
            match self.decide_ahead(rules, at, waiter.n) {
                Some(decision) => drop(waiter.reply.send(decision)),
                None => self.queue.push_back(waiter),
            }
        }
        true
    }

    /// Ends the flight. Those who still wait learn that there is no answer, and are decided locally.
    pub fn abandon(&mut self) {
        self.flying = false;
        self.queue.clear();
    }

    /// Whether Redis is being asked for this client.
    pub fn is_flying(&self) -> bool {
        self.flying
    }

    /// Whether nothing of it counts any more.
    pub fn is_idle(&self, now_us: u64, idle_us: u64) -> bool {
        !self.flying && now_us.saturating_sub(self.seen_us) > idle_us
    }

    /// Decides by what Redis granted or refused a moment ago, if that covers it.
    fn decide_ahead(&mut self, rules: &Rules, at: Moment, n: u64) -> Option<Decision> {
        if self.lease.epoch == at.epoch && at.now_us < self.lease.until_us && n <= self.lease.left {
            self.demand = self.demand.saturating_add(n);
            return Some(self.spend(rules, at.now_us, n));
        }
        let refusal = self
            .refusal
            .as_ref()
            .filter(|refusal| refusal.epoch == at.epoch && n >= refusal.n && at.now_us < refusal.until_us)?;
        Some(Decision::Refused { retry_after: Duration::from_micros(refusal.room_us.saturating_sub(at.now_us)) })
    }

    fn spend(&mut self, rules: &Rules, now_us: u64, n: u64) -> Decision {
        self.lease.left -= n;
        self.window.note(&rules.shape, now_us, n);
        Decision::Allowed { remaining: self.lease.beyond + self.lease.left }
    }

    fn refuse(&mut self, rules: &Rules, at: Moment, n: u64, room_us: u64) -> Decision {
        let room_us = if room_us == 0 { rules.shape.width_us } else { room_us };
        let n = self
            .refusal
            .as_ref()
            .filter(|known| known.epoch == at.epoch && at.now_us < known.until_us)
            .map_or(n, |known| known.n.min(n));
        let until_us = at.now_us.saturating_add(room_us.min(REFUSAL_US));
        self.refusal = Some(Refusal { epoch: at.epoch, n, until_us, room_us: at.now_us.saturating_add(room_us) });
        Decision::Refused { retry_after: Duration::from_micros(room_us) }
    }
}
