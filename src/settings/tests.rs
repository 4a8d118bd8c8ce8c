//! Tables of what goes in and what comes out.

mod outward;
mod secrets;

use super::*;
use secrecy::ExposeSecret;

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn environment(list: &[(&str, &str)]) -> Sources {
    Sources { environment: pairs(list), ..Sources::default() }
}

fn file(text: &str) -> Sources {
    Sources { file: Some(("florin.toml".into(), text.to_owned())), ..Sources::default() }
}

fn load(sources: &Sources) -> Result<Settings, String> {
    Settings::load(sources, Mode::Tool).map(|(settings, _)| settings).map_err(|problems| problems.to_string())
}

#[test]
fn defaults_are_those_of_the_contract() {
    let s = load(&Sources::default()).unwrap();
    assert_eq!((s.grpc.listen.port, s.http.port, s.metrics.unwrap().port), (50_051, 3_000, 9_090));
    assert_eq!((s.outbox.batch_max, s.outbox.poll_interval, s.outbox.retries_max), (1000, Duration::from_secs(1), 5));
    assert_eq!((s.outbox.delay_min, s.outbox.delay_max), (Duration::from_secs(1), Duration::from_secs(60)));
    assert_eq!(s.kafka.topic_prefix, "payments");
    assert_eq!(s.rate_limit.payment, Some(WindowSettings { requests_max: 100, window: Duration::from_secs(60) }));
    assert_eq!(s.rate_limit.native, None);
    assert_eq!((s.grpc.message_bytes_max, s.journal.key_retention), (4 << 20, Duration::from_secs(86_400)));
}

#[test]
fn the_largest_values_allowed_fit_their_types() {
    let largest = |row: &Row| match row.kind {
        Kind::Whole(_, max) | Kind::Bytes(_, max) | Kind::Hours(_, max) => Some((row.name.to_owned(), max.to_string())),
        Kind::Port => Some((row.name.to_owned(), "65535".into())),
        Kind::Seconds(_, max) => Some((row.name.to_owned(), (max / 1_000).max(1).to_string())),
        _ => None,
    };
    load(&Sources { environment: TABLE.iter().filter_map(largest).collect(), ..Sources::default() }).unwrap();
}

#[test]
fn later_places_win() {
    let mut sources = file("grpc_port = 1\nhttp_port = 1\nmetrics_port = 1");
    sources.environment = pairs(&[("HTTP_PORT", "2"), ("METRICS_PORT", "2")]);
    sources.flags = pairs(&[("metrics-port", "3")]);
    let (s, entries) = Settings::load(&sources, Mode::Tool).unwrap();
    assert_eq!((s.grpc.listen.port, s.http.port, s.metrics.unwrap().port), (1, 2, 3));
    let origin = |name| entries.iter().find(|entry| entry.row.name == name).unwrap().origin.to_string();
    assert_eq!(origin("GRPC_PORT"), "file florin.toml");
    assert_eq!(origin("HTTP_PORT"), "environment HTTP_PORT");
    assert_eq!(origin("METRICS_PORT"), "command line");
    assert_eq!(origin("IN_FLIGHT_MAX"), "default");
}

#[test]
fn the_database_may_be_named_by_its_parts() {
    let url = |list: &[(&str, &str)]| {
        load(&environment(list)).map(|s| s.database.url.map(|url| url.expose_secret().to_owned()))
    };
    assert_eq!(url(&[("DB_PASSWORD", "p")]), Ok(None));
    assert_eq!(url(&[("DB_HOST", "db")]), Ok(Some("postgres://postgres@db:5432/florin".into())));
    let all = [
        ("DB_HOST", "::1"),
        ("DB_PORT", "6432"),
        ("DB_USERNAME", "bill"),
        ("DB_PASSWORD", "p@ss/ü"),
        ("DB_DATABASE", "a b"),
        ("DB_SSL", "true"),
    ];
    assert_eq!(url(&all), Ok(Some("postgres://bill:p%40ss%2F%C3%BC@[::1]:6432/a%20b?sslmode=require".into())));
    let both = url(&[("DB_HOST", "db"), ("DATABASE_URL", "postgres://h/d")]);
    assert_eq!(both, Err("DATABASE_URL and DB_HOST are both set: one of them names the database".into()));
    assert_eq!(
        load(&environment(&[("PORT", "8080"), ("KAFKA_CLIENT_ID", "billing")]))
            .map(|s| (s.http.port, s.kafka.client_id)),
        Ok((8080, "billing".into()))
    );
}

#[test]
fn every_spelling_works_and_two_may_only_agree() {
    let brokers = |list: &[(&str, &str)]| load(&environment(list)).map(|s| s.kafka.brokers.unwrap());
    assert_eq!(brokers(&[("REDPANDA_BROKERS", "a:1")]).unwrap(), "a:1");
    assert_eq!(brokers(&[("KAFKA_BROKERS", "a:1, b:2"), ("REDPANDA_BROKERS", "a:1,b:2")]).unwrap(), "a:1,b:2");
    let refused = brokers(&[("KAFKA_BROKERS", "a:1"), ("REDPANDA_BROKERS", "b:2")]).unwrap_err();
    assert_eq!(refused, "KAFKA_BROKERS is a:1 and REDPANDA_BROKERS is b:2: they name one setting, give it once");
    let mut sources = file("redpanda_brokers = 'a:1'");
    sources.environment = pairs(&[("KAFKA_BROKERS", "b:2")]);
    assert_eq!(load(&sources).unwrap().kafka.brokers.unwrap(), "b:2", "another place is no conflict");
    let otlp = load(&environment(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317")])).unwrap().traces.unwrap();
    assert_eq!((otlp.endpoint.as_str(), otlp.sample_percent), ("http://c:4317", 10));
    let url = |given| {
        load(&environment(&[("DATABASE_URL", given)])).unwrap().database.url.unwrap().expose_secret().to_owned()
    };
    assert_eq!(url("postgresql+asyncpg://u:p@h/d"), "postgresql://u:p@h/d");
    assert_eq!(load(&environment(&[("LOG_LEVEL", "WARNING")])).unwrap().log.level, "warn");
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_name_value_and_what_is_allowed() {
    let mut sources = file("grpc_prot = 1\n[outbox]\nbatch_size = 0\n");
    sources.environment =
        pairs(&[("GRPC_PORT", "70000"), ("LOG_FORMAT", "xml"), ("DATABASE_URL", "mysql://root:hunter2@h/d")]);
    sources.flags = pairs(&[("drain_seconds", "soon")]);
    let said = load(&sources).unwrap_err();
    for want in [
        "6 settings are wrong",
        "config file florin.toml: there is no setting GRPC_PROT; the nearest is grpc_port",
        "OUTBOX_BATCH_SIZE is \"0\" (file florin.toml): allowed is a whole number from 1 to 10000",
        "GRPC_PORT is \"70000\" (environment GRPC_PORT): allowed is a port from 0 (any free one) to 65535",
        "LOG_FORMAT is \"xml\" (environment LOG_FORMAT): allowed is json, console",
        "DATABASE_URL is \"mysql://root:***@h/d\" (environment DATABASE_URL): allowed is a URL that starts with postgres:// or postgresql://",
        "DRAIN_SECONDS is \"soon\" (command line): allowed is seconds from 0 to 600",
    ] {
        assert!(said.contains(want), "missing {want:?} in:\n{said}");
    }
    assert!(!said.contains("hunter2"));
}

#[test]
fn a_config_file_may_use_tables_and_lists() {
    let s =
        load(&file("[kafka]\nbrokers = ['a:1', 'b:2']\ntopic_prefix = 'shop'\n[outbox]\npoll_interval_seconds = 0.5\n[metrics]\nenabled = false"))
            .unwrap();
    assert_eq!((s.kafka.brokers.as_deref(), s.kafka.topic_prefix.as_str()), (Some("a:1,b:2"), "shop"));
    assert_eq!(s.outbox.poll_interval, Duration::from_millis(500));
    assert!(s.metrics.is_none());
    for (text, want) in [
        ("grpc_port = ", "config file florin.toml"),
        ("database_url = 'postgres://u:hunter2@h/d", "in line 1"),
        ("kafka_brokers = [1, 2]", "kafka_brokers is a list of something other than text"),
        ("grpc_port = 1\n[grpc]\nport = 2", "they name one setting, give it once"),
    ] {
        let said = load(&file(text)).unwrap_err();
        assert!(said.contains(want) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    for (given, want) in [
        (vec![("TLS_CERT_FILE", "c.pem")], "TLS_CERT_FILE is \"c.pem\" without TLS_KEY_FILE"),
        (vec![("TLS_CLIENT_CA_FILE", "ca.pem")], "TLS_CLIENT_CA_FILE is \"ca.pem\" without TLS_CERT_FILE"),
        (vec![("AUTH_CLIENT_CERTIFICATES", "true")], "AUTH_CLIENT_CERTIFICATES is true without TLS_CLIENT_CA_FILE"),
        (vec![("KEY_RETENTION_HOURS", "2")], "KEY_RETENTION_HOURS is 2: allowed is at least 24"),
        (
            vec![("OUTBOX_BASE_DELAY_SECONDS", "61")],
            "OUTBOX_BASE_DELAY_SECONDS is 61 and OUTBOX_MAX_DELAY_SECONDS is 60",
        ),
    ] {
        let said = load(&environment(&given)).unwrap_err();
        assert!(said.contains(want), "{said}");
    }
    load(&environment(&[("KEY_RETENTION_HOURS", "2"), ("ALLOW_SHORT_RETENTION", "true")])).unwrap();
}

#[test]
fn a_client_certificate_is_demanded_unless_it_is_one_method_of_several() {
    let tls = [
        ("TLS_CERT_FILE", "c.pem"),
        ("TLS_KEY_FILE", "k.pem"),
        ("TLS_CLIENT_CA_FILE", "ca.pem"),
        ("AUTH_CLIENT_CERTIFICATES", "true"),
    ];
    for (given, want) in [(&tls[..2], false), (&tls[..3], true), (&tls[..4], false)] {
        assert_eq!(load(&environment(given)).unwrap().tls.unwrap().client_certificate_required, want, "{given:?}");
    }
    assert!(load(&environment(&[])).unwrap().tls.is_none());
}

#[test]
fn the_page_in_the_docs_is_the_table() {
    let page = include_str!("../../docs/settings.md");
    assert!(
        page == markdown(),
        "docs/settings.md is not up to date: run `florin config --markdown > docs/settings.md`"
    );
}

#[test]
fn names_of_the_customers_contract_are_taken_in_its_own_spelling() {
    let given = [
        ("smtpHost", "mail.example.com"),
        ("smtpPort", "25"),
        ("smtpUser", "florin"),
        ("smtpFrom", "a@example.com"),
        ("clientId", "shop"),
        ("brokers", "b:1"),
        ("redisHost", "cache"),
        ("redisPort", "6380"),
        ("HOST", "localhost"),
        ("KAFKA_USERS_TOPIC", "users, register"),
    ];
    let s = load(&environment(&given)).unwrap();
    let mail = s.mail.unwrap();
    assert_eq!((mail.host.as_str(), mail.port, mail.user.as_deref()), ("mail.example.com", 25, Some("florin")));
    assert_eq!((s.kafka.client_id.as_str(), s.kafka.brokers.as_deref()), ("shop", Some("b:1")));
    assert_eq!(s.redis.url.unwrap().expose_secret(), "redis://cache:6380");
    assert_eq!(s.http.host, "localhost");
    assert_eq!(s.kafka.users, (vec!["users".into(), "register".into()], "insertion".into()));
    for (wrong, told) in [
        (("KAFKA_USERS_TOPIC", "a,b,c"), "up to 2 names"),
        (("KAFKA_NOTIFY_TOPIC", "a,,b"), "up to 2 names"),
        (("KAFKA_BILLING_TOPIC", "billing.events"), "events would be read as bills"),
        (("SMTP_HOST", "mail.example.com"), "without SMTP_FROM"),
    ] {
        let problems = load(&environment(&[wrong])).unwrap_err();
        assert!(problems.contains(told), "{problems}");
    }
}
