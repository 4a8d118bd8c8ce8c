//! What memory knows of accounts and balances in the database do not include yet: what was settled since the fold.
//! Pure.

use hashbrown::HashMap;

use crate::protocol::account::Posted;
use crate::protocol::record::AccountId;

/// Accounts that are not folded yet, as they were last settled. It grows with the accounts that are moved between two
/// folds.
#[derive(Debug, Default)]
pub struct Recent {
    /// Everything after this place is remembered; `None`: it is not known yet where this epoch begins.
    from: Option<i64>,
    /// The place of the last fold. Accounts are remembered until the fold after it, for reads that began before.
    folded: i64,
    accounts: HashMap<AccountId, Posted>,
}

impl Recent {
    /// This epoch's first batch comes after this place.
    pub fn begin(&mut self, place: i64) {
        if self.from.is_none() {
            (self.from, self.folded) = (Some(place), place);
        }
    }

    /// A batch that moved the account is durable.
    pub fn settle(&mut self, account: AccountId, posted: Posted) {
        let known = self.accounts.entry(account).or_insert(posted);
        if posted.totals.version >= known.totals.version {
            *known = posted;
        }
    }

    /// Balances include every row up to this place.
    pub fn fold(&mut self, place: i64) {
        if let Some(from) = self.from.filter(|from| *from < self.folded) {
            self.accounts.retain(|_, posted| posted.last > self.folded);
            self.from = Some(self.folded.max(from));
        }
        self.folded = self.folded.max(place);
    }

    /// The database is right about this account.
    pub fn forget(&mut self, account: AccountId) {
        self.accounts.remove(&account);
    }

    /// An account as of now, from a read as of the fold at `folded`. `None`: that read is too old, or where this epoch
    /// begins is not known.
    pub fn recall(&self, account: AccountId, read: Posted, folded: i64) -> Option<Posted> {
        self.from.filter(|from| folded >= *from)?;
        Some(
            self.accounts
                .get(&account)
                .filter(|known| known.totals.version >= read.totals.version)
                .copied()
                .unwrap_or(read),
        )
    }

    /// How many accounts it remembers.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Guards, Totals};

    fn posted(version: i64, last: i64) -> Posted {
        Posted { totals: Totals { version, ..Totals::default() }, last, guards: Guards::NONE }
    }

    const A: AccountId = AccountId(1);

    #[test]
    fn nothing_is_recalled_before_the_epoch_before_this_one_is_folded() {
        let mut recent = Recent::default();
        assert_eq!(recent.recall(A, posted(0, 0), 100), None);
        recent.begin(50);
        assert_eq!(recent.recall(A, posted(3, 40), 49), None);
        assert_eq!(recent.recall(A, posted(4, 50), 50), Some(posted(4, 50)));
        recent.begin(70); // a later session of the same epoch
        assert_eq!(recent.recall(A, posted(4, 50), 50), Some(posted(4, 50)));
    }

    /// Mutation: `from` not raised, or what was folded forgotten at once.
    #[test]
    fn what_was_settled_is_remembered_until_no_read_can_miss_it() {
        let mut recent = Recent::default();
        recent.begin(10);
        recent.settle(A, posted(1, 11));
        recent.settle(A, posted(3, 13));
        recent.settle(A, posted(2, 12)); // settled again by a lane that died half way
        assert_eq!(recent.recall(A, posted(0, 0), 10), Some(posted(3, 13)));
        assert_eq!(recent.recall(A, posted(4, 14), 14), Some(posted(4, 14)), "folded before it was settled");
        recent.fold(13);
        assert_eq!(recent.recall(A, posted(0, 0), 10), Some(posted(3, 13)), "the read began before the fold");
        recent.fold(13);
        assert_eq!((recent.recall(A, posted(0, 0), 10), recent.len()), (None, 0), "the read is too old to be believed");
        assert_eq!(recent.recall(A, posted(3, 13), 13), Some(posted(3, 13)));
    }

    #[test]
    fn an_account_that_is_moved_while_it_is_folded_stays() {
        let mut recent = Recent::default();
        recent.begin(10);
        recent.settle(A, posted(1, 11));
        recent.fold(12);
        recent.settle(A, posted(2, 13));
        recent.fold(12);
        assert_eq!(recent.recall(A, posted(1, 11), 12), Some(posted(2, 13)));
        recent.forget(A);
        assert_eq!(recent.recall(A, posted(1, 11), 12), Some(posted(1, 11)));
    }
}
