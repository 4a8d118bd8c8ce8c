use std::time::Instant;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

async fn listening(router: Router, head_timeout: Duration) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let config = RestConfig { listen: address, connections_max: 4, tls: None, head_timeout };
    let listening = Listening { config, router, tls: None, stopped };
    (address, stop, tasks::spawn(async move { listening.serve(listener).await.unwrap() }))
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await;
    read.expect("the connection ends").expect("it ends in order");
    String::from_utf8(said).unwrap()
}

/// Mutation that it catches: no header_read_timeout.
#[tokio::test]
async fn a_connection_that_says_half_a_request_is_cut() {
    let (address, _stop, _ended) = listening(Router::new(), Duration::from_millis(50)).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: florin\r\nx-slow: ").await.unwrap();
    let said = read_to_end(&mut slow).await;
    assert!(said.is_empty() || said.contains("408"), "{said}");
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
