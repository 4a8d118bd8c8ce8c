//! `florin dev`, two side by side.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::florin::Process;
use super::site::text;

fn florin(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_florin"));
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("FLORIN_DATA", data)
        .env("KAFKA", "mock");
    command.envs(["GRPC_PORT", "HTTP_PORT", "METRICS_PORT"].map(|port| (port, "0")));
    command
}

fn run(data: &Path, args: &[&str]) -> String {
    let ended = florin(data, args).output().unwrap();
    let said = text(&ended.stdout) + &text(&ended.stderr);
    assert!(ended.status.success(), "{args:?}: {said}");
    said
}

/// Fails when a port or a file is shared, when the folder is not locked, when a server outlives `dev`, or when the
/// money is not kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_run_side_by_side_and_a_third_on_the_same_folder_is_refused() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start = |home: &tempfile::TempDir| Process::spawn(florin(home.path(), &["dev"]));
    let ready = async |dev: &Process| drop(dev.says("Florin is ready", Duration::from_secs(90)).await);
    let devs = homes.each_ref().map(start);
    for dev in &devs {
        ready(dev).await;
    }
    for home in &homes {
        run(home.path(), &["pay", "acc-payer-001", "acc-payee-002", "12.50", "USD"]);
        assert!(run(home.path(), &["balance", "acc-payee-002"]).contains("12.50"));
    }
    let third = start(&homes[0]);
    assert_eq!(third.wait(Duration::from_secs(20)), 1);
    let said = third.said();
    assert!(said.contains("in use by another running process"), "{said}");
    let before = run(homes[0].path(), &["balance", "acc-payer-001"]);

    for dev in &devs {
        let began = Instant::now();
        dev.signal(Signal::SIGINT);
        assert_eq!(dev.wait(Duration::from_secs(6)), 0, "{}", dev.said());
        println!("stopped in {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    for home in &homes {
        assert!(!home.path().join("florin.json").exists());
        assert!(!home.path().join("postgres/data/postmaster.pid").exists(), "PostgreSQL still runs");
    }
    let again = start(&homes[0]);
    let until = Instant::now() + Duration::from_secs(20);
    while !homes[0].path().join("florin.json").exists() {
        assert!(Instant::now() < until, "{}", again.said());
        tokio::task::yield_now().await;
    }
    // A client that comes while it starts waits for it.
    let after = run(homes[0].path(), &["balance", "acc-payer-001"]);
    assert!(after.starts_with(&before) && after.contains("waiting until"), "{after}");
    again.signal(Signal::SIGINT);
    assert_eq!(again.wait(Duration::from_secs(6)), 0);
}
