//! Changes an account's status, floor and ceiling, through its actor.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::post::{TRIES_MAX, TRY_AGAIN_AFTER, Tried, answer};
use super::{Answer, Deadline, GRACE, Ledger};
use crate::actors::accounts::Resolved;
use crate::actors::node::Active;
use crate::ledger::{Guards, GuardsChange, Rejection};
use crate::money::decimal_text;
use crate::protocol::account::{AccountHandle, AccountMessage, ChangeOrder};
use crate::protocol::admission::Attempt;
use crate::protocol::record::{
    AccountChange, Api, Body, KeyHash, Kind, Maker, Operator, Record, RequestHash, TransactionId,
};
use crate::protocol::slip::{Abort, Outcome};
use crate::teller::failure::Failure;

/// A change as requested; `None`: stays as it is.
#[derive(Clone, Debug)]
pub struct ChangeCommand {
    pub tenant: Arc<str>,
    pub api: Api,
    /// The id that callers use.
    pub account: String,
    pub key: Option<String>,
    /// Tells a repeat from another request under the same key.
    pub request: RequestHash,
    /// What is to change.
    pub guards: GuardsChange,
    /// Who wants it, and why.
    pub by: Operator,
    pub correlation: Option<String>,
    pub deadline: Deadline,
}

impl Ledger {
    /// Loads an account, unless it is loaded.
    ///
    /// # Errors
    /// `NotFound`, or what kept it from being loaded.
    pub async fn account(
        &self,
        active: &Active,
        tenant: &str,
        name: &str,
        deadline: Deadline,
    ) -> Result<Arc<AccountHandle>, Failure> {
        match tokio::time::timeout_at(deadline.at.into(), active.registry.resolve(tenant, name)).await {
            Ok(Resolved::Account(account)) => Ok(account),
            Ok(Resolved::NotFound) => Err(Failure::no_account(name)),
            Ok(Resolved::Unavailable) => {
                Err(if self.parts().node.active().is_some() { Failure::DatabaseAway } else { Failure::NotLeader })
            }
            Err(_) => Err(if deadline.is_callers { Failure::Deadline } else { Failure::TooLate }),
        }
    }

    /// Changes an account and returns when the change is durable.
    ///
    /// # Errors
    /// `FailedPrecondition` when the account refuses; else by kind of [`Failure`].
    pub async fn change(&self, command: &ChangeCommand) -> Result<(), Failure> {
        let attempt = self.attempt(command.api, &command.tenant, command.key.as_deref());
        let changed = self.change_as(command, attempt.as_ref()).await;
        self.certain(attempt.as_deref(), changed).await
    }

    async fn change_as(&self, command: &ChangeCommand, attempt: Option<&Arc<Attempt>>) -> Result<(), Failure> {
        let active = self.active()?;
        let mut account = self.account(&active, &command.tenant, &command.account, command.deadline).await?;
        let record = record(command, &account);
        for n in 1..=TRIES_MAX {
            let permit = self.enter()?.of(attempt);
            let (reply, outcome) = oneshot::channel();
            let order = ChangeOrder {
                account: account.clone(),
                record: record.clone(),
                change: command.guards,
                by: command.by.clone(),
                reply,
                permit,
            };
            // if it has ended, the reply is dropped with the order
            let _ = account.actor.cast(AccountMessage::Change(Box::new(order)));
            let until = if command.deadline.is_callers { command.deadline.at } else { command.deadline.at + GRACE };
            match tokio::time::timeout_at(until.into(), outcome).await {
                Ok(Ok(Outcome::Refused { rejection, .. })) => return Err(refusal(rejection, &account)),
                Ok(Ok(Outcome::Aborted(Abort::TooLate))) if command.deadline.is_callers => {
                    return Err(Failure::Deadline);
                }
                Ok(Ok(outcome)) => match answer(outcome) {
                    Tried::Answer(Answer::Completed { .. } | Answer::Declined { .. }) => return Ok(()),
                    Tried::Failed(failure) => return Err(failure),
                    Tried::Again => {}
                },
                Ok(Err(_)) => {} // the actor ended; should the record be written all the same, its own id tells
                Err(_) => return Err(if command.deadline.is_callers { Failure::Deadline } else { Failure::Unknown }),
            }
            tokio::time::sleep(TRY_AGAIN_AFTER * n).await;
            account = self.account(&active, &command.tenant, &command.account, command.deadline).await?;
        }
        Err(Failure::Unknown)
    }
}

fn record(command: &ChangeCommand, account: &AccountHandle) -> Record {
    let record = Record::new(
        TransactionId::draw(),
        command.tenant.clone(),
        command.api,
        Kind::ACCOUNT_CHANGE,
        command.request,
        command.deadline.at,
    );
    Record {
        key: command.key.as_deref().map_or(record.key, |key| KeyHash::of(command.api, &command.tenant, key)),
        key_text: command.key.clone(),
        correlation: command.correlation.clone(),
        maker: Maker { name: Some(command.by.name.clone()), address: command.by.address.clone(), ..Maker::default() },
        // The account's actor fills in the guards that it has now.
        body: Body::AccountChange(AccountChange { account: account.identity.id, guards: Guards::NONE }),
        ..record
    }
}

/// Why an account refuses a change, with its figures.
fn refusal(rejection: Rejection, account: &AccountHandle) -> Failure {
    let (name, currency) = (&account.identity.name, account.identity.currency);
    let money = |minor_units: i128| format!("{} {}", decimal_text(minor_units, currency.exponent), currency.code);
    Failure::FailedPrecondition(match rejection {
        Rejection::NotEmpty { balance, held } => {
            format!(
                "account {name} cannot be closed: its balance is {} and {} is held, both must be zero",
                money(balance),
                money(held)
            )
        }
        Rejection::AlreadyClosed | Rejection::Inactive { .. } => format!("account {name} is closed, which is final"),
        other => format!("account {name} cannot be changed so: {other:?}"),
    })
}
