//! Databases that a test made for itself are dropped when it ends well; a test that fails leaves its own, to be looked
//! at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// A share in such a database. The last one drops it.
#[derive(Clone)]
pub struct Owned(Arc<Shared>);

struct Shared {
    server: String,
    name: String,
    /// A share was let go by a test that failed.
    failed: AtomicBool,
}

impl Owned {
    pub fn new(server: &str, name: String) -> Self {
        Self(Arc::new(Shared { server: server.into(), name, failed: AtomicBool::new(false) }))
    }
}

impl Drop for Owned {
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
        // whoever is still connected has no use for it
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let dropping = async move {
            let mut admin = PgConnection::connect(&server).await?;
            admin.execute(AssertSqlSafe(sql)).await?;
            admin.close().await
        };
        // A thread with a runtime of its own: the test's may be ending.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            match runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), dropping).await }) {
                Ok(Ok(())) => {}
                other => eprintln!("a test's database was not dropped: {other:?}"), // no reason for a test to fail
            }
        });
        let _ = thread.join(); // it says what went wrong
    }
}
