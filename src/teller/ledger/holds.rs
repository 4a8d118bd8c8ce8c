//! Finds holds, and posts what takes from something that may be taken up already: a hold, or a payment that was given back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use super::command::exceeded;
use super::post::Tried;
use super::{Answer, Command, Ledger, read_failure};
use crate::protocol::admission::Permit;
use crate::protocol::record::TransactionId;
use crate::store::holds::{self, HoldRow};
use crate::teller::failure::Failure;

/// Holds that were authorized here a short while ago: their accounts and currency never change, so a capture need not read them.
#[derive(Default)]
pub struct RecentHolds(Mutex<HashMap<TransactionId, Arc<HoldRow>>>);

/// Holds that are remembered; when there are more, all are forgotten.
const RECENT_MAX: usize = 10_000;

impl RecentHolds {
    fn lock(&self) -> MutexGuard<'_, HashMap<TransactionId, Arc<HoldRow>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// A hold has just been authorized.
    pub fn remember_hold(&self, hold: HoldRow) {
        let mut recent = self.parts().memory.recent_holds.lock();
        if recent.len() >= RECENT_MAX {
            recent.clear();
        }
        recent.insert(TransactionId(hold.id), Arc::new(hold));
    }

    /// A hold has less left than was asked for: from now on what is left is read first, so that nobody makes the journal find it out again and again.
    pub fn forget_hold(&self, id: TransactionId) {
        self.parts().memory.recent_holds.lock().remove(&id);
    }

    /// A hold as it was authorized, if that was here and lately. What is left of it, it does not say.
    pub fn recent_hold(&self, tenant: &str, id: TransactionId) -> Option<Arc<HoldRow>> {
        self.parts().memory.recent_holds.lock().get(&id).filter(|hold| hold.tenant == tenant).cloned()
    }

    /// A hold of a tenant.
    ///
    /// # Errors
    /// `NotFound`; what kept it from being read.
    pub async fn hold(&self, tenant: &str, id: TransactionId) -> Result<HoldRow, Failure> {
        let _place = self.enter_read()?;
        let row = holds::get(&self.parts().pool, tenant, id).await.map_err(|error| read_failure(&error))?;
        row.ok_or_else(|| Failure::NotFound(format!("hold {} not found", id.0)))
    }

    /// Posts a command that takes its posting's amount out of what is left of something, in minor units as just read. What is taken meanwhile
    /// the database knows, and refuses the same.
    ///
    /// # Errors
    /// As [`Ledger::post`].
    pub async fn post_out_of(&self, command: &Command, left: i128, permit: Permit) -> Result<Answer, Failure> {
        let asked: i128 = command.postings.iter().map(|posting| posting.amount.minor_units()).sum();
        if asked <= left {
            return self.post(command, permit).await;
        }
        let (code, message) = exceeded(&command.action);
        match self.decline_unless_repeated(&self.active()?, command, code, message, permit).await {
            Tried::Answer(answer) => Ok(answer),
            Tried::Failed(failure) => Err(failure),
            Tried::Again => Err(Failure::Interrupted),
        }
    }
}
