//! Finds holds, and posts what takes from something of which too little may be left: a hold, or a payment that is
//! refunded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use super::post::Tried;
use super::{Answer, Command, Ledger, read_failure};
use crate::protocol::admission::Permit;
use crate::protocol::record::TransactionId;
use crate::store::holds::{self, HoldRow};
use crate::teller::failure::Failure;

/// Holds that this node opened a short while ago. Their accounts and currency never change, so a capture need not read
/// them.
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
    /// Called when a hold was opened.
    pub fn remember_hold(&self, hold: HoldRow) {
        let mut recent = self.parts().memory.recent_holds.lock();
        if recent.len() >= RECENT_MAX {
            recent.clear();
        }
        recent.insert(TransactionId(hold.id), Arc::new(hold));
    }

    /// Called when a hold has less left than was requested: from now on what is left is read first, so that the journal
    /// need not find it out again and again.
    pub fn forget_hold(&self, id: TransactionId) {
        self.parts().memory.recent_holds.lock().remove(&id);
    }

    /// A hold as it was opened, if this node opened it lately. It does not say what is left.
    pub fn recent_hold(&self, tenant: &str, id: TransactionId) -> Option<Arc<HoldRow>> {
        self.parts().memory.recent_holds.lock().get(&id).filter(|hold| hold.tenant == tenant).cloned()
    }

    /// Reads a hold of a tenant.
    ///
    /// # Errors
    /// `NotFound`; what kept it from being read.
    pub async fn hold(&self, tenant: &str, id: TransactionId) -> Result<HoldRow, Failure> {
        let _place = self.enter_read()?;
        let row = holds::get(&self.parts().pool, tenant, id).await.map_err(|error| read_failure(&error))?;
        row.ok_or_else(|| Failure::no_hold(&id.0.to_string()))
    }

    /// Posts a command that takes its postings' amount out of `left`, in minor units as just read. If something is
    /// taken meanwhile, the database refuses it in the same way.
    ///
    /// # Errors
    /// As [`Ledger::post`].
    pub async fn post_out_of(&self, command: &Command, left: i128, permit: Permit) -> Result<Answer, Failure> {
        let asked: i128 = command.postings.iter().map(|posting| posting.amount.minor_units()).sum();
        if asked <= left {
            return self.post(command, permit).await;
        }
        command.permitted()?;
        let (code, message) = command.movement.exceeded();
        match self.decline_unless_repeated(&self.active()?, command, code, message, permit).await {
            Tried::Answer(answer) => Ok(answer),
            Tried::Failed(failure) => Err(failure),
            Tried::Again => Err(Failure::Interrupted),
        }
    }
}
