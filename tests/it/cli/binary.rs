//! The binary as a user runs it.

use std::process::{Command, Output, Stdio};

use florin::store::schema;

use crate::harness::TestDatabase;

/// An environment of its own, so that the machine's settings do not matter.
fn florin(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_florin"));
    command
        .args(args)
        .env_clear()
        .env("FLORIN_DATA", "/nonexistent")
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn config_shows_what_is_in_force_and_no_secret() {
    let shown = florin(&["config", "--grpc-port", "7"], &[("DATABASE_URL", "postgresql+asyncpg://u:hunter2@h/d")]);
    let out = text(&shown.stdout);
    assert!(shown.status.success() && !out.contains("hunter2"), "{out}");
    let line = |name: &str| {
        out.lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .split_whitespace()
            .skip(1)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("GRPC_PORT"), "7 command line");
    assert_eq!(line("DATABASE_URL"), "postgresql://u:***@h/d environment DATABASE_URL");
    assert_eq!(text(&florin(&["config", "--markdown"], &[]).stdout), include_str!("../../../docs/settings.md"));
}

#[test]
fn errors_name_what_is_wrong_and_exit_with_1() {
    for (args, environment, want) in [
        (vec!["serve"], vec![], "DATABASE_URL is not set"),
        (vec!["serve", "--grpc-host", "0.0.0.0"], vec![], "beyond loopback"),
        (vec!["config"], vec![("GRPC_PORT", "x")], "GRPC_PORT is \"x\" (environment GRPC_PORT): allowed is a port"),
        (vec!["config", "--set", "grpc_prot=1"], vec![], "there is no setting grpc_prot; the nearest is grpc_port"),
        (vec!["config", "--config", "/nonexistent.toml"], vec![], "config file /nonexistent.toml"),
        (vec!["keys", "list"], vec![], "DATABASE_URL is not set, and no `florin dev` runs here"),
        (vec!["events"], vec![], "KAFKA_BROKERS is not set, and no `florin dev` runs here"),
        (vec!["pay", "a", "b", "1.005", "USD"], vec![], "has more decimals than USD allows: 2"),
        (vec!["pay", "a"], vec![], "required arguments"),
        (
            vec!["balance", "a", "--server", "127.0.0.1:1"],
            vec![("FLORIN_DATA", ""), ("FLORIN_CA_FILE", "")],
            "no answer from 127.0.0.1:1",
        ),
        (vec!["balance", "a", "--cert", "c.pem"], vec![], "--cert, --cert-key and --ca go together"),
    ] {
        let failed = florin(&args, &environment);
        let said = text(&failed.stderr);
        assert_eq!(failed.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(want), "{args:?}: {said}");
        assert!(failed.stdout.is_empty());
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_florin"));
    let mut child = child.args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(text(&ended.stderr), "");
}

#[tokio::test]
async fn migrate_then_keys() {
    let database = TestDatabase::empty().await;
    let run = |args: &[&str]| florin(args, &[("DATABASE_URL", &database.url)]);

    let refused = run(&["keys", "list"]);
    assert!(text(&refused.stderr).contains("run `florin migrate`"), "{refused:?}");
    let migrated = run(&["migrate"]);
    assert!(
        migrated.status.success() && text(&migrated.stdout).contains(&format!("version {}", schema::newest())),
        "{migrated:?}"
    );
    assert!(run(&["migrate", "--check"]).status.success());

    let made: serde_json::Value =
        serde_json::from_slice(&run(&["keys", "create", "--scope", "read,write", "--tenant", "shop", "--json"]).stdout)
            .unwrap();
    assert!(made["key"].as_str().unwrap().starts_with("flk_"));
    let id = made["id"].as_str().unwrap();
    let listed = text(&run(&["keys", "list"]).stdout);
    assert!(
        listed.contains(id) && listed.contains("read,write") && !listed.contains(made["key"].as_str().unwrap()),
        "{listed}"
    );
    assert!(run(&["keys", "revoke", id]).status.success());
    assert!(!text(&run(&["keys", "list"]).stdout).contains(id));
    assert_eq!(run(&["keys", "revoke", "nobody"]).status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_did_is_printed_newest_first() {
    let database = TestDatabase::fresh().await;
    let run = |args: &[&str]| florin(args, &[("DATABASE_URL", database.url.as_str())]);
    let none = run(&["actions"]);
    assert!(none.status.success() && text(&none.stderr).contains("no operator did anything"), "{none:?}");
    sqlx::query(
        "INSERT INTO operator_actions SELECT gen_random_uuid(), t, '2026-01-31T12:00:00Z'::timestamptz + n * interval '1 minute', 'key:till', 'account.limits', 'acc-' || n, \
         'ticket ' || n, '{\"floor\": null}', '{\"floor\": \"-5.00\"}', 'c-1' FROM generate_series(1, 3) n, unnest(ARRAY['default', 'shop']) t",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    let table = text(&run(&["actions", "--limit", "2"]).stdout);
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines.len() == 3 && lines[0].starts_with("AT") && lines[1].contains("acc-3") && lines[2].contains("ticket 2"),
        "{table}"
    );
    assert!(
        lines[1].contains("2026-01-31T12:03:00Z")
            && lines[1].contains("key:till")
            && lines[1].contains("account.limits"),
        "{table}"
    );
    let one = text(
        &run(&["actions", "--tenant", "shop", "--subject", "acc-1", "--action", "account.limits", "--json"]).stdout,
    );
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(
        (&one["tenant"], &one["after"]["floor"], &one["reason"]),
        (&"shop".into(), &"-5.00".into(), &"ticket 1".into())
    );
    let since =
        text(&run(&["actions", "--from", "2026-01-31T12:02:00Z", "--to", "2026-01-31T12:03:00Z", "--json"]).stdout);
    assert_eq!(since.lines().count(), 1, "{since}");
}
