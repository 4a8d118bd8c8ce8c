//! Lists what operators did.

use florin_wire::florin_v1 as pb;

use crate::protocol::record::RequestHash;
use crate::store::operators::ActionFilter;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::views::OperatorAction;
use crate::teller::native::{fields, names, pages};
use crate::teller::operator::{ACTION_MAX, SUBJECT_MAX};
use crate::teller::validate;

/// A page of actions.
pub(super) async fn list(
    ledger: &Ledger,
    call: &Call,
    asked: &pb::ListOperatorActionsRequest,
) -> Result<pb::ListOperatorActionsResponse, Failure> {
    validate::text("subject", &asked.subject, SUBJECT_MAX)?;
    validate::text("action", &asked.action, ACTION_MAX)?;
    let (from, to) = fields::times(("from", &asked.from), ("to", &asked.to))?;
    let size = pages::size(asked.limit)?;
    let parts =
        ["ListOperatorActions", &call.tenant, &asked.subject, &asked.action, &asked.from, &asked.to].map(str::as_bytes);
    let query = RequestHash::of(&parts);
    let start = pages::Token { field: names::PAGE_TOKEN.grpc, text: &asked.page_token }.place(query)?;
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let filter = ActionFilter {
        tenant: call.tenant.to_string(),
        subject: given(&asked.subject),
        action: given(&asked.action),
        from,
        to,
    };
    let (rows, next) = ledger.operator_actions(&filter, start, size).await?;
    Ok(pb::ListOperatorActionsResponse {
        items: rows.into_iter().map(|row| OperatorAction::from(row).into()).collect(),
        next_page_token: next.map(|place| pages::token(query, &place)).unwrap_or_default(),
    })
}
