//! Keeps the mails that the topic `notify` asks for, each once however often it is delivered. It sends none: that is the
//! mailer's.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use super::intake::{Desk, Fate, Incoming, Later};
use crate::messaging::consumer::Bounds;
use crate::protocol::notice::Notice;
use crate::resilience::health::Part;
use crate::store::mails::{self, NewMail, SHOP_INVOICE};

/// How much one poll reads.
const POLL: Bounds = Bounds {
    messages_max: 200,
    bytes_max: 8 << 20,
    wait: Duration::from_millis(500),
    linger: Duration::from_millis(10),
};
/// Bytes of a key that become part of a mail's id.
const KEY_BYTES_MAX: usize = 256;
/// The subject of all mails about bills of shops.
pub const SUBJECT: &str = "Invoice";

/// Keeps the mails that are to be sent.
pub struct Notices {
    pub tenant: Arc<str>,
    pub pool: PgPool,
}

/// What a mail about a bill says: the JSON object in `mails.params`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    pub store: String,
    pub name: String,
    pub invoice_id: String,
    pub date: NaiveDate,
    pub grand_total: String,
    /// The path of its attachment; empty: it has none.
    pub file: String,
}

impl Desk for Notices {
    fn part(&self) -> Part {
        Part::Notices
    }

    fn bounds(&self) -> Bounds {
        POLL
    }

    async fn handle(&self, messages: &[Incoming]) -> Result<Vec<Fate>, Later> {
        let mut fates = Vec::with_capacity(messages.len());
        for message in messages {
            fates.push(match Notice::parse(&message.body) {
                Ok(notice) => self.keep(message, notice).await?,
                Err(why) => Fate::Dead { code: "NOT_A_NOTICE", reason: format!("the message is no notice: {why}") },
            });
        }
        Ok(fates)
    }
}

impl Notices {
    async fn keep(&self, message: &Incoming, notice: Notice) -> Result<Fate, Later> {
        let params = Params {
            store: notice.info.store_name,
            name: notice.info.name,
            invoice_id: notice.info.invoice_id,
            date: message.received_at.date_naive(),
            grand_total: notice.info.total_amount,
            file: notice.filepath,
        };
        let mail = NewMail {
            id: id(message),
            kind: SHOP_INVOICE,
            recipient: &notice.info.send_to,
            subject: SUBJECT,
            invoice: &params.invoice_id,
            params: &serde_json::to_value(&params).map_err(|error| Later(error.to_string()))?,
            topic: &message.place.topic,
            partition: message.place.partition,
            offset: message.place.offset,
            key: message.key.as_deref(),
            body: &message.body,
        };
        match mails::insert(&self.pool, &self.tenant, &mail).await {
            Ok(true) => Ok(Fate::Done),
            Ok(false) => Ok(Fate::Repeated),
            Err(error) if error.is_transient() || error.code().is_none() => Err(error.into()),
            Err(error) => Ok(Fate::Dead { code: "REFUSED", reason: format!("the database refuses it: {error}") }),
        }
    }
}

/// The key and what the message says, so that two bills of one number are two mails; without a key, where it stands.
fn id(message: &Incoming) -> String {
    let key = message.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
    let Some(key) = key.filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.contains('\0')) else {
        return message.id();
    };
    let digest = Sha256::digest(&message.body);
    let digest: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{key}/{digest}")
}
