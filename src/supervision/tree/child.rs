//! The children of the root, by name.

use crate::resilience::policy::ChildName;

/// The root's children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// Keeps the lease.
    Leadership,
    /// Supervises the journal's lane.
    Journal(i64),
    /// Folds the journal into balances.
    Auditor(i64),
    /// Supervises the accounts.
    Accounts(i64),
    /// Publishes events.
    Outbox(i64),
    /// Tends outbox, partitions and keys.
    Housekeeping(i64),
    /// Releases holds that expire.
    Expiry(i64),
    /// Runs sagas.
    Sagas(i64),
    /// Sends committed events to live streams.
    Feed(i64),
    /// Supervises the active invoices.
    Invoices(i64),
    /// Notes which invoices are overdue.
    Overdue(i64),
    /// Makes exports.
    Exports(i64),
    /// Bills orders.
    Orders(i64),
    /// Stores customers.
    Users(i64),
    /// Bills the customers of shops.
    Bills(i64),
    /// Keeps the mails to be sent.
    Notices(i64),
    /// Sends mails.
    Mailer(i64),
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
            Self::Invoices(_) => ChildName::Invoices,
            Self::Overdue(_) => ChildName::Overdue,
            Self::Exports(_) => ChildName::Exports,
            Self::Orders(_) => ChildName::Orders,
            Self::Users(_) => ChildName::Users,
            Self::Bills(_) => ChildName::Bills,
            Self::Notices(_) => ChildName::Notices,
            Self::Mailer(_) => ChildName::Mailer,
        }
    }
}
