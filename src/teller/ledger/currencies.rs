//! Currencies. One that is made here is known to this process at once; all are read again when a code is requested that
//! it does not know.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::{Ledger, read_failure};
use crate::money::{Currency, CurrencyCode};
use crate::protocol::record::DEFAULT_TENANT;
use crate::store::StoreError;
use crate::store::currencies::{self, CURRENCIES_MAX, CurrencyChange, CurrencyRow, Made};
use crate::store::operators::Doing;
use crate::teller::failure::{Failure, Noun};
use crate::teller::validate::{self, CURRENCY_MAX, cut};

/// Bytes of a currency's name.
pub const NAME_MAX: usize = 255;
/// Decimals of a currency.
pub const EXPONENT_MAX: i16 = 18;
/// For so long a code that was not found is taken as unknown. Under a new epoch it is looked up at once.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// When currencies were last read, and under which epoch.
#[derive(Debug, Default)]
pub struct LastRead(Mutex<Option<(Instant, i64)>>);

impl Ledger {
    /// A currency by its code. One that this process knows costs no lock and no read.
    ///
    /// # Errors
    /// `NotLeader`, `DatabaseAway`: whether there is one cannot be known now.
    pub async fn currency(&self, code: &str) -> Result<Option<Currency>, Failure> {
        match self.parts().currencies.get(code) {
            Some(currency) => Ok(Some(currency)),
            None => Box::pin(self.asked_for(code)).await,
        }
    }

    /// Makes sure that this process knows those of these codes that exist.
    ///
    /// # Errors
    /// As [`Self::currency`].
    pub async fn ensure_known<'a>(&self, mut codes: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
        match codes.find(|code| self.parts().currencies.get(code).is_none()) {
            None => Ok(()),
            Some(code) => Box::pin(self.asked_for(code)).await.map(|_| ()), // one read finds all
        }
    }

    async fn asked_for(&self, code: &str) -> Result<Option<Currency>, Failure> {
        if CurrencyCode::parse(code).is_none() {
            return Ok(None);
        }
        let parts = self.parts();
        let epoch = self.active()?.epoch;
        let mut last = parts.memory.currencies_read.0.lock().await; // one read at a time; it is limited
        let is_recent = last.is_some_and(|(at, under)| under == epoch && at.elapsed() < UNKNOWN_FOR);
        if !is_recent && parts.currencies.get(code).is_none() {
            let began = Instant::now();
            currencies::reload(&parts.pool, &parts.currencies).await.map_err(|error| read_failure(&error))?;
            *last = Some((began, epoch));
        }
        Ok(parts.currencies.get(code))
    }

    /// Makes sure that this process knows every currency that was made before this node led.
    ///
    /// # Errors
    /// As [`Self::currency`].
    pub async fn know_all(&self) -> Result<(), Failure> {
        let (parts, epoch) = (self.parts(), self.active()?.epoch);
        let mut last = parts.memory.currencies_read.0.lock().await;
        if last.is_none_or(|(_, under)| under != epoch) {
            let began = Instant::now();
            currencies::reload(&parts.pool, &parts.currencies).await.map_err(|error| read_failure(&error))?;
            *last = Some((began, epoch));
        }
        Ok(())
    }

    /// Adds a currency. Returns it as it is, and whether it is new.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one of this code with other properties; `FailedPrecondition` at the bound; what
    /// kept it from being done.
    pub async fn create_currency(&self, new: CurrencyRow, by: &Doing<'_>) -> Result<(CurrencyRow, bool), Failure> {
        is_the_houses(by)?;
        self.active()?;
        let _permit = self.enter()?;
        let parts = self.parts();
        let (row, is_new) = match currencies::create(&parts.pool, &new, by).await.map_err(|error| unwritten(&error))? {
            Made::New => (new, true),
            Made::There(row) => {
                same(&row, &new)?;
                (row, false)
            }
            Made::TooMany => {
                return Err(Failure::FailedPrecondition(format!(
                    "there are {CURRENCIES_MAX} currencies, which is the limit"
                )));
            }
        };
        if let Some(currency) = row.currency() {
            parts.currencies.learn(currency);
        }
        Ok((row, is_new))
    }

    /// Changes a currency and returns it as it is now.
    ///
    /// # Errors
    /// `NotFound`; what kept it from being done.
    pub async fn update_currency(
        &self,
        code: &str,
        change: &CurrencyChange,
        by: &Doing<'_>,
    ) -> Result<CurrencyRow, Failure> {
        is_the_houses(by)?;
        self.active()?;
        let _permit = self.enter()?;
        let row = currencies::update(&self.parts().pool, code, change, by).await.map_err(|error| unwritten(&error))?;
        row.ok_or_else(|| Failure::NotFound(Noun::Other, format!("currency {code} not found")))
    }

    /// All currencies, by code.
    ///
    /// # Errors
    /// What kept them from being read.
    pub async fn currency_rows(&self) -> Result<Vec<CurrencyRow>, Failure> {
        let _place = self.enter_read()?;
        currencies::rows(&self.parts().pool).await.map_err(|error| read_failure(&error))
    }
}

/// All tenants share the currencies, so only the default tenant may change them.
fn is_the_houses(by: &Doing<'_>) -> Result<(), Failure> {
    if by.tenant == DEFAULT_TENANT {
        return Ok(());
    }
    let why = format!(
        "currencies are shared by all tenants: only tenant {DEFAULT_TENANT} may change them, not {}",
        cut(by.tenant)
    );
    Err(Failure::FailedPrecondition(why))
}

/// A currency as requested, its fields checked. New accounts may be opened in it.
///
/// # Errors
/// `Invalid`, naming field, value and limit.
pub fn new_currency(
    code: String,
    name: String,
    exponent: u32,
    fiat: bool,
    metadata: Option<String>,
) -> Result<CurrencyRow, Failure> {
    validate::required("code", &code, CURRENCY_MAX)?;
    if CurrencyCode::parse(&code).is_none() {
        return Err(Failure::Invalid(format!(
            "code {:?} is not 2 to {CURRENCY_MAX} characters of A-Z and 0-9",
            cut(&code)
        )));
    }
    validate::required("name", &name, NAME_MAX)?;
    let exponent = i16::try_from(exponent).ok().filter(|exponent| *exponent <= EXPONENT_MAX);
    let exponent =
        exponent.ok_or_else(|| Failure::Invalid(format!("exponent is above the limit of {EXPONENT_MAX}")))?;
    Ok(CurrencyRow { code, exponent, name, fiat, active: true, metadata })
}

/// Whether an existing currency is the same as the requested one. Whether it is active does not matter.
///
/// # Errors
/// `AlreadyExists`, naming the first difference.
fn same(row: &CurrencyRow, new: &CurrencyRow) -> Result<(), Failure> {
    let (is, asked) = if row.exponent != new.exponent {
        (format!("exponent {}", row.exponent), new.exponent.to_string())
    } else if row.fiat != new.fiat {
        let name = |fiat: bool| if fiat { "fiat" } else { "non-fiat" };
        (format!("type {}", name(row.fiat)), name(new.fiat).to_owned())
    } else if row.name != new.name {
        (format!("name {:?}", row.name), format!("{:?}", new.name))
    } else if row.metadata != new.metadata {
        ("other metadata".to_owned(), "what was sent".to_owned())
    } else {
        return Ok(());
    };
    Err(Failure::AlreadyExists(format!("currency {} exists already with {is}, not {asked}", row.code)))
}

/// What a caller is told of a write that failed. When the answer was lost it may be done, and a repeat finds it.
pub fn unwritten(error: &StoreError) -> Failure {
    if matches!(error, StoreError::Lost(_)) { Failure::Unknown } else { read_failure(error) }
}
