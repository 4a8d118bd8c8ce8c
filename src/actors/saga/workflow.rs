//! Runs one saga until it has to wait or has ended: reads its facts, does the next step, writes the fact that follows,
//! and so on.
//!
//! Nothing is done before the fact that announces it is written. If a step cannot be tried at all (the database is
//! away, an account's actor ended), the actor fails and leaves no fact: its supervisor finds the saga due again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::facts::{CUTOFF, GRACE, Happened, append};
use super::{SagasArgs, steps};
use crate::actors::posting::{self, Accounts, Unresolved};
use crate::ledger::Rejection;
use crate::protocol::account::AccountHandle;
use crate::protocol::admission::InFlight;
use crate::protocol::movement::Approval;
use crate::protocol::record::{FactRow, Maker, Operator, OperatorAction, TransactionId, now_micros};
use crate::protocol::slip::{Abort, Outcome};
use crate::provider::{Operation, ask, perform};
use crate::saga::{Call, Fact, Next, Reply, Saga, Status, Task, provider_account};
use crate::store::sagas::{self, Asked};
use crate::telemetry::metrics::SAGAS;

/// Steps of one run; a saga that has more is found due again.
const STEPS_MAX: usize = 64;

/// Runs one saga.
pub(super) struct Workflow;

/// Run once. It sends this to itself.
pub(super) struct Run;

/// What the actor is started with.
pub(super) struct WorkflowArgs {
    pub saga: TransactionId,
    pub sagas: SagasArgs,
    pub places: InFlight,
}

/// A saga as last read or written.
struct Read {
    saga: Saga,
    tenant: Arc<str>,
    correlation: Option<String>,
    asked: Option<Asked>,
}

/// The outcome of one step.
enum Went {
    /// A fact was written.
    On,
    /// Another process wrote facts: they must be read again.
    Elsewhere,
    /// There is nothing to do for now; when it goes on is written.
    Asleep,
}

impl Actor for Workflow {
    type Msg = Run;
    type State = WorkflowArgs;
    type Arguments = WorkflowArgs;

    async fn pre_start(&self, myself: ActorRef<Run>, args: WorkflowArgs) -> Result<WorkflowArgs, ActorProcessingErr> {
        myself.cast(Run)?;
        Ok(args)
    }

    async fn handle(&self, myself: ActorRef<Run>, _: Run, state: &mut WorkflowArgs) -> Result<(), ActorProcessingErr> {
        state.run().await?;
        myself.stop(None);
        Ok(())
    }
}

impl WorkflowArgs {
    async fn run(&self) -> Result<(), ActorProcessingErr> {
        let mut read = self.read().await?;
        let mut wrote = false;
        if let Some(asked) = read.asked.take() {
            self.obey(&mut read, &asked).await?;
            wrote = true;
        }
        for _ in 0..STEPS_MAX {
            self.sagas.faults.pause("sagas.step").await;
            let (task, not_before) = match read.saga.next(&self.sagas.config.policy) {
                Next::Act { task, not_before } => (task, not_before),
                Next::Ended | Next::Stuck if wrote => return Ok(()),
                Next::Ended | Next::Stuck => return Err("it is due, and there is nothing to do".into()),
            };
            if not_before > Utc::now() {
                if !wrote {
                    self.sleep(&read.saga, not_before).await?; // the policy has changed since its time was written
                }
                return Ok(());
            }
            let went = if task.step.is_providers() {
                self.call(&mut read, &task).await?
            } else {
                self.post(&mut read, &task).await?
            };
            match went {
                Went::On => wrote = true,
                Went::Elsewhere => (read, wrote) = (self.read().await?, true),
                Went::Asleep => return Ok(()),
            }
        }
        Ok(())
    }

    async fn read(&self) -> Result<Read, ActorProcessingErr> {
        let row = sagas::get(&self.sagas.config.pool, None, self.saga).await?.ok_or("it is not there")?;
        Ok(Read {
            saga: Saga::replay(row.facts)?,
            tenant: row.tenant.into(),
            correlation: row.correlation,
            asked: row.asked,
        })
    }

    /// Makes an operator's request a fact, unless it was taken back or cannot follow.
    async fn obey(&self, read: &mut Read, asked: &Asked) -> Result<(), ActorProcessingErr> {
        let fact = asked.fact();
        let Ok((row, after)) = self.next_row(&read.saga, &fact, now_micros()) else {
            sagas::withdraw(&self.sagas.config.pool, self.saga, asked.id).await?;
            return Ok(());
        };
        let by = Operator {
            name: asked.by.as_str().into(),
            reason: asked.reason.clone(),
            address: asked.address.as_deref().map(Arc::from),
        };
        let name = if asked.how.is_some() { "saga.resolve" } else { "saga.retry" };
        let action = by.did(name, &self.saga.0.to_string(), Some(state(&read.saga)), Some(state(&after)));
        let maker = Maker { name: Some(by.name), address: by.address, ..Maker::default() };
        let row = FactRow { asked: Some(asked.id), ..row };
        self.sagas.faults.pause("sagas.obey").await;
        if !self.append(read, (row, after), Some((maker, action, asked.correlation.clone()))).await? {
            *read = self.read().await?;
        }
        Ok(())
    }

    /// A step at the provider: writes that it is attempted, makes the attempt, then writes the outcome.
    async fn call(&self, read: &mut Read, task: &Task) -> Result<Went, ActorProcessingErr> {
        let Task { step, undo, attempt, call, .. } = *task;
        let order = read.saga.order();
        let provider = &self.sagas.config.provider;
        if order.counter != provider_account(provider.name(), &order.currency) {
            return Err(format!(
                "it is at another provider, of account {}: this one is {}",
                order.counter,
                provider.name()
            )
            .into());
        }
        let operation = Operation::of(self.saga.0, order, task, read.correlation.clone())
            .ok_or("it is no step of the provider's")?;
        let refused = self.refused_later(read, task).await?;
        if call != Call::Poll && !self.write(read, &Fact::Attempted { step, undo, attempt }).await? {
            return Ok(Went::Elsewhere);
        }
        self.sagas.faults.pause("sagas.attempted").await;
        let reply = match (&refused, call) {
            (None, _) => perform(&**provider, &operation, call).await,
            (Some(why), Call::Do) => Reply::Refused(why.clone()),
            // an attempt may be on its way to the provider still: what never came is undone like what did
            (Some(why), _) => ask(&**provider, &operation).await.unwrap_or_else(|| Reply::Unknown(why.clone())),
        };
        tracing::debug!(saga = %self.saga.0, operation = operation.key, attempt, ?reply, "a provider answered");
        self.sagas.faults.pause("sagas.answered").await;
        let (policy, now) = (&self.sagas.config.policy, now_micros());
        let fact = match read.saga.fact(reply, policy, now) {
            Some(Fact::Unanswered { step, undo, attempt, reason, .. }) if refused.is_some() => {
                Some(Fact::Unanswered { step, undo, attempt, reason, is_final: true }) // nothing more is tried
            }
            fact => fact,
        };
        match fact {
            Some(fact) if self.write(read, &fact).await? => Ok(Went::On),
            Some(_) => Ok(Went::Elsewhere),
            None => {
                self.sleep(&read.saga, read.saga.poll_at(policy, now)).await?;
                Ok(Went::Asleep)
            }
        }
    }

    /// Why the ledger would refuse already now what it is to post once the provider has moved the money: then it is not
    /// asked to move any. What undoes a step is never kept from the provider.
    async fn refused_later(&self, read: &Read, task: &Task) -> Result<Option<String>, ActorProcessingErr> {
        if task.undo || task.call == Call::Poll {
            return Ok(None);
        }
        let order = read.saga.order();
        let accounts = self.accounts(read, task).await?;
        let mut refusals = accounts.iter().zip(steps::legs(order)).filter_map(|(account, leg)| {
            account.would_refuse(leg).map(|rejection| refusal(&account.identity.name, rejection))
        });
        Ok(refusals.next())
    }

    async fn accounts(&self, read: &Read, task: &Task) -> Result<Accounts, ActorProcessingErr> {
        let names = steps::accounts(read.saga.order(), task);
        match posting::resolve(&self.sagas.registry, &read.tenant, names.into_iter()).await {
            Ok(accounts) => Ok(accounts),
            Err(Unresolved::NotFound(name)) => Err(format!("account {name} is not there").into()),
            Err(Unresolved::Unavailable) => Err("accounts cannot be loaded".into()),
        }
    }

    /// A step in the ledger: the batch that does it also writes the fact that it is done.
    async fn post(&self, read: &mut Read, task: &Task) -> Result<Went, ActorProcessingErr> {
        let now = now_micros();
        let fact = Fact::Done { step: task.step, undo: task.undo, reference: None };
        let (row, after) = self.next_row(&read.saga, &fact, now)?;
        let accounts = self.accounts(read, task).await?;
        let ids: Vec<_> = accounts.iter().map(|account| account.identity.id).collect();
        let source = steps::Source {
            saga: self.saga,
            tenant: &read.tenant,
            correlation: read.correlation.as_deref(),
            order: read.saga.order(),
        };
        let (record, approval) = steps::record(&source, task, &ids, row, now).ok_or("it is no step of the ledger's")?;
        self.sagas.faults.pause("sagas.posting").await;
        let permit = self.places.enter().ok_or("too many are being written")?;
        let approving = if approval == Approval::Payer { 1 } else { accounts.len() };
        let named: Vec<&Arc<AccountHandle>> = accounts.iter().take(approving).collect();
        let outcome = posting::send(&self.sagas.journal, record, &named, usize::MAX, permit)
            .map_err(|why| format!("not taken: {why:?}"))?;
        let outcome = tokio::time::timeout(CUTOFF + GRACE, outcome)
            .await
            .map_err(|_| "no outcome in time")?
            .map_err(|_| "no outcome")?;
        self.sagas.faults.pause("sagas.posted").await;
        let reply = match outcome {
            Outcome::Done { created_at, .. } if created_at == now => {
                self.entered(&after);
                read.saga = after;
                return Ok(Went::On);
            }
            Outcome::Done { .. } | Outcome::Replayed { .. } => return Ok(Went::Elsewhere), // in another life
            Outcome::Refused { account, rejection, .. } => {
                let name = accounts
                    .iter()
                    .find(|known| known.identity.id == account)
                    .map_or("", |known| &*known.identity.name);
                Reply::Refused(refusal(name, rejection))
            }
            Outcome::Aborted(Abort::Exceeded) => {
                let again = self.read().await?;
                if again.saga.version() != read.saga.version() {
                    return Ok(Went::Elsewhere);
                }
                Reply::Refused("what was held is no longer there".into())
            }
            Outcome::Aborted(Abort::Guard) => Reply::NotDone("a guard of the ledger refused it".into()),
            Outcome::KeyReused | Outcome::KeyRetired => Reply::Refused("its own key was used by another".into()),
            Outcome::Aborted(why) => return Err(format!("not written: {why:?}").into()),
            Outcome::Unknown => return Err("nobody knows whether it was written".into()),
        };
        let fact = read.saga.fact(reply, &self.sagas.config.policy, now_micros()).ok_or("it is at no step")?;
        Ok(if self.write(read, &fact).await? { Went::On } else { Went::Elsewhere })
    }

    /// Appends a fact; false: another process was first.
    async fn write(&self, read: &mut Read, fact: &Fact) -> Result<bool, ActorProcessingErr> {
        let next = self.next_row(&read.saga, fact, now_micros())?;
        self.append(read, next, None).await
    }

    async fn append(
        &self,
        read: &mut Read,
        (fact, after): (FactRow, Saga),
        by: Option<(Maker, OperatorAction, Option<String>)>,
    ) -> Result<bool, ActorProcessingErr> {
        let permit = self.places.enter().ok_or("too many are being written")?;
        let happened = Happened { tenant: read.tenant.clone(), fact, at: after.updated_at(), by };
        if !append(&self.sagas.journal, permit, happened).await? {
            return Ok(false);
        }
        self.entered(&after);
        read.saga = after;
        self.sagas.faults.pause("sagas.written").await;
        Ok(true)
    }

    /// The next fact as a row, and the saga after it.
    fn next_row(&self, saga: &Saga, fact: &Fact, at: DateTime<Utc>) -> Result<(FactRow, Saga), ActorProcessingErr> {
        let mut after = saga.clone();
        after.apply(fact, at)?;
        let wake_at = match after.next(&self.sagas.config.policy) {
            Next::Act { not_before, .. } => Some(not_before),
            Next::Ended | Next::Stuck => None,
        };
        let (n, body) = (i32::try_from(after.version())?, serde_json::to_string(fact)?);
        Ok((FactRow { saga: self.saga, n, body, status: after.status().code(), wake_at, asked: None }, after))
    }

    async fn sleep(&self, saga: &Saga, until: DateTime<Utc>) -> Result<(), ActorProcessingErr> {
        // the database's clock may be another
        let ms = (until - Utc::now()).num_milliseconds().saturating_add(1).max(0);
        Ok(sagas::snooze(&self.sagas.config.pool, self.saga, i32::try_from(saga.version())?, ms).await?)
    }

    /// Counts and logs a saga that has ended or is stuck.
    fn entered(&self, after: &Saga) {
        let status = after.status();
        if status == Status::Stuck {
            let at = after.at().map_or("", |(step, undo)| step.name(undo));
            tracing::error!(saga = %self.saga.0, step = at, "a saga is stuck: it waits for an operator");
        }
        if matches!(status, Status::Completed | Status::Failed | Status::Stuck) {
            let workflow = after.order().workflow.as_str();
            metrics::counter!(SAGAS, "workflow" => workflow, "outcome" => status.as_str()).increment(1);
        }
    }
}

/// What an operator's action records of a saga; a JSON object.
fn state(saga: &Saga) -> String {
    serde_json::json!({ "status": saga.status().as_str(), "step": saga.at().map(|(step, undo)| step.name(undo)) })
        .to_string()
}

/// Why an account refused, in words.
fn refusal(account: &str, rejection: Rejection) -> String {
    match rejection {
        Rejection::InsufficientFunds { .. } => format!("account {account} has too little money"),
        Rejection::LimitExceeded { .. } => format!("account {account} would exceed its limit"),
        Rejection::Inactive { status } => format!("account {account} is {}", format!("{status:?}").to_lowercase()),
        Rejection::NotEmpty { .. } | Rejection::AlreadyClosed => format!("account {account} cannot be changed so"),
    }
}
