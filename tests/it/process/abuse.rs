//! The port abused in every way that came to mind, while others pay.

mod crowd;
mod raw;

use std::process::Command;
use std::time::{Duration, Instant};

use florin_wire::payment_v1 as pb;
use tonic::Code;
use tonic::transport::Channel;

use self::crowd::Crowd;
use self::raw::{Raw, grpc_post, random_bytes};
use super::florin::{Process, Server, client};
use super::load::{Load, account, open_accounts, quantile};
use super::site::Site;
use crate::harness::{payment, until};

/// RSS may grow by no more than this, whatever comes: 10,000 connections that speak HTTP/2 cost about 30 KiB each in a
/// debug build.
const RSS_MIB_MAX: u64 = 1_024;
/// The payers' latency meanwhile, on a machine that the abuse has to share.
const P99_MAX: Duration = Duration::from_millis(2_500);

/// Payers and newcomers are served while `abuse` goes on; answers what it says.
async fn meanwhile<T>(what: &str, server: &Server, load: &Load, abuse: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let (answer, ()) = tokio::join!(abuse, async {
        load.more(60).await;
        let mut newcomer = client(server.grpc);
        let newcomer = newcomer.get_account_balance(pb::GetAccountBalanceRequest { account_id: account(0) });
        tokio::time::timeout(Duration::from_secs(10), newcomer)
            .await
            .expect("a newcomer is served within 10 s")
            .unwrap();
    });
    let calls = load.calls(began, Instant::now());
    let (p99, failed) = (quantile(&calls, 990), calls.iter().filter(|call| call.code != Code::Ok).count());
    println!(
        "{what}: {} payments, {failed} failed, p99 {p99:?}, {} MiB, {} files, {:?}",
        calls.len(),
        server.process.rss_mib(),
        server.process.files(),
        began.elapsed()
    );
    assert!(failed == 0 && p99 < P99_MAX, "{what}: {failed} failed, p99 {p99:?}");
    assert!(server.process.rss_mib() < RSS_MIB_MAX, "{what}: {} MiB", server.process.rss_mib());
    answer
}

/// Fails without the deadline on a connection's opening (half a preface stays for ever), without a bound on connections
/// or header lists, and when the process keeps the 1,024 files that the system allows at first: nobody else gets in
/// then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_thrown_at_the_port_others_are_served_and_all_is_released() {
    let site = Site::new().await.with("CONNECTIONS_ADDRESS_PERCENT", "100"); // all come from one address
    open_accounts(&site.database).await;
    let plain = site.command(&["serve"]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -Sn 1024; exec \"$0\" serve"]).arg(plain.get_program());
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let server = Server::of(Process::spawn(command)).await;
    server.serving().await;
    let load = Load::start(&[server.grpc], 4);
    load.more(50).await;
    let at = server.grpc;
    let files = server.process.files();

    let half: Vec<Raw> = futures::future::join_all((0..300).map(|_| async move {
        let mut raw = Raw::connect(at).await;
        raw.send(b"PRI * HTTP/2.0\r\n").await;
        raw
    }))
    .await;
    let half_since = Instant::now();

    meanwhile("random bytes", &server, &load, async {
        for n in 0..200 {
            let mut raw = Raw::connect(at).await;
            raw.send(&random_bytes(n, 4096)).await;
            raw.closed(Duration::from_secs(15)).await.expect("random bytes are hung up on");
        }
    })
    .await;

    meanwhile("random frames", &server, &load, async {
        for n in 0..100 {
            let mut raw = Raw::open(at).await;
            raw.send(&random_bytes(n, 4096)).await;
            raw.finish().await;
            raw.closed(Duration::from_secs(15)).await.expect("random frames are hung up on");
        }
    })
    .await;

    meanwhile("messages", &server, &load, messages(&server)).await;

    // Readers that never read: more requests than a connection may have at once, each with a large answer.
    let question = b"\0\0\0\0\x1b\x22\x19payment.v1.PaymentService";
    let requests: Vec<u8> = (0..1_200)
        .flat_map(|n| grpc_post(2 * n + 1, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", question))
        .collect();
    let slow = meanwhile("slow readers", &server, &load, async {
        let mut slow = Vec::new();
        for _ in 0..4 {
            let mut raw = Raw::open(at).await;
            raw.send_at_most(&requests, Duration::from_secs(1)).await;
            slow.push(raw);
        }
        slow
    })
    .await;
    drop(slow);

    meanwhile("endless headers", &server, &load, async {
        for _ in 0..8 {
            let mut raw = Raw::open(at).await;
            raw.send(&raw::frame(1, 0, 1, &[0x82])).await; // HEADERS without their end
            let more = raw::frame(9, 0, 1, &[0x82; 16_000]);
            for _ in 0..1_000 {
                if !raw.send_at_most(&more, Duration::from_secs(1)).await {
                    break;
                }
            }
            raw.closed(Duration::from_secs(15)).await.expect("endless headers are hung up on");
        }
    })
    .await;

    for mut raw in half {
        raw.closed(Duration::from_secs(20)).await.expect("half a preface is hung up on");
    }
    let half_for = half_since.elapsed();
    println!("half prefaces were released within {half_for:?}");

    for how in ["silent", "open"] {
        let crowd =
            meanwhile(&format!("10,000 {how} connections arrive"), &server, &load, Crowd::gather(at, 10_000, how))
                .await;
        meanwhile(&format!("10,000 {how} connections stay"), &server, &load, async {}).await;
        drop(crowd);
    }
    until("all connections are released", async || server.process.files() < files + 50).await;
    println!("{files} files before, {} after, {} MiB", server.process.files(), server.process.rss_mib());
    load.settle(&site).await;
    assert_eq!(server.terminate(Duration::from_secs(8)).0, 0);
}

/// The wrong wire types for a payment.
#[derive(Clone, PartialEq, prost::Message)]
struct Garbage {
    #[prost(uint64, tag = "1")]
    key: u64,
    #[prost(bytes = "vec", tag = "4")]
    amount: Vec<u8>,
}

/// Messages that are too large, or none: an error of gRPC each, and the connection goes on.
async fn messages(server: &Server) {
    let mut client = server.client();
    let good = async |client: &mut florin_wire::payment_v1::payment_service_client::PaymentServiceClient<Channel>| {
        client.get_account_balance(pb::GetAccountBalanceRequest { account_id: account(0) }).await.unwrap();
    };
    good(&mut client).await;
    for megabytes in [5, 20] {
        let mut large = payment("large", &account(0), &account(1), 1, "USD");
        large.description = "x".repeat(megabytes << 20);
        let refused = client.authorize_payment(large).await.unwrap_err();
        assert!(
            matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument),
            "{megabytes} MB: {refused:?}"
        );
        good(&mut client).await;
    }
    let mut wide = tonic::Request::new(payment("wide", &account(0), &account(1), 1, "USD"));
    wide.metadata_mut().insert("x-wide", "x".repeat(200 << 10).parse().unwrap());
    let refused = client.authorize_payment(wide).await.unwrap_err();
    println!("200 KiB of headers: {:?} {}", refused.code(), refused.message());
    good(&mut server.client()).await; // that connection may be over

    let channel = Channel::from_shared(format!("http://{}", server.grpc)).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    for n in 0..100 {
        grpc.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/payment.v1.PaymentService/AuthorizePayment");
        let codec = tonic_prost::ProstCodec::<Garbage, pb::AuthorizePaymentResponse>::default();
        let refused = grpc
            .unary(tonic::Request::new(Garbage { key: n, amount: random_bytes(n, 64) }), path, codec)
            .await
            .unwrap_err();
        assert!(matches!(refused.code(), Code::Internal | Code::InvalidArgument), "{refused:?}");
    }
}
