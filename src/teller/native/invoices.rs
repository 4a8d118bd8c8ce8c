//! What may be done to an invoice that is issued: paid, credited, given up, made void. Each command has its turn with the
//! invoice's actor: it reads, decides and posts before the next one begins.

pub mod credit;
pub mod drafts;
pub mod mails;
pub mod papers;
pub mod payments;
mod postings;
pub mod reads;

use tokio::sync::oneshot;

use self::postings::{Booked, Entries, Party};
use super::fields;
use super::names::{self, Spelling};
use super::post::{Posted, Words, answered, decided_again, request};
use crate::billing::invoice::{self, Balance, Command as Change, InvoiceRejection, Settlement, Status};
use crate::billing::postings as rules;
use crate::money::{Amount, Currency};
use crate::protocol::admission::Permit;
use crate::protocol::events::EventType;
use crate::protocol::movement::{self, Movement, Recorded};
use crate::protocol::record::{
    DocumentKind, Kind, Operator, OperatorAction, RequestHash, Rows, SettlementKind, SettlementRow, TransactionId,
};
use crate::store::billing::invoices::{self as store, InvoiceRow};
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Answer, Command, Deadline, Ledger, Request, pinned, read_failure};
use crate::teller::validate::cut;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Do {
    /// Paid from an account of this ledger, or, without one, from outside.
    Pay {
        source: Option<String>,
        /// Decimal text; `None`: all that is due.
        amount: Option<String>,
    },
    /// Paid from what the customer paid too much before.
    UseCredit {
        /// Decimal text; `None`: all that is due.
        amount: Option<String>,
    },
    /// What is due is given up as lost, and its tax with it.
    WriteOff,
    /// What it posted is undone.
    Void,
    /// Nobody expects to be paid any more; nothing is posted.
    MarkUncollectible,
}

impl Do {
    /// A payment as a caller asks for it.
    ///
    /// # Errors
    /// `Invalid`: it names an account, and the customer's credit as well.
    pub fn pay(
        source: Option<String>,
        from_credit: bool,
        amount: Option<String>,
        spelled: Spelling,
    ) -> Result<Self, Failure> {
        match source {
            Some(_) if from_credit => Err(Failure::Invalid(format!(
                "{} and {} exclude each other",
                spelled(names::FROM_CREDIT),
                spelled(names::SOURCE_ACCOUNT_ID)
            ))),
            None if from_credit => Ok(Self::UseCredit { amount }),
            source => Ok(Self::Pay { source, amount }),
        }
    }
}

/// A command on an invoice.
#[derive(Clone, Debug)]
pub struct Asked {
    pub what: Do,
    pub words: Words,
    /// In the operator's own words; may be empty. Payments have none.
    pub reason: String,
}

/// An invoice after a command.
#[derive(Clone, Debug)]
pub struct Settled {
    pub invoice: InvoiceRow,
    /// `None`: nothing was posted.
    pub posted: Option<Posted>,
    /// Whether the same request used the key before.
    pub replayed: bool,
}

impl Settled {
    fn new(invoice: InvoiceRow, posted: Posted) -> Self {
        Self { invoice, replayed: posted.replayed, posted: Some(posted) }
    }
}

/// The invoice of this text, which stands in a path or a message.
///
/// # Errors
/// `NotFound`, also for what cannot be an id.
pub async fn get(ledger: &Ledger, tenant: &str, id: &str) -> Result<InvoiceRow, Failure> {
    let number = id.parse().map_err(|_| Failure::no_invoice(id))?;
    let row = store::get(&ledger.parts().pool, tenant, number).await.map_err(|error| read_failure(&error))?;
    row.ok_or_else(|| Failure::no_invoice(id))
}

/// Does it, in the invoice's turn.
///
/// # Errors
/// `NotFound`; `FailedPrecondition` for what the invoice's state forbids; else as [`Ledger::post`].
pub async fn settle(ledger: &Ledger, call: &Call, id: &str, asked: Asked, permit: Permit) -> Result<Settled, Failure> {
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

/// Runs a command when those that came before it on this invoice are done.
async fn turn<T: Send + 'static>(
    ledger: &Ledger,
    invoice: i64,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let (reply, answer) = oneshot::channel();
    let turn = async move {
        if !reply.is_closed() {
            let _ = reply.send(work.await); // who asked may have left
        }
    };
    ledger.active()?.invoices.queue(invoice, Box::pin(turn));
    answer.await.unwrap_or(Err(Failure::Unknown)) // the actor failed in this very turn
}

async fn in_turn(
    ledger: &Ledger,
    call: &Call,
    id: &str,
    Asked { what, words, reason }: Asked,
    deadline: Deadline,
    permit: Permit,
) -> Result<Settled, Failure> {
    let row = get(ledger, &call.tenant, id).await?;
    let by = call.operator(&reason)?;
    let identity = identity(&row, &what, words.reference.as_deref());
    let request = request(call, deadline, identity, words);
    if let Some(answer) = ledger.repeated(&request).await? {
        return repeated(ledger, call, row, answer).await;
    }
    if let Some(kind) = is_so_already(&row.balance, &what) {
        return as_it_became(ledger, call, row, kind).await;
    }
    let change = change(&row, &what)?;
    let settlement = invoice::decide(&row.balance, change).map_err(|why| refused(&row, why))?;
    let (kind, event, settled_as) = meaning(&what);
    let change =
        SettlementRow { invoice: row.id, version: row.version, kind: settled_as, settlement, credit_note: None };
    let (booked, mut rate, mut paid) = (Booked::of(ledger, &row).await?, None, Vec::new());
    let payer = match &what {
        Do::Pay { source, .. } => Some(Party::named(source.as_deref())),
        Do::UseCredit { .. } if settlement.excess > Amount::ZERO => return Err(more_than_due(&row, settlement)),
        Do::UseCredit { .. } => Some(Party::Credit),
        Do::WriteOff | Do::Void | Do::MarkUncollectible => None,
    };
    let entries = match (&what, payer) {
        (_, Some(payer)) => {
            let now = booked.rate(ledger, &call.tenant).await?;
            rate = now.as_ref().map(|rate| pinned(rate, row.currency, booked.currency));
            paid.push(unpaid(&row, settlement));
            booked.paid(settlement, payer, now.as_ref())?
        }
        (Do::WriteOff, None) => booked.written_off(settlement)?,
        (Do::Void, None) => booked.void()?,
        (_, None) => Entries::default(),
    };
    let movement = movement::Settlement { kind, event, rows: vec![change], credit_note: None, rate, paid };
    let action = action(&what).map(|name| did(&by, name, &row, &settlement.after));
    let rows: Vec<Rows> = movement.all_rows().into_iter().chain(action.clone().map(Rows::Action)).collect();
    let movement: Box<dyn Movement> = Box::new(movement);
    let movement = match action {
        Some(action) => Box::new(Recorded { movement, action }),
        None => movement,
    };
    if entries.is_empty() {
        ledger.note(request, &*movement, rows, permit).await?;
        let invoice = get(ledger, &call.tenant, id).await?;
        return Ok(Settled { invoice, posted: None, replayed: false });
    }
    let posted = post(ledger, call, (request, movement), &entries, permit).await?;
    Ok(Settled::new(get(ledger, &call.tenant, id).await?, posted))
}

/// Posts a movement between accounts, some of which may have to be opened first.
async fn post(
    ledger: &Ledger,
    call: &Call,
    (request, movement): (Request, Box<dyn Movement>),
    entries: &Entries<'_>,
    permit: Permit,
) -> Result<Posted, Failure> {
    let request = Request { chosen: Some(entries.named()), ..request };
    entries.open(ledger, &request).await?;
    let command = Command { request, movement, postings: entries.requested() };
    let answer = ledger.post(&command, permit).await?;
    answered(ledger, call, command, answer).await
}

/// What the event says of a payment of it that is declined.
fn unpaid(row: &InvoiceRow, settlement: Settlement) -> movement::Paid {
    movement::Paid {
        id: row.id.to_string(),
        number: row.number.clone().unwrap_or_default(),
        customer: row.customer.clone(),
        order: row.source.clone(),
        amount: settlement.applied.to_string(),
    }
}

fn more_than_due(row: &InvoiceRow, settlement: Settlement) -> Failure {
    let limit = settlement.applied;
    let requested = limit.plus(settlement.excess).unwrap_or(Amount::MAX);
    refused(row, InvoiceRejection::AboveLimit { requested, limit })
}

/// What an operator did to an invoice.
fn did(by: &Operator, action: &'static str, row: &InvoiceRow, after: &Balance) -> OperatorAction {
    let state = |balance: &Balance| {
        let due = balance.due().text(row.currency.exponent);
        serde_json::json!({ "status": balance.status.name(), "due": due }).to_string()
    };
    by.did(action, &row.id.to_string(), Some(state(&row.balance)), Some(state(after)))
}

/// The name in the list of operators' actions; a payment is a transaction of its payer's.
fn action(what: &Do) -> Option<&'static str> {
    match what {
        Do::Pay { .. } => None,
        Do::UseCredit { .. } => Some("invoice.use_credit"),
        Do::WriteOff => Some("invoice.write_off"),
        Do::Void => Some("invoice.void"),
        Do::MarkUncollectible => Some("invoice.uncollectible"),
    }
}

/// What the first request under the key did.
async fn repeated(ledger: &Ledger, call: &Call, invoice: InvoiceRow, answer: Answer) -> Result<Settled, Failure> {
    let (Answer::Completed { id, .. } | Answer::Declined { id, .. }) = answer;
    done_before(ledger, call, invoice, Some(id)).await
}

/// An invoice with the transaction that did it before, if one posted anything.
async fn done_before(
    ledger: &Ledger,
    call: &Call,
    invoice: InvoiceRow,
    id: Option<TransactionId>,
) -> Result<Settled, Failure> {
    let pool = &ledger.parts().pool;
    let first = match id {
        Some(id) => {
            let first = crate::store::transactions::get(pool, &call.tenant, id).await;
            first.map_err(|error| read_failure(&error))?
        }
        None => None,
    };
    let posted = first.map(|transaction| Posted { transaction, declined: None, replayed: true });
    Ok(Settled { invoice, posted, replayed: true })
}

/// By what an invoice came into the state that a command is to bring it into; `None`: it is not in it.
fn is_so_already(balance: &Balance, what: &Do) -> Option<SettlementKind> {
    match (what, balance.status) {
        (Do::Void, Status::Void) => Some(SettlementKind::Void),
        (Do::MarkUncollectible, Status::Uncollectible) => Some(SettlementKind::Uncollectible),
        (Do::WriteOff, Status::Uncollectible) if balance.due() == Amount::ZERO => Some(SettlementKind::WriteOff),
        _ => None,
    }
}

/// Doing what was done already is the same answer: with the last transaction that did it.
async fn as_it_became(
    ledger: &Ledger,
    call: &Call,
    invoice: InvoiceRow,
    kind: SettlementKind,
) -> Result<Settled, Failure> {
    let settlements = store::settlements(&ledger.parts().pool, invoice.id).await;
    let settlements = settlements.map_err(|error| read_failure(&error))?;
    let last = settlements.iter().rfind(|settlement| settlement.kind == kind);
    done_before(ledger, call, invoice, last.map(|last| TransactionId(last.transaction))).await
}

/// Tells a repeat from another request under the same key.
fn identity(row: &InvoiceRow, what: &Do, reference: Option<&str>) -> RequestHash {
    let (name, source, amount) = match what {
        Do::Pay { source, amount } => ("pay", source.as_deref(), amount.as_deref()),
        Do::UseCredit { amount } => ("use credit", None, amount.as_deref()),
        Do::WriteOff => ("write off", None, None),
        Do::Void => ("void", None, None),
        Do::MarkUncollectible => ("uncollectible", None, None),
    };
    let amount = amount.map(|text| {
        // 5 and 5.00 are the same; what is no amount is refused before anything is done
        fields::amount("amount", text, row.currency).map_or_else(|_| text.to_owned(), |amount| amount.to_string())
    });
    RequestHash::of(&[
        b"invoice",
        name.as_bytes(),
        &row.id.to_le_bytes(),
        source.unwrap_or_default().as_bytes(),
        amount.unwrap_or_default().as_bytes(),
        reference.unwrap_or_default().as_bytes(),
    ])
}

fn change(row: &InvoiceRow, what: &Do) -> Result<Change, Failure> {
    if row.kind != DocumentKind::Invoice {
        return Err(Failure::FailedPrecondition(format!("document {} is a credit note: nothing is due of it", row.id)));
    }
    Ok(match what {
        Do::Pay { amount: Some(text), .. } | Do::UseCredit { amount: Some(text) } => {
            Change::Pay { amount: fields::amount("amount", text, row.currency)? }
        }
        Do::Pay { amount: None, .. } | Do::UseCredit { amount: None } => {
            let all = row.balance.due().plus(row.balance.written_off).map_err(|_| Failure::Guard)?;
            Change::Pay { amount: all }
        }
        Do::WriteOff => Change::WriteOff,
        Do::Void => Change::Void,
        Do::MarkUncollectible => Change::MarkUncollectible,
    })
}

fn meaning(what: &Do) -> (Kind, EventType, SettlementKind) {
    match what {
        Do::Pay { .. } | Do::UseCredit { .. } => {
            (Kind::INVOICE_PAYMENT, EventType::InvoicePaid, SettlementKind::Payment)
        }
        Do::WriteOff => (Kind::WRITE_OFF, EventType::InvoiceWrittenOff, SettlementKind::WriteOff),
        Do::Void => (Kind::INVOICE_VOID, EventType::InvoiceVoided, SettlementKind::Void),
        Do::MarkUncollectible => (Kind::INVOICE_FACT, EventType::InvoiceUncollectible, SettlementKind::Uncollectible),
    }
}

/// A rejection in words, with amounts in the currency's unit.
fn refused(row: &InvoiceRow, why: InvoiceRejection) -> Failure {
    let text = |amount: Amount| format!("{} {}", amount.text(row.currency.exponent), row.currency.code);
    let number = row.number.clone().unwrap_or_else(|| row.id.to_string());
    Failure::FailedPrecondition(match why {
        InvoiceRejection::Status { status } => format!("invoice {number} is {}", status.name()),
        InvoiceRejection::Amount { requested } => {
            return Failure::Invalid(format!("amount {:?} is not above zero", cut(&text(requested))));
        }
        InvoiceRejection::AboveLimit { requested, limit } => {
            format!("{} is more than the {} that is left of invoice {number}", text(requested), text(limit))
        }
        InvoiceRejection::Settled { paid, credited } => {
            format!(
                "invoice {number} has {} paid and {} credited, so that it cannot be made void",
                text(paid),
                text(credited)
            )
        }
        InvoiceRejection::NothingDue => format!("nothing is due of invoice {number}"),
    })
}
