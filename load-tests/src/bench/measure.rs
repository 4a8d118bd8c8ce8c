//! One run: the load, and beside it what it costs each process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex, OnceCell};

use super::plan::{BATCH, System, Workload};
use super::postgres::{connect, wal_bytes};
use super::site::Site;
use crate::balances::BalanceReader;
use crate::baseline::{self, Connections, Direct, Plpgsql, Sql};
use crate::grpc::{Dial, GrpcPayer};
use crate::history::{self, EntryReader, Place, TransactionReader};
use crate::holds::HoldPayer;
use crate::mix::Chooser;
use crate::record::Figures;
use crate::report::{Cpu, Run};
use crate::rest::RestPayer;
use crate::run::{Payer, Timing, closed, open};
use crate::{batch, process, seed};

/// How long Florin may take to publish what is left of a run.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(120);
/// Up to half as many events that wait are counted, at every look.
const WAITING_COUNTED: i64 = 200;
/// `transactions.kind` of a hold.
const HOLD: i16 = 10;

/// The baselines that run in this process.
type Baselines = (Arc<Direct<Sql>>, Arc<Direct<Plpgsql>>);

/// The ways to all systems, kept open between runs.
pub struct Bench<'a> {
    site: &'a Site,
    direct: Option<Baselines>,
    connections: Vec<Arc<Connections>>,
    /// Those that have walked to the oldest entries, which takes long.
    oldest: OnceCell<(Arc<EntryReader>, Arc<TransactionReader>)>,
    /// For questions about the journal and the log.
    side: Mutex<PgConnection>,
}

impl<'a> Bench<'a> {
    /// Connects to the databases of the baselines, if the site has them.
    ///
    /// # Errors
    /// When one cannot be reached.
    pub async fn new(site: &'a Site) -> Result<Self> {
        let mut bench = Self {
            site,
            direct: None,
            connections: Vec::new(),
            oldest: OnceCell::new(),
            side: Mutex::new(connect(&site.database("florin")?).await?),
        };
        if site.baseline_address.is_some() {
            let open = async |database| {
                Ok::<_, anyhow::Error>(Arc::new(
                    Connections::open(&site.database(database)?, baseline::CONNECTIONS).await?,
                ))
            };
            let (sql, plpgsql) = (open("sql").await?, open("plpgsql").await?);
            bench.connections = vec![sql.clone(), plpgsql.clone()];
            bench.direct = Some((
                Arc::new(Direct::new(Sql::new(sql), seed::PREFIX)),
                Arc::new(Direct::new(Plpgsql::new(plpgsql), seed::PREFIX)),
            ));
        }
        Ok(bench)
    }

    /// Closes the connections.
    pub async fn close(&self) {
        for connections in &self.connections {
            connections.close().await;
        }
    }

    /// Runs one system under one load.
    ///
    /// # Errors
    /// When a server cannot be reached or has ended.
    #[expect(clippy::too_many_arguments, reason = "a run is all of these, once")]
    pub async fn measure(
        &self,
        system: System,
        workload: Workload,
        in_flight: usize,
        chooser: &Chooser,
        half_peak: Option<f64>,
        timing: Timing,
        round: usize,
    ) -> Result<Run> {
        self.site.check()?;
        let server = self.server(system);
        let per_s = half_peak.filter(|_| workload == Workload::OpenHalfPeak);
        let before = Spent::read(self.site, server);
        let wal_before = wal_bytes(&mut *self.side.lock().await).await?;
        // large: one way for each system
        let figures = Box::pin(self.load(system, workload, in_flight, chooser, per_s, timing)).await?;
        let rss_mb = server.and_then(process::rss_mb);
        let (mut events_waiting, mut publish_s) = (None, None);
        if system == System::Florin {
            let ended = Instant::now();
            events_waiting = Some(self.waiting().await?);
            self.published().await?;
            publish_s = Some(ended.elapsed().as_secs_f64());
        }
        let spent = Spent::read(self.site, server).since(&before);
        let wal = wal_bytes(&mut *self.side.lock().await).await? - wal_before;
        let done = (figures.outcomes.done() as f64).max(1.0);
        Ok(Run {
            system: system.name(),
            workload: workload.name(),
            in_flight,
            rate_per_s: per_s,
            round,
            run_s: figures.run_s,
            payments_per_s: figures.payments_per_s,
            p50_ms: figures.latency_ms.p50,
            p99_ms: figures.latency_ms.p99,
            p999_ms: figures.latency_ms.p999,
            max_ms: figures.latency_ms.max,
            errors: figures.errors,
            outcomes: figures.outcomes.named(),
            rss_mb,
            cpu_us: spent.per(done),
            wal_bytes: wal as f64 / done,
            events_waiting,
            publish_s,
        })
    }

    fn server(&self, system: System) -> Option<u32> {
        match system {
            System::Florin => self.site.florin_pid(),
            System::SqlGrpc => self.site.baseline_pid(),
            System::Sql | System::Plpgsql => None,
        }
    }

    fn dial(&self, system: System) -> Result<Dial> {
        match system {
            System::SqlGrpc => {
                self.site.dial(self.site.baseline_address.as_deref().context("there are no baselines here")?)
            }
            _ => self.site.dial(&self.site.florin_address),
        }
    }

    async fn load(
        &self,
        system: System,
        workload: Workload,
        in_flight: usize,
        chooser: &Chooser,
        per_s: Option<f64>,
        timing: Timing,
    ) -> Result<Figures> {
        match workload {
            Workload::Batch100 => return batch::closed(&self.dial(system)?, chooser, BATCH, in_flight, timing).await,
            Workload::Rest => {
                return closed(
                    Arc::new(RestPayer::connect(&self.site.rest_dial()?).await?),
                    chooser,
                    in_flight,
                    timing,
                )
                .await;
            }
            Workload::HoldCapture => {
                return closed(Arc::new(HoldPayer::connect(&self.dial(system)?).await?), chooser, in_flight, timing)
                    .await;
            }
            Workload::Balance => {
                return closed(
                    Arc::new(BalanceReader::connect(&self.dial(system)?).await?),
                    chooser,
                    in_flight,
                    timing,
                )
                .await;
            }
            Workload::Entries(place) => return closed(self.readers(place).await?.0, chooser, in_flight, timing).await,
            Workload::Transactions(place) => {
                return closed(self.readers(place).await?.1, chooser, in_flight, timing).await;
            }
            Workload::Closed(_) | Workload::OpenHalfPeak => {}
        }
        let direct = || self.direct.clone().context("there are no baselines here");
        match system {
            System::Sql => pay(direct()?.0, chooser, in_flight, per_s, timing).await,
            System::Plpgsql => pay(direct()?.1, chooser, in_flight, per_s, timing).await,
            System::Florin | System::SqlGrpc => {
                pay(Arc::new(GrpcPayer::connect(&self.dial(system)?).await?), chooser, in_flight, per_s, timing).await
            }
        }
    }

    /// Who reads the long history.
    async fn readers(&self, place: Place) -> Result<(Arc<EntryReader>, Arc<TransactionReader>)> {
        let connect = async || -> Result<_> {
            let entries = EntryReader::connect(&self.dial(System::Florin)?, history::ACCOUNT, place).await?;
            let transactions = TransactionReader::connect(&self.site.rest_dial()?, history::ACCOUNT, place).await?;
            Ok((Arc::new(entries), Arc::new(transactions)))
        };
        match place {
            Place::Newest => connect().await,
            Place::Oldest => self.oldest.get_or_try_init(connect).await.cloned(),
        }
    }

    /// About how many events are not yet in Kafka, as far as Florin has noted; a few are counted.
    async fn waiting(&self) -> Result<i64> {
        let waiting =
            "SELECT events FROM journal_waiting(coalesce((SELECT max(position) FROM outbox_positions), 0), $1)";
        Ok(sqlx::query_scalar(waiting).bind(WAITING_COUNTED).fetch_one(&mut *self.side.lock().await).await?)
    }

    /// Waits until every event is in Kafka.
    ///
    /// # Errors
    /// When that takes too long, or something has ended.
    pub async fn published(&self) -> Result<()> {
        let deadline = Instant::now() + PUBLISHED_WITHIN;
        loop {
            let waiting = self.waiting().await?;
            if waiting <= 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{waiting} events were not published within {} s", PUBLISHED_WITHIN.as_secs());
            }
            self.site.check()?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn pay<P: Payer>(
    payer: Arc<P>,
    chooser: &Chooser,
    in_flight: usize,
    per_s: Option<f64>,
    timing: Timing,
) -> Result<Figures> {
    match per_s {
        Some(per_s) => open(payer, chooser, per_s, timing).await,
        None => closed(payer, chooser, in_flight, timing).await,
    }
}

/// What Florin's tables say of the load generator's work.
pub struct FlorinBooks {
    /// Payments that moved money, whichever way they came. A hold moves none: its capture does.
    pub payments: i64,
    /// What is held on all accounts, in minor units.
    pub held: i64,
}

/// Reads Florin's tables.
///
/// # Errors
/// When the database cannot be read.
pub async fn florin_books(options: &PgConnectOptions) -> Result<FlorinBooks> {
    let mut connection = connect(options).await?;
    let count = "SELECT count(*) FROM transactions WHERE key IS NOT NULL AND status = 1 AND kind <> $1";
    let payments = sqlx::query_scalar(count).bind(HOLD).fetch_one(&mut connection).await?;
    let held = sqlx::query_scalar("SELECT coalesce(sum(held), 0)::bigint FROM balances_now")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(FlorinBooks { payments, held })
}

/// CPU time in microseconds, since the processes began.
struct Spent {
    client: u64,
    server: u64,
    servers: [u64; 3],
}

impl Spent {
    fn read(site: &Site, server: Option<u32>) -> Self {
        Self {
            client: process::own_cpu_us(),
            server: server.map_or(0, process::cpu_us),
            servers: site.server_pids().map(process::cpu_us),
        }
    }

    fn since(&self, before: &Self) -> Self {
        let [postgres, redis, kafka] = self.servers;
        let [postgres_before, redis_before, kafka_before] = before.servers;
        Self {
            client: self.client.saturating_sub(before.client),
            server: self.server.saturating_sub(before.server),
            servers: [
                postgres.saturating_sub(postgres_before),
                redis.saturating_sub(redis_before),
                kafka.saturating_sub(kafka_before),
            ],
        }
    }

    fn per(&self, payments: f64) -> Cpu {
        let per = |us: u64| us as f64 / payments;
        let [postgres, redis, kafka] = self.servers.map(per);
        Cpu { client: per(self.client), server: per(self.server), postgres, redis, kafka }
    }
}
