//! `florin dev`: Florin on servers of its own. What it starts it stops; what it kept it finds again.

use std::path::Path;
use std::time::Duration;

use florin_servers::kafka::{self, DevKafka, MockKafka};
use florin_servers::ports;
use florin_servers::postgres::{Durability, PrivatePostgres, lock};
use secrecy::SecretString;

use super::discovery::Running;
use super::options::SettingsArgs;
use super::output::{Failure, note, say};
use super::serve::{StopSignals, run_until_signalled};
use crate::faults::Faults;
use crate::messaging::KafkaConfig;
use crate::messaging::topics::{Topics, ensure_topics};
use crate::runtime::{self, Runtime};
use crate::settings::{DevBroker, Mode, Settings};
use crate::store::schema;
use crate::telemetry::Telemetry;
use crate::teller::seed;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
}

/// The servers, stopped when dropped.
struct Servers {
    _postgres: PrivatePostgres,
    broker: Broker,
    database: String,
}

enum Broker {
    Real(DevKafka),
    Mock(MockKafka),
}

impl Broker {
    fn brokers(&self) -> String {
        match self {
            Self::Real(kafka) => kafka.brokers(),
            Self::Mock(kafka) => kafka.brokers(),
        }
    }
}

impl Args {
    pub fn settings(&self) -> Result<Settings, Failure> {
        self.settings.load(Mode::Dev)
    }
}

pub async fn run(mut settings: Settings) -> Result<(), Failure> {
    let _telemetry = Telemetry::start(&settings.log, settings.traces.as_ref())?;
    let mut signals = StopSignals::listen()?;
    std::fs::create_dir_all(&settings.data).map_err(|e| Failure::new(format!("{}: {e}", settings.data.display())))?;
    let _folder = lock(&settings.data)?;
    // before anything listens: clients wait for it
    Running { starting: Some(std::process::id()), ..Running::default() }.write(&settings.data)?;
    let result = start_and_serve(&mut settings, &mut signals).await;
    Running::forget(&settings.data);
    result
}

async fn start_and_serve(settings: &mut Settings, signals: &mut StopSignals) -> Result<(), Failure> {
    let (data, broker, kafka) = (settings.data.clone(), settings.kafka.dev_broker, runtime::kafka(settings));
    let starting = tokio::task::spawn_blocking(move || start_servers(&data, broker, &kafka));
    let servers = tokio::select! {
        servers = starting => servers.map_err(|error| Failure::new(format!("starting the servers failed: {error}")))??,
        () = signals.stop() => return Ok(()),
    };
    settings.database.url = Some(SecretString::from(servers.database.clone()));
    settings.kafka.brokers = Some(servers.broker.brokers());
    (settings.kafka.tls, settings.kafka.sasl) = (None, None); // its own broker has neither
    settings.kafka.transactions = matches!(servers.broker, Broker::Real(_));
    let result = serve(settings, &servers, signals).await;
    Running::forget(&settings.data);
    tokio::task::spawn_blocking(move || drop(servers))
        .await
        .map_err(|error| Failure::new(format!("stopping the servers failed: {error}")))?;
    result
}

fn start_servers(data: &Path, wanted: DevBroker, config: &KafkaConfig) -> Result<Servers, Failure> {
    note("starting PostgreSQL ...");
    let postgres = PrivatePostgres::start(&data.join("postgres"), Durability::Durable)?;
    let real = match wanted {
        DevBroker::Real => true,
        DevBroker::Mock => false,
        DevBroker::Auto => kafka::available(),
    };
    let broker = if real {
        note("starting Kafka ... (the first time its jars are fetched)");
        Broker::Real(start_kafka(&data.join("kafka"))?)
    } else {
        let plan = Topics::new(config).plan(config);
        Broker::Mock(MockKafka::start(
            &plan.iter().map(|topic| (topic.name.as_str(), topic.partitions)).collect::<Vec<_>>(),
        )?)
    };
    let database = postgres.url("florin");
    Ok(Servers { _postgres: postgres, broker, database })
}

/// On the port of the last time if it is still free, so that those who follow the events find it again.
fn start_kafka(dir: &Path) -> Result<DevKafka, Failure> {
    let last = std::fs::read_to_string(dir.join("last_port")).ok().and_then(|port| port.trim().parse().ok());
    let taken = |port: u16| ports::answers(port) || ports::answers(port + 1);
    let port = match last.filter(|port| !taken(*port)) {
        Some(port) => port,
        None => ports::free()?,
    };
    let kafka = DevKafka::start(dir, port)?;
    std::fs::write(dir.join("last_port"), port.to_string())?;
    Ok(kafka)
}

async fn serve(settings: &Settings, servers: &Servers, signals: &mut StopSignals) -> Result<(), Failure> {
    schema::create_database(&servers.database).await?;
    schema::migrate(&servers.database, |_| {}).await?;
    if let Broker::Real(_) = servers.broker {
        ensure_topics(&runtime::kafka(settings)).await?;
    }
    let runtime =
        Runtime::start(settings, Faults::default()).await.map_err(|error| Failure::new(format!("{error:#}")))?;
    let ready = async {
        if !runtime.serving(Duration::from_secs(30)).await {
            return Err(Failure::new(format!("not serving within 30 s: {:?}", runtime.health.parts())));
        }
        Ok(seed::demo(&runtime.ledger, runtime.pool()).await?)
    };
    let ready = tokio::select! {
        ready = ready => Some(ready),
        () = signals.stop() => None,
    };
    let accounts = match ready {
        Some(Ok(accounts)) => accounts,
        Some(Err(failure)) => {
            runtime.drain().await;
            return Err(failure);
        }
        None => {
            runtime.drain().await;
            return Ok(());
        }
    };
    let running = Running {
        grpc: Some(runtime.grpc.to_string()),
        http: runtime.http.map(|address| address.to_string()),
        metrics: runtime.metrics.map(|address| address.to_string()),
        kafka: settings.kafka.brokers.clone(),
        database: Some(servers.database.clone()),
        topic_prefix: Some(settings.kafka.topic_prefix.clone()),
        starting: None,
    };
    running.write(&settings.data)?;
    say(banner(settings, servers, &runtime, &accounts))?;
    run_until_signalled(runtime, signals).await
}

fn banner(settings: &Settings, servers: &Servers, runtime: &Runtime, accounts: &[(String, String)]) -> String {
    let mut text = String::from("\n");
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<11} {value}\n"));
    line("gRPC", format!("{} (payment.v1, florin.v1, ledger, health, reflection)", runtime.grpc));
    if let Some(http) = runtime.http {
        line("REST", format!("http://{http}/api/v1, described at http://{http}/api/docs"));
    }
    if let Some(orders) = runtime.orders_http {
        line("orders", format!("http://{orders}/docs"));
    }
    if let Some(metrics) = runtime.metrics {
        line("metrics", format!("http://{metrics}/metrics and /health"));
    }
    line("PostgreSQL", format!("{} (kept, durable)", servers.database));
    match &servers.broker {
        Broker::Real(kafka) => line("Kafka", format!("{} (kept; events exactly once)", kafka.brokers())),
        Broker::Mock(kafka) => line(
            "Kafka",
            format!("{} (mock: forgets at the end, has no transactions; events at least once)", kafka.brokers()),
        ),
    }
    line("data", settings.data.display().to_string());
    for (n, (account, balance)) in accounts.iter().enumerate() {
        line(if n == 0 { "accounts" } else { "" }, format!("{account:<16} {balance:>14}"));
    }
    let program = std::env::current_exe().map_or_else(|_| "florin".into(), |path| path.display().to_string());
    let folder = if settings.data == Path::new(".florin") {
        String::new()
    } else {
        format!("FLORIN_DATA={} ", settings.data.display())
    };
    text.push_str(&format!(
        "\n  Pay something:\n\n    {folder}{program} pay acc-payer-001 acc-payee-002 12.50 USD\n\n  Ctrl-C stops it.\n\nFlorin is ready"
    ));
    text
}
