//! Ten thousand connections, held by a process of their own: this binary, running the ignored test below.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::raw::Raw;
use crate::harness::alone;
use crate::process::florin::Process;

const SAYS: &str = "the crowd is there";

/// Connections that stay until this is dropped.
pub struct Crowd(Process);

impl Crowd {
    /// `silent`: they never say anything; `open`: they open HTTP/2 and then fall silent.
    pub async fn gather(at: SocketAddr, count: usize, how: &str) -> Self {
        let mut command: Command = alone("process::abuse::crowd::a_crowd");
        command.env("CROWD_AT", at.to_string()).env("CROWD_COUNT", count.to_string()).env("CROWD_HOW", how);
        let process = Process::spawn(command);
        process.says(SAYS, Duration::from_secs(60)).await;
        Self(process)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.kill();
    }
}

#[tokio::test]
#[ignore = "not a test: the process that holds the connections of one"]
async fn a_crowd() {
    let Ok(at) = std::env::var("CROWD_AT") else { return };
    let count: usize = std::env::var("CROWD_COUNT").unwrap().parse().unwrap();
    let open = std::env::var("CROWD_HOW").unwrap() == "open";
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(20_000), hard).unwrap();
    let at = at.parse().unwrap();
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        crowd.push(if open { Raw::open(at).await } else { Raw::connect(at).await });
    }
    println!("{SAYS}: {}", crowd.len());
    tokio::time::sleep(Duration::from_secs(120)).await; // until it is killed
}
