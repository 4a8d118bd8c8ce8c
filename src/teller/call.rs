//! What every call carries beside its message, over whichever wire it came.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::ledger::{Deadline, Ledger};
use super::operator::operator;
use crate::protocol::admission::Attempt;
use crate::protocol::record::{Api, Maker, Operator};

/// A call ends this much before the transport would cut it: an answer says more than a cut.
const AHEAD: Duration = Duration::from_millis(5);

/// What a call carries beside its message.
#[derive(Clone, Debug)]
pub struct Call {
    pub tenant: Arc<str>,
    pub correlation: Option<String>,
    /// The name behind the caller's credentials, if any were required, and the caller's address.
    pub maker: Maker,
    /// The attempt under a key that it is; `None`: it has no key, or is none yet.
    pub attempt: Option<Arc<Attempt>>,
    began: Instant,
    /// How long the caller waits, counted from `began`; `None`: it did not say.
    patience: Option<Duration>,
}

impl Call {
    /// A call that begins now. `patience`: how long its caller waits; `None`: it did not say.
    pub fn new(tenant: Arc<str>, maker: Maker, correlation: Option<String>, patience: Option<Duration>) -> Self {
        Self { tenant, correlation, maker, attempt: None, began: Instant::now(), patience }
    }

    /// Runs a command of the native API as an attempt under its key: that it was not done is said of every attempt.
    ///
    /// # Errors
    /// Those of the command; see [`Ledger::certain`].
    pub async fn attempt<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        ledger: &Ledger,
        key: Option<&str>,
        work: impl FnOnce(Self) -> F,
    ) -> Result<T, Failure> {
        let attempt = ledger.attempt(Api::FlorinV1, &self.tenant, key);
        let done = Box::pin(work(Self { attempt: attempt.clone(), ..self.clone() })).await;
        ledger.certain(attempt.as_deref(), done).await
    }

    /// Its tenant, and who makes it.
    pub fn caller(&self) -> (&str, &Maker) {
        (&self.tenant, &self.maker)
    }

    /// The caller as the operator who makes a change, for this reason.
    ///
    /// # Errors
    /// `Invalid`: the reason is too long, or has a control character.
    pub fn operator(&self, reason: &str) -> Result<Operator, Failure> {
        Ok(Operator { address: self.maker.address.clone(), ..operator(self.maker.name.as_ref(), reason)? })
    }

    /// When a command that begins now ends. The caller's own patience counts from the beginning of the call.
    pub fn deadline(&self, ledger: &Ledger) -> Deadline {
        ledger.deadline(self.patience.map(|patience| patience.saturating_sub(self.began.elapsed() + AHEAD)))
    }
}
