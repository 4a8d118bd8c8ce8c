//! Posts one transaction: checks every field, translates, and answers.

use super::{convert, fields};
use crate::gateway::call::Call;
use crate::gateway::events;
use crate::gateway::failure::Failure;
use crate::gateway::ledger::{Action, Answer, Command, Deadline, Ledger, PostingCommand};
use crate::gateway::validate::{self, ACCOUNT_MAX, DESCRIPTION_MAX, KEY_MAX, POSTINGS_MAX, REFERENCE_MAX};
use crate::money::Amount;
use crate::protocol::events::timestamp;
use crate::protocol::pb::florin_v1 as pb;
use crate::protocol::record::{Api, Kind, RequestHash};
use crate::store;

/// Posts, and answers when the outcome is durable.
pub(super) async fn post(
    ledger: &Ledger,
    call: &Call,
    deadline: Deadline,
    asked: pb::PostTransactionRequest,
) -> Result<pb::PostTransactionResponse, Failure> {
    let permit = ledger.enter()?;
    ledger.know(asked.postings.iter().map(|posting| posting.currency.as_str())).await?;
    let command = command(ledger, call, deadline, asked)?;
    let answer = ledger.post(&command, permit).await?;
    answered(ledger, call, command, answer).await
}

/// The answer as a message; a repeat hears the first one's.
pub(super) async fn answered(ledger: &Ledger, call: &Call, command: Command, answer: Answer) -> Result<pb::PostTransactionResponse, Failure> {
    if let Answer::Completed { id, replayed: true, .. } = &answer {
        // The first request's own words. Should they not be readable now, the repeat's stand in: what counts was compared.
        let first = store::transactions::get(&ledger.parts().pool, &call.tenant, *id).await;
        if let Ok(Some(row)) = first {
            return Ok(pb::PostTransactionResponse { transaction: Some(convert::transaction(row)), replayed: true });
        }
    }
    Ok(response(command, answer))
}

/// Checks every field.
fn command(ledger: &Ledger, call: &Call, deadline: Deadline, asked: pb::PostTransactionRequest) -> Result<Command, Failure> {
    let pb::PostTransactionRequest { idempotency_key, kind, postings, reference, description, metadata } = asked;
    validate::text("idempotency_key", &idempotency_key, KEY_MAX)?;
    let kind = match kind.as_str() {
        "" => Kind::TRANSFER,
        name => Kind::parse(name).map_or_else(|| fields::unknown("kind", name, &Kind::names()), Ok)?,
    };
    if postings.is_empty() {
        return Err(Failure::Invalid("postings is required".into()));
    }
    if postings.len() > POSTINGS_MAX {
        return Err(Failure::Invalid(format!("postings has {} entries, the limit is {POSTINGS_MAX}", postings.len())));
    }
    let postings = postings.into_iter().enumerate().map(|(n, asked)| posting(ledger, &format!("postings[{n}]."), asked)).collect::<Result<_, _>>()?;
    validate::text("reference", &reference, REFERENCE_MAX)?;
    validate::text("description", &description, DESCRIPTION_MAX)?;
    let metadata = fields::metadata(&metadata)?;
    let mut command = Command {
        tenant: call.tenant.clone(),
        api: Api::FlorinV1,
        kind,
        key: Some(idempotency_key).filter(|key| !key.is_empty()),
        request: RequestHash::of(&[]),
        postings,
        reference: Some(reference).filter(|text| !text.is_empty()),
        description: Some(description).filter(|text| !text.is_empty()),
        metadata,
        correlation: call.correlation.clone(),
        deadline,
        action: Action::Post,
        declines_bind: false,
        with_balances: false,
        on_completed: events::posted,
        on_declined: events::declined,
    };
    command.request = request_hash(&command);
    Ok(command)
}

pub(super) fn posting(ledger: &Ledger, field: &str, asked: pb::Posting) -> Result<PostingCommand, Failure> {
    let checked = |field: &str| -> Result<(Amount, u8), Failure> {
        validate::required(&format!("{field}debit_account_id"), &asked.debit_account_id, ACCOUNT_MAX)?;
        validate::required(&format!("{field}credit_account_id"), &asked.credit_account_id, ACCOUNT_MAX)?;
        let currency = fields::currency(&ledger.parts().currencies, &format!("{field}currency"), &asked.currency)?;
        Ok((fields::amount(&format!("{field}amount"), &asked.amount, currency)?, currency.exponent))
    };
    let (amount, exponent) = checked(field)?;
    Ok(PostingCommand { debit: asked.debit_account_id, credit: asked.credit_account_id, amount, currency: asked.currency, exponent })
}

/// What makes a repeat the same request: all but the description.
pub(super) fn request_hash(command: &Command) -> RequestHash {
    let (kind, count) = (command.kind.code().to_le_bytes(), command.postings.len().to_le_bytes());
    let amounts: Vec<[u8; 16]> = command.postings.iter().map(|posting| posting.amount.minor_units().to_le_bytes()).collect();
    let mut parts: Vec<&[u8]> = vec![&kind, &count];
    for (posting, amount) in command.postings.iter().zip(&amounts) {
        parts.extend([posting.debit.as_bytes(), posting.credit.as_bytes(), amount.as_slice(), posting.currency.as_bytes()]);
    }
    parts.extend([command.reference.as_deref().unwrap_or_default().as_bytes(), command.metadata.as_deref().unwrap_or_default().as_bytes()]);
    RequestHash::of(&parts)
}

/// The command and its answer as a transaction.
pub(super) fn response(command: Command, answer: Answer) -> pb::PostTransactionResponse {
    let (id, created_at, replayed, decline) = match answer {
        Answer::Completed { id, created_at, replayed, .. } => (id, created_at, replayed, None),
        Answer::Declined { id, created_at, code, message } => (id, created_at, false, Some(pb::Decline { code: code as i32, message })),
    };
    let posts = decline.is_some() || !matches!(command.action, Action::Hold { .. } | Action::Void { .. }); // as it is read back
    let status = if decline.is_some() { pb::TransactionStatus::Declined } else { pb::TransactionStatus::Completed };
    let posting = |posting: PostingCommand| pb::Posting {
        amount: posting.amount.text(posting.exponent),
        debit_account_id: posting.debit,
        credit_account_id: posting.credit,
        currency: posting.currency,
        ..pb::Posting::default()
    };
    let transaction = pb::Transaction {
        id: id.0.to_string(),
        kind: Kind::name(command.kind.code()).into(),
        status: status.into(),
        postings: if posts { command.postings.into_iter().map(posting).collect() } else { Vec::new() },
        idempotency_key: command.key.unwrap_or_default(),
        reference: command.reference.unwrap_or_default(),
        description: command.description.unwrap_or_default(),
        metadata: fields::metadata_map(command.metadata.as_deref()),
        correlation_id: command.correlation.unwrap_or_default(),
        created_at: timestamp(created_at),
        decline,
    };
    pb::PostTransactionResponse { transaction: Some(transaction), replayed }
}
