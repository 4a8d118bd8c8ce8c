//! Starts sagas, and hands operators' requests to those that are stuck.
//!
//! A saga is started by one record: the order, the hold and the first facts are written in one batch. So it exists as a
//! whole or not at all, and once under the caller's key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use smallvec::smallvec;
use sqlx::PgPool;
use uuid::Uuid;

use super::currencies::unwritten;
use super::{Answer, Command, Ledger, Request, read_failure};
use crate::actors::accounts::Resolved;
use crate::money::{Amount, Currency};
use crate::protocol::admission::{Attempt, Permit};
use crate::protocol::movement::{CardTopup, Movement, Payout};
use crate::protocol::record::{
    AccountKind, Api, Maker, NormalSide, Operator, RequestedPosting, TransactionId, now_micros,
};
use crate::saga::{Broken, Order, Resolution, Saga, Step, Workflow, provider_account};
use crate::store::accounts::NewAccount;
use crate::store::operators::{self, ActionFilter, ActionRow};
use crate::store::sagas::{self, Asked, SagaRow};
use crate::teller::failure::{Failure, Noun};

/// What a payout holds is released after this long, whatever has become of the saga.
const HELD_FOR: TimeDelta = TimeDelta::days(366);
/// How long an operator's request waits for a leader.
const OPERATED_WITHIN: Duration = Duration::from_secs(10);
/// How often it looks for the answer meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long one operator's word waits for another's.
const SECONDED_WITHIN: TimeDelta = TimeDelta::days(1);
/// Words of operators about one saga that are looked at, the newest.
const PROPOSALS_MAX: i64 = 1_000;
/// What an operator said of a stuck saga, which another must say as well.
const PROPOSED: &str = "saga.propose";

/// A movement through the provider, as requested. Every field is within its limits.
#[derive(Clone, Debug)]
pub struct SagaOrder {
    pub workflow: Workflow,
    /// The id of the customer's account.
    pub account: String,
    pub amount: Amount,
    pub currency: Currency,
    /// The provider's token of a bank account or a card.
    pub instrument: String,
    pub key: Option<String>,
    /// Free text of the caller.
    pub reference: Option<String>,
}

impl Ledger {
    /// The id of the account through which money goes to the provider and comes from it.
    ///
    /// # Errors
    /// `Unconfigured`: no provider is set up.
    fn provider_account(&self, currency: Currency) -> Result<String, Failure> {
        let provider = self
            .parts()
            .provider
            .as_ref()
            .ok_or(Failure::Unconfigured("PROVIDER_URL is not set: there is no provider"))?;
        Ok(provider_account(provider, currency.code.as_str()))
    }

    /// Starts a saga, and returns when that is durable. Its id is the transaction's.
    ///
    /// # Errors
    /// `Unconfigured`; else as [`Ledger::post`].
    pub async fn start_saga(
        &self,
        tenant: &Arc<str>,
        correlation: Option<String>,
        maker: Maker,
        order: SagaOrder,
        permit: Permit,
    ) -> Result<Answer, Failure> {
        let attempt = self.attempt(Api::FlorinV1, tenant, order.key.as_deref());
        let started = self.start_as(attempt.clone(), (tenant, correlation, maker), order, permit).await;
        self.certain(attempt.as_deref(), started).await
    }

    async fn start_as(
        &self,
        attempt: Option<Arc<Attempt>>,
        (tenant, correlation, maker): (&Arc<str>, Option<String>, Maker),
        order: SagaOrder,
        permit: Permit,
    ) -> Result<Answer, Failure> {
        let counter = self.provider_account(order.currency)?;
        self.open_provider_account(tenant, &counter, order.currency, correlation.as_deref(), maker.clone()).await?;
        let SagaOrder { workflow, account, amount, currency, instrument, key, reference } = order;
        let chosen = Some(smallvec![account.clone()]); // the provider's is Florin's choice
        let (code, exponent) = (currency.code.to_string(), currency.exponent);
        let (debit, credit) = match workflow {
            Workflow::Payout => (account.clone(), counter.clone()),
            Workflow::CardTopup => (counter.clone(), account.clone()),
        };
        let posting = RequestedPosting { debit, credit, amount, currency: code.clone(), exponent };
        let order = Order {
            workflow,
            account,
            counter,
            amount,
            currency: code,
            exponent,
            instrument,
            reference: reference.clone(),
        };
        let (identity, movement): (_, Box<dyn Movement>) = match workflow {
            Workflow::Payout => {
                (Payout::request(&order), Box::new(Payout { order, expires_at: now_micros() + HELD_FOR }))
            }
            Workflow::CardTopup => (CardTopup::request(&order), Box::new(CardTopup { order })),
        };
        let request = Request::new(tenant.clone(), Api::FlorinV1, identity, maker, self.deadline(None));
        let request = Request { key, attempt, reference, correlation, chosen, ..request };
        let command = Command { request, movement, postings: smallvec![posting] };
        let answer = self.post(&command, permit).await?;
        if let Some(active) = self.parts().node.active() {
            active.sagas.wake();
        }
        Ok(answer)
    }

    /// A saga of a tenant, if there is one.
    ///
    /// # Errors
    /// What kept it from being read.
    pub async fn saga(&self, tenant: &str, id: TransactionId) -> Result<Option<SagaRow>, Failure> {
        let _place = self.enter_read()?;
        sagas::get(&self.parts().pool, Some(tenant), id).await.map_err(|error| read_failure(&error))
    }

    /// Opens the provider's account when it is first needed.
    async fn open_provider_account(
        &self,
        tenant: &Arc<str>,
        name: &str,
        currency: Currency,
        correlation: Option<&str>,
        maker: Maker,
    ) -> Result<(), Failure> {
        if !matches!(self.active()?.registry.resolve(tenant, name).await, Resolved::NotFound) {
            return Ok(());
        }
        let new = NewAccount {
            tenant: tenant.to_string(),
            name: name.to_owned(),
            kind: AccountKind::External,
            normal_side: NormalSide::Debit,
            currency: currency.code,
            owner: "provider".into(),
            owner_type: "provider".into(),
            subtype: None,
            metadata: None,
            floor: None,
            ceiling: None,
        };
        self.open(&new, currency, correlation, maker).await?.map_err(|error| read_failure(&error)).map(drop)
    }
}

/// An operator's request to a saga that is stuck.
#[derive(Clone, Debug)]
pub struct Operated {
    /// How the step stands; `None`: it is to be tried again.
    pub how: Option<Resolution>,
    pub by: Operator,
    pub correlation: Option<String>,
}

/// Leaves an operator's request with a saga, and waits until the leader has made it a fact, which is recorded as an
/// operator's action. Returns the saga as it is then. `wake` tells the saga's actor of this process, if it leads.
///
/// # Errors
/// `NotFound`; `FailedPrecondition`: it is not stuck, or its step cannot be resolved so; `TooLate`: no node led; what
/// kept it from being read or written.
pub async fn operate(
    pool: &PgPool,
    tenant: Option<&str>,
    id: TransactionId,
    operated: &Operated,
    wake: impl Fn(),
) -> Result<SagaRow, Failure> {
    let failed = |error: &_| read_failure(error);
    let read = || async {
        let row = sagas::get(pool, tenant, id).await.map_err(|error| failed(&error))?;
        row.ok_or_else(|| Failure::NotFound(Noun::Other, format!("Saga not found: {}", id.0)))
    };
    let asked = asked(operated);
    let deadline = Instant::now() + OPERATED_WITHIN;
    let facts = loop {
        let row = read().await?;
        may_follow(pool, &row, &asked).await?;
        if sagas::ask(pool, id, row.facts.len(), &asked).await.map_err(|error| unwritten(&error))? {
            break row.facts.len();
        }
        if Instant::now() > deadline {
            return Err(Failure::Interrupted); // others keep saying something
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    loop {
        wake();
        let row = read().await?;
        if row.facts.get(facts).is_some_and(|(fact, _)| *fact == asked.fact()) {
            return Ok(row);
        }
        if row.facts.len() > facts || row.asked.as_ref() != Some(&asked) {
            return Err(Failure::Interrupted); // it could not follow
        }
        if Instant::now() > deadline && sagas::withdraw(pool, id, asked.id).await.map_err(|error| unwritten(&error))? {
            return Err(Failure::TooLate);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether another operator said the same of this saga, as it stands, within a day. If not, this one's word is noted for
/// the other to find, and the inner error is the saga.
///
/// # Errors
/// As [`operate`], without `TooLate`.
pub async fn seconded(
    pool: &PgPool,
    tenant: Option<&str>,
    id: TransactionId,
    operated: &Operated,
) -> Result<Result<(), SagaRow>, Failure> {
    let row = sagas::get(pool, tenant, id).await.map_err(|error| read_failure(&error))?;
    let row = row.ok_or_else(|| Failure::NotFound(Noun::Other, format!("Saga not found: {}", id.0)))?;
    may_follow(pool, &row, &asked(operated)).await?;
    let named = Resolution::NAMES.iter().find(|(_, how)| Some(*how) == operated.how).map(|(name, _)| *name);
    let word = json!({ "as": named, "facts": row.facts.len() });
    let (by, subject) = (&operated.by, id.0.to_string());
    let filter = ActionFilter {
        tenant: row.tenant.clone(),
        subject: Some(subject.clone()),
        action: Some(PROPOSED.into()),
        from: Some(now_micros() - SECONDED_WITHIN),
        to: None,
    };
    let said = operators::list(pool, &filter, None, PROPOSALS_MAX).await.map_err(|error| read_failure(&error))?;
    let who = who_said(&said, &word);
    if who.iter().any(|actor| *actor != &*by.name) {
        return Ok(Ok(()));
    }
    if who.is_empty() {
        let action = by.did(PROPOSED, &subject, None, Some(word.to_string()));
        operators::note(pool, &row.tenant, &action).await.map_err(|error| unwritten(&error))?;
    }
    Ok(Err(row))
}

/// The operators who said this.
fn who_said<'a>(said: &'a [ActionRow], word: &serde_json::Value) -> Vec<&'a str> {
    let is_it = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok_and(|after| after == *word);
    let same = said.iter().filter(|action| action.after.as_deref().is_some_and(is_it));
    same.map(|action| action.actor.as_str()).collect()
}

fn asked(operated: &Operated) -> Asked {
    Asked {
        id: Uuid::now_v7(),
        how: operated.how,
        by: operated.by.name.to_string(),
        reason: operated.by.reason.clone(),
        address: operated.by.address.as_deref().map(str::to_owned),
        correlation: operated.correlation.clone(),
    }
}

/// Checks whether the requested fact can follow, and says why not.
async fn may_follow(pool: &PgPool, row: &SagaRow, asked: &Asked) -> Result<(), Failure> {
    let (mut saga, fact) = (replay(row)?, asked.fact());
    let at_void = asked.how == Some(Resolution::Undone) && saga.at() == Some((Step::Hold, true));
    if at_void && sagas::held(pool, row.id).await.map_err(|error| read_failure(&error))?.is_some_and(|left| left > 0) {
        return Err(Failure::FailedPrecondition(format!(
            "saga {} still holds the money: have the void retried",
            row.id.0
        )));
    }
    let cannot = |broken: Broken| {
        Failure::FailedPrecondition(format!("saga {} cannot be {}: {}", row.id.0, fact.brief(), broken.why))
    };
    saga.apply(&fact, now_micros()).map_err(cannot)
}

/// A saga's order as callers are shown it: without the provider's token of the account or the card, which whoever has it
/// may use.
///
/// # Errors
/// `Guard`: it cannot be written.
pub fn shown(order: &Order) -> Result<Box<RawValue>, Failure> {
    let mut order = serde_json::to_value(order).map_err(|_| Failure::Guard)?; // texts and numbers encode
    if let Some(fields) = order.as_object_mut() {
        fields.remove("instrument");
    }
    to_raw_value(&order).map_err(|_| Failure::Guard)
}

/// The state of a saga after all of its facts.
///
/// # Errors
/// `Guard`: the facts do not follow each other.
pub fn replay(row: &SagaRow) -> Result<Saga, Failure> {
    Saga::replay(row.facts.iter().cloned()).map_err(|broken| {
        tracing::error!(saga = %row.id.0, %broken, "the facts of a saga do not follow each other");
        Failure::Guard
    })
}
