//! Which accounts are external: some contracts show their balances as zero. A kind never changes, so it is remembered.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::failure::Failure;
use super::ledger::{Ledger, read_failure};
use crate::protocol::record::AccountKind;
use crate::store;

/// Accounts that are remembered; when there are more, all are forgotten.
const KNOWN_MAX: usize = 50_000;
/// How long one look-up may take.
const LOOK_UP_MAX: Duration = Duration::from_secs(6);

/// By tenant and id, whether an account is external, as far as it was looked up.
#[derive(Default)]
pub struct Externals(Mutex<Known>);

type Known = HashMap<(Arc<str>, Box<str>), bool>;

/// The external ones among a few accounts.
#[derive(Debug, Default)]
pub struct Among(HashSet<String>);

impl Among {
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

impl Externals {
    /// Which of these accounts are external. An account that is loaded and has a floor is not, which spares most calls
    /// the look-up. The others are looked up in one statement.
    ///
    /// # Errors
    /// Why accounts that are not remembered could not be looked up.
    pub async fn among(
        &self,
        ledger: &Ledger,
        tenant: &Arc<str>,
        names: impl Iterator<Item = &str>,
    ) -> Result<Among, Failure> {
        let active = ledger.parts().node.active();
        let has_floor = |name: &str| {
            let account = active.as_ref().and_then(|active| active.registry.get(tenant, name));
            account.is_some_and(|account| account.cell.posted().guards.floor.is_some())
        };
        let (mut external, mut missing) = (HashSet::new(), Vec::new());
        for name in names.collect::<HashSet<_>>() {
            if has_floor(name) {
                continue;
            }
            match self.lock().get(&(tenant.clone(), name.into())) {
                Some(true) => drop(external.insert(name.to_owned())),
                Some(false) => {}
                None => missing.push(name.to_owned()),
            }
        }
        if !missing.is_empty() {
            let _place = ledger.enter_read()?;
            let tenants = vec![tenant.to_string(); missing.len()];
            let rows =
                tokio::time::timeout(LOOK_UP_MAX, store::accounts::load(&ledger.parts().pool, &tenants, &missing))
                    .await;
            let rows = rows.map_err(|_| Failure::DatabaseAway)?.map_err(|error| read_failure(&error))?;
            for row in rows {
                let is_external = row.kind == AccountKind::External;
                let mut known = self.lock();
                if known.len() >= KNOWN_MAX {
                    known.clear();
                }
                known.insert((tenant.clone(), (*row.identity.name).into()), is_external);
                if is_external {
                    external.insert(row.identity.name.to_string());
                }
            }
        }
        Ok(Among(external))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
