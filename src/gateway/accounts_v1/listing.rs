//! Lists transactions newest first: by the accounts REST API's offset near the beginning, by a page token from
//! anywhere.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Json, Response};

use crate::gateway::accounts_v1::transactions::{Transaction, externals, transaction};
use crate::gateway::accounts_v1::views::is_refunded;
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller};
use crate::protocol::record::{Kind, RequestHash};
use crate::store;
use crate::store::transactions::{Cursor, Filter, TransactionRow};
use crate::teller::failure::Failure;
use crate::teller::ledger::read_failure;
use crate::teller::native::pages;
use crate::teller::validate::ACCOUNT_MAX;

/// Where the token of the next page is answered; the body is a bare array.
pub const NEXT_PAGE: HeaderName = HeaderName::from_static("x-next-page-token");
/// The bounds of the accounts REST API.
const LIMIT: std::ops::RangeInclusive<u32> = 1..=1_000;
const LIMIT_DEFAULT: u32 = 50;
const OFFSET: std::ops::RangeInclusive<u32> = 0..=10_000;
/// Rows that one answer looks at, where only some of them are wanted.
const LOOK_MAX: usize = 20_000;
/// Rows that are read at a time then.
const CHUNK: usize = 1_000;

/// Kinds that move money, by the names that may be asked for.
const KINDS: [(&str, &[Kind]); 14] = [
    ("topup", &[Kind::TOPUP]),
    ("withdrawal", &[Kind::WITHDRAWAL]),
    ("transfer", &[Kind::TRANSFER]),
    ("transfer_debit", &[Kind::TRANSFER]),
    ("transfer_credit", &[Kind::TRANSFER]),
    ("payment", &[Kind::PAYMENT]),
    ("refund", &[Kind::REFUND]),
    ("capture", &[Kind::CAPTURE]),
    ("cancellation", &[Kind::REVERSAL]),
    ("invoice", &[Kind::INVOICE]),
    ("fx", &[Kind::FX]),
    ("fee", &[Kind::FEE]),
    ("adjustment", &[Kind::ADJUSTMENT]),
    ("all", &ALL),
];
const ALL: [Kind; 11] = [
    Kind::PAYMENT,
    Kind::TRANSFER,
    Kind::TOPUP,
    Kind::WITHDRAWAL,
    Kind::REFUND,
    Kind::INVOICE,
    Kind::FX,
    Kind::FEE,
    Kind::ADJUSTMENT,
    Kind::CAPTURE,
    Kind::REVERSAL,
];

/// What a status means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Everything.
    Any,
    /// In effect, and not wholly given back.
    Completed,
    /// Wholly given back.
    Refunded,
    /// Undone by a reversal.
    Cancelled,
    /// Refused, and kept.
    Failed,
    /// No transaction is ever in that state.
    Nothing,
}

const STATUSES: [(&str, Wanted); 6] = [
    ("pending", Wanted::Nothing),
    ("completed", Wanted::Completed),
    ("failed", Wanted::Failed),
    ("cancelled", Wanted::Cancelled),
    ("refunded", Wanted::Refunded),
    ("compensated", Wanted::Nothing),
];

impl Wanted {
    fn declined(self) -> Option<bool> {
        match self {
            Self::Any | Self::Nothing => None,
            Self::Completed | Self::Refunded | Self::Cancelled => Some(false),
            Self::Failed => Some(true),
        }
    }

    /// What the store cannot tell by itself.
    fn takes(self, row: &TransactionRow) -> bool {
        match self {
            Self::Completed => !is_refunded(row),
            Self::Refunded => is_refunded(row) && !row.reversed,
            Self::Cancelled => is_refunded(row) && row.reversed,
            Self::Any | Self::Failed => true,
            Self::Nothing => false,
        }
    }
}

/// Transactions, newest first.
#[utoipa::path(
    get, path = "/api/v1/transactions", tag = "transactions",
    params(
        ("accountId" = Option<String>, Query, description = "those of this account", min_length = 1, max_length = 128),
        ("status" = Option<String>, Query, description = "in this state", pattern = "^(pending|completed|failed|cancelled|refunded|compensated)$"),
        ("type" = Option<String>, Query, description = "of this type; transfers are shown as debits unless `transfer_credit` is asked for",
            pattern = "^(topup|withdrawal|transfer|transfer_debit|transfer_credit|payment|refund|capture|cancellation|invoice|fx|fee|adjustment)$"),
        ("limit" = Option<u32>, Query, description = "50 by default", minimum = 1, maximum = 1000),
        ("offset" = Option<u32>, Query, description = "how many are passed over; use pageToken beyond", minimum = 0, maximum = 10000),
        ("pageToken" = Option<String>, Query, description = "the header `X-Next-Page-Token` of the page before"),
    ),
    responses((status = 200, description = "a page", body = Vec<Transaction>,
        headers(("x-next-page-token" = String, description = "where the next page begins; absent after the last"))))
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Response, Refusal> {
    let account = query.text("accountId", ACCOUNT_MAX);
    let wanted = query.choice("status", &STATUSES).unwrap_or(Wanted::Any);
    let kinds: Vec<(&str, &(&str, &[Kind]))> =
        KINDS.iter().filter(|(name, _)| *name != "all").map(|kind| (kind.0, kind)).collect();
    let (kind, kinds) = *query.choice("type", &kinds).unwrap_or(&KINDS[KINDS.len() - 1]);
    let limit = query.number("limit", LIMIT, LIMIT_DEFAULT, "");
    let offset = query.number("offset", OFFSET, 0, ": use pageToken to go further");
    let token = query.text("pageToken", pages::TOKEN_LENGTH).unwrap_or_default();
    if offset > 0 && !token.is_empty() {
        query.fault("offset and pageToken cannot be used together");
    }
    let hash = RequestHash::of(&[
        b"GET /transactions",
        caller.tenant.as_bytes(),
        account.as_deref().unwrap_or_default().as_bytes(),
        format!("{wanted:?} {kind}").as_bytes(),
    ]);
    let start = place(&app, &mut query, hash, &token).await?;
    query.end()?;
    let seal = pages::seal(&app.ledger).await?;
    let may_be = |kind: &Kind| wanted != Wanted::Refunded || [Kind::PAYMENT, Kind::CAPTURE].contains(kind);
    let kinds: Vec<Kind> = kinds.iter().copied().filter(may_be).collect();
    if wanted == Wanted::Nothing || kinds.is_empty() {
        return Ok(Json(Vec::<Transaction>::new()).into_response());
    }
    let filter = Filter {
        tenant: caller.tenant.to_string(),
        account,
        declined: wanted.declined(),
        kinds,
        bound: true,
        ..Filter::default()
    };
    let (rows, next) = page(&app, filter, wanted, start, (offset, limit)).await?;
    let among = externals(&app, &caller, &rows).await?;
    let as_credit = kind == "transfer_credit";
    let shown: Vec<Transaction> = rows.into_iter().filter_map(|row| transaction(row, &among, as_credit)).collect();
    Ok(with_next_page(Json(shown).into_response(), next.map(|next| seal.token(hash, &next))))
}

/// Where a page begins; what is wrong with its token is a fault of the query.
///
/// # Errors
/// What kept the token from being read.
pub async fn place(app: &App, query: &mut Query, hash: RequestHash, token: &str) -> Result<Cursor, Failure> {
    match pages::opened(&app.ledger, hash, pages::Token { field: "pageToken", text: token }).await {
        Err(Failure::Invalid(why)) => {
            query.fault(why);
            Ok(Cursor::START)
        }
        place => place,
    }
}

/// A page's answer with the token of the next one.
pub fn with_next_page(mut response: Response, token: Option<String>) -> Response {
    if let Some(value) = token.and_then(|token| HeaderValue::from_str(&token).ok()) {
        response.headers_mut().insert(NEXT_PAGE, value);
    }
    response
}

/// One page and the place after it. Where the store can tell by itself what is wanted, it passes over the rest; else
/// rows are read and counted.
async fn page(
    app: &App,
    mut filter: Filter,
    wanted: Wanted,
    start: Cursor,
    (offset, limit): (u32, u32),
) -> Result<(Vec<TransactionRow>, Option<Cursor>), Refusal> {
    let _place = app.ledger.enter_read()?;
    let pool = &app.ledger.parts().pool;
    let (limit, mut passed_over) = (usize::try_from(limit).unwrap_or(usize::MAX), offset);
    if matches!(wanted, Wanted::Any | Wanted::Failed) {
        filter.offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let page =
            store::transactions::list(pool, &filter, start, limit).await.map_err(|error| read_failure(&error))?;
        return Ok((page.rows.into_iter().map(|(row, _)| row).collect(), page.next));
    }
    let (mut rows, mut at, mut looked_at) = (Vec::new(), start, 0);
    while looked_at < LOOK_MAX {
        // Nearly all that is completed is wanted; of what is refunded wholly, few.
        let missing = usize::try_from(passed_over).unwrap_or(CHUNK) + limit - rows.len();
        let chunk = if wanted == Wanted::Completed { missing.min(CHUNK) } else { CHUNK };
        let page = store::transactions::list(pool, &filter, at, chunk).await.map_err(|error| read_failure(&error))?;
        looked_at += page.rows.len().max(1);
        for (row, after) in page.rows {
            at = after;
            if !wanted.takes(&row) {
                continue;
            }
            if passed_over > 0 {
                passed_over -= 1;
                continue;
            }
            rows.push(row);
            if rows.len() == limit {
                return Ok((rows, Some(at)));
            }
        }
        match page.next {
            Some(next) => at = next,
            None => return Ok((rows, None)),
        }
    }
    Ok((rows, Some(at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::accounts_v1::views::kind;

    #[test]
    fn every_kind_that_moves_money_can_be_asked_for() {
        for one in ALL {
            assert!(KINDS.iter().any(|(name, kinds)| *name != "all" && kinds.contains(&one)), "{one:?}");
        }
        for (name, kinds) in KINDS.iter().filter(|(name, _)| *name != "all") {
            assert!(name.starts_with(kind(kinds[0], false).split('_').next().unwrap()), "{name}");
        }
        assert!(!ALL.contains(&Kind::ACCOUNT_CHANGE));
    }
}
