//! Kafka for development and tests: the real broker from Maven artifacts, or librdkafka's mock inside this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::Signal;
use rdkafka::mocking::MockCluster;

use super::process::{Birth, Process};
use super::{Doing, Error, on_path, ports};

const SCRIPT: &str = include_str!("../../scripts/dev_kafka.sh");

/// Long enough for the first start, which downloads 44 MB.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// Whether [`DevKafka`] can run here: `java` and `mvn` are on `PATH`.
#[must_use]
pub fn available() -> bool {
    on_path("java").is_some() && on_path("mvn").is_some()
}

/// A real Apache Kafka, broker and controller in one JVM, with transactions; dropping it stops it.
///
/// It listens on 127.0.0.1 only, creates no topics by itself, and keeps its data in its folder. What it acknowledged
/// survives its SIGKILL, but not a crash of the machine: Kafka leaves the disk to the operating system. After a SIGKILL
/// a start takes 4 to 8 s, otherwise about 2 s.
pub struct DevKafka {
    process: Process,
    dir: PathBuf,
    port: u16,
}

impl DevKafka {
    /// Starts the broker in `dir` on this port and returns when it answers; the first time it downloads it. The port
    /// may differ from the last run's. Blocks.
    ///
    /// # Errors
    /// `NotInstalled` without `java` or `mvn`, `Ended` with the reason when the broker could not be fetched or started
    /// or another one runs in `dir`, `TooSlow` after 3 minutes, `Io` when the operating system refuses.
    pub fn start(dir: &Path, port: u16) -> Result<Self, Error> {
        fs::create_dir_all(dir).doing(|| format!("create {}", dir.display()))?;
        let dir = dir.canonicalize().doing(|| format!("resolve {}", dir.display()))?;
        let process = launch(&dir, port)?;
        Ok(Self { process, dir, port })
    }

    /// The bootstrap servers.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid().as_raw()
    }

    /// The folder of the broker, as an absolute path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stops the broker. If that takes longer than 3 seconds it is killed, which loses nothing.
    ///
    /// # Errors
    /// `TooSlow` when it still runs.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.end(&[(Signal::SIGTERM, Duration::from_secs(3)), (Signal::SIGKILL, Duration::from_secs(1))])
    }

    /// Kills the broker, as a crash would.
    ///
    /// # Errors
    /// `TooSlow` when it still runs after 5 seconds.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.end(&[(Signal::SIGKILL, Duration::from_secs(5))])
    }

    /// Starts the broker again on its port, after stopping it if it runs.
    ///
    /// # Errors
    /// As [`DevKafka::stop`] and [`DevKafka::start`].
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.process = launch(&self.dir, self.port)?;
        Ok(())
    }

    fn end(&self, signals: &[(Signal, Duration)]) -> Result<(), Error> {
        let limit = signals.iter().map(|(_, limit)| *limit).sum();
        if self.process.stop(signals) {
            Ok(())
        } else {
            Err(Error::TooSlow { server: "Kafka", state: "stopped", limit, log: log(&self.dir) })
        }
    }
}

impl Drop for DevKafka {
    fn drop(&mut self) {
        let _ = self.stop(); // nobody is left to tell
    }
}

fn log(dir: &Path) -> PathBuf {
    dir.join("server.log")
}

/// Runs the script, whose process becomes the broker.
fn launch(dir: &Path, port: u16) -> Result<Process, Error> {
    for (program, command) in [("java", "apt-get install default-jre-headless"), ("mvn", "apt-get install maven")] {
        if on_path(program).is_none() {
            return Err(Error::NotInstalled { what: format!("{program} (for a real Kafka)"), command });
        }
    }
    let script = dir.join("dev_kafka.sh");
    fs::write(&script, SCRIPT).doing(|| format!("write {}", script.display()))?;
    let controller_port = ports::free().doing(|| "find a free port".to_owned())?;
    let (log, out) = (log(dir), super::open_log(&log(dir))?);

    let mut command = Command::new("bash");
    command.arg(&script).arg("run").arg(dir).arg(port.to_string()).arg(controller_port.to_string());
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(out.try_clone().doing(|| "share the log".to_owned())?)
        .stderr(out);
    let birth = Birth { on_parent_death: Some(Signal::SIGTERM), ..Birth::default() };
    let process = Process::spawn("kafka", command, birth).doing(|| "run bash".to_owned())?;

    // Until the script has become the broker, somebody else may still answer on the port: the script refuses that, and
    // ends.
    let is_broker = || fs::read_to_string(dir.join("pid")).is_ok_and(|pid| pid.trim() == process.pid().to_string());
    let ready = super::wait_until(READY_WITHIN, || process.ended().is_some() || (is_broker() && ports::answers(port)));
    match process.ended() {
        Some(status) => Err(Error::Ended { server: "Kafka", status, log: super::tail(&log) }),
        None if ready => Ok(process),
        None => {
            process.stop(&[(Signal::SIGKILL, Duration::from_secs(5))]);
            Err(Error::TooSlow { server: "Kafka", state: "ready", limit: READY_WITHIN, log })
        }
    }
}

/// librdkafka's mock broker inside this process; dropping it ends it.
///
/// It keeps everything in memory, at most 5 MiB and 100,000 records per topic partition, and forgets it at the end. It
/// knows no transactions: those of a producer are accepted and ignored.
pub struct MockKafka {
    brokers: String,
    _end: mpsc::Sender<()>,
}

impl MockKafka {
    /// Starts a cluster of one broker with these topics, each a name and a number of topic partitions.
    ///
    /// # Errors
    /// `Mock` when librdkafka refuses a topic, `Io` when no thread can be started.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, Error> {
        let topics: Vec<(String, i32)> =
            topics.iter().map(|(name, partitions)| ((*name).to_owned(), *partitions)).collect();
        let (started, start) = mpsc::sync_channel(1);
        let (end, until_dropped) = mpsc::channel::<()>();
        // The cluster may not move between threads: one thread makes it, keeps it, and drops it.
        let keeper = move || match mock_cluster(&topics) {
            Ok(cluster) => {
                drop(started.send(Ok(cluster.bootstrap_servers())));
                let _ = until_dropped.recv();
            }
            Err(error) => drop(started.send(Err(error))),
        };
        std::thread::Builder::new()
            .name("mock-kafka".to_owned())
            .spawn(keeper)
            .doing(|| "start a thread".to_owned())?;
        let brokers = start.recv().map_err(std::io::Error::other).doing(|| "start the mock broker".to_owned())??;
        Ok(Self { brokers, _end: end })
    }

    /// The bootstrap servers; other processes can connect too.
    #[must_use]
    pub fn brokers(&self) -> String {
        self.brokers.clone()
    }
}

fn mock_cluster(
    topics: &[(String, i32)],
) -> Result<MockCluster<'static, rdkafka::producer::DefaultProducerContext>, Error> {
    let cluster = MockCluster::new(1)?;
    for (topic, partitions) in topics {
        cluster.create_topic(topic, *partitions, 1)?;
    }
    Ok(cluster)
}

#[cfg(test)]
mod tests;
