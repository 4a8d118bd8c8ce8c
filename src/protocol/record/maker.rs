//! Who caused a record, and which accounts they may name.

use std::sync::Arc;

/// Who caused a record, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maker {
    /// The name of an API key or a certificate; `None`: no credentials were required, or Florin did it itself.
    pub name: Option<Arc<str>>,
    /// The caller's IP address; `None`: Florin did it itself.
    pub address: Option<Arc<str>>,
    /// Not written: it is judged before there is a record.
    pub rights: Rights,
}

/// What a caller may do with accounts, beside the calls that its scopes open. By default everything: Florin itself, and
/// whoever calls where no credentials are required.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The ids of all accounts that it names begin so; `None`: they may be any.
    pub prefix: Option<Arc<str>>,
    /// It may not name the house's own accounts.
    pub is_kept_from_house: bool,
    /// It is told who made a transaction, and from where.
    pub sees_makers: bool,
}

impl Rights {
    /// Whether it may name this account, as far as the account's id goes.
    pub fn covers(&self, account: &str) -> bool {
        self.prefix.as_deref().is_none_or(|prefix| account.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_what_begins_so_and_none_covers_all() {
        let kept = Rights { prefix: Some("shop:".into()), ..Rights::default() };
        assert!(kept.covers("shop:") && kept.covers("shop:till"));
        assert!(!kept.covers("shop") && !kept.covers("Shop:till") && !kept.covers(" shop:till"));
        assert!(Rights::default().covers(""));
    }
}
