//! Clients of payment.v1 and florin.v1 for the commands that need one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use florin_wire::florin_v1::billing_client::BillingClient;
use florin_wire::florin_v1::ledger_client::LedgerClient;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

use super::discovery::{ServerArgs, path};
use super::output::{Failure, Hint};

const CONNECT_MAX: Duration = Duration::from_secs(5);
const CALL_MAX: Duration = Duration::from_secs(15);

/// How to reach the server.
#[derive(Clone, Debug, clap::Args)]
pub struct ClientArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// API key, for servers that ask for one
    #[arg(long, env = "FLORIN_API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: Option<String>,
    /// CA certificate in PEM of a server with TLS
    #[arg(long, env = "FLORIN_CA_FILE", value_name = "FILE", value_parser = path)]
    ca: Option<PathBuf>,
    /// Client certificate in PEM, for servers that take one
    #[arg(long, env = "FLORIN_CERT_FILE", value_name = "FILE", value_parser = path)]
    cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, env = "FLORIN_CERT_KEY_FILE", value_name = "FILE", value_parser = path)]
    cert_key: Option<PathBuf>,
}

/// Adds the API key to calls.
#[derive(Clone)]
pub struct Credentials(Option<MetadataValue<Ascii>>);

/// The client.
pub type Payments = PaymentServiceClient<InterceptedService<Channel, Credentials>>;

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("x-api-key", key.clone());
        }
        Ok(request)
    }
}

/// The client of florin.v1.
pub type Ledger = LedgerClient<InterceptedService<Channel, Credentials>>;

/// The client of the billing of florin.v1.
pub type Billing = BillingClient<InterceptedService<Channel, Credentials>>;

impl ClientArgs {
    /// Connects to payment.v1.
    ///
    /// # Errors
    /// When nobody answers there, or an option is wrong.
    pub async fn connect(&self) -> Result<Payments, Failure> {
        let (channel, credentials) = self.channel().await?;
        Ok(PaymentServiceClient::with_interceptor(channel, credentials))
    }

    /// Connects to florin.v1.
    ///
    /// # Errors
    /// When nobody answers there, or an option is wrong.
    pub async fn ledger(&self) -> Result<Ledger, Failure> {
        let (channel, credentials) = self.channel().await?;
        Ok(LedgerClient::with_interceptor(channel, credentials))
    }

    /// Connects to the billing of florin.v1.
    ///
    /// # Errors
    /// When nobody answers there, or an option is wrong.
    pub async fn billing(&self) -> Result<Billing, Failure> {
        let (channel, credentials) = self.channel().await?;
        Ok(BillingClient::with_interceptor(channel, credentials))
    }

    async fn channel(&self) -> Result<(Channel, Credentials), Failure> {
        let file = |given: &Option<PathBuf>| given.clone().filter(|path| !path.as_os_str().is_empty());
        let (scheme, tls) = match (file(&self.ca), file(&self.cert), file(&self.cert_key)) {
            (None, None, None) => ("http", None),
            (Some(ca), None, None) => ("https", Some(tls(&ca)?)),
            (Some(ca), Some(cert), Some(key)) => {
                let identity = Identity::from_pem(pem("certificate file", &cert)?, pem("key file", &key)?);
                ("https", Some(tls(&ca)?.identity(identity)))
            }
            _ => return Err(Failure::new("--cert, --cert-key and --ca go together")),
        };
        let key = self.api_key.as_deref().filter(|key| !key.is_empty()).map(str::parse).transpose();
        let key = key.map_err(|_| Failure::new("the API key has characters that no key has"))?;
        let address = self.server.address().await?;
        let url = if address.contains("://") { address.clone() } else { format!("{scheme}://{address}") };
        let mut endpoint = Endpoint::from_shared(url).map_err(|e| Failure::new(format!("server {address:?}: {e}")))?;
        endpoint = endpoint.connect_timeout(CONNECT_MAX).timeout(CALL_MAX);
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls)?;
        }
        let channel =
            endpoint.connect().await.map_err(|e| Failure::new(format!("no answer from {address}: {}", root(&e))));
        let channel = channel.hint("start a server with `florin dev`, or name one with --server HOST:PORT")?;
        Ok((channel, Credentials(key)))
    }
}

/// A failed call as the user reads it.
pub fn failure(status: &Status) -> Failure {
    let failure = Failure::new(format!("{}: {}", code_name(status.code()), status.message()));
    match status.code() {
        Code::Unauthenticated => {
            failure.hint("make a key with `florin keys create` and give it with --api-key or FLORIN_API_KEY")
        }
        Code::ResourceExhausted => failure.hint("wait a moment and try again"),
        _ => failure,
    }
}

/// The same of a payment under a key: it may have been made.
pub fn failure_under(key: &str, status: &Status) -> Failure {
    let open = matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Internal
    );
    let failed = failure(status);
    if open { failed.hint(format!("run it again with --key {key}: it is never paid twice")) } else { failed }
}

fn tls(ca: &Path) -> Result<ClientTlsConfig, Failure> {
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem("CA file", ca)?)))
}

fn pem(what: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::new(format!("{what} {}: {e}", path.display())))
}

/// The name that the gRPC specification has for it.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

fn root(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |e| e.source()).last().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_names() {
        assert_eq!(code_name(Code::ResourceExhausted), "RESOURCE_EXHAUSTED");
        assert_eq!(code_name(Code::Ok), "OK");
    }
}
