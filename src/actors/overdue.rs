//! Notes which invoices were not paid in time: one actor, in order of due dates, along the index of open invoices that
//! are not known to be overdue.
//!
//! It owns only its timer. It runs on the leader alone and writes records that post nothing. Their ids are derived from
//! the invoices, so that doing it again after a crash or a takeover has no second effect. An invoice that changes
//! meanwhile is found again by the next look; after a downtime all that fell due is found at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;

use super::journal::Journal;
use super::posting;
use crate::billing::invoice::Settlement;
use crate::faults::Faults;
use crate::money::Amount;
use crate::protocol::admission::InFlight;
use crate::protocol::events::EventType;
use crate::protocol::movement::{self, Source};
use crate::protocol::record::{
    Api, Kind, Record, RequestHash, SettlementKind, SettlementRow, TransactionId, now_micros,
};
use crate::store::StoreError;
use crate::store::billing::invoices::{self, InvoiceRow};

/// Invoices that are noted side by side.
const BATCH: usize = 500;
/// How long it sleeps when nothing more is due.
const SLEEP: Duration = Duration::from_secs(1);
/// How long it sleeps after a whole batch.
const SLEEP_MIN: Duration = Duration::from_millis(100);
/// How long outcomes are waited for. A later one is found done by the next look.
const PATIENCE: Duration = Duration::from_secs(5);

/// Notes which invoices are overdue.
pub struct Overdue;

pub enum OverdueMessage {
    /// Look for invoices whose day is over.
    Tick,
}

/// What the actor is started with.
pub struct OverdueArgs {
    pub pool: PgPool,
    pub journal: Journal,
    pub faults: Faults,
}

pub struct OverdueState {
    args: OverdueArgs,
    places: InFlight,
}

impl Actor for Overdue {
    type Msg = OverdueMessage;
    type State = OverdueState;
    type Arguments = OverdueArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<OverdueMessage>,
        args: OverdueArgs,
    ) -> Result<OverdueState, ActorProcessingErr> {
        myself.cast(OverdueMessage::Tick)?;
        Ok(OverdueState { args, places: InFlight::new(BATCH) })
    }

    async fn handle(
        &self,
        myself: ActorRef<OverdueMessage>,
        _: OverdueMessage,
        state: &mut OverdueState,
    ) -> Result<(), ActorProcessingErr> {
        let sleep = state.tick().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "invoices that are overdue cannot be looked up: tried again");
            SLEEP
        });
        drop(myself.send_after(sleep, || OverdueMessage::Tick));
        Ok(())
    }
}

impl OverdueState {
    /// Notes those whose day is over, and returns how long to sleep.
    async fn tick(&mut self) -> Result<Duration, StoreError> {
        let today = Utc::now().date_naive();
        let late = invoices::overdue(&self.args.pool, today, i64::try_from(BATCH).unwrap_or(i64::MAX)).await?;
        let mut outcomes = Vec::with_capacity(late.len());
        for (tenant, invoice) in &late {
            let Some(permit) = self.places.enter() else { break }; // those of the last look are not done yet
            outcomes.extend(posting::send(&self.args.journal, record(tenant, invoice), &[], usize::MAX, permit).ok());
        }
        self.args.faults.point("overdue.sent");
        let until = tokio::time::Instant::now() + PATIENCE;
        for outcome in outcomes {
            let _ = tokio::time::timeout_at(until, outcome).await; // what is not done is found again
        }
        Ok(if late.len() < BATCH { SLEEP } else { SLEEP_MIN })
    }
}

/// The record that notes it.
fn record(tenant: &str, invoice: &InvoiceRow) -> Record {
    let settlement =
        Settlement { applied: Amount::ZERO, excess: Amount::ZERO, reinstated: Amount::ZERO, after: invoice.balance };
    let change = SettlementRow {
        invoice: invoice.id,
        version: invoice.version,
        kind: SettlementKind::Overdue,
        settlement,
        credit_note: None,
    };
    let (kind, event) = (Kind::INVOICE_FACT, EventType::InvoiceOverdue);
    let movement =
        movement::Settlement { kind, event, rows: vec![change], credit_note: None, rate: None, paid: Vec::new() };
    let source = Source {
        id: TransactionId::of_message("overdue", tenant, &invoice.id.to_string()),
        tenant: Arc::from(tenant),
        api: Api::FlorinV1,
        request: RequestHash::of(&[b"overdue", &invoice.id.to_le_bytes()]),
        at: now_micros(),
        cutoff: Instant::now() + PATIENCE,
    };
    Record::of_fact(&movement, kind, movement.all_rows(), source)
}
