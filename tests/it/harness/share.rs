//! Who drops the last handle of a test's database looks at its books, and drops what the test made for itself. A test
//! that fails leaves its database, to be looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::books::{self, Wrong};

/// A share in a database.
#[derive(Clone)]
pub struct Share(Arc<Shared>);

struct Shared {
    database: Database,
    /// A share was let go by a test that failed.
    failed: AtomicBool,
    /// The test damages the books on purpose.
    damaged: AtomicBool,
}

#[derive(Clone)]
struct Database {
    url: String,
    /// The server's URL and the name, of one that the test made.
    own: Option<(String, String)>,
}

impl Share {
    /// In a database that stays.
    pub fn of(url: &str) -> Self {
        Self::new(Database { url: url.into(), own: None })
    }

    /// In a database that goes with its last share.
    pub fn of_own(url: &str, server: &str, name: String) -> Self {
        Self::new(Database { url: url.into(), own: Some((server.into(), name)) })
    }

    fn new(database: Database) -> Self {
        Self(Arc::new(Shared { database, failed: AtomicBool::new(false), damaged: AtomicBool::new(false) }))
    }

    /// From now on the books need not balance.
    pub fn damaged(&self) {
        self.0.damaged.store(true, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.failed.load(Ordering::Relaxed) || std::thread::panicking() {
            return;
        }
        let (database, damaged) = (self.database.clone(), self.damaged.load(Ordering::Relaxed));
        // A thread with a runtime of its own: the test's may be ending.
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let wrong = if damaged { Vec::new() } else { database.wrong().await };
                if wrong.is_empty() {
                    database.drop_own().await;
                }
                wrong
            })
        });
        books::assert_balanced(&ended.join().expect("the books are read"));
    }
}

impl Database {
    /// What is wrong with the books. Of a server that the test has stopped nobody can tell.
    async fn wrong(&self) -> Vec<Wrong> {
        match in_time(PgConnection::connect(&self.url)).await {
            Ok(mut db) => {
                books::wrong(&mut db).await.unwrap_or_else(|error| panic!("the books of {}: {error}", self.url))
            }
            Err(error) => {
                eprintln!("nobody looked at the books of {}: {error}", self.url);
                Vec::new()
            }
        }
    }

    async fn drop_own(&self) {
        let Some((server, name)) = &self.own else { return };
        let dropped = in_time(async {
            let mut admin = PgConnection::connect(server).await?;
            // whoever is still connected has no use for it
            admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await?;
            admin.close().await
        });
        if let Err(error) = dropped.await {
            eprintln!("a test's database was not dropped: {error}"); // no reason for a test to fail
        }
    }
}

async fn in_time<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(Duration::from_secs(10), work).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
