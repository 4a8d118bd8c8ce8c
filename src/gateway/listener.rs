//! What the listeners of HTTP and gRPC have in common: sockets, the drain, and the restart of one that
//! ended by itself.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::resilience::health::{Condition, Health, Part};
use crate::resilience::policy::{self, ChildName, History, Verdict};
use crate::telemetry::metrics::ACTOR_RESTARTS;

/// A connection that is older takes no further calls: whoever holds it comes back, and shows anew who it is.
pub const CONNECTION_AGE_MAX: Duration = Duration::from_secs(3_600);
/// A stream that is older ends: nothing may keep a connection open for ever.
pub const STREAM_AGE_MAX: Duration = Duration::from_secs(3_600);

/// Connections that wait to be accepted; the system may allow fewer.
const QUEUE_MAX: u32 = 4_096;

/// Tells a listener to stop and waits until it has, but not for longer than `patience` or `enough`.
pub(super) async fn wind_up(
    stop: &watch::Sender<bool>,
    ended: JoinHandle<()>,
    patience: Duration,
    enough: impl Future<Output = ()>,
) {
    stop.send_replace(true);
    let abort = ended.abort_handle();
    let ended = tokio::time::timeout(patience, ended);
    let in_order = tokio::select! {
        ended = ended => ended.is_ok(),
        () = enough => false,
    };
    if !in_order {
        abort.abort();
    }
}

/// Notes that a listener ended by itself, and says after which delay it begins anew.
pub(super) fn ended_by_itself(
    health: &Health,
    history: &mut History,
    listener: &'static str,
    error: &io::Error,
) -> Duration {
    tracing::error!(%error, listener, "a listener ended");
    metrics::counter!(ACTOR_RESTARTS, "actor" => ChildName::Gateway.as_str()).increment(1);
    health.restarted(Part::Gateway, &error.to_string());
    health.report(Part::Gateway, Condition::Down(error.to_string()));
    // There is nothing above it that could do better: when it fails too often it goes on trying at the longest delay.
    let row = policy::row(ChildName::Gateway);
    match history.next(&row.policy, Instant::now()) {
        Verdict::RestartAfter(delay) => delay,
        Verdict::Escalate => row.policy.delay_max,
    }
}

/// Binds with a long queue: when all clients come back at once, none shall wait a second because its first packet was
/// dropped.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?; // a process that is started again gets its port at once
        socket.bind(address)?;
        socket.listen(QUEUE_MAX)
    };
    bind().map_err(|e: io::Error| io::Error::new(e.kind(), format!("cannot listen on {address}: {e}")))
}
