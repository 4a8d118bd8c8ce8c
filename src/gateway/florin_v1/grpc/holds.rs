//! Holds over gRPC.

use florin_wire::florin_v1 as pb;

use crate::gateway::florin_v1::grpc::post;
use crate::protocol::record::TransactionId;
use crate::store::holds::HoldState;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::holds::{Authorize, Capture};
use crate::teller::native::post::{Posted, Words};
use crate::teller::native::views::{Hold, HoldMade};
use crate::teller::native::{fields, holds, names, pages};
use crate::teller::validate::{self, ACCOUNT_MAX};

/// Bytes of an id's text.
const ID_MAX: usize = 64;

/// Holds money.
pub(super) async fn authorize(
    ledger: &Ledger,
    call: &Call,
    asked: pb::AuthorizeHoldRequest,
) -> Result<pb::AuthorizeHoldResponse, Failure> {
    let permit = ledger.enter()?;
    let known = ledger.ensure_known(std::iter::once(asked.currency.as_str())).await;
    known.map_err(|failure| failure.with_key(!asked.idempotency_key.is_empty()))?;
    let expires_at = holds::expiry(names::EXPIRES_AT.grpc, &asked.expires_at)?;
    let posting = pb::Posting {
        source_account_id: asked.source_account_id,
        destination_account_id: asked.destination_account_id,
        amount: asked.amount,
        currency: asked.currency,
        ..pb::Posting::default()
    };
    let posting = post::posting(ledger, "", posting)?;
    let mut words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    words.metadata = fields::metadata(&asked.metadata)?;
    let made = holds::authorize(ledger, call, Authorize { posting, expires_at, words }, permit).await?;
    Ok(HoldMade::from(made).into())
}

/// Pays what is held.
pub(super) async fn capture(ledger: &Ledger, call: &Call, asked: pb::CaptureHoldRequest) -> Result<Posted, Failure> {
    let permit = ledger.enter()?;
    let hold = id("hold_id", &asked.hold_id)?;
    let words = Words::checked(asked.idempotency_key, asked.reference, String::new())?;
    let amount = Some(asked.amount).filter(|text| !text.is_empty());
    holds::capture(ledger, call, Capture { hold, amount, is_last: asked.r#final, words }, permit).await
}

/// Lets go what a hold has left.
pub(super) async fn void(ledger: &Ledger, call: &Call, asked: pb::VoidHoldRequest) -> Result<Posted, Failure> {
    let permit = ledger.enter()?;
    let hold = id("hold_id", &asked.hold_id)?;
    let words = Words::checked(asked.idempotency_key, asked.reference, String::new())?;
    holds::void(ledger, call, hold, words, permit).await
}

/// A hold as it stands.
pub(super) async fn get(ledger: &Ledger, call: &Call, asked: &pb::GetHoldRequest) -> Result<pb::Hold, Failure> {
    Ok(Hold::from(holds::get(ledger, call, id("id", &asked.id)?).await?).into())
}

/// A page of the holds on an account's money.
pub(super) async fn list(
    ledger: &Ledger,
    call: &Call,
    asked: &pb::ListHoldsRequest,
) -> Result<pb::ListHoldsResponse, Failure> {
    validate::required(names::ACCOUNT_ID.grpc, &asked.account_id, ACCOUNT_MAX)?;
    let state = match pb::HoldStatus::try_from(asked.status) {
        Ok(pb::HoldStatus::Unspecified) => None,
        Ok(pb::HoldStatus::Open) => Some(HoldState::Open),
        Ok(pb::HoldStatus::Captured) => Some(HoldState::Captured),
        Ok(pb::HoldStatus::Voided) => Some(HoldState::Voided),
        Err(_) => {
            return fields::unknown(
                "status",
                &asked.status.to_string(),
                "HOLD_STATUS_OPEN (1), HOLD_STATUS_CAPTURED (2), HOLD_STATUS_VOIDED (3)",
            );
        }
    };
    let page = (pages::size(asked.limit)?, pages::Token { field: names::PAGE_TOKEN.grpc, text: &asked.page_token });
    let (rows, next) = holds::list(ledger, call, &asked.account_id, state, page).await?;
    Ok(pb::ListHoldsResponse {
        items: rows.into_iter().map(|row| Hold::from(row).into()).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

fn id(field: &str, text: &str) -> Result<TransactionId, Failure> {
    validate::required(field, text, ID_MAX)?;
    holds::id(text)
}
