//! Compares balances with their postings while Florin serves, and sets one right.

use std::time::Duration;

use super::currencies::unwritten;
use super::{Ledger, read_failure};
use crate::protocol::record::TransactionId;
use crate::store::accounts;
use crate::store::audit::{self, Audited, Equation, Mismatch, Reconciled, ReconciledTransaction};
use crate::store::operators::Doing;
use crate::teller::failure::{Failure, Noun};

/// How long to wait for an account's records in flight.
const STILL_MAX: Duration = Duration::from_secs(5);
/// Accounts or transactions that one answer lists.
const WRONG_MAX: i64 = 1_000;

impl Ledger {
    /// Compares an account's balance with its postings.
    ///
    /// # Errors
    /// `NotFound`; what kept it from being read.
    pub async fn reconcile(&self, tenant: &str, name: &str) -> Result<Reconciled, Failure> {
        let _place = self.enter_read()?;
        found(name, audit::reconcile(&self.parts().pool, tenant, name).await.map_err(|error| read_failure(&error))?)
    }

    /// Compares all accounts, and returns at most 1,000 of those that disagree.
    ///
    /// # Errors
    /// What kept them from being read.
    pub async fn reconcile_all(&self, tenant: &str) -> Result<Audited<Reconciled>, Failure> {
        let _place = self.enter_read()?;
        audit::reconcile_all(&self.parts().pool, tenant, WRONG_MAX).await.map_err(|error| read_failure(&error))
    }

    /// Compares a transaction with itself and with its accounts.
    ///
    /// # Errors
    /// `NotFound`; what kept it from being read.
    pub async fn reconcile_transaction(
        &self,
        tenant: &str,
        id: TransactionId,
    ) -> Result<ReconciledTransaction, Failure> {
        let _place = self.enter_read()?;
        let found =
            audit::reconcile_transaction(&self.parts().pool, tenant, id).await.map_err(|error| read_failure(&error))?;
        found.ok_or_else(|| Failure::NotFound(Noun::Other, format!("Transaction not found: {}", id.0)))
    }

    /// Compares all transactions, and returns at most 1,000 of those with issues.
    ///
    /// # Errors
    /// What kept them from being read.
    pub async fn reconcile_transactions(&self, tenant: &str) -> Result<Audited<Mismatch>, Failure> {
        let _place = self.enter_read()?;
        audit::reconcile_transactions(&self.parts().pool, tenant, WRONG_MAX).await.map_err(|error| read_failure(&error))
    }

    /// Sets an account's balance to what its postings add up to, and returns what was found before. Meanwhile it takes
    /// no movements.
    ///
    /// # Errors
    /// `NotFound`; what kept it from being done.
    pub async fn rebuild(&self, name: &str, doing: &Doing<'_>) -> Result<Reconciled, Failure> {
        let tenant = doing.tenant;
        let active = self.active()?;
        let _place = self.enter()?;
        let pool = &self.parts().pool;
        let row = accounts::get(pool, tenant, name).await.map_err(|error| read_failure(&error))?;
        let Some(account) = row.map(|row| row.identity.id) else { return Err(missing(name)) };
        if !active.journal.is_quarantined(account)
            && let Ok(Some(now)) = audit::reconcile(pool, tenant, name).await
            && now.agrees()
        {
            return Ok(now);
        }
        // What was laid out from a wrong balance is folded first, and nothing more is laid out from it.
        let is_still = tokio::time::timeout(STILL_MAX, active.journal.suspend(account)).await;
        let rebuilt = match is_still {
            Ok(()) => audit::rebuild(pool, name, doing).await.map_err(|error| unwritten(&error)),
            Err(_) => Err(Failure::DatabaseAway),
        };
        for account in active.registry.find(&[account]) {
            account.cell.bury();
            account.actor.get_cell().kill(); // it is loaded anew
        }
        active.journal.resume(account);
        found(name, rebuilt?)
    }

    /// Sets every account right that disagrees, in rounds of at most 1,000, until none is left or a round mends none.
    /// Returns how many accounts there are, how many still disagree, and the first 1,000 of those.
    ///
    /// # Errors
    /// What kept them from being compared.
    pub async fn rebuild_all(&self, doing: &Doing<'_>) -> Result<Audited<String>, Failure> {
        loop {
            let found = self.reconcile_all(doing.tenant).await?;
            let (tried, mut failed) = (found.wrong.len(), Vec::new());
            for row in found.wrong {
                if self.rebuild(&row.name, doing).await.is_err() {
                    failed.push(row.name);
                }
            }
            let mended = i64::try_from(tried - failed.len()).unwrap_or(i64::MAX);
            let disagreeing = found.disagreeing - mended;
            if mended == 0 || disagreeing == i64::try_from(failed.len()).unwrap_or(i64::MAX) {
                return Ok(Audited { total: found.total, disagreeing, wrong: failed });
            }
        }
    }

    /// The sums of all balances, by currency.
    ///
    /// # Errors
    /// What kept them from being read.
    pub async fn equation(&self, tenant: &str) -> Result<Vec<Equation>, Failure> {
        let _place = self.enter_read()?;
        audit::equation(&self.parts().pool, tenant).await.map_err(|error| read_failure(&error))
    }
}

fn missing(name: &str) -> Failure {
    Failure::NotFound(Noun::Other, format!("Account not found: {name}"))
}

fn found(name: &str, row: Option<Reconciled>) -> Result<Reconciled, Failure> {
    row.ok_or_else(|| missing(name))
}
