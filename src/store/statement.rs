//! Statements in `.sql` files. What they do not spell out stands in them by name: numbers that Rust's enums own, and
//! text that several of them share.
//!
//! `:kind_hold` is the number of that kind. Each such number that a statement names comes as a parameter, behind the
//! statement's own ones (`$1`, `$2`, ...): a plan that must know it, for an index on a part of a table or to guess how
//! many rows there are, is made with `plan_cache_mode = force_custom_plan`. `:kinds` are the numbers of all kinds, for
//! `IN (:kinds)`. `{key_hash}` is SQL for a row's key.

use std::slice;
use std::sync::LazyLock;

use sqlx::AssertSqlSafe;

use crate::billing::invoice::Status as InvoiceStatus;
use crate::ledger::Status as AccountStatus;
use crate::protocol::events::{EventType, Stream};
use crate::protocol::journal::status;
use crate::protocol::record::{Api, DeclineCode, DocumentKind, Kind, SettlementKind};
use crate::saga::{Status as SagaStatus, Workflow};

/// SQL for the 16 bytes of [`KeyHash::of`](crate::protocol::record::KeyHash::of), from the columns of a row.
const KEY_HASH: &str = include_str!("statement/key_hash.sql");

/// The numbers that statements name. No name is the beginning of another.
fn numbers() -> [(&'static str, i16); 36] {
    [
        (":status_completed", status::COMPLETED),
        (":status_declined", status::DECLINED),
        (":status_retired", status::RETIRED),
        (":kind_refund", Kind::REFUND.code()),
        (":kind_fx", Kind::FX.code()),
        (":kind_hold", Kind::HOLD.code()),
        (":kind_capture", Kind::CAPTURE.code()),
        (":kind_void", Kind::VOID.code()),
        (":kind_reversal", Kind::REVERSAL.code()),
        (":kind_payout", Kind::PAYOUT.code()),
        (":kind_card_topup", Kind::CARD_TOPUP.code()),
        (":kind_account_change", Kind::ACCOUNT_CHANGE.code()),
        (":kind_account_opening", Kind::ACCOUNT_OPENING.code()),
        (":kind_replay", Kind::REPLAY.code()),
        (":kind_invoice_payment", Kind::INVOICE_PAYMENT.code()),
        (":api_payment_v1", Api::PaymentV1.code()),
        (":event_payment_authorized", EventType::PaymentAuthorized.code()),
        (":event_payment_declined", EventType::PaymentDeclined.code()),
        (":event_transaction_posted", EventType::TransactionPosted.code()),
        (":event_transaction_declined", EventType::TransactionDeclined.code()),
        (":event_hold_authorized", EventType::HoldAuthorized.code()),
        (":event_hold_voided", EventType::HoldVoided.code()),
        (":event_account_created", EventType::AccountCreated.code()),
        (":event_account_changed", EventType::AccountChanged.code()),
        (":event_invoice_issued", EventType::InvoiceIssued.code()),
        (":event_credit_note_issued", EventType::CreditNoteIssued.code()),
        (":event_invoice_payment_failed", EventType::InvoicePaymentFailed.code()),
        (":document_invoice", DocumentKind::Invoice.code()),
        (":invoice_draft", InvoiceStatus::Draft.code()),
        (":invoice_void", InvoiceStatus::Void.code()),
        (":settled_payment", SettlementKind::Payment.code()),
        (":settled_credit", SettlementKind::CreditNote.code()),
        (":settled_write_off", SettlementKind::WriteOff.code()),
        (":account_closed", AccountStatus::Closed.code()),
        (":saga_stuck", SagaStatus::Stuck.code()),
        (":workflow_payout", Workflow::Payout.code()),
    ]
}

/// All numbers that this version knows, for statements that name them together.
static LISTS: LazyLock<[(&str, Vec<i16>); 5]> = LazyLock::new(|| {
    [
        (":kinds", Kind::all().map(Kind::code).collect()),
        (":statuses", status::ALL.to_vec()),
        (":events", EventType::ALL.map(EventType::code).to_vec()),
        (":billing_events", EventType::of(Stream::Invoices).map(EventType::code).collect()),
        (":decline_codes", DeclineCode::ALL.map(DeclineCode::code).to_vec()),
    ]
});

/// The statement, and the numbers to bind behind its `own` parameters.
pub(super) fn statement(text: &str, own: usize) -> (AssertSqlSafe<String>, Vec<i16>) {
    let (sql, numbers) = named(text, own);
    (AssertSqlSafe(sql), numbers)
}

fn named(text: &str, own: usize) -> (String, Vec<i16>) {
    let mut sql = text.replace("{key_hash}", KEY_HASH);
    let mut bound = Vec::new();
    let (single, lists) = (numbers(), &*LISTS);
    let single = single.iter().map(|(name, number)| (*name, slice::from_ref(number)));
    for (name, numbers) in single.chain(lists.iter().map(|(name, numbers)| (*name, numbers.as_slice()))) {
        if sql.contains(name) {
            let first = own + bound.len() + 1;
            let parameters: Vec<_> = (first..first + numbers.len()).map(|n| format!("${n}")).collect();
            bound.extend_from_slice(numbers);
            sql = sql.replace(name, &parameters.join(", "));
        }
    }
    (sql, bound)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Fails if a name is left in the statement that nothing stands for.
    pub fn knows_all_names(text: &str) {
        let (sql, _) = named(text, 0);
        let left = sql.replace("::", "");
        for part in left.split(':').skip(1) {
            assert!(!part.starts_with(|c: char| c.is_ascii_lowercase()), "no number is called :{part}");
        }
        for part in left.split('{').skip(1) {
            let is_name = part.split('}').next().is_some_and(|name| name.bytes().all(|b| b.is_ascii_lowercase()));
            assert!(!is_name, "nothing is put in for {{{part}");
        }
    }

    #[test]
    fn names_become_parameters_behind_the_statements_own() {
        let text = "SELECT $1::text, '{a,b}' WHERE kind IN (:kind_void, :kind_hold) \
             AND status = :status_completed OR kind = :kind_void";
        let (sql, numbers) = named(text, 1);
        assert_eq!(sql, "SELECT $1::text, '{a,b}' WHERE kind IN ($4, $3) AND status = $2 OR kind = $4");
        assert_eq!(numbers, [status::COMPLETED, Kind::HOLD.code(), Kind::VOID.code()]);
        let (sql, numbers) = named("SELECT 1 WHERE status IN (:statuses) AND kind = :kind_void", 2);
        assert_eq!(sql, "SELECT 1 WHERE status IN ($4, $5, $6) AND kind = $3");
        assert_eq!(numbers, [Kind::VOID.code(), 1, 2, 3]);
    }

    #[test]
    fn no_name_is_the_beginning_of_another() {
        let names: Vec<_> =
            numbers().map(|(name, _)| name).into_iter().chain(LISTS.iter().map(|(name, _)| *name)).collect();
        for (n, name) in names.iter().enumerate() {
            assert!(names.iter().enumerate().all(|(m, other)| n == m || !other.starts_with(name)), "{name}");
        }
    }
}
