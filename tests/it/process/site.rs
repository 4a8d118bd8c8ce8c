//! An installation: a database, topics and settings of its own, and the commands that run on it.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use super::florin::{Process, Server};
use crate::harness::TestDatabase;

pub struct Site {
    pub database: TestDatabase,
    /// Begins the names of its topics.
    pub name: String,
    pub brokers: String,
    /// Where its PDFs and exports go; gone with it.
    pub files: tempfile::TempDir,
    settings: Vec<(String, String)>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The broker that `make up` started.
pub fn brokers() -> String {
    std::env::var("KAFKA_BROKERS")
        .expect("KAFKA_BROKERS names the test broker: run `make up`, or all tests by `make test`")
}

impl Site {
    /// On the shared servers, without limits of calls; light, because many run side by side.
    pub async fn new() -> Self {
        Self::on(TestDatabase::empty().await, brokers()).await
    }

    /// On this empty database and this broker.
    pub async fn on(database: TestDatabase, brokers: String) -> Self {
        let site = Self::unmigrated(database, brokers);
        let migrated = site.run(&["migrate"]);
        assert!(migrated.status.success(), "{migrated:?}");
        site
    }

    pub fn unmigrated(database: TestDatabase, brokers: String) -> Self {
        let name = format!("it{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let files = tempfile::tempdir().unwrap();
        let folder = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
        let (documents, exports) = (folder("documents"), folder("exports"));
        let mut site = Self { database, brokers, settings: Vec::new(), name, files };
        let (url, brokers, name) = (site.database.url.clone(), site.brokers.clone(), site.name.clone());
        for (setting, value) in [
            ("DATABASE_URL", url.as_str()),
            ("DATABASE_POOL_MAX", "4"),
            ("KAFKA_BROKERS", &brokers),
            ("KAFKA_TOPIC_PREFIX", &name),
            ("KAFKA_TRANSACTIONAL_ID", &name),
            ("KAFKA_FLORIN_TOPIC", &format!("{name}.florin")),
            ("KAFKA_POSITION_TOPIC", &format!("{name}.position")),
            ("KAFKA_INVOICES_TOPIC", &format!("{name}.invoices")),
            ("KAFKA_BILLING_EVENTS_TOPIC", &format!("{name}.billing")),
            ("KAFKA_ORDERS_TOPIC", &format!("{name}.orders")),
            ("KAFKA_GROUP_ID", &format!("{name}.billing-worker")),
            ("KAFKA_USERS_TOPIC", &format!("{name}.users")),
            ("KAFKA_USERS_GROUP", &format!("{name}.insertion")),
            ("KAFKA_BILLING_TOPIC", &format!("{name}.bills")),
            ("KAFKA_BILLING_GROUP", &format!("{name}.bills-worker")),
            ("KAFKA_NOTIFY_TOPIC", &format!("{name}.notify")),
            ("KAFKA_NOTIFY_GROUP", &format!("{name}.notification")),
            ("KAFKA_TOPIC_PARTITIONS", "2"),
            ("DOCUMENTS_DIR", &documents),
            ("EXPORTS_DIR", &exports),
            ("GRPC_PORT", "0"),
            ("HTTP_PORT", "0"),
            ("METRICS_PORT", "0"),
            ("RATE_LIMIT_ENABLED", "false"),
            ("LEASE_SECONDS", "2"),
            ("DRAIN_SECONDS", "5"),
            ("OUTBOX_BATCH_SIZE", "50"),
            ("OUTBOX_BASE_DELAY_SECONDS", "0.05"),
            ("OUTBOX_MAX_DELAY_SECONDS", "1"),
            ("LOG_FORMAT", "json"),
        ] {
            site.set(setting, value);
        }
        site
    }

    pub fn set(&mut self, setting: &str, value: &str) {
        self.settings.retain(|(name, _)| name != setting);
        self.settings.push((setting.into(), value.into()));
    }

    pub fn with(mut self, setting: &str, value: &str) -> Self {
        self.set(setting, value);
        self
    }

    /// A port for the gRPC listener that stays the same over restarts.
    pub fn with_fixed_port(self) -> Self {
        let port = florin_servers::ports::free().unwrap().to_string();
        self.with("GRPC_PORT", &port)
    }

    /// The binary with the settings of this site and none of the machine's.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_florin"));
        command.args(args).env_clear().env("FLORIN_DATA", "/nonexistent").envs(self.settings.iter().cloned());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(std::process::Stdio::null()).output().unwrap()
    }

    /// Starts `florin serve`; it listens, and may still wait for the lease.
    pub async fn start(&self) -> Server {
        Server::of(Process::spawn(self.command(&["serve"]))).await
    }

    /// Starts `florin serve`; it serves.
    pub async fn serve(&self) -> Server {
        let server = self.start().await;
        server.serving().await;
        server
    }

    /// `florin verify` finds nothing.
    pub fn verify(&self) {
        let verified = self.run(&["verify"]);
        assert!(verified.status.success(), "{}{}", text(&verified.stdout), text(&verified.stderr));
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
