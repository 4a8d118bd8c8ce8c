//! What every call carries beside its message, over whichever wire it came.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::ledger::{Deadline, Ledger};
use super::operator::operator;
use crate::protocol::record::{Maker, Operator};

/// A call ends this much before the transport would cut it: an answer says more than a cut.
const AHEAD: Duration = Duration::from_millis(5);

/// What a call carries beside its message.
#[derive(Clone, Debug)]
pub struct Call {
    pub tenant: Arc<str>,
    pub correlation: Option<String>,
    /// The name behind the caller's credentials, if any were required, and the caller's address.
    pub maker: Maker,
    began: Instant,
    /// How long the caller waits, counted from `began`; `None`: it did not say.
    patience: Option<Duration>,
}

impl Call {
    /// A call that begins now. `patience`: how long its caller waits; `None`: it did not say.
    pub fn new(tenant: Arc<str>, maker: Maker, correlation: Option<String>, patience: Option<Duration>) -> Self {
        Self { tenant, maker, correlation, began: Instant::now(), patience }
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
