//! Credits an invoice, in part or in whole: a credit note is issued, and the invoice is settled, in one record.

use chrono::Utc;

use super::postings::Booked;
use super::{
    Answer, Change, Currency, Deadline, DocumentKind, EventType, Failure, InvoiceRow, Kind, Ledger, Movement, Permit,
    Posted, Recorded, RequestHash, SettlementKind, SettlementRow, Words, decided_again, did, fields, get, invoice,
    movement, refused, request, store, turn,
};
use crate::billing::NetTax;
use crate::billing::invoice::Status;
use crate::money::Amount;
use crate::protocol::content::{Content, Exchange, Line, Tax};
use crate::protocol::record;
use crate::store::billing::entities;
use crate::teller::call::Call;
use crate::teller::ledger::read_failure;

/// What is to be credited.
#[derive(Clone, Debug)]
pub struct Credit {
    /// Decimal text, tax included; `None`: all that can be credited.
    pub amount: Option<String>,
    pub words: Words,
    /// In the operator's own words; the credit note says it too.
    pub reason: String,
}

/// An invoice, and the credit note that corrects it.
#[derive(Clone, Debug)]
pub struct Credited {
    pub invoice: InvoiceRow,
    pub credit_note: InvoiceRow,
    pub posted: Option<Posted>,
    pub replayed: bool,
}

/// Credits it, in the invoice's turn.
///
/// # Errors
/// `NotFound`; `FailedPrecondition` for what the invoice's state forbids; else as [`Ledger::post`].
pub async fn credit(
    ledger: &Ledger,
    call: &Call,
    id: &str,
    asked: Credit,
    permit: Permit,
) -> Result<Credited, Failure> {
    let key = asked.words.key.clone();
    let work = |call: Call| async move {
        let invoice = get(ledger, &call.tenant, id).await?.id;
        let work = {
            let (ledger, id, deadline) = (ledger.clone(), id.to_owned(), call.deadline(ledger));
            async move {
                let work = |permit| in_turn(&ledger, &call, &id, asked.clone(), deadline, permit);
                decided_again(&ledger, permit, work).await
            }
        };
        turn(ledger, invoice, work).await
    };
    call.attempt(ledger, key.as_deref(), work).await
}

async fn in_turn(
    ledger: &Ledger,
    call: &Call,
    id: &str,
    Credit { amount, words, reason }: Credit,
    deadline: Deadline,
    permit: Permit,
) -> Result<Credited, Failure> {
    let (row, pool) = (get(ledger, &call.tenant, id).await?, &ledger.parts().pool);
    let by = call.operator(&reason)?;
    if row.kind != DocumentKind::Invoice {
        return Err(Failure::FailedPrecondition(format!("document {} is a credit note itself", row.id)));
    }
    let amount = amount.map(|text| fields::amount("amount", &text, row.currency)).transpose()?;
    let identity = RequestHash::of(&[
        b"invoice",
        b"credit",
        &row.id.to_le_bytes(),
        amount.map(|amount| amount.to_string()).unwrap_or_default().as_bytes(),
        words.reference.as_deref().unwrap_or_default().as_bytes(),
    ]);
    let request = request(call, deadline, identity, words);
    if let Some(answer) = ledger.repeated(&request).await? {
        return repeated(ledger, call, row, answer).await;
    }
    let amount = amount.unwrap_or_else(|| row.balance.creditable());
    if amount == Amount::ZERO && row.balance.creditable() == Amount::ZERO {
        let number = row.number.as_deref().unwrap_or(id);
        return Err(Failure::FailedPrecondition(format!("nothing is left of invoice {number} that can be credited")));
    }
    let settlement = invoice::decide(&row.balance, Change::Credit { amount }).map_err(|why| refused(&row, why))?;
    let entity = entities::get(pool, &call.tenant, &row.entity).await.map_err(|error| read_failure(&error))?;
    let entity = entity.ok_or_else(|| super::drafts::no_entity(&row.entity))?;
    let groups = left(ledger, &row).await?;
    let whole: Vec<NetTax> = groups.iter().map(|(_, left)| *left).collect();
    let parts = invoice::split(amount, &whole).map_err(|why| refused(&row, why))?;
    let note_id = store::draw_id(pool).await.map_err(|error| read_failure(&error))?;
    let total = sum(&parts)?;
    let booked = Booked::of(ledger, &row).await?;
    let in_books = booked.books.settled(&row.balance, &settlement);
    let comes_to = in_books.applied.plus(in_books.returned).map_err(|_| Failure::Guard)?;
    let tax_left = sum(&whole)?.tax;
    let tax_after = tax_left.minus(total.tax).map_err(|_| Failure::Guard)?;
    let credited = booked.books.credited(comes_to, tax_left, tax_after);
    let named = groups.iter().map(|(tax, _)| tax);
    let credit_note = record::InvoiceRow {
        draft: Some((note_id, 0)),
        entity: row.entity.clone(),
        document: DocumentKind::CreditNote,
        customer: row.customer.clone(),
        source: row.source.clone(),
        currency: row.currency.code,
        subtotal: total.net,
        tax: total.tax,
        total: amount,
        due_on: None,
        content: Content { exchange: exchanged(&row, &booked, credited), ..content(&row, named.zip(&parts), &reason) }
            .text(),
        corrects: Some(row.id),
        year: entity.fiscal_year(entity.today(Utc::now())),
        number_format: entity.credit_format.clone(),
        booked: (booked.currency.code, comes_to),
        status: Status::Paid,
        is_mailed: entity.mails_invoices,
    };
    let entries = booked.credited(credited, in_books.applied);
    let change = SettlementRow {
        invoice: row.id,
        version: row.version,
        kind: SettlementKind::CreditNote,
        settlement,
        credit_note: Some(note_id),
    };
    let movement: Box<dyn Movement> = Box::new(movement::Settlement {
        kind: Kind::CREDIT_NOTE,
        event: EventType::CreditNoteIssued,
        rows: vec![change],
        credit_note: Some(Box::new(credit_note)),
        rate: None,
        paid: Vec::new(),
    });
    let action = did(&by, "invoice.credit", &row, &settlement.after);
    let movement = Box::new(Recorded { movement, action });
    let posted = super::post(ledger, call, (request, movement), &entries, permit).await?;
    if posted.declined.is_some() {
        // the house's accounts take what is posted; what an operator has closed does not
        return Err(Failure::FailedPrecondition("an account of the house takes nothing: nothing was done".into()));
    }
    finished(ledger, call, &row, note_id, Some(posted)).await
}

/// At the rate of the invoice, what the credit note comes to in the books.
fn exchanged(row: &InvoiceRow, booked: &Booked<'_>, credited: NetTax) -> Option<Exchange> {
    let text = |amount: Amount| amount.text(booked.currency.exponent);
    let pinned = row.content.exchange.clone()?;
    Some(Exchange { net: text(credited.net), tax: text(credited.tax), ..pinned })
}

async fn finished(
    ledger: &Ledger,
    call: &Call,
    row: &InvoiceRow,
    note: i64,
    posted: Option<Posted>,
) -> Result<Credited, Failure> {
    let invoice = get(ledger, &call.tenant, &row.id.to_string()).await?;
    let credit_note = get(ledger, &call.tenant, &note.to_string()).await?;
    let replayed = posted.as_ref().is_some_and(|posted| posted.replayed);
    Ok(Credited { invoice, credit_note, posted, replayed })
}

/// What the first request under the key did.
async fn repeated(ledger: &Ledger, call: &Call, row: InvoiceRow, answer: Answer) -> Result<Credited, Failure> {
    let (Answer::Completed { id, .. } | Answer::Declined { id, .. }) = answer;
    let pool = &ledger.parts().pool;
    let settlements = store::settlements(pool, row.id).await.map_err(|error| read_failure(&error))?;
    let note = settlements.iter().find(|settled| settled.transaction == id.0).and_then(|settled| settled.credit_note);
    let note = note.ok_or(Failure::KeyReused)?;
    let first = crate::store::transactions::get(pool, &call.tenant, id).await.map_err(|error| read_failure(&error))?;
    let posted = first.map(|transaction| Posted { transaction, declined: None, replayed: true });
    finished(ledger, call, &row, note, posted).await
}

/// What is left of each group of the invoice's taxes, after earlier credit notes and what was written off.
async fn left(ledger: &Ledger, row: &InvoiceRow) -> Result<Vec<(Tax, NetTax)>, Failure> {
    let notes = store::credit_notes(&ledger.parts().pool, row.id).await.map_err(|error| read_failure(&error))?;
    let mut groups = Vec::with_capacity(row.content.taxes.len());
    for tax in &row.content.taxes {
        let mut left = read(tax, row.currency)?;
        let same = |other: &&Tax| (&other.treatment, &other.percent) == (&tax.treatment, &tax.percent);
        for credited in notes.iter().flat_map(|note| note.content.taxes.iter().filter(same)) {
            left = less(left, read(credited, row.currency)?)?;
        }
        groups.push((tax.clone(), left));
    }
    if row.balance.written_off > Amount::ZERO {
        let whole: Vec<NetTax> = groups.iter().map(|(_, left)| *left).collect();
        let lost = invoice::split(row.balance.written_off, &whole).map_err(|why| refused(row, why))?;
        for ((_, left), lost) in groups.iter_mut().zip(lost) {
            *left = less(*left, lost)?;
        }
    }
    Ok(groups)
}

fn read(tax: &Tax, currency: Currency) -> Result<NetTax, Failure> {
    let amount = |text: &str| Amount::parse(text, currency.exponent).map_err(|_| Failure::Guard);
    Ok(NetTax { net: amount(&tax.net)?, tax: amount(&tax.tax)? })
}

fn less(a: NetTax, b: NetTax) -> Result<NetTax, Failure> {
    let minus = |a: Amount, b| a.minus(b).map_err(|_| Failure::Guard);
    Ok(NetTax { net: minus(a.net, b.net)?, tax: minus(a.tax, b.tax)? })
}

fn sum(parts: &[NetTax]) -> Result<NetTax, Failure> {
    let plus = |a: Amount, b| a.plus(b).map_err(|_| Failure::Guard);
    parts.iter().try_fold(NetTax::default(), |sum, part| {
        Ok(NetTax { net: plus(sum.net, part.net)?, tax: plus(sum.tax, part.tax)? })
    })
}

/// What the credit note says: amounts above zero that the customer owes less, one line for each rate.
fn content<'a>(row: &InvoiceRow, parts: impl Iterator<Item = (&'a Tax, &'a NetTax)>, reason: &str) -> Content {
    let number = row.number.clone().unwrap_or_else(|| row.id.to_string());
    let text = |amount: Amount| amount.text(row.currency.exponent);
    let (mut lines, mut taxes) = (Vec::new(), Vec::new());
    for (tax, part) in parts.filter(|(_, part)| part.net != Amount::ZERO || part.tax != Amount::ZERO) {
        let tax = Tax { net: text(part.net), tax: text(part.tax), ..tax.clone() };
        lines.push(Line {
            sku: String::new(),
            description: Some(format!("Credit of invoice {number}, tax {} %", tax.percent)),
            quantity: "1".into(),
            unit_price: tax.net.clone(),
            tax_category: None,
            treatment: tax.treatment.clone(),
            tax_percent: tax.percent.clone(),
            net: tax.net.clone(),
            tax: tax.tax.clone(),
        });
        taxes.push(tax);
    }
    Content {
        ordered_at: Utc::now(),
        prices_include_tax: false,
        customer: row.content.customer.clone(),
        region: row.content.region.clone(),
        lines,
        taxes,
        exchange: None,
        discount: None,
        due_days: None,
        note: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
    }
}
