//! A few connections to the mail server. One that was interrupted is never used again: its next answer would be the
//! one to what was asked before. (The pool of the library keeps it; hence this one.)

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;

use super::{MailConfig, MailError, Tls};
use crate::documents::words::said;

/// Mails under way at a time; more wait, within their own time.
const CONNECTIONS_MAX: usize = 4;
/// A connection that nobody used for so long is closed instead of asked whether it lives: servers hang up after minutes.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// One that does not answer at once whether it lives is given up.
const LIVES_WITHIN: Duration = Duration::from_secs(2);

pub struct Connections {
    server: (String, u16),
    hello: ClientId,
    tls: Tls,
    parameters: TlsParameters,
    credentials: Option<Credentials>,
    timeout: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Connections {
    /// # Errors
    /// When no TLS can be set up for the host and with the root.
    pub fn new(config: MailConfig) -> Result<Self, String> {
        let parameters = parameters(&config)?;
        let password = config.password.as_ref().map_or("", |password| password.expose_secret());
        Ok(Self {
            credentials: config.user.map(|user| Credentials::new(user, password.to_owned())),
            server: (config.host, config.port),
            hello: ClientId::default(),
            tls: config.tls,
            parameters,
            timeout: config.timeout,
            permits: Semaphore::new(CONNECTIONS_MAX),
            idle: Mutex::default(),
        })
    }

    /// # Errors
    /// What stands before the mail, as a connection or a login, is always transient: it says nothing about this mail.
    pub async fn deliver(&self, envelope: &Envelope, message: &[u8]) -> Result<Response, MailError> {
        let _permit =
            self.permits.acquire().await.map_err(|error| MailError::Transient { reply: error.to_string() })?;
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => self.connect().await.map_err(|error| MailError::Transient { reply: reply(&error) })?,
        };
        let response = connection.send(envelope, message).await.map_err(|error| refused(&error))?;
        self.idle().push((connection, Instant::now()));
        Ok(response)
    }

    /// A connection that is there and lives.
    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle().pop()?;
            if since.elapsed() < IDLE_MAX
                && tokio::time::timeout(LIVES_WITHIN, connection.test_connected()).await == Ok(true)
            {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let server = (self.server.0.as_str(), self.server.1);
        let implicit = (self.tls == Tls::Implicit).then(|| self.parameters.clone());
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.hello, implicit, None).await?;
        if self.tls == Tls::Required || (self.tls == Tls::Auto && connection.can_starttls()) {
            connection.starttls(self.parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// At most [`CONNECTIONS_MAX`]: each was somebody's, and there are no more permits.
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parameters(config: &MailConfig) -> Result<TlsParameters, String> {
    // who takes plain for an answer takes any certificate, unless one is named
    let is_any = config.tls == Tls::Auto && config.root.is_none();
    let mut parameters = TlsParameters::builder(config.host.clone()).dangerous_accept_invalid_certs(is_any);
    if let Some(root) = &config.root {
        // the library takes a file without any certificate
        CertificateDer::from_pem_slice(root).map_err(|error| format!("the root is no certificate in PEM: {error}"))?;
        let root = Certificate::from_pem(root).map_err(|error| format!("the root cannot be used: {error}"))?;
        parameters = parameters.add_root_certificate(root);
    }
    parameters.build().map_err(|error| format!("no TLS for {:?}: {error}", config.host))
}

/// A 5xx to this mail is final, and so is an address that this server has no way to be told (`SMTPUTF8`).
fn refused(error: &Error) -> MailError {
    let reply = reply(error);
    if error.is_permanent() || error.is_client() {
        MailError::Permanent { reply }
    } else {
        MailError::Transient { reply }
    }
}

/// The server's code and words, or what happened to the connection.
fn reply(error: &Error) -> String {
    match (error.status(), error.source()) {
        (Some(code), Some(words)) => said(&format!("{code} {words}")),
        _ => said(&error.to_string()),
    }
}
