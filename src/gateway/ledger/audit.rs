//! Compares balances with their postings while Florin serves, and sets one right.

use uuid::Uuid;

use super::currencies::unwritten;
use super::{Ledger, read_failure};
use crate::gateway::failure::Failure;
use crate::protocol::record::TransactionId;
use crate::store::accounts;
use crate::store::audit::{self, Equation, Reconciled, ReconciledTransaction};
use crate::store::operators::Doing;

/// Accounts that disagree, told of at once.
const WRONG_MAX: i64 = 1_000;

impl Ledger {
    /// An account's balance beside its postings.
    ///
    /// # Errors
    /// `NotFound`; what kept it from being read.
    pub async fn reconcile(&self, tenant: &str, name: &str) -> Result<Reconciled, Failure> {
        let _place = self.enter_read()?;
        found(name, audit::reconcile(&self.parts().pool, tenant, name).await.map_err(|error| read_failure(&error))?)
    }

    /// How many accounts there are, and those that disagree, up to 1,000.
    ///
    /// # Errors
    /// What kept them from being read.
    pub async fn reconcile_all(&self, tenant: &str) -> Result<(i64, Vec<Reconciled>), Failure> {
        let _place = self.enter_read()?;
        audit::reconcile_all(&self.parts().pool, tenant, WRONG_MAX).await.map_err(|error| read_failure(&error))
    }

    /// What is written of a transaction, compared with itself, and the accounts that it touches.
    ///
    /// # Errors
    /// `NotFound`; what kept it from being read.
    pub async fn reconcile_transaction(&self, tenant: &str, id: TransactionId) -> Result<ReconciledTransaction, Failure> {
        let _place = self.enter_read()?;
        let found = audit::reconcile_transaction(&self.parts().pool, tenant, id).await.map_err(|error| read_failure(&error))?;
        found.ok_or_else(|| Failure::NotFound(format!("Transaction not found: {}", id.0)))
    }

    /// How many transactions there are, and those that something is wrong with, up to 1,000.
    ///
    /// # Errors
    /// What kept them from being read.
    pub async fn reconcile_transactions(&self, tenant: &str) -> Result<(i64, Vec<(Uuid, Vec<String>)>), Failure> {
        let _place = self.enter_read()?;
        audit::reconcile_transactions(&self.parts().pool, tenant, WRONG_MAX).await.map_err(|error| read_failure(&error))
    }

    /// Sets an account's balance to what its postings come to; answers what was found before. Its actor hears of it at once.
    ///
    /// # Errors
    /// `NotFound`; what kept it from being done.
    pub async fn rebuild(&self, name: &str, doing: &Doing<'_>) -> Result<Reconciled, Failure> {
        let tenant = doing.tenant;
        let active = self.active()?;
        let _place = self.enter()?;
        let pool = &self.parts().pool;
        let before = found(name, audit::rebuild(pool, name, doing).await.map_err(|error| unwritten(&error))?)?;
        if !before.agrees()
            && let Some(account) = active.registry.get(tenant, name)
            && let Some(row) = accounts::get(pool, tenant, name).await.map_err(|error| read_failure(&error))?
        {
            account.cell.renew(&row.posted);
        }
        Ok(before)
    }

    /// What all accounts come to, by currency.
    ///
    /// # Errors
    /// What kept them from being read.
    pub async fn equation(&self, tenant: &str) -> Result<Vec<Equation>, Failure> {
        let _place = self.enter_read()?;
        audit::equation(&self.parts().pool, tenant).await.map_err(|error| read_failure(&error))
    }
}

fn found(name: &str, row: Option<Reconciled>) -> Result<Reconciled, Failure> {
    row.ok_or_else(|| Failure::NotFound(format!("Account not found: {name}")))
}
