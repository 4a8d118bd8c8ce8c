//! Which accounts a caller may name in a movement. The calls themselves are opened by scopes, before a use case is asked.

use super::{Command, Request};
use crate::actors::house::is_of_billing;
use crate::protocol::record::{Api, Rights};
use crate::saga::PROVIDER_PREFIX;
use crate::store::seed::OPENING_PREFIX;
use crate::teller::failure::Failure;
use crate::teller::validate::cut;

/// How the ids of clearing accounts begin.
pub(super) const CLEARING_PREFIX: &str = "clearing:";

impl Command {
    /// Checks the accounts that its caller chose. A movement that takes back or goes on with another one has that one's
    /// accounts: whoever may not name the house's did not choose them.
    ///
    /// # Errors
    /// `Forbidden`, naming the account.
    pub fn permitted(&self) -> Result<(), Failure> {
        let Request { maker, api, chosen, .. } = &self.request;
        if maker.rights == Rights::default() {
            return Ok(());
        }
        let follows = self.movement.follows().transaction().is_some();
        let of_postings = || self.postings.iter().flat_map(|posting| [posting.debit.as_str(), posting.credit.as_str()]);
        let check = |name: &str| {
            covered(&maker.rights, name)?;
            if follows { Ok(()) } else { outside_the_house(&maker.rights, *api, name) }
        };
        match chosen {
            Some(chosen) => chosen.iter().map(String::as_str).try_for_each(check),
            None => of_postings().try_for_each(check),
        }
    }
}

/// # Errors
/// `Forbidden`: the caller is kept to other accounts.
pub fn covered(rights: &Rights, account: &str) -> Result<(), Failure> {
    if rights.covers(account) {
        return Ok(());
    }
    Err(Failure::Forbidden(format!(
        "the API key is for accounts whose ids begin with {:?} alone, not for {:?}",
        rights.prefix.as_deref().unwrap_or_default(),
        cut(account)
    )))
}

/// # Errors
/// `Forbidden`: it is one of the house's own accounts, and the caller is no admin. Entries of the orders contract are
/// what its callers keep billing's books with, so those are open to them.
pub fn outside_the_house(rights: &Rights, api: Api, account: &str) -> Result<(), Failure> {
    let is_house = [CLEARING_PREFIX, PROVIDER_PREFIX, OPENING_PREFIX].iter().any(|prefix| account.starts_with(prefix))
        || (api != Api::Orders && is_of_billing(account));
    if is_house && rights.is_kept_from_house {
        return Err(Failure::Forbidden(format!(
            "{:?} is an account of the house's own: that needs credentials with the scope admin",
            cut(account)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a kind of the house's accounts is left out, or a caller's own account is taken for one.
    #[test]
    fn the_houses_accounts_are_known_by_their_ids() {
        let kept = Rights { is_kept_from_house: true, ..Rights::default() };
        for (account, api, is_open) in [
            ("clearing:USD", Api::FlorinV1, false),
            ("provider:bank:USD", Api::PaymentV1, false),
            ("florin-opening-usd", Api::AccountsV1, false),
            ("Accounts Receivable:USD", Api::FlorinV1, false),
            ("Accounts Receivable:c-1:USD", Api::PaymentV1, false),
            ("berlin/Tax Payable:EUR", Api::FlorinV1, false),
            ("Rounding:USD", Api::FlorinV1, false),
            ("Accounts Receivable:USD", Api::Orders, true),
            ("clearing:USD", Api::Orders, false),
            ("provider:bank:USD", Api::Orders, false),
            ("florin-opening-:USD", Api::Orders, false),
            ("clearing", Api::FlorinV1, true),
            ("Revenue", Api::FlorinV1, true),
            ("my Revenue:USD", Api::FlorinV1, true),
            ("acc-payer-001", Api::PaymentV1, true),
        ] {
            assert_eq!(outside_the_house(&kept, api, account).is_ok(), is_open, "{account} over {api:?}");
            assert!(outside_the_house(&Rights::default(), api, account).is_ok(), "{account} for an admin");
        }
    }
}
