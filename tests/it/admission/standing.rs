//! What becomes of an open stream when the key behind it is revoked.

use std::time::Duration;

use florin::protocol::record::Operator;
use florin::store::api_keys::{self, Scopes};
use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_client::LedgerClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status, Streaming};

use crate::gateway::native::post;
use crate::gateway::rest::client::Rest;
use crate::harness::served::Served;

/// How long a stream may go on: what is remembered of a key, and the time between two looks.
const WITHIN: Duration = Duration::from_secs(15);

/// How a stream ends, and that it does in time.
async fn end<T>(stream: &mut Streaming<T>) -> Status {
    let ended = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended without a word"),
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(WITHIN, ended).await.expect("it ends in time")
}

/// Fails when a stream is judged at its beginning alone: over gRPC where nothing is said and where messages come, and
/// over REST.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_key_is_revoked() {
    let served = Served::with(&[("AUTH_API_KEYS", "true"), ("AUTH_CACHE_SECONDS", "0.2")]).await;
    for (name, cents) in [("ann", 100_00), ("shop", 0)] {
        served.database.account(name, cents).await;
    }
    let pool = served.database.pool.clone();
    let (key, text) = api_keys::create(&pool, "default", Scopes::all(), "").await.unwrap();
    let bearer: MetadataValue<_> = format!("Bearer {text}").parse().unwrap();
    let mut client = LedgerClient::connect(format!("http://{}", served.runtime.grpc)).await.unwrap();

    let mut watching = Request::new(pb::WatchEventsRequest { account_id: "ann".into(), ..Default::default() });
    watching.metadata_mut().insert("authorization", bearer.clone());
    let mut events = client.watch_events(watching).await.unwrap().into_inner();
    let (say, said) = mpsc::channel(1);
    let mut posting = Request::new(ReceiverStream::new(said));
    posting.metadata_mut().insert("authorization", bearer);
    let message = |sequence, key: &str| pb::PostTransactionsRequest {
        sequence,
        transactions: vec![post(key, &[("ann", "shop", "1")])],
    };
    say.send(message(1, "before")).await.unwrap();
    let mut answers = client.post_transactions(posting).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    assert!(events.message().await.unwrap().is_some(), "it hears of what was posted");
    let rest = Rest::new(served.http);
    let live = rest.request(reqwest::Method::GET, "events/accounts/ann").bearer_auth(&text).send().await.unwrap();
    assert_eq!(live.status(), 200);

    let by = Operator { name: "cli:ops".into(), reason: "left the house".into(), address: None };
    api_keys::revoke(&pool, &key.id, &by).await.unwrap().unwrap();
    for ended in [end(&mut events).await, end(&mut answers).await] {
        assert_eq!(ended.code(), Code::Unauthenticated, "{ended}");
    }
    let heard = tokio::time::timeout(WITHIN, live.text()).await.expect("it ends in time").unwrap();
    assert!(heard.contains("StreamEnded") && heard.contains("revoked"), "{heard}");
    say.send(message(2, "after")).await.ok();
    assert_eq!(served.database.count("SELECT count(*) FROM transactions WHERE key IS NOT NULL").await, 1);
    drop((client, rest, say));
    served.stop().await;
}
