//! Reads accounts, and changes their status, floor and ceiling; also checks floor and ceiling of a new account.

use crate::ledger::GuardsChange;
use crate::protocol::account::Identity;
use crate::protocol::record::{Api, Operator, RequestHash};
use crate::store;
use crate::store::accounts::AccountRow;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{ChangeCommand, Ledger, covered, outside_the_house, read_failure};

/// A change as requested; `None`: stays as it is.
#[derive(Clone, Debug)]
pub struct Change {
    /// The id that callers use.
    pub account: String,
    pub key: Option<String>,
    /// What is to change.
    pub guards: GuardsChange,
    /// Who changes it, and why.
    pub by: Operator,
}

/// What is wrong with floor and ceiling of a new account, whose balance is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitFault {
    /// No balance could ever keep to both.
    FloorAboveCeiling,
    /// It could never be paid anything. A floor above zero is no fault: it binds from the first debit on, and credits
    /// come first.
    CeilingBelowZero,
}

/// Checks floor and ceiling of a new account, in minor units; `None`: nothing is wrong.
pub fn limit_fault(floor: Option<i128>, ceiling: Option<i128>) -> Option<LimitFault> {
    match (floor, ceiling) {
        (_, Some(ceiling)) if ceiling < 0 => Some(LimitFault::CeilingBelowZero),
        (Some(floor), Some(ceiling)) if floor > ceiling => Some(LimitFault::FloorAboveCeiling),
        _ => None,
    }
}

/// An account as the primary has it.
///
/// # Errors
/// `Forbidden`; `NotFound`; what kept it from being read.
pub async fn get(ledger: &Ledger, call: &Call, id: &str) -> Result<AccountRow, Failure> {
    covered(&call.maker.rights, id)?;
    let _place = ledger.enter_read()?;
    let row =
        store::accounts::get(&ledger.parts().pool, &call.tenant, id).await.map_err(|error| read_failure(&error))?;
    row.ok_or_else(|| Failure::no_account(id))
}

/// An account's identity as the primary has it, without a read of its balance.
///
/// # Errors
/// `Forbidden`; `NotFound`; what kept it from being read.
pub async fn identity(ledger: &Ledger, call: &Call, id: &str) -> Result<Identity, Failure> {
    covered(&call.maker.rights, id)?;
    let _place = ledger.enter_read()?;
    let identity = store::accounts::identity(&ledger.parts().pool, &call.tenant, id)
        .await
        .map_err(|error| read_failure(&error))?;
    identity.ok_or_else(|| Failure::no_account(id))
}

/// Changes status, floor and ceiling, and returns the account as it is when that is durable.
///
/// # Errors
/// `Forbidden`: it is the house's; `FailedPrecondition` when the account refuses; else as [`Ledger::change`].
pub async fn change(ledger: &Ledger, call: &Call, asked: Change) -> Result<AccountRow, Failure> {
    outside_the_house(&call.maker.rights, Api::FlorinV1, &asked.account)?;
    let number = |limit: Option<Option<i128>>| {
        limit.map_or("as it is".to_owned(), |limit| limit.map_or("none".to_owned(), |limit| limit.to_string()))
    };
    let request = RequestHash::of(&[
        b"account_change",
        asked.account.as_bytes(),
        format!("{:?}", asked.guards.status).as_bytes(),
        number(asked.guards.floor).as_bytes(),
        number(asked.guards.ceiling).as_bytes(),
    ]);
    let command = ChangeCommand {
        tenant: call.tenant.clone(),
        api: Api::FlorinV1,
        account: asked.account,
        key: asked.key,
        request,
        guards: asked.guards,
        by: asked.by,
        correlation: call.correlation.clone(),
        deadline: call.deadline(ledger),
    };
    ledger.change(&command).await?;
    // It is done; if that cannot be shown now, nothing must say that it was not.
    get(ledger, call, &command.account).await.map_err(|_| Failure::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_account_may_have_a_floor_above_zero_and_no_ceiling_that_shuts_it() {
        for (floor, ceiling, fault) in [
            (None, None, None),
            (Some(0), None, None),
            (Some(-5), Some(0), None),
            (Some(5), None, None),
            (Some(5), Some(5), None),
            (Some(6), Some(5), Some(LimitFault::FloorAboveCeiling)),
            (Some(-5), Some(-1), Some(LimitFault::CeilingBelowZero)),
            (None, Some(-1), Some(LimitFault::CeilingBelowZero)),
        ] {
            assert_eq!(limit_fault(floor, ceiling), fault, "{floor:?} {ceiling:?}");
        }
    }
}
