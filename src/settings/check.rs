//! The rules that concern several settings at once.

use url::{Host, Url};

use super::build::{HOUR, Values};
use super::{Entry, Mode, PLAINTEXT_WORDS, Problems, Settings, UNAUTHENTICATED_WORDS, is_loopback};

/// Checks them.
///
/// # Errors
/// All that is wrong.
pub fn check(settings: &Settings, entries: &[Entry]) -> Result<(), Problems> {
    let v = Values(entries);
    let mut problems = Problems::default();
    together(settings, &v, &mut problems);
    outward(settings, &v, &mut problems);
    open_to_others(settings, &v, &mut problems);
    problems.none()
}

impl Problems {
    fn unless(&mut self, kept: bool, problem: impl FnOnce() -> String) {
        if !kept {
            self.0.push(problem());
        }
    }
}

/// Values that need each other, or exclude each other.
fn together(settings: &Settings, v: &Values<'_>, problems: &mut Problems) {
    let given = |name: &str| v.optional(name).is_some();
    for (one, other) in [
        ("TLS_CERT_FILE", "TLS_KEY_FILE"),
        ("TLS_KEY_FILE", "TLS_CERT_FILE"),
        ("TLS_CLIENT_CA_FILE", "TLS_CERT_FILE"),
        ("TLS_CLIENT_CRL_FILE", "TLS_CLIENT_CA_FILE"),
        ("AUTH_CERTIFICATES_FILE", "TLS_CLIENT_CA_FILE"),
        ("KAFKA_CERT_FILE", "KAFKA_KEY_FILE"),
        ("KAFKA_KEY_FILE", "KAFKA_CERT_FILE"),
    ] {
        problems.unless(!given(one) || given(other), || {
            format!("{one} is {:?} without {other}: they go together", v.text(one))
        });
    }
    problems.unless(!settings.auth.client_certificates || given("TLS_CLIENT_CA_FILE"), || {
        "AUTH_CLIENT_CERTIFICATES is true without TLS_CLIENT_CA_FILE: nothing to check the certificates against".into()
    });
    problems.unless(settings.journal.key_retention >= HOUR * 24 || v.flag("ALLOW_SHORT_RETENTION"), || {
        let hours = v.whole::<u64>("KEY_RETENTION_HOURS");
        format!("KEY_RETENTION_HOURS is {hours}: allowed is at least 24, or less with ALLOW_SHORT_RETENTION=true")
    });
    for (min, max, are_in_order) in [
        (
            "OUTBOX_BASE_DELAY_SECONDS",
            "OUTBOX_MAX_DELAY_SECONDS",
            settings.outbox.delay_min <= settings.outbox.delay_max,
        ),
        ("SAGA_DELAY_MIN_MS", "SAGA_DELAY_MAX_MS", settings.sagas.delay_min <= settings.sagas.delay_max),
    ] {
        problems.unless(are_in_order, || {
            let (least, most) = (v.value(min), v.value(max));
            format!("{min} is {least} and {max} is {most}: the first may not be above the second")
        });
    }
    let is_by_two = settings.mode != Mode::Tool && settings.sagas.resolve_by_two;
    problems.unless(!is_by_two || settings.auth.any(), || {
        "SAGA_RESOLVE_BY_TWO is true and no method of authentication is on: all operators would have one name".into()
    });
    problems.unless(!settings.kafka.bills.0.contains(&settings.kafka.billing_topic), || {
        let name = &settings.kafka.billing_topic;
        format!("KAFKA_BILLING_EVENTS_TOPIC and KAFKA_BILLING_TOPIC are both {name}: events would be read as bills")
    });
    for (one, other, what) in [
        ("SMTP_HOST", "SMTP_FROM", "nobody would have sent the mails"),
        ("PROVIDER_URL", "PROVIDER_SECRET", "requests could not be signed"),
        ("AWS_S3_BUCKET", "AWS_ACCESS_KEY_ID", "nobody would write into it"),
        ("AWS_S3_BUCKET", "AWS_SECRET_ACCESS_KEY", "nobody would write into it"),
    ] {
        problems.unless(!given(one) || given(other), || format!("{one} is set without {other}: {what}"));
    }
    for (one, other, what) in [("DATABASE_URL", "DB_HOST", "the database"), ("REDIS_URL", "REDIS_HOST", "Redis")] {
        problems.unless(!given(one) || !given(other), || {
            format!("{one} and {other} are both set: one of them names {what}")
        });
    }
    if settings.mode == Mode::Serve {
        let database = given("DATABASE_URL") || given("DB_HOST");
        for (name, is_given) in [("DATABASE_URL", database), ("KAFKA_BROKERS", given("KAFKA_BROKERS"))] {
            problems.unless(is_given, || {
                format!("{name} is not set: `florin serve` needs it (`florin dev` brings its own)")
            });
        }
    }
}

/// The ways out: to the provider, the bucket, Redis and Kafka.
fn outward(settings: &Settings, v: &Values<'_>, problems: &mut Problems) {
    for name in ["PROVIDER_URL", "AWS_ENDPOINT_URL"] {
        let url = v.text(name);
        problems.unless(!is_plain_beyond_loopback(&url), || {
            format!("{name} is {url:?}: plain http is for loopback only, use https")
        });
    }
    problems.unless(v.optional("REDIS_CA_FILE").is_none() || v.text("REDIS_URL").starts_with("rediss://"), || {
        "REDIS_CA_FILE is set without a REDIS_URL of rediss://: there would be no TLS".into()
    });
    let kafka = &settings.kafka;
    for name in ["KAFKA_CA_FILE", "KAFKA_CERT_FILE"] {
        problems.unless(v.optional(name).is_none() || kafka.tls.is_some(), || {
            format!("{name} is {:?} without KAFKA_TLS=true: there would be no TLS", v.text(name))
        });
    }
    let built = cfg!(feature = "kafka-tls");
    problems.unless(built || kafka.tls.is_none(), || {
        "KAFKA_TLS is true, and this florin was built without TLS towards Kafka: build it with `--features kafka-tls`"
            .into()
    });
    let Some(sasl) = &kafka.sasl else { return };
    for name in ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"] {
        problems.unless(v.optional(name).is_some(), || format!("KAFKA_SASL_MECHANISM is set without {name}"));
    }
    if sasl.mechanism == "PLAIN" {
        let brokers = kafka.brokers.as_deref().unwrap_or_default();
        let beyond = brokers.split(',').find(|broker| !broker.is_empty() && !is_loopback(host_of(broker)));
        problems.unless(kafka.tls.is_some() || beyond.is_none(), || {
            let broker = beyond.unwrap_or_default();
            format!(
                "KAFKA_SASL_MECHANISM is plain, and the password would travel in clear to {broker}: set KAFKA_TLS=true"
            )
        });
    } else {
        problems.unless(built, || {
            let mechanism = &sasl.mechanism;
            format!(
                "KAFKA_SASL_MECHANISM is {mechanism}, and this florin was built without it: build it with `--features kafka-tls`"
            )
        });
    }
}

/// Listeners beyond loopback. All listeners of REST are at `HTTP_HOST`, whatever their port.
fn open_to_others(settings: &Settings, v: &Values<'_>, problems: &mut Problems) {
    if settings.mode == Mode::Tool {
        return;
    }
    let is_guarded = settings.auth.any() || settings.auth.allow_unauthenticated;
    let is_private = settings.tls.is_some() || v.optional("ALLOW_PLAINTEXT").is_some();
    for (name, listen) in [("GRPC_HOST", &settings.grpc.listen), ("HTTP_HOST", &settings.http)] {
        let (is_near, host) = (listen.is_loopback(), &listen.host);
        problems.unless(is_guarded || is_near, || {
            format!(
                "{name} is {host:?}, beyond loopback, and no method of authentication is on: set AUTH_API_KEYS=true, \
                 or AUTH_CLIENT_CERTIFICATES=true with TLS_CLIENT_CA_FILE, or ALLOW_UNAUTHENTICATED={UNAUTHENTICATED_WORDS:?}"
            )
        });
        problems.unless(is_private || is_near, || {
            format!(
                "{name} is {host:?}, beyond loopback, and there is no TLS: set TLS_CERT_FILE and TLS_KEY_FILE, \
                 or ALLOW_PLAINTEXT={PLAINTEXT_WORDS:?}"
            )
        });
    }
    if let Some(listen) = &settings.metrics {
        problems.unless(listen.is_loopback() || v.optional("ALLOW_PLAINTEXT").is_some(), || {
            format!(
                "METRICS_HOST is {:?}, beyond loopback, and metrics have neither TLS nor authentication: \
                 leave it on loopback, or set ALLOW_PLAINTEXT={PLAINTEXT_WORDS:?}",
                listen.host
            )
        });
    }
}

fn is_plain_beyond_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    };
    url.scheme() == "http" && !is_loopback(&host)
}

/// The host of `host:port`, without brackets.
fn host_of(broker: &str) -> &str {
    let broker = broker.strip_prefix("PLAINTEXT://").unwrap_or(broker);
    broker.rsplit_once(':').map_or(broker, |(host, _)| host).trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback() {
        for (url, is_refused) in [
            ("https://s3.example", false),
            ("http://127.0.0.1:5000", false),
            ("http://[::1]:5000", false),
            ("http://localhost:5000", false),
            ("http://s3.example", true),
            ("http://127.0.0.1.example", true),
            ("http://localhost.example", true),
            ("http://[::2]:5000", true),
        ] {
            assert_eq!(is_plain_beyond_loopback(url), is_refused, "{url}");
        }
    }
}
