//! `florin events` against a broker in this process.

use std::process::{Command, Stdio};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

fn produce(brokers: &str, topic: &str, count: usize) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    for n in 0..count {
        let body = format!("{{\"n\":{n}}}");
        producer.send(BaseRecord::to(topic).key(&format!("key-{n}")).payload(&body)).unwrap();
    }
    producer.flush(Duration::from_secs(20)).unwrap();
}

fn command(brokers: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_florin"));
    command
        .env_clear()
        .arg("events")
        .args(["--kafka-brokers", brokers, "--data", "/nonexistent"])
        .args(args)
        .stdin(Stdio::null());
    command
}

#[test]
fn it_reads_all_topics_to_their_ends_and_stops() {
    let cluster = MockCluster::new(1).unwrap();
    let brokers = cluster.bootstrap_servers();
    for topic in ["shop.paymentauthorized", "shop.paymentdeclined"] {
        cluster.create_topic(topic, 3, 1).unwrap();
        produce(&brokers, topic, 20);
    }
    let ended = command(&brokers, &["--set", "kafka_topic_prefix=shop"]).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let lines: Vec<Value> = ended
        .stdout
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 40);
    for line in &lines {
        assert_eq!(line["key"], format!("key-{}", line["event"]["n"]));
    }
}

#[tokio::test]
async fn it_follows() {
    let cluster = MockCluster::new(1).unwrap();
    let brokers = cluster.bootstrap_servers();
    cluster.create_topic("t", 1, 1).unwrap();
    produce(&brokers, "t", 2);
    let mut command =
        tokio::process::Command::from(command(&brokers, &["--follow", "--from-beginning", "--topic", "t", "--plain"]));
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || {
        tokio::time::timeout(Duration::from_secs(30), lines.next_line())
            .await
            .expect("a line within 30 s")
            .unwrap()
            .unwrap()
    };
    assert_eq!([next().await, next().await], [r#"{"n":0}"#, r#"{"n":1}"#]);
    produce(&brokers, "t", 1);
    assert_eq!(next().await, r#"{"n":0}"#);
    child.kill().await.unwrap();
}

/// Needs a broker with transactions: runs where KAFKA_BROKERS names one.
#[tokio::test]
async fn only_what_was_committed_is_shown() {
    let Ok(brokers) = std::env::var("KAFKA_BROKERS") else {
        eprintln!("skipped: KAFKA_BROKERS names no broker");
        return;
    };
    let topic = format!("edge-{}", std::process::id());
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
    let made = admin
        .create_topics(&[NewTopic::new(&topic, 2, TopicReplication::Fixed(1))], &AdminOptions::new())
        .await
        .unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");

    let within = Duration::from_secs(20);
    let transactional = |id: &str| {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &brokers).set("transactional.id", format!("{topic}-{id}"));
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(within).unwrap();
        producer
    };
    let send = |producer: &BaseProducer, range: std::ops::Range<usize>| {
        producer.begin_transaction().unwrap();
        for n in range {
            producer.send(BaseRecord::to(&topic).key(&format!("key-{n}")).payload(&format!("{{\"n\":{n}}}"))).unwrap();
        }
        producer.flush(within).unwrap();
    };
    let (one, other) = (transactional("one"), transactional("other"));
    send(&one, 0..10);
    one.commit_transaction(within).unwrap();
    send(&one, 100..110);
    one.abort_transaction(within).unwrap();
    send(&one, 10..15);
    one.commit_transaction(within).unwrap();
    send(&other, 200..210); // left open

    let ended = command(&brokers, &["--topic", &topic, "--plain"]).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let mut seen: Vec<u64> =
        String::from_utf8(ended.stdout).unwrap().lines().map(|line| line[5..line.len() - 1].parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..15).collect::<Vec<_>>());
    let missing = command(&brokers, &["--topic", "nothing.here"]).output().unwrap();
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no topic nothing.here"), "{missing:?}");
    other.abort_transaction(within).unwrap();
    admin.delete_topics(&[&topic], &AdminOptions::new()).await.unwrap();
}
