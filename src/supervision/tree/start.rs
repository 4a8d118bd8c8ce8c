//! How each child of the root is started, from what the tree is made from.

use std::sync::Arc;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};

use super::child::Child;
use super::config::Billing;
use super::{RootMessage, RootState};
use crate::actors::account::Primary;
use crate::actors::accounts::{Directory, DirectoryArgs};
use crate::actors::auditor::{Auditor, AuditorArgs};
use crate::actors::bills::{Bills, BillsConfig};
use crate::actors::expiry::{Expiry, ExpiryArgs};
use crate::actors::exports::Exports;
use crate::actors::feed::{FeedActor, FeedArgs};
use crate::actors::housekeeping::{Housekeeping, HousekeepingArgs};
use crate::actors::intake::{Desk, Intake, IntakeArgs};
use crate::actors::invoices::Invoices;
use crate::actors::journal::JournalActor;
use crate::actors::leadership::{LeadershipActor, LeadershipArgs};
use crate::actors::mailer::{MailActor, MailArgs};
use crate::actors::notices::Notices;
use crate::actors::orders::Orders;
use crate::actors::outbox::{OutboxArgs, OutboxPublisher};
use crate::actors::overdue::{Overdue, OverdueArgs};
use crate::actors::saga::{Sagas, SagasArgs};
use crate::actors::users::Users;
use crate::messaging::Reading;

impl RootState {
    /// Starts a child; one of an epoch that is over is left out.
    pub(super) async fn start(
        &mut self,
        child: Child,
        myself: &ActorRef<RootMessage>,
    ) -> Result<(), ActorProcessingErr> {
        let (config, supervisor) = (self.config.clone(), myself.get_cell());
        let active = self.node.active();
        let cell = match (child, active) {
            (Child::Leadership, _) => {
                let root = myself.clone();
                let args = LeadershipArgs {
                    database: config.database,
                    holder: config.holder,
                    lease: config.lease,
                    node: self.node.clone(),
                    events: Arc::new(move |event| drop(root.cast(RootMessage::Leadership(event)))),
                    health: config.health,
                    faults: config.faults,
                };
                let (actor, _) = Actor::spawn_linked(None, LeadershipActor, args, supervisor).await?;
                self.leadership = Some(actor.clone());
                actor.get_cell()
            }
            (Child::Journal(epoch), Some(active)) if active.epoch == epoch => {
                Actor::spawn_linked(None, JournalActor, active.journal, supervisor).await?.0.get_cell()
            }
            (Child::Auditor(epoch), Some(active)) if active.epoch == epoch => {
                let (outbox, feed) = (self.outbox.clone(), active.feed);
                let args = AuditorArgs {
                    database: config.database,
                    pool: config.pool,
                    answer_timeout: config.answer_timeout,
                    committed: active.journal.committed(),
                    journal: active.journal,
                    registry: active.registry,
                    folded: Arc::new(move || {
                        outbox.wake();
                        feed.wake();
                    }),
                    faults: config.faults,
                };
                Actor::spawn_linked(None, Auditor, args, supervisor).await?.0.get_cell()
            }
            (Child::Accounts(epoch), Some(active)) if active.epoch == epoch => {
                let args = DirectoryArgs {
                    registry: active.registry,
                    journal: active.journal,
                    primary: Primary { pool: config.pool, timeout: config.database.read_timeout },
                    active_max: config.active_accounts_max,
                    idle_after: config.account_idle_after,
                    health: config.health,
                    faults: config.faults,
                };
                Actor::spawn_linked(None, Directory, args, supervisor).await?.0.get_cell()
            }
            (Child::Outbox(epoch), Some(active)) if active.epoch == epoch => {
                let Some(publishing) = config.publishing else { return Ok(()) };
                let node = self.node.clone();
                let args = OutboxArgs {
                    confirmed: Arc::new(move || node.is_lease_valid()),
                    config: publishing.outbox,
                    kafka: publishing.kafka,
                    pool: publishing.pool,
                    health: config.health,
                    faults: config.faults,
                    handle: self.outbox.clone(),
                };
                Actor::spawn_linked(None, OutboxPublisher, args, supervisor).await?.0.get_cell()
            }
            (Child::Housekeeping(epoch), Some(active)) if active.epoch == epoch => {
                let Some(publishing) = config.publishing else { return Ok(()) };
                let args = HousekeepingArgs {
                    config: publishing.housekeeping,
                    pool: publishing.pool,
                    backpressure: publishing.backpressure,
                    journal: active.journal,
                    faults: config.faults,
                };
                Actor::spawn_linked(None, Housekeeping, args, supervisor).await?.0.get_cell()
            }
            (Child::Expiry(epoch), Some(active)) if active.epoch == epoch => {
                let args = ExpiryArgs {
                    pool: config.pool,
                    registry: active.registry,
                    journal: active.journal,
                    faults: config.faults,
                };
                Actor::spawn_linked(None, Expiry, args, supervisor).await?.0.get_cell()
            }
            (Child::Sagas(epoch), Some(active)) if active.epoch == epoch => {
                let Some(sagas) = config.sagas else { return Ok(()) };
                let args = SagasArgs {
                    config: sagas,
                    registry: active.registry,
                    journal: active.journal,
                    handle: active.sagas,
                    faults: config.faults,
                };
                Actor::spawn_linked(None, Sagas, args, supervisor).await?.0.get_cell()
            }
            (Child::Feed(epoch), Some(active)) if active.epoch == epoch => {
                let args = FeedArgs { feed: active.feed, pool: config.pool, faults: config.faults };
                Actor::spawn_linked(None, FeedActor, args, supervisor).await?.0.get_cell()
            }
            (Child::Invoices(epoch), Some(active)) if active.epoch == epoch => {
                Actor::spawn_linked(None, Invoices, active.invoices, supervisor).await?.0.get_cell()
            }
            (Child::Overdue(epoch), Some(active)) if active.epoch == epoch => {
                let args = OverdueArgs { pool: config.pool, journal: active.journal, faults: config.faults };
                Actor::spawn_linked(None, Overdue, args, supervisor).await?.0.get_cell()
            }
            (Child::Exports(epoch), Some(active)) if active.epoch == epoch => {
                let Some(exports) = config.exports else { return Ok(()) };
                let args = (exports, active.exports);
                Actor::spawn_linked(None, Exports, args, supervisor).await?.0.get_cell()
            }
            (Child::Orders(epoch), Some(active)) if active.epoch == epoch => {
                let Some(billing) = config.billing else { return Ok(()) };
                let Some(orders) = billing.orders.clone() else { return Ok(()) };
                let desk = Orders::new(orders, active.registry, active.journal);
                let topics = vec![billing.kafka.orders_topic.clone()];
                let group = billing.kafka.orders_group.clone();
                self.take_in(desk, topics, group, billing, supervisor).await?
            }
            (Child::Users(epoch), Some(active)) if active.epoch == epoch => {
                let Some((billing, bills)) = customers(config.billing) else { return Ok(()) };
                let desk = Users { tenant: bills.tenant, pool: bills.pool };
                let Reading { topics, group } = billing.kafka.users.clone();
                self.take_in(desk, topics, group, billing, supervisor).await?
            }
            (Child::Bills(epoch), Some(active)) if active.epoch == epoch => {
                let Some((billing, bills)) = customers(config.billing) else { return Ok(()) };
                let desk = Bills::new(bills, active.registry, active.journal);
                let Reading { topics, group } = billing.kafka.bills.clone();
                self.take_in(desk, topics, group, billing, supervisor).await?
            }
            (Child::Notices(epoch), Some(active)) if active.epoch == epoch => {
                let Some((billing, bills)) = customers(config.billing) else { return Ok(()) };
                let desk = Notices { tenant: bills.tenant, pool: bills.pool };
                let Reading { topics, group } = billing.kafka.notices.clone();
                self.take_in(desk, topics, group, billing, supervisor).await?
            }
            (Child::Mailer(epoch), Some(active)) if active.epoch == epoch => {
                let Some(billing) = config.billing else { return Ok(()) };
                let Some(mail) = billing.mail else { return Ok(()) };
                let node = self.node.clone();
                let args = MailArgs {
                    config: mail,
                    kafka: billing.kafka,
                    pool: billing.pool,
                    health: config.health,
                    faults: config.faults,
                    confirmed: Arc::new(move || node.is_lease_valid()),
                };
                Actor::spawn_linked(None, MailActor, args, supervisor).await?.0.get_cell()
            }
            _ => return Ok(()), // of an epoch that is over
        };
        self.running.push((cell.get_id(), child, cell));
        Ok(())
    }

    /// Starts what takes in the messages of these topics at this desk.
    async fn take_in(
        &self,
        desk: impl Desk,
        topics: Vec<String>,
        group: String,
        billing: Billing,
        supervisor: ActorCell,
    ) -> Result<ActorCell, ActorProcessingErr> {
        let node = self.node.clone();
        let args = IntakeArgs {
            desk,
            kafka: billing.kafka,
            topics,
            group,
            pool: billing.pool,
            health: self.config.health.clone(),
            faults: self.config.faults.clone(),
            confirmed: Arc::new(move || node.is_lease_valid()),
        };
        Ok(Actor::spawn_linked(None, Intake::default(), args, supervisor).await?.0.get_cell())
    }
}

/// What customers and their bills need; `None`: they are not taken in.
fn customers(billing: Option<Billing>) -> Option<(Billing, BillsConfig)> {
    let billing = billing?;
    let bills = billing.bills.clone()?;
    Some((billing, bills))
}
