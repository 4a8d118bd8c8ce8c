//! Whoever watches and does not take what comes is told so and cut off, and goes on from its last event without a gap:
//! over real sockets.
//!
//! Each test names the mutation of the product that makes it fail.

use std::net::SocketAddr;
use std::time::Duration;

use florin::protocol::live::{Next, Subscription};
use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_client::LedgerClient;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::gateway::native::post;
use crate::harness::served::Served;

/// Batches of events that come out while a reader does not read: more than it may be behind, and than sockets keep for
/// it.
const BATCHES: usize = 380;
/// Postings of a transaction, so that its event fills sockets fast.
const POSTINGS: usize = 100;
const WITHIN: Duration = Duration::from_secs(10);

fn endpoint(served: &Served) -> Endpoint {
    Channel::from_shared(format!("http://{}", served.runtime.grpc)).unwrap()
}

/// Moves money until so many batches of events have come out.
async fn move_for(served: &Served, batches: usize) {
    let mut client = LedgerClient::new(endpoint(served).connect().await.unwrap());
    let mut coming: Subscription = served.runtime.ledger.active().unwrap().feed.subscribe();
    let mut come = 0;
    while come < batches {
        let moved = client
            .post_transaction(post("", &[("a", "b", "0.01"); POSTINGS]))
            .await
            .unwrap()
            .into_inner()
            .transaction
            .unwrap();
        assert_eq!(moved.decline, None);
        let mut heard = false;
        while !heard {
            let next = tokio::time::timeout(WITHIN, coming.next()).await.expect("a batch comes");
            let Next::Batch(batch) = next else { panic!("the feed ended") };
            heard = !batch.events.is_empty();
        }
        come += 1;
    }
}

async fn started() -> Served {
    let served = Served::start().await;
    served.database.account("a", 1_000_000_00).await;
    served.database.account("b", 0).await;
    served
}

async fn places(served: &Served) -> Vec<i64> {
    sqlx::query_scalar("SELECT seq FROM journal WHERE event IS NOT NULL AND n = 0 ORDER BY seq")
        .fetch_all(&served.database.pool)
        .await
        .unwrap()
}

/// A watcher whose connection takes no more than a few messages while nobody reads them.
async fn watch(served: &Served, after: &str) -> Streaming<pb::WatchEventsResponse> {
    let endpoint = endpoint(served).initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let request = pb::WatchEventsRequest { after_event_id: after.into(), ..Default::default() };
    LedgerClient::new(endpoint.connect().await.unwrap()).watch_events(request).await.unwrap().into_inner()
}

/// All that comes until the stream ends, or so many.
async fn take(events: &mut Streaming<pb::WatchEventsResponse>, count: usize) -> (Vec<i64>, Option<Status>) {
    let mut ids = Vec::new();
    while ids.len() < count {
        match tokio::time::timeout(WITHIN, events.message())
            .await
            .unwrap_or_else(|_| panic!("{} events, and no more", ids.len()))
        {
            Ok(event) => ids.push(event.expect("no end without a reason").id.parse().unwrap()),
            Err(status) => return (ids, Some(status)),
        }
    }
    (ids, None)
}

// Fails when a watcher that fell behind is let go on from where the feed is by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_over_grpc_is_told_so_and_goes_on_without_a_gap() {
    let served = started().await;
    let mut slow = watch(&served, "").await;
    move_for(&served, BATCHES).await;
    let (mut heard, ended) = take(&mut slow, usize::MAX).await;
    let ended = ended.unwrap();
    let reason = ended.get_details_error_info().map(|info| info.reason);
    assert_eq!((ended.code(), reason.as_deref()), (Code::ResourceExhausted, Some("WATCHER_TOO_SLOW")), "{ended:?}");
    let all = places(&served).await;
    assert!(!heard.is_empty() && heard.len() < all.len(), "{} of {}", heard.len(), all.len());
    let mut again = watch(&served, &heard.last().unwrap().to_string()).await;
    heard.extend(take(&mut again, all.len() - heard.len()).await.0);
    assert_eq!(heard, all);
    drop((slow, again));
    served.stop().await;
}

/// A reader of server-sent events whose socket takes little while nobody reads.
struct Reader {
    stream: TcpStream,
    /// What has come and is no whole event yet.
    text: String,
    /// Of each event its id and its data.
    events: Vec<(String, Value)>,
}

impl Reader {
    async fn to(at: SocketAddr, after: Option<&str>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        let mut stream = socket.connect(at).await.unwrap();
        let place = after.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        stream
            .write_all(format!("GET /api/v1/events/stream HTTP/1.1\r\nHost: florin\r\n{place}\r\n").as_bytes())
            .await
            .unwrap();
        let mut reader = Self { stream, text: String::new(), events: Vec::new() };
        while !reader.text.contains("\r\n\r\n") {
            assert!(reader.read().await, "it ended with {:?}", reader.text);
        }
        assert!(reader.text.starts_with("HTTP/1.1 200"), "{}", reader.text);
        reader
    }

    /// Reads on; false at the end.
    async fn read(&mut self) -> bool {
        let mut bytes = vec![0; 16 << 10];
        let read = tokio::time::timeout(WITHIN, self.stream.read(&mut bytes)).await;
        let count = read.unwrap_or_else(|_| panic!("nothing comes after {:?}", self.events.last())).unwrap();
        self.text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        while let Some((event, rest)) =
            self.text.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned()))
        {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if let Some(data) = field("data:") {
                self.events.push((field("id:").unwrap_or_default().to_owned(), serde_json::from_str(data).unwrap()));
            }
            self.text = rest;
        }
        count > 0 && !self.text.ends_with("\r\n0\r\n\r\n")
    }
}

// Fails when the stream ends without its last event, and when a watcher that fell behind is let go on from where the
// feed is by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_over_rest_is_told_so_and_goes_on_without_a_gap() {
    let served = started().await;
    let mut slow = Reader::to(served.http, None).await;
    move_for(&served, BATCHES).await;
    while slow.read().await {}
    let (id, last) = slow.events.pop().unwrap();
    assert_eq!((id.as_str(), &last["type"]), ("", &Value::from("StreamEnded")), "{last}");
    assert!(last["reason"].as_str().unwrap().starts_with("too slow"), "{last}");
    let frames = |id: i64| (0..2 * POSTINGS + 2).map(move |frame| format!("{id}.{frame}"));
    let expected: Vec<String> = places(&served).await.into_iter().flat_map(frames).collect();
    let heard = slow.events;
    assert!(!heard.is_empty() && heard.len() < expected.len(), "{} of {}", heard.len(), expected.len());
    let mut again = Reader::to(served.http, Some(&heard.last().unwrap().0)).await;
    while again.events.len() < expected.len() - heard.len() {
        assert!(again.read().await, "it ended");
    }
    let ids: Vec<String> = heard.into_iter().chain(again.events).map(|(id, _)| id).collect();
    assert_eq!(ids, expected);
    served.stop().await;
}
