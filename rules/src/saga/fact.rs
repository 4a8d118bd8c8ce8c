//! The order that starts a saga, and the facts that its log consists of.

use serde::{Deserialize, Serialize};

use crate::money::Amount;

/// The ways in which money leaves through the provider or comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workflow {
    /// A customer's money is held, sent by the provider, then captured.
    Payout,
    /// A card is charged by the provider, then the customer's account is credited.
    CardTopup,
}

impl Workflow {
    /// In the order in which they are done.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::Payout => &[Step::Hold, Step::Send, Step::Capture],
            Self::CardTopup => &[Step::Charge, Step::Credit],
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payout => "payout",
            Self::CardTopup => "card_topup",
        }
    }

    pub fn code(self) -> i16 {
        match self {
            Self::Payout => 1,
            Self::CardTopup => 2,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The ledger holds the customer's money.
    Hold,
    /// The provider sends the money to the customer's bank account.
    Send,
    /// The ledger captures the hold in favour of the provider's account.
    Capture,
    /// The provider charges the customer's card.
    Charge,
    /// The ledger moves the money from the provider's account to the customer's.
    Credit,
}

impl Step {
    /// The name of the step or, with `undo`, of its undoing.
    pub fn name(self, undo: bool) -> &'static str {
        match (self, undo) {
            (Self::Hold, false) => "hold",
            (Self::Hold, true) => "void",
            (Self::Send, false) => "send",
            (Self::Send, true) => "recall",
            (Self::Capture, false) => "capture",
            (Self::Charge, false) => "charge",
            (Self::Charge, true) => "refund",
            (Self::Credit, false) => "credit",
            (Self::Capture | Self::Credit, true) => "reverse", // the last of a workflow: nothing that follows can fail
        }
    }

    /// Whether the provider does it; else the ledger does.
    pub fn is_providers(self) -> bool {
        matches!(self, Self::Send | Self::Charge)
    }
}

/// The movement that a saga is to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub workflow: Workflow,
    /// The id of the customer's account.
    pub account: String,
    /// The id of the provider's account in this ledger.
    pub counter: String,
    /// Above zero.
    #[serde(with = "minor_units")]
    pub amount: Amount,
    /// Currency code.
    pub currency: String,
    /// Decimals of the currency.
    pub exponent: u8,
    /// The provider's token of a bank account or a card.
    pub instrument: String,
    /// Free text of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// What an operator says about the step in which a saga is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It has its effect: the saga goes on forward from there.
    Done,
    /// It has no effect, or no longer: the saga goes on undoing the steps before it.
    Undone,
}

impl Resolution {
    pub const NAMES: [(&str, Self); 2] = [("done", Self::Done), ("undone", Self::Undone)];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Undone => "undone",
        }
    }
}

/// What happened to a saga. `undo` says whether it concerns the step or its undoing. Attempts count from 1, and anew
/// after an operator's retry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The saga was requested.
    Started(Order),
    /// The provider is about to be called.
    Attempted {
        step: Step,
        undo: bool,
        /// Counts from 1.
        attempt: u32,
    },
    /// The step, or its undoing, is done.
    Done {
        step: Step,
        undo: bool,
        /// The provider's own id of the operation; `None` where the ledger did it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// The provider has accepted the operation, and will say later how it ended.
    Pending {
        step: Step,
        undo: bool,
        /// Counts from 1.
        attempt: u32,
    },
    /// Whether the attempt had its effect is not known.
    Unanswered {
        step: Step,
        undo: bool,
        /// Counts from 1.
        attempt: u32,
        /// What happened instead of an answer.
        reason: String,
        /// Whether it was the last attempt.
        is_final: bool,
    },
    /// The attempt certainly had no effect.
    Failed {
        step: Step,
        undo: bool,
        /// Counts from 1.
        attempt: u32,
        reason: String,
        /// Whether it was refused, or was the last attempt.
        is_final: bool,
    },
    /// The operation has been pending for too long.
    Overdue {
        step: Step,
        undo: bool,
        /// The provider's last answer.
        reason: String,
    },
    /// An operator has the stuck step tried again.
    Retried {
        /// The operator's name.
        by: String,
        /// In the operator's own words.
        reason: String,
    },
    /// An operator says how the stuck step stands.
    Resolved {
        how: Resolution,
        /// The operator's name.
        by: String,
        /// In the operator's own words.
        reason: String,
    },
}

impl Fact {
    /// The fact in a few words, for logs and errors.
    pub fn brief(&self) -> String {
        let of = |what: &str, step: Step, undo: bool| format!("{what} {}", step.name(undo));
        match self {
            Self::Started(order) => format!("started {}", order.workflow.as_str()),
            Self::Attempted { step, undo, attempt } => format!("attempt {attempt} of {}", step.name(*undo)),
            Self::Done { step, undo, .. } => of("done", *step, *undo),
            Self::Pending { step, undo, .. } => of("pending", *step, *undo),
            Self::Unanswered { step, undo, .. } => of("unanswered", *step, *undo),
            Self::Failed { step, undo, .. } => of("failed", *step, *undo),
            Self::Overdue { step, undo, .. } => of("overdue", *step, *undo),
            Self::Retried { .. } => "retried".into(),
            Self::Resolved { how, .. } => format!("resolved as {}", how.as_str()),
        }
    }
}

/// Amounts as text in JSON: most readers take a number there for a float.
mod minor_units {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::money::Amount;

    pub fn serialize<S: Serializer>(amount: &Amount, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&amount.minor_units())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Amount, D::Error> {
        let text = String::deserialize(from)?;
        let units: i128 =
            text.parse().map_err(|_| D::Error::custom(format_args!("{text:?} is no amount in minor units")))?;
        Amount::new(units).map_err(D::Error::custom)
    }
}

/// How the ids of providers' accounts begin.
pub const PROVIDER_PREFIX: &str = "provider:";

/// The id of the account through which money goes to a provider and comes from it.
pub fn provider_account(provider: &str, currency: &str) -> String {
    format!("{PROVIDER_PREFIX}{provider}:{currency}")
}
