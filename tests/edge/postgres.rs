//! A throwaway PostgreSQL for one test.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

/// Runs until dropped.
pub struct Postgres {
    server: Child,
    folder: tempfile::TempDir,
}

impl Postgres {
    pub async fn start() -> Self {
        let owner = geteuid().is_root().then(|| User::from_name("postgres").unwrap().expect("a user postgres"));
        let folder = tempfile::Builder::new().prefix("florin-edge-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        if let Some(owner) = &owner {
            chown(folder.path(), Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).unwrap();
        }
        let command = |program: &str| {
            let mut command = Command::new(binaries().join(program));
            command.current_dir(folder.path()).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Some(owner) = &owner {
                command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
            }
            command
        };
        let data = folder.path().join("data");
        assert!(command("initdb").args(["-U", "postgres", "-A", "trust", "-N", "-D"]).arg(&data).status().unwrap().success());
        let mut server = command("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-c", "listen_addresses=", "-c", "fsync=off"]).process_group(0);
        let server = Self { server: server.spawn().unwrap(), folder };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !ready(&data) {
            assert!(Instant::now() < deadline, "postgres was not ready within 60 s");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.path().display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.server.id()).unwrap());
        let _ = kill(pid, Signal::SIGINT);
        let _ = self.server.wait();
    }
}

fn ready(data: &Path) -> bool {
    std::fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
}

fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL; on Debian: apt-get install postgresql").flatten();
    let newest = versions.max_by_key(|entry| entry.file_name().to_string_lossy().parse().unwrap_or(0));
    newest.expect("a version of PostgreSQL").path().join("bin")
}
