//! The gRPC listener: services behind authentication, reflection, health, and the drain at the end. A listener that
//! ends by itself is started anew, by the restart policy.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use florin_wire::DESCRIPTORS;
use florin_wire::florin_v1::billing_server::BillingServer;
use florin_wire::florin_v1::ledger_server::LedgerServer;
use florin_wire::ledger::ledger_service_server::LedgerServiceServer;
use florin_wire::payment_v1::payment_service_server::PaymentServiceServer;
use futures::future::Either;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::admission::auth::Authenticator;
use crate::admission::connections::{Connections, ConnectionsMax};
use crate::admission::limits::Limits;
use crate::admission::tls::{Tls, secured};
use crate::gateway::florin_v1::grpc::FlorinV1;
use crate::gateway::grpc::deadline::Deadlines;
use crate::gateway::grpc::uncredited::{MESSAGE_BYTES_MAX, Uncredited};
use crate::gateway::listener::{CONNECTION_AGE_MAX, STREAM_AGE_MAX, ended_by_itself, listen, wind_up};
use crate::gateway::orders_v1::grpc::OrdersV1;
use crate::gateway::payment_v1::PaymentV1;
use crate::resilience::health::{Condition, Health, Overall, Part};
use crate::resilience::policy::History;
use crate::resilience::tasks;
use crate::teller::ledger::Ledger;

/// How the listener is set up.
#[derive(Clone)]
pub struct GrpcConfig {
    /// Where to listen; port 0: any free one.
    pub listen: SocketAddr,
    /// Bytes of a message, in either direction.
    pub message_bytes_max: usize,
    /// Connections at once.
    pub connections_max: ConnectionsMax,
    /// Calls of one connection at once.
    pub streams_max: u32,
    /// `None`: plain text.
    pub tls: Option<Tls>,
    /// A log line per payment; it costs throughput.
    pub log_payments: bool,
}

/// What the services are made of.
#[derive(Clone)]
pub struct Services {
    /// The way into the ledger.
    pub ledger: Ledger,
    /// Who may call how often.
    pub limits: Limits,
    /// Who may call.
    pub authenticator: Authenticator,
    /// The board.
    pub health: Health,
}

/// A running listener.
pub struct GrpcServer {
    /// Where it really listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

/// How long the calls of a connection that is too old may go on: streams end by themselves before.
const AGE_GRACE: Duration = STREAM_AGE_MAX.saturating_add(Duration::from_secs(60));

/// What health is asked about: the whole, and each service.
const HEALTH_OF: [&str; 5] =
    ["", "payment.v1.PaymentService", "florin.v1.Ledger", "florin.v1.Billing", "ledger.LedgerService"];

impl GrpcServer {
    /// Listens and serves.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(config: GrpcConfig, services: Services) -> io::Result<Self> {
        let listener = listen(config.listen)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let (reporter, _) = tonic_health::server::health_reporter();
        tasks::spawn(follow(services.health.clone(), reporter.clone(), stopped.clone()));
        let mut listening = Listening { config: GrpcConfig { listen: address, ..config }, services, reporter, stopped };
        let first = listening.serve(listener)?;
        let ended = tasks::spawn(async move {
            let mut ended = first.await;
            let mut history = History::default();
            while let Err(error) = ended {
                ended = listening.again(&error, &mut history).await;
            }
        });
        Ok(Self { address, stop, ended })
    }

    /// Stops accepting, lets what is running finish for at most `patience`, and ends.
    pub async fn stop(self, patience: Duration) {
        self.stop_when(patience, std::future::pending()).await;
    }

    /// The same, but ends as soon as `enough` does: a connection that neither asks nor leaves holds nobody up.
    pub async fn stop_when(self, patience: Duration, enough: impl Future<Output = ()>) {
        wind_up(&self.stop, self.ended, patience, enough).await;
    }
}

/// All that a listener is made of, to be made again.
struct Listening {
    config: GrpcConfig,
    services: Services,
    reporter: HealthReporter,
    stopped: watch::Receiver<bool>,
}

impl Listening {
    /// Serves until told to stop.
    fn serve(&mut self, listener: TcpListener) -> io::Result<impl Future<Output = io::Result<()>> + Send + use<>> {
        let (config, services) = (&self.config, self.services.clone());
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let bytes_max = config.message_bytes_max;
        let native = FlorinV1::new(services.ledger.clone(), services.limits.clone(), bytes_max, self.stopped.clone());
        let billing = BillingServer::new(native.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(bytes_max)
            .max_encoding_message_size(bytes_max);
        let native = LedgerServer::new(native)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(bytes_max)
            .max_encoding_message_size(bytes_max);
        let entries = LedgerServiceServer::new(OrdersV1::new(services.ledger.clone(), services.limits.clone()))
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(bytes_max)
            .max_encoding_message_size(bytes_max);
        let payment = PaymentServiceServer::new(PaymentV1::new(services.ledger, services.limits, config.log_payments))
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(bytes_max)
            .max_encoding_message_size(bytes_max);
        let health = tonic_health::server::HealthService::from_health_reporter(self.reporter.clone());
        let health =
            tonic_health::pb::health_server::HealthServer::new(health).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let (v1, v1alpha) = (reflection().build_v1(), reflection().build_v1alpha());
        let v1 = v1.map_err(io::Error::other)?.max_decoding_message_size(MESSAGE_BYTES_MAX);
        let v1alpha = v1alpha.map_err(io::Error::other)?.max_decoding_message_size(MESSAGE_BYTES_MAX);
        let server = Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .http2_max_header_list_size(Some(16 << 10))
            .max_concurrent_streams(Some(config.streams_max))
            .max_connection_age(CONNECTION_AGE_MAX)
            .max_connection_age_grace(AGE_GRACE)
            .layer(Deadlines)
            .layer(services.authenticator.layer())
            .layer(Uncredited::default())
            .add_service(health)
            .add_service(v1)
            .add_service(v1alpha)
            .add_service(payment)
            .add_service(native)
            .add_service(entries)
            .add_service(billing);
        let incoming = Connections::new(listener, config.connections_max, crate::telemetry::metrics::CONNECTIONS);
        let mut stopped = self.stopped.clone();
        let until = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        let serve = match config.tls.clone() {
            Some(tls) => Either::Left(server.serve_with_incoming_shutdown(secured(incoming, tls), until)),
            None => Either::Right(server.serve_with_incoming_shutdown(incoming, until)),
        };
        Ok(async move { serve.await.map_err(io::Error::other) })
    }

    /// It ended by itself: once more, on the same address.
    async fn again(&mut self, error: &io::Error, history: &mut History) -> io::Result<()> {
        tokio::time::sleep(ended_by_itself(&self.services.health, history, "grpc", error)).await;
        let serving = self.serve(listen(self.config.listen)?)?;
        self.services.health.report(Part::Gateway, Condition::Up);
        serving.await
    }
}

/// Tells health's watchers what the board says, and at the end that nothing is served any more.
async fn follow(board: Health, mut reporter: HealthReporter, mut until: watch::Receiver<bool>) {
    let mut overall = board.watch();
    loop {
        let status = match *overall.borrow_and_update() {
            Overall::Serving | Overall::Degraded => ServingStatus::Serving,
            Overall::NotServing => ServingStatus::NotServing,
        };
        for service in HEALTH_OF {
            reporter.set_service_status(service, status).await;
        }
        tokio::select! {
            changed = overall.changed() => if changed.is_err() { break },
            _ = until.wait_for(|stopped| *stopped) => break,
        }
    }
    for service in HEALTH_OF {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
        // ends the streams of those who watch, once they have heard it: the drain waits for streams
        reporter.clear_service_status(service).await;
    }
}
