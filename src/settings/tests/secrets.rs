//! What is never shown, and the files that it may stand in.

use super::*;

/// Every secret setting, and a value of it.
fn secrets() -> Vec<(&'static Row, String)> {
    let value = |row: &'static Row| match row.kind {
        Kind::Secret => Some((row, "hunter2".to_owned())),
        Kind::SecretUrl(schemes) => Some((row, format!("{}://u:hunter2@h/d?password=hunter2", schemes[0]))),
        _ => None,
    };
    TABLE.iter().filter_map(value).collect()
}

// Fails when a setting that names a password, a secret or a key is of a kind that is shown.
#[test]
fn every_secret_is_of_a_kind_that_is_never_shown() {
    let names: Vec<_> = secrets().iter().map(|(row, _)| row.name).collect();
    let all = [
        "DATABASE_URL",
        "DB_PASSWORD",
        "KAFKA_SASL_PASSWORD",
        "REDIS_URL",
        "PROVIDER_SECRET",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "SMTP_PASSWORD",
    ];
    assert_eq!(names, all);
    let sounds =
        |name: &str| ["PASS", "SECRET", "TOKEN", "ACCESS_KEY", "CREDENTIAL"].iter().any(|word| name.contains(word));
    for row in TABLE.iter().filter(|row| row.names().any(sounds)) {
        assert!(row.kind.is_secret(), "{} is shown", row.name);
    }
}

// Fails when `masked` looks at the shape of the value: a password without a URL around it was shown as it is.
#[test]
fn what_is_shown_holds_no_secret() {
    for (row, value) in secrets() {
        for name in row.names() {
            let sources =
                environment(&[(name, value.as_str()), ("PROVIDER_URL", "https://p.example"), ("DB_HOST", "h")]);
            let sources = if row.name == "DATABASE_URL" { environment(&[(name, value.as_str())]) } else { sources };
            let shown = match Settings::load(&sources, Mode::Tool) {
                Ok((settings, entries)) => {
                    format!("{}{}{settings:?}{entries:?}", list(&entries), json(&entries))
                }
                Err(problems) => problems.to_string(), // it lacks what goes with it
            };
            assert!(!shown.contains("hunter2"), "{name}: {shown}");
            let entries = sources.resolve(Mode::Tool).unwrap();
            let line = list(&entries).lines().find(|line| line.starts_with(row.name)).unwrap().to_owned();
            assert!(line.contains("***") && line.contains(&format!("environment {name}")), "{line}");
        }
    }
    let (_, entries) = Settings::load(&environment(&[("DATABASE_URL", "postgres://u:p@h/d")]), Mode::Tool).unwrap();
    assert!(list(&entries).contains("postgres://u:***@h/d"));
}

// Fails when an error quotes a value that is not allowed, or one of two that differ.
#[test]
fn what_is_wrong_is_told_without_secrets() {
    for (given, said) in [
        (vec![("DATABASE_URL", "mysql://u:hunter2@h/d")], "DATABASE_URL is \"mysql://u:***@h/d\""),
        (vec![("REDIS_URL", "hunter2@h")], "REDIS_URL is \"***@h\""),
        (vec![("PROVIDER_SECRET", "hunter2\0")], "PROVIDER_SECRET is \"***\""),
        (
            vec![("SMTP_PASSWORD", "hunter2"), ("SMTPPASSWORD", "hunter22")],
            "SMTP_PASSWORD is *** and SMTPPASSWORD is ***",
        ),
        (vec![("PROVIDER_URL", "https://u:hunter2@h")], "PROVIDER_URL is \"https://u:***@h\""),
        (vec![("AWS_ENDPOINT_URL", "https://hunter2@h")], "AWS_ENDPOINT_URL is \"https://***@h\""),
        (vec![("OTLP_ENDPOINT", "http://u:hunter2@h")], "a URL without a user that starts with http://"),
        (vec![("KAFKA_BROKERS", "u:hunter2@h:9092")], "KAFKA_BROKERS is \"u:***@h:9092\""),
    ] {
        let problems = load(&environment(&given)).unwrap_err();
        assert!(problems.contains(said) && !problems.contains("hunter2"), "{problems}");
    }
}

// Fails when a name of a secret has no file, when the file's white space counts, or when what it holds is shown.
#[test]
fn every_secret_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (row, value) in secrets() {
        std::fs::write(path("secret"), format!("{value}\n")).unwrap();
        for name in row.names().map(|name| format!("{name}_FILE")) {
            let sources = environment(&[(name.as_str(), path("secret").as_str())]);
            let entries = sources.resolve(Mode::Tool).unwrap();
            let entry = entries.iter().find(|entry| entry.row.name == row.name).unwrap();
            assert_eq!(entry.value.to_string(), value, "{name}");
            assert_eq!(entry.origin.to_string(), format!("file {}", path("secret")));
        }
    }
    let flag = Sources { flags: pairs(&[("db_password_file", path("secret").as_str())]), ..Sources::default() };
    flag.resolve(Mode::Tool).unwrap();
    let in_file = file(&format!("[db]\npassword_file = {:?}\nhost = 'h'", path("secret")));
    assert!(load(&in_file).unwrap().database.url.unwrap().expose_secret().contains("hunter2"));

    std::fs::write(path("empty"), " \n").unwrap();
    std::fs::write(path("long"), vec![b'x'; (64 << 10) + 1]).unwrap();
    for (name, said) in [("nothing", "cannot be opened"), ("empty", "is empty"), ("long", "more than 65536 bytes")] {
        let problems = load(&environment(&[("SMTP_PASSWORD_FILE", path(name).as_str())])).unwrap_err();
        assert!(problems.starts_with("SMTP_PASSWORD_FILE is") && problems.contains(said), "{problems}");
    }
    // What is no secret has none, and two that differ are told apart by nobody.
    let unknown = Sources { flags: pairs(&[("smtp_user_file", "x")]), ..Sources::default() };
    assert!(load(&unknown).unwrap_err().contains("there is no setting smtp_user_file"));
    let both = environment(&[("DB_PASSWORD", "other"), ("DB_PASSWORD_FILE", path("secret").as_str())]);
    let problems = load(&both).unwrap_err();
    assert!(problems.contains("they name one setting, give it once") && !problems.contains("hunter2"), "{problems}");
}
