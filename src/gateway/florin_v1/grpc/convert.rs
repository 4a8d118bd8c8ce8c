//! From views to messages: fields are moved, and what is absent is empty.

use florin_wire::florin_v1 as pb;

use crate::ledger::Status;
use crate::protocol::record::{AccountKind, NormalSide};
use crate::store::holds::HoldState;
use crate::teller::native::views;

impl From<views::Transaction> for pb::Transaction {
    fn from(view: views::Transaction) -> Self {
        Self {
            id: view.id,
            kind: view.kind.into(),
            status: pb::TransactionStatus::from(view.status).into(),
            postings: view.postings.into_iter().map(pb::Posting::from).collect(),
            idempotency_key: view.idempotency_key.unwrap_or_default(),
            reference: view.reference.unwrap_or_default(),
            description: view.description.unwrap_or_default(),
            metadata: view.metadata.texts(),
            correlation_id: view.correlation_id.unwrap_or_default(),
            created_at: view.created_at,
            decline: view.decline.map(pb::Decline::from),
            refund_of: view.refund_of.unwrap_or_default(),
            reverses: view.reverses.unwrap_or_default(),
            rate: view.rate.map(pb::PinnedRate::from),
            made_by: view.made_by.unwrap_or_default(),
            made_from: view.made_from.unwrap_or_default(),
        }
    }
}

impl From<views::TransactionStatus> for pb::TransactionStatus {
    fn from(status: views::TransactionStatus) -> Self {
        match status {
            views::TransactionStatus::Completed => Self::Completed,
            views::TransactionStatus::Declined => Self::Declined,
        }
    }
}

impl From<views::Posting> for pb::Posting {
    fn from(view: views::Posting) -> Self {
        Self {
            source_account_id: view.source_account_id,
            destination_account_id: view.destination_account_id,
            amount: view.amount,
            currency: view.currency,
            source_balance_after: view.source_balance_after.unwrap_or_default(),
            destination_balance_after: view.destination_balance_after.unwrap_or_default(),
        }
    }
}

impl From<views::Decline> for pb::Decline {
    fn from(view: views::Decline) -> Self {
        Self { code: view.code.code().into(), message: view.message }
    }
}

impl From<views::PinnedRate> for pb::PinnedRate {
    fn from(view: views::PinnedRate) -> Self {
        let views::PinnedRate { rate_id, base, quote, rate, rounding } = view;
        Self { rate_id, base, quote, rate, rounding }
    }
}

macro_rules! posted {
    ($($response:ident),*) => {
        $(impl From<views::PostedTransaction> for pb::$response {
            fn from(view: views::PostedTransaction) -> Self {
                Self { transaction: Some(view.transaction.into()), replayed: view.replayed }
            }
        })*
    };
}

posted!(PostTransactionResponse, CaptureHoldResponse, VoidHoldResponse, ReverseTransactionResponse, ExchangeResponse);

impl From<views::HoldMade> for pb::AuthorizeHoldResponse {
    fn from(view: views::HoldMade) -> Self {
        Self {
            transaction: Some(view.transaction.into()),
            hold: view.hold.map(pb::Hold::from),
            replayed: view.replayed,
        }
    }
}

impl From<views::Hold> for pb::Hold {
    fn from(view: views::Hold) -> Self {
        Self {
            id: view.id,
            source_account_id: view.source_account_id,
            destination_account_id: view.destination_account_id,
            amount: view.amount,
            currency: view.currency,
            status: pb::HoldStatus::from(view.status).into(),
            captured: view.captured,
            voided: view.voided,
            remaining: view.remaining,
            expires_at: view.expires_at,
        }
    }
}

impl From<HoldState> for pb::HoldStatus {
    fn from(state: HoldState) -> Self {
        match state {
            HoldState::Open => Self::Open,
            HoldState::Captured => Self::Captured,
            HoldState::Voided => Self::Voided,
        }
    }
}

impl From<views::Account> for pb::Account {
    fn from(view: views::Account) -> Self {
        Self {
            id: view.id,
            kind: pb::AccountKind::from(view.kind).into(),
            normal_side: pb::NormalSide::from(view.normal_side).into(),
            currency: view.currency,
            status: account_status(view.status).into(),
            owner: view.owner,
            balance: view.balance,
            held: view.held,
            available: view.available,
            min_balance: view.min_balance,
            max_balance: view.max_balance,
            debits_posted: view.debits_posted,
            credits_posted: view.credits_posted,
            version: view.version,
            metadata: view.metadata.texts(),
            created_at: view.created_at,
            within_limits: view.within_limits,
        }
    }
}

impl From<AccountKind> for pb::AccountKind {
    fn from(kind: AccountKind) -> Self {
        match kind {
            AccountKind::User => Self::User,
            AccountKind::System => Self::System,
            AccountKind::External => Self::External,
        }
    }
}

impl From<NormalSide> for pb::NormalSide {
    fn from(side: NormalSide) -> Self {
        match side {
            NormalSide::Credit => Self::Credit,
            NormalSide::Debit => Self::Debit,
        }
    }
}

fn account_status(status: Status) -> pb::AccountStatus {
    match status {
        Status::Active => pb::AccountStatus::Active,
        Status::Suspended => pb::AccountStatus::Suspended,
        Status::Closed => pb::AccountStatus::Closed,
    }
}

impl From<views::Entry> for pb::Entry {
    fn from(view: views::Entry) -> Self {
        Self {
            transaction_id: view.transaction_id,
            posting: view.posting,
            counter_account_id: view.counter_account_id,
            amount: view.amount,
            balance_after: view.balance_after,
            created_at: view.created_at,
            currency: view.currency,
        }
    }
}

impl From<views::Rate> for pb::Rate {
    fn from(view: views::Rate) -> Self {
        let views::Rate { id, base, quote, rate, source, observed_at, created_at } = view;
        Self { id, base, quote, rate, source, observed_at, created_at }
    }
}

impl From<views::Currency> for pb::Currency {
    fn from(view: views::Currency) -> Self {
        Self {
            code: view.code,
            name: view.name,
            exponent: view.exponent,
            r#type: pb::CurrencyType::from(view.issued_by).into(),
            is_active: view.is_active,
            metadata: view.metadata.texts(),
        }
    }
}

impl From<views::CurrencyType> for pb::CurrencyType {
    fn from(kind: views::CurrencyType) -> Self {
        match kind {
            views::CurrencyType::Fiat => Self::Fiat,
            views::CurrencyType::NonFiat => Self::NonFiat,
        }
    }
}

impl From<views::OperatorAction> for pb::OperatorAction {
    fn from(view: views::OperatorAction) -> Self {
        Self {
            id: view.id,
            at: view.at,
            actor: view.actor,
            action: view.action,
            subject: view.subject,
            reason: view.reason,
            before: view.before.map(|json| Box::<str>::from(json).into()).unwrap_or_default(),
            after: view.after.map(|json| Box::<str>::from(json).into()).unwrap_or_default(),
            correlation_id: view.correlation_id.unwrap_or_default(),
        }
    }
}
