//! Mails over SMTP. One call is one attempt; its error says whether another one can help.
//!
//! A connection that breaks after the last byte leaves open whether the mail is under way. The caller therefore gives
//! each mail its id: sent again it has the same one, and a receiver can drop the second.

mod connections;
mod message;
pub mod template;

use std::time::Duration;

use bytes::Bytes;
use lettre::message::Mailbox;
use secrecy::SecretString;

use self::connections::Connections;
use super::words::said;

/// The mail server, and who writes.
#[derive(Clone)]
pub struct MailConfig {
    pub host: String,
    pub port: u16,
    /// Without one nobody logs in.
    pub user: Option<String>,
    pub password: Option<SecretString>,
    /// `billing@example.com` or `Billing <billing@example.com>`.
    pub from: String,
    pub tls: Tls,
    /// PEM of a certificate that is trusted beside the public authorities: of a mail server's own.
    pub root: Option<Vec<u8>>,
    /// From the wait for a connection to the server's last word.
    pub timeout: Duration,
}

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// STARTTLS if the server offers it, whosever its certificate is, else plain, the password as well: whoever sits
    /// between can take the offer away.
    #[default]
    Auto,
    /// STARTTLS, or nothing is sent.
    Required,
    /// TLS from the first byte (port 465).
    Implicit,
    /// Plain.
    None,
}

/// One mail.
#[derive(Clone)]
pub struct Mail {
    /// `something@domain`, the same whenever this mail is sent again.
    pub message_id: String,
    /// E-mail address of the receiver.
    pub to: String,
    /// May be empty.
    pub to_name: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub attachment: Option<Attachment>,
}

#[derive(Clone)]
pub struct Attachment {
    /// As the receiver sees it: `invoice.pdf`.
    pub name: String,
    /// Such as `application/pdf`.
    pub content_type: String,
    /// At most [`ATTACHMENT_BYTES_MAX`].
    pub bytes: Bytes,
}

/// The server has taken the mail on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What it said, such as its own id of the mail; at most 300 characters.
    pub reply: String,
}

/// Why a mail is not on its way, with what the server said: at most 300 characters, addresses masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Another attempt can help: the server is away, slow or says so (4xx), TLS failed, or nobody may log in. The mail may
    /// be under way.
    #[error("not now: {reply}")]
    Transient { reply: String },
    /// No attempt can help: the server refuses this mail (5xx), or it cannot be one.
    #[error("never: {reply}")]
    Permanent { reply: String },
}

/// Bytes of an attachment: what most servers take, less what its encoding adds.
pub const ATTACHMENT_BYTES_MAX: usize = 10 << 20;

/// Sends mails over a few connections that it keeps.
pub struct Mailer {
    from: Mailbox,
    timeout: Duration,
    connections: Connections,
}

impl Mailer {
    /// A mailer; it does not connect yet.
    ///
    /// # Errors
    /// When the sender's address, the host or the root cannot be used.
    pub fn new(config: MailConfig) -> Result<Self, String> {
        let from =
            config.from.parse().map_err(|error| format!("from {:?} is no mail address: {error}", config.from))?;
        Ok(Self { from, timeout: config.timeout, connections: Connections::new(config)? })
    }

    /// Sends one mail, or says why not. Dropped before its end, it leaves its connection to nobody.
    ///
    /// # Errors
    /// [`MailError::Transient`] when another attempt can help, else [`MailError::Permanent`].
    pub async fn send(&self, mail: &Mail) -> Result<Receipt, MailError> {
        let message = message::built(self.from.clone(), mail).map_err(|reply| MailError::Permanent { reply })?;
        let bytes = message.formatted();
        let sent = tokio::time::timeout(self.timeout, self.connections.deliver(message.envelope(), &bytes)).await;
        let late = |_| MailError::Transient { reply: format!("not done within {:?}", self.timeout) };
        sent.map_err(late)?.map(|response| Receipt { reply: said(&response.message().collect::<Vec<_>>().join(" ")) })
    }
}

impl MailError {
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    pub fn reply(&self) -> &str {
        match self {
            Self::Transient { reply } | Self::Permanent { reply } => reply,
        }
    }
}
