//! Gives commands on an invoice their turns: one actor per active invoice, which lets one command after the other read
//! the invoice, decide and post.
//!
//! An actor holds nothing but its mailbox: what an invoice is stands in the database, and a batch refuses a change of an
//! invoice that is not of the version that was decided on. So whatever dies between two lines, nothing is done twice;
//! the caller whose turn is lost hears that it was interrupted. An actor that nobody asked for a while leaves.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

/// How long an actor stays without work.
const IDLE: Duration = Duration::from_secs(60);

/// One command's turn. It answers its caller itself.
pub type Turn = Pin<Box<dyn Future<Output = ()> + Send>>;

pub enum InvoicesMessage {
    /// Queue a turn with the actor of this invoice.
    Turn { invoice: i64, turn: Turn },
    /// The actor of this invoice has nothing to do.
    Idle { invoice: i64, actor: ActorId },
}

/// How commands reach the directory, across its restarts; clones share it.
#[derive(Clone, Default)]
pub struct InvoicesHandle(Arc<Mutex<Option<ActorRef<InvoicesMessage>>>>);

impl InvoicesHandle {
    /// Queues a turn. If it is lost on the way, it is dropped, and with it the caller's channel.
    pub fn queue(&self, invoice: i64, turn: Turn) {
        if let Some(actor) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = actor.cast(InvoicesMessage::Turn { invoice, turn }); // being restarted: the turn is dropped
        }
    }

    fn attach(&self, actor: ActorRef<InvoicesMessage>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(actor);
    }
}

/// The directory of active invoices.
pub struct Invoices;

#[derive(Default)]
pub struct InvoicesState {
    active: HashMap<i64, ActorRef<InvoiceMessage>>,
}

impl Actor for Invoices {
    type Msg = InvoicesMessage;
    type State = InvoicesState;
    type Arguments = InvoicesHandle;

    async fn pre_start(
        &self,
        myself: ActorRef<InvoicesMessage>,
        handle: InvoicesHandle,
    ) -> Result<InvoicesState, ActorProcessingErr> {
        handle.attach(myself);
        Ok(InvoicesState::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<InvoicesMessage>,
        message: InvoicesMessage,
        state: &mut InvoicesState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            InvoicesMessage::Turn { invoice, turn } => {
                let actor = match state.active.get(&invoice) {
                    Some(actor) => actor.clone(),
                    None => {
                        let args = (invoice, myself.clone());
                        let (actor, _) = Actor::spawn_linked(None, Invoice, args, myself.get_cell()).await?;
                        state.active.insert(invoice, actor.clone());
                        actor
                    }
                };
                let _ = actor.cast(InvoiceMessage::Turn(turn)); // one that just failed drops it
            }
            InvoicesMessage::Idle { invoice, actor } => {
                // It is listed no more before it is told to leave, so what comes later goes to a new one.
                if state.active.get(&invoice).is_some_and(|known| known.get_id() == actor)
                    && let Some(known) = state.active.remove(&invoice)
                {
                    let _ = known.cast(InvoiceMessage::Leave);
                }
            }
        }
        Ok(())
    }

    /// An actor that failed in a turn is forgotten; the next command gets a new one.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<InvoicesMessage>,
        event: SupervisionEvent,
        state: &mut InvoicesState,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(cell, error) = event {
            tracing::error!(%error, "an invoice's actor failed in a turn");
            state.active.retain(|_, actor| actor.get_id() != cell.get_id());
        }
        Ok(())
    }
}

pub enum InvoiceMessage {
    Turn(Turn),
    /// Nothing came for a while: asked after each turn.
    Rest {
        /// How many turns there had been then.
        turns: u64,
    },
    Leave,
}

/// One active invoice.
struct Invoice;

struct InvoiceState {
    invoice: i64,
    directory: ActorRef<InvoicesMessage>,
    turns: u64,
}

impl Actor for Invoice {
    type Msg = InvoiceMessage;
    type State = InvoiceState;
    type Arguments = (i64, ActorRef<InvoicesMessage>);

    async fn pre_start(
        &self,
        _: ActorRef<InvoiceMessage>,
        (invoice, directory): (i64, ActorRef<InvoicesMessage>),
    ) -> Result<InvoiceState, ActorProcessingErr> {
        Ok(InvoiceState { invoice, directory, turns: 0 })
    }

    async fn handle(
        &self,
        myself: ActorRef<InvoiceMessage>,
        message: InvoiceMessage,
        state: &mut InvoiceState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            InvoiceMessage::Turn(turn) => {
                state.turns += 1;
                turn.await;
                let turns = state.turns;
                drop(myself.send_after(IDLE, move || InvoiceMessage::Rest { turns }));
            }
            InvoiceMessage::Rest { turns } if turns == state.turns => {
                let idle = InvoicesMessage::Idle { invoice: state.invoice, actor: myself.get_id() };
                let _ = state.directory.cast(idle); // a directory that ended takes its actors along
            }
            InvoiceMessage::Rest { .. } => {}
            InvoiceMessage::Leave => myself.stop(None),
        }
        Ok(())
    }
}
