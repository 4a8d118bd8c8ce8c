//! Thousands who watch and hear nothing: what they cost, and that each hears what is its own.

use std::net::SocketAddr;
use std::time::Duration;

use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_client::LedgerClient;
use futures::{StreamExt, stream};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::florin::Server;
use super::site::Site;
use crate::harness::{TestDatabase, payment};

const WATCHERS: usize = 5_000;
/// What all of them may cost.
const KIB_MAX: u64 = 100 << 10;
/// The account, of those that are watched, that is paid in the end, and one that is not.
const PAID: usize = 4_321;
const SILENT: usize = 1_234;
const WITHIN: Duration = Duration::from_secs(10);
/// Calls on one connection, fewer than the server takes.
const STREAMS: usize = 1_000;

fn account(n: usize) -> String {
    format!("watched-{n}")
}

/// Accounts with nothing in them and no event.
async fn open_accounts(database: &TestDatabase) {
    let sql = "WITH opened AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency) \
                 SELECT 'default', 'watched-' || n, 1, 1, 'USD' FROM generate_series(0, $1::bigint - 1) n RETURNING id) \
               INSERT INTO balances (account, floor) SELECT id, 0 FROM opened";
    sqlx::query(sql).bind(i64::try_from(WATCHERS).unwrap()).execute(&database.pool).await.unwrap();
    database.account("payer", 10_00).await;
}

/// A server that has served, whose accounts are open.
async fn started() -> (Site, Server) {
    let site = Site::new().await.with("CONNECTIONS_ADDRESS_PERCENT", "100"); // all come from one address
    open_accounts(&site.database).await;
    let server = site.serve().await;
    pay(&server, "first", SILENT + 1).await;
    (site, server)
}

async fn pay(server: &Server, key: &str, to: usize) {
    let paid =
        server.client().authorize_payment(payment(key, "payer", &account(to), 1, "USD")).await.unwrap().into_inner();
    assert_eq!(paid.error, None);
}

/// Asks for files for all who watch, and for others that run beside; false if the system allows too few.
fn files_are_enough() -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let needed = 2 * u64::try_from(WATCHERS).unwrap();
    if hard < needed {
        println!("skipped: {WATCHERS} watchers need {needed} open files, the system allows {hard}");
        return false;
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(needed), hard).unwrap();
    true
}

/// Whoever watches is there: what all of them cost.
fn cost(server: &Server, before: u64, what: &str) {
    let cost = server.process.rss_kib().saturating_sub(before);
    println!(
        "{WATCHERS} {what} cost {} MiB, {} bytes each",
        cost >> 10,
        (cost << 10) / u64::try_from(WATCHERS).unwrap()
    );
    assert!(cost < KIB_MAX, "{WATCHERS} {what} cost {cost} KiB");
}

/// A request that has been answered by a stream of events.
async fn watch(at: SocketAddr, account: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request =
        format!("GET /api/v1/events/accounts/{account} HTTP/1.1\r\nHost: florin\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = hear(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    stream
}

/// Reads until this has come.
async fn hear(stream: &mut TcpStream, what: &str) -> String {
    let mut heard = String::new();
    let reading = async {
        while !heard.contains(what) {
            let mut bytes = [0; 4_096];
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "the stream ended with {heard:?}");
            heard.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    };
    tokio::time::timeout(WITHIN, reading).await.unwrap_or_else(|_| panic!("no {what:?}"));
    heard
}

// Fails when a connection keeps buffers of the sizes that the libraries choose.
#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_idle_watchers_over_rest_cost_less_than_100_mib() {
    if !files_are_enough() {
        return;
    }
    let (site, server) = started().await;
    drop(watch(server.http, &account(PAID)).await);
    let before = server.process.rss_kib();
    let mut watchers: Vec<TcpStream> =
        stream::iter(0..WATCHERS).map(async |n| watch(server.http, &account(n)).await).buffered(64).collect().await;
    cost(&server, before, "watchers over REST");
    pay(&server, "second", PAID).await;
    let heard = hear(&mut watchers[PAID], "BalanceChanged").await;
    assert!(heard.contains(&account(PAID)), "{heard}");
    let mut bytes = [0; 4_096];
    let silent = watchers[SILENT]
        .try_read(&mut bytes)
        .map_or_else(|_| String::new(), |count| String::from_utf8_lossy(&bytes[..count]).into_owned());
    assert!(!silent.contains("event:"), "it heard what was another's: {silent}");
    drop(watchers);
    assert_eq!(server.terminate(Duration::from_secs(8)).0, 0);
    site.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_idle_watchers_over_grpc_cost_less_than_100_mib() {
    let (site, server) = started().await;
    let mut channels = Vec::new();
    for _ in 0..WATCHERS / STREAMS {
        channels.push(Channel::from_shared(format!("http://{}", server.grpc)).unwrap().connect().await.unwrap());
    }
    let watch = async |n: usize| -> Streaming<pb::WatchEventsResponse> {
        let request = pb::WatchEventsRequest { account_id: account(n), ..Default::default() };
        LedgerClient::new(channels[n % channels.len()].clone()).watch_events(request).await.unwrap().into_inner()
    };
    drop(watch(PAID).await);
    let before = server.process.rss_kib();
    let mut watchers: Vec<_> = stream::iter(0..WATCHERS).map(watch).buffered(64).collect().await;
    cost(&server, before, "watchers over gRPC");
    pay(&server, "second", PAID).await;
    let heard =
        tokio::time::timeout(WITHIN, watchers[PAID].message()).await.expect("the event comes").unwrap().unwrap();
    assert!(heard.body.contains(&account(PAID)), "{heard:?}");
    drop((watchers, channels));
    assert_eq!(server.terminate(Duration::from_secs(8)).0, 0);
    site.verify();
}

/// Watchers that come back, and the payments that each of them has missed.
const BACK: usize = 600;
const MISSED: usize = 450;

// Fails when each keeps a page of what it has missed: they would cost 190 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_watchers_that_come_back_and_take_nothing_cost_less_than_100_mib() {
    let (site, server) = started().await;
    stream::iter(0..MISSED).for_each_concurrent(32, async |n| pay(&server, &format!("k{n}"), PAID).await).await;
    let connect = async || {
        let endpoint = Channel::from_shared(format!("http://{}", server.grpc)).unwrap();
        endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535).connect().await.unwrap()
    };
    let watch = async |channel: &Channel| -> Streaming<pb::WatchEventsResponse> {
        let request = pb::WatchEventsRequest { after_event_id: "1".into(), ..Default::default() };
        LedgerClient::new(channel.clone()).watch_events(request).await.unwrap().into_inner()
    };
    let all = async |events: &mut Streaming<pb::WatchEventsResponse>| {
        let mut count = 0;
        while count < MISSED {
            count += usize::from(tokio::time::timeout(6 * WITHIN, events.message()).await.unwrap().unwrap().is_some());
        }
    };
    let (mut first, crowd) = (watch(&connect().await).await, connect().await);
    all(&mut first).await;
    let before = server.process.rss_kib();
    let back: Vec<_> = stream::iter(0..BACK).map(async |_| watch(&crowd).await).buffered(64).collect().await;
    let mut last = watch(&connect().await).await;
    all(&mut last).await; // it has its turns behind all others
    let cost = server.process.rss_kib().saturating_sub(before);
    println!("{BACK} watchers that came back cost {} MiB", cost >> 10);
    assert!(cost < KIB_MAX, "{BACK} watchers that came back cost {cost} KiB");
    drop((first, back, last, crowd));
    assert_eq!(server.terminate(Duration::from_secs(8)).0, 0);
    site.verify();
}
