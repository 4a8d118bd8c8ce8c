//! A Florin of one's own: a fresh database, the whole tree, a gRPC client. On drop the books must balance.

mod books;
pub mod cases;
mod database;
mod events;
pub mod money;
mod partitions;
pub mod provider;
pub mod proxy;
pub mod served;
mod share;
mod template;
pub mod tls;
pub mod topics;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use florin::actors::leadership::Holder;
use florin::actors::saga::SagaConfig;
use florin::admission::auth::Authenticator;
use florin::admission::connections::ConnectionsMax;
use florin::admission::limits::Limits;
use florin::faults::Faults;
use florin::gateway::grpc::server::{GrpcConfig, GrpcServer, Services};
use florin::protocol::admission::InFlight;
use florin::resilience::health::{Health, Overall};
use florin::store::{self, Database};
use florin::supervision::tree::{Publishing, Tree, TreeConfig};
use florin::teller::ledger::{Ledger, LedgerParts};
use florin_wire::florin_v1::ledger_client::LedgerClient;
use florin_wire::payment_v1 as pb;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use tonic::transport::Channel;

pub use self::database::TestDatabase;

/// What a test may want otherwise.
#[derive(Clone)]
pub struct Options {
    pub writers: usize,
    pub batch_max: usize,
    pub partition_rows: i64,
    pub active_accounts_max: usize,
    pub in_flight_max: usize,
    pub account_share_max: usize,
    pub write_cutoff: Duration,
    pub answer_timeout: Duration,
    pub read_timeout: Duration,
    pub lease: Duration,
    pub limits: Limits,
    pub publishing: Option<Publishing>,
    pub sagas: Option<SagaConfig>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            writers: 1,
            batch_max: 2_000,
            partition_rows: 1_000_000,
            active_accounts_max: 10_000,
            in_flight_max: 10_000,
            account_share_max: 5_000,
            write_cutoff: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(5),
            lease: Duration::from_secs(3),
            limits: Limits::default(),
            publishing: None,
            sagas: None,
        }
    }
}

/// A running Florin.
pub struct Florin {
    pub database: TestDatabase,
    pub health: Health,
    pub faults: Faults,
    pub tree: Tree,
    pub ledger: Ledger,
    pub in_flight: InFlight,
    pub client: PaymentServiceClient<Channel>,
    pub native: LedgerClient<Channel>,
    pub address: std::net::SocketAddr,
    server: GrpcServer,
}

impl Florin {
    pub async fn start() -> Self {
        Self::with(TestDatabase::fresh().await, Options::default()).await
    }
    pub async fn with(database: TestDatabase, options: Options) -> Self {
        let url = database.url.clone();
        let florin = Self::standby(database, &url, options, "node").await;
        florin.serving().await;
        florin
    }

    /// Starts without waiting for the lease.
    pub async fn standby(database: TestDatabase, url: &str, options: Options, name: &str) -> Self {
        if let Ok(filter) = std::env::var("TEST_LOG") {
            // another test was first
            let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        }
        let (health, faults) = (Health::default(), Faults::default());
        let mut db = Database::new(url).unwrap();
        db.read_timeout = options.read_timeout;
        let pool = db.pool(8);
        let tree = Box::pin(Tree::start(TreeConfig {
            database: db,
            pool: pool.clone(),
            holder: Holder::named(name),
            lease: options.lease,
            writers: options.writers,
            partition_rows: options.partition_rows,
            batch_max: options.batch_max,
            answer_timeout: options.answer_timeout,
            active_accounts_max: options.active_accounts_max,
            account_idle_after: Duration::from_secs(300),
            publishing: options.publishing.clone(),
            sagas: options.sagas.clone(),
            billing: None,
            exports: None,
            health: health.clone(),
            faults: faults.clone(),
        }))
        .await
        .unwrap();
        let in_flight = InFlight::new(options.in_flight_max);
        let currencies = store::currencies::load(&database.pool).await.unwrap();
        let ledger = Ledger::new(LedgerParts {
            node: tree.node.clone(),
            pool,
            in_flight: in_flight.clone(),
            backpressure: options.publishing.map(|publishing| publishing.backpressure).unwrap_or_default(),
            account_share_max: options.account_share_max,
            write_cutoff: options.write_cutoff,
            rate_age_max: Duration::from_secs(3_600),
            currencies,
            billing: florin::teller::ledger::BillingDefaults::default(),
            papers: florin::teller::ledger::Papers::default(),
            provider: options.sagas.as_ref().map(|_| "test".into()),
            memory: florin::teller::ledger::Memory::default(),
        });
        let config = GrpcConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            message_bytes_max: 4 << 20,
            connections_max: ConnectionsMax { all: 20_000, address_percent: 100 },
            streams_max: 1_000,
            tls: None,
            log_payments: false,
        };
        let services = Services {
            ledger: ledger.clone(),
            limits: options.limits,
            authenticator: Authenticator::open(),
            health: health.clone(),
        };
        let server = GrpcServer::start(config, services).await.unwrap();
        let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap();
        Self {
            database,
            health,
            faults,
            tree,
            ledger,
            in_flight,
            client: PaymentServiceClient::new(channel.clone()),
            native: LedgerClient::new(channel),
            address: server.address,
            server,
        }
    }

    pub async fn serving(&self) {
        let mut overall = self.health.watch();
        let serving = overall.wait_for(|overall| *overall != Overall::NotServing);
        tokio::time::timeout(Duration::from_secs(15), serving).await.expect("serving in time").unwrap();
    }

    pub async fn pay(
        &self,
        key: &str,
        from: &str,
        to: &str,
        cents: i64,
    ) -> Result<pb::AuthorizePaymentResponse, tonic::Status> {
        self.pay_in(key, from, to, cents, "USD").await
    }

    pub async fn pay_in(
        &self,
        key: &str,
        from: &str,
        to: &str,
        cents: i64,
        currency: &str,
    ) -> Result<pb::AuthorizePaymentResponse, tonic::Status> {
        let request = payment(key, from, to, cents, currency);
        Ok(self.client.clone().authorize_payment(request).await?.into_inner())
    }

    /// What the test changed behind the actors' backs they read anew.
    pub fn kill_actors(&self) {
        for name in ["alice", "bob"] {
            if let Some(account) = self.tree.node.active().and_then(|active| active.registry.get("default", name)) {
                account.cell.bury();
                account.actor.get_cell().kill();
            }
        }
    }

    pub async fn balance(&self, account: &str) -> i64 {
        let request = pb::GetAccountBalanceRequest { account_id: account.into() };
        self.client.clone().get_account_balance(request).await.unwrap().into_inner().available_balance_cents
    }

    /// None: it cannot be told now.
    pub async fn balance_if_known(&self, account: &str) -> Option<i64> {
        let request = pb::GetAccountBalanceRequest { account_id: account.into() };
        self.client
            .clone()
            .get_account_balance(request)
            .await
            .ok()
            .map(|balance| balance.into_inner().available_balance_cents)
    }

    /// Stops in order: nothing is in flight any more.
    pub async fn stop(self) {
        self.server.stop(Duration::from_secs(10)).await;
        until("nothing is in flight", || async { self.in_flight.now() == 0 }).await;
        self.tree.stop().await;
    }

    /// Ends as if the process had died.
    pub async fn kill(self) {
        self.tree.kill().await;
        self.server.stop(Duration::ZERO).await;
    }
}

pub fn payment(key: &str, from: &str, to: &str, cents: i64, currency: &str) -> pb::AuthorizePaymentRequest {
    pb::AuthorizePaymentRequest {
        idempotency_key: key.into(),
        payer_account_id: from.into(),
        payee_account_id: to.into(),
        amount_cents: cents,
        currency: currency.into(),
        description: String::new(),
    }
}

/// Waits for a condition, for at most 15 s.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within 15 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs a test of this binary, marked `#[ignore]`, in a process of its own: what it does to the process is nobody
/// else's.
pub fn alone(test: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]).stdin(std::process::Stdio::null());
    command
}

/// Counts outcomes by status and error code.
pub fn tally(answers: &[Result<pb::AuthorizePaymentResponse, tonic::Status>]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for answer in answers {
        let name = match answer {
            Ok(answer) => match &answer.error {
                None => answer.status().as_str_name().trim_start_matches("PAYMENT_STATUS_").to_owned(),
                Some(error) => error.code().as_str_name().trim_start_matches("PAYMENT_ERROR_CODE_").to_owned(),
            },
            Err(status) => format!("{:?}", status.code()),
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}
