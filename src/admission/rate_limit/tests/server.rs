//! A Redis of the test's own, on a free port; killed with the value.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::aio::MultiplexedConnection;

pub struct RedisServer {
    child: Child,
    port: u16,
}

impl RedisServer {
    pub async fn start() -> Self {
        Self::start_on(free_port()).await
    }

    pub async fn start_on(port: u16) -> Self {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(port.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        let deadline = Instant::now() + Duration::from_secs(10);
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen on {port}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub async fn connect(&self) -> MultiplexedConnection {
        redis::Client::open(url(self.port)).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    /// Calls of the script so far.
    pub async fn calls(&self) -> u64 {
        let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut self.connect().await).await.unwrap();
        let stat = info.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        stat.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }

    /// What all clients' buckets hold together.
    pub async fn counted(&self) -> u64 {
        let mut connection = self.connect().await;
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        let mut sum = 0;
        for key in keys {
            let counts: Vec<u64> = redis::cmd("HVALS").arg(key).query_async(&mut connection).await.unwrap();
            sum += counts.iter().sum::<u64>();
        }
        sum
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

pub fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}/")
}
