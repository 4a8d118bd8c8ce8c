//! From what was asked to one command of the ledger, and from its answer to the balances before and after.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use smallvec::smallvec;

use crate::gateway::accounts_v1::declines;
use crate::gateway::accounts_v1::text::shown;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::text;
use crate::gateway::http::text::AmountText;
use crate::gateway::http::{App, Caller};
use crate::money::{Amount, Currency};
use crate::protocol::admission::Permit;
use crate::protocol::movement::{Movement, Transfer};
use crate::protocol::record::{Api, BalancesAfter, DeclineCode, Kind, RequestHash, RequestedPosting, TransactionId};
use crate::store;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Answer, Command, Refundable, Request};

/// A movement as asked for; every field is within its bounds.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What it is.
    pub kind: Kind,
    /// Who pays.
    pub debit: String,
    /// Who is paid.
    pub credit: String,
    /// How much, as it was sent.
    pub amount: AmountText,
    /// The name of the amount's field.
    pub amount_field: &'static str,
    /// Of which currency.
    pub currency: String,
    /// The caller's key.
    pub key: Option<String>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// A JSON object as text.
    pub metadata: Option<String>,
    /// The payment that it gives back.
    pub refund_of: Option<Refundable>,
}

/// What became of it: durable, or failed for a limit and kept as such.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The transaction.
    pub id: TransactionId,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// The payer's balance before and after, if it can be told.
    pub debit: (Option<String>, Option<String>),
    /// The payee's.
    pub credit: (Option<String>, Option<String>),
}

impl Asked {
    /// Of a kind, to be filled in.
    pub fn new(kind: Kind, amount_field: &'static str) -> Self {
        Self {
            kind,
            debit: String::new(),
            credit: String::new(),
            amount: AmountText { sent: RawValue::NULL.to_owned(), text: String::new() },
            amount_field,
            currency: String::new(),
            key: None,
            reference: None,
            metadata: None,
            refund_of: None,
        }
    }

    fn posting(&self, amount: Amount, exponent: u8) -> RequestedPosting {
        let (debit, credit, currency) = (self.debit.clone(), self.credit.clone(), self.currency.clone());
        RequestedPosting { debit, credit, amount, currency, exponent }
    }

    /// What makes a repeat the same request.
    fn identity(&self, posting: &RequestedPosting) -> RequestHash {
        let moved = Transfer::request(self.kind, std::slice::from_ref(posting), None, None);
        match &self.refund_of {
            Some(of) => RequestHash::of(&[moved.0.as_bytes(), of.payment.0.as_bytes()]),
            None => moved,
        }
    }
}

/// Posts it, and answers when its outcome is durable.
///
/// # Errors
/// Everything that is no 201.
pub async fn post(app: &App, caller: &Caller, asked: &Asked, permit: Permit) -> Result<Moved, Refusal> {
    let ledger = &app.ledger;
    let known = ledger.currency(&asked.currency).await.map_err(|failure| failure.with_key(asked.key.is_some()))?;
    let Some(currency) = known else {
        return Err(declines::unknown_currency(ledger, caller, asked).await);
    };
    let amount = text::amount(asked.amount_field, &asked.amount.text, currency)
        .map_err(|fault| Refusal::bad("INVALID_AMOUNT", fault))?;
    let posting = asked.posting(amount, currency.exponent);
    let (tenant, maker) = (caller.tenant.clone(), caller.maker.clone());
    let attempt = ledger.attempt(Api::AccountsV1, &caller.tenant, asked.key.as_deref());
    let request = Request {
        key: asked.key.clone(),
        attempt: attempt.clone(),
        reference: asked.reference.clone(),
        metadata: asked.metadata.clone(),
        correlation: Some(caller.correlation.as_str().to_owned()),
        declines_bind: true,
        with_balances: true,
        ..Request::new(tenant, Api::AccountsV1, asked.identity(&posting), maker, ledger.deadline(None))
    };
    let movement: Box<dyn Movement> = match &asked.refund_of {
        Some(of) => Box::new(of.movement()),
        None => Box::new(Transfer { kind: asked.kind }),
    };
    let command = Command { request, movement, postings: smallvec![posting] };
    let answer = match &asked.refund_of {
        Some(of) => ledger.post_out_of(&command, of.left, permit).await,
        None => ledger.post(&command, permit).await,
    };
    match ledger.certain(attempt.as_deref(), answer).await {
        Ok(Answer::Completed { id, replayed: true, .. }) => Err(declines::duplicate(asked.key.as_deref(), Some(id))),
        Ok(Answer::Completed { id, created_at, balances, .. }) => {
            let after = match balances.and_then(|balances| balances.first().copied()) {
                Some(after) => Some(after),
                None => read_back(app, caller, id).await,
            };
            Ok(moved(
                app,
                caller,
                asked,
                (id, created_at),
                after.map(|after| before_and_after(after, amount)),
                currency,
            )
            .await)
        }
        Ok(Answer::Declined { id, created_at, code: DeclineCode::LimitExceeded, .. }) => {
            let now = declines::balances(ledger, caller, asked).await;
            Ok(moved(app, caller, asked, (id, created_at), now.map(|now| (now, now)), currency).await)
        }
        Ok(Answer::Declined { code, message, .. }) => {
            Err(declines::refusal(ledger, caller, asked, code, message, currency).await)
        }
        // Without a key a repeat would move the money again.
        Err(failure @ (Failure::Unknown | Failure::Deadline)) if asked.key.is_none() => {
            Err(Refusal { retry_after: None, ..declines::unknown_outcome(failure, caller) })
        }
        Err(Failure::KeyReused) => Err(declines::key_reused(ledger, caller, asked).await),
        Err(failure) => Err(failure.into()),
    }
}

/// The balances of both accounts before and after, in minor units.
fn before_and_after(after: BalancesAfter, amount: Amount) -> (BalancesAfter, BalancesAfter) {
    let amount = amount.minor_units();
    (BalancesAfter { debit: after.debit + amount, credit: after.credit - amount }, after)
}

/// It is done; should its balances not be readable now, the answer is without them rather than an error.
async fn read_back(app: &App, caller: &Caller, id: TransactionId) -> Option<BalancesAfter> {
    let row = store::transactions::get(&app.ledger.parts().pool, &caller.tenant, id).await.ok()??;
    let posting = row.postings.first()?;
    Some(BalancesAfter { debit: posting.debit_after?.0, credit: posting.credit_after?.0 })
}

async fn moved(
    app: &App,
    caller: &Caller,
    asked: &Asked,
    (id, created_at): (TransactionId, DateTime<Utc>),
    balances: Option<(BalancesAfter, BalancesAfter)>,
    currency: Currency,
) -> Moved {
    let names = [asked.debit.as_str(), asked.credit.as_str()];
    let among = app.ledger.parts().memory.externals.among(&app.ledger, &caller.tenant, names.into_iter()).await.ok();
    let shown = |name: &str, units: Option<i128>| Some(shown(among.as_ref()?, name, units?, currency.exponent));
    let (before, after) = balances.unzip();
    Moved {
        id,
        created_at,
        debit: (shown(&asked.debit, before.map(|b| b.debit)), shown(&asked.debit, after.map(|a| a.debit))),
        credit: (shown(&asked.credit, before.map(|b| b.credit)), shown(&asked.credit, after.map(|a| a.credit))),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::transactions::PostingRow;

    #[test]
    fn a_repeat_is_the_same_request_only_if_everything_that_counts_is() {
        let mut first = Asked::new(Kind::REFUND, "refundAmount");
        (first.debit, first.credit, first.currency) = ("a".into(), "b".into(), "USD".into());
        let posting = |n| PostingRow {
            transaction: Uuid::from_u128(n),
            debit: "b".into(),
            credit: "a".into(),
            amount: 100,
            currency: "USD".into(),
            exponent: Some(2),
            debit_after: None,
            credit_after: None,
        };
        let of = |n| {
            Some(Refundable {
                payment: TransactionId(Uuid::from_u128(n)),
                posting: posting(n),
                amount: Amount::from(100),
                left: 100,
            })
        };
        let hash = |asked: &Asked, cents| asked.identity(&asked.posting(Amount::from(cents), 2));
        let same = Asked { reference: Some("r".into()), metadata: Some("{}".into()), ..first.clone() };
        assert_eq!(hash(&first, 5), hash(&same, 5));
        for other in [
            Asked { kind: Kind::PAYMENT, ..first.clone() },
            Asked { debit: "x".into(), ..first.clone() },
            Asked { credit: "x".into(), ..first.clone() },
            Asked { currency: "EUR".into(), ..first.clone() },
            Asked { refund_of: of(1), ..first.clone() },
        ] {
            assert_ne!(hash(&first, 5), hash(&other, 5), "{other:?}");
        }
        assert_ne!(hash(&first, 5), hash(&first, 6));
        assert_ne!(
            hash(&Asked { refund_of: of(1), ..first.clone() }, 5),
            hash(&Asked { refund_of: of(2), ..first.clone() }, 5)
        );
    }

    #[test]
    fn balances_before_follow_from_those_after() {
        let (before, after) = before_and_after(BalancesAfter { debit: 70, credit: 30 }, Amount::from(30));
        assert_eq!((before.debit, before.credit, after.debit, after.credit), (100, 0, 70, 30));
    }
}
