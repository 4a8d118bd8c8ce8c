//! Tax rates: written down, and listed. None ever changes; a new one counts from its day on.

use rust_decimal::Decimal;

use super::customers::day;
use super::names::{self, Spelling};
use crate::billing::TaxRate;
use crate::billing::order::NAME_BYTES_MAX;
use crate::store::billing::entities::{self, TaxRateRow};
use crate::store::billing::tax_rates::{self as store, Added};
use crate::store::operators::Doing;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, read_failure, unwritten};
use crate::teller::validate::{self, cut};

/// Bytes of a percentage.
pub const PERCENT_MAX: usize = 16;
/// How a supply is taxed.
pub const TREATMENTS: [&str; 3] = ["standard", "exempt", "reverse_charge"];

/// A rate as a caller writes it down.
#[derive(Clone, Debug, Default)]
pub struct NewRate {
    /// `None`: any.
    pub region: Option<String>,
    /// `None`: any.
    pub category: Option<String>,
    /// `None`: `standard`.
    pub treatment: Option<String>,
    /// Decimal text; `None`: zero, which `standard` may not be left out of.
    pub percent: Option<String>,
    /// A day such as 2026-01-01.
    pub effective_from: String,
}

/// Writes a rate down.
///
/// # Errors
/// `Invalid`; `AlreadyExists`: there is one from this day on for the same region and category; what kept it from being
/// done.
pub async fn add(
    ledger: &Ledger,
    call: &Call,
    asked: NewRate,
    (reason, spelled): (&str, Spelling),
) -> Result<TaxRateRow, Failure> {
    let by = call.operator(reason)?;
    let row = checked(asked, spelled)?;
    ledger.active()?;
    let _permit = ledger.enter()?;
    let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
    match store::add(&ledger.parts().pool, &row, &doing).await.map_err(|error| unwritten(&error))? {
        Added::Done => Ok(row),
        Added::Twice => {
            let any = |text: &Option<String>| text.clone().unwrap_or_else(|| "any".into());
            Err(Failure::AlreadyExists(format!(
                "there is a tax rate from {} on for region {} and category {}",
                row.effective_from,
                any(&row.region),
                any(&row.category)
            )))
        }
        Added::TooMany => Err(Failure::FailedPrecondition("there are 10000 tax rates, which is the limit".into())),
    }
}

/// All rates of a tenant, the first that began first.
///
/// # Errors
/// What kept them from being read.
pub async fn list(ledger: &Ledger, call: &Call) -> Result<Vec<TaxRateRow>, Failure> {
    let _place = ledger.enter_read()?;
    entities::tax_rates(&ledger.parts().pool, &call.tenant).await.map_err(|error| read_failure(&error))
}

fn checked(asked: NewRate, spelled: Spelling) -> Result<TaxRateRow, Failure> {
    for (name, text) in [("region", &asked.region), ("category", &asked.category)] {
        if let Some(text) = text {
            validate::required(name, text, NAME_BYTES_MAX)?;
        }
    }
    let from = spelled(names::EFFECTIVE_FROM);
    let effective_from = day(from, &asked.effective_from)?;
    let effective_from = effective_from.ok_or_else(|| Failure::Invalid(format!("{from} is required")))?;
    let treatment = asked.treatment.unwrap_or_else(|| "standard".into());
    let percent = match &asked.percent {
        None if treatment == "standard" => return Err(Failure::Invalid("percent is required".into())),
        None => Decimal::ZERO,
        Some(text) => {
            validate::required("percent", text, PERCENT_MAX)?;
            let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let percent = text.parse().ok().filter(|_| is_plain);
            percent
                .ok_or_else(|| Failure::Invalid(format!("percent {:?} is not a decimal such as \"19\"", cut(text))))?
        }
    };
    let rate = TaxRate::from_stored(&treatment, percent).map_err(|error| {
        Failure::Invalid(format!("percent {:?}: {error}", cut(asked.percent.as_deref().unwrap_or_default())))
    })?;
    let rate = match rate {
        Some(rate) => rate,
        None => return super::fields::unknown("treatment", &treatment, &TREATMENTS.join(", ")),
    };
    if percent != rate.percent().decimal() {
        return Err(Failure::Invalid(format!("percent {percent} of what is {treatment}: it must be 0 or left out")));
    }
    Ok(TaxRateRow {
        region: asked.region,
        category: asked.category,
        treatment,
        percent: rate.percent().to_string(),
        effective_from,
    })
}
