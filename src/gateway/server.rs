//! The gRPC listener: services, reflection, health, limits, and what every call carries beside its message.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Request;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::florin_v1::FlorinV1;
use super::ledger::Ledger;
use super::payment_v1::PaymentV1;
use crate::protocol::pb::DESCRIPTORS;
use crate::protocol::pb::florin_v1::ledger_server::LedgerServer;
use crate::protocol::pb::payment_v1::payment_service_server::PaymentServiceServer;
use crate::supervision::health::{Health, Overall};
use crate::supervision::tasks;

/// How the listener is set up.
#[derive(Clone)]
pub struct GrpcConfig {
    /// Where to listen; port 0: any free one.
    pub listen: SocketAddr,
    /// Bytes of a message, in either direction.
    pub message_bytes_max: usize,
    /// Streams of one connection.
    pub streams_max: u32,
}

/// What health is asked about: the whole, and each service.
const SERVICES: [&str; 3] = ["", "payment.v1.PaymentService", "florin.v1.Ledger"];

/// A running listener.
pub struct GrpcServer {
    /// Where it really listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

impl GrpcServer {
    /// Listens and serves.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(config: GrpcConfig, ledger: Ledger, health: Health) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let (stop, mut stopped) = watch::channel(false);
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let mut overall = health.watch();
        let mut until = stop.subscribe();
        tasks::spawn(async move {
            loop {
                let status = match *overall.borrow_and_update() {
                    Overall::Serving | Overall::Degraded => tonic_health::ServingStatus::Serving,
                    Overall::NotServing => tonic_health::ServingStatus::NotServing,
                };
                for service in SERVICES {
                    reporter.set_service_status(service, status).await;
                }
                tokio::select! {
                    changed = overall.changed() => if changed.is_err() { break },
                    _ = until.wait_for(|stopped| *stopped) => break,
                }
            }
            for service in SERVICES {
                reporter.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
            }
        });
        let reflection = |v1: bool| {
            let builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            (v1, builder)
        };
        let native = LedgerServer::new(FlorinV1::new(ledger.clone(), config.message_bytes_max, stop.subscribe()))
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(config.message_bytes_max)
            .max_encoding_message_size(config.message_bytes_max);
        let payment = PaymentServiceServer::new(PaymentV1::new(ledger))
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(config.message_bytes_max)
            .max_encoding_message_size(config.message_bytes_max);
        let server = Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .max_concurrent_streams(Some(config.streams_max))
            .tcp_nodelay(true)
            .add_service(health_service)
            .add_service(reflection(true).1.build_v1().map_err(io::Error::other)?)
            .add_service(reflection(false).1.build_v1alpha().map_err(io::Error::other)?)
            .add_service(payment)
            .add_service(native);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serve = server.serve_with_incoming_shutdown(incoming, async move { drop(stopped.wait_for(|stopped| *stopped).await) });
        let ended = tasks::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the gRPC listener ended");
            }
        });
        Ok(Self { address, stop, ended })
    }

    /// Stops accepting, lets what is running finish for at most `patience`, and ends.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        let abort = self.ended.abort_handle();
        if tokio::time::timeout(patience, self.ended).await.is_err() {
            abort.abort();
        }
    }
}

/// Whose accounts and keys a call is about.
pub fn tenant<T>(_request: &Request<T>) -> Arc<str> {
    "default".into()
}

/// The caller's own deadline, from `grpc-timeout`: up to 8 digits and a unit.
pub fn caller_deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

/// The caller's correlation id, within its bounds.
pub fn correlation(metadata: &MetadataMap) -> Option<String> {
    let id = metadata.get("x-correlation-id").or_else(|| metadata.get("x-request-id"))?.to_str().ok()?;
    (1..=128).contains(&id.len()).then(|| id.to_owned())
}
