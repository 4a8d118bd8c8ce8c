//! How every part of the node is, and how the node is as a whole.
//!
//! Parts report; the gateway and the metrics endpoint read. The one rule here is the degradation table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

/// The parts that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// PostgreSQL, as the journal and the lease see it.
    Database,
    /// Whether this process has the lease.
    Leadership,
    Journal,
    /// The directory of account actors.
    Accounts,
    /// The publisher, and so Kafka.
    Outbox,
    /// The billing of orders from Kafka.
    Orders,
    /// The registration of customers from Kafka.
    Users,
    /// The billing of shops from Kafka.
    Bills,
    /// The mails that Kafka asks for.
    Notices,
    /// The mail server.
    Mail,
    /// Redis, as the rate limit sees it.
    Limiter,
    /// Exports to a folder or to S3.
    Exports,
    /// The listeners.
    Gateway,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "condition", content = "reason", rename_all = "snake_case")]
pub enum Condition {
    Up,
    /// It works, but not fully: the text says why.
    Degraded(String),
    /// It does not work: the text says why.
    Down(String),
}

/// How the node is as a whole: the first line of the degradation table that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// Everything works.
    Serving,
    /// Payments go on; something else waits.
    Degraded,
    /// Payments are answered UNAVAILABLE.
    NotServing,
}

/// The board on which parts report; clones share it.
#[derive(Clone)]
pub struct Health(Arc<Board>);

struct Board {
    parts: Mutex<BTreeMap<Part, PartHealth>>,
    overall: watch::Sender<Overall>,
}

/// How one part is.
#[derive(Clone, Debug, Serialize)]
pub struct PartHealth {
    #[serde(flatten)]
    pub condition: Condition,
    pub restarts: u64,
    /// Why it was restarted last; `None`: it never was.
    pub last_cause: Option<String>,
}

impl Default for Health {
    fn default() -> Self {
        let down =
            |reason: &str| PartHealth { condition: Condition::Down(reason.into()), restarts: 0, last_cause: None };
        let parts = [Part::Database, Part::Leadership, Part::Journal].map(|part| (part, down("starting")));
        Self(Arc::new(Board { parts: Mutex::new(parts.into()), overall: watch::Sender::new(Overall::NotServing) }))
    }
}

impl Health {
    /// Called by a part when it knows how it is; returns whether that has changed.
    pub fn report(&self, part: Part, condition: Condition) -> bool {
        self.change(part, |line| {
            let news = line.condition != condition;
            line.condition = condition;
            news
        })
    }

    /// Called when a part was restarted.
    pub fn restarted(&self, part: Part, cause: &str) {
        self.change(part, |line| {
            line.restarts += 1;
            line.last_cause = Some(cause.into());
        });
    }

    /// The parts that nothing is served without, and all others that have reported.
    pub fn parts(&self) -> BTreeMap<Part, PartHealth> {
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How one part is; one that never reported is up.
    pub fn condition(&self, part: Part) -> Condition {
        self.0
            .parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&part)
            .map_or(Condition::Up, |line| line.condition.clone())
    }

    pub fn overall(&self) -> Overall {
        *self.0.overall.borrow()
    }

    /// Follows how the node is as a whole.
    pub fn watch(&self) -> watch::Receiver<Overall> {
        self.0.overall.subscribe()
    }

    fn change<T>(&self, part: Part, change: impl FnOnce(&mut PartHealth) -> T) -> T {
        let mut parts = self.0.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let line = parts.entry(part).or_insert(PartHealth { condition: Condition::Up, restarts: 0, last_cause: None });
        let answer = change(line);
        let overall = overall(&parts);
        self.0.overall.send_if_modified(|now| std::mem::replace(now, overall) != overall);
        answer
    }
}

/// The degradation table: without the database, the lease, the journal or the accounts nothing is served; anything else
/// only degrades.
fn overall(parts: &BTreeMap<Part, PartHealth>) -> Overall {
    let down = |part: &Part| parts.get(part).is_some_and(|line| matches!(line.condition, Condition::Down(_)));
    if [Part::Database, Part::Leadership, Part::Journal, Part::Accounts].iter().any(down) {
        Overall::NotServing
    } else if parts.values().any(|line| line.condition != Condition::Up) {
        Overall::Degraded
    } else {
        Overall::Serving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_down_stops_the_whole_only_if_money_needs_it() {
        let health = Health::default();
        assert_eq!(health.overall(), Overall::NotServing);
        for part in [Part::Database, Part::Leadership, Part::Journal] {
            health.report(part, Condition::Up);
        }
        assert_eq!(health.overall(), Overall::Serving);
        health.report(Part::Outbox, Condition::Down("no broker".into()));
        assert_eq!(health.overall(), Overall::Degraded);
        health.report(Part::Database, Condition::Down("gone".into()));
        assert_eq!(health.overall(), Overall::NotServing);
    }
}
