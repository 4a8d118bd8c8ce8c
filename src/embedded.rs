//! Servers that Florin starts for itself: a private PostgreSQL, a development Kafka broker, a Redis for tests.
//!
//! This room owns their folders, their processes and their ports, and nothing else: it speaks none of their protocols and knows no other room.
//! `florin dev` and the tests call it; `florin serve` never does.
//!
//! Everything here blocks the calling thread until the server is ready or gone; async callers use `spawn_blocking`. Dropping a handle stops its
//! server. When this process dies without dropping anything, even by SIGKILL, the kernel tells its servers to shut down, and the next start waits
//! for those that still do.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

pub mod kafka;
pub mod ports;
pub mod postgres;
mod process;
pub mod redis;

/// Why a server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not on this machine.
    #[error("{what} not found; on Debian it is installed by: {command}")]
    NotInstalled {
        /// What was looked for, and where.
        what: String,
        /// The one command that brings it.
        command: &'static str,
    },
    /// The installed program cannot run this folder.
    #[error("{what} is version {found}, but {dir} needs {needed}")]
    WrongVersion {
        /// The program.
        what: &'static str,
        /// Its version.
        found: String,
        /// The folder that was to be run.
        dir: PathBuf,
        /// The versions that would do.
        needed: String,
    },
    /// Another live process runs the folder.
    #[error("{dir} is in use by another running process; choose another folder or stop that one first")]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The server ended before it was ready.
    #[error("{server} ended at start ({status}); the end of its log:\n{log}")]
    Ended {
        /// The server.
        server: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// The server did not reach the wanted state in time.
    #[error("{server} was not {state} within {} s; see {log}", .limit.as_secs())]
    TooSlow {
        /// The server.
        server: &'static str,
        /// The state: ready, stopped.
        state: &'static str,
        /// How long it had.
        limit: Duration,
        /// Where its log is.
        log: PathBuf,
    },
    /// The mock broker refused.
    #[error("mock kafka: {0}")]
    Mock(#[from] rdkafka::error::KafkaError),
    /// The operating system refused.
    #[error("could not {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// Names the action of a failed system call.
trait Doing<T> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::Io { action: action(), source: error.into() })
    }
}

/// Asks every 10 ms until the answer is yes; false when `limit` passed first.
#[expect(clippy::disallowed_methods, reason = "another process's progress has no event to wait for; bounded by the limit")]
fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Where PATH has this program.
fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok())
}

/// The last 20 lines of a log, or why they cannot be read.
fn tail(log: &Path) -> String {
    const LINES_MAX: usize = 20;
    match std::fs::read(log) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
        }
        Err(error) => format!("({}: {error})", log.display()),
    }
}

/// Opens a log for appending; one that has grown beyond 16 MiB starts over.
fn open_log(path: &Path) -> Result<std::fs::File, Error> {
    const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
    let full = std::fs::metadata(path).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX);
    if full {
        std::fs::remove_file(path).doing(|| format!("remove {}", path.display()))?;
    }
    std::fs::OpenOptions::new().create(true).append(true).open(path).doing(|| format!("open {}", path.display()))
}
