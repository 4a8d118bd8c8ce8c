//! The two ways to load a server.
//!
//! *Closed loop*: N workers, each with one payment in flight. It finds the peak; a server that stalls is asked less, so
//! its latencies are those of a client that waits its turn.
//!
//! *Open loop*: payments are due at a fixed rate, whatever the server does. A payment's latency runs from the moment it
//! was due, not from when the tool came to send it: when the server stalls, everything that was due meanwhile has
//! waited, and says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::mix::{Choice, Chooser};
use crate::outcome::Outcome;
use crate::record::{Figures, Recorder, Window};

/// A payment without an answer for so long counts as unanswered.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The most payments that the open loop has in flight; what is due beyond waits its turn, and its latency grows.
pub const OPEN_IN_FLIGHT_MAX: usize = 4_096;

/// Somebody who carries payments out, or asks for balances.
pub trait Payer: Send + Sync + 'static {
    /// Carries one out, with a new key. Must answer within [`PATIENCE`], or a little later.
    fn pay(&self, worker: usize, choice: Choice) -> impl Future<Output = Outcome> + Send;
}

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Before it is measured.
    pub warm_up: Duration,
    /// While it is measured.
    pub run: Duration,
}

/// Keeps `in_flight` payments in flight.
///
/// # Errors
/// When a worker panics.
pub async fn closed<P: Payer>(payer: Arc<P>, chooser: &Chooser, in_flight: usize, timing: Timing) -> Result<Figures> {
    let recorder = Arc::new(Recorder::new(Window::after(timing.warm_up, timing.run))?);
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for worker in 0..in_flight {
        let (payer, recorder, next, chooser) = (payer.clone(), recorder.clone(), next.clone(), chooser.clone());
        workers.spawn(async move {
            loop {
                let began = Instant::now();
                if began >= recorder.window().to {
                    break;
                }
                let n = next.fetch_add(1, Ordering::Relaxed);
                let outcome = payer.pay(worker, chooser.choose(n)).await;
                recorder.add(worker, began, outcome, 1);
                if matches!(outcome, Outcome::Transport | Outcome::Refused(_) | Outcome::Status(_)) {
                    // a server that is gone is not asked a million times a second
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
    join(workers).await?;
    recorder.figures()
}

/// Makes `per_s` payments due per second.
///
/// # Errors
/// When a worker panics.
pub async fn open<P: Payer>(payer: Arc<P>, chooser: &Chooser, per_s: f64, timing: Timing) -> Result<Figures> {
    let started = Instant::now();
    let recorder =
        Arc::new(Recorder::new(Window { from: started + timing.warm_up, to: started + timing.warm_up + timing.run })?);
    let give_up = recorder.window().to + PATIENCE;
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for worker in 0..OPEN_IN_FLIGHT_MAX {
        let (payer, recorder, next, chooser) = (payer.clone(), recorder.clone(), next.clone(), chooser.clone());
        workers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let due = started + Duration::from_secs_f64(n as f64 / per_s);
                if due >= recorder.window().to {
                    break;
                }
                tokio::time::sleep_until(due.into()).await;
                let outcome =
                    if Instant::now() < give_up { payer.pay(worker, chooser.choose(n)).await } else { Outcome::Unsent };
                recorder.add(worker, due, outcome, 1);
            }
        });
    }
    join(workers).await?;
    recorder.figures()
}

/// Waits for all workers.
///
/// # Errors
/// When one panicked.
pub async fn join(mut workers: JoinSet<()>) -> Result<()> {
    while let Some(ended) = workers.join_next().await {
        ended?;
    }
    Ok(())
}
