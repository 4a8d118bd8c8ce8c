//! The call that commits a batch. Each argument stands here once, by its name: the text of the call and its values are
//! made from one list, and PostgreSQL refuses a name that the function does not have.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Postgres};

use super::WRITER;
use crate::protocol::batch::{Batch, Columns, HoldColumns, TakeColumns};
use crate::store::numeric::{numerics, optional_numerics};

/// Which session commits, and until when.
pub(super) struct By {
    pub epoch: i64,
    pub session: i64,
    pub cutoff: DateTime<Utc>,
    /// Whether the batch before may still be being written.
    pub beside: bool,
}

/// A call of a function: `name = value` for each argument.
macro_rules! call {
    ($function:literal, $($name:ident = $value:expr),+ $(,)?) => {{
        static SQL: LazyLock<String> = LazyLock::new(|| {
            let names = [$(stringify!($name)),+];
            let named = (1..).zip(names).map(|(n, name)| format!("{name} => ${n}"));
            format!("SELECT {}({})", $function, named.collect::<Vec<_>>().join(", "))
        });
        sqlx::query(AssertSqlSafe(SQL.as_str()))$(.bind($value))+
    }};
}

pub(super) fn commit_batch(batch: &Batch, by: By) -> Query<'_, Postgres, PgArguments> {
    // A column that is not named here does not compile.
    let Columns {
        debit,
        credit,
        debit_prevs,
        credit_prevs,
        created,
        ids,
        keys,
        requests,
        follows,
        events,
        kinds,
        statuses,
        apis,
        ns,
        postings,
        amounts,
        held,
        debit_afters,
        credit_afters,
        tenants,
        key_texts,
        references,
        descriptions,
        metadatas,
        correlations,
        made_by,
        made_from,
        bodies,
    } = &batch.rows;
    let holds: &HoldColumns = &batch.holds;
    let TakeColumns { holds: t_holds, captured: t_captured, voided: t_voided } = &batch.takes;
    call!(
        "commit_batch",
        writer_ = WRITER,
        epoch_ = by.epoch,
        session_ = by.session,
        cutoff_ = by.cutoff,
        batch_ = batch.number,
        prior_ = batch.prior,
        debits_ = sparse(debit),
        credits_ = sparse(credit),
        debit_prevs_ = sparse(debit_prevs),
        credit_prevs_ = sparse(credit_prevs),
        created_ = created,
        ids_ = ids,
        keys_ = sparse(keys),
        requests_ = sparse(requests),
        follows_ = sparse(follows),
        events_ = sparse(events),
        kinds_ = kinds,
        statuses_ = statuses,
        apis_ = apis,
        ns_ = ns,
        postings_ = postings,
        amounts_ = optional_numerics(sparse(amounts)),
        helds_ = optional_numerics(sparse(held)),
        debit_afters_ = optional_numerics(sparse(debit_afters)),
        credit_afters_ = optional_numerics(sparse(credit_afters)),
        tenants_ = tenants,
        key_texts_ = sparse(key_texts),
        references_ = sparse(references),
        descriptions_ = sparse(descriptions),
        metadatas_ = sparse(metadatas),
        correlations_ = sparse(correlations),
        made_by_ = sparse(made_by),
        made_from_ = sparse(made_from),
        bodies_ = sparse(bodies),
        h_ids_ = &holds.ids,
        h_debits_ = &holds.debits,
        h_credits_ = &holds.credits,
        h_amounts_ = numerics(&holds.amounts),
        h_expires_ = &holds.expires,
        h_seqs_ = &holds.seqs,
        t_holds_ = t_holds,
        t_captured_ = numerics(t_captured),
        t_voided_ = numerics(t_voided),
        extras_ = (!batch.extras.is_empty()).then_some(Json(&batch.extras)),
        beside_ = by.beside,
    )
}

/// A column that is null in every row is sent as an empty array: `unnest` fills up shorter arrays with nulls, at no
/// cost.
fn sparse<T>(column: &[Option<T>]) -> &[Option<T>] {
    if column.iter().all(Option::is_none) { &[] } else { column }
}
