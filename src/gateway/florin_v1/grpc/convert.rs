//! From rows to messages.

use florin_wire::florin_v1 as pb;

use crate::ledger::Status;
use crate::money::{Currency, decimal_text};
use crate::protocol::events::timestamp;
use crate::protocol::record::{AccountKind, Kind, NormalSide};
use crate::store::accounts::AccountRow;
use crate::store::entries::EntryRow;
use crate::store::holds::{HoldRow, HoldState};
use crate::store::transactions::{Exchange, PostingRow, TransactionRow};
use crate::teller::native::fields::metadata_map;

/// A transaction as it was written.
pub(super) fn transaction(row: TransactionRow) -> pb::Transaction {
    let status = if row.decline.is_some() { pb::TransactionStatus::Declined } else { pb::TransactionStatus::Completed };
    let given_back = row.refund_of.map(|(id, _)| id.0.to_string()).unwrap_or_default();
    let (refund_of, reverses) =
        if row.kind == Kind::REVERSAL { (String::new(), given_back) } else { (given_back, String::new()) };
    pb::Transaction {
        id: row.id.0.to_string(),
        kind: row.kind.as_str().into(),
        status: status.into(),
        postings: row.postings.into_iter().map(posting).collect(),
        idempotency_key: row.key.unwrap_or_default(),
        reference: row.reference.unwrap_or_default(),
        description: row.description.unwrap_or_default(),
        metadata: metadata_map(row.metadata.as_deref()),
        correlation_id: row.correlation.unwrap_or_default(),
        created_at: timestamp(row.created_at),
        decline: row.decline.map(|(code, message)| pb::Decline { code: code as i32, message }),
        refund_of,
        reverses,
        rate: row.exchange.map(|Exchange { rate_id, base, quote, rate, rounding }| pb::PinnedRate {
            rate_id,
            base,
            quote,
            rate,
            rounding,
        }),
    }
}

fn posting(row: PostingRow) -> pb::Posting {
    // payment.v1 declines what names a currency that Florin does not know: its amount is shown as it came.
    let exponent = row.exponent.and_then(|exponent| u8::try_from(exponent).ok()).unwrap_or(0);
    let text = |amount: i128| decimal_text(amount, exponent);
    pb::Posting {
        source_account_id: row.debit,
        destination_account_id: row.credit,
        amount: text(row.amount),
        currency: row.currency,
        source_balance_after: row.debit_after.map(|after| text(after.0)).unwrap_or_default(),
        destination_balance_after: row.credit_after.map(|after| text(after.0)).unwrap_or_default(),
    }
}

/// An account with all that is known of it.
pub(super) fn account(row: AccountRow) -> pb::Account {
    let text = |amount: i128| decimal_text(amount, row.identity.currency.exponent);
    let (totals, held) = (row.posted.totals, row.posted.totals.held);
    let balance = totals.credits - totals.debits;
    pb::Account {
        id: row.identity.name.to_string(),
        kind: kind(row.kind).into(),
        normal_side: side(row.normal_side).into(),
        currency: row.identity.currency.code.to_string(),
        status: status(row.posted.guards.status).into(),
        owner: row.owner,
        balance: text(balance),
        held: text(held),
        available: text(balance - held),
        min_balance: row.posted.guards.floor.map(text),
        max_balance: row.posted.guards.ceiling.map(text),
        debits_posted: text(totals.debits),
        credits_posted: text(totals.credits),
        version: totals.version,
        metadata: metadata_map(row.metadata.as_deref()),
        created_at: timestamp(row.created_at),
        within_limits: row.posted.is_within_limits(),
    }
}

pub(super) fn kind(kind: AccountKind) -> pb::AccountKind {
    match kind {
        AccountKind::User => pb::AccountKind::User,
        AccountKind::System => pb::AccountKind::System,
        AccountKind::External => pb::AccountKind::External,
    }
}

pub(super) fn side(side: NormalSide) -> pb::NormalSide {
    match side {
        NormalSide::Credit => pb::NormalSide::Credit,
        NormalSide::Debit => pb::NormalSide::Debit,
    }
}

fn status(status: Status) -> pb::AccountStatus {
    match status {
        Status::Active => pb::AccountStatus::Active,
        Status::Suspended => pb::AccountStatus::Suspended,
        Status::Closed => pb::AccountStatus::Closed,
    }
}

/// An entry of an account that is kept in this currency.
pub(super) fn entry(row: EntryRow, currency: Currency) -> pb::Entry {
    pb::Entry {
        transaction_id: row.transaction.to_string(),
        posting: u32::try_from(row.n).unwrap_or_default(),
        counter_account_id: row.counter,
        amount: decimal_text(row.amount, currency.exponent),
        balance_after: decimal_text(row.balance_after, currency.exponent),
        created_at: timestamp(row.created_at),
        currency: currency.code.to_string(),
    }
}

/// A hold as it stands.
pub(super) fn hold(row: HoldRow) -> pb::Hold {
    let text = |units: i128| decimal_text(units, row.exponent);
    let status = match row.state() {
        HoldState::Open => pb::HoldStatus::Open,
        HoldState::Captured => pb::HoldStatus::Captured,
        HoldState::Voided => pb::HoldStatus::Voided,
    };
    pb::Hold {
        id: row.id.to_string(),
        amount: text(row.amount),
        status: status.into(),
        captured: text(row.captured),
        voided: text(row.voided),
        remaining: text(row.remaining()),
        expires_at: timestamp(row.expires_at),
        source_account_id: row.debit,
        destination_account_id: row.credit,
        currency: row.currency,
    }
}
