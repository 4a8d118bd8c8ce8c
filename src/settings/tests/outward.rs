//! What others can reach, and what travels to others.

use super::*;

fn serve(extra: &[(&str, &str)]) -> Result<(), String> {
    let mut given = pairs(&[("DATABASE_URL", "postgres://h/d"), ("KAFKA_BROKERS", "h:9092")]);
    given.extend(pairs(extra));
    let sources = Sources { environment: given, ..Sources::default() };
    Settings::load(&sources, Mode::Serve).map(drop).map_err(|problems| problems.to_string())
}

const OPEN: [&str; 5] = ["0.0.0.0", "::", "10.1.2.3", "florin.internal", "127.0.0.1.example"];
const TLS: [(&str, &str); 2] = [("TLS_CERT_FILE", "c.pem"), ("TLS_KEY_FILE", "k.pem")];

#[test]
fn serve_wants_its_servers_and_a_guard_beyond_loopback() {
    let said = Settings::load(&environment(&[]), Mode::Serve).unwrap_err().to_string();
    assert!(said.contains("DATABASE_URL is not set") && said.contains("KAFKA_BROKERS is not set"), "{said}");
    serve(&[]).unwrap();
    serve(&[("GRPC_HOST", "::1")]).unwrap();
    let with = |extra: &[(&'static str, &'static str)]| serve(&[&TLS[..], extra].concat());
    for open in OPEN {
        for name in ["GRPC_HOST", "HTTP_HOST", "HOST"] {
            let said = with(&[(name, open)]).unwrap_err();
            assert!(said.contains(&format!("is {open:?}, beyond loopback")), "{said}");
            assert!(said.contains(UNAUTHENTICATED_WORDS), "{said}");
            with(&[(name, open), ("AUTH_API_KEYS", "true")]).unwrap();
            with(&[(name, open), ("ALLOW_UNAUTHENTICATED", UNAUTHENTICATED_WORDS)]).unwrap();
            with(&[(name, open), ("ALLOW_UNAUTHENTICATED", "yes")]).unwrap_err();
        }
    }
}

// Fails when a listener is left out: METRICS_HOST, which has no TLS whatever the settings say, was not looked at.
#[test]
fn beyond_loopback_nothing_listens_without_tls_unless_told_in_words() {
    let keys = ("AUTH_API_KEYS", "true");
    for open in OPEN {
        for name in ["GRPC_HOST", "HTTP_HOST", "METRICS_HOST"] {
            let said = serve(&[(name, open), keys]).unwrap_err();
            assert!(said.contains(&format!("{name} is {open:?}, beyond loopback")), "{said}");
            assert!(said.contains(PLAINTEXT_WORDS) && !said.contains("wrong"), "{said}");
            serve(&[(name, open), keys, ("ALLOW_PLAINTEXT", PLAINTEXT_WORDS)]).unwrap();
            serve(&[(name, open), keys, ("ALLOW_PLAINTEXT", "true")]).unwrap_err();
            assert_eq!(serve(&[&TLS[..], &[(name, open), keys]].concat()).is_ok(), name != "METRICS_HOST");
        }
    }
    serve(&[("METRICS_HOST", "0.0.0.0"), ("METRICS_ENABLED", "false")]).unwrap();
    // The other ports of REST are where HTTP_HOST is, so that they are looked at with it.
    let s =
        load(&environment(&[("HTTP_HOST", "h"), ("HTTP_MORE_PORTS", "1,2"), ("LEDGER_API_HTTP_PORT", "3")])).unwrap();
    let all: Vec<_> =
        s.more_http.iter().chain(&s.orders_http).map(|listen| (listen.host.as_str(), listen.port)).collect();
    assert_eq!(all, [("h", 1), ("h", 2), ("h", 3)]);
}

// Fails when the provider, or the bucket, may be reached by http beyond loopback.
#[test]
fn money_and_documents_leave_by_tls() {
    let rest = [
        ("PROVIDER_SECRET", "s"),
        ("AWS_S3_BUCKET", "books"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    for name in ["PROVIDER_URL", "AWS_ENDPOINT_URL"] {
        for near in ["https://pay.example", "http://127.0.0.1:7070", "http://[::1]:1", "http://localhost"] {
            load(&environment(&[&rest[..], &[(name, near)]].concat())).unwrap();
        }
        for far in ["http://pay.example", "http://10.0.0.1:80", "http://localhost.example", "http://[fd00::1]"] {
            let said = load(&environment(&[&rest[..], &[(name, far)]].concat())).unwrap_err();
            assert_eq!(said, format!("{name} is {far:?}: plain http is for loopback only, use https"));
        }
    }
    for missing in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        let given: Vec<_> = rest.into_iter().filter(|(name, _)| *name != missing).collect();
        assert!(load(&environment(&given)).unwrap_err().contains(missing));
    }
}

// Fails when a password is sent to a mail server wherever nobody offers TLS.
#[test]
fn a_password_goes_to_no_mail_server_beyond_loopback_in_clear() {
    let tls = |host, more: &[(&'static str, &'static str)]| {
        let given = [&[("SMTP_HOST", host), ("SMTP_FROM", "a@example.com")][..], more].concat();
        load(&environment(&given)).unwrap().mail.unwrap().tls
    };
    let login = [("SMTP_USER", "u"), ("SMTP_PASSWORD", "p")];
    assert_eq!(tls("mail.example", &[]), MailTls::Auto);
    assert_eq!(tls("127.0.0.1", &login), MailTls::Auto);
    assert_eq!(tls("mail.example", &login), MailTls::Required);
    let told = |how| [&login[..], &[("SMTP_TLS", how)]].concat();
    assert_eq!(tls("mail.example", &told("implicit")), MailTls::Implicit);
    assert_eq!(tls("mail.example", &told("none")), MailTls::None); // told in words
}

// Fails when DB_SSL=verified or DATABASE_CA_FILE leaves a way without a check of the certificate.
#[test]
fn the_databases_certificate_is_checked_where_it_is_asked_for() {
    let url =
        |given: &[(&str, &str)]| load(&environment(given)).unwrap().database.url.unwrap().expose_secret().to_owned();
    let by_parts = [("DB_HOST", "db"), ("DB_SSL", "verified")];
    assert_eq!(url(&by_parts), "postgres://postgres@db:5432/florin?sslmode=verify-full");
    let ca = ("DATABASE_CA_FILE", "/run/the ca.pem");
    let checked = "sslmode=verify-full&sslrootcert=%2Frun%2Fthe%20ca.pem";
    assert_eq!(url(&[("DATABASE_URL", "postgres://h/d"), ca]), format!("postgres://h/d?{checked}"));
    let weaker = "postgres://h/d?sslmode=disable";
    assert_eq!(url(&[("DATABASE_URL", weaker), ca]), format!("{weaker}&{checked}"), "the last one counts");
}

// Fails when a password goes to brokers beyond loopback in clear, or a setting of TLS without TLS is passed over.
#[test]
fn towards_redis_and_kafka_half_of_a_protection_is_refused() {
    let login = [("KAFKA_SASL_USERNAME", "u"), ("KAFKA_SASL_PASSWORD", "p")];
    let plain = |brokers| [&login[..], &[("KAFKA_BROKERS", brokers), ("KAFKA_SASL_MECHANISM", "plain")]].concat();
    load(&environment(&plain("127.0.0.1:9092,[::1]:9092"))).unwrap();
    for (given, said) in [
        (plain("127.0.0.1:1,kafka:9092"), "in clear to kafka:9092"),
        (vec![("KAFKA_SASL_MECHANISM", "plain")], "without KAFKA_SASL_PASSWORD"),
        (vec![("KAFKA_CA_FILE", "ca.pem")], "KAFKA_CA_FILE is \"ca.pem\" without KAFKA_TLS=true"),
        (vec![("KAFKA_CERT_FILE", "c.pem")], "KAFKA_CERT_FILE is \"c.pem\" without KAFKA_KEY_FILE"),
        (vec![("REDIS_URL", "redis://h"), ("REDIS_CA_FILE", "ca.pem")], "REDIS_CA_FILE is set without"),
    ] {
        let problems = load(&environment(&given)).unwrap_err();
        assert!(problems.contains(said), "{problems}");
    }
    let redis = load(&environment(&[("REDIS_URL", "rediss://h"), ("REDIS_CA_FILE", "ca.pem")])).unwrap().redis;
    assert_eq!((redis.url.unwrap().expose_secret(), redis.ca_file), ("rediss://h", Some("ca.pem".into())));
    let scram = [&login[..], &[("KAFKA_TLS", "true"), ("KAFKA_SASL_MECHANISM", "scram-sha-512")]].concat();
    let scram = load(&environment(&scram)).map(|s| s.kafka.sasl.unwrap().mechanism);
    match cfg!(feature = "kafka-tls") {
        true => assert_eq!(scram.unwrap(), "SCRAM-SHA-512"),
        false => assert_eq!(scram.unwrap_err().matches("--features kafka-tls").count(), 2),
    }
}
