//! Against a real broker and the mock.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use super::*;

const LIMIT: Duration = Duration::from_secs(30);

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

async fn send(producer: &FutureProducer, text: &str) {
    producer.send(FutureRecord::<(), _>::to("kept").payload(text), LIMIT).await.unwrap();
}

async fn first(brokers: &str) -> String {
    let mut config = client(brokers);
    let consumer: StreamConsumer = config
        .set("group.id", "g")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&["kept"]).unwrap();
    let message = tokio::time::timeout(LIMIT, consumer.recv()).await.unwrap().unwrap();
    String::from_utf8(message.payload().unwrap().to_vec()).unwrap()
}

/// The kill comes right after the commit was acknowledged: without `fence` in the script the record never becomes
/// readable.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_committed_survives_a_kill_and_a_move_to_another_port() {
    assert!(available(), "java and mvn are needed");
    let home = tempfile::tempdir().unwrap();
    let mut broker = DevKafka::start(home.path(), ports::free().unwrap()).unwrap();
    let admin: AdminClient<DefaultClientContext> = client(&broker.brokers()).create().unwrap();
    let created = admin
        .create_topics(&[NewTopic::new("kept", 1, TopicReplication::Fixed(1))], &AdminOptions::new())
        .await
        .unwrap();
    assert!(created.iter().all(Result::is_ok), "{created:?}");

    let producer: FutureProducer = client(&broker.brokers()).set("transactional.id", "t").create().unwrap();
    producer.init_transactions(LIMIT).unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, "aborted").await;
    producer.abort_transaction(LIMIT).unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, "committed").await;
    producer.commit_transaction(LIMIT).unwrap();

    broker.kill().unwrap();
    assert!(!ports::answers(broker.port));
    broker.restart().unwrap();
    assert_eq!(first(&broker.brokers()).await, "committed");
    broker.stop().unwrap();
    drop(broker);
    let broker = DevKafka::start(home.path(), ports::free().unwrap()).unwrap();
    assert_eq!(first(&broker.brokers()).await, "committed");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = DevKafka::start(home.path(), port).err().unwrap().to_string();
    assert!(refused.contains(&format!("port {port} or")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mock_takes_and_gives_records() {
    let mock = MockKafka::start(&[("kept", 2)]).unwrap();
    let producer: FutureProducer = client(&mock.brokers()).create().unwrap();
    send(&producer, "hello").await;
    assert_eq!(first(&mock.brokers()).await, "hello");
}
