//! Makes, changes and lists currencies.

use florin_wire::florin_v1 as pb;

use crate::store::currencies::CurrencyChange;
use crate::store::operators::Doing;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, NAME_MAX, new_currency};
use crate::teller::native::fields;
use crate::teller::native::views::Currency;
use crate::teller::validate::{self, CURRENCY_MAX};

/// Makes a currency, or answers the one that is there if it is the same.
pub(super) async fn create(
    ledger: &Ledger,
    call: &Call,
    asked: pb::CreateCurrencyRequest,
) -> Result<pb::CreateCurrencyResponse, Failure> {
    let by = call.operator(&asked.reason)?;
    let fiat = match asked.r#type() {
        pb::CurrencyType::Fiat => true,
        pb::CurrencyType::NonFiat => false,
        pb::CurrencyType::Unspecified => {
            let allowed = "CURRENCY_TYPE_FIAT (1), CURRENCY_TYPE_NON_FIAT (2)";
            return fields::unknown("type", &asked.r#type.to_string(), allowed);
        }
    };
    let new = new_currency(asked.code, asked.name, asked.exponent, fiat, fields::metadata(&asked.metadata)?)?;
    let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
    let (row, created) = ledger.create_currency(new, &doing).await?;
    Ok(pb::CreateCurrencyResponse { currency: Some(Currency::from(row).into()), created })
}

/// Changes a currency, and answers it as it then is.
pub(super) async fn update(
    ledger: &Ledger,
    call: &Call,
    asked: pb::UpdateCurrencyRequest,
) -> Result<pb::UpdateCurrencyResponse, Failure> {
    let by = call.operator(&asked.reason)?;
    validate::required("code", &asked.code, CURRENCY_MAX)?;
    if let Some(name) = &asked.name {
        validate::required("name", name, NAME_MAX)?;
    }
    let metadata = asked.metadata.map(|metadata| fields::metadata(&metadata.entries)).transpose()?;
    let change = CurrencyChange { active: asked.is_active, name: asked.name, metadata };
    let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
    let row = ledger.update_currency(&asked.code, &change, &doing).await?;
    Ok(pb::UpdateCurrencyResponse { currency: Some(Currency::from(row).into()) })
}

/// All of them.
pub(super) async fn list(ledger: &Ledger) -> Result<pb::ListCurrenciesResponse, Failure> {
    let rows = ledger.currency_rows().await?.into_iter();
    Ok(pb::ListCurrenciesResponse { items: rows.map(|row| Currency::from(row).into()).collect() })
}
