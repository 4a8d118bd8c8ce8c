//! Invoices and credit notes by mail, when somebody asks for it.

use sha2::{Digest, Sha256};

use super::{get, papers};
use crate::actors::press::PressError;
use crate::billing::invoice::Status;
use crate::protocol::record::TransactionId;
use crate::store::billing::customers;
use crate::store::mails::documents::{self as store, DUE_MAX, MailRow, Requested};
use crate::store::operators::Doing;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, read_failure, unwritten};
use crate::teller::native::customers::{EMAIL_MAX, email_address};
use crate::teller::validate::{self, cut};

/// What is said where there is no mail server.
pub const NO_SERVER: &str = "there is no mail server (SMTP_HOST is not set)";

/// A document to be sent.
#[derive(Clone, Debug)]
pub struct Send {
    /// `None`: to its customer's address.
    pub to: Option<String>,
    /// The same key sends once. Keys of mails are their own: a payment may have the same.
    pub key: Option<String>,
    /// In the operator's own words; may be empty.
    pub reason: String,
}

/// A mail that is on its way, or was.
#[derive(Clone, Debug)]
pub struct Sent {
    pub mail: MailRow,
    /// Whether the same request used the key before.
    pub replayed: bool,
}

/// Puts a mail with the document's PDF among those that are due.
///
/// # Errors
/// `NotFound`; `Invalid`: there is no address; `FailedPrecondition`: it is a draft, there is no mail server, or too many
/// mails are due; `KeyReused`; what kept it from being done.
pub async fn send(ledger: &Ledger, call: &Call, id: &str, asked: Send) -> Result<Sent, Failure> {
    let by = call.operator(&asked.reason)?;
    if let Some(to) = &asked.to {
        validate::required("to", to, EMAIL_MAX)?;
        email_address("to", to)?;
    }
    let parts = ledger.parts();
    if !parts.papers.are_mailed {
        return Err(Failure::FailedPrecondition(NO_SERVER.into()));
    }
    if !parts.papers.press.is_built() {
        return Err(papers::unprinted(id, PressError::NotBuilt));
    }
    ledger.active()?;
    let _permit = ledger.enter()?;
    let row = get(ledger, &call.tenant, id).await?;
    let mail = match &asked.key {
        Some(key) => {
            let digest = Sha256::digest(key);
            digest.iter().fold("key/".to_owned(), |text, byte| text + &format!("{byte:02x}"))
        }
        None => format!("call/{}", TransactionId::draw().0),
    };
    let pool = &parts.pool;
    if let Some(there) = store::get(pool, &call.tenant, &mail).await.map_err(|error| read_failure(&error))? {
        return repeated(there, row.id, asked.to.as_deref());
    }
    if row.balance.status == Status::Draft {
        return Err(Failure::FailedPrecondition(format!("invoice {id} is a draft: only what is issued is sent")));
    }
    let name = cut(&row.customer);
    let customer = customers::get(pool, &call.tenant, &row.customer).await.map_err(|error| read_failure(&error))?;
    if customer.as_ref().is_some_and(|customer| customer.erased_at.is_some()) {
        return Err(Failure::FailedPrecondition(format!("customer {name} is erased: nothing is sent to them")));
    }
    let to = asked.to.clone().or_else(|| customer.and_then(|customer| customer.email));
    let to = to.ok_or_else(|| Failure::Invalid(format!("to is required: customer {name} has no e-mail address")))?;
    let after = serde_json::json!({ "mail": mail, "to": if asked.to.is_some() { "another" } else { "customer" } });
    let action = by.did("invoice.send", &row.id.to_string(), None, Some(after.to_string()));
    let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
    match store::request(pool, (&mail, row.id, &to), &doing, &action).await.map_err(|error| unwritten(&error))? {
        Requested::New(mail) => Ok(Sent { mail, replayed: false }),
        Requested::There(there) => repeated(there, row.id, asked.to.as_deref()),
        Requested::Full => {
            Err(Failure::FailedPrecondition(format!("{DUE_MAX} mails are due, which is the limit: try again later")))
        }
    }
}

fn repeated(there: MailRow, document: i64, to: Option<&str>) -> Result<Sent, Failure> {
    if there.document != document || to.is_some_and(|to| to != there.recipient) {
        return Err(Failure::KeyReused);
    }
    Ok(Sent { mail: there, replayed: true })
}
