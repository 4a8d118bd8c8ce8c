//! Posts one transaction of checked fields, and returns it as it reads back.

use smallvec::SmallVec;

use super::{fields, names};
use crate::money::Amount;
use crate::protocol::admission::Permit;
use crate::protocol::movement::Transfer;
use crate::protocol::record::{Api, DeclineCode, Follows, Kind, RequestHash, RequestedPosting};
use crate::store;
use crate::store::numeric::Numeric;
use crate::store::transactions::{Exchange, PostingRow, TransactionRow};
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Answer, Command, Deadline, Ledger, Request};
use crate::teller::validate::{self, DESCRIPTION_MAX, KEY_MAX, POSTINGS_MAX, REFERENCE_MAX};

/// What a caller says of a transaction; `None`: the text was empty.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// The idempotency key.
    pub key: Option<String>,
    /// Transactions can be listed by it.
    pub reference: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// A JSON object of texts, as [`fields::metadata`] writes it.
    pub metadata: Option<String>,
}

impl Words {
    /// Checks texts as they came; an empty one becomes `None`.
    ///
    /// # Errors
    /// `Invalid`, naming the field by its name over gRPC.
    pub fn checked(key: String, reference: String, description: String) -> Result<Self, Failure> {
        validate::text(names::IDEMPOTENCY_KEY.grpc, &key, KEY_MAX)?;
        validate::text("reference", &reference, REFERENCE_MAX)?;
        validate::text("description", &description, DESCRIPTION_MAX)?;
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(Self { key: given(key), reference: given(reference), description: given(description), metadata: None })
    }
}

#[derive(Clone, Debug)]
pub struct Transaction {
    pub kind: Kind,
    /// 1 to 100.
    pub postings: SmallVec<[RequestedPosting; 1]>,
    pub words: Words,
}

/// The outcome of a command.
#[derive(Clone, Debug)]
pub struct Posted {
    pub transaction: TransactionRow,
    /// `None`: it took effect.
    pub declined: Option<DeclineCode>,
    /// Whether the same request used the key before: this is its first answer.
    pub replayed: bool,
}

/// Checks the number of postings.
///
/// # Errors
/// `Invalid`: none, or too many.
pub fn count(postings: usize) -> Result<(), Failure> {
    match postings {
        0 => Err(Failure::Invalid("postings is required".into())),
        1..=POSTINGS_MAX => Ok(()),
        _ => Err(Failure::Invalid(format!("postings has {postings} entries, the limit is {POSTINGS_MAX}"))),
    }
}

/// Reads a posting, its amount in the currency's minor unit. `prefix` stands before a field's name in what is said of
/// it. The ledger was made to know the currency ([`Ledger::know`]).
///
/// # Errors
/// `Invalid`: not a currency of this ledger, or an amount that it cannot carry.
pub fn posting(
    ledger: &Ledger,
    prefix: &str,
    (debit, credit): (String, String),
    amount: &str,
    currency: String,
) -> Result<RequestedPosting, Failure> {
    let kept_in = fields::currency(&ledger.parts().currencies, &format!("{prefix}currency"), &currency)?;
    let amount = fields::amount(&format!("{prefix}amount"), amount, kept_in)?;
    Ok(RequestedPosting { debit, credit, amount, currency, exponent: kept_in.exponent })
}

/// Posts a transaction, and returns when the outcome is durable.
///
/// # Errors
/// As [`Ledger::post`].
pub async fn post(
    ledger: &Ledger,
    call: &Call,
    deadline: Deadline,
    asked: Transaction,
    permit: Permit,
) -> Result<Posted, Failure> {
    let key = asked.words.key.clone();
    let work = |call| async move { post_as(ledger, &call, deadline, asked, permit).await };
    call.attempt(ledger, key.as_deref(), work).await
}

async fn post_as(
    ledger: &Ledger,
    call: &Call,
    deadline: Deadline,
    asked: Transaction,
    permit: Permit,
) -> Result<Posted, Failure> {
    let Transaction { kind, postings, words } = asked;
    let identity = Transfer::request(kind, &postings, words.reference.as_deref(), words.metadata.as_deref());
    let request = request(call, deadline, identity, words);
    let command = Command { request, movement: Box::new(Transfer { kind }), postings };
    let answer = ledger.post(&command, permit).await?;
    answered(ledger, call, command, answer).await
}

pub(super) fn request(call: &Call, deadline: Deadline, identity: RequestHash, words: Words) -> Request {
    Request {
        key: words.key,
        attempt: call.attempt.clone(),
        reference: words.reference,
        description: words.description,
        metadata: words.metadata,
        correlation: call.correlation.clone(),
        with_balances: true,
        ..Request::new(call.tenant.clone(), Api::FlorinV1, identity, call.maker.clone(), deadline)
    }
}

/// How often a command is decided, if each time what it rests on changes meanwhile.
const DECIDED_MAX: u32 = 8;

/// Decides once more when what it rested on has changed meanwhile: what is left of a hold or a payment, while others take
/// from it; an invoice, by a payment over several of them or the timer of what is overdue, which have no turn with it.
pub(super) async fn decided_again<T, F: Future<Output = Result<T, Failure>>>(
    ledger: &Ledger,
    permit: Permit,
    mut work: impl FnMut(Permit) -> F,
) -> Result<T, Failure> {
    let mut permit = Some(permit);
    for _ in 1..DECIDED_MAX {
        let permit = permit.take().map_or_else(|| ledger.enter(), Ok)?;
        match work(permit).await {
            Err(Failure::Interrupted) => {} // nothing was done
            done => return done,
        }
    }
    work(ledger.enter()?).await
}

/// The outcome as a row. A repeat gets the row of the first request.
pub(super) async fn answered(
    ledger: &Ledger,
    call: &Call,
    command: Command,
    answer: Answer,
) -> Result<Posted, Failure> {
    if let Answer::Completed { id, replayed: true, .. } = &answer {
        // The first request's own words. Should they not be readable now, the repeat's stand in: what counts was
        // compared.
        let first = store::transactions::get(&ledger.parts().pool, &call.tenant, *id).await;
        if let Ok(Some(transaction)) = first {
            return Ok(Posted { transaction, declined: None, replayed: true });
        }
    }
    Ok(written(command, answer))
}

/// The row of a command, from the command and its answer.
fn written(command: Command, answer: Answer) -> Posted {
    let mut balances = None;
    let (id, created_at, replayed, declined, decline) = match answer {
        Answer::Completed { id, created_at, replayed, balances: after } => {
            balances = after.filter(|after| after.len() == command.postings.len());
            (id, created_at, replayed, None, None)
        }
        Answer::Declined { id, created_at, code, message } => {
            (id, created_at, false, Some(code), Some((code, message)))
        }
    };
    let Command { request, movement, postings } = command;
    let takes_effect = decline.is_none();
    let first = postings.first().map_or(Amount::ZERO, |posting| posting.amount);
    let refund_of = movement.gives_back(first).filter(|_| takes_effect).map(|(id, amount)| (id, amount.minor_units()));
    let exchange = match movement.follows() {
        Follows::Exchange(row) if takes_effect => Some(Exchange::of(&row)),
        _ => None,
    };
    let posts = !takes_effect || movement.posts();
    let posting = |(at, posting): (usize, RequestedPosting)| PostingRow {
        transaction: id.0,
        debit: posting.debit,
        credit: posting.credit,
        amount: posting.amount.minor_units(),
        currency: posting.currency,
        exponent: Some(i16::from(posting.exponent)),
        debit_after: balances.as_ref().map(|after| Numeric(after[at].debit)),
        credit_after: balances.as_ref().map(|after| Numeric(after[at].credit)),
    };
    let transaction = TransactionRow {
        id,
        kind: movement.kind(),
        key: request.key,
        reference: request.reference,
        description: request.description,
        metadata: request.metadata,
        correlation: request.correlation,
        made_by: None, // whoever asked knows
        made_from: None,
        decline,
        created_at,
        refund_of,
        refunded: None,
        reversed: false,
        of_saga: false,
        exchange,
        postings: if posts { postings.into_iter().enumerate().map(posting).collect() } else { Vec::new() },
    };
    Posted { transaction, declined, replayed }
}
