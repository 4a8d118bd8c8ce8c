//! Against a real server.

use sqlx::{Connection, Executor, PgConnection};

use super::*;
use crate::ports;

async fn count(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connection).await.unwrap()
}

async fn keep(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute("CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_survives_a_kill_and_a_stop() {
    let home = tempfile::tempdir().unwrap();
    let mut server = PrivatePostgres::start(home.path(), Durability::Durable).unwrap();
    keep(&server.url("postgres")).await;
    let children = process::children(server.process.pid());
    assert!(!children.is_empty());
    server.kill().unwrap();
    assert!(!children.iter().any(|child| process::alive(*child)), "a child outlived the kill");
    server.restart().unwrap();
    assert_eq!(count(&server.url("postgres")).await, 1);
    server.stop().unwrap();
    drop(server);
    let server = PrivatePostgres::start(home.path(), Durability::Durable).unwrap();
    assert_eq!(count(&server.url("postgres")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_throwaway_and_a_folder_with_a_long_and_odd_name() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a folder & more=".repeat(8));
    let port = ports::free().unwrap();
    let server =
        PrivatePostgres::start_with(&dir, Options { listen_port: Some(port), ..Options::new(Durability::Throwaway) })
            .unwrap();
    assert_eq!(server.url("x"), format!("postgres://postgres@127.0.0.1:{port}/x"));
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    let settings: Vec<String> =
        sqlx::query_scalar("SELECT setting FROM pg_settings WHERE name IN ('fsync', 'max_connections', 'TimeZone') ORDER BY name COLLATE \"C\"")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert_eq!(settings, ["UTC", "off", "200"]);
    let socket_dir = server.socket_dir.clone();
    assert!(socket_dir.starts_with("/tmp/"), "{}", socket_dir.display());
    drop(server);
    assert!(!socket_dir.exists());
}

#[test]
fn a_folder_in_use_is_refused_and_the_running_server_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let server = PrivatePostgres::start(home.path(), Durability::Throwaway).unwrap();
    assert!(matches!(PrivatePostgres::start(home.path(), Durability::Throwaway), Err(Error::InUse { .. })));
    assert!(server.process.ended().is_none());
}

/// Without `stop_stale` the second start fails: the data folder's pid file names a live server.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_left_behind_is_stopped_before_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let server = PrivatePostgres::start(home.path(), Durability::Durable).unwrap();
    keep(&server.url("postgres")).await;
    let (left_behind, dir) = (server.process.pid(), server.dir.clone());
    let lock = server._lock.try_clone().unwrap();
    lock.unlock().unwrap(); // as the death of its owner would
    let next = PrivatePostgres::start(&dir, Durability::Durable).unwrap();
    assert_ne!(next.process.pid(), left_behind);
    assert!(!process::alive(left_behind));
    assert_eq!(count(&next.url("postgres")).await, 1);
}

#[test]
fn a_cluster_of_a_version_that_is_not_installed_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("data")).unwrap();
    fs::write(home.path().join("data/PG_VERSION"), "9\n").unwrap();
    let refused = PrivatePostgres::start(home.path(), Durability::Durable).err().unwrap().to_string();
    assert!(refused.contains("needs version 9, which created it"), "{refused}");
}

/// Not a test by itself: what the next one kills. It starts a server, prints the pid and waits to be killed.
#[test]
#[ignore = "run by a_server_does_not_outlive_a_killed_owner"]
fn owner_to_be_killed() {
    let dir = std::env::var_os("FLORIN_TEST_OWNED_DIR").unwrap();
    let server = PrivatePostgres::start(Path::new(&dir), Durability::Throwaway).unwrap();
    println!("\nserver {}", server.pid());
    std::io::stdin().lines().for_each(drop); // until the end of input, which the kill comes before
}

/// Without the death signal the server goes on.
#[test]
fn a_server_does_not_outlive_a_killed_owner() {
    use std::io::{BufRead, BufReader};
    let home = tempfile::tempdir().unwrap();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "postgres::tests::owner_to_be_killed", "--ignored", "--nocapture"])
        .env("FLORIN_TEST_OWNED_DIR", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(owner.stdout.take().unwrap());
    let server = output
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("server ").map(|pid| Pid::from_raw(pid.parse().unwrap())))
        .unwrap();
    assert!(process::alive(server));
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(crate::wait_until(Duration::from_secs(20), || !process::alive(server)), "the server outlived its owner");
    socket::forget(home.path(), &socket::folder(home.path(), install::server_user().unwrap()).unwrap());
}
