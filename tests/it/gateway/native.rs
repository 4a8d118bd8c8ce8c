//! florin.v1: every call, every limit.
#![allow(
    clippy::unwrap_used,
    clippy::inconsistent_digit_grouping,
    reason = "helpers of tests; cents are grouped as money"
)]

mod accounts;
mod bounds;
mod operations;
mod pages;
mod posts;
mod serving;
mod streams;

use florin_wire::florin_v1 as pb;
use tonic::{Code, Status};

use crate::harness::Florin;

/// A request of these postings: debit, credit, amount in USD.
pub fn post(key: &str, postings: &[(&str, &str, &str)]) -> pb::PostTransactionRequest {
    let posting = |(debit, credit, amount): &(&str, &str, &str)| pb::Posting {
        source_account_id: (*debit).into(),
        destination_account_id: (*credit).into(),
        amount: (*amount).into(),
        currency: "USD".into(),
        ..pb::Posting::default()
    };
    pb::PostTransactionRequest {
        idempotency_key: key.into(),
        postings: postings.iter().map(posting).collect(),
        ..pb::PostTransactionRequest::default()
    }
}

impl Florin {
    pub async fn post(&self, request: pb::PostTransactionRequest) -> Result<pb::PostTransactionResponse, Status> {
        Ok(self.native.clone().post_transaction(request).await?.into_inner())
    }

    pub async fn move_money(&self, key: &str, postings: &[(&str, &str, &str)]) -> Result<pb::Transaction, Status> {
        Ok(self.post(post(key, postings)).await?.transaction.unwrap())
    }

    pub async fn account(&self, id: &str) -> pb::Account {
        self.native
            .clone()
            .get_account(pb::GetAccountRequest { id: id.into() })
            .await
            .unwrap()
            .into_inner()
            .account
            .unwrap()
    }

    pub async fn open(&self, id: &str, kind: pb::AccountKind) -> pb::Account {
        let request = pb::CreateAccountRequest {
            id: id.into(),
            kind: kind.into(),
            currency: "USD".into(),
            ..pb::CreateAccountRequest::default()
        };
        self.native.clone().create_account(request).await.unwrap().into_inner().account.unwrap()
    }

    pub async fn update(&self, request: pb::UpdateAccountRequest) -> Result<pb::Account, Status> {
        Ok(self.native.clone().update_account(request).await?.into_inner().account.unwrap())
    }
}

pub fn set_status(id: &str, status: pb::AccountStatus) -> pb::UpdateAccountRequest {
    pb::UpdateAccountRequest { id: id.into(), status: status.into(), ..pb::UpdateAccountRequest::default() }
}

pub fn limit(amount: &str) -> Option<pb::Limit> {
    Some(pb::Limit { amount: Some(amount.into()).filter(|text: &String| !text.is_empty()) })
}

/// The call was refused so, and its message contains all of these.
pub fn refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, words: &[&str]) {
    let status = result.unwrap_err();
    assert_eq!(status.code(), code, "{status:?}");
    for word in words {
        assert!(status.message().contains(word), "{:?} does not name {word:?}", status.message());
    }
    assert!(status.message().len() < 400, "{} bytes", status.message().len());
}

pub fn code(transaction: &pb::Transaction) -> Option<pb::DeclineCode> {
    transaction.decline.as_ref().map(pb::Decline::code)
}
