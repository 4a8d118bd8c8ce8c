//! The one table of all settings. All else is made from it: reading, errors, `florin config` and the page of the docs.

use super::kind::Kind;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The heading under which the docs list it.
    pub group: &'static str,
    /// Its name in the environment; in lower case in a config file.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    /// As text; empty: none.
    pub default: &'static str,
    /// The default in `florin dev`; `None`: the same.
    pub default_dev: Option<&'static str>,
    /// What it does, in one line.
    pub help: &'static str,
}

impl Row {
    /// Its name and its aliases, the most specific first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    const fn or(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn dev(self, default: &'static str) -> Self {
        Self { default_dev: Some(default), ..self }
    }
}

/// Finds a setting by any of its names, in any case; dashes and dots count as underscores.
pub fn find(name: &str) -> Option<&'static Row> {
    let name = normal(name);
    TABLE.iter().find(|row| row.names().any(|known| known == name))
}

/// Finds the setting whose value stands in the file that `name` names: that of a secret and `_FILE`.
pub fn find_in_file(name: &str) -> Option<&'static Row> {
    let name = normal(name);
    find(name.strip_suffix("_FILE")?).filter(|row| row.kind.is_secret())
}

/// The spelling of the table: upper case, with underscores.
pub fn normal(name: &str) -> String {
    name.trim().to_ascii_uppercase().replace(['-', '.'], "_")
}

/// The known name that is most like this one; `None`: none is like it.
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = normal(name);
    let close = (name.len() / 3).clamp(2, 6);
    let known = TABLE.iter().flat_map(Row::names).map(|known| (distance(&name, known), known));
    known.min().filter(|(distance, _)| *distance <= close).map(|(_, known)| known)
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The words with which an operator allows calls from anybody.
pub const UNAUTHENTICATED_WORDS: &str = "yes, anyone may move money";
/// The words with which an operator allows what others can read and change on its way.
pub const PLAINTEXT_WORDS: &str = "yes, anyone may listen in";

const fn row(group: &'static str, name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Row {
    Row { group, name, aliases: &[], kind, default, default_dev: None, help }
}

const DAY_MS: u64 = 86_400_000;
const LEVELS: &[(&str, &[&str])] = &[
    ("trace", &[]),
    ("debug", &[]),
    ("info", &["notice"]),
    ("warn", &["warning"]),
    ("error", &["critical", "fatal"]),
    ("off", &["none"]),
];

#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    row("Process", "WORKER_THREADS", Kind::Whole(0, 1_024), "0", "threads that do the work; 0: one for every two cores, which is cheapest where PostgreSQL or clients share them"),
    row("gRPC", "GRPC_HOST", Kind::Host, "127.0.0.1", "address of the gRPC listener; beyond loopback a method of authentication is needed, and TLS"),
    row("gRPC", "GRPC_PORT", Kind::Port, "50051", "port of the gRPC listener").or(&["LEDGER_API_GRPC_PORT"]),
    row("gRPC", "GRPC_MESSAGE_BYTES_MAX", Kind::Bytes(64 << 10, 64 << 20), "4 MiB", "largest message that is read or sent"),
    row("gRPC", "GRPC_CONNECTIONS_MAX", Kind::Whole(1, 1_000_000), "20000", "connections at a time; more are closed at once"),
    row("gRPC", "DRAIN_SECONDS", Kind::Seconds(0, 600_000), "30", "how long a stopping process lets calls finish").dev("4"),
    row("gRPC", "CONNECTIONS_ADDRESS_PERCENT", Kind::Whole(1, 100), "50", "how many in a hundred of a listener's connections one address may have, of gRPC and of REST"),
    row("HTTP", "HTTP_HOST", Kind::Host, "127.0.0.1", "address of the REST listeners; beyond loopback a method of authentication is needed, and TLS").or(&["HOST"]),
    row("HTTP", "HTTP_PORT", Kind::Port, "3000", "port of the REST listener").or(&["PORT"]),
    row("HTTP", "HTTP_MORE_PORTS", Kind::Ports(8), "", "further ports with all that HTTP_PORT has, at HTTP_HOST"),
    row("HTTP", "HTTP_ALLOWED_HOSTS", Kind::Hosts(32), "", "names by which browsers know REST, beside addresses, HTTP_HOST and names without a dot; pages of other origins are refused"),
    row("HTTP", "LEDGER_API_HTTP_PORT", Kind::Whole(0, 65_535), "0", "one more such port, where a path that is not there is answered as the orders contract has it; 0: none"),
    row("Transport security", "TLS_CERT_FILE", Kind::Path, "", "certificate chain in PEM; together with the key it switches TLS on"),
    row("Transport security", "TLS_KEY_FILE", Kind::Path, "", "private key of the certificate in PEM"),
    row("Transport security", "TLS_CLIENT_CA_FILE", Kind::Path, "", "CA certificates in PEM for client certificates; every connection must show one, unless AUTH_CLIENT_CERTIFICATES makes it one way of several"),
    row("Transport security", "ALLOW_PLAINTEXT", Kind::Words(PLAINTEXT_WORDS), "", "listens beyond loopback without TLS, which METRICS_HOST has not at all: for what a proxy or a network of its own protects"),
    row("Transport security", "TLS_CLIENT_CRL_FILE", Kind::Path, "", "lists of revoked client certificates in PEM, one of each CA; a certificate whose CA has none is refused"),
    row("Authentication", "AUTH_API_KEYS", Kind::Flag, "false", "ask for an API key (made by `florin keys create`)"),
    row("Authentication", "AUTH_CLIENT_CERTIFICATES", Kind::Flag, "false", "take a client certificate for a method of authentication, with all scopes unless AUTH_CERTIFICATES_FILE says otherwise; needs TLS_CLIENT_CA_FILE"),
    row("Authentication", "AUTH_CERTIFICATES_FILE", Kind::Path, "", "what client certificates grant, a line each: `CN:name tenant read,write`, or `DNS:`, `URI:`; others are refused"),
    row("Authentication", "AUTH_CACHE_SECONDS", Kind::Seconds(0, 300_000), "10", "how long an API key's look-up is remembered: a revoked key works at most so long"),
    row("Authentication", "ALLOW_UNAUTHENTICATED", Kind::Words(UNAUTHENTICATED_WORDS), "", "listens beyond loopback without authentication"),
    row("PostgreSQL", "DATABASE_URL", Kind::SecretUrl(&["postgres", "postgresql"]), "", "the database; `serve` needs it; a driver in the scheme such as `+asyncpg` is ignored; `sslmode=verify-full` checks its certificate").or(&["PG_DSN"]),
    row("PostgreSQL", "DB_HOST", Kind::Text, "", "the database's host, in the place of DATABASE_URL").or(&["PG_HOST"]),
    row("PostgreSQL", "DB_PORT", Kind::Port, "5432", "its port, with DB_HOST").or(&["PG_PORT"]),
    row("PostgreSQL", "DB_USERNAME", Kind::Text, "postgres", "the role, with DB_HOST").or(&["PG_USER"]),
    row("PostgreSQL", "DB_PASSWORD", Kind::Secret, "", "the role's password, with DB_HOST").or(&["PG_PASSWORD"]),
    row("PostgreSQL", "DB_DATABASE", Kind::Text, "florin", "the database's name, with DB_HOST").or(&["PG_DATABASE"]),
    row("PostgreSQL", "DB_SSL", Kind::Choice(&[("false", &["0", "no", "off"]), ("true", &["1", "yes", "on"]), ("verified", &["verify-full"])]), "false", "with DB_HOST; true: connect by TLS, whosever the certificate is, or not at all; verified: the certificate is that of DB_HOST, and trusted"),
    row("PostgreSQL", "DATABASE_CA_FILE", Kind::Path, "", "CA certificates in PEM, trusted beside the public authorities; with it the database is reached by TLS, with a certificate of its host, or not at all"),
    row("PostgreSQL", "DATABASE_POOL_MAX", Kind::Whole(2, 1_000), "10", "connections for reads; the journal has its own"),
    row("PostgreSQL", "DATABASE_CONNECT_SECONDS", Kind::Seconds(100, 60_000), "5", "how long a connection may take to be made"),
    row("PostgreSQL", "DATABASE_READ_SECONDS", Kind::Seconds(100, 60_000), "5", "how long a read may take"),
    row("Kafka", "KAFKA_BROKERS", Kind::Brokers, "", "the brokers; `serve` needs them").or(&["REDPANDA_BROKERS", "BROKERS"]),
    row("Kafka", "KAFKA_TLS", Kind::Flag, "false", "reach the brokers by TLS, with certificates that are trusted and theirs; needs a Florin that was built with `--features kafka-tls`, as the image is"),
    row("Kafka", "KAFKA_CA_FILE", Kind::Path, "", "CA certificates in PEM in the place of the system's, with KAFKA_TLS"),
    row("Kafka", "KAFKA_CERT_FILE", Kind::Path, "", "client certificate in PEM that is shown to the brokers, with KAFKA_TLS"),
    row("Kafka", "KAFKA_KEY_FILE", Kind::Path, "", "its private key in PEM"),
    row("Kafka", "KAFKA_SASL_MECHANISM", Kind::Choice(&[("none", &[]), ("plain", &[]), ("scram-sha-256", &[]), ("scram-sha-512", &[])]), "none", "how Florin logs in at the brokers; plain without TLS is for loopback only, scram needs a Florin that was built with `--features kafka-tls`"),
    row("Kafka", "KAFKA_SASL_USERNAME", Kind::Text, "", "who logs in"),
    row("Kafka", "KAFKA_SASL_PASSWORD", Kind::Secret, "", "the password of KAFKA_SASL_USERNAME"),
    row("Kafka", "KAFKA_CLIENT_ID", Kind::Name(200), "florin", "what Florin calls itself towards the brokers, in their logs and quotas").or(&["CLIENTID"]),
    row("Kafka", "KAFKA_TOPIC_PREFIX", Kind::Name(200), "payments", "first part of the topics' names"),
    row("Kafka", "KAFKA_TRANSACTIONAL_ID", Kind::Name(200), "florin-outbox", "transactional id of the publisher: one for each installation on a cluster"),
    row("Kafka", "KAFKA_FLORIN_TOPIC", Kind::Name(200), "florin.transactions", "topic of Florin's own events of money and accounts"),
    row("Kafka", "KAFKA_INVOICES_TOPIC", Kind::Name(200), "florin.invoices", "topic of Florin's own events of billing"),
    row("Kafka", "KAFKA_BILLING_EVENTS_TOPIC", Kind::Name(200), "billing.events", "topic of billing's events in the form of the orders contract"),
    row("Kafka", "KAFKA_ORDERS_TOPIC", Kind::Name(200), "orders", "topic from which orders are billed; what cannot be billed goes to the one of this name with `.dlq`"),
    row("Kafka", "KAFKA_GROUP_ID", Kind::Name(200), "billing-worker", "consumer group that reads orders"),
    row("Kafka", "KAFKA_USERS_TOPIC", Kind::Names(200, 2), "users", "topic of registrations, which the REST API writes; a second one after a comma is read too"),
    row("Kafka", "KAFKA_USERS_GROUP", Kind::Name(200), "insertion", "consumer group that reads registrations"),
    row("Kafka", "KAFKA_BILLING_TOPIC", Kind::Names(200, 2), "billing", "topic of shops' bills, which the REST API writes; a second one after a comma is read too"),
    row("Kafka", "KAFKA_BILLING_GROUP", Kind::Name(200), "billing", "consumer group that reads bills"),
    row("Kafka", "KAFKA_NOTIFY_TOPIC", Kind::Names(200, 2), "notify", "topic of the mails that bills lead to; a second one after a comma is read too"),
    row("Kafka", "KAFKA_NOTIFY_GROUP", Kind::Name(200), "notification", "consumer group that reads what mails are to be sent"),
    row("Kafka", "KAFKA_POSITION_TOPIC", Kind::Name(200), "florin.outbox.position", "topic of the publisher's position: one for each installation on a cluster"),
    row("Kafka", "KAFKA_TRANSACTIONS", Kind::Flag, "true", "publish in Kafka transactions, exactly once; false is for brokers that have none, at least once"),
    row("Kafka", "KAFKA_TOPIC_PARTITIONS", Kind::Whole(1, 1_000), "6", "partitions of the topics that `florin migrate` creates"),
    row("Kafka", "KAFKA_TOPIC_REPLICAS", Kind::Whole(1, 15), "1", "replicas of the topics that `florin migrate` creates"),
    row("Kafka", "KAFKA", Kind::Choice(&[("auto", &[]), ("mock", &[]), ("real", &[])]), "auto", "the broker of `florin dev`: the mock in the process, a real one (needs Java and Maven), or real if it can be had"),
    row("Redis", "REDIS_URL", Kind::SecretUrl(&["redis", "rediss", "unix", "redis+unix"]), "", "Redis for the rate limit, `rediss` by TLS with a certificate that is checked; without it each process limits by itself"),
    row("Redis", "REDIS_CA_FILE", Kind::Path, "", "CA certificates in PEM in the place of the public authorities, with a REDIS_URL of `rediss`"),
    row("Redis", "REDIS_HOST", Kind::Text, "", "the host of Redis, in the place of REDIS_URL").or(&["REDISHOST"]),
    row("Redis", "REDIS_PORT", Kind::Port, "6379", "its port, with REDIS_HOST").or(&["REDISPORT"]),
    row("Redis", "REDIS_TIMEOUT_SECONDS", Kind::Seconds(5, 5_000), "0.05", "how long an answer of Redis may take before the limit of the process takes over"),
    row("Rate limit", "RATE_LIMIT_ENABLED", Kind::Flag, "true", "limit the calls of payment.v1 by client"),
    row("Rate limit", "RATE_LIMIT_MAX_REQUESTS", Kind::Whole(1, 100_000_000), "100", "calls of one client in one window"),
    row("Rate limit", "RATE_LIMIT_WINDOW_SECONDS", Kind::Seconds(1_000, DAY_MS), "60", "length of the sliding window"),
    row("Rate limit", "TRUSTED_PROXIES", Kind::Networks(64), "", "addresses and networks whose `x-client-id` and `x-forwarded-for` name a client; unless given, all callers without credentials may name theirs"),
    row("Rate limit", "RATE_LIMIT_NATIVE_ENABLED", Kind::Flag, "false", "limit the calls of florin.v1 and REST by client; a batch counts once"),
    row("Rate limit", "RATE_LIMIT_NATIVE_MAX_REQUESTS", Kind::Whole(1, 100_000_000), "10000", "calls of one client in one window"),
    row("Rate limit", "RATE_LIMIT_NATIVE_WINDOW_SECONDS", Kind::Seconds(1_000, DAY_MS), "60", "length of the sliding window"),
    row("Admission", "IN_FLIGHT_MAX", Kind::Whole(1, 1_000_000), "10000", "commands at work at a time; more get RESOURCE_EXHAUSTED"),
    row("Admission", "ACCOUNT_SHARE_PERCENT", Kind::Whole(1, 100), "50", "the part of IN_FLIGHT_MAX that one account may take"),
    row("Admission", "ACTIVE_ACCOUNTS_MAX", Kind::Whole(100, 10_000_000), "100000", "account actors in memory; above it idle ones leave at once"),
    row("Admission", "ACCOUNT_IDLE_SECONDS", Kind::Seconds(1_000, DAY_MS), "300", "an account actor that had nothing to do for so long leaves"),
    row("Journal", "JOURNAL_PARTITION_ROWS", Kind::Whole(1_000, 1_000_000_000), "10000000", "rows in one partition of the journal; keys are forgotten partition by partition"),
    row("Journal", "JOURNAL_WRITERS", Kind::Whole(1, 8), "2", "batches written side by side, each over a connection of its own, and committed one behind the other"),
    row("Journal", "JOURNAL_BATCH_MAX", Kind::Whole(1, 10_000), "2000", "records in one batch"),
    row("Journal", "JOURNAL_TIMEOUT_SECONDS", Kind::Seconds(100, 60_000), "5", "a batch without an answer for so long counts as unknown: it is fenced off and looked up"),
    row("Journal", "WRITE_CUTOFF_SECONDS", Kind::Seconds(100, 600_000), "10", "a command that is not written so long after it arrived is given up, never run later"),
    row("Journal", "LEASE_SECONDS", Kind::Seconds(500, 60_000), "5", "how long the right to write lasts without renewal; a standby takes over after it"),
    row("Keys", "KEY_RETENTION_HOURS", Kind::Hours(1, 24 * 366), "24", "how long idempotency keys are kept at least; less than 24 needs ALLOW_SHORT_RETENTION"),
    row("Keys", "ALLOW_SHORT_RETENTION", Kind::Flag, "false", "allows KEY_RETENTION_HOURS below 24"),
    row("Exchange", "RATE_AGE_MAX_SECONDS", Kind::Seconds(1_000, 31_536_000_000), "86400", "money is exchanged at no rate that was observed longer ago"),
    row("Outbox", "OUTBOX_BATCH_SIZE", Kind::Whole(1, 10_000), "1000", "events in one Kafka transaction, at most"),
    row("Outbox", "OUTBOX_LINGER_SECONDS", Kind::Seconds(0, 1_000), "0.05", "shortest time between two Kafka transactions that are not full: events that come faster share one"),
    row("Outbox", "OUTBOX_POLL_INTERVAL_SECONDS", Kind::Seconds(10, 60_000), "1.0", "how often the outbox is looked at when nobody woke it"),
    row("Outbox", "OUTBOX_MAX_RETRIES", Kind::Whole(0, 1_000), "5", "tries after the first for an event that Kafka refuses for itself; then it is a dead letter"),
    row("Outbox", "OUTBOX_BASE_DELAY_SECONDS", Kind::Seconds(1, 600_000), "1", "wait before the first retry; it doubles each time"),
    row("Outbox", "OUTBOX_MAX_DELAY_SECONDS", Kind::Seconds(1, 3_600_000), "60", "longest wait between retries"),
    row("Outbox", "OUTBOX_WAITING_ROWS_MAX", Kind::Whole(1_000, 10_000_000_000), "50000000", "with more events waiting for Kafka new writes are refused; half of it is an alert"),
    row("Outbox", "OUTBOX_WAITING_SECONDS_MAX", Kind::Seconds(60_000, 31 * DAY_MS), "86400", "with the oldest event waiting for longer new writes are refused; half of it is an alert"),
    row("Provider", "PROVIDER_URL", Kind::Url(&["http", "https"]), "", "the provider through which payouts leave and card top-ups come in (docs/provider.md); without it none are taken; plain HTTP on loopback alone"),
    row("Provider", "PROVIDER_NAME", Kind::Name(64), "provider", "what it is called here, also in its account `provider:NAME:CURRENCY`"),
    row("Provider", "PROVIDER_SECRET", Kind::Secret, "", "what requests to the provider and its answers are signed with"),
    row("Provider", "PROVIDER_TIMEOUT_MS", Kind::Whole(50, 600_000), "5000", "how long the provider's answer may take before it counts as lost, in milliseconds"),
    row("Provider", "SAGA_ATTEMPTS_MAX", Kind::Whole(1, 1_000), "8", "tries of a step; after them what was done is undone, and an undoing is stuck"),
    row("Provider", "SAGA_DELAY_MIN_MS", Kind::Whole(1, 3_600_000), "200", "wait before the first retry of a step, in milliseconds; it doubles each time"),
    row("Provider", "SAGA_DELAY_MAX_MS", Kind::Whole(1, 86_400_000), "60000", "longest wait between retries, and between two questions about what is pending, in milliseconds"),
    row("Provider", "SAGA_PENDING_MAX_S", Kind::Whole(1, 31_622_400), "604800", "how long the provider may leave a step pending before it is stuck, in seconds"),
    row("Provider", "SAGA_RESOLVE_BY_TWO", Kind::Flag, "false", "to resolve a stuck saga takes two operators, who say the same within a day; needs a method of authentication"),
    row("Billing", "ORDERS_ENABLED", Kind::Flag, "true", "bill the orders that come from Kafka"),
    row("Billing", "ORDERS_ENTITY", Kind::Name(64), "default", "the legal entity that bills orders"),
    row("Billing", "EXPORTS_DIR", Kind::Path, "", "folder of the daily exports; `exports` in FLORIN_DATA if it is empty; not used with AWS_S3_BUCKET"),
    row("Billing", "AWS_S3_BUCKET", Kind::Text, "", "bucket of the daily exports, under `exports/`"),
    row("Billing", "AWS_REGION", Kind::Name(64), "ap-south-1", "the bucket's region"),
    row("Billing", "AWS_ACCESS_KEY_ID", Kind::Secret, "", "access key of the bucket"),
    row("Billing", "AWS_SECRET_ACCESS_KEY", Kind::Secret, "", "its secret"),
    row("Billing", "AWS_ENDPOINT_URL", Kind::Url(&["http", "https"]), "", "a server that speaks S3 and is not Amazon's; plain HTTP on loopback alone"),
    row("Billing", "TAX_PERCENT", Kind::Whole(0, 100), "18", "tax where no rate is set for region and category"),
    row("Customers", "CUSTOMERS_ENABLED", Kind::Flag, "true", "register customers, make their bills and keep their mails"),
    row("Customers", "BILLS_ENTITY", Kind::Name(64), "max-stores", "the legal entity that bills customers of shops"),
    row("Customers", "BILLS_CURRENCY", Kind::Name(12), "INR", "the currency of all prices in bills"),
    row("Customers", "BILLS_PATIENCE_SECONDS", Kind::Seconds(0, 3_600_000), "30", "how long a bill waits for the registration of its customer; then it is a dead letter"),
    row("Customers", "CORS_ALLOW_ORIGIN", Kind::Text, "*", "origin whose pages may read answers about customers and bills (`Access-Control-Allow-Origin`)"),
    row("Documents and mail", "DOCUMENTS_DIR", Kind::Path, "", "folder of PDFs; by default `documents` in FLORIN_DATA"),
    row("Documents and mail", "SMTP_HOST", Kind::Text, "", "mail server; without it mails wait").or(&["SMTPHOST"]),
    row("Documents and mail", "SMTP_PORT", Kind::Port, "587", "port of the mail server").or(&["SMTPPORT"]),
    row("Documents and mail", "SMTP_USER", Kind::Text, "", "who logs in at the mail server; without it nobody does").or(&["SMTPUSER"]),
    row("Documents and mail", "SMTP_PASSWORD", Kind::Secret, "", "the password of SMTP_USER").or(&["SMTPPASSWORD"]),
    row("Documents and mail", "SMTP_TLS", Kind::Choice(&[("auto", &[]), ("required", &["starttls"]), ("implicit", &["smtps"]), ("none", &["plain"])]), "auto", "auto: STARTTLS if the server offers it, whosever its certificate is, else plain, but as required where SMTP_PASSWORD would leave this machine; required: STARTTLS with a certificate that is trusted, or nothing is sent; implicit: TLS from the first byte; none: plain"),
    row("Documents and mail", "SMTP_CA_FILE", Kind::Path, "", "certificate in PEM that is trusted beside the public authorities: of the mail server's own"),
    row("Documents and mail", "SMTP_FROM", Kind::Text, "", "sender of all mails: an address, or `Name <address>`; needed with SMTP_HOST").or(&["SMTPFROM"]),
    row("Metrics", "METRICS_ENABLED", Kind::Flag, "true", "serve `/metrics` and `/health`"),
    row("Metrics", "METRICS_HOST", Kind::Host, "127.0.0.1", "address of the metrics listener, which has neither TLS nor authentication; beyond loopback ALLOW_PLAINTEXT is needed"),
    row("Metrics", "METRICS_PORT", Kind::Port, "9090", "port of the metrics listener"),
    row("Logs and traces", "LOG_LEVEL", Kind::Choice(LEVELS), "info", "the least severe lines that are written"),
    row("Logs and traces", "LOG_FORMAT", Kind::Choice(&[("json", &[]), ("console", &["text", "plain"])]), "json", "one JSON object a line, or text for people").dev("console"),
    row("Logs and traces", "LOG_FILTER", Kind::Text, "", "levels by target, such as `florin::actors=debug`; on top of LOG_LEVEL").or(&["RUST_LOG"]),
    row("Logs and traces", "LOG_PAYMENTS", Kind::Flag, "false", "one line for each payment; it costs throughput"),
    row("Logs and traces", "OTLP_ENDPOINT", Kind::Url(&["http", "https"]), "", "collector of traces (OTLP over gRPC); without it there are none").or(&["OTEL_EXPORTER_OTLP_ENDPOINT"]),
    row("Logs and traces", "OTLP_SAMPLE_PERCENT", Kind::Whole(0, 100), "10", "how many of a hundred requests are traced"),
    row("Process", "FLORIN_DATA", Kind::Path, ".florin", "folder of `florin dev`; the client commands find the running one by it"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_are_allowed() {
        let mut names: Vec<_> = TABLE.iter().flat_map(Row::names).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        for row in TABLE {
            for default in [Some(row.default), row.default_dev].into_iter().flatten() {
                assert!(row.kind.parse(default).is_some(), "the default of {} is not allowed", row.name);
            }
            assert!(!row.help.contains('|') && !row.help.is_empty(), "{} would break the table in the docs", row.name);
        }
    }

    #[test]
    fn a_misspelt_name_finds_the_nearest() {
        for (given, want) in [
            ("grpc_prt", Some("GRPC_PORT")),
            ("KAFKA_BROKER", Some("KAFKA_BROKERS")),
            ("database.uri", Some("DATABASE_URL")),
            ("outbox-batchsize", Some("OUTBOX_BATCH_SIZE")),
            ("colour_of_the_sky", None),
        ] {
            assert_eq!(nearest(given), want, "{given}");
        }
    }
}
