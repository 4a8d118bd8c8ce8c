//! Sends the mails that are due, in order of time, a few side by side. A mail that a server does not take now is tried
//! again for a day, ever more rarely; one that it refuses for good, and one whose day is over, is a dead letter.

mod documents;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use super::intake::{Later, Letters};
use super::notices::Params;
use super::press::Press;
use crate::documents::mail::template::{INVOICE_FILE, ShopInvoice};
use crate::documents::mail::{ATTACHMENT_BYTES_MAX, Attachment, Mail, MailError, Mailer};
use crate::faults::Faults;
use crate::messaging::KafkaConfig;
use crate::messaging::consumer::Received;
use crate::resilience::health::{Condition, Health, Part};
use crate::store::mails::{self, DueMail, Sent};
use crate::telemetry::metrics::MAILS;

/// Mails that are sent side by side, and those that are read together.
const BESIDE: usize = 8;
const BATCH: i64 = 16;
/// How often due mails are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A mail that was taken and of which nobody says what became of it is due again after this: longer than a batch lasts.
const LEASE: Duration = Duration::from_secs(180);
/// The waits between two attempts, and how long a mail is tried.
const DELAY_MIN: Duration = Duration::from_secs(5);
const DELAY_MAX: Duration = Duration::from_secs(3_600);
const AGE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// What sends mails is set to.
#[derive(Clone)]
pub struct MailConfig {
    pub mailer: Arc<Mailer>,
    /// The folder whose files may be attached, and no others.
    pub documents: PathBuf,
    /// Prints the invoices that mails bring.
    pub press: Press,
}

/// What the actor is started with, the same at each restart.
pub struct MailArgs {
    pub config: MailConfig,
    pub kafka: KafkaConfig,
    pub pool: PgPool,
    pub health: Health,
    pub faults: Faults,
    /// Whether the lease is confirmed: else another node may be the one that sends.
    pub confirmed: Arc<dyn Fn() -> bool + Send + Sync>,
}

pub enum MailMessage {
    /// Send what is due. It sends this to itself.
    Step,
}

/// Sends mails.
pub struct MailActor;

pub struct MailState {
    args: MailArgs,
    letters: Letters,
}

impl Actor for MailActor {
    type Msg = MailMessage;
    type State = MailState;
    type Arguments = MailArgs;

    async fn pre_start(&self, myself: ActorRef<MailMessage>, args: MailArgs) -> Result<MailState, ActorProcessingErr> {
        myself.cast(MailMessage::Step)?;
        let letters = Letters::new(args.pool.clone(), args.kafka.clone());
        Ok(MailState { args, letters })
    }

    async fn handle(
        &self,
        myself: ActorRef<MailMessage>,
        MailMessage::Step: MailMessage,
        state: &mut MailState,
    ) -> Result<(), ActorProcessingErr> {
        match state.step().await {
            Ok(sent) if sent > 0 => myself.cast(MailMessage::Step)?,
            Ok(_) => drop(myself.send_after(LOOK_EVERY, || MailMessage::Step)),
            Err(Later(why)) => {
                state.args.health.report(Part::Mail, Condition::Degraded(why));
                drop(myself.send_after(LOOK_EVERY, || MailMessage::Step));
            }
        }
        Ok(())
    }
}

impl MailState {
    /// Sends what is due, and returns how many mails that were.
    async fn step(&self) -> Result<usize, Later> {
        if !(self.args.confirmed)() {
            return Ok(0);
        }
        let due = mails::take(&self.args.pool, BATCH, LEASE, AGE_MAX).await?;
        let count = due.len();
        let mut attempts = stream::iter(due).map(|mail| self.attempt(mail)).buffer_unordered(BESIDE);
        let (mut refusal, mut is_one_taken, mut trouble) = (None, false, None);
        while let Some(answer) = attempts.next().await {
            match answer {
                Ok(Ok(())) => is_one_taken = true,
                Ok(Err(MailError::Transient { reply })) => refusal = Some(reply),
                Ok(Err(MailError::Permanent { .. })) => is_one_taken = true, // the server speaks, and means this mail
                Err(later) => trouble = Some(later),                         // the others are still to be sent
            }
        }
        drop(attempts);
        if let Some(later) = trouble {
            return Err(later);
        }
        self.args.faults.pause("mailer.sent").await;
        match refusal {
            Some(reply) if !is_one_taken => {
                let why = format!("the mail server takes nothing: {reply}");
                if self.args.health.report(Part::Mail, Condition::Degraded(why)) {
                    tracing::warn!(reply, "mails are sent later");
                }
            }
            _ if is_one_taken => drop(self.args.health.report(Part::Mail, Condition::Up)),
            _ => {}
        }
        Ok(count)
    }

    /// Tries to send one mail, and notes what became of it.
    async fn attempt(&self, due: DueMail) -> Result<Result<(), MailError>, Later> {
        let (answer, reply) = match self.send(&due).await {
            Ok(reply) => (Ok(()), reply),
            Err(error) => (Err(error.clone()), error.reply().to_owned()),
        };
        let sent = match &answer {
            Ok(()) => Sent::Yes,
            Err(error) if error.is_transient() && !due.is_last => Sent::Later(delay(due.attempts)),
            Err(_) => Sent::Never,
        };
        let outcome = match sent {
            Sent::Yes => "sent",
            Sent::Later(_) => "later",
            Sent::Never => "dead",
        };
        metrics::counter!(MAILS, "outcome" => outcome).increment(1);
        match requested_by(&due) {
            Some(message) if sent == Sent::Never => self.letters.bury(&message, ("MAIL_REFUSED", &reply)).await?,
            None if sent == Sent::Never => tracing::warn!(mail = due.id, reply, "a mail is not sent any more"),
            _ => {}
        }
        mails::note(&self.args.pool, &due, sent, &reply).await?;
        Ok(answer)
    }

    /// Sends one mail; returns what the server said.
    async fn send(&self, due: &DueMail) -> Result<String, MailError> {
        let mail = match due.document {
            Some(id) => documents::mail(&self.args.pool, &self.args.config.press, due, id).await?,
            None => self.shop_invoice(due).await?,
        };
        Ok(self.args.config.mailer.send(&mail).await?.reply)
    }

    async fn shop_invoice(&self, due: &DueMail) -> Result<Mail, MailError> {
        let params: Params = serde_json::from_value(due.params.0.clone())
            .map_err(|error| MailError::Permanent { reply: format!("its params cannot be read: {error}") })?;
        let date = params.date.to_string();
        let content = ShopInvoice {
            store: &params.store,
            name: &params.name,
            invoice_id: &params.invoice_id,
            date: &date,
            grand_total: &params.grand_total,
            is_attached: !params.file.is_empty(),
        }
        .content();
        let attachment = match params.file.as_str() {
            "" => None,
            path => Some(attached(&self.args.config.documents, Path::new(path)).await?),
        };
        Ok(Mail {
            message_id: message_id(due),
            to: due.recipient.clone(),
            to_name: params.name,
            subject: due.subject.clone(),
            text: content.text,
            html: content.html,
            attachment,
        })
    }
}

/// A file of the folder of documents: whoever writes to the topic must not have any file of this machine sent.
async fn attached(documents: &Path, path: &Path) -> Result<Attachment, MailError> {
    let never = |reply: &str| MailError::Permanent { reply: reply.into() };
    let later = |error: std::io::Error| MailError::Transient { reply: format!("its attachment: {error}") };
    let folder = tokio::fs::canonicalize(documents).await.map_err(later)?;
    let path = tokio::fs::canonicalize(path).await.map_err(later)?;
    if path.parent() != Some(&folder) {
        return Err(never("its attachment is not in DOCUMENTS_DIR"));
    }
    let size = tokio::fs::metadata(&path).await.map_err(later)?.len();
    if size > u64::try_from(ATTACHMENT_BYTES_MAX).unwrap_or(u64::MAX) {
        return Err(never(&format!("its attachment has {size} bytes, more than {ATTACHMENT_BYTES_MAX}")));
    }
    let bytes = tokio::fs::read(&path).await.map_err(later)?;
    Ok(Attachment { name: INVOICE_FILE.into(), content_type: "application/pdf".into(), bytes: Bytes::from(bytes) })
}

/// The same whenever this mail is sent again.
fn message_id(due: &DueMail) -> String {
    let digest = Sha256::digest(format!("{}/{}", due.tenant, due.id));
    let digest: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}@florin")
}

fn requested_by(due: &DueMail) -> Option<Received> {
    Some(Received {
        topic: due.topic.clone()?,
        partition: due.partition?,
        offset: due.offset?,
        key: due.key.clone(),
        headers: Vec::new(),
        body: due.body.clone()?,
        written_at: Some(due.created_at),
    })
}

/// The wait after so many attempts.
fn delay(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(20);
    DELAY_MIN.saturating_mul(1 << doublings).min(DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_5_seconds_to_an_hour() {
        let waits = [1, 2, 3, 10, 11, 12, i32::MAX].map(|attempts| delay(attempts).as_secs());
        assert_eq!(waits, [5, 10, 20, 2_560, 3_600, 3_600, 3_600]);
    }

    #[tokio::test]
    async fn only_files_of_the_folder_are_attached() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (good, secret) = (folder.path().join("a.pdf"), elsewhere.path().join("secret"));
        std::fs::write(&good, "%PDF").unwrap();
        std::fs::write(&secret, "secret").unwrap();
        std::os::unix::fs::symlink(&secret, folder.path().join("link.pdf")).unwrap();
        let up = folder.path().join("..").join(elsewhere.path().file_name().unwrap()).join("secret");
        assert_eq!(attached(folder.path(), &good).await.ok().map(|it| it.bytes), Some(Bytes::from("%PDF")));
        for (path, is_transient) in [
            (secret, false),
            (up, false),
            (folder.path().join("link.pdf"), false),
            (folder.path().join("not-there.pdf"), true),
        ] {
            let refused = attached(folder.path(), &path).await.err().map(|error| error.is_transient());
            assert_eq!(refused, Some(is_transient), "{}", path.display());
        }
    }
}
