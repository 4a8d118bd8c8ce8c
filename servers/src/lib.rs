//! Servers that Florin starts for itself: a private PostgreSQL, a development Kafka broker, a Redis for tests.
//!
//! It owns their folders, their processes and their ports, and nothing else: it speaks none of their protocols and knows
//! nothing of Florin. `florin dev`, the tests and the benchmarks call it; `florin serve` never does.
//!
//! Every call here blocks its thread until the server is ready or gone; async callers use `spawn_blocking`. Dropping a
//! handle stops its server. If this process dies without dropping anything, even by SIGKILL, the kernel tells its
//! servers to shut down, and the next start waits for those that are still doing so.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

pub mod kafka;
pub mod ports;
pub mod postgres;
mod process;
pub mod redis;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not on this machine.
    #[error("{what} not found; on Debian it is installed by: {command}")]
    NotInstalled {
        /// What was looked for, and where.
        what: String,
        /// The command that installs it.
        command: &'static str,
    },
    /// The installed program cannot run this folder.
    #[error("{what} is version {found}, but {dir} needs {needed}")]
    WrongVersion {
        /// The name of the program.
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
        /// The folder that was to be run.
        dir: PathBuf,
    },
    /// The server ended before it was ready.
    #[error("{server} ended at start ({status}); the end of its log:\n{log}")]
    Ended {
        /// The name of the server.
        server: &'static str,
        /// How its process ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// The server did not reach the wanted state in time.
    #[error("{server} was not {state} within {} s; see {log}", .limit.as_secs())]
    TooSlow {
        /// The name of the server.
        server: &'static str,
        /// The wanted state: `ready` or `stopped`.
        state: &'static str,
        /// How long it had.
        limit: Duration,
        /// The path of its log.
        log: PathBuf,
    },
    /// The mock broker refused.
    #[error("mock kafka: {0}")]
    Mock(#[from] rdkafka::error::KafkaError),
    /// The operating system refused.
    #[error("could not {action}: {source}")]
    Io {
        /// What was tried, as a verb with its object.
        action: String,
        source: io::Error,
    },
}

/// Turns a failed system call into an [`Error`] that names what was tried.
trait Doing<T> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::Io { action: action(), source: error.into() })
    }
}

/// Asks every 10 ms until `condition` holds; false: `limit` passed first.
#[expect(
    clippy::disallowed_methods,
    reason = "another process's progress has no event to wait for; bounded by the limit"
)]
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

/// The path of a program on `PATH`.
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

/// Opens a log for appending; one of more than 16 MiB is removed first.
fn open_log(path: &Path) -> Result<std::fs::File, Error> {
    const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
    let full = std::fs::metadata(path).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX);
    if full {
        std::fs::remove_file(path).doing(|| format!("remove {}", path.display()))?;
    }
    std::fs::OpenOptions::new().create(true).append(true).open(path).doing(|| format!("open {}", path.display()))
}
