//! Lists what operators did.

use florin_wire::florin_v1 as pb;

use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::operators::Wanted;
use crate::teller::native::views::OperatorAction;
use crate::teller::native::{fields, names, operators, pages};
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
    let times = fields::times(("from", &asked.from), ("to", &asked.to))?;
    let page = (pages::size(asked.limit)?, pages::Token { field: names::PAGE_TOKEN.grpc, text: &asked.page_token });
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let wanted = Wanted { subject: given(&asked.subject), action: given(&asked.action), times };
    let (rows, next) = operators::list(ledger, call, wanted, page).await?;
    Ok(pb::ListOperatorActionsResponse {
        items: rows.into_iter().map(|row| OperatorAction::from(row).into()).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}
