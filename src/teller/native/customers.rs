//! Customers: made, changed, listed, and their personal data erased.

use chrono::{DateTime, NaiveDate, Utc};

use super::names::{self, Spelling};
use super::pages;
use crate::billing::order::NAME_BYTES_MAX;
use crate::protocol::record::{RequestHash, TransactionId};
use crate::store::billing::customers::{self as store, CustomerRow, Written};
use crate::store::operators::Doing;
use crate::store::transactions::Cursor;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, read_failure, unwritten};
use crate::teller::validate::{self, cut};

/// Bytes of the id of a customer that is made here.
pub const ID_MAX: usize = 64;
/// Bytes of an email address.
pub const EMAIL_MAX: usize = 320;
/// Bytes of a name, and of any other short text of a customer.
pub const TEXT_MAX: usize = 255;
/// Lines of an address.
pub const ADDRESS_LINES_MAX: usize = 10;
/// Bytes of a language's tag.
pub const LANGUAGE_MAX: usize = 35;

/// What is said of a customer; `None`: nothing, and in a change that it stays. An empty text takes away what was said.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub middle_name: Option<String>,
    pub last_name: Option<String>,
    pub mobile: Option<String>,
    /// A day such as 1990-12-31.
    pub born_on: Option<String>,
    /// Its lines.
    pub address: Option<Vec<String>>,
    pub tax_id: Option<String>,
    pub region: Option<String>,
    pub language: Option<String>,
}

/// Makes a customer; without an id it gets one.
///
/// # Errors
/// `Invalid`; `AlreadyExists`: there is one of this id or email address; what kept it from being done.
pub async fn create(
    ledger: &Ledger,
    call: &Call,
    (id, said): (Option<String>, Said),
    (reason, spelled): (&str, Spelling),
) -> Result<CustomerRow, Failure> {
    let by = call.operator(reason)?;
    let id = id.unwrap_or_else(|| TransactionId::draw().0.to_string());
    validate::required("id", &id, ID_MAX)?;
    let change = checked(said, spelled)?;
    let mut row = CustomerRow {
        id,
        email: None,
        first_name: String::new(),
        middle_name: String::new(),
        last_name: String::new(),
        mobile: None,
        born_on: None,
        address: Vec::new(),
        tax_id: None,
        region: None,
        language: "en".into(),
        created_at: Utc::now(),
        erased_at: None,
    };
    change(&mut row);
    ledger.active()?;
    let _permit = ledger.enter()?;
    let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
    let written = store::create(&ledger.parts().pool, &row, &doing).await.map_err(|error| unwritten(&error))?;
    done(written, &row.id)?;
    get(ledger, call, &row.id).await
}

/// Changes what is said of a customer.
///
/// # Errors
/// `Invalid`; `NotFound`; `AlreadyExists`: another has this email address; `FailedPrecondition`: it is erased.
pub async fn update(
    ledger: &Ledger,
    call: &Call,
    (id, said): (&str, Said),
    (reason, spelled): (&str, Spelling),
) -> Result<CustomerRow, Failure> {
    let by = call.operator(reason)?;
    let change = checked(said, spelled)?;
    ledger.active()?;
    let _permit = ledger.enter()?;
    let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
    let written = store::update(&ledger.parts().pool, id, change, &doing).await.map_err(|error| unwritten(&error))?;
    done(written, id)?;
    get(ledger, call, id).await
}

/// Erases a customer's personal data; its id and its invoices stay.
///
/// # Errors
/// `NotFound`; what kept it from being done.
pub async fn erase(ledger: &Ledger, call: &Call, id: &str, reason: &str) -> Result<CustomerRow, Failure> {
    let by = call.operator(reason)?;
    ledger.active()?;
    let _permit = ledger.enter()?;
    let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
    let written = store::erase(&ledger.parts().pool, id, &doing).await.map_err(|error| unwritten(&error))?;
    done(written, id)?;
    get(ledger, call, id).await
}

fn done(written: Written, id: &str) -> Result<(), Failure> {
    match written {
        Written::Done => Ok(()),
        Written::There(_) => Err(Failure::AlreadyExists(format!("customer {} exists already", cut(id)))),
        Written::EmailTaken => Err(Failure::AlreadyExists("another customer has this email address".into())),
        Written::NotFound => Err(Failure::no_customer(id)),
        Written::Erased => Err(Failure::FailedPrecondition(format!("customer {} is erased, which is final", cut(id)))),
    }
}

/// One customer.
///
/// # Errors
/// `NotFound`; what kept it from being read.
pub async fn get(ledger: &Ledger, call: &Call, id: &str) -> Result<CustomerRow, Failure> {
    let row = store::get(&ledger.parts().pool, &call.tenant, id).await.map_err(|error| read_failure(&error))?;
    row.ok_or_else(|| Failure::no_customer(id))
}

/// A page of customers, the oldest first, and the next page's token; `None` after the last.
///
/// # Errors
/// `Invalid` for a token of another query; what kept them from being read.
pub async fn list(
    ledger: &Ledger,
    call: &Call,
    email: Option<String>,
    (size, token): (u32, pages::Token<'_>),
) -> Result<(Vec<CustomerRow>, Option<String>), Failure> {
    let email_text = email.as_deref().unwrap_or_default();
    let query = RequestHash::of(&[b"ListCustomers", call.tenant.as_bytes(), email_text.as_bytes()]);
    let seal = pages::seal(ledger).await?;
    let start = seal.open(query, token)?;
    let from = (start != Cursor::START).then_some(start).and_then(|start| {
        Some((DateTime::from_timestamp_micros(start.seq)?, start.row)) // those of this time that were shown already
    });
    let _place = ledger.enter_read()?;
    let rows = store::list(&ledger.parts().pool, &call.tenant, email.as_deref(), from, i64::from(size) + 1).await;
    let mut rows = rows.map_err(|error| read_failure(&error))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|last| {
        let at = last.created_at;
        let same = rows.iter().filter(|row| row.created_at == at).count();
        let before = from.filter(|(from, _)| *from == at).map_or(0, |(_, shown)| shown);
        let row = before + i64::try_from(same).unwrap_or(i64::MAX);
        seal.token(query, &Cursor { seq: at.timestamp_micros(), row, ..Cursor::START })
    });
    Ok((rows, next))
}

/// Checks what is said, and answers what it changes.
fn checked(said: Said, spelled: Spelling) -> Result<impl FnOnce(&mut CustomerRow) + Send, Failure> {
    for (name, text, bytes_max) in [
        ("email", &said.email, EMAIL_MAX),
        (spelled(names::FIRST_NAME), &said.first_name, TEXT_MAX),
        (spelled(names::MIDDLE_NAME), &said.middle_name, TEXT_MAX),
        (spelled(names::LAST_NAME), &said.last_name, TEXT_MAX),
        ("mobile", &said.mobile, TEXT_MAX),
        (spelled(names::TAX_ID), &said.tax_id, TEXT_MAX),
        ("region", &said.region, NAME_BYTES_MAX),
        ("language", &said.language, LANGUAGE_MAX),
    ] {
        validate::text(name, text.as_deref().unwrap_or_default(), bytes_max)?;
    }
    if let Some(email) = said.email.as_deref().filter(|email| !email.is_empty()) {
        email_address("email", email)?;
    }
    let born_on = said.born_on.map(|text| day(spelled(names::BORN_ON), &text)).transpose()?;
    let address = said.address.map(|lines| address("address", lines)).transpose()?;
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(move |row: &mut CustomerRow| {
        let set = |place: &mut Option<String>, text: Option<String>| {
            if let Some(text) = text {
                *place = given(text);
            }
        };
        set(&mut row.email, said.email.map(|email| email.to_lowercase()));
        set(&mut row.mobile, said.mobile);
        set(&mut row.tax_id, said.tax_id);
        set(&mut row.region, said.region);
        let names = [
            (&mut row.first_name, said.first_name),
            (&mut row.middle_name, said.middle_name),
            (&mut row.last_name, said.last_name),
        ];
        for (place, text) in names {
            if let Some(text) = text {
                *place = text;
            }
        }
        if let Some(language) = said.language {
            row.language = given(language).unwrap_or_else(|| "en".into());
        }
        if let Some(born_on) = born_on {
            row.born_on = born_on;
        }
        if let Some(address) = address {
            row.address = address;
        }
    })
}

/// Whether a text is an e-mail address.
pub(super) fn email_address(field: &str, text: &str) -> Result<(), Failure> {
    let fits = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if fits && !text.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(Failure::Invalid(format!("{field} {:?} is not an address such as \"ann@example.com\"", cut(text))))
}

/// A day; `None`: the text is empty.
///
/// # Errors
/// `Invalid`, naming field and value.
pub fn day(field: &str, text: &str) -> Result<Option<NaiveDate>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let day = text.parse().ok().filter(|_| text.len() == 10);
    let wrong = || Failure::Invalid(format!("{field} {:?} is not a day such as \"2026-12-31\"", cut(text)));
    day.map(Some).ok_or_else(wrong)
}

/// The lines of an address; empty ones are left out.
pub(super) fn address(field: &str, mut lines: Vec<String>) -> Result<Vec<String>, Failure> {
    lines.retain(|line| !line.trim().is_empty());
    if lines.len() > ADDRESS_LINES_MAX {
        let count = lines.len();
        return Err(Failure::Invalid(format!("{field} has {count} lines, the limit is {ADDRESS_LINES_MAX}")));
    }
    for (n, line) in lines.iter().enumerate() {
        validate::text(&format!("{field}[{n}]"), line, TEXT_MAX)?;
    }
    Ok(lines)
}
