//! Reads transactions and entries from the primary, page by page.

use chrono::{DateTime, Utc};

use super::{accounts, pages, views};
use crate::money::Currency;
use crate::protocol::events::timestamp;
use crate::protocol::record::{RequestHash, Rights, TransactionId};
use crate::store;
use crate::store::entries::EntryRow;
use crate::store::transactions::{Cursor, Filter, TransactionRow};
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, covered, read_failure};

/// Bytes of the name of an API key or a certificate.
pub const MAKER_MAX: usize = 255;
/// Bytes of an IP address.
pub const ADDRESS_MAX: usize = 64;

/// Which transactions to list: those that match all of these.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The id of an account that is debited or credited, or was to be.
    pub account: Option<String>,
    /// Accepted at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Accepted before this time.
    pub to: Option<DateTime<Utc>>,
    /// `Some(true)`: only declined ones; `Some(false)`: only completed ones.
    pub declined: Option<bool>,
    pub reference: Option<String>,
    /// Made by the API key or the certificate of this name; only for those who are told.
    pub made_by: Option<String>,
    /// Made from this address; only for those who are told.
    pub made_from: Option<String>,
}

/// A page of transactions, each with the cursor after it: a caller who cannot show all of them goes on from there.
#[derive(Debug)]
pub struct Transactions {
    /// Newest first.
    pub rows: Vec<(TransactionRow, Cursor)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
    /// The hash of the query, for the tokens.
    pub query: RequestHash,
    /// What is shown of them hangs on it.
    pub rights: Rights,
    pub seal: pages::Seal,
}

impl Transactions {
    /// As many as fit into an answer of so many bytes, at least one. `show` answers what a transaction is sent as, and
    /// its bytes.
    ///
    /// # Errors
    /// The first of `show`.
    pub fn fitting<T>(
        self,
        bytes_max: usize,
        show: impl Fn(views::Transaction) -> Result<(T, usize), Failure>,
    ) -> Result<views::Page<T>, Failure> {
        let (mut items, mut next, mut bytes_total, mut last) =
            (Vec::with_capacity(self.rows.len()), self.next, 0, None);
        for (row, after) in self.rows {
            let (item, bytes) = show(views::Transaction::shown(row, &self.rights))?;
            bytes_total += bytes;
            if bytes_total > bytes_max && last.is_some() {
                next = last; // the rest is left to the next page
                break;
            }
            items.push(item);
            last = Some(after);
        }
        Ok(views::Page { items, next_page_token: next.map(|place| self.seal.token(self.query, &place)) })
    }
}

#[derive(Debug)]
pub struct Entries {
    /// Newest first.
    pub rows: Vec<EntryRow>,
    /// The currency of the account.
    pub currency: Currency,
    /// The next page's token; `None` after the last.
    pub next: Option<String>,
}

/// Reads one transaction, as this caller may see it. One who is kept to some accounts is shown those of which a side is
/// theirs.
///
/// # Errors
/// `NotFound`; what kept it from being read.
pub async fn transaction(ledger: &Ledger, call: &Call, id: TransactionId) -> Result<views::Transaction, Failure> {
    let _place = ledger.enter_read()?;
    let row =
        store::transactions::get(&ledger.parts().pool, &call.tenant, id).await.map_err(|error| read_failure(&error))?;
    let rights = &call.maker.rights;
    let is_theirs = |row: &TransactionRow| {
        rights.prefix.is_none()
            || row.postings.iter().any(|posting| rights.covers(&posting.debit) || rights.covers(&posting.credit))
    };
    let row = row.filter(is_theirs).ok_or_else(|| Failure::no_transaction(&id.0.to_string()))?;
    Ok(views::Transaction::shown(row, rights))
}

/// A page of transactions, newest first.
///
/// # Errors
/// `Forbidden`: a caller who is kept to some accounts names one of them; `Invalid` for a token of another query; what
/// kept them from being read.
pub async fn transactions(
    ledger: &Ledger,
    call: &Call,
    wanted: Wanted,
    (size, token): (u32, pages::Token<'_>),
) -> Result<Transactions, Failure> {
    let rights = &call.maker.rights;
    if rights.prefix.is_some() || wanted.account.is_some() {
        covered(rights, wanted.account.as_deref().unwrap_or_default())?;
    }
    if !rights.sees_makers && (wanted.made_by.is_some() || wanted.made_from.is_some()) {
        let why = "who made a transaction is told to callers with the scope admin alone";
        return Err(Failure::Forbidden(why.into()));
    }
    let time = |at: Option<DateTime<Utc>>| at.map(timestamp).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let query = RequestHash::of(&[
        b"ListTransactions",
        call.tenant.as_bytes(),
        text(&wanted.account).as_bytes(),
        time(wanted.from).as_bytes(),
        time(wanted.to).as_bytes(),
        format!("{:?}", wanted.declined).as_bytes(),
        text(&wanted.reference).as_bytes(),
        text(&wanted.made_by).as_bytes(),
        text(&wanted.made_from).as_bytes(),
    ]);
    let seal = pages::seal(ledger).await?;
    let start = seal.open(query, token)?;
    let filter = Filter {
        tenant: call.tenant.to_string(),
        account: wanted.account,
        from: wanted.from,
        to: wanted.to,
        declined: wanted.declined,
        reference: wanted.reference,
        made_by: wanted.made_by,
        made_from: wanted.made_from,
        ..Filter::default()
    };
    let _place = ledger.enter_read()?;
    let count = usize::try_from(size).unwrap_or(usize::MAX);
    let page = store::transactions::list(&ledger.parts().pool, &filter, start, count)
        .await
        .map_err(|error| read_failure(&error))?;
    Ok(Transactions { rows: page.rows, next: page.next, query, rights: rights.clone(), seal })
}

/// A page of an account's entries, newest first.
///
/// # Errors
/// `NotFound`; `Invalid` for a token of another query; what kept them from being read.
pub async fn entries(
    ledger: &Ledger,
    call: &Call,
    account: &str,
    (size, token): (u32, pages::Token<'_>),
) -> Result<Entries, Failure> {
    let query = RequestHash::of(&[b"ListEntries", call.tenant.as_bytes(), account.as_bytes()]);
    let seal = pages::seal(ledger).await?;
    let start = seal.open(query, token)?;
    let account = accounts::identity(ledger, call, account).await?;
    let rows = store::entries::list(&ledger.parts().pool, account.id, start.seq, i64::from(size) + 1).await;
    let mut rows = rows.map_err(|error| read_failure(&error))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|row| seal.token(query, &Cursor { seq: row.seq, ..Cursor::START }));
    Ok(Entries { rows, currency: account.currency, next })
}
