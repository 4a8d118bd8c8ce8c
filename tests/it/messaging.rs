//! The way to Kafka by TLS, which only a Florin with the feature `kafka-tls` has: `make test-kafka-tls`.

use std::time::Duration;

use florin::runtime;
use florin::settings::{Mode, Settings, Sources};
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::admission::mutual_tls::certificates;
use crate::harness::tls::{Preamble, TlsFront};

// Fails when the certificate, or the name in it, is not checked.
#[tokio::test(flavor = "multi_thread")]
async fn brokers_are_reached_by_a_certificate_that_is_trusted_and_theirs_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names the test broker: run `make up`");
    let front = TlsFront::start(&brokers, folder.path(), Preamble::Nothing).await;
    let brokers_of_cluster = async |host: &str, ca: &str| {
        let (broker, ca) = (format!("{host}:{}", front.port), folder.path().join(ca).to_str().unwrap().to_owned());
        let given = [("KAFKA_BROKERS", broker.as_str()), ("KAFKA_TLS", "true"), ("KAFKA_CA_FILE", ca.as_str())];
        let environment = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (settings, _) = Settings::load(&Sources { environment, ..Sources::default() }, Mode::Tool).unwrap();
        let consumer: BaseConsumer = runtime::kafka(&settings).client().create().unwrap();
        let asked = move || consumer.fetch_metadata(None, Duration::from_secs(5)).map(|found| found.brokers().len());
        tokio::task::spawn_blocking(asked).await.unwrap().map_err(|error| error.to_string())
    };
    assert_eq!(brokers_of_cluster("127.0.0.1", "ca.pem").await, Ok(1));
    for (host, ca) in [("127.0.0.1", "other.pem"), ("127.0.0.2", "ca.pem")] {
        assert!(brokers_of_cluster(host, ca).await.is_err(), "{host} {ca}");
    }
}
