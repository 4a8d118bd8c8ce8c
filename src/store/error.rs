//! Failures of the database, sorted by what they mean for money: certainly not done, or unknown.

use sqlx::postgres::PgDatabaseError;

#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database answered with an error: the statement had no effect.
    #[error("{message} ({code})")]
    Database {
        /// The SQLSTATE.
        code: String,
        /// The database's words. For logs, never for callers.
        message: String,
        constraint: Option<String>,
    },
    /// No answer arrived: the statement may have taken effect.
    #[error("no answer from the database: {0}")]
    Lost(String),
    /// An answer that this version cannot read.
    #[error("unreadable answer from the database: {0}")]
    Unreadable(String),
}

impl StoreError {
    /// The SQLSTATE; `None`: the database did not answer.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Database { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the same statement may succeed later: a lost connection, lack of resources, shutdown, a database that
    /// takes no writes for now, a timeout, a deadlock.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            Self::Unreadable(_) => false,
            Self::Database { code, .. } => {
                ["08", "40", "53", "58", "57P0"].iter().any(|class| code.starts_with(class))
                    || code == "55P03"
                    || code == "57014"
                    || code == "25P03"
                    || code == "25006"
            }
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(answer) => {
                let constraint =
                    answer.try_downcast_ref::<PgDatabaseError>().and_then(|e| e.constraint()).map(str::to_owned);
                Self::Database {
                    code: answer.code().unwrap_or_default().into_owned(),
                    message: answer.message().to_owned(),
                    constraint,
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => Self::Lost(error.to_string()),
            other => Self::Unreadable(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_nobodys_fault_is_transient() {
        let error = |code: &str| StoreError::Database { code: code.into(), message: String::new(), constraint: None };
        for code in ["25006", "08006", "40P01", "40001", "53100", "53300", "58030", "55P03", "57014", "57P01", "57P03"]
        {
            assert!(error(code).is_transient(), "{code}");
        }
        for code in ["22003", "22021", "23514", "23505", "42703", "FL001", "XX000"] {
            assert!(!error(code).is_transient(), "{code}");
        }
        assert!(StoreError::Lost("reset".into()).is_transient());
    }
}
