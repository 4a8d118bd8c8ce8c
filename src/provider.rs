//! The outside party that does a step of a saga: it sends money to bank accounts and charges cards. HTTP out, and only that.
//!
//! Every operation has a key of ours, and the provider does each key once. `docs/provider.md` has the wire, and what is asked of a provider.
//! Sagas call; nothing is retried here, and nothing is kept.

mod http;
mod signature;
mod wire;

use futures::future::BoxFuture;
use serde::Serialize;

use crate::saga::{Call, Order, Reply, Step, Task};

pub use http::{HttpConfig, HttpProvider};
pub use signature::signature;

/// Who does it.
pub trait Provider: Send + Sync {
    /// Its name, which is part of its account's.
    fn name(&self) -> &str;

    /// Has it done; a repeat of a key hears the first answer again.
    fn submit<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<Answer, ProviderError>>;

    /// Asks what became of an operation; none if the provider never heard of its key.
    fn status<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<Option<Answer>, ProviderError>>;
}

/// What a provider does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sends money to a bank account.
    Payout,
    /// Charges a card.
    Charge,
    /// Undoes a payout, also one that it never heard of: that one is never done.
    Recall,
    /// Undoes a charge, likewise.
    Refund,
}

/// One operation; its fields are those of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Ours; of letters, digits, `.` and `-`.
    pub key: String,
    /// What is to be done.
    pub action: Action,
    /// The key of the operation that this one undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// Decimal text in major units.
    pub amount: String,
    /// In which currency.
    pub currency: String,
    /// The provider's token of a bank account or a card.
    pub instrument: String,
    /// The caller's reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The correlation id of whoever started it; travels as a header.
    #[serde(skip)]
    pub correlation: Option<String>,
}

/// What the provider says of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, for good.
    Done {
        /// The provider's own reference.
        reference: Option<String>,
    },
    /// Taken on; ask again.
    Pending,
    /// Not done, for good.
    Refused {
        /// Such as `account_closed`.
        code: String,
        /// The same for people.
        message: String,
    },
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider certainly did nothing.
    #[error("{0}")]
    NotDone(String),
    /// It may have done it.
    #[error("{0}")]
    Unknown(String),
}

impl Operation {
    /// A task of a saga as an operation; none if the ledger does that step.
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

/// Goes about an operation as the saga says. An operation in doubt is asked for first: only one that the provider never heard of is
/// submitted (again), and when it cannot be asked, the doubt stays.
pub async fn perform(provider: &dyn Provider, operation: &Operation, call: Call) -> Reply {
    if call == Call::Do {
        return provider.submit(operation).await.map_or_else(Reply::from, Reply::from);
    }
    match (provider.status(operation).await, call) {
        (Ok(Some(answer)), _) => answer.into(),
        (Ok(None), Call::Poll) => Reply::Unknown("the provider does not know any more what it took on".into()),
        (Ok(None), _) => provider.submit(operation).await.map_or_else(Reply::from, Reply::from),
        (Err(ProviderError::NotDone(why) | ProviderError::Unknown(why)), _) => Reply::Unknown(format!("cannot ask for it: {why}")),
    }
}
