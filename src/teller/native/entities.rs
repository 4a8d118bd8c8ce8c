//! Legal entities: what stands on the documents that they issue, and how those are numbered.

use super::customers::{EMAIL_MAX, TEXT_MAX, address};
use super::invoices::drafts::{DUE_DAYS_MAX, ENTITY_MAX, no_entity};
use super::invoices::mails::NO_SERVER;
use super::names::{self, Spelling};
use crate::actors::press::PressError;
use crate::billing::NumberFormat;
use crate::billing::order::NAME_BYTES_MAX;
use crate::store::billing::entities::{self as store, ENTITIES_MAX, EntityRow};
use crate::store::operators::Doing;
use crate::teller::call::Call;
use crate::teller::failure::{Failure, Noun};
use crate::teller::ledger::{Ledger, read_failure, unwritten};
use crate::teller::validate::{self, cut};

/// Bytes of a number's format.
pub const FORMAT_MAX: usize = 64;
/// Bytes of a time zone's name.
pub const ZONE_MAX: usize = 64;

/// Bytes of a logo.
pub const LOGO_MAX: usize = 256 << 10;

/// All that is said of an entity; `None`: what is usual.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub name: String,
    /// Its lines.
    pub address: Vec<String>,
    pub tax_id: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub invoice_format: Option<String>,
    pub credit_format: Option<String>,
    pub payment_days: Option<u32>,
    /// The month in which its fiscal year begins, 1 to 12.
    pub fiscal_month: Option<u32>,
    pub time_zone: Option<String>,
    pub book_currency: Option<String>,
    pub region: Option<String>,
    /// Whether customers with an address get invoices and credit notes by mail when they are issued; false unless given.
    pub mails_invoices: Option<bool>,
    /// A PNG or an SVG; an empty one takes it away, and without one it stays.
    pub logo: Option<Vec<u8>>,
}

/// Makes an entity, or puts this in place of all that was said of it.
///
/// # Errors
/// `Invalid`; `FailedPrecondition` at the bound; what kept it from being done.
pub async fn put(
    ledger: &Ledger,
    call: &Call,
    (id, mut said): (&str, Said),
    (reason, spelled): (&str, Spelling),
) -> Result<EntityRow, Failure> {
    let by = call.operator(reason)?;
    let logo = said.logo.take();
    let row = checked(ledger, id, said, spelled).await?;
    ledger.active()?;
    if let Some(logo) = logo.as_ref().filter(|logo| !logo.is_empty()) {
        check_logo(ledger, logo).await?;
    }
    let _permit = ledger.enter()?;
    let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
    if !store::put(&ledger.parts().pool, row, logo.as_deref(), &doing).await.map_err(|error| unwritten(&error))? {
        return Err(Failure::FailedPrecondition(format!("there are {ENTITIES_MAX} entities, which is the limit")));
    }
    get(ledger, call, id).await
}

/// One entity.
///
/// # Errors
/// `NotFound`; what kept it from being read.
pub async fn get(ledger: &Ledger, call: &Call, id: &str) -> Result<EntityRow, Failure> {
    let row = store::get(&ledger.parts().pool, &call.tenant, id).await.map_err(|error| read_failure(&error))?;
    row.ok_or_else(|| no_entity(id))
}

/// All entities of a tenant, by id.
///
/// # Errors
/// What kept them from being read.
pub async fn list(ledger: &Ledger, call: &Call) -> Result<Vec<EntityRow>, Failure> {
    let _place = ledger.enter_read()?;
    store::list(&ledger.parts().pool, &call.tenant).await.map_err(|error| read_failure(&error))
}

async fn checked(ledger: &Ledger, id: &str, said: Said, spelled: Spelling) -> Result<EntityRow, Failure> {
    validate::required("id", id, ENTITY_MAX)?;
    validate::required("name", &said.name, TEXT_MAX)?;
    for (name, text, bytes_max) in [
        (spelled(names::TAX_ID), &said.tax_id, TEXT_MAX),
        ("phone", &said.phone, TEXT_MAX),
        ("email", &said.email, EMAIL_MAX),
        ("region", &said.region, NAME_BYTES_MAX),
    ] {
        validate::text(name, text.as_deref().unwrap_or_default(), bytes_max)?;
    }
    let invoice_format =
        format(spelled(names::INVOICE_FORMAT), said.invoice_format.unwrap_or_else(|| "INV-{year}-{seq:6}".into()))?;
    let credit_format =
        format(spelled(names::CREDIT_FORMAT), said.credit_format.unwrap_or_else(|| "CN-{year}-{seq:6}".into()))?;
    let zone = said.time_zone.unwrap_or_else(|| "UTC".into());
    validate::text(spelled(names::TIME_ZONE), &zone, ZONE_MAX)?;
    if zone.parse::<chrono_tz::Tz>().is_err() {
        let name = spelled(names::TIME_ZONE);
        return Err(Failure::Invalid(format!(
            "{name} {:?} is not a time zone of IANA such as \"Europe/Berlin\"",
            cut(&zone)
        )));
    }
    let within = |name: &str, value: Option<u32>, (low, usual, high): (u32, u32, u32)| {
        let value = value.unwrap_or(usual);
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        Err(Failure::Invalid(format!("{name} {value} is not from {low} to {high}")))
    };
    let days = within(spelled(names::PAYMENT_DAYS), said.payment_days, (0, 30, DUE_DAYS_MAX))?;
    let month = within(spelled(names::FISCAL_MONTH), said.fiscal_month, (1, 1, 12))?;
    if let Some(code) = &said.book_currency {
        ledger.ensure_known(std::iter::once(code.as_str())).await?;
        super::fields::currency(&ledger.parts().currencies, spelled(names::BOOK_CURRENCY), code)?;
    }
    let mails_invoices = said.mails_invoices.unwrap_or(false);
    if mails_invoices && !ledger.parts().papers.are_mailed {
        let name = spelled(names::MAILS_INVOICES);
        return Err(Failure::FailedPrecondition(format!("{name} cannot be true: {NO_SERVER}")));
    }
    Ok(EntityRow {
        id: id.to_owned(),
        name: said.name,
        address: address("address", said.address)?,
        tax_id: said.tax_id,
        phone: said.phone,
        email: said.email,
        invoice_format,
        credit_format,
        payment_days: i32::try_from(days).unwrap_or(i32::MAX),
        fiscal_month: i16::try_from(month).unwrap_or(1),
        time_zone: zone,
        book_currency: said.book_currency,
        region: said.region,
        mails_invoices,
        logo_sha256: None, // the store says it
    })
}

/// It can stand on documents.
async fn check_logo(ledger: &Ledger, logo: &[u8]) -> Result<(), Failure> {
    if logo.len() > LOGO_MAX {
        return Err(Failure::Invalid(format!("logo is {} bytes long, the limit is {LOGO_MAX}", logo.len())));
    }
    let checked = ledger.parts().papers.press.check_logo(logo.to_vec()).await;
    checked.map_err(|error| match error {
        PressError::NotBuilt => Failure::NotFound(Noun::Other, error.to_string()),
        PressError::Busy { max } => Failure::AtBound { max },
        PressError::Refused(why) => Failure::Invalid(format!("logo {why}")),
    })
}

fn format(field: &str, text: String) -> Result<String, Failure> {
    validate::required(field, &text, FORMAT_MAX)?;
    match NumberFormat::parse(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::Invalid(format!("{field} {:?}: {error}", cut(&text)))),
    }
}
