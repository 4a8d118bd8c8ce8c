//! Florin as a whole: put together from settings, started, watched, drained. `serve` and `dev` differ in what they
//! start before.

mod parts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::future::join_all;
use http::HeaderValue;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use secrecy::ExposeSecret;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::parts::{billing, customers, dispatch, limiter, printer, publishing, saga_config, write_refused};
pub use self::parts::{exports, kafka, outbox};
use crate::actors::housekeeping::Backpressure;
use crate::actors::leadership::Holder;
use crate::actors::press::Press;
use crate::admission::auth::Authenticator;
use crate::admission::connections::ConnectionsMax;
use crate::admission::limits::{Limits, Trusted};
use crate::admission::tls::Tls;
use crate::faults::Faults;
use crate::gateway::grpc::server::{GrpcConfig, GrpcServer, Services};
use crate::gateway::http::browser::Hosts;
use crate::gateway::http::server::{HttpServer, HttpServerConfig};
use crate::gateway::http::{App, AppParts};
use crate::gateway::listener::CONNECTION_AGE_MAX;
use crate::gateway::routes::{orders_router, router};
use crate::protocol::admission::InFlight;
use crate::resilience::health::{Health, Overall};
use crate::resilience::tasks;
use crate::settings::{ListenSettings, Settings, WindowSettings};
use crate::store::{self, Database};
use crate::supervision::tree::{Tree, TreeConfig};
use crate::telemetry::http::{HealthView, MetricsListener};
use crate::telemetry::metrics::{DB_CONNECTIONS, IN_FLIGHT, JOURNAL_QUEUE};
use crate::teller::ledger::{BillingDefaults, Ledger, LedgerParts, Memory, Papers};

/// A stopping process in which nothing was in flight for so long waits for no connection any more.
const QUIET: Duration = Duration::from_secs(1);

/// Connections of REST at a time, where the system allows as many files.
const REST_CONNECTIONS_MAX: usize = 10_000;
/// How long a connection of REST may take to send a request's head, once it has begun.
const REST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection of REST may be silent between two requests: longer than load balancers keep theirs, which is
/// 60 s and more, or they send a request on one that is just being closed.
const REST_IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const _: () = assert!(REST_IDLE_TIMEOUT.as_secs() > 75, "load balancers keep theirs as long");
/// Files that are no connections of callers: the metrics' ones, those to the servers, logs.
const OTHER_FILES: u64 = 400;
/// The setting of the port where REST is as clients of the orders contract expect it.
const ORDERS_PORT: &str = "LEDGER_API_HTTP_PORT";

/// A running Florin.
pub struct Runtime {
    /// Where gRPC listens.
    pub grpc: SocketAddr,
    /// Where REST listens.
    pub http: Option<SocketAddr>,
    /// Where REST listens as clients of the orders contract expect it, if it does.
    pub orders_http: Option<SocketAddr>,
    /// Where metrics are, if they are on.
    pub metrics: Option<SocketAddr>,
    /// The way into the ledger.
    pub ledger: Ledger,
    /// The board.
    pub health: Health,
    pool: PgPool,
    tree: Arc<Tree>,
    server: GrpcServer,
    rest: HttpServer,
    more_rest: Vec<HttpServer>,
    stop: watch::Sender<bool>,
    beside: Vec<JoinHandle<()>>,
    drain: Duration,
}

impl Runtime {
    /// Connects, checks the schema, builds the tree and listens. It serves once the lease is taken.
    ///
    /// # Errors
    /// When the database cannot be reached or has another schema, or an address cannot be had.
    pub async fn start(settings: &Settings, faults: Faults) -> anyhow::Result<Self> {
        if settings.metrics.is_some() {
            // First of all: what takes its handles before there is a recorder is never seen.
            crate::telemetry::metrics::install().map_err(anyhow::Error::msg)?;
        }
        let url = settings.database.url.as_ref().context("DATABASE_URL is not set")?;
        let mut database = Database::new(url.expose_secret()).context("DATABASE_URL cannot be read")?;
        database.connect_timeout = settings.database.connect_timeout;
        database.read_timeout = settings.database.read_timeout;
        let pool = database.pool(settings.database.pool_max);
        store::schema::check(&pool).await?;
        let health = Health::default();
        let backpressure = Backpressure::default();
        // of their own: callers' reads must not keep accounts from being loaded
        let loading = database.pool(settings.database.pool_max);
        let publishing = settings.kafka.brokers.is_some().then(|| publishing(settings, &database, &backpressure));
        let sagas = saga_config(settings, &database)?;
        let provider = sagas.as_ref().map(|sagas| Arc::from(sagas.provider.name()));
        let pools = [Some(&pool), Some(&loading), publishing.as_ref().map(|publishing| &publishing.pool)]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let currencies = store::currencies::load(&pool).await?;
        let dispatch = dispatch(settings);
        let press = Press::new(printer());
        let billing = billing(settings, &database, &currencies, dispatch.as_ref(), &press)?;
        let exports = Some(exports(settings, &database));
        let tree = Tree::start(TreeConfig {
            database: database.clone(),
            pool: loading,
            holder: Holder::this(),
            lease: settings.journal.lease,
            writers: settings.journal.writers,
            partition_rows: settings.journal.partition_rows,
            batch_max: settings.journal.batch_max,
            answer_timeout: settings.journal.timeout,
            active_accounts_max: settings.admission.active_accounts_max,
            account_idle_after: settings.admission.account_idle,
            publishing,
            sagas,
            billing,
            exports,
            health: health.clone(),
            faults: faults.clone(),
        });
        let tree = Arc::new(tree.await?);
        let in_flight_max = settings.admission.in_flight_max;
        let ledger = Ledger::new(LedgerParts {
            node: tree.node.clone(),
            pool: pool.clone(),
            in_flight: InFlight::new(in_flight_max),
            backpressure,
            account_share_max: (in_flight_max * usize::from(settings.admission.account_share_percent) / 100).max(1),
            write_cutoff: settings.journal.write_cutoff,
            rate_age_max: settings.rate_age_max,
            currencies,
            billing: BillingDefaults {
                entity: settings.billing.orders_entity.as_str().into(),
                tax_percent: settings.billing.tax_percent,
            },
            papers: Papers { press, are_mailed: settings.mail.is_some() },
            provider,
            memory: Memory::default(),
        });
        let tls = settings.tls.clone().map(Tls::load).transpose().context("TLS cannot be used")?;
        let authenticator =
            Authenticator::new(&settings.auth, settings.auth.api_keys.then(|| Box::new(pool.clone()) as _))
                .granting(tls.as_ref().map(Tls::subjects).unwrap_or_default());
        let limiter = |window: Option<WindowSettings>, prefix: &str| {
            window.map(|window| limiter(settings, window, prefix, &health, &faults)).transpose()
        };
        let limits = Limits {
            payment: limiter(settings.rate_limit.payment, "florin:rate:payment")?,
            native: limiter(settings.rate_limit.native, "florin:rate:native")?,
            trusted: Trusted::networks(&settings.rate_limit.trusted),
        };
        let (grpc_connections_max, rest_connections_max) = connections_max(settings.grpc.connections_max);
        // the listeners of REST share its connections
        let rest_connections_max =
            rest_connections_max.div_ceil(1 + settings.more_http.len() + usize::from(settings.orders_http.is_some()));
        let of_address = |all| ConnectionsMax { all, address_percent: settings.address_percent };
        let config = GrpcConfig {
            listen: resolve(&settings.grpc.listen).await?,
            message_bytes_max: settings.grpc.message_bytes_max,
            connections_max: of_address(grpc_connections_max),
            streams_max: 2_000,
            tls: tls.clone(),
            log_payments: settings.log.payments,
        };
        let rest_config = HttpServerConfig {
            listen: resolve(&settings.http).await?,
            connections_max: of_address(rest_connections_max),
            tls: tls.clone(),
            head_timeout: REST_HEAD_TIMEOUT,
            idle_timeout: REST_IDLE_TIMEOUT,
            age_max: CONNECTION_AGE_MAX,
        };
        let (serving, parts) = (health.clone(), health.clone());
        let view = HealthView::new(
            move || serving.overall() != Overall::NotServing,
            move || serde_json::to_value(parts.parts()).unwrap_or_default(),
        );
        let allow_origin = HeaderValue::from_str(&settings.customers.allow_origin)
            .with_context(|| format!("CORS_ALLOW_ORIGIN {:?} is no header", settings.customers.allow_origin))?;
        let app = App::new(AppParts {
            ledger: ledger.clone(),
            limits: limits.clone(),
            authenticator: authenticator.clone(),
            health: view.clone(),
            customers: dispatch.map(|dispatch| customers(settings, dispatch, &pool)),
            sagas_resolved_by_two: settings.sagas.resolve_by_two,
            allow_origin,
            hosts: Hosts::new(settings.allowed_hosts.clone(), !settings.auth.any()),
        });
        let more = async |listen: &ListenSettings, name: &str| -> anyhow::Result<HttpServer> {
            let config = HttpServerConfig { listen: resolve(listen).await?, ..rest_config.clone() };
            let is_orders = name == ORDERS_PORT;
            let router = if is_orders { orders_router(app.clone()) } else { router(app.clone()) };
            let started = HttpServer::start(config, router, health.clone()).await;
            started.with_context(|| format!("REST cannot listen (HTTP_HOST {}, {name} {})", listen.host, listen.port))
        };
        let mut more_rest = Vec::new();
        if let Some(listen) = &settings.orders_http {
            more_rest.push(more(listen, ORDERS_PORT).await?);
        }
        let orders_http = more_rest.first().map(|rest| rest.address);
        for listen in &settings.more_http {
            more_rest.push(more(listen, "HTTP_MORE_PORTS").await?);
        }
        let rest = HttpServer::start(rest_config, router(app), health.clone()).await;
        let rest = rest.with_context(|| {
            format!("REST cannot listen (HTTP_HOST {}, HTTP_PORT {})", settings.http.host, settings.http.port)
        })?;
        let refused = authenticator.clone();
        let services = Services { ledger: ledger.clone(), limits, authenticator, health: health.clone() };
        let server = GrpcServer::start(config, services).await?;
        let (stop, stopped) = watch::channel(false);
        let mut beside = vec![
            tasks::spawn(gauges(ledger.clone(), database, pools, stopped.clone())),
            tasks::spawn(write_refused(refused, pool.clone(), stopped.clone())),
        ];
        beside.extend(tls.map(|tls| tasks::spawn(tls.follow(stopped.clone()))));
        let mut metrics = None;
        if let Some(listen) = &settings.metrics {
            let listener = MetricsListener::bind(listen)
                .await
                .with_context(|| format!("cannot listen for metrics on {}:{}", listen.host, listen.port))?;
            metrics = Some(listener.address()?);
            let mut until = stopped.clone();
            beside.push(tasks::spawn(async move {
                let until = async move { drop(until.wait_for(|stopped| *stopped).await) };
                if let Err(error) = listener.run(view, until).await {
                    tracing::error!(%error, "the metrics listener ended");
                }
            }));
        }
        Ok(Self {
            grpc: server.address,
            http: Some(rest.address),
            orders_http,
            metrics,
            ledger,
            health,
            pool,
            tree,
            server,
            rest,
            more_rest,
            stop,
            beside,
            drain: settings.grpc.drain,
        })
    }

    /// Connections for reads.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Waits until payments are served; false if they are not within `patience`.
    pub async fn serving(&self, patience: Duration) -> bool {
        let mut overall = self.health.watch();
        let serving = overall.wait_for(|overall| *overall != Overall::NotServing);
        matches!(tokio::time::timeout(patience, serving).await, Ok(Ok(_)))
    }

    /// Waits until the tree has ended by itself: it failed too often.
    pub fn ended(&self) -> impl Future<Output = ()> + 'static {
        let tree = self.tree.clone();
        async move { tree.ended().await }
    }

    /// Stops accepting, lets what was accepted finish and be answered, lets the lease go, ends.
    pub async fn drain(self) {
        let until = Instant::now() + self.drain;
        let in_flight = &self.ledger.parts().in_flight;
        let stop_rest = |rest: HttpServer| rest.stop_when(self.drain, quiet(in_flight));
        tokio::join!(
            self.server.stop_when(self.drain, quiet(in_flight)),
            stop_rest(self.rest),
            join_all(self.more_rest.into_iter().map(stop_rest))
        );
        while in_flight.now() > 0 && Instant::now() < until {
            // callers that hung up leave work behind that is finished all the same
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.tree.stop().await;
        self.stop.send_replace(true);
        for task in self.beside {
            let abort = task.abort_handle();
            if tokio::time::timeout(Duration::from_secs(1), task).await.is_err() {
                abort.abort();
            }
        }
        // a read that hangs ends with the process
        let _ = tokio::time::timeout(Duration::from_secs(1), self.pool.close()).await;
    }
}

/// Connections of gRPC and of REST. Where the system allows too few files for both, each has its part of them.
fn connections_max(grpc: usize) -> (usize, usize) {
    let wanted = grpc.saturating_add(REST_CONNECTIONS_MAX);
    let all = files_for(wanted);
    let rest = REST_CONNECTIONS_MAX.saturating_mul(all) / wanted;
    (all.saturating_sub(rest).max(1), rest.max(1))
}

/// Each connection is an open file, of which a process is allowed few at first: asks for more, up to what the system
/// allows. What is allowed in the end bounds the connections: beyond it nothing else could be opened either.
fn files_for(wanted: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let asked = needed.min(hard).max(soft);
    let allowed = if setrlimit(Resource::RLIMIT_NOFILE, asked, hard).is_ok() { asked } else { soft };
    if allowed < needed {
        tracing::info!(
            wanted,
            allowed_files = allowed,
            "the system allows fewer open files than GRPC_CONNECTIONS_MAX and REST need: fewer connections are taken"
        );
    }
    wanted.min(usize::try_from(allowed.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX)).max(1)
}

/// Waits until nothing has been in flight for a while: every answer has been sent, and who still holds a connection
/// only holds it.
async fn quiet(in_flight: &InFlight) {
    let mut since = Instant::now();
    while since.elapsed() < QUIET {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if in_flight.now() > 0 {
            since = Instant::now();
        }
    }
}

async fn resolve(listen: &ListenSettings) -> anyhow::Result<SocketAddr> {
    let mut addresses = tokio::net::lookup_host((listen.host.as_str(), listen.port))
        .await
        .with_context(|| format!("cannot resolve {}", listen.host))?;
    addresses.next().with_context(|| format!("{} has no address", listen.host))
}

/// What is measured by looking, once a second.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
async fn gauges(ledger: Ledger, database: Database, pools: Vec<PgPool>, mut stopped: watch::Receiver<bool>) {
    let parts = ledger.parts();
    while tokio::time::timeout(Duration::from_secs(1), stopped.wait_for(|stopped| *stopped)).await.is_err() {
        metrics::gauge!(IN_FLIGHT).set(parts.in_flight.now() as f64);
        let busy = |pool: &PgPool| pool.size().saturating_sub(u32::try_from(pool.num_idle()).unwrap_or(u32::MAX));
        metrics::gauge!(DB_CONNECTIONS).set(f64::from(pools.iter().map(busy).sum::<u32>() + database.sessions()));
        let depth = parts.node.active().map_or(0, |active| active.journal.depth());
        metrics::gauge!(JOURNAL_QUEUE).set(depth as f64);
    }
}
