//! The children of the root, by name.

/// The root's children; the number is the epoch under which one runs.
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
}

impl Child {
    /// The name in the restart policy and in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Leadership => "leadership",
            Self::Journal(_) => "journal",
            Self::Auditor(_) => "auditor",
            Self::Accounts(_) => "accounts",
            Self::Outbox(_) => "outbox",
            Self::Housekeeping(_) => "housekeeping",
            Self::Expiry(_) => "expiry",
            Self::Sagas(_) => "sagas",
            Self::Feed(_) => "feed",
        }
    }
}
