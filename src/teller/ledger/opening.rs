//! Opens accounts, by a record of the journal.

use super::{Ledger, abort, read_failure};
use crate::money::Currency;
use crate::protocol::record::{AccountRow as NewRow, Maker, Record};
use crate::protocol::slip::{Abort, Outcome};
use crate::store::StoreError;
use crate::store::accounts::{self, AccountRow, NewAccount};
use crate::teller::failure::Failure;

impl Ledger {
    /// Opens an account, or returns the one of that id. Its event is published once, whoever opened it.
    ///
    /// # Errors
    /// The outer error: what kept it from being tried, or from being known; `FailedPrecondition` when its currency is
    /// not active. The inner error: any other failure of the statements.
    pub async fn open(
        &self,
        new: &NewAccount,
        currency: Currency,
        correlation: Option<&str>,
        maker: Maker,
    ) -> Result<Result<AccountRow, StoreError>, Failure> {
        let active = self.active()?;
        match accounts::get(&self.parts().pool, &new.tenant, &new.name).await {
            Ok(None) => {}
            Ok(Some(row)) => return Ok(Ok(row)),
            Err(error) => return Ok(Err(error)),
        }
        let (permit, deadline) = (self.enter()?, self.deadline(None));
        let opening = Record::opening(&new.tenant, row(new), currency, deadline.at);
        let record = Record { maker, correlation: correlation.map(str::to_owned), ..opening };
        match self.submit(&active, record, permit, deadline).await? {
            Outcome::Done { .. } | Outcome::Replayed { .. } | Outcome::Aborted(Abort::AccountExists) => {}
            Outcome::Aborted(Abort::CurrencyInactive) => {
                return Err(Failure::FailedPrecondition(format!(
                    "currency {} is not in use: no account can be opened in it",
                    new.currency
                )));
            }
            Outcome::Aborted(why) => return Err(abort(why)),
            Outcome::KeyReused | Outcome::KeyRetired | Outcome::Refused { .. } | Outcome::Unknown => {
                return Err(Failure::Unknown);
            }
        }
        let row =
            accounts::get(&self.parts().pool, &new.tenant, &new.name).await.map_err(|error| read_failure(&error))?;
        row.map(Ok).ok_or(Failure::Unknown)
    }
}

fn row(new: &NewAccount) -> NewRow {
    NewRow {
        name: new.name.clone(),
        kind: new.kind,
        normal_side: new.normal_side,
        currency: new.currency,
        owner: new.owner.clone(),
        owner_type: new.owner_type.clone(),
        subtype: new.subtype.clone(),
        metadata: new.metadata.clone(),
        floor: new.floor,
        ceiling: new.ceiling,
    }
}
