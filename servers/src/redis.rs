//! A private Redis for tests, with the ways in which a Redis goes away. It keeps nothing on disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::process::{Birth, Process};
use super::{Doing, Error, on_path, ports};

const READY_WITHIN: Duration = Duration::from_secs(10);

/// A Redis server of our own on 127.0.0.1; dropping it stops it.
pub struct PrivateRedis {
    process: Process,
    dir: PathBuf,
    port: u16,
}

impl PrivateRedis {
    /// Starts a server on a free port, with its log in `dir`, and returns when it accepts connections. Blocks.
    ///
    /// # Errors
    /// `NotInstalled` without `redis-server`, `Ended` or `TooSlow` when it does not start, `Io` when the operating
    /// system refuses.
    pub fn start(dir: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).doing(|| format!("create {}", dir.display()))?;
        let port = ports::free().doing(|| "find a free port".to_owned())?;
        Ok(Self { process: launch(dir, port)?, dir: dir.to_owned(), port })
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid().as_raw()
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn stop(&mut self) {
        self.process.signal(Signal::SIGCONT); // a paused one would not see the request
        self.process.stop(&[(Signal::SIGTERM, Duration::from_secs(3)), (Signal::SIGKILL, Duration::from_secs(3))]);
    }

    /// Kills the server, as a crash would.
    pub fn kill(&mut self) {
        self.process.stop(&[(Signal::SIGKILL, Duration::from_secs(5))]);
    }

    /// Makes the server hang: the kernel accepts connections, and nothing is answered.
    pub fn pause(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// Ends a [`PrivateRedis::pause`].
    pub fn resume(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Starts the server again on its port, empty, after stopping it if it runs.
    ///
    /// # Errors
    /// As [`PrivateRedis::start`].
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop();
        self.process = launch(&self.dir, self.port)?;
        Ok(())
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        self.stop();
    }
}

fn launch(dir: &Path, port: u16) -> Result<Process, Error> {
    let Some(program) = on_path("redis-server") else {
        return Err(Error::NotInstalled {
            what: "redis-server (on PATH)".to_owned(),
            command: "apt-get install redis-server",
        });
    };
    let log = dir.join("redis.log");
    let out = super::open_log(&log)?;
    let mut command = Command::new(program);
    command
        .args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--daemonize",
            "no",
            "--port",
            &port.to_string(),
        ])
        .arg("--dir")
        .arg(dir);
    command.stdin(Stdio::null()).stdout(out.try_clone().doing(|| "share the log".to_owned())?).stderr(out);
    let process =
        Process::spawn("redis", command, Birth { on_parent_death: Some(Signal::SIGTERM), ..Birth::default() })
            .doing(|| "run redis-server".to_owned())?;
    let ready = super::wait_until(READY_WITHIN, || process.ended().is_some() || ports::answers(port));
    match process.ended() {
        Some(status) => Err(Error::Ended { server: "Redis", status, log: super::tail(&log) }),
        None if ready => Ok(process),
        None => {
            process.stop(&[(Signal::SIGKILL, Duration::from_secs(5))]);
            Err(Error::TooSlow { server: "Redis", state: "ready", limit: READY_WITHIN, log })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    /// What the server says to PING, or None when it says nothing within 300 ms.
    fn ping(port: u16) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        stream.write_all(b"PING\r\n").ok()?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    #[test]
    fn it_answers_hangs_dies_and_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let mut server = PrivateRedis::start(home.path()).unwrap();
        let pong = Some("+PONG\r\n".to_owned());
        assert_eq!(ping(server.port()), pong);
        server.pause();
        assert_eq!(ping(server.port()), None);
        server.resume();
        assert_eq!(ping(server.port()), pong);
        server.kill();
        assert_eq!(ping(server.port()), None);
        server.restart().unwrap();
        assert_eq!(ping(server.port()), pong);
        server.pause();
        server.stop();
        assert!(server.process.ended().is_some());
    }
}
