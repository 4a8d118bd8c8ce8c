//! A full disk at PostgreSQL (SQLSTATE 53100): nobody's fault, so everything waits for space.

use std::io::Write;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use florin_servers::postgres::{Durability, PrivatePostgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tonic::Code;

use super::load::{Load, open_accounts};
use super::site::{Site, brokers};
use crate::harness::{TestDatabase, until};

/// A small file system in memory, for as long as it lives.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(path: &'a Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs"]).arg(path).output();
        mounted.is_ok_and(|done| done.status.success()).then_some(Self(path))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status(); // the folder below goes with its parent
    }
}

/// Fails when 53100 is taken for a fault of the payment (it is split off and answered INTERNAL), and when the batch in
/// flight is given up without a look at its keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_waited_out() {
    let home = tempfile::Builder::new().prefix("florin-disk-").tempdir_in("/tmp").unwrap();
    let disk = home.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let Some(_small) = Small::mount(&disk) else {
        eprintln!("skipped: a file system in memory cannot be mounted here (it needs root)");
        return;
    };
    let space = disk.join("space");
    std::fs::create_dir(&space).unwrap();
    for path in [home.path(), &disk, &space] {
        let owner = nix::unistd::User::from_name("postgres").unwrap().expect("a user postgres");
        chown(path, Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).unwrap();
    }
    let postgres = PrivatePostgres::start(&home.path().join("postgres"), Durability::Throwaway).unwrap();
    let database = TestDatabase::empty_on(&postgres.url("postgres")).await;
    let mut admin = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE TABLESPACE small LOCATION '{}'", space.display()))).await.unwrap();
    let name = database
        .url
        .rsplit('/')
        .find_map(|part| part.split('?').next().filter(|name| name.starts_with("florin_test")))
        .unwrap()
        .to_owned();
    admin.execute(AssertSqlSafe(format!("ALTER DATABASE {name} SET TABLESPACE small"))).await.unwrap();

    let site = Site::on(database, brokers()).await.with("WRITE_CUTOFF_SECONDS", "2");
    open_accounts(&site.database).await;
    let server = site.serve().await;
    let load = Load::start(&[server.grpc], 8);
    load.more(100).await;

    let filler = disk.join("filler");
    let full = fill(&filler);
    server.process.says("53100", Duration::from_secs(30)).await;
    println!("{full} bytes filled the disk");
    let (began, so_far) = (Instant::now(), load.acknowledged());
    tokio::time::sleep(Duration::from_secs(4)).await; // the outage itself
    let refused = load.calls(began + Duration::from_millis(500), Instant::now());
    assert!(!refused.is_empty());
    for call in &refused {
        assert!(matches!(call.code, Code::Unavailable | Code::DeadlineExceeded | Code::Ok), "{call:?}");
    }
    assert!(refused.iter().any(|call| call.code == Code::Unavailable));
    println!("{} acknowledged on a full disk, {} calls answered", load.acknowledged() - so_far, refused.len());

    std::fs::remove_file(&filler).unwrap();
    load.more(100).await;
    until("it serves again", async || server.health().await == Some(200)).await;
    let payments = load.settle(&site).await;
    assert_eq!(site.assert_events_once().await, payments);
    assert!(server.process.ended().is_none());
}

/// Writes until nothing fits any more.
fn fill(path: &Path) -> usize {
    let (mut file, mut bytes) = (std::fs::File::create(path).unwrap(), 0);
    for block in [vec![0_u8; 1 << 16], vec![0; 1 << 12], vec![0; 1]] {
        while file.write_all(&block).is_ok() {
            bytes += block.len();
        }
    }
    bytes
}
