//! Writes a change of an invoice that posts nothing: a row of the journal that is no transaction.

use super::{Ledger, Request, abort};
use crate::protocol::admission::Permit;
use crate::protocol::movement::{Movement, Source};
use crate::protocol::record::{Kind, Record, Rows, TransactionId, now_micros};
use crate::protocol::slip::{Abort, Outcome};
use crate::teller::failure::Failure;

impl Ledger {
    /// Writes these rows, with the movement's event.
    ///
    /// # Errors
    /// `Interrupted` when the invoice has changed meanwhile; else what kept it from being done, or from being known.
    pub async fn note(
        &self,
        request: Request,
        movement: &dyn Movement,
        rows: Vec<Rows>,
        permit: Permit,
    ) -> Result<(), Failure> {
        let active = self.active()?;
        let source = Source {
            id: TransactionId::draw(),
            tenant: request.tenant.clone(),
            api: request.api,
            request: request.identity,
            at: now_micros(),
            cutoff: request.deadline.at,
        };
        let record = Record::of_fact(movement, Kind::INVOICE_FACT, rows, source);
        let record = Record {
            key: request.key_hash().unwrap_or(record.key),
            key_text: request.key.clone(),
            reference: request.reference.clone(),
            correlation: request.correlation.clone(),
            maker: request.maker.clone(),
            ..record
        };
        let permit = permit.of(request.attempt.as_ref());
        match self.submit(&active, record, permit, request.deadline).await? {
            Outcome::Done { .. } | Outcome::Replayed { .. } => Ok(()),
            Outcome::KeyReused => Err(Failure::KeyReused),
            Outcome::KeyRetired => Err(Failure::KeyRetired),
            Outcome::Aborted(Abort::Exceeded) => Err(Failure::Interrupted),
            Outcome::Aborted(why) => Err(abort(why)),
            Outcome::Unknown | Outcome::Refused { .. } => Err(Failure::Unknown),
        }
    }
}
