//! Opens accounts, and tells of it.

use std::collections::BTreeMap;

use super::Ledger;
use crate::gateway::events::{event_id, metadata_texts};
use crate::gateway::failure::Failure;
use crate::ledger::Status;
use crate::money::Currency;
use crate::protocol::events::{AccountCreated, Event, Guards, Payload};
use crate::protocol::record::now_micros;
use crate::store::StoreError;
use crate::store::accounts::{self, AccountRow, NewAccount};

impl Ledger {
    /// Opens an account, or answers the one of that name. Its event is written with it, and once.
    ///
    /// # Errors
    /// Outside: what kept it from being tried. `FailedPrecondition` when its currency is taken out of use. Inside: any other failure of the statements.
    pub async fn open(&self, new: &NewAccount, currency: Currency, correlation: Option<&str>) -> Result<Result<AccountRow, StoreError>, Failure> {
        let active = self.active()?;
        let _permit = self.enter()?;
        let opened = accounts::open(&self.parts().pool, new, Some(&created(new, currency, correlation))).await;
        if let Err(StoreError::Database { code, .. }) = &opened
            && code == accounts::CURRENCY_INACTIVE
        {
            return Err(Failure::FailedPrecondition(format!("currency {} is not in use: no account can be opened in it", new.currency)));
        }
        active.feed.wake();
        Ok(opened)
    }
}

fn created(new: &NewAccount, currency: Currency, correlation: Option<&str>) -> Event {
    let metadata: BTreeMap<String, String> = metadata_texts(new.metadata.as_deref());
    let payload = AccountCreated {
        tenant: &new.tenant,
        account_id: &new.name,
        kind: new.kind.name(),
        normal_side: new.normal_side.name(),
        currency: new.currency.as_str(),
        owner: &new.owner,
        owner_type: &new.owner_type,
        subtype: new.subtype.as_deref(),
        guards: &Guards::of(Status::Active, new.floor, new.ceiling, currency),
        metadata: &metadata,
    };
    Event::caused(event_id(), &new.name, &Payload::AccountCreated(&payload), now_micros(), correlation)
}
