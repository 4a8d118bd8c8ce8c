//! Opens accounts, by a record of the journal.

use tokio::sync::{Mutex, MutexGuard};

use super::{Ledger, Request, abort, read_failure};
use crate::actors::accounts::Resolved;
use crate::money::Currency;
use crate::protocol::record::{AccountKind, AccountRow as NewRow, Maker, NormalSide, Record};
use crate::protocol::slip::{Abort, Outcome};
use crate::store::StoreError;
use crate::store::accounts::{self, AccountRow, NewAccount};
use crate::teller::failure::Failure;

/// How many accounts may be opened side by side by movements that name them first.
const OPENINGS_MAX: usize = 32;

/// Lets one movement open an account while others that name it wait, and then find it. Their records would all be
/// refused, each in a batch of its own.
#[derive(Debug, Default)]
pub struct Openings([Mutex<()>; OPENINGS_MAX]);

impl Openings {
    async fn enter(&self, name: &str) -> MutexGuard<'_, ()> {
        let hash = name.bytes().fold(0usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.0[hash % OPENINGS_MAX].lock().await
    }
}

impl Ledger {
    /// Opens an account of the house's own, without a floor, unless there is one of that id.
    ///
    /// # Errors
    /// As [`Self::open`]; `TooLate` or `Deadline`: it was not had in time.
    pub async fn open_system(&self, request: &Request, name: &str, currency: Currency) -> Result<(), Failure> {
        let work = async {
            if self.is_there(&request.tenant, name).await? {
                return Ok(());
            }
            let _alone = self.parts().memory.openings.enter(name).await;
            if self.is_there(&request.tenant, name).await? {
                return Ok(());
            }
            let new = NewAccount {
                tenant: request.tenant.to_string(),
                name: name.to_owned(),
                kind: AccountKind::System,
                normal_side: NormalSide::Credit,
                currency: currency.code,
                owner: String::new(),
                owner_type: String::new(),
                subtype: None,
                metadata: None,
                floor: None,
                ceiling: None,
            };
            let opened = self.open(&new, currency, request.correlation.as_deref(), request.maker.clone()).await?;
            opened.map(drop).map_err(|error| read_failure(&error))
        };
        tokio::time::timeout_at(request.deadline.at.into(), work)
            .await
            .unwrap_or_else(|_| Err(request.deadline.passed()))
    }

    async fn is_there(&self, tenant: &str, name: &str) -> Result<bool, Failure> {
        match self.active()?.registry.resolve(tenant, name).await {
            Resolved::Account(_) => Ok(true),
            Resolved::NotFound => Ok(false),
            Resolved::Unavailable => Err(self.unloadable()),
        }
    }

    /// Why accounts cannot be loaded now.
    pub(super) fn unloadable(&self) -> Failure {
        if self.parts().node.active().is_some() { Failure::DatabaseAway } else { Failure::NotLeader }
    }

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
