//! Free TCP ports on the loopback interface.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The ports to choose from: above the registered favourites, and below those that Linux gives to outgoing connections.
/// So a server that is killed and started again finds its port free: no client got it meanwhile, not even one that
/// tries to reconnect to this very port.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

const TRIES_MAX: u64 = 1_000;

static HANDED_OUT: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port on 127.0.0.1 on which nobody listens, and that this process has not handed out before.
///
/// # Errors
/// When no free port was found in 1,000 tries.
pub fn free() -> io::Result<u16> {
    let random = RandomState::new();
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let handed_out = handed_out.get_or_insert_default();
    for n in 0..TRIES_MAX {
        let span = u64::from(RANGE.end - RANGE.start);
        let Ok(offset) = u16::try_from(random.hash_one(n) % span) else { continue };
        let port = RANGE.start + offset;
        if !handed_out.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            handed_out.insert(port);
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("no free port from {} to {} in {TRIES_MAX} tries", RANGE.start, RANGE.end - 1),
    ))
}

/// Whether anything accepts connections on this port of 127.0.0.1.
#[must_use]
pub fn answers(port: u16) -> bool {
    TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_millis(500)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_distinct_and_can_be_bound() {
        let ports: HashSet<u16> = (0..50).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        let port = free().unwrap();
        assert!(!answers(port));
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(answers(port));
    }
}
