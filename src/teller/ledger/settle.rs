//! Writes a change of an invoice that posts nothing.

use super::{Ledger, Request, abort};
use crate::protocol::admission::Permit;
use crate::protocol::movement::{Movement, Settlement, Source};
use crate::protocol::record::{Kind, Record, Rows, TransactionId, now_micros};
use crate::protocol::slip::Outcome;
use crate::teller::failure::Failure;

impl Ledger {
    /// Writes it as a row of the journal that is no transaction.
    ///
    /// # Errors
    /// `FailedPrecondition` when the invoice has changed meanwhile; else what kept it from being done, or from being
    /// known.
    pub async fn note_settlement(
        &self,
        request: Request,
        settlement: &Settlement,
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
        let rows = settlement.rows.iter().map(|row| Rows::Settlement(Box::new(row.clone()))).collect();
        let record = Record::of_fact(settlement as &dyn Movement, Kind::INVOICE_FACT, rows, source);
        let record = Record {
            key: request.key_hash().unwrap_or(record.key),
            key_text: request.key.clone(),
            reference: request.reference.clone(),
            correlation: request.correlation.clone(),
            maker: request.maker.clone(),
            ..record
        };
        match self.submit(&active, record, permit, request.deadline).await? {
            Outcome::Done { .. } | Outcome::Replayed { .. } => Ok(()),
            Outcome::KeyReused => Err(Failure::KeyReused),
            Outcome::KeyRetired => Err(Failure::KeyRetired),
            Outcome::Aborted(crate::protocol::slip::Abort::Exceeded) => {
                Err(Failure::FailedPrecondition("the invoice has changed meanwhile: nothing was done".into()))
            }
            Outcome::Aborted(why) => Err(abort(why)),
            Outcome::Unknown | Outcome::Refused { .. } => Err(Failure::Unknown),
        }
    }
}
