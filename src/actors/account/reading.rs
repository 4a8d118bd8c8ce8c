//! Before any refusal that depends on state, key and balance are read from the primary, by a read that began after the
//! command arrived. One read is in flight per account; all slips that arrive meanwhile share the next one.

use std::time::Duration;

use ractor::ActorRef;
use sqlx::PgPool;

use crate::actors::journal::Journal;
use crate::protocol::account::{AccountMessage, Posted, ReadAnswer, UsedKey};
use crate::protocol::record::{AccountId, KeyHash};
use crate::protocol::slip::Slip;
use crate::resilience::tasks;
use crate::store;

/// Reads from the primary for accounts.
#[derive(Clone)]
pub struct Primary {
    pub pool: PgPool,
    /// How long a read may take.
    pub timeout: Duration,
}

pub(super) struct Reader {
    pub(super) primary: Primary,
    pub(super) account: AccountId,
    pub(super) journal: Journal,
    pub(super) actor: ActorRef<AccountMessage>,
}

/// The reads of one account, and the slips that wait for them.
pub(super) struct Reading {
    reader: Reader,
    running: Option<Wanted>,
    next: Wanted,
    number: u64,
}

#[derive(Default)]
struct Wanted {
    slips: Vec<Box<Slip>>,
    change: Option<KeyHash>,
}

impl Reading {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader, running: None, next: Wanted::default(), number: 0 }
    }

    pub(super) fn actor(&self) -> &ActorRef<AccountMessage> {
        &self.reader.actor
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.next.slips.is_empty() && self.next.change.is_none()
    }

    /// Queues a slip that would be refused: it waits for a read that begins after this call.
    pub(super) fn want(&mut self, slip: Box<Slip>) {
        self.next.slips.push(slip);
        self.next();
    }

    /// Queues a read of the key of the first change.
    pub(super) fn want_change(&mut self, key: KeyHash) {
        self.next.change = Some(key);
        self.next();
    }

    /// The slips of this read, and whether the change waited for it; `None`: the read is not the newest.
    pub(super) fn take(&mut self, number: u64) -> Option<(Vec<Box<Slip>>, bool)> {
        if number != self.number {
            return None;
        }
        self.running.take().map(|wanted| (wanted.slips, wanted.change.is_some()))
    }

    /// Begins the next read, if one is wanted and none is running.
    pub(super) fn next(&mut self) {
        if self.running.is_some() || (self.next.slips.is_empty() && self.next.change.is_none()) {
            return;
        }
        let wanted = std::mem::take(&mut self.next);
        let keys: Vec<KeyHash> = wanted.slips.iter().map(|slip| slip.key()).chain(wanted.change).collect();
        self.running = Some(wanted);
        self.number += 1;
        let mut answer = Answer { actor: self.reader.actor.clone(), number: self.number, result: None };
        let (primary, account, journal) =
            (self.reader.primary.clone(), self.reader.account, self.reader.journal.clone());
        tasks::spawn(async move {
            let read = read(&primary, &journal, account, &keys);
            answer.result = Some(match tokio::time::timeout(primary.timeout, read).await {
                Ok(result) => result,
                Err(_) => Err(format!("no answer within {:?}", primary.timeout)),
            });
            drop(answer); // whole, so that it is in here and answers whatever happens
        });
    }
}

/// What is folded in the database, with what the journal remembers since then.
async fn read(
    primary: &Primary,
    journal: &Journal,
    account: AccountId,
    keys: &[KeyHash],
) -> Result<(Posted, Vec<UsedKey>), String> {
    loop {
        let (posted, as_of, used) =
            store::accounts::read_with_keys(&primary.pool, account, keys).await.map_err(|error| error.to_string())?;
        match journal.recall(account, posted, as_of)? {
            Some(posted) => return Ok((posted, used)),
            None => journal.wait_for_fold(as_of).await,
        }
    }
}

/// Sends its answer when dropped, so also when the read panics.
struct Answer {
    actor: ActorRef<AccountMessage>,
    number: u64,
    result: Option<Result<(Posted, Vec<UsedKey>), String>>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| Err("the read ended without an answer".into()));
        // an actor that ended asks nothing
        let _ = self.actor.cast(AccountMessage::Read(Box::new(ReadAnswer { number: self.number, result })));
    }
}
