//! One process of the binary: started, read, signalled, awaited, and gone when the test is.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::transport::Channel;

use crate::harness::until;

/// A running process; dropping it kills it.
pub struct Process {
    pid: Pid,
    lines: Arc<Mutex<Vec<String>>>,
    exit: Arc<(Mutex<Option<ExitStatus>>, Condvar)>,
}

impl Process {
    /// Starts it. A thread of its own starts and awaits it, because the kernel ties a death signal to the thread.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        die_with_us(&mut command);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let exit = Arc::new((Mutex::new(None), Condvar::new()));
        let (started, start) = mpsc::sync_channel(1);
        let (kept, ended) = (lines.clone(), exit.clone());
        std::thread::spawn(move || {
            let mut child = command.spawn().unwrap();
            started.send(Pid::from_raw(i32::try_from(child.id()).unwrap())).unwrap();
            let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
            let readers = [keep(out, kept.clone()), keep(err, kept)];
            let status = child.wait().unwrap();
            for reader in readers {
                let _ = reader.join(); // so that what it said last is there when it has ended
            }
            *ended.0.lock().unwrap() = Some(status);
            ended.1.notify_all();
        });
        Self { pid: start.recv().unwrap(), lines, exit }
    }

    /// Everything that it said.
    pub fn said(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    pub fn ended(&self) -> Option<ExitStatus> {
        *self.exit.0.lock().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        if self.ended().is_none() {
            let _ = kill(self.pid, signal); // ended a moment ago
        }
    }

    /// Kills it, as a crash would.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
        self.wait(Duration::from_secs(10));
    }

    /// Waits for its end; how it ended. 128 + n for a signal.
    pub fn wait(&self, limit: Duration) -> i32 {
        let status = self.exit.0.lock().unwrap();
        let (status, _) = self.exit.1.wait_timeout_while(status, limit, |status| status.is_none()).unwrap();
        let status = status.unwrap_or_else(|| panic!("it has not ended within {limit:?}; it said:\n{}", self.said()));
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
    }

    /// Waits until a line of what it says has this.
    pub async fn says(&self, what: &str, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        loop {
            let found = self.lines.lock().unwrap().iter().find(|line| line.contains(what)).cloned();
            match found {
                Some(line) => return line,
                None if self.ended().is_some() || Instant::now() > deadline => {
                    panic!("it did not say {what:?} within {limit:?}:\n{}", self.said())
                }
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Memory in use, in MiB.
    pub fn rss_mib(&self) -> u64 {
        self.rss_kib() / 1024
    }

    /// Memory in use, in KiB.
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Open files and connections.
    pub fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid)).unwrap().count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        if std::thread::panicking() {
            eprintln!("--- process {} said:\n{}", self.pid, tail(&self.said()));
        } else {
            self.wait(Duration::from_secs(10));
        }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn keep(from: impl std::io::Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) -> std::thread::JoinHandle<()> {
    let loud = std::env::var_os("TEST_LOG").is_some();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if loud {
                eprintln!("{line}");
            }
            lines.lock().unwrap().push(line);
        }
    })
}

#[expect(unsafe_code, reason = "pre_exec: one system call that is async-signal-safe")]
fn die_with_us(command: &mut Command) {
    // SAFETY: between fork and exec only prctl is called.
    unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?)) };
}

/// A `florin serve` that listens.
pub struct Server {
    pub process: Process,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub metrics: SocketAddr,
}

impl Server {
    /// Waits until it has said where it listens.
    pub async fn of(process: Process) -> Self {
        let line = process.says("\"listening\"", Duration::from_secs(30)).await;
        let line: Value = serde_json::from_str(&line).unwrap();
        let address =
            |name: &str| line[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).parse().unwrap();
        let (grpc, http, metrics) = (address("grpc"), address("http"), address("metrics"));
        Self { process, grpc, http, metrics }
    }

    /// A client with a connection of its own, which comes back by itself.
    pub fn client(&self) -> PaymentServiceClient<Channel> {
        client(self.grpc)
    }

    /// The status of `/health`; none when nobody answers.
    pub async fn health(&self) -> Option<u16> {
        Some(self.get("/health").await?.0)
    }

    /// A part's condition, as `/health/parts` says it.
    pub async fn part(&self, part: &str) -> String {
        let Some((_, body)) = self.get("/health/parts").await else { return "no answer".into() };
        let body: Value = serde_json::from_str(&body).unwrap();
        body["parts"][part]["condition"].as_str().unwrap_or("up").to_owned()
    }

    /// A gauge or counter without labels, as `/metrics` says it.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, page) = self.get("/metrics").await?;
        page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    pub async fn serving(&self) {
        until("it serves", async || {
            assert!(self.process.ended().is_none(), "it ended:\n{}", self.process.said());
            self.health().await == Some(200)
        })
        .await;
    }

    /// Asks it to stop, and answers how it ended and how long that took.
    pub fn terminate(&self, limit: Duration) -> (i32, Duration) {
        let began = Instant::now();
        self.process.signal(Signal::SIGTERM);
        (self.process.wait(limit), began.elapsed())
    }

    async fn get(&self, path: &str) -> Option<(u16, String)> {
        let ask = async {
            let mut stream = tokio::net::TcpStream::connect(self.metrics).await.ok()?;
            stream
                .write_all(format!("GET {path} HTTP/1.1\r\nHost: florin\r\nConnection: close\r\n\r\n").as_bytes())
                .await
                .ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            let (head, body) = answer.split_once("\r\n\r\n")?;
            Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
        };
        tokio::time::timeout(Duration::from_secs(2), ask).await.ok()?
    }
}

pub fn client(address: SocketAddr) -> PaymentServiceClient<Channel> {
    let channel = Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_timeout(Duration::from_secs(2))
        .connect_lazy();
    PaymentServiceClient::new(channel)
}
