//! Exchanges between currencies: one transaction of two postings, over the house's clearing accounts, at a rate that it
//! pins.

use chrono::Utc;
use smallvec::smallvec;

use super::rights::CLEARING_PREFIX;
use super::{Answer, Command, Ledger, Request, read_failure};
use crate::money::{Currency, ROUNDING, exchange};
use crate::protocol::admission::Permit;
use crate::protocol::movement::{Exchange, Transfer};
use crate::protocol::record::{ExchangeRow, Kind, RequestedPosting};
use crate::store::rates::{self, RateRow};
use crate::teller::failure::Failure;

/// The id of the account that has a currency's side of all exchanges. Its balance is what the house gained or lost by
/// them in this currency.
pub fn clearing_account(currency: Currency) -> String {
    format!("{CLEARING_PREFIX}{}", currency.code)
}

/// A rate as a transaction pins it.
pub fn pinned(rate: &RateRow, from: Currency, to: Currency) -> ExchangeRow {
    ExchangeRow { rate_id: rate.id, base: from.code, quote: to.code, rate: rate.rate.0, rounding: ROUNDING.name() }
}

impl Ledger {
    /// Exchanges the amount of this posting, which is in `from`, and pays out what that is worth in `to`. `rate` is the
    /// number of a rate; `None`: the newest. Returns what was posted, and its answer.
    ///
    /// # Errors
    /// `FailedPrecondition` without a usable rate, unless the key says that it is done; else as [`Ledger::post`].
    pub async fn exchange(
        &self,
        request: Request,
        asked: RequestedPosting,
        (from, to): (Currency, Currency),
        rate: Option<i64>,
        permit: Permit,
    ) -> Result<(Command, Answer), Failure> {
        let priced = match self.rate(&request.tenant, from, to, rate).await? {
            Ok(row) => match exchange(asked.amount, from, to, row.rate.0) {
                Ok(arrives) => Ok((row, arrives)),
                // What is wrong with the amount in itself is told as for every other transaction.
                Err(_) if asked.amount.minor_units() <= 0 => Ok((row, asked.amount)),
                Err(error) => Err(format!(
                    "{} {} cannot be exchanged to {}: {error}",
                    asked.amount.text(from.exponent),
                    from.code,
                    to.code
                )),
            },
            Err(why) => Err(why),
        };
        let (row, arrives) = match priced {
            Ok(priced) => priced,
            Err(why) => {
                let told = self.repeated(&request).await?.ok_or(Failure::FailedPrecondition(why))?;
                let paid = Box::new(Transfer { kind: Kind::FX }); // what arrived then stands in the journal alone
                let command = Command { request, movement: paid, postings: smallvec![asked] };
                command.permitted()?;
                return Ok((command, told));
            }
        };
        let (out, back) = (clearing_account(from), clearing_account(to));
        for (name, currency) in [(&out, from), (&back, to)] {
            self.open_system(&request, name, currency).await?;
        }
        let rate = pinned(&row, from, to);
        let request = Request { chosen: Some(smallvec![asked.debit.clone(), asked.credit.clone()]), ..request };
        let postings = smallvec![
            RequestedPosting { credit: out, ..asked.clone() },
            RequestedPosting {
                debit: back,
                credit: asked.credit,
                amount: arrives,
                currency: to.code.to_string(),
                exponent: to.exponent
            },
        ];
        let command = Command { request, movement: Box::new(Exchange { rate }), postings };
        let answer = self.post(&command, permit).await?;
        Ok((command, answer))
    }

    /// The rate to exchange at: the one of this number, or the newest; the inner `Err` says why there is none.
    ///
    /// # Errors
    /// What kept it from being read.
    pub async fn rate(
        &self,
        tenant: &str,
        from: Currency,
        to: Currency,
        id: Option<i64>,
    ) -> Result<Result<RateRow, String>, Failure> {
        let (pool, base, quote) = (&self.parts().pool, from.code, to.code);
        let found = match id {
            Some(id) => rates::get(pool, tenant, id).await,
            None => rates::newest(pool, tenant, base.as_str(), quote.as_str()).await,
        };
        let Some(row) = found.map_err(|error| read_failure(&error))? else {
            return Ok(Err(id.map_or_else(
                || format!("there is no rate from {base} to {quote}"),
                |id| format!("there is no rate {id}"),
            )));
        };
        if (row.base.as_str(), row.quote.as_str()) != (base.as_str(), quote.as_str()) {
            return Ok(Err(format!(
                "rate {} is from {} to {}, not from {base} to {quote}",
                row.id, row.base, row.quote
            )));
        }
        let (age, age_max) = ((Utc::now() - row.observed_at).to_std().unwrap_or_default(), self.parts().rate_age_max);
        if age > age_max {
            return Ok(Err(format!(
                "rate {} from {base} to {quote} was observed {} s ago, the limit is {} s",
                row.id,
                age.as_secs(),
                age_max.as_secs()
            )));
        }
        Ok(Ok(row))
    }
}
