//! Opens, reads and changes accounts.

use std::fmt::Debug;

use florin_wire::florin_v1 as pb;

use crate::ledger::{GuardsChange, Status};
use crate::money::{Currency, decimal_text};
use crate::protocol::record::{AccountKind, Api, NormalSide};
use crate::store::StoreError;
use crate::store::accounts::{AccountRow, NewAccount};
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, outside_the_house, read_failure};
use crate::teller::native::accounts::{Change, LimitFault, change, limit_fault};
use crate::teller::native::views::Account;
use crate::teller::native::{fields, names};
use crate::teller::validate::{self, ACCOUNT_MAX, KEY_MAX};

/// Bytes of an owner's name.
const OWNER_MAX: usize = 255;

/// Opens an account, or answers the one that is there if it is the same.
pub(super) async fn create(
    ledger: &Ledger,
    call: &Call,
    asked: pb::CreateAccountRequest,
) -> Result<pb::Account, Failure> {
    ledger.ensure_known(std::iter::once(asked.currency.as_str())).await?;
    let (new, currency) = new_account(ledger, call, &asked)?;
    outside_the_house(&call.maker.rights, Api::FlorinV1, &new.name)?;
    let row =
        ledger.open(&new, currency, call.correlation.as_deref(), call.maker.clone()).await?.map_err(
            |error| match error {
                StoreError::Lost(_) => Failure::Unknown, // it may be there: a repeat finds it
                other => read_failure(&other),
            },
        )?;
    same(&row, &new)?;
    Ok(Account::from(row).into())
}

fn new_account(
    ledger: &Ledger,
    call: &Call,
    asked: &pb::CreateAccountRequest,
) -> Result<(NewAccount, Currency), Failure> {
    validate::required("id", &asked.id, ACCOUNT_MAX)?;
    let kind = match pb::AccountKind::try_from(asked.kind) {
        Ok(pb::AccountKind::User) => AccountKind::User,
        Ok(pb::AccountKind::System) => AccountKind::System,
        Ok(pb::AccountKind::External) => AccountKind::External,
        _ => {
            return fields::unknown(
                "kind",
                &asked.kind.to_string(),
                "ACCOUNT_KIND_USER (1), ACCOUNT_KIND_SYSTEM (2), ACCOUNT_KIND_EXTERNAL (3)",
            );
        }
    };
    let normal_side = match pb::NormalSide::try_from(asked.normal_side) {
        Ok(pb::NormalSide::Credit) => NormalSide::Credit,
        Ok(pb::NormalSide::Debit) => NormalSide::Debit,
        Ok(pb::NormalSide::Unspecified) if kind == AccountKind::External => NormalSide::Debit,
        Ok(pb::NormalSide::Unspecified) => NormalSide::Credit,
        Err(_) => {
            return fields::unknown(
                "normal_side",
                &asked.normal_side.to_string(),
                "NORMAL_SIDE_CREDIT (1), NORMAL_SIDE_DEBIT (2)",
            );
        }
    };
    let currency = fields::currency(&ledger.parts().currencies, "currency", &asked.currency)?;
    validate::text("owner", &asked.owner, OWNER_MAX)?;
    let limit = |field: &str, text: &Option<String>| {
        text.as_deref().map(|text| fields::amount(field, text, currency)).transpose()
    };
    let floor = limit(names::MIN_BALANCE.grpc, &asked.min_balance)?.map(|floor| floor.minor_units());
    let ceiling = limit(names::MAX_BALANCE.grpc, &asked.max_balance)?.map(|ceiling| ceiling.minor_units());
    let floor = floor.or((kind == AccountKind::User).then_some(0));
    let text = |limit: Option<i128>| limit.map_or_else(String::new, |limit| decimal_text(limit, currency.exponent));
    match limit_fault(floor, ceiling) {
        None => {}
        Some(LimitFault::FloorAboveCeiling) => {
            return Err(Failure::Invalid(format!(
                "min_balance {:?} is above max_balance, {:?}",
                text(floor),
                text(ceiling)
            )));
        }
        Some(LimitFault::CeilingBelowZero) => {
            return Err(Failure::Invalid(format!(
                "max_balance {:?} is below zero, which is the balance of a new account",
                text(ceiling)
            )));
        }
    }
    let new = NewAccount {
        tenant: call.tenant.to_string(),
        name: asked.id.clone(),
        kind,
        normal_side,
        currency: currency.code,
        owner: asked.owner.clone(),
        owner_type: String::new(),
        subtype: None,
        metadata: fields::metadata(&asked.metadata)?,
        floor,
        ceiling,
    };
    Ok((new, currency))
}

/// Whether the account that is there is the one that was to be opened.
fn same(row: &AccountRow, new: &NewAccount) -> Result<(), Failure> {
    fn check<T: PartialEq + Debug>(name: &str, field: &str, is: T, asked: T) -> Result<(), Failure> {
        if is == asked {
            return Ok(());
        }
        let shown = |value: T| validate::cut(&format!("{value:?}"));
        Err(Failure::AlreadyExists(format!(
            "account {name} exists already with another {field}: {}, not {}",
            shown(is),
            shown(asked)
        )))
    }
    let limit = |limit: Option<i128>| {
        limit.map_or("none".to_owned(), |limit| decimal_text(limit, row.identity.currency.exponent))
    };
    let name = &new.name;
    check(name, "kind", row.kind, new.kind)?;
    check(name, "normal_side", row.normal_side, new.normal_side)?;
    check(name, "currency", row.identity.currency.code, new.currency)?;
    check(name, "owner", &row.owner, &new.owner)?;
    check(name, names::MIN_BALANCE.grpc, limit(row.posted.guards.floor), limit(new.floor))?;
    check(name, names::MAX_BALANCE.grpc, limit(row.posted.guards.ceiling), limit(new.ceiling))?;
    check(name, "metadata", row.metadata.as_deref().unwrap_or("{}"), new.metadata.as_deref().unwrap_or("{}"))
}

/// Changes status and limits, and answers the account as it then is.
pub(super) async fn update(
    ledger: &Ledger,
    call: &Call,
    asked: pb::UpdateAccountRequest,
) -> Result<AccountRow, Failure> {
    validate::required("id", &asked.id, ACCOUNT_MAX)?;
    validate::text(names::IDEMPOTENCY_KEY.grpc, &asked.idempotency_key, KEY_MAX)?;
    let by = call.operator(&asked.reason)?;
    let status = match pb::AccountStatus::try_from(asked.status) {
        Ok(pb::AccountStatus::Unspecified) => None,
        Ok(pb::AccountStatus::Active) => Some(Status::Active),
        Ok(pb::AccountStatus::Suspended) => Some(Status::Suspended),
        Ok(pb::AccountStatus::Closed) => Some(Status::Closed),
        Err(_) => {
            let allowed = "ACCOUNT_STATUS_ACTIVE (1), ACCOUNT_STATUS_SUSPENDED (2), ACCOUNT_STATUS_CLOSED (3)";
            return fields::unknown("status", &asked.status.to_string(), allowed);
        }
    };
    if status.is_none() && asked.min_balance.is_none() && asked.max_balance.is_none() {
        return Err(Failure::Invalid("one of status, min_balance and max_balance is required".into()));
    }
    let deadline = call.deadline(ledger);
    let active = ledger.active()?;
    let account = ledger.account(&active, &call.tenant, &asked.id, deadline).await?;
    let currency = account.identity.currency;
    let (floor, ceiling) = (
        limit(names::MIN_BALANCE.grpc, asked.min_balance.as_ref(), currency)?,
        limit(names::MAX_BALANCE.grpc, asked.max_balance.as_ref(), currency)?,
    );
    let key = Some(asked.idempotency_key).filter(|key| !key.is_empty());
    change(ledger, call, Change { account: asked.id, key, guards: GuardsChange { status, floor, ceiling }, by }).await
}

fn limit(field: &str, asked: Option<&pb::Limit>, currency: Currency) -> Result<Option<Option<i128>>, Failure> {
    let amount = |limit: &pb::Limit| {
        limit
            .amount
            .as_deref()
            .map(|text| fields::amount(field, text, currency).map(|amount| amount.minor_units()))
            .transpose()
    };
    asked.map(amount).transpose()
}
