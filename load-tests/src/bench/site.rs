//! Everything that a benchmark runs on: PostgreSQL, Kafka, Redis, Florin and the baselines' server, started here and
//! stopped when dropped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use florin_servers::kafka::DevKafka;
use florin_servers::ports;
use florin_servers::postgres::PrivatePostgres;
use florin_servers::redis::PrivateRedis;
use florin_wire::payment_v1 as pb;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpStream;

use super::child::Child;
use super::postgres;
use crate::grpc::Dial;
use crate::rest::{self, RestDial};
use crate::{address, baseline, database, history, seed};

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Connections of the load generator over gRPC; over REST it has as many as it may.
pub const CONNECTIONS: usize = 4;
/// Client ids, each with a limit of its own.
pub const CLIENTS: usize = 64;
/// What the folders of servers are called.
const HOME: &str = "site-";
/// Calls of one client within a minute: above any rate, so that the limiter works and refuses nobody.
const LIMIT: &str = "100000000";

/// What a site is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program under test.
    pub florin: PathBuf,
    /// Accounts, with money.
    pub accounts: u32,
    /// What fills the log before, in MB.
    pub warm_wal_mb: u32,
    /// Entries of an account with a long history; 0: there is none.
    pub history: u32,
    /// Whether the baselines are there too.
    pub baselines: bool,
    /// More of Florin's settings, by name.
    pub settings: Vec<(String, String)>,
}

/// The servers. Fields are dropped from the first to the last: whoever uses a server goes before it.
pub struct Site {
    florin: Option<Child>,
    grpc_baseline: Option<Child>,
    program: PathBuf,
    environment: Environment,
    log: PathBuf,
    /// Florin's address for gRPC.
    pub florin_address: String,
    /// And for REST.
    pub rest_address: String,
    /// The address of `sql-grpc`.
    pub baseline_address: Option<String>,
    redis: PrivateRedis,
    kafka: DevKafka,
    postgres: PrivatePostgres,
    _home: tempfile::TempDir,
    _lock: File,
}

impl Site {
    /// Starts everything, in a new folder below `out`, which goes when the site does; logs stay in `out`.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn start(options: Options, out: &Path) -> Result<Self> {
        let lock = take(out)?;
        let home = tempfile::Builder::new().prefix(HOME).tempdir_in(out)?;
        let folder = home.path().to_owned();
        let started = tokio::task::spawn_blocking(move || -> Result<_> {
            let postgres = postgres::start(&folder.join("postgres"))?;
            let kafka = DevKafka::start(&folder.join("kafka"), ports::free()?).context("Kafka cannot be started")?;
            let redis = PrivateRedis::start(&folder.join("redis")).context("Redis cannot be started")?;
            Ok((postgres, kafka, redis))
        });
        let (mut postgres, kafka, redis) = started.await??;
        postgres::set_up(&postgres).await?;
        let postgres = tokio::task::spawn_blocking(move || postgres.restart().map(|()| postgres)).await??;

        let database = address::database(&postgres.url("florin"))?;
        database::create(&database).await?;
        let environment = environment(&options, &postgres, &kafka, &redis, &home.path().join("exports"))?;
        run(tool(&options.florin, &environment, &["migrate"])).await?;
        seed::accounts(&database, options.accounts, seed::PREFIX).await?;
        if options.history > 0 {
            history::fill(&database, options.history).await?;
        }
        let florin_address = format!("http://127.0.0.1:{}", value(&environment, "GRPC_PORT"));
        let rest_address = format!("http://127.0.0.1:{}", value(&environment, "HTTP_PORT"));

        let (mut grpc_baseline, mut baseline_address) = (None, None);
        if options.baselines {
            for system in ["sql", "plpgsql", "sql_grpc"] {
                baseline::create(&postgres.url(system), options.accounts, seed::PREFIX).await?;
            }
            let port = ports::free()?;
            let mut command = Command::new(std::env::current_exe()?);
            command.args([
                "serve-baseline",
                "--listen",
                &format!("127.0.0.1:{port}"),
                "--accounts",
                &options.accounts.to_string(),
            ]);
            command.env("DATABASE_URL", postgres.url("sql_grpc"));
            grpc_baseline = Some(Child::start("sql-grpc", command, &out.join("sql-grpc.log"))?);
            baseline_address = Some(format!("http://127.0.0.1:{port}"));
        }
        postgres::warm_wal(&postgres, options.warm_wal_mb).await?;
        let (program, log) = (options.florin, out.join("florin.log"));
        let mut site = Self {
            florin: None,
            grpc_baseline,
            program,
            environment,
            log,
            florin_address,
            rest_address,
            baseline_address,
            redis,
            kafka,
            postgres,
            _home: home,
            _lock: lock,
        };
        site.start_florin().await?;
        Ok(site)
    }

    /// Starts Florin and waits until it serves.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start_florin(&mut self) -> Result<()> {
        self.florin = Some(Child::start("florin", tool(&self.program, &self.environment, &["serve"]), &self.log)?);
        self.ready().await
    }

    /// Stops Florin; what it has accepted it finishes.
    ///
    /// # Errors
    /// When the task that waits for it fails.
    pub async fn stop_florin(&mut self) -> Result<()> {
        let florin = self.florin.take();
        Ok(tokio::task::spawn_blocking(move || drop(florin)).await?)
    }

    /// The cluster.
    #[must_use]
    pub fn postgres(&self) -> &PrivatePostgres {
        &self.postgres
    }

    /// A database of the cluster.
    ///
    /// # Errors
    /// Never: it is this machine's.
    pub fn database(&self, name: &str) -> Result<PgConnectOptions> {
        address::database(&self.postgres.url(name))
    }

    /// The brokers.
    #[must_use]
    pub fn brokers(&self) -> String {
        self.kafka.brokers()
    }

    /// How a server is dialled.
    ///
    /// # Errors
    /// Never: it is this machine's.
    pub fn dial(&self, address: &str) -> Result<Dial> {
        Ok(Dial {
            endpoint: address::grpc(address)?,
            connections: CONNECTIONS,
            clients: CLIENTS,
            prefix: seed::PREFIX.to_owned(),
        })
    }

    /// How Florin's REST is dialled.
    ///
    /// # Errors
    /// Never: it is this machine's.
    pub fn rest_dial(&self) -> Result<RestDial> {
        let address = address::rest(&self.rest_address)?;
        Ok(RestDial { address, connections: rest::CONNECTIONS_MAX, clients: CLIENTS, prefix: seed::PREFIX.to_owned() })
    }

    /// The process of Florin.
    #[must_use]
    pub fn florin_pid(&self) -> Option<u32> {
        self.florin.as_ref().map(Child::pid)
    }

    /// The process of `sql-grpc`.
    #[must_use]
    pub fn baseline_pid(&self) -> Option<u32> {
        self.grpc_baseline.as_ref().map(Child::pid)
    }

    /// The processes of PostgreSQL, Redis and Kafka.
    #[must_use]
    pub fn server_pids(&self) -> [u32; 3] {
        let pid = |pid: i32| u32::try_from(pid).unwrap_or_default();
        [pid(self.postgres.pid()), pid(self.redis.pid()), pid(self.kafka.pid())]
    }

    /// Fails when one of our programs has ended.
    ///
    /// # Errors
    /// Which, and what it said last.
    pub fn check(&self) -> Result<()> {
        self.florin.iter().chain(&self.grpc_baseline).try_for_each(Child::check)
    }

    /// Runs `florin verify`, beside the serving node.
    ///
    /// # Errors
    /// When it finds anything.
    pub async fn verify(&self) -> Result<String> {
        run(self.tool(&["verify"])).await
    }

    /// A command of Florin's, with its settings.
    #[must_use]
    pub fn tool(&self, arguments: &[&str]) -> Command {
        tool(&self.program, &self.environment, arguments)
    }

    async fn ready(&self) -> Result<()> {
        let account = format!("{}0", seed::PREFIX);
        wait_until("Florin serves", || async {
            self.check()?;
            let Ok(channel) = address::grpc(&self.florin_address)?.connect().await else { return Ok(false) };
            let asked = pb::GetAccountBalanceRequest { account_id: account.clone() };
            let rest = TcpStream::connect(self.rest_address.trim_start_matches("http://")).await;
            Ok(rest.is_ok() && PaymentServiceClient::new(channel).get_account_balance(asked).await.is_ok())
        })
        .await?;
        wait_until("sql-grpc serves", || async {
            self.check()?;
            let Some(address) = &self.baseline_address else { return Ok(true) };
            Ok(address::grpc(address)?.connect().await.is_ok())
        })
        .await
    }
}

/// Takes the folder for this process, and removes what a killed one left in it.
fn take(out: &Path) -> Result<File> {
    let lock = File::create(out.join("lock"))?;
    if lock.try_lock().is_err() {
        bail!("another benchmark writes to {}", out.display());
    }
    for entry in fs::read_dir(out)?.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(HOME)) {
        fs::remove_dir_all(entry.path()).with_context(|| format!("{} cannot be removed", entry.path().display()))?;
    }
    Ok(lock)
}

/// Asks every 50 ms until the answer is yes.
///
/// # Errors
/// When it is not within a minute, or asking fails.
pub async fn wait_until<F: Future<Output = Result<bool>>>(what: &str, mut condition: impl FnMut() -> F) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    while !condition().await? {
        if Instant::now() > deadline {
            bail!("not within {} s: {what}", READY_WITHIN.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

type Environment = Vec<(String, String)>;

/// Florin's production defaults, with the limiter on; nothing of ours leaks in.
fn environment(
    options: &Options,
    postgres: &PrivatePostgres,
    kafka: &DevKafka,
    redis: &PrivateRedis,
    exports: &Path,
) -> Result<Environment> {
    let mut environment: Environment =
        ["PATH", "HOME"].iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
    let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
    set("DATABASE_URL", postgres.url("florin"));
    set("KAFKA_BROKERS", kafka.brokers());
    set("REDIS_URL", redis.url());
    set("GRPC_PORT", ports::free()?.to_string());
    set("HTTP_PORT", ports::free()?.to_string());
    set("METRICS_PORT", ports::free()?.to_string());
    set("EXPORTS_DIR", exports.to_string_lossy().into_owned());
    set("RATE_LIMIT_MAX_REQUESTS", LIMIT.to_owned());
    set("RATE_LIMIT_NATIVE_ENABLED", "true".to_owned());
    set("RATE_LIMIT_NATIVE_MAX_REQUESTS", LIMIT.to_owned());
    environment.extend(options.settings.iter().cloned());
    Ok(environment)
}

fn value<'a>(environment: &'a Environment, name: &str) -> &'a str {
    environment.iter().rev().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn tool(florin: &Path, environment: &Environment, arguments: &[&str]) -> Command {
    let mut command = Command::new(florin);
    command.env_clear().envs(environment.iter().cloned()).args(arguments);
    command
}

/// Runs a command of Florin's to its end; what it said.
async fn run(command: Command) -> Result<String> {
    let name = format!(
        "florin {}",
        command.get_args().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ")
    );
    let ended = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{name} cannot be started"))?;
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    if !ended.status.success() {
        bail!("{name} failed ({}):\n{said}", ended.status);
    }
    Ok(said)
}
