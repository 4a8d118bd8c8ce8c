//! The children of the root, by name.

use crate::resilience::policy::ChildName;

/// The root's children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// Keeps the lease.
    Leadership,
    /// Supervises the journal's lane, under an epoch.
    Journal(i64),
    /// Folds the journal into balances, under an epoch.
    Auditor(i64),
    /// Supervises the accounts, under an epoch.
    Accounts(i64),
    /// Publishes events, under an epoch.
    Outbox(i64),
    /// Keeps outbox and keys in order, under an epoch.
    Housekeeping(i64),
    /// Lets go holds whose time has come, under an epoch.
    Expiry(i64),
    /// Runs workflows that leave the ledger, under an epoch.
    Sagas(i64),
    /// Hands out committed events to those who watch, under an epoch.
    Feed(i64),
}

impl Child {
    /// What policy and metrics call it.
    pub(super) fn name(self) -> ChildName {
        match self {
            Self::Leadership => ChildName::Leadership,
            Self::Journal(_) => ChildName::Journal,
            Self::Auditor(_) => ChildName::Auditor,
            Self::Accounts(_) => ChildName::Accounts,
            Self::Outbox(_) => ChildName::Outbox,
            Self::Housekeeping(_) => ChildName::Housekeeping,
            Self::Expiry(_) => ChildName::Expiry,
            Self::Sagas(_) => ChildName::Sagas,
            Self::Feed(_) => ChildName::Feed,
        }
    }
}
