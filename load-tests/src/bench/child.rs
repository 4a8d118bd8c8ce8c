//! A program of ours as a process of its own, which ends with us however we end.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

/// A running process; dropping it stops it.
pub struct Child {
    name: &'static str,
    pid: u32,
    log: PathBuf,
    exit: Arc<(Mutex<Option<ExitStatus>>, Condvar)>,
}

impl Child {
    /// Starts the program with its output in `log`. A thread of its own starts and awaits it, because the kernel ties a
    /// death signal to the thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        die_with_us(&mut command);
        let exit: Arc<(Mutex<Option<ExitStatus>>, Condvar)> = Arc::default();
        let (ended, (started, start)) = (exit.clone(), mpsc::sync_channel(1));
        std::thread::Builder::new().name(format!("keeper-{name}")).spawn(move || match command.spawn() {
            Err(error) => drop(started.send(Err(error))),
            Ok(mut child) => {
                drop(started.send(Ok(child.id())));
                let status = child.wait().unwrap_or_default();
                *ended.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
                ended.1.notify_all();
            }
        })?;
        let pid = start.recv()?.with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { name, pid, log: log.to_owned(), exit })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Fails when it has ended, with the end of what it said.
    ///
    /// # Errors
    /// When it has ended.
    pub fn check(&self) -> Result<()> {
        match *self.exit.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(status) => {
                bail!("{} has ended ({status}); the end of {}:\n{}", self.name, self.log.display(), tail(&self.log))
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let status = self.exit.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Ok(pid)) = (*status, i32::try_from(self.pid)) {
            let _ = kill(Pid::from_raw(pid), signal); // ended a moment ago: what was wanted
        }
    }

    fn ended_within(&self, limit: Duration) -> bool {
        let status = self.exit.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.exit.1.wait_timeout_while(status, limit, |status| status.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_some()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        for (signal, limit) in [(Signal::SIGTERM, Duration::from_secs(10)), (Signal::SIGKILL, Duration::from_secs(5))] {
            self.signal(signal);
            if self.ended_within(limit) {
                return;
            }
        }
    }
}

#[expect(unsafe_code, reason = "pre_exec: the closure makes only async-signal-safe calls and does not allocate")]
fn die_with_us(command: &mut Command) {
    let parent = Pid::this();
    let prepare = move || -> io::Result<()> {
        set_pdeathsig(Signal::SIGTERM)?;
        if getppid() != parent {
            return Err(io::ErrorKind::BrokenPipe.into()); // died before the line above
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made, on values that were moved in.
    unsafe { command.pre_exec(prepare) };
}

fn tail(log: &Path) -> String {
    const LINES_MAX: usize = 20;
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
}
