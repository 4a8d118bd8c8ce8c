//! What every call carries beside what it asks for, whichever wire it came over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::ledger::{Deadline, Ledger};
use super::operator::operator;
use crate::protocol::record::{Maker, Operator};

/// A caller's deadline is told this much before the transport would cut the call: the answer says more than the cut.
const AHEAD: Duration = Duration::from_millis(5);

/// What a call carries beside its message.
#[derive(Clone, Debug)]
pub struct Call {
    /// Whose accounts and keys it is about.
    pub tenant: Arc<str>,
    /// What links it to its cause.
    pub correlation: Option<String>,
    /// Who calls, if they were asked, and from where.
    pub maker: Maker,
    began: Instant,
    /// How long the caller waits, from the beginning.
    patience: Option<Duration>,
}

impl Call {
    /// A call that begins now. `patience`: how long its caller waits, if it said so.
    pub fn new(tenant: Arc<str>, maker: Maker, correlation: Option<String>, patience: Option<Duration>) -> Self {
        Self { tenant, maker, correlation, began: Instant::now(), patience }
    }

    /// Who makes a change by this call, for this reason.
    ///
    /// # Errors
    /// `Invalid`: the reason is too long, or has a control character.
    pub fn operator(&self, reason: &str) -> Result<Operator, Failure> {
        Ok(Operator { address: self.maker.address.clone(), ..operator(self.maker.name.as_ref(), reason)? })
    }

    /// When a command that begins now ends; the caller's own deadline runs from the beginning of the call.
    pub fn deadline(&self, ledger: &Ledger) -> Deadline {
        ledger.deadline(self.patience.map(|patience| patience.saturating_sub(self.began.elapsed() + AHEAD)))
    }
}
