//! Over REST as over gRPC: every outcome of a server that answers, refuses, hangs up and delays is counted, on a
//! bounded number of connections.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use florin_load::address;
use florin_load::mix::{Chooser, Mix};
use florin_load::outcome::Outcome;
use florin_load::rest::{CONNECTIONS_MAX, RestDial, RestPayer};
use florin_load::run::{PATIENCE, Timing, closed, open};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use uuid::Uuid;

const MOODS: usize = 10;
/// The mood that never answers.
const SILENT: usize = 8;

/// Answers by the amount asked for, and counts what it did.
#[derive(Default)]
struct Moody {
    asked: [AtomicU64; MOODS],
    open: AtomicUsize,
    most_open: AtomicUsize,
    keys: Mutex<HashSet<Uuid>>,
    clients: Mutex<HashSet<String>>,
}

/// What comes on the wire for a request, and whether the connection lives on.
enum Answer {
    Text(String, bool),
    Nothing,
    HangUp,
}

fn refusal(status: &str, code: &str) -> Answer {
    let body = format!(
        r#"{{"statusCode":0,"error":"no","code":"{code}","message":"no","timestamp":"","path":"/","correlationId":"c"}}"#
    );
    Answer::Text(
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        true,
    )
}

impl Moody {
    fn asked(&self, mood: usize) -> u64 {
        self.asked[mood].load(Ordering::Relaxed)
    }

    fn total(&self) -> u64 {
        (0..MOODS).map(|mood| self.asked(mood)).sum()
    }

    /// Checks what was sent, too: what is no transfer of the accounts REST API is not answered, and so not counted as
    /// paid.
    async fn answer(&self, head: &str, body: &[u8]) -> Answer {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        assert!(head.starts_with("POST /api/v1/transactions/transfer HTTP/1.1\r\n"), "{head}");
        let header = |name: &str| {
            head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned())).unwrap()
        };
        assert_eq!(
            (header("content-type").as_str(), header("host").starts_with("127.0.0.1:")),
            ("application/json", true)
        );
        assert!(text("sourceAccountId").starts_with("load-") && text("destinationAccountId").starts_with("load-"));
        assert_ne!(body["sourceAccountId"], body["destinationAccountId"]);
        assert_eq!((text("currency").as_str(), body.as_object().unwrap().len()), ("USD", 5));
        assert!(self.keys.lock().unwrap().insert(text("idempotencyKey").parse().unwrap()), "a key is used once");
        self.clients.lock().unwrap().insert(header("x-client-id"));
        let (units, cents) =
            text("amount").split_once('.').map(|(units, cents)| (units.to_owned(), cents.to_owned())).unwrap();
        assert_eq!(cents.len(), 2);
        let cents: usize = units.parse::<usize>().unwrap() * 100 + cents.parse::<usize>().unwrap();
        let mood = cents % MOODS;
        let before = self.asked[mood].fetch_add(1, Ordering::Relaxed);
        let paid = r#"{"debitTransactionId":"x","status":"pending"}"#;
        match mood {
            0 => refusal("400 Bad Request", "INSUFFICIENT_BALANCE"),
            1 => refusal("400 Bad Request", "VALIDATION_FAILED"),
            2 => refusal("409 Conflict", "DUPLICATE_TRANSACTION"),
            3 => refusal("429 Too Many Requests", "RATE_LIMIT"),
            4 if before.is_multiple_of(2) => Answer::HangUp,
            // and hangs up
            4 => Answer::Text("HTTP/1.1 201 Created\r\ncontent-length: 1000\r\n\r\n{\"debit".to_owned(), false),
            5 => {
                tokio::time::sleep(Duration::from_millis(30)).await;
                Answer::Text(
                    format!(
                        "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{paid}\r\n0\r\n\r\n",
                        paid.len()
                    ),
                    true,
                )
            }
            6 => refusal("503 Service Unavailable", "OUTCOME_UNKNOWN"),
            7 => refusal("429 Too Many Requests", "IN_FLIGHT_LIMIT"),
            SILENT => Answer::Nothing,
            // Every other time the server closes the connection behind its answer, and says so.
            _ if before.is_multiple_of(2) => Answer::Text(
                format!("HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{paid}", paid.len()),
                false,
            ),
            _ => Answer::Text(format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{paid}", paid.len()), true),
        }
    }

    async fn talk(&self, stream: TcpStream) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_open.fetch_max(open, Ordering::Relaxed);
        let mut stream = BufReader::new(stream);
        let mut last = None;
        while last.is_none()
            && let Some((head, body)) = read(&mut stream).await
        {
            match self.answer(&head, &body).await {
                Answer::Text(text, true) => stream.write_all(text.as_bytes()).await.unwrap(),
                Answer::Text(text, false) => last = Some(text),
                Answer::HangUp => last = Some(String::new()),
                Answer::Nothing => drop(stream.read(&mut [0; 1]).await), // until the client gives up
            }
        }
        self.open.fetch_sub(1, Ordering::Relaxed); // before the client can know
        let _ = stream.write_all(last.unwrap_or_default().as_bytes()).await;
    }
}

/// A request's head and body; none at the end.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

async fn serve(moody: Arc<Moody>) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let moody = moody.clone();
            open.spawn(async move { moody.talk(stream).await });
        }
    });
    (address, tasks)
}

fn dial(address: SocketAddr, connections: usize) -> RestDial {
    RestDial {
        address: address::rest(&format!("http://{address}")).unwrap(),
        connections,
        clients: 8,
        prefix: "load-".into(),
    }
}

#[tokio::test]
async fn every_outcome_of_a_server_that_refuses_hangs_up_and_delays_is_counted() {
    let moody = Arc::new(Moody::default());
    let (address, _tasks) = serve(moody.clone()).await;
    let payer = RestPayer::connect(&dial(address, 64)).await.unwrap();
    let chooser = Chooser::new(Mix::Uniform, 10, 1).unwrap();
    // One in ten is never answered and keeps its connection until the tool gives up: fewer than there are connections.
    let timing = Timing { warm_up: Duration::ZERO, run: Duration::from_millis(400) };
    let figures = open(Arc::new(payer), &chooser, 1_000.0, timing).await.unwrap();
    let sent: Vec<u64> = (0..MOODS).map(|mood| moody.asked(mood)).collect();
    assert_eq!(sent.iter().sum::<u64>(), 400, "each payment that was due was asked for once");
    let expected = [
        (Outcome::Declined, sent[0]),
        (Outcome::Status(400), sent[1]),
        (Outcome::Duplicate, sent[2]),
        (Outcome::RateLimited, sent[3]),
        (Outcome::Transport, sent[4]),
        (Outcome::Status(503), sent[6]),
        (Outcome::Status(429), sent[7]),
        (Outcome::Unanswered, sent[SILENT]),
        (Outcome::Paid, sent[5] + sent[9]),
    ];
    for (outcome, n) in expected {
        assert!(n > 15, "{outcome:?} was hardly tried: {n}");
        assert_eq!(figures.outcomes.of(outcome), n, "{outcome:?} of {figures}");
    }
    assert_eq!((figures.outcomes.total(), figures.errors), (400, 400 - sent[5] - sent[9]));
    assert!(
        figures.latency_ms.p99 >= PATIENCE.as_secs_f64() * 1000.0 * 0.99,
        "those that were never answered are in the percentiles: {figures}"
    );
    assert_eq!(moody.keys.lock().unwrap().len(), 400);
    assert_eq!(moody.clients.lock().unwrap().len(), 8);
    assert!(moody.most_open.load(Ordering::Relaxed) <= 64);
}

/// Answers each request after 10 ms with 201.
async fn slow() -> (SocketAddr, Arc<AtomicUsize>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, accepted) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (count, mut tasks) = (accepted.clone(), JoinSet::new());
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            open.spawn(async move {
                let mut stream = BufReader::new(stream);
                while read(&mut stream).await.is_some() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
                }
            });
        }
    });
    (address, accepted, tasks)
}

#[tokio::test]
async fn connections_are_kept_and_the_wait_for_one_is_part_of_the_latency() {
    let (address, accepted, _tasks) = slow().await;
    let payer = RestPayer::connect(&dial(address, 4)).await.unwrap();
    let timing = Timing { warm_up: Duration::ZERO, run: Duration::from_millis(600) };
    let figures = closed(Arc::new(payer), &Chooser::new(Mix::Uniform, 10, 1).unwrap(), 16, timing).await.unwrap();
    assert_eq!((figures.errors, accepted.load(Ordering::Relaxed)), (0, 4), "{figures}");
    // 16 in flight over 4 connections: each is asked for 10 ms, and waits for three before it.
    assert!(figures.latency_ms.p50 >= 38.0, "{figures}");
}

#[tokio::test]
async fn a_server_that_hangs_up_between_requests_is_dialled_again() {
    let moody = Arc::new(Moody::default());
    let (address, mut tasks) = serve(moody.clone()).await;
    let payer = Arc::new(RestPayer::connect(&dial(address, 2)).await.unwrap());
    tasks.shutdown().await; // all connections with it
    let listener = TcpListener::bind(address).await.unwrap();
    let mut tasks = JoinSet::new();
    let again = moody.clone();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let moody = again.clone();
            open.spawn(async move { moody.talk(stream).await });
        }
    });
    let timing = Timing { warm_up: Duration::ZERO, run: Duration::from_millis(20) };
    let figures = open(payer, &Chooser::new(Mix::Uniform, 10, 1).unwrap(), 100.0, timing).await.unwrap();
    assert_eq!((figures.outcomes.total(), moody.total()), (2, 2), "both arrived: {figures}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_counted_as_transport_and_too_many_connections_are_refused() {
    let moody = Arc::new(Moody::default());
    let (address, mut tasks) = serve(moody).await;
    for connections in [0, CONNECTIONS_MAX + 1] {
        assert!(RestPayer::connect(&dial(address, connections)).await.is_err(), "{connections}");
    }
    let payer = Arc::new(RestPayer::connect(&dial(address, 2)).await.unwrap());
    tasks.shutdown().await;
    let timing = Timing { warm_up: Duration::ZERO, run: Duration::from_millis(100) };
    let figures = closed(payer, &Chooser::new(Mix::Uniform, 10, 1).unwrap(), 4, timing).await.unwrap();
    assert!(figures.outcomes.total() > 0, "{figures}");
    assert_eq!(figures.outcomes.of(Outcome::Transport), figures.outcomes.total(), "{figures}");
    assert!(RestPayer::connect(&dial(address, 1)).await.is_err());
}
