//! Turns the list of values into one struct per concern.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::kind::network;
use super::{
    AdmissionSettings, AuthSettings, BillingSettings, CustomersSettings, DatabaseSettings, DevBroker, Entry,
    ExportsSettings, GrpcSettings, JournalSettings, KafkaSettings, KafkaTlsSettings, ListenSettings, LogFormat,
    LogSettings, MailSettings, MailTls, Mode, OutboxSettings, ProviderSettings, RateLimitSettings, RedisSettings,
    SagaSettings, SaslSettings, Settings, TlsSettings, TraceSettings, Value, WindowSettings, is_loopback,
};

pub const HOUR: Duration = Duration::from_secs(3_600);

/// Builds the structs. Every value was checked already, so only a mistake in this file can fail.
pub fn settings(entries: &[Entry], mode: Mode) -> Settings {
    let v = Values(entries);
    let window = |enabled, max, window| {
        v.flag(enabled).then(|| WindowSettings { requests_max: v.whole(max), window: v.span(window) })
    };
    Settings {
        mode,
        worker_threads: v.whole("WORKER_THREADS"),
        documents: v.path("DOCUMENTS_DIR").unwrap_or_else(|| v.data().join("documents")),
        data: v.data(),
        grpc: GrpcSettings {
            listen: v.listen("GRPC_HOST", "GRPC_PORT"),
            message_bytes_max: v.whole("GRPC_MESSAGE_BYTES_MAX"),
            connections_max: v.whole("GRPC_CONNECTIONS_MAX"),
            drain: v.span("DRAIN_SECONDS"),
        },
        http: v.listen("HTTP_HOST", "HTTP_PORT"),
        orders_http: Some(v.listen("HTTP_HOST", "LEDGER_API_HTTP_PORT"))
            .filter(|listen| listen.port > 0 && listen.port != v.whole::<u16>("HTTP_PORT")),
        more_http: v.ports("HTTP_MORE_PORTS").map(|port| ListenSettings { host: v.text("HTTP_HOST"), port }).collect(),
        allowed_hosts: v.list("HTTP_ALLOWED_HOSTS").chain([v.text("HTTP_HOST")]).collect(),
        address_percent: v.whole("CONNECTIONS_ADDRESS_PERCENT"),
        tls: v.path("TLS_CERT_FILE").zip(v.path("TLS_KEY_FILE")).map(|(cert_file, key_file)| TlsSettings {
            cert_file,
            key_file,
            client_ca_file: v.path("TLS_CLIENT_CA_FILE"),
            client_crl_file: v.path("TLS_CLIENT_CRL_FILE"),
            subjects_file: v.path("AUTH_CERTIFICATES_FILE"),
            client_certificate_required: v.path("TLS_CLIENT_CA_FILE").is_some() && !v.flag("AUTH_CLIENT_CERTIFICATES"),
        }),
        auth: AuthSettings {
            api_keys: v.flag("AUTH_API_KEYS"),
            client_certificates: v.flag("AUTH_CLIENT_CERTIFICATES"),
            cache: v.span("AUTH_CACHE_SECONDS"),
            allow_unauthenticated: v.optional("ALLOW_UNAUTHENTICATED").is_some(),
        },
        database: DatabaseSettings {
            url: v
                .optional("DATABASE_URL")
                .or_else(|| v.database_by_parts())
                .map(|url| SecretString::from(v.with_database_ca(url))),
            pool_max: v.whole("DATABASE_POOL_MAX"),
            connect_timeout: v.span("DATABASE_CONNECT_SECONDS"),
            read_timeout: v.span("DATABASE_READ_SECONDS"),
        },
        kafka: KafkaSettings {
            brokers: v.optional("KAFKA_BROKERS"),
            tls: v.flag("KAFKA_TLS").then(|| KafkaTlsSettings {
                ca_file: v.optional("KAFKA_CA_FILE"),
                certificate: v.optional("KAFKA_CERT_FILE").zip(v.optional("KAFKA_KEY_FILE")),
            }),
            sasl: (v.text("KAFKA_SASL_MECHANISM") != "none").then(|| SaslSettings {
                mechanism: v.text("KAFKA_SASL_MECHANISM").to_ascii_uppercase(),
                username: v.text("KAFKA_SASL_USERNAME"),
                password: SecretString::from(v.text("KAFKA_SASL_PASSWORD")),
            }),
            client_id: v.text("KAFKA_CLIENT_ID"),
            topic_prefix: v.text("KAFKA_TOPIC_PREFIX"),
            transactional_id: v.text("KAFKA_TRANSACTIONAL_ID"),
            florin_topic: v.text("KAFKA_FLORIN_TOPIC"),
            position_topic: v.text("KAFKA_POSITION_TOPIC"),
            invoices_topic: v.text("KAFKA_INVOICES_TOPIC"),
            billing_topic: v.text("KAFKA_BILLING_EVENTS_TOPIC"),
            orders_topic: v.text("KAFKA_ORDERS_TOPIC"),
            orders_group: v.text("KAFKA_GROUP_ID"),
            users: (v.names("KAFKA_USERS_TOPIC"), v.text("KAFKA_USERS_GROUP")),
            bills: (v.names("KAFKA_BILLING_TOPIC"), v.text("KAFKA_BILLING_GROUP")),
            notices: (v.names("KAFKA_NOTIFY_TOPIC"), v.text("KAFKA_NOTIFY_GROUP")),
            transactions: v.flag("KAFKA_TRANSACTIONS"),
            topic_partitions: v.whole("KAFKA_TOPIC_PARTITIONS"),
            topic_replicas: v.whole("KAFKA_TOPIC_REPLICAS"),
            dev_broker: match v.text("KAFKA").as_str() {
                "mock" => DevBroker::Mock,
                "real" => DevBroker::Real,
                _ => DevBroker::Auto,
            },
        },
        redis: RedisSettings {
            url: v.optional("REDIS_URL").or_else(|| v.redis_by_parts()).map(SecretString::from),
            ca_file: v.path("REDIS_CA_FILE"),
            timeout: v.span("REDIS_TIMEOUT_SECONDS"),
        },
        rate_limit: RateLimitSettings {
            payment: window("RATE_LIMIT_ENABLED", "RATE_LIMIT_MAX_REQUESTS", "RATE_LIMIT_WINDOW_SECONDS"),
            native: window(
                "RATE_LIMIT_NATIVE_ENABLED",
                "RATE_LIMIT_NATIVE_MAX_REQUESTS",
                "RATE_LIMIT_NATIVE_WINDOW_SECONDS",
            ),
            trusted: v.list("TRUSTED_PROXIES").filter_map(|text| network(&text)).collect(),
        },
        admission: AdmissionSettings {
            in_flight_max: v.whole("IN_FLIGHT_MAX"),
            account_share_percent: v.whole("ACCOUNT_SHARE_PERCENT"),
            active_accounts_max: v.whole("ACTIVE_ACCOUNTS_MAX"),
            account_idle: v.span("ACCOUNT_IDLE_SECONDS"),
        },
        journal: JournalSettings {
            partition_rows: v.whole("JOURNAL_PARTITION_ROWS"),
            writers: v.whole("JOURNAL_WRITERS"),
            batch_max: v.whole("JOURNAL_BATCH_MAX"),
            timeout: v.span("JOURNAL_TIMEOUT_SECONDS"),
            write_cutoff: v.span("WRITE_CUTOFF_SECONDS"),
            key_retention: HOUR * v.whole::<u32>("KEY_RETENTION_HOURS"),
            lease: v.span("LEASE_SECONDS"),
        },
        rate_age_max: v.span("RATE_AGE_MAX_SECONDS"),
        outbox: OutboxSettings {
            batch_max: v.whole("OUTBOX_BATCH_SIZE"),
            linger: v.span("OUTBOX_LINGER_SECONDS"),
            poll_interval: v.span("OUTBOX_POLL_INTERVAL_SECONDS"),
            retries_max: v.whole("OUTBOX_MAX_RETRIES"),
            delay_min: v.span("OUTBOX_BASE_DELAY_SECONDS"),
            delay_max: v.span("OUTBOX_MAX_DELAY_SECONDS"),
            waiting_rows_max: v.whole("OUTBOX_WAITING_ROWS_MAX"),
            waiting_max: v.span("OUTBOX_WAITING_SECONDS_MAX"),
        },
        provider: v.optional("PROVIDER_URL").map(|url| ProviderSettings {
            url,
            name: v.text("PROVIDER_NAME"),
            secret: SecretString::from(v.text("PROVIDER_SECRET")),
            timeout: Duration::from_millis(v.whole("PROVIDER_TIMEOUT_MS")),
        }),
        sagas: SagaSettings {
            attempts_max: v.whole("SAGA_ATTEMPTS_MAX"),
            delay_min: Duration::from_millis(v.whole("SAGA_DELAY_MIN_MS")),
            delay_max: Duration::from_millis(v.whole("SAGA_DELAY_MAX_MS")),
            pending_max: Duration::from_secs(v.whole("SAGA_PENDING_MAX_S")),
            resolve_by_two: v.flag("SAGA_RESOLVE_BY_TWO"),
        },
        billing: BillingSettings {
            orders: v.flag("ORDERS_ENABLED"),
            orders_entity: v.text("ORDERS_ENTITY"),
            tax_percent: v.whole("TAX_PERCENT"),
            exports: match v.optional("AWS_S3_BUCKET") {
                Some(bucket) => ExportsSettings::Bucket {
                    bucket,
                    region: v.text("AWS_REGION"),
                    key_id: SecretString::from(v.text("AWS_ACCESS_KEY_ID")),
                    secret: SecretString::from(v.text("AWS_SECRET_ACCESS_KEY")),
                    endpoint: v.optional("AWS_ENDPOINT_URL"),
                },
                None => ExportsSettings::Folder(v.path("EXPORTS_DIR").unwrap_or_else(|| v.data().join("exports"))),
            },
        },
        customers: CustomersSettings {
            enabled: v.flag("CUSTOMERS_ENABLED"),
            entity: v.text("BILLS_ENTITY"),
            currency: v.text("BILLS_CURRENCY"),
            patience: v.span("BILLS_PATIENCE_SECONDS"),
            allow_origin: v.text("CORS_ALLOW_ORIGIN"),
        },
        mail: v.optional("SMTP_HOST").map(|host| MailSettings {
            tls: match v.text("SMTP_TLS").as_str() {
                "required" => MailTls::Required,
                "implicit" => MailTls::Implicit,
                "none" => MailTls::None,
                // whoever sits between could take the offer of STARTTLS away, and read the password
                _ if v.optional("SMTP_PASSWORD").is_some() && !is_loopback(&host) => MailTls::Required,
                _ => MailTls::Auto,
            },
            host,
            port: v.whole("SMTP_PORT"),
            user: v.optional("SMTP_USER"),
            password: v.optional("SMTP_PASSWORD").map(SecretString::from),
            from: v.text("SMTP_FROM"),
            ca_file: v.path("SMTP_CA_FILE"),
        }),
        metrics: v.flag("METRICS_ENABLED").then(|| v.listen("METRICS_HOST", "METRICS_PORT")),
        log: LogSettings {
            level: v.text("LOG_LEVEL"),
            filter: v.optional("LOG_FILTER"),
            format: if v.text("LOG_FORMAT") == "console" { LogFormat::Console } else { LogFormat::Json },
            payments: v.flag("LOG_PAYMENTS"),
        },
        traces: v
            .optional("OTLP_ENDPOINT")
            .map(|endpoint| TraceSettings { endpoint, sample_percent: v.whole("OTLP_SAMPLE_PERCENT") }),
    }
}

pub struct Values<'a>(pub &'a [Entry]);

/// # Panics
/// All of these panic when the name or its kind is not as in the table: a mistake in this file, which its tests find.
impl Values<'_> {
    pub fn value(&self, name: &str) -> &Value {
        &self
            .0
            .iter()
            .find(|entry| entry.row.name == name)
            .unwrap_or_else(|| panic!("there is no setting {name}"))
            .value
    }

    pub fn optional(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Value::None => None,
            Value::Text(text) => Some(text.clone()),
            other => panic!("{name} is {other:?}, not text"),
        }
    }

    pub fn text(&self, name: &str) -> String {
        self.optional(name).unwrap_or_default()
    }

    fn names(&self, name: &str) -> Vec<String> {
        self.text(name).split(',').map(str::to_owned).collect()
    }

    fn list(&self, name: &str) -> impl Iterator<Item = String> {
        let list: Vec<_> = self.text(name).split(',').map(|text| text.trim().to_owned()).collect();
        list.into_iter().filter(|text| !text.is_empty())
    }

    fn ports(&self, name: &str) -> impl Iterator<Item = u16> {
        let ports = self.optional(name).unwrap_or_default();
        ports
            .split(',')
            .filter_map(|port| port.trim().parse().ok())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
    }

    fn data(&self) -> PathBuf {
        self.path("FLORIN_DATA").unwrap_or_else(|| PathBuf::from(".florin"))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.optional(name).map(PathBuf::from)
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Value::Flag(true))
    }

    pub fn whole<T: TryFrom<u64>>(&self, name: &str) -> T {
        match self.value(name) {
            Value::Whole(n) => T::try_from(*n).unwrap_or_else(|_| panic!("{name} allows more than its type holds")),
            other => panic!("{name} is {other:?}, not a number"),
        }
    }

    fn span(&self, name: &str) -> Duration {
        match self.value(name) {
            Value::Span(span) => *span,
            other => panic!("{name} is {other:?}, not a span of time"),
        }
    }

    /// The database's URL, put together from its parts; `None`: `DB_HOST` is not set.
    fn database_by_parts(&self) -> Option<String> {
        let part = |name: &str| encoded(&self.text(name));
        let host = self.optional("DB_HOST")?;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let password =
            self.optional("DB_PASSWORD").map(|password| format!(":{}", encoded(&password))).unwrap_or_default();
        let port: u16 = self.whole("DB_PORT");
        let tls = match self.text("DB_SSL").as_str() {
            "verified" => "?sslmode=verify-full",
            "true" => "?sslmode=require",
            _ => "",
        };
        Some(format!("postgres://{}{password}@{host}:{port}/{}{tls}", part("DB_USERNAME"), part("DB_DATABASE")))
    }

    /// The database's URL, by which the certificate is checked against `DATABASE_CA_FILE` if that is set: of two
    /// parameters of one name the last one counts.
    fn with_database_ca(&self, url: String) -> String {
        let Some(ca) = self.optional("DATABASE_CA_FILE") else { return url };
        let joint = if url.contains('?') { '&' } else { '?' };
        format!("{url}{joint}sslmode=verify-full&sslrootcert={}", encoded(&ca))
    }

    /// The same of Redis; `None`: `REDIS_HOST` is not set.
    fn redis_by_parts(&self) -> Option<String> {
        let host = self.optional("REDIS_HOST")?;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        Some(format!("redis://{host}:{}", self.whole::<u16>("REDIS_PORT")))
    }

    fn listen(&self, host: &str, port: &str) -> ListenSettings {
        ListenSettings { host: self.text(host), port: self.whole(port) }
    }
}

/// Percent-encodes a text as part of a URL.
fn encoded(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}
