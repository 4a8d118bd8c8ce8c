//! A private PostgreSQL cluster from the installed binaries, in one folder.
//!
//! The folder has `data` (the cluster), `postgres.log`, `lock` (held while a handle lives) and, while the server runs,
//! its Unix socket. It may be a folder that only this user can enter: PostgreSQL refuses to run as root, so for root
//! the server becomes `postgres` (or `nobody`), and reaches its data through a descriptor that it inherits instead of
//! by a path that it cannot walk. Only the socket is then elsewhere, below `/tmp`.
//!
//! Local users are trusted without a password. The socket's folder, which only its owner can enter, keeps others out.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::process::{self, Birth, Process};
use super::{Doing, Error};

mod install;
mod socket;

pub use install::installed;

const READY_WITHIN: Duration = Duration::from_secs(60); // crash recovery comes before
const STALE_GONE_WITHIN: Duration = Duration::from_secs(30);

/// What may be lost when the machine crashes. There is no default: tests say `Throwaway`, everything else `Durable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was committed.
    Durable,
    /// Everything. A crash of the server alone still loses nothing that was committed.
    Throwaway,
}

/// How a cluster is to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub durability: Durability,
    /// A TCP port on 127.0.0.1, for clients that come through a proxy; every local user can then connect. `None`: the
    /// Unix socket only.
    pub listen_port: Option<u16>,
    /// Connections at the same time.
    pub connections_max: u16,
}

impl Options {
    /// No TCP, 200 connections.
    #[must_use]
    pub fn new(durability: Durability) -> Self {
        Self { durability, listen_port: None, connections_max: 200 }
    }
}

/// A PostgreSQL server of our own; dropping it stops it.
pub struct PrivatePostgres {
    process: Process,
    options: Options,
    dir: PathBuf,
    socket_dir: PathBuf,
    _lock: File,
}

impl PrivatePostgres {
    /// Starts the cluster in `dir`, with the options of [`Options::new`]; see [`PrivatePostgres::start_with`].
    ///
    /// # Errors
    /// As [`PrivatePostgres::start_with`].
    pub fn start(dir: &Path, durability: Durability) -> Result<Self, Error> {
        Self::start_with(dir, Options::new(durability))
    }

    /// Starts the cluster in `dir` and returns when it accepts connections; the first time it creates it. A server that
    /// an earlier, killed process left in this folder is stopped first. Blocks.
    ///
    /// # Errors
    /// `NotInstalled` without PostgreSQL 15 or newer, `WrongVersion` when the folder needs a version that is not
    /// installed, `InUse` when another handle has the folder, `Ended` or `TooSlow` when the server does not start, `Io`
    /// when the operating system refuses.
    pub fn start_with(dir: &Path, options: Options) -> Result<Self, Error> {
        fs::create_dir_all(dir).doing(|| format!("create {}", dir.display()))?;
        let dir = dir.canonicalize().doing(|| format!("resolve {}", dir.display()))?;
        let lock = lock(&dir)?;
        let user = install::server_user()?;
        let socket_dir = socket::folder(&dir, user)?;
        match launch(&dir, &socket_dir, user, options) {
            Ok(process) => Ok(Self { process, options, dir, socket_dir, _lock: lock }),
            Err(error) => {
                socket::forget(&dir, &socket_dir);
                Err(error)
            }
        }
    }

    /// The URL of a database: over TCP when there is a port, else over the Unix socket.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        match self.options.listen_port {
            Some(port) => format!("postgres://postgres@127.0.0.1:{port}/{database}"),
            None => {
                format!("postgres://postgres@localhost/{database}?host={}", socket::percent_encoded(&self.socket_dir))
            }
        }
    }

    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid().as_raw()
    }

    /// The folder of the cluster, as an absolute path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stops the server: connections are cut and open transactions rolled back. If that takes longer than 3 seconds it
    /// is ended by force, and the next start recovers. Nothing that was committed is lost either way.
    ///
    /// # Errors
    /// `TooSlow` when it still runs.
    pub fn stop(&mut self) -> Result<(), Error> {
        if self.process.stop(&[(Signal::SIGINT, Duration::from_secs(3))]) {
            return Ok(());
        }
        tracing::warn!("PostgreSQL did not stop within 3 s and is ended by force; its next start recovers");
        let force = [(Signal::SIGQUIT, Duration::from_secs(1)), (Signal::SIGKILL, Duration::from_secs(1))];
        if self.process.stop(&force) { Ok(()) } else { Err(self.still_running()) }
    }

    /// Kills the server and all its children at once, as a crash would.
    ///
    /// # Errors
    /// `TooSlow` when they still exist after 5 seconds.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.process.signal(Signal::SIGSTOP); // so that it starts no more children, and does not see them die
        let children = process::children(self.process.pid());
        for child in &children {
            let _ = kill(*child, Signal::SIGKILL);
        }
        let server_gone = self.process.stop(&[(Signal::SIGKILL, Duration::from_secs(5))]);
        let children_gone =
            super::wait_until(Duration::from_secs(5), || !children.iter().any(|child| process::alive(*child)));
        if server_gone && children_gone { Ok(()) } else { Err(self.still_running()) }
    }

    /// Starts the server again, with the same addresses, after stopping it if it runs.
    ///
    /// # Errors
    /// As [`PrivatePostgres::stop`] and [`PrivatePostgres::start_with`].
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.process = launch(&self.dir, &self.socket_dir, install::server_user()?, self.options)?;
        Ok(())
    }

    fn still_running(&self) -> Error {
        Error::TooSlow {
            server: "PostgreSQL",
            state: "stopped",
            limit: Duration::from_secs(5),
            log: self.dir.join("postgres.log"),
        }
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        let _ = self.stop(); // nobody is left to tell
        socket::forget(&self.dir, &self.socket_dir);
    }
}

/// Takes the folder for this process. The lock ends with the process, however that ends.
///
/// # Errors
/// `InUse` when another handle has it, `Io` when the operating system refuses.
pub fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .doing(|| format!("open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::InUse { dir: dir.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(Error::Io { action: format!("lock {}", path.display()), source }),
    }
}

fn launch(dir: &Path, socket_dir: &Path, user: Option<process::User>, options: Options) -> Result<Process, Error> {
    let data = dir.join("data");
    let binaries = install::binaries_for(&data)?;
    if !data.join("PG_VERSION").exists() {
        create(dir, &data, &binaries, user)?;
    }
    stop_stale(dir, &data)?;

    let log = dir.join("postgres.log");
    let (mut command, birth) = command(&binaries, "postgres", &data, user)?;
    command.args(["-c", "timezone=UTC", "-c", "jit=off", "-c", "cluster_name=florin"]).arg("-k").arg(socket_dir);
    command.arg("-c").arg(format!("max_connections={}", options.connections_max));
    match options.listen_port {
        Some(port) => command.args(["-c", "listen_addresses=127.0.0.1", "-p", &port.to_string()]),
        None => command.args(["-c", "listen_addresses="]),
    };
    match options.durability {
        Durability::Throwaway => command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]),
        // see `store::advice`
        Durability::Durable => command.args(["-c", "max_wal_size=4GB", "-c", "checkpoint_timeout=15min"]),
    };
    let out = super::open_log(&log)?;
    command.stdout(out.try_clone().doing(|| "share the log".to_owned())?).stderr(out);

    let process = Process::spawn("postgres", command, birth)
        .doing(|| format!("start {}", binaries.join("postgres").display()))?;
    let ready = super::wait_until(READY_WITHIN, || ready(&data, process.pid()) || process.ended().is_some());
    match process.ended() {
        Some(status) => Err(Error::Ended { server: "PostgreSQL", status, log: super::tail(&log) }),
        None if ready => Ok(process),
        None => {
            process.stop(&[(Signal::SIGQUIT, Duration::from_secs(5)), (Signal::SIGKILL, Duration::from_secs(5))]);
            Err(Error::TooSlow { server: "PostgreSQL", state: "ready", limit: READY_WITHIN, log })
        }
    }
}

/// Creates the cluster under another name first, so that a folder called `data` is always complete.
fn create(dir: &Path, data: &Path, binaries: &Path, user: Option<process::User>) -> Result<(), Error> {
    let unfinished = dir.join("data.new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).doing(|| format!("remove {}", unfinished.display()))?;
    }
    fs::DirBuilder::new().mode(0o700).create(&unfinished).doing(|| format!("create {}", unfinished.display()))?;
    if let Some(user) = user {
        chown(&unfinished, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .doing(|| format!("give {} to the server's user", unfinished.display()))?;
    }
    let log = dir.join("initdb.log");
    let (mut command, birth) = command(binaries, "initdb", &unfinished, user)?;
    command.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]);
    let out = super::open_log(&log)?;
    command.stdout(out.try_clone().doing(|| "share the log".to_owned())?).stderr(out);
    process::arm(&mut command, birth);
    let status = command.status().doing(|| format!("run {}", binaries.join("initdb").display()))?;
    if !status.success() {
        return Err(Error::Ended { server: "initdb", status, log: super::tail(&log) });
    }
    fs::rename(&unfinished, data).doing(|| format!("rename {} to {}", unfinished.display(), data.display()))
}

/// A PostgreSQL program that finds its data folder through an inherited descriptor, and shuts down when this process
/// dies.
fn command(
    binaries: &Path,
    program: &str,
    data: &Path,
    user: Option<process::User>,
) -> Result<(Command, Birth), Error> {
    let folder = File::open(data).doing(|| format!("open {}", data.display()))?;
    let mut command = Command::new(binaries.join(program));
    command.arg("-D").arg(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
    Ok((command, Birth { inherit: Some(folder.into()), user, on_parent_death: Some(Signal::SIGINT) }))
}

/// Whether connections are accepted: line 8 of the pid file then says `ready`.
fn ready(data: &Path, pid: Pid) -> bool {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(&pid.to_string()) && lines.nth(6) == Some("ready")
}

/// Stops the server that an earlier process left here. This process has the folder's lock: nobody else can want that
/// server.
fn stop_stale(dir: &Path, data: &Path) -> Result<(), Error> {
    let Some(pid) = fs::read_to_string(data.join("postmaster.pid"))
        .ok()
        .and_then(|text| text.lines().next()?.trim().parse().ok())
        .map(Pid::from_raw)
    else {
        return Ok(());
    };
    // A server's working folder is its data folder; pids are used again.
    let is_ours = || process::alive(pid) && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data);
    for (signal, limit) in [(Signal::SIGINT, STALE_GONE_WITHIN), (Signal::SIGQUIT, Duration::from_secs(5))] {
        if is_ours() {
            let _ = kill(pid, signal);
            super::wait_until(limit, || !is_ours());
        }
    }
    if is_ours() {
        let limit = STALE_GONE_WITHIN;
        return Err(Error::TooSlow {
            server: "the PostgreSQL of an earlier run",
            state: "stopped",
            limit,
            log: dir.join("postgres.log"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
