//! Every setting: one table, the places that values come from, and one struct per concern for the rest of the program.
//!
//! Nothing else reads the environment. Knows nobody; `cli` builds [`Settings`], everybody else is handed the part that concerns it.

mod build;
mod kind;
mod show;
mod sources;
mod table;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

pub use kind::{Kind, Value};
pub use show::{json, list, markdown};
pub use sources::{CONFIG_VARIABLE, Entry, Mode, Origin, Problems, Sources};
pub use table::{Row, TABLE, UNAUTHENTICATED_WORDS, find};

/// All settings, by concern.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For whom they were read.
    pub mode: Mode,
    /// Threads that do the work; 0: one for every two cores.
    pub worker_threads: usize,
    /// The folder of `florin dev`.
    pub data: PathBuf,
    /// The gRPC listener.
    pub grpc: GrpcSettings,
    /// The REST listener.
    pub http: ListenSettings,
    /// Transport security; none means plain text.
    pub tls: Option<TlsSettings>,
    /// Who may call.
    pub auth: AuthSettings,
    /// PostgreSQL.
    pub database: DatabaseSettings,
    /// Kafka.
    pub kafka: KafkaSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// The limits by client.
    pub rate_limit: RateLimitSettings,
    /// Bounds of the node and of its account actors.
    pub admission: AdmissionSettings,
    /// The journal and the right to write.
    pub journal: JournalSettings,
    /// How old a rate may be that money is exchanged at.
    pub rate_age_max: Duration,
    /// The outbox and its publisher.
    pub outbox: OutboxSettings,
    /// The provider through which money leaves and comes in; none means that no such movement is taken.
    pub provider: Option<ProviderSettings>,
    /// How workflows that leave the ledger are run.
    pub sagas: SagaSettings,
    /// The metrics listener; none means off.
    pub metrics: Option<ListenSettings>,
    /// Logs.
    pub log: LogSettings,
    /// Traces; none means off.
    pub traces: Option<TraceSettings>,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// A host name or an address.
    pub host: String,
    /// 0 means any free one.
    pub port: u16,
}

/// The gRPC listener.
#[derive(Clone, Debug)]
pub struct GrpcSettings {
    /// Where it listens.
    pub listen: ListenSettings,
    /// Largest message, in bytes.
    pub message_bytes_max: usize,
    /// Connections at a time.
    pub connections_max: usize,
    /// How long a stopping process lets calls finish.
    pub drain: Duration,
}

/// Transport security.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Certificate chain, PEM.
    pub cert_file: PathBuf,
    /// Private key, PEM.
    pub key_file: PathBuf,
    /// CA of client certificates, PEM.
    pub client_ca_file: Option<PathBuf>,
    /// Every connection must show a client certificate. Else it may: authentication says whether it had to.
    pub client_certificate_required: bool,
}

/// Who may call.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// API keys are asked for.
    pub api_keys: bool,
    /// A checked client certificate is enough.
    pub client_certificates: bool,
    /// How long a key's look-up is remembered.
    pub cache: Duration,
    /// Somebody said in words that anybody may call.
    pub allow_unauthenticated: bool,
}

/// PostgreSQL.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// The server, user and database, with the scheme `postgres` or `postgresql`.
    pub url: Option<SecretString>,
    /// Connections for reads.
    pub pool_max: u32,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a read may take.
    pub read_timeout: Duration,
}

/// The broker of `florin dev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevBroker {
    /// Real if it can be had, else the mock.
    Auto,
    /// librdkafka's mock, in the process.
    Mock,
    /// Apache Kafka.
    Real,
}

/// Kafka.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// `host:port`, separated by commas.
    pub brokers: Option<String>,
    /// What Florin calls itself towards them.
    pub client_id: String,
    /// First part of the topics' names.
    pub topic_prefix: String,
    /// Transactional id of the publisher.
    pub transactional_id: String,
    /// Topic of Florin's own events.
    pub florin_topic: String,
    /// Topic of the publisher's position.
    pub position_topic: String,
    /// Publish exactly once; false: at least once.
    pub transactions: bool,
    /// Partitions of new topics.
    pub topic_partitions: i32,
    /// Replicas of new topics.
    pub topic_replicas: i32,
    /// The broker of `florin dev`.
    pub dev_broker: DevBroker,
}

/// Redis.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// None: each process limits by itself.
    pub url: Option<SecretString>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// The limits by client.
#[derive(Clone, Debug)]
pub struct RateLimitSettings {
    /// Of payment.v1; none means off.
    pub payment: Option<WindowSettings>,
    /// Of florin.v1; none means off.
    pub native: Option<WindowSettings>,
}

/// One sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSettings {
    /// Calls of one client in one window.
    pub requests_max: u64,
    /// Its length.
    pub window: Duration,
}

/// Bounds of the node and of its account actors.
#[derive(Clone, Debug)]
pub struct AdmissionSettings {
    /// Commands at work at a time.
    pub in_flight_max: usize,
    /// How many of them one account may take, in percent.
    pub account_share_percent: u8,
    /// Account actors in memory.
    pub active_accounts_max: usize,
    /// When an idle account actor leaves.
    pub account_idle: Duration,
}

/// The journal and the right to write.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// Rows in one partition.
    pub partition_rows: i64,
    /// Batches written side by side, at most.
    pub writers: usize,
    /// Records in one batch.
    pub batch_max: usize,
    /// A batch without an answer for so long counts as unknown.
    pub timeout: Duration,
    /// A command is written so long after it arrived, or never.
    pub write_cutoff: Duration,
    /// How long idempotency keys are kept at least.
    pub key_retention: Duration,
    /// How long the right to write lasts without renewal.
    pub lease: Duration,
}

/// The outbox and its publisher.
#[derive(Clone, Debug)]
pub struct OutboxSettings {
    /// Events in one Kafka transaction, at most.
    pub batch_max: usize,
    /// Shortest time between two Kafka transactions that are not full.
    pub linger: Duration,
    /// How often it looks by itself.
    pub poll_interval: Duration,
    /// Tries after the first before an event is a dead letter.
    pub retries_max: u32,
    /// Wait before the first retry.
    pub delay_min: Duration,
    /// Longest wait between retries.
    pub delay_max: Duration,
    /// With more events waiting new writes are refused.
    pub waiting_rows_max: i64,
    /// With the oldest event waiting for longer new writes are refused.
    pub waiting_max: Duration,
}

/// The provider.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Where it is.
    pub url: String,
    /// What it is called here.
    pub name: String,
    /// What requests are signed with.
    pub secret: SecretString,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Workflows that leave the ledger.
#[derive(Clone, Copy, Debug)]
pub struct SagaSettings {
    /// Tries of a step.
    pub attempts_max: u32,
    /// Wait before the first retry.
    pub delay_min: Duration,
    /// Longest wait between retries.
    pub delay_max: Duration,
    /// How long a step may be pending.
    pub pending_max: Duration,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Console,
}

/// Logs.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `trace`, `debug`, `info`, `warn`, `error` or `off`.
    pub level: String,
    /// Levels by target, on top.
    pub filter: Option<String>,
    /// How lines look.
    pub format: LogFormat,
    /// One line for each payment.
    pub payments: bool,
}

/// Traces.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The collector's URL, OTLP over gRPC.
    pub endpoint: String,
    /// How many of a hundred requests are traced.
    pub sample_percent: u8,
}

impl Settings {
    /// Reads everything: the settings by concern, and the list of what is in force.
    ///
    /// # Errors
    /// Everything that is wrong: unknown names, values that are not allowed, and values that do not go together.
    pub fn load(sources: &Sources, mode: Mode) -> Result<(Self, Vec<Entry>), Problems> {
        let entries = sources.resolve(mode)?;
        let settings = build::settings(&entries, mode);
        build::check(&settings, &entries).map(|()| (settings, entries))
    }
}

impl ListenSettings {
    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl AuthSettings {
    /// Whether any method of authentication is on.
    pub fn any(&self) -> bool {
        self.api_keys || self.client_certificates
    }
}

#[cfg(test)]
mod tests;
