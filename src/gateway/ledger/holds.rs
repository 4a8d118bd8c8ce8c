//! Finds holds, and posts what takes from something that may be taken up already: a hold, or a payment that was given back.

use super::post::{Tried, exceeded};
use super::{Answer, Command, Ledger, read_failure};
use crate::gateway::failure::Failure;
use crate::protocol::admission::Permit;
use crate::protocol::record::TransactionId;
use crate::store::holds::{self, HoldRow};

impl Ledger {
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
        let (code, message) = exceeded(command.action);
        match self.decline_unless_repeated(&self.active()?, command, code, message, permit).await {
            Tried::Answer(answer) => Ok(answer),
            Tried::Failed(failure) => Err(failure),
            Tried::Again => Err(Failure::Interrupted),
        }
    }
}
