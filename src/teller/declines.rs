//! The figures behind a decline. The ledger says which rule declined; what a caller needs to mend its request is looked
//! up here, for each contract to put into its own words.

use super::failure::Failure;
use super::ledger::Ledger;
use crate::protocol::account::Posted;
use crate::protocol::record::DeclineCode;

/// A declined posting, without its amount.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The id of the account that was to pay.
    pub debit: &'a str,
    /// The id of the account that was to be paid.
    pub credit: &'a str,
    /// Currency code.
    pub currency: &'a str,
}

/// What a caller needs to know to mend a declined request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figures<'a> {
    /// The id of an account that does not exist.
    Missing(&'a str),
    /// What the payer has available, in minor units; `None`: that cannot be known now.
    Available(Option<i128>),
    /// The account is kept in `expected`, but the posting is in `got`.
    KeptIn {
        /// Currency code.
        expected: String,
        /// Currency code.
        got: &'a str,
    },
    /// There is nothing to tell, or nothing that belongs to one posting.
    None,
}

/// Looks up the figures behind a decline of these postings.
///
/// # Errors
/// `DatabaseAway`, `NotLeader`: which account is missing cannot be known now.
pub async fn figures<'a>(
    ledger: &Ledger,
    tenant: &str,
    sides: &[Side<'a>],
    code: DeclineCode,
) -> Result<Figures<'a>, Failure> {
    match code {
        DeclineCode::AccountNotFound => {
            let names = || sides.iter().flat_map(|side| [side.debit, side.credit]);
            let missing = missing(ledger, tenant, names()).await?;
            // opened in this very moment: the first that was looked for
            Ok(Figures::Missing(missing.or_else(|| names().next()).unwrap_or_default()))
        }
        DeclineCode::InsufficientFunds => {
            let [side] = sides else { return Ok(Figures::None) };
            let posted = ledger.posted(tenant, side.debit).await.ok().flatten();
            Ok(Figures::Available(posted.map(|(posted, _)| available(&posted))))
        }
        DeclineCode::CurrencyMismatch => {
            for side in sides {
                for name in [side.debit, side.credit] {
                    let kept_in =
                        ledger.posted(tenant, name).await.ok().flatten().map(|(_, currency)| currency.to_string());
                    if let Some(expected) = kept_in.filter(|code| code != side.currency) {
                        return Ok(Figures::KeptIn { expected, got: side.currency });
                    }
                }
            }
            Ok(Figures::None)
        }
        _ => Ok(Figures::None),
    }
}

/// The first of these accounts that does not exist; `None`: all exist.
///
/// # Errors
/// `DatabaseAway`, `NotLeader`.
pub async fn missing<'a>(
    ledger: &Ledger,
    tenant: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<Option<&'a str>, Failure> {
    for name in names {
        if ledger.posted(tenant, name).await?.is_none() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn available(posted: &Posted) -> i128 {
    posted.totals.credits - posted.totals.debits - posted.totals.held
}
