//! One load: behind the barrier if need be, one query for many accounts, and always an answer.

use ractor::ActorRef;

use super::{AccountKey, DirectoryMessage};
use crate::actors::account::Primary;
use crate::actors::journal::Journal;
use crate::faults::Faults;
use crate::resilience::tasks;
use crate::store;
use crate::store::accounts::AccountRow;

/// Loads these accounts in a task, which sends the result to the directory.
pub(super) fn start(
    directory: ActorRef<DirectoryMessage>,
    keys: Vec<AccountKey>,
    behind_barrier: bool,
    journal: Journal,
    primary: Primary,
    faults: Faults,
) {
    let mut answer = Answer { directory, keys, result: Err("the load ended without an answer".into()) };
    tasks::spawn(async move {
        if behind_barrier {
            journal.barrier().await;
        }
        let (tenants, names): (Vec<_>, Vec<_>) =
            answer.keys.iter().map(|key| (key.tenant.to_string(), key.name.to_string())).unzip();
        let result = tokio::time::timeout(primary.timeout, load(&primary, &journal, &tenants, &names)).await;
        faults.pause("directory.loading").await;
        answer.result = result.unwrap_or_else(|_| Err(format!("no answer within {:?}", primary.timeout)));
        drop(answer); // whole, so that it is in here and answers whatever happens
    });
}

/// What is folded in the database, with what the journal remembers since then.
async fn load(
    primary: &Primary,
    journal: &Journal,
    tenants: &[String],
    names: &[String],
) -> Result<Vec<AccountRow>, String> {
    'again: loop {
        let mut rows = store::accounts::load(&primary.pool, tenants, names).await.map_err(|error| error.to_string())?;
        for row in &mut rows {
            match journal.recall(row.identity.id, row.posted, row.as_of)? {
                Some(posted) => row.posted = posted,
                None => {
                    journal.wait_for_fold(row.as_of).await;
                    continue 'again;
                }
            }
        }
        return Ok(rows);
    }
}

/// Sends its answer when dropped, so also when the load panics.
struct Answer {
    directory: ActorRef<DirectoryMessage>,
    keys: Vec<AccountKey>,
    result: Result<Vec<AccountRow>, String>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let result = std::mem::replace(&mut self.result, Ok(Vec::new()));
        // a directory that ended asks nothing
        let _ = self.directory.cast(DirectoryMessage::Loaded(std::mem::take(&mut self.keys), result));
    }
}
