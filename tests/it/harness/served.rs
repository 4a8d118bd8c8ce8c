//! Florin as `florin serve` puts it together, in the process of the test: every listener, a database of its own, no
//! Kafka.

use std::net::SocketAddr;

use florin::faults::Faults;
use florin::runtime::Runtime;
use florin::settings::{Mode, Settings, Sources};
use florin::store::verify::verify;

use super::TestDatabase;

/// A running one; `stop` verifies its books.
pub struct Served {
    pub runtime: Runtime,
    pub database: TestDatabase,
    pub faults: Faults,
    /// Where REST listens.
    pub http: SocketAddr,
}

impl Served {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these settings on top of those of every test.
    pub async fn with(more: &[(&str, &str)]) -> Self {
        if let Ok(filter) = std::env::var("TEST_LOG") {
            // another test was first
            let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        }
        let database = TestDatabase::fresh().await;
        let own = [
            ("DATABASE_URL", database.url.as_str()),
            ("DATABASE_POOL_MAX", "4"),
            ("GRPC_PORT", "0"),
            ("HTTP_PORT", "0"),
            ("METRICS_ENABLED", "false"), // they belong to the whole process
            ("RATE_LIMIT_ENABLED", "false"),
            ("DRAIN_SECONDS", "5"),
        ];
        let flags = own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (settings, _) = Settings::load(&Sources { flags, ..Sources::default() }, Mode::Tool).unwrap();
        let faults = Faults::default();
        let runtime = Runtime::start(&settings, faults.clone()).await.unwrap();
        assert!(
            runtime.serving(std::time::Duration::from_secs(15)).await,
            "not serving within 15 s: {:?}",
            runtime.health.parts()
        );
        let http = runtime.http.expect("REST listens");
        Self { runtime, database, faults, http }
    }

    /// Stops in order; then `florin verify` finds nothing.
    pub async fn stop(self) {
        self.runtime.drain().await;
        let report = verify(&self.database.pool, |_, _, _| {}).await.unwrap();
        assert!(report.is_clean(), "{report}");
    }
}
