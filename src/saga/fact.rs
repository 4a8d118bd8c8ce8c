//! What a saga is asked to do, and the facts that its log consists of.

use serde::{Deserialize, Serialize};

use crate::money::Amount;

/// The ways in which money leaves the ledger or comes into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workflow {
    /// A customer's money is held, sent by the provider, then captured.
    Payout,
    /// A card is charged by the provider, then the customer's account is credited.
    CardTopup,
}

impl Workflow {
    /// Its steps, in order.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::Payout => &[Step::Hold, Step::Send, Step::Capture],
            Self::CardTopup => &[Step::Charge, Step::Credit],
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payout => "payout",
            Self::CardTopup => "card_topup",
        }
    }

    /// Its number in the database.
    pub fn code(self) -> i16 {
        match self {
            Self::Payout => 1,
            Self::CardTopup => 2,
        }
    }
}

/// One step of a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The ledger holds the customer's money.
    Hold,
    /// The provider sends the money to the customer's bank account.
    Send,
    /// The ledger moves what is held to the provider's account.
    Capture,
    /// The provider charges the customer's card.
    Charge,
    /// The ledger moves the money from the provider's account to the customer's.
    Credit,
}

impl Step {
    /// Its name, or that of its undoing.
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

    /// Whether the provider does it, and not the ledger.
    pub fn is_providers(self) -> bool {
        matches!(self, Self::Send | Self::Charge)
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which way.
    pub workflow: Workflow,
    /// The customer's account.
    pub account: String,
    /// The provider's account in this ledger.
    pub counter: String,
    /// How much; positive.
    #[serde(with = "minor_units")]
    pub amount: Amount,
    /// In which currency.
    pub currency: String,
    /// Decimals of that currency.
    pub exponent: u8,
    /// The provider's token of a bank account or a card.
    pub instrument: String,
    /// The caller's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// How an operator says that the step in which a saga is stuck stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It has its effect: the saga goes on forward from there.
    Done,
    /// It has none, or no longer: the saga goes on undoing what came before it.
    Undone,
}

impl Resolution {
    /// Both, by name.
    pub const NAMES: [(&str, Self); 2] = [("done", Self::Done), ("undone", Self::Undone)];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Undone => "undone",
        }
    }
}

/// What happened. `undo` says whether it concerns the step or its undoing; attempts count from 1, and anew after a retry by an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// It was asked for.
    Started(Order),
    /// The provider is about to be called.
    Attempted {
        /// Which step.
        step: Step,
        /// Its undoing.
        undo: bool,
        /// The how manieth.
        attempt: u32,
    },
    /// It is done.
    Done {
        /// Which step.
        step: Step,
        /// Its undoing.
        undo: bool,
        /// The provider's reference.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
    },
    /// The provider has taken it on, and will say later what became of it.
    Pending {
        /// Which step.
        step: Step,
        /// Its undoing.
        undo: bool,
        /// The how manieth.
        attempt: u32,
    },
    /// Nobody knows whether the attempt had its effect.
    Unanswered {
        /// Which step.
        step: Step,
        /// Its undoing.
        undo: bool,
        /// The how manieth.
        attempt: u32,
        /// What happened instead of an answer.
        reason: String,
        /// It was the last attempt.
        is_final: bool,
    },
    /// The step certainly has no effect.
    Failed {
        /// Which step.
        step: Step,
        /// Its undoing.
        undo: bool,
        /// The how manieth.
        attempt: u32,
        /// Why.
        reason: String,
        /// It was refused, or it was the last attempt.
        is_final: bool,
    },
    /// It has been pending for too long.
    Overdue {
        /// Which step.
        step: Step,
        /// Its undoing.
        undo: bool,
        /// What was heard last.
        reason: String,
    },
    /// An operator has the stuck step tried again.
    Retried {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// An operator says how the stuck step stands.
    Resolved {
        /// How.
        how: Resolution,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

impl Fact {
    /// What it says, in a few words.
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

/// Amounts as text in JSON: a number there is a float to most readers.
mod minor_units {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::money::Amount;

    pub fn serialize<S: Serializer>(amount: &Amount, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&amount.minor_units())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Amount, D::Error> {
        let text = String::deserialize(from)?;
        let units: i128 = text.parse().map_err(|_| D::Error::custom(format_args!("{text:?} is no amount in minor units")))?;
        Amount::new(units).map_err(D::Error::custom)
    }
}

/// The account of the ledger through which money leaves to a provider and comes from it.
pub fn provider_account(provider: &str, currency: &str) -> String {
    format!("provider:{provider}:{currency}")
}
