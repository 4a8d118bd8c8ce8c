//! A provider behind HTTP: signed requests, signed answers, limits on time and size, no redirects.

use std::time::Duration;

use chrono::Utc;
use futures::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect;
use reqwest::{Client, Method, RequestBuilder, Url};
use secrecy::SecretString;

use super::signature::{self, signature};
use super::{Answer, Operation, Provider, ProviderError, wire};

#[derive(Clone)]
pub struct HttpConfig {
    /// Its name here.
    pub name: String,
    /// With scheme `http` or `https`, without a query; operations are below it.
    pub url: String,
    /// Requests and answers are signed with it.
    pub secret: SecretString,
    /// From the first byte sent to the last one received.
    pub timeout: Duration,
}

/// A client of the provider; keeps connections.
pub struct HttpProvider {
    name: String,
    operations: Url,
    secret: SecretString,
    client: Client,
}

/// Far below the time for an answer: a connection is there at once, or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of an answer.
const ANSWER_MAX: usize = 64 << 10;
/// Connections that are kept open while idle.
const IDLE_MAX: usize = 32;

impl HttpProvider {
    /// A client of the provider; it does not connect yet.
    ///
    /// # Errors
    /// When the URL cannot be used, or TLS cannot be set up.
    pub fn new(config: HttpConfig) -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default(); // of a second installation nobody need hear
        let mut operations = Url::parse(&config.url).map_err(|error| format!("{:?} is no URL: {error}", config.url))?;
        let fits = ["http", "https"].contains(&operations.scheme())
            && operations.query().is_none()
            && operations.fragment().is_none();
        if !fits || operations.cannot_be_a_base() {
            return Err(format!("{:?} is no http or https URL without a query", config.url));
        }
        let path = format!("{}/operations", operations.path().trim_end_matches('/'));
        operations.set_path(&path);
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(config.timeout))
            .timeout(config.timeout)
            .pool_max_idle_per_host(IDLE_MAX)
            .user_agent(concat!("florin/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Self { name: config.name, operations, secret: config.secret, client })
    }

    /// A request, and its signature.
    fn request(&self, method: Method, url: Url, operation: &Operation, body: Vec<u8>) -> (RequestBuilder, String) {
        let signed = signature(&self.secret, Utc::now().timestamp(), method.as_str(), url.path(), &body);
        let request = self
            .client
            .request(method, url)
            .header(signature::HEADER, &signed)
            .header("idempotency-key", &operation.key);
        let request = match operation.correlation.as_deref().map(HeaderValue::from_str) {
            Some(Ok(correlation)) => request.header("x-correlation-id", correlation),
            _ => request, // one that no header can carry is not passed on
        };
        (request.body(body), signed)
    }

    /// What is not signed by the provider says nothing, whatever its status.
    async fn send(&self, request: RequestBuilder, signed: &str, key: &str) -> Result<Option<Answer>, ProviderError> {
        let mut response = request.send().await.map_err(|error| failed(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(ProviderError::Unknown(format!("the provider's answer is longer than {ANSWER_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        let status = response.status().as_u16();
        let header = response.headers().get(signature::HEADER).and_then(|header| header.to_str().ok());
        let unsigned = |how: &str| ProviderError::Unknown(format!("an answer of status {status} that is {how}"));
        match header {
            None => Err(unsigned("not signed")),
            Some(header) if signature::signs_answer(header, &self.secret, signed, status, &body) => {
                wire::read(status, &body, key)
            }
            Some(_) => Err(unsigned("signed wrongly")),
        }
    }
}

impl Provider for HttpProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn submit<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(async move {
            let body = serde_json::to_vec(operation)
                .map_err(|error| ProviderError::NotDone(format!("the operation cannot be written: {error}")))?;
            let (request, signed) = self.request(Method::POST, self.operations.clone(), operation, body);
            let request = request.header(CONTENT_TYPE, "application/json");
            let unheard =
                || ProviderError::Unknown("the provider answered that it does not know what it was just told".into());
            self.send(request, &signed, &operation.key).await?.ok_or_else(unheard)
        })
    }

    fn status<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<Option<Answer>, ProviderError>> {
        Box::pin(async move {
            let mut url = self.operations.clone();
            url.set_path(&format!("{}/{}", self.operations.path(), operation.key));
            let (request, signed) = self.request(Method::GET, url, operation, Vec::new());
            self.send(request, &signed, &operation.key).await
        })
    }
}

/// Without a connection nothing was sent. After that it is not known whether the provider did it.
fn failed(error: &reqwest::Error) -> ProviderError {
    let mut why = if error.is_timeout() { "no answer in time".to_owned() } else { "the connection failed".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    if error.is_connect() || error.is_builder() { ProviderError::NotDone(why) } else { ProviderError::Unknown(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_below_the_url_that_is_given() {
        let operations = |url: &str| {
            let config =
                HttpConfig { name: "p".into(), url: url.into(), secret: "s".into(), timeout: Duration::from_secs(5) };
            HttpProvider::new(config).map(|provider| provider.operations.to_string())
        };
        assert_eq!(operations("https://pay.example").unwrap(), "https://pay.example/operations");
        assert_eq!(operations("http://127.0.0.1:9/v2/").unwrap(), "http://127.0.0.1:9/v2/operations");
        for wrong in ["", "pay.example", "ftp://pay.example", "mailto:a@b", "https://pay.example/?a=b"] {
            assert!(operations(wrong).is_err(), "{wrong}");
        }
    }
}
