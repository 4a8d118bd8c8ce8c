//! The outside party that does some steps of a saga: it sends money to bank accounts and charges cards. Makes HTTP
//! calls, and does nothing else.
//!
//! Every operation has a key of Florin's, and the provider does each key once. `docs/provider.md` describes the wire,
//! and what is required of a provider. Sagas call; nothing is retried here, and nothing is kept.

mod http;
mod signature;
mod wire;

use futures::future::BoxFuture;
use serde::Serialize;

use crate::saga::{Call, Order, Reply, Step, Task};

pub use http::{HttpConfig, HttpProvider};
pub use signature::signature;

/// Does operations outside the ledger.
pub trait Provider: Send + Sync {
    /// Its name, which is part of the name of its account.
    fn name(&self) -> &str;

    /// Has an operation done. A repeat of a key gets the first answer again.
    fn submit<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<Answer, ProviderError>>;

    /// Asks how an operation stands; `None`: the provider never heard of its key.
    fn status<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<Option<Answer>, ProviderError>>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sends money to a bank account.
    Payout,
    /// Charges a card.
    Charge,
    /// Undoes a payout. One that the provider never heard of is then never done.
    Recall,
    /// Undoes a charge. One that the provider never heard of is then never done.
    Refund,
}

/// One operation, named as the fields of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Made by Florin, of letters, digits, `.` and `-`.
    pub key: String,
    pub action: Action,
    /// The key of the operation that this one undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// Decimal text in the currency's unit.
    pub amount: String,
    /// Currency code.
    pub currency: String,
    /// The provider's token of a bank account or a card.
    pub instrument: String,
    /// Free text of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Of the request that started the saga; sent as a header.
    #[serde(skip)]
    pub correlation: Option<String>,
}

/// How an operation stands, as the provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, and final.
    Done {
        /// The provider's own id of the operation.
        reference: Option<String>,
    },
    /// Accepted; ask again.
    Pending,
    /// Not done, and final.
    Refused {
        /// Such as `account_closed`.
        code: String,
        /// For people.
        message: String,
    },
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider certainly did nothing.
    #[error("{0}")]
    NotDone(String),
    /// The provider may have done it.
    #[error("{0}")]
    Unknown(String),
}

impl Operation {
    /// The operation of a saga's task; `None`: the ledger does that step.
    pub fn of(saga: impl std::fmt::Display, order: &Order, task: &Task, correlation: Option<String>) -> Option<Self> {
        let action = match (task.step, task.undo) {
            (Step::Send, false) => Action::Payout,
            (Step::Send, true) => Action::Recall,
            (Step::Charge, false) => Action::Charge,
            (Step::Charge, true) => Action::Refund,
            (Step::Hold | Step::Capture | Step::Credit, _) => return None,
        };
        Some(Self {
            key: task.key(&saga),
            action,
            undoes: task.undoes(&saga),
            amount: order.amount.text(order.exponent),
            currency: order.currency.clone(),
            instrument: order.instrument.clone(),
            reference: order.reference.clone(),
            correlation,
        })
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Done { reference } => Self::Done { reference },
            Answer::Pending => Self::Pending,
            Answer::Refused { code, message } => Self::Refused(format!("{code}: {message}")),
        }
    }
}

impl From<ProviderError> for Reply {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::NotDone(why) => Self::NotDone(why),
            ProviderError::Unknown(why) => Self::Unknown(why),
        }
    }
}

/// Calls the provider as the saga says. If an operation is in doubt, the provider is asked about it first: it is
/// submitted (again) only if the provider never heard of it, and if it cannot be asked, the doubt stays.
pub async fn perform(provider: &dyn Provider, operation: &Operation, call: Call) -> Reply {
    if call == Call::Do {
        return provider.submit(operation).await.map_or_else(Reply::from, Reply::from);
    }
    match ask(provider, operation).await {
        Some(reply) => reply,
        None if call == Call::Poll => Reply::Unknown("the provider does not know any more what it took on".into()),
        None => provider.submit(operation).await.map_or_else(Reply::from, Reply::from),
    }
}

/// What became of an operation that is in doubt; `None`: the provider never heard of it.
pub async fn ask(provider: &dyn Provider, operation: &Operation) -> Option<Reply> {
    match provider.status(operation).await {
        Ok(answer) => answer.map(Reply::from),
        Err(ProviderError::NotDone(why) | ProviderError::Unknown(why)) => {
            Some(Reply::Unknown(format!("cannot ask for it: {why}")))
        }
    }
}
