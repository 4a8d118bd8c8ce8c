use std::time::Instant;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

async fn listening(router: Router, head_timeout: Duration) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    listening_until(router, head_timeout, Duration::from_secs(3_600)).await
}

async fn listening_until(
    router: Router,
    head_timeout: Duration,
    age_max: Duration,
) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let connections_max = ConnectionsMax { all: 4, address_percent: 100 };
    let idle_timeout = Duration::from_secs(80);
    let config = HttpServerConfig { listen: address, connections_max, tls: None, head_timeout, idle_timeout, age_max };
    let listening = Listening { config, router, stopped };
    (address, stop, tasks::spawn(async move { listening.serve(listener).await.unwrap() }))
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await;
    read.expect("the connection ends").expect("it ends in order");
    String::from_utf8(said).unwrap()
}

/// Mutation that it catches: the connection does not look how long a head takes.
#[tokio::test]
async fn a_connection_that_says_half_a_request_is_cut() {
    let (address, _stop, _ended) = listening(Router::new(), Duration::from_millis(50)).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: florin\r\nx-slow: ").await.unwrap();
    let said = read_to_end(&mut slow).await;
    assert!(said.is_empty() || said.contains("408"), "{said}");
}

/// Mutation that it catches: silence between two requests counts as a head that takes too long.
#[tokio::test]
async fn a_connection_may_be_silent_between_two_requests_for_longer_than_a_head_may_take() {
    let router = Router::new().route("/short", get(async || "short"));
    let (address, _stop, _ended) = listening(router, Duration::from_millis(50)).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        client.write_all(b"GET /short HTTP/1.1\r\nhost: florin\r\n\r\n").await.unwrap();
        read_until(&mut client, "\r\n\r\nshort").await;
        let silent = tokio::time::timeout(Duration::from_millis(300), client.read_u8()).await;
        assert!(silent.is_err(), "it is still open: {silent:?}");
    }
}

/// Mutation that it catches: a connection is never too old.
#[tokio::test]
async fn a_connection_that_is_old_answers_once_more_and_ends() {
    let router = Router::new().route("/short", get(async || "short"));
    let (address, _stop, _ended) = listening_until(router, Duration::from_secs(20), Duration::ZERO).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /short HTTP/1.1\r\nhost: florin\r\n\r\n").await.unwrap();
    let said = read_to_end(&mut client).await;
    assert!(
        said.starts_with("HTTP/1.1 200") && said.contains("connection: close") && said.ends_with("short"),
        "{said}"
    );
}

/// Mutation that it catches: connections are dropped when the listener stops.
#[tokio::test]
async fn what_was_asked_before_the_stop_is_answered_after_it() {
    let (asked, mut was_asked) = tokio::sync::mpsc::channel::<()>(1);
    let go_on = Arc::new(tokio::sync::Notify::new());
    let gate = go_on.clone();
    let answer = move || async move {
        let _ = asked.send(()).await;
        gate.notified().await;
        "done"
    };
    let (address, stop, ended) = listening(Router::new().route("/", get(answer)), Duration::from_secs(20)).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: florin\r\n\r\n").await.unwrap();
    was_asked.recv().await.unwrap();
    stop.send_replace(true);
    go_on.notify_one();
    let said = read_to_end(&mut client).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("done"), "{said}");
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

/// Mutation that it catches: the drain waits for connections that are only open.
#[tokio::test]
async fn a_silent_connection_holds_no_drain_up_for_longer_than_its_patience() {
    let (address, stop, ended) = listening(Router::new(), Duration::from_secs(20)).await;
    let _silent = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    wind_up(&stop, ended, Duration::from_secs(20), std::future::ready(())).await;
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// Says when it is dropped.
struct Held(watch::Sender<bool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// A route whose answer begins and then says nothing more; the second hears of its end.
fn endless() -> (Router, watch::Receiver<bool>) {
    let (dropped, is_dropped) = watch::channel(false);
    let answer = move || async move {
        let held = Held(dropped);
        let begun = futures::stream::iter([Ok::<_, io::Error>("begun")]);
        let silent = futures::stream::once(async move {
            let _held = held;
            std::future::pending().await
        });
        let mut response = axum::response::Response::new(Body::from_stream(begun.chain(silent)));
        response.extensions_mut().insert(Endless("stopped"));
        response
    };
    (Router::new().route("/short", get(async || "short")).route("/", get(answer)), is_dropped)
}

async fn read_until(stream: &mut TcpStream, what: &str) -> String {
    let mut said = String::new();
    while !said.contains(what) {
        let mut bytes = [0; 256];
        let count = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut bytes))
            .await
            .expect("something comes")
            .unwrap();
        assert!(count > 0, "it ended with {said:?}");
        said.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    said
}

/// Mutations that it catches: a stream is cut without its last word when the listener stops; the drain waits for it; an
/// answer before it on the same connection is lost; a HEAD is answered with a body.
#[tokio::test]
async fn a_stream_without_end_is_told_of_the_stop() {
    let before = "GET /short HTTP/1.1\r\nhost: florin\r\n\r\n";
    for (before, version, end) in
        [("", "1.1", "7\r\nstopped\r\n0\r\n\r\n"), (before, "1.1", "stopped\r\n0\r\n\r\n"), ("", "1.0", "begunstopped")]
    {
        let (address, stop, ended) = listening(endless().0, Duration::from_secs(20)).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(format!("{before}GET / HTTP/{version}\r\nhost: florin\r\n\r\n").as_bytes()).await.unwrap();
        let mut said = read_until(&mut client, "begun").await;
        stop.send_replace(true);
        said.push_str(&read_to_end(&mut client).await);
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with(end), "{said:?}");
        assert_eq!(
            (said.contains("short"), said.contains("transfer-encoding: chunked")),
            (!before.is_empty(), version == "1.1"),
            "{said:?}"
        );
        tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap().unwrap();
    }
    let (address, _stop, _ended) = listening(endless().0, Duration::from_secs(20)).await;
    let mut head = TcpStream::connect(address).await.unwrap();
    head.write_all(b"HEAD / HTTP/1.1\r\nhost: florin\r\nconnection: close\r\n\r\n").await.unwrap();
    let said = read_to_end(&mut head).await;
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with("\r\n\r\n"), "{said:?}");
}

/// Mutation that it catches: nobody looks whether the client of a silent stream is still there.
#[tokio::test]
async fn a_client_that_leaves_a_silent_stream_is_noticed() {
    let (router, mut is_dropped) = endless();
    let (address, _stop, _ended) = listening(router, Duration::from_secs(20)).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: florin\r\n\r\n").await.unwrap();
    read_until(&mut client, "begun").await;
    assert!(!*is_dropped.borrow());
    drop(client);
    tokio::time::timeout(Duration::from_secs(20), is_dropped.wait_for(|dropped| *dropped))
        .await
        .expect("the stream is dropped")
        .unwrap();
}
