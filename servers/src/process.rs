//! One server process: how it is started, signalled and awaited, and that it never outlives this process.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Gid, Pid, Uid, getpid, getppid, setgid, setgroups, setuid};

/// A user to become before the program starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    pub uid: Uid,
    pub gid: Gid,
}

/// What the child does between fork and exec.
#[derive(Default)]
pub(super) struct Birth {
    /// A descriptor that the program inherits under the same number.
    pub inherit: Option<OwnedFd>,
    /// `None`: the current user.
    pub user: Option<User>,
    /// The signal that it gets when this process dies.
    pub on_parent_death: Option<Signal>,
}

/// Applies `birth` to the command, in a process group of its own: Ctrl-C in the terminal is for this process to handle.
#[expect(unsafe_code, reason = "pre_exec: the closure makes only async-signal-safe calls and does not allocate")]
pub(super) fn arm(command: &mut Command, birth: Birth) {
    let parent = getpid();
    let prepare = move || -> io::Result<()> {
        if let Some(fd) = &birth.inherit {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        if let Some(user) = birth.user {
            setgroups(&[])?;
            setgid(user.gid)?;
            setuid(user.uid)?; // a change of user clears the death signal: it comes after
        }
        if let Some(signal) = birth.on_parent_death {
            set_pdeathsig(signal)?;
            if getppid() != parent {
                return Err(Errno::ESRCH.into()); // died before the line above
            }
        }
        Ok(())
    };
    command.process_group(0);
    // SAFETY: between fork and exec only system calls are made, on values that were moved in.
    unsafe { command.pre_exec(prepare) };
}

/// A child process, running or ended.
///
/// The kernel ties a death signal to the *thread* that spawned, so a thread of its own spawns the child and stays until
/// it has ended.
pub(super) struct Process {
    pid: Pid,
    exit: Arc<Exit>,
}

#[derive(Default)]
struct Exit {
    status: Mutex<Option<ExitStatus>>,
    ended: Condvar,
}

impl Process {
    /// Starts the command; see [`arm`].
    pub fn spawn(name: &str, mut command: Command, birth: Birth) -> io::Result<Self> {
        let exit = Arc::new(Exit::default());
        let keeper_exit = Arc::clone(&exit);
        let (started, start) = mpsc::sync_channel(1);
        let keeper = move || {
            arm(&mut command, birth);
            match command.spawn() {
                Err(error) => drop(started.send(Err(error))),
                Ok(mut child) => {
                    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
                    drop(started.send(Ok(pid)));
                    // Seen, but not yet reaped: the pid stays this child's until the lock is held, so that no signal
                    // can hit a stranger.
                    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
                    let mut status = lock(&keeper_exit.status);
                    *status = Some(child.wait().unwrap_or_default());
                    keeper_exit.ended.notify_all();
                }
            }
        };
        std::thread::Builder::new().name(format!("keeper-{name}")).spawn(keeper)?;
        let pid = start.recv().unwrap_or_else(|_| Err(io::Error::other("the keeper thread ended")))?;
        Ok(Self { pid, exit })
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// `None`: it still runs.
    pub fn ended(&self) -> Option<ExitStatus> {
        *lock(&self.exit.status)
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(&self, signal: Signal) {
        let status = lock(&self.exit.status);
        if status.is_none() {
            let _ = kill(self.pid, signal); // ended a moment ago: what was wanted
        }
    }

    /// Waits until the process has ended; false: `limit` passed first.
    pub fn wait(&self, limit: Duration) -> bool {
        let status = lock(&self.exit.status);
        let (status, _) = self
            .exit
            .ended
            .wait_timeout_while(status, limit, |status| status.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        status.is_some()
    }

    /// Sends each signal in turn and waits as long as is given with it; false: the process still runs after the last.
    pub fn stop(&self, signals: &[(Signal, Duration)]) -> bool {
        signals.iter().any(|&(signal, limit)| {
            self.signal(signal);
            self.wait(limit)
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the process exists and is not only waiting to be reaped.
pub(super) fn alive(pid: Pid) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// The direct children of a process.
pub(super) fn children(parent: Pid) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    pids.filter(|pid| stat(*pid).is_some_and(|(_, its_parent)| its_parent == parent)).collect()
}

/// The state and the parent of a process. The second field of the line is the program's name, which may contain
/// anything.
fn stat(pid: Pid) -> Option<(char, Pid)> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = line.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, Pid::from_raw(fields.next()?.parse().ok()?)))
}
