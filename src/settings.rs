//! Every setting: one table, the sources that values come from, and one struct per concern for the rest of the program.
//!
//! Nothing else reads the environment. `cli` builds [`Settings`]; every other room is handed the part that concerns it.

mod build;
mod check;
mod kafka;
mod kind;
mod secret;
mod show;
mod sources;
mod table;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

pub use kafka::{DevBroker, KafkaSettings, KafkaTlsSettings, SaslSettings};
pub use kind::{Kind, Value};
pub use show::{json, list, markdown};
pub use sources::{CONFIG_VARIABLE, Entry, Mode, Origin, Problems, Sources};
pub use table::{PLAINTEXT_WORDS, Row, TABLE, UNAUTHENTICATED_WORDS, find};

#[derive(Clone, Debug)]
pub struct Settings {
    pub mode: Mode,
    /// Threads that do the work; 0: one for every two cores.
    pub worker_threads: usize,
    /// The folder of `florin dev`.
    pub data: PathBuf,
    pub grpc: GrpcSettings,
    /// The REST listener.
    pub http: ListenSettings,
    /// A listener for the orders contract alone; `None`: there is none.
    pub orders_http: Option<ListenSettings>,
    /// Further listeners of REST.
    pub more_http: Vec<ListenSettings>,
    /// Further names by which browsers know REST.
    pub allowed_hosts: Vec<String>,
    /// How many in a hundred of a listener's connections one address may have.
    pub address_percent: u8,
    /// `None`: plain text.
    pub tls: Option<TlsSettings>,
    pub auth: AuthSettings,
    pub database: DatabaseSettings,
    pub kafka: KafkaSettings,
    pub redis: RedisSettings,
    pub rate_limit: RateLimitSettings,
    /// Bounds of the node and of its account actors.
    pub admission: AdmissionSettings,
    /// The journal, and the lease.
    pub journal: JournalSettings,
    /// How old the rate of an exchange may be.
    pub rate_age_max: Duration,
    pub outbox: OutboxSettings,
    /// `None`: payouts and card top-ups are refused.
    pub provider: Option<ProviderSettings>,
    pub sagas: SagaSettings,
    pub billing: BillingSettings,
    pub customers: CustomersSettings,
    /// The folder of PDFs.
    pub documents: PathBuf,
    /// `None`: mails wait.
    pub mail: Option<MailSettings>,
    /// The metrics listener; `None`: there is none.
    pub metrics: Option<ListenSettings>,
    pub log: LogSettings,
    /// `None`: no traces.
    pub traces: Option<TraceSettings>,
}

/// The address of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// A host name or an address.
    pub host: String,
    /// 0: any free port.
    pub port: u16,
}

#[derive(Clone, Debug)]
pub struct GrpcSettings {
    pub listen: ListenSettings,
    /// The largest message that is read or sent.
    pub message_bytes_max: usize,
    /// Connections at the same time; more are closed at once.
    pub connections_max: usize,
    /// How long a stopping process lets calls finish.
    pub drain: Duration,
}

#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Certificate chain in PEM.
    pub cert_file: PathBuf,
    /// Private key in PEM.
    pub key_file: PathBuf,
    /// CA of client certificates in PEM; `None`: no client certificate is asked for.
    pub client_ca_file: Option<PathBuf>,
    /// Revoked client certificates, in PEM.
    pub client_crl_file: Option<PathBuf>,
    /// What client certificates grant.
    pub subjects_file: Option<PathBuf>,
    /// Whether every connection must show a client certificate. Else it may, and authentication decides whether it was
    /// needed.
    pub client_certificate_required: bool,
}

/// Who may call.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// Whether an API key is a method of authentication.
    pub api_keys: bool,
    /// Whether a checked client certificate is a method of authentication.
    pub client_certificates: bool,
    /// How long the look-up of a key is remembered: a revoked key works that much longer.
    pub cache: Duration,
    /// Whether the operator allowed in words that anybody may call.
    pub allow_unauthenticated: bool,
}

#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// With the scheme `postgres` or `postgresql`; `None`: not set.
    pub url: Option<SecretString>,
    /// Connections for reads; the journal has its own.
    pub pool_max: u32,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a read may take.
    pub read_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct BillingSettings {
    /// Whether orders from Kafka are billed.
    pub orders: bool,
    /// The legal entity that bills them.
    pub orders_entity: String,
    /// Tax where no rate is set for region and category, in percent.
    pub tax_percent: u32,
    pub exports: ExportsSettings,
}

/// Where daily exports go.
#[derive(Clone, Debug)]
pub enum ExportsSettings {
    Folder(PathBuf),
    Bucket { bucket: String, region: String, key_id: SecretString, secret: SecretString, endpoint: Option<String> },
}

#[derive(Clone, Debug)]
pub struct CustomersSettings {
    /// Whether customers are registered and billed.
    pub enabled: bool,
    /// The legal entity that bills them.
    pub entity: String,
    /// The code of the currency of all prices.
    pub currency: String,
    /// How long a bill waits for the registration of its customer.
    pub patience: Duration,
    /// The origin whose pages may read the answers.
    pub allow_origin: String,
}

/// The mail server, and who writes.
#[derive(Clone, Debug)]
pub struct MailSettings {
    pub host: String,
    pub port: u16,
    /// `None`: nobody logs in.
    pub user: Option<String>,
    pub password: Option<SecretString>,
    pub from: String,
    pub tls: MailTls,
    /// PEM.
    pub ca_file: Option<PathBuf>,
}

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// STARTTLS if the server offers it, else plain.
    Auto,
    /// STARTTLS, or nothing is sent.
    Required,
    /// From the first byte.
    Implicit,
    None,
}

#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// `None`: each node applies the rate limit for itself.
    pub url: Option<SecretString>,
    /// CA certificates in PEM; `None`: the public authorities.
    pub ca_file: Option<PathBuf>,
    /// How long an answer may take before the node decides for itself.
    pub timeout: Duration,
}

/// Rate limits by client.
#[derive(Clone, Debug)]
pub struct RateLimitSettings {
    /// Of payment.v1; `None`: no limit.
    pub payment: Option<WindowSettings>,
    /// Of the native API and the accounts REST API; `None`: no limit.
    pub native: Option<WindowSettings>,
    /// Whose headers name clients; empty: all callers' without credentials.
    pub trusted: Vec<IpNet>,
}

/// A limit over a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSettings {
    /// Calls of one client in one window.
    pub requests_max: u64,
    pub window: Duration,
}

#[derive(Clone, Debug)]
pub struct AdmissionSettings {
    /// Commands in flight at the same time.
    pub in_flight_max: usize,
    /// How many of them one account may have, in percent.
    pub account_share_percent: u8,
    /// Account actors in memory.
    pub active_accounts_max: usize,
    /// An account actor without work for this long ends.
    pub account_idle: Duration,
}

/// The journal, and the lease.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// Rows in one partition.
    pub partition_rows: i64,
    /// Batches that are written side by side.
    pub writers: usize,
    /// Records in one batch.
    pub batch_max: usize,
    /// The outcome of a batch without an answer for this long is unknown.
    pub timeout: Duration,
    /// A command that is not written so long after it arrived is given up.
    pub write_cutoff: Duration,
    /// How long idempotency keys are remembered at least.
    pub key_retention: Duration,
    /// How long the lease lasts without renewal.
    pub lease: Duration,
}

#[derive(Clone, Debug)]
pub struct OutboxSettings {
    /// Events in one Kafka transaction.
    pub batch_max: usize,
    /// The shortest time between two Kafka transactions that are not full.
    pub linger: Duration,
    /// How often the outbox is looked at when nothing woke the publisher.
    pub poll_interval: Duration,
    /// Tries after the first before an event becomes a dead letter.
    pub retries_max: u32,
    /// The wait before the first retry; it doubles with each further one.
    pub delay_min: Duration,
    /// The longest wait between retries.
    pub delay_max: Duration,
    /// With more events waiting for Kafka, new writes are refused.
    pub waiting_rows_max: i64,
    /// With the oldest event waiting for longer, new writes are refused.
    pub waiting_max: Duration,
}

#[derive(Clone, Debug)]
pub struct ProviderSettings {
    pub url: String,
    /// Its name here, also in its account `provider:NAME:CURRENCY`.
    pub name: String,
    /// Requests and answers are signed with it.
    pub secret: SecretString,
    /// How long an answer may take before it counts as lost.
    pub timeout: Duration,
}

#[derive(Clone, Copy, Debug)]
pub struct SagaSettings {
    /// Attempts at a step.
    pub attempts_max: u32,
    /// The wait before the first retry of a step; it doubles with each further one.
    pub delay_min: Duration,
    /// The longest wait between retries.
    pub delay_max: Duration,
    /// How long the provider may leave a step pending.
    pub pending_max: Duration,
    /// Whether it takes two operators to say how a stuck step stands.
    pub resolve_by_two: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Console,
}

#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `trace`, `debug`, `info`, `warn`, `error` or `off`.
    pub level: String,
    /// Levels by target, which override `level`.
    pub filter: Option<String>,
    pub format: LogFormat,
    /// Whether each payment has a line; that costs throughput.
    pub payments: bool,
}

#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The URL of the collector: OTLP over gRPC.
    pub endpoint: String,
    /// How many of a hundred requests are traced.
    pub sample_percent: u8,
}

impl Settings {
    /// Reads all settings: by concern, and as the list of what is in force.
    ///
    /// # Errors
    /// All that is wrong: unknown names, values that are not allowed, and values that do not go together.
    pub fn load(sources: &Sources, mode: Mode) -> Result<(Self, Vec<Entry>), Problems> {
        let entries = sources.resolve(mode)?;
        let settings = build::settings(&entries, mode);
        check::check(&settings, &entries).map(|()| (settings, entries))
    }
}

impl ListenSettings {
    /// Whether only this machine can reach the listener.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Whether a host, a name or an address without brackets, is this machine's loopback.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl AuthSettings {
    /// Whether any method of authentication is on.
    pub fn any(&self) -> bool {
        self.api_keys || self.client_certificates
    }
}

#[cfg(test)]
mod tests;
