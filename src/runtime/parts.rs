//! What each part of the runtime is set to, from the settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::actors::bills::BillsConfig;
use crate::actors::dispatch::Dispatch;
use crate::actors::exports::{ExportsConfig, Target};
use crate::actors::housekeeping::{self, Backpressure, HousekeepingConfig};
use crate::actors::mailer::MailConfig;
use crate::actors::orders::OrdersConfig;
use crate::actors::outbox::OutboxConfig;
use crate::actors::press::{Press, Printer};
use crate::actors::saga::SagaConfig;
use crate::admission::auth::{self, Authenticator};
use crate::admission::rate_limit::{RateLimitConfig, RateLimiter};
use crate::documents::mail::{MailConfig as SmtpConfig, Mailer, Tls};
use crate::documents::storage::BucketConfig;
use crate::faults::Faults;
use crate::messaging::{KafkaConfig, Reading};
use crate::money::Currencies;
use crate::protocol::record::DEFAULT_TENANT;
use crate::provider::{HttpConfig, HttpProvider};
use crate::resilience::health::Health;
use crate::saga::Policy;
use crate::settings::{ExportsSettings, KafkaSettings, MailTls, Mode, Settings, WindowSettings};
use crate::store::Database;
use crate::supervision::tree::{Billing, Publishing};
use crate::teller::customers::{Customers, CustomersParts};

/// Connections of the workflows that leave the ledger.
const SAGA_POOL_MAX: u32 = 4;
/// Connections of exports.
const EXPORTS_POOL_MAX: u32 = 1;
/// Connections of billing.
const BILLING_POOL_MAX: u32 = 4;
/// How long one attempt to send a mail may take.
const SMTP_TIMEOUT: Duration = Duration::from_secs(30);

/// Where Kafka is, by the settings.
pub fn kafka(settings: &Settings) -> KafkaConfig {
    let kafka = &settings.kafka;
    let reading = |(topics, group): &(Vec<String>, String)| Reading { topics: topics.clone(), group: group.clone() };
    KafkaConfig {
        brokers: kafka.brokers.clone().unwrap_or_default(),
        properties: properties(kafka),
        password: kafka.sasl.as_ref().map(|sasl| sasl.password.clone()),
        topic_prefix: kafka.topic_prefix.clone(),
        transactional_id: kafka.transactional_id.clone(),
        florin_topic: kafka.florin_topic.clone(),
        position_topic: kafka.position_topic.clone(),
        invoices_topic: kafka.invoices_topic.clone(),
        billing_topic: kafka.billing_topic.clone(),
        orders_topic: kafka.orders_topic.clone(),
        orders_group: kafka.orders_group.clone(),
        users: reading(&kafka.users),
        bills: reading(&kafka.bills),
        notices: reading(&kafka.notices),
        partitions: kafka.topic_partitions,
        replication: kafka.topic_replicas,
        ..KafkaConfig::default()
    }
}

/// What else the client library is set to: Florin's name, TLS, and who logs in.
fn properties(kafka: &KafkaSettings) -> Vec<(&'static str, String)> {
    let protocol = match (&kafka.tls, &kafka.sasl) {
        (None, None) => "plaintext",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), None) => "ssl",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    let mut properties = vec![("client.id", kafka.client_id.clone()), ("security.protocol", protocol.into())];
    if let Some(tls) = &kafka.tls {
        // the name in the certificate is checked too, which is not so by default in every version
        properties.push(("ssl.endpoint.identification.algorithm", "https".into()));
        properties.extend(tls.ca_file.clone().map(|ca| ("ssl.ca.location", ca)));
        if let Some((certificate, key)) = &tls.certificate {
            properties.push(("ssl.certificate.location", certificate.clone()));
            properties.push(("ssl.key.location", key.clone()));
        }
    }
    if let Some(sasl) = &kafka.sasl {
        properties.push(("sasl.mechanism", sasl.mechanism.clone()));
        properties.push(("sasl.username", sasl.username.clone()));
    }
    properties
}

/// How the publisher works, by the settings.
pub fn outbox(settings: &Settings) -> OutboxConfig {
    OutboxConfig {
        batch_rows_max: settings.outbox.batch_max,
        linger: settings.outbox.linger,
        poll_interval: settings.outbox.poll_interval,
        base_delay: settings.outbox.delay_min,
        max_delay: settings.outbox.delay_max,
        retries_max: settings.outbox.retries_max,
        transactional: settings.kafka.transactions,
        start_over: settings.mode == Mode::Dev,
        ..OutboxConfig::default()
    }
}

/// How workflows that leave the ledger are run, if there is a provider.
pub(super) fn saga_config(settings: &Settings, database: &Database) -> anyhow::Result<Option<SagaConfig>> {
    let Some(provider) = &settings.provider else { return Ok(None) };
    let config = HttpConfig {
        name: provider.name.clone(),
        url: provider.url.clone(),
        secret: provider.secret.clone(),
        timeout: provider.timeout,
    };
    let provider = HttpProvider::new(config).map_err(anyhow::Error::msg).context("PROVIDER_URL cannot be used")?;
    let sagas = &settings.sagas;
    let policy = Policy {
        attempts_max: sagas.attempts_max,
        delay_min: sagas.delay_min,
        delay_max: sagas.delay_max,
        pending_max: sagas.pending_max,
    };
    Ok(Some(SagaConfig { provider: Arc::new(provider), policy, pool: database.pool(SAGA_POOL_MAX) }))
}

pub(super) fn publishing(settings: &Settings, database: &Database, backpressure: &Backpressure) -> Publishing {
    let outbox = outbox(settings);
    let (rows, age) = (settings.outbox.waiting_rows_max, settings.outbox.waiting_max);
    let housekeeping = HousekeepingConfig {
        publisher: outbox.publisher.clone(),
        key_retention: settings.journal.key_retention,
        limits: housekeeping::Limits { warn_rows: rows / 2, warn_age: age / 2, stop_rows: rows, stop_age: age },
        ..HousekeepingConfig::default()
    };
    Publishing {
        outbox,
        kafka: kafka(settings),
        pool: database.publishing_pool(),
        housekeeping,
        backpressure: backpressure.clone(),
    }
}

/// The way of customers and bills into Kafka, if they are taken.
pub(super) fn dispatch(settings: &Settings) -> Option<Dispatch> {
    let is_wanted = settings.kafka.brokers.is_some() && settings.customers.enabled;
    is_wanted.then(|| Dispatch::new(kafka(settings)))
}

/// What registers customers and takes their bills.
pub(super) fn customers(settings: &Settings, dispatch: Dispatch, pool: &PgPool) -> Customers {
    let kafka = kafka(settings);
    Customers::new(CustomersParts {
        dispatch,
        pool: pool.clone(),
        tenant: DEFAULT_TENANT.into(),
        users_topic: kafka.users.first().to_owned(),
        bills_topic: kafka.bills.first().to_owned(),
    })
}

/// What takes orders, customers and bills in, if there is a Kafka to read them from; and what sends mails, if there is a
/// mail server.
pub(super) fn billing(
    settings: &Settings,
    database: &Database,
    currencies: &Currencies,
    dispatch: Option<&Dispatch>,
    press: &Press,
) -> anyhow::Result<Option<Billing>> {
    let (has_kafka, mail) = (settings.kafka.brokers.is_some(), mail(settings, press)?);
    if !has_kafka && mail.is_none() {
        return Ok(None);
    }
    let (pool, kafka) = (database.pool(BILLING_POOL_MAX), kafka(settings));
    let orders = (has_kafka && settings.billing.orders).then(|| OrdersConfig {
        tenant: DEFAULT_TENANT.into(),
        entity: settings.billing.orders_entity.clone(),
        tax_percent: settings.billing.tax_percent,
        currencies: currencies.clone(),
        rate_age_max: settings.rate_age_max,
        pool: pool.clone(),
    });
    let bills = dispatch.map(|dispatch| BillsConfig {
        tenant: DEFAULT_TENANT.into(),
        entity: settings.customers.entity.clone(),
        currency: settings.customers.currency.clone(),
        tax_percent: settings.billing.tax_percent,
        currencies: currencies.clone(),
        pool: pool.clone(),
        patience: settings.customers.patience,
        notify_topic: kafka.notices.first().to_owned(),
        documents: settings.documents.clone(),
        printer: press.printer(),
        dispatch: dispatch.clone(),
    });
    Ok(Some(Billing { kafka, orders, bills, mail, pool }))
}

/// A limit of calls over a window.
pub(super) fn limiter(
    settings: &Settings,
    window: WindowSettings,
    prefix: &str,
    health: &Health,
    faults: &Faults,
) -> anyhow::Result<RateLimiter> {
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("REDIS_CA_FILE {}", path.display()));
    Ok(RateLimiter::new(RateLimitConfig {
        requests_max: window.requests_max,
        window: window.window,
        redis_url: settings.redis.url.clone(),
        redis_ca: settings.redis.ca_file.as_ref().map(read).transpose()?,
        key_prefix: prefix.into(),
        call_timeout: settings.redis.timeout,
        health: health.clone(),
        faults: faults.clone(),
        ..RateLimitConfig::default()
    })?)
}

/// What sends mails, if there is a mail server.
fn mail(settings: &Settings, press: &Press) -> anyhow::Result<Option<MailConfig>> {
    let Some(mail) = &settings.mail else { return Ok(None) };
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("SMTP_CA_FILE {}", path.display()));
    let root = mail.ca_file.as_ref().map(read).transpose()?;
    let mailer = Mailer::new(SmtpConfig {
        host: mail.host.clone(),
        port: mail.port,
        user: mail.user.clone(),
        password: mail.password.clone(),
        from: mail.from.clone(),
        tls: match mail.tls {
            MailTls::Auto => Tls::Auto,
            MailTls::Required => Tls::Required,
            MailTls::Implicit => Tls::Implicit,
            MailTls::None => Tls::None,
        },
        root,
        timeout: SMTP_TIMEOUT,
    });
    let mailer = mailer.map_err(anyhow::Error::msg).context("mails cannot be sent (SMTP_HOST, SMTP_FROM)")?;
    Ok(Some(MailConfig { mailer: Arc::new(mailer), documents: settings.documents.clone(), press: press.clone() }))
}

/// Where exports go, and from where they are made.
pub fn exports(settings: &Settings, database: &Database) -> ExportsConfig {
    let target = match settings.billing.exports.clone() {
        ExportsSettings::Folder(path) => Target::Folder(path),
        ExportsSettings::Bucket { bucket, region, key_id, secret, endpoint } => {
            Target::Bucket(BucketConfig { region, bucket, key_id, secret, endpoint, prefix: "exports/".into() })
        }
    };
    ExportsConfig { tenant: DEFAULT_TENANT.into(), target, pool: database.pool(EXPORTS_POOL_MAX) }
}

/// What makes PDFs, if it was built in.
pub(super) fn printer() -> Option<Arc<dyn Printer>> {
    #[cfg(feature = "pdf")]
    return Some(Arc::new(crate::actors::papers::Typesetter::default()));
    #[cfg(not(feature = "pdf"))]
    None
}

/// Writes refused calls from time to time, and at the end.
pub(super) async fn write_refused(authenticator: Authenticator, pool: PgPool, mut stopped: watch::Receiver<bool>) {
    let mut is_last = false;
    while !is_last {
        is_last = tokio::time::timeout(auth::PERIOD, stopped.wait_for(|stopped| *stopped)).await.is_ok();
        authenticator.write_refused(&pool).await;
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::settings::{KafkaTlsSettings, SaslSettings, Sources};

    // Fails when a certificate or its name is not checked, or when the password stands where it is shown.
    #[test]
    fn towards_kafka_there_is_tls_and_a_login_where_the_settings_say_so() {
        let (mut settings, _) = Settings::load(&Sources::default(), Mode::Tool).unwrap();
        let client = |settings: &Settings, names: &[&str]| {
            let client = kafka(settings).client();
            names.iter().map(|name| client.get(name).unwrap_or("-").to_owned()).collect::<Vec<_>>().join(" ")
        };
        let protocol = ["security.protocol", "ssl.ca.location", "sasl.mechanism"];
        assert_eq!(client(&settings, &protocol), "plaintext - -");
        let sasl = SaslSettings {
            mechanism: "SCRAM-SHA-512".into(),
            username: "till".into(),
            password: SecretString::from("hunter2"),
        };
        settings.kafka.sasl = Some(sasl);
        assert_eq!(client(&settings, &protocol), "sasl_plaintext - SCRAM-SHA-512");
        settings.kafka.tls = Some(KafkaTlsSettings {
            ca_file: Some("ca.pem".into()),
            certificate: Some(("c.pem".into(), "k.pem".into())),
        });
        assert_eq!(client(&settings, &protocol), "sasl_ssl ca.pem SCRAM-SHA-512");
        let rest = ["ssl.endpoint.identification.algorithm", "ssl.certificate.location", "ssl.key.location"];
        assert_eq!(client(&settings, &rest), "https c.pem k.pem");
        assert_eq!(client(&settings, &["sasl.username", "sasl.password"]), "till hunter2");
        settings.kafka.sasl = None;
        assert_eq!(client(&settings, &protocol), "ssl ca.pem -");
        let shown = format!("{:?} {:?}", kafka(&settings), settings);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
