//! The directory: knows which accounts are loaded, and supervises their actors.
//!
//! It owns the list of loaded accounts (which everybody reads through [`Registry`]), the loads under way and the
//! accounts that are leaving. Loads are joined into one query at a time. At most `active_max` actors exist: at the
//! bound the ones unused for longest end first, and what cannot be loaded yet waits. After an actor failed, the next
//! load waits behind a barrier in the journal, so that it sees every batch with an approval of the failed one.

mod load;
mod registry;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, ActorStatus, SupervisionEvent};
use tokio::sync::oneshot;

use super::account::{AccountActor, AccountArgs, Primary};
use super::journal::Journal;
use crate::faults::Faults;
use crate::protocol::account::{AccountCell, AccountHandle, AccountMessage};
use crate::protocol::record::AccountId;
use crate::resilience::health::{Condition, Health, Part};
use crate::resilience::policy::{self, ChildName, History, Verdict};
use crate::store::accounts::AccountRow;
use crate::telemetry::metrics::{ACTIVE_ACCOUNTS, ACTOR_RESTARTS};

pub use registry::{AccountKey, Registry};

pub enum DirectoryMessage {
    /// Load this account, or say that there is none.
    Resolve {
        key: AccountKey,
        /// A caller takes a dropped reply for [`Resolved::Unavailable`].
        reply: oneshot::Sender<Resolved>,
    },
    /// The load under way has ended; `Err`: the database did not answer, and the text is its error.
    Loaded(Vec<AccountKey>, Result<Vec<AccountRow>, String>),
    /// An account that was asked to leave has work.
    Busy(AccountId),
    /// Look for idle accounts.
    Sweep,
    /// Look again for a free slot.
    Room,
}

/// The answer to a look-up.
pub enum Resolved {
    /// The account is loaded.
    Account(Arc<AccountHandle>),
    /// The primary has no such account.
    NotFound,
    /// The database did not answer.
    Unavailable,
}

/// What the directory is started with.
#[derive(Clone)]
pub struct DirectoryArgs {
    pub registry: Registry,
    pub journal: Journal,
    pub primary: Primary,
    /// How many actors there may be at the same time.
    pub active_max: usize,
    /// An account that was not used for this long is passivated.
    pub idle_after: Duration,
    pub health: Health,
    pub faults: Faults,
}

/// Loads accounts, supervises their actors, and ends those that are not used.
pub struct Directory;

pub struct DirectoryState {
    args: DirectoryArgs,
    /// Loaded accounts, by actor.
    active: HashMap<ActorId, Arc<AccountHandle>>,
    /// Accounts that were asked to leave and have not ended yet.
    leaving: HashMap<AccountKey, Arc<AccountHandle>>,
    waiting: HashMap<AccountKey, Vec<oneshot::Sender<Resolved>>>,
    queue: VecDeque<AccountKey>,
    /// Callers who wait for the load under way. Later ones wait for the next load: "there is no such account" must come
    /// from a read that began after the question.
    loading: Option<HashMap<AccountKey, Vec<oneshot::Sender<Resolved>>>>,
    barrier: bool,
    history: History,
    looking: bool,
}

/// Accounts per load.
const LOAD_MAX: usize = 1_000;
/// How often idle accounts are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// When all accounts are in use: how soon to look again for a free slot.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Actor for Directory {
    type Msg = DirectoryMessage;
    type State = DirectoryState;
    type Arguments = DirectoryArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<DirectoryMessage>,
        args: DirectoryArgs,
    ) -> Result<DirectoryState, ActorProcessingErr> {
        // What a former directory left behind: its accounts are gone, and their approvals void.
        for orphan in args.registry.clear() {
            orphan.cell.bury();
            orphan.actor.get_cell().kill();
        }
        args.registry.open(myself.clone());
        drop(myself.send_after(SWEEP_EVERY, || DirectoryMessage::Sweep));
        metrics::gauge!(ACTIVE_ACCOUNTS).set(0.0);
        Ok(DirectoryState {
            args,
            active: HashMap::new(),
            leaving: HashMap::new(),
            waiting: HashMap::new(),
            queue: VecDeque::new(),
            loading: None,
            barrier: true,
            history: History::default(),
            looking: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<DirectoryMessage>,
        message: DirectoryMessage,
        state: &mut DirectoryState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            DirectoryMessage::Resolve { key, reply } => {
                state.args.faults.point("directory.resolve");
                state.resolve(key, reply);
            }
            DirectoryMessage::Loaded(keys, result) => {
                state.args.faults.point("directory.loaded");
                state.loaded(keys, result, &myself).await?;
            }
            DirectoryMessage::Busy(id) => {
                state.args.faults.point("directory.busy");
                state.busy(id);
            }
            DirectoryMessage::Sweep => {
                state.args.faults.point("directory.sweep");
                state.sweep(&myself);
            }
            DirectoryMessage::Room => state.looking = false,
        }
        state.load(&myself);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<DirectoryMessage>,
        event: SupervisionEvent,
        state: &mut DirectoryState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => state.gone(cell.get_id(), Some(error.to_string()))?,
            SupervisionEvent::ActorTerminated(cell, _, _) => state.gone(cell.get_id(), None)?,
            _ => return Ok(()),
        }
        state.load(&myself);
        Ok(())
    }
}

impl Drop for DirectoryState {
    /// The accounts end with the directory, also those that were leaving and so are on no list. Their approvals that
    /// are in no batch yet are void: the next directory would load accounts that do not know of them.
    fn drop(&mut self) {
        for account in self.active.values() {
            account.cell.bury();
        }
    }
}

impl DirectoryState {
    fn resolve(&mut self, key: AccountKey, reply: oneshot::Sender<Resolved>) {
        let listed = self.args.registry.get(&key.tenant, &key.name);
        let ending = listed.as_ref().is_some_and(|account| is_ending(account));
        if let Some(account) = listed.filter(|_| !ending) {
            let _ = reply.send(Resolved::Account(account)); // who asked may have left
            return;
        }
        let waiting = self.waiting.entry(key.clone()).or_default();
        if waiting.is_empty() && !ending && !self.leaving.contains_key(&key) {
            self.queue.push_back(key);
        }
        waiting.push(reply);
    }

    /// Begins the next load, if somebody waits, none is under way and there are free slots.
    fn load(&mut self, myself: &ActorRef<DirectoryMessage>) {
        if self.loading.is_some() || self.queue.is_empty() {
            return;
        }
        let room = self.args.active_max.saturating_sub(self.active.len()).min(LOAD_MAX);
        let wanted = self.queue.len().min(LOAD_MAX);
        if room < wanted {
            self.make_room(wanted - room, myself);
            if room == 0 || (room < wanted / 2 && !self.leaving.is_empty()) {
                return; // more room is on its way, and one load for many is cheap
            }
        }
        let mut loading = HashMap::new();
        while loading.len() < room
            && let Some(key) = self.queue.pop_front()
        {
            if self.leaving.contains_key(&key) {
                continue; // its end queues it again
            }
            let Some(mut waiting) = self.waiting.remove(&key) else { continue };
            waiting.retain(|reply| !reply.is_closed());
            if let Some(account) = self.args.registry.get(&key.tenant, &key.name) {
                if is_ending(&account) {
                    self.waiting.insert(key, waiting); // its end queues it again
                } else {
                    answer_all(waiting, || Resolved::Account(account.clone())); // loaded for somebody else meanwhile
                }
            } else if !waiting.is_empty() {
                loading.insert(key, waiting);
            }
        }
        if loading.is_empty() {
            return;
        }
        let keys = loading.keys().cloned().collect();
        self.loading = Some(loading);
        let barrier = std::mem::take(&mut self.barrier);
        load::start(
            myself.clone(),
            keys,
            barrier,
            self.args.journal.clone(),
            self.args.primary.clone(),
            self.args.faults.clone(),
        );
    }

    async fn loaded(
        &mut self,
        keys: Vec<AccountKey>,
        result: Result<Vec<AccountRow>, String>,
        myself: &ActorRef<DirectoryMessage>,
    ) -> Result<(), ActorProcessingErr> {
        let mut loading = self.loading.take().unwrap_or_default();
        let found = match result {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, accounts = keys.len(), "accounts could not be loaded");
                self.barrier = true; // it may not have been passed
                answer_all(loading.into_values().flatten(), || Resolved::Unavailable);
                return Ok(());
            }
        };
        for row in found {
            let key = AccountKey { tenant: row.identity.tenant.clone(), name: row.identity.name.clone() };
            let account = self.spawn(row, myself).await?;
            let later = self.waiting.remove(&key);
            if later.is_some() {
                self.queue.retain(|queued| *queued != key); // or room would be made for it in vain
            }
            let waiting = loading.remove(&key).into_iter().chain(later).flatten();
            answer_all(waiting, || Resolved::Account(account.clone()));
        }
        answer_all(loading.into_values().flatten(), || Resolved::NotFound);
        metrics::gauge!(ACTIVE_ACCOUNTS).set(count(self.active.len()));
        Ok(())
    }

    async fn spawn(
        &mut self,
        row: AccountRow,
        myself: &ActorRef<DirectoryMessage>,
    ) -> Result<Arc<AccountHandle>, ActorProcessingErr> {
        let cell = Arc::new(AccountCell::new(row.posted));
        let args = AccountArgs {
            identity: row.identity.clone(),
            cell: cell.clone(),
            posted: row.posted,
            journal: self.args.journal.clone(),
            primary: self.args.primary.clone(),
            directory: myself.clone(),
            faults: self.args.faults.clone(),
        };
        let (actor, _) = Actor::spawn_linked(None, AccountActor, args, myself.get_cell()).await?;
        let account =
            Arc::new(AccountHandle { identity: row.identity, cell, actor, last_used: self.args.registry.now().into() });
        self.active.insert(account.actor.get_id(), account.clone());
        self.args.registry.insert(account.clone());
        Ok(account)
    }

    /// An account's actor ended: because it was idle, or by a failure.
    fn gone(&mut self, actor: ActorId, failure: Option<String>) -> Result<(), ActorProcessingErr> {
        let Some(account) = self.active.remove(&actor) else { return Ok(()) };
        metrics::gauge!(ACTIVE_ACCOUNTS).set(count(self.active.len()));
        let key = AccountKey::of(&account);
        let left = self.leaving.remove(&key).is_some() && failure.is_none();
        account.cell.bury();
        self.args.registry.remove(&key);
        if !left {
            self.barrier = true;
            let failed = failure.is_some();
            let cause = failure.unwrap_or_else(|| "ended by the journal, to be loaded anew".into());
            tracing::error!(account = %key.name, %cause, "an account's actor failed");
            metrics::counter!(ACTOR_RESTARTS, "actor" => ChildName::Account.as_str()).increment(1);
            self.args.health.restarted(Part::Accounts, &cause);
            // one that was ended on purpose, however often, is no reason to load all others anew
            let policy = &policy::row(ChildName::Account).policy;
            if failed && self.history.next(policy, Instant::now()) == Verdict::Escalate {
                return Err(format!("too many accounts failed, the last with: {cause}").into());
            }
        }
        if self.waiting.contains_key(&key) {
            self.queue.push_back(key);
        }
        Ok(())
    }

    fn busy(&mut self, id: AccountId) {
        let Some(key) = self.leaving.iter().find(|(_, account)| account.identity.id == id).map(|(key, _)| key.clone())
        else {
            return;
        };
        let Some(account) = self.leaving.remove(&key) else { return };
        self.args.registry.insert(account.clone());
        for reply in self.waiting.remove(&key).into_iter().flatten() {
            let _ = reply.send(Resolved::Account(account.clone()));
        }
    }

    fn sweep(&mut self, myself: &ActorRef<DirectoryMessage>) {
        self.args.health.report(Part::Accounts, Condition::Up);
        let idle_ms = u64::try_from(self.args.idle_after.as_millis()).unwrap_or(u64::MAX);
        let oldest = self.args.registry.now().saturating_sub(idle_ms);
        if oldest > 0 {
            let idle = self
                .args
                .registry
                .unused(usize::MAX, |account| account.last_used.load(std::sync::atomic::Ordering::Relaxed) < oldest);
            self.dismiss(idle);
        }
        drop(myself.send_after(SWEEP_EVERY, || DirectoryMessage::Sweep));
    }

    /// At the bound: asks the accounts unused for longest to leave, as many as are missing.
    fn make_room(&mut self, wanted: usize, myself: &ActorRef<DirectoryMessage>) {
        let missing = wanted.saturating_sub(self.leaving.len());
        if missing > 0 {
            let unused = self.args.registry.unused(missing, |_| true);
            self.dismiss(unused);
        }
        if !std::mem::replace(&mut self.looking, true) {
            drop(myself.send_after(LOOK_AGAIN, || DirectoryMessage::Room)); // all may be in use
        }
    }

    fn dismiss(&mut self, accounts: Vec<Arc<AccountHandle>>) {
        for account in accounts {
            let key = AccountKey::of(&account);
            self.args.registry.remove(&key);
            let _ = account.actor.cast(AccountMessage::Passivate); // if it has ended, its end is on the way here
            self.leaving.insert(key, account);
        }
    }
}

/// Whether its actor has ended or is about to; the directory is told of that next.
fn is_ending(account: &AccountHandle) -> bool {
    matches!(account.actor.get_status(), ActorStatus::Stopping | ActorStatus::Stopped)
}

/// Callers may have left meanwhile.
fn answer_all(waiting: impl IntoIterator<Item = oneshot::Sender<Resolved>>, answer: impl Fn() -> Resolved) {
    for reply in waiting {
        let _ = reply.send(answer());
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn count(n: usize) -> f64 {
    n as f64
}
