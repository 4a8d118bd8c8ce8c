//! A publisher under a supervisor of its own, which starts it anew as the tree would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

pub struct Supervised {
    pub(super) keeper: ActorRef<Keep>,
    pub restarts: Arc<AtomicU32>,
}

impl Supervised {
    pub async fn stop(self) {
        self.keeper.cast(Keep::End).unwrap();
        wait("the publisher ends", async || self.keeper.get_status() == ractor::ActorStatus::Stopped).await;
    }

    pub async fn restarted(&self, times: u32) {
        wait("the publisher is started anew", async || self.restarts.load(Ordering::Relaxed) >= times).await;
    }
}

pub(super) struct Keeper;

pub(super) enum Keep {
    Spawn,
    End,
}

pub(super) struct Kept {
    args: OutboxArgs,
    restarts: Arc<AtomicU32>,
    ending: bool,
    alive: bool,
}

impl Actor for Keeper {
    type Msg = Keep;
    type State = Kept;
    type Arguments = (OutboxArgs, Arc<AtomicU32>);

    async fn pre_start(
        &self,
        myself: ActorRef<Keep>,
        (args, restarts): Self::Arguments,
    ) -> Result<Kept, ActorProcessingErr> {
        myself.cast(Keep::Spawn)?;
        Ok(Kept { args, restarts, ending: false, alive: false })
    }

    async fn handle(&self, myself: ActorRef<Keep>, message: Keep, state: &mut Kept) -> Result<(), ActorProcessingErr> {
        match message {
            Keep::Spawn if state.ending => myself.stop(None),
            Keep::Spawn => {
                Actor::spawn_linked(None, OutboxPublisher, state.args.clone(), myself.get_cell()).await?;
                state.alive = true;
            }
            Keep::End if state.alive => {
                state.ending = true;
                state.args.handle.stop();
            }
            Keep::End => {
                state.ending = true;
                myself.stop(None);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Keep>,
        event: SupervisionEvent,
        state: &mut Kept,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) | SupervisionEvent::ActorTerminated(..) = event {
            state.alive = false;
            if state.ending {
                myself.stop(None);
            } else {
                state.restarts.fetch_add(1, Ordering::Relaxed);
                drop(myself.send_after(Duration::from_millis(10), || Keep::Spawn));
            }
        }
        Ok(())
    }
}
