//! Calls that were refused, summed up by who called what and why: operators see them in the list of actions. However
//! many calls there are, a period has a bounded number of rows.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{Authenticator, Denial};
use crate::protocol::record::{DEFAULT_TENANT, OperatorAction, now_micros};
use crate::store::operators;

/// How often they are summed up and written.
pub const PERIOD: Duration = Duration::from_secs(300);
/// Kinds of refused calls that are told apart in a period.
const KINDS_MAX: usize = 1_000;
/// Rows that a period writes, the most frequent kinds first: 6,048 a day.
const ROWS_MAX: usize = 20;
/// Bytes of the name of a call that are kept: whoever calls chooses the path of a method that is not there.
const CALL_BYTES_MAX: usize = 128;
/// Stands for callers and calls that are not told apart any more.
const OTHERS: &str = "others";

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Kind {
    tenant: String,
    who: String,
    call: String,
    why: String,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    calls: u64,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

/// Refused calls of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RefusedCalls {
    tenant: String,
    /// As the list of operators' actions shows them.
    action: OperatorAction,
}

impl Authenticator {
    /// Notes a refused call. `call`: its route or method; `address`: from where it came.
    pub fn note_refused(&self, denial: &Denial, call: &str, address: Option<&str>) {
        self.0.refused.note(denial, call, address, now_micros());
    }

    /// Writes what was refused since this was last done, summed up. What cannot be written goes to the log.
    pub async fn write_refused(&self, pool: &PgPool) {
        for RefusedCalls { tenant, action } in self.0.refused.take() {
            if let Err(error) = operators::note(pool, &tenant, &action).await {
                tracing::warn!(%error, ?action, "refused calls could not be written");
            }
        }
    }
}

#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<Kind, Count>>);

impl Refusals {
    fn note(&self, denial: &Denial, call: &str, address: Option<&str>, now: DateTime<Utc>) {
        let from = || format!("address:{}", address.unwrap_or("unknown"));
        let (tenant, who) = match denial {
            Denial::Scope { tenant, client, .. } | Denial::Prefix { tenant, client, .. } => {
                (tenant.to_string(), client.to_string())
            }
            Denial::Missing | Denial::Malformed | Denial::Unknown | Denial::Stranger | Denial::Expired => {
                (DEFAULT_TENANT.to_owned(), from())
            }
            Denial::Unavailable => return, // nobody was refused for who they are
        };
        let call = call.char_indices().nth(CALL_BYTES_MAX / 4).map_or(call, |(end, _)| &call[..end]);
        let why = denial.status().message().to_owned();
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kind = Kind { tenant, who, call: call.to_owned(), why };
        if kinds.len() >= KINDS_MAX && !kinds.contains_key(&kind) {
            kind = Kind::others();
        }
        let count = kinds.entry(kind).or_insert(Count { calls: 0, first: now, last: now });
        count.calls += 1;
        count.last = now;
    }

    /// Empties it. The most frequent first; what is beyond [`ROWS_MAX`] is one row.
    fn take(&self) -> Vec<RefusedCalls> {
        let kinds = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by(|(a, one), (b, other)| {
            (*a == Kind::others(), other.calls, a).cmp(&(*b == Kind::others(), one.calls, b))
        });
        if kinds.len() > ROWS_MAX {
            let rest = kinds.split_off(ROWS_MAX - 1);
            let sum = rest.into_iter().map(|(_, count)| count).reduce(|sum, count| Count {
                calls: sum.calls + count.calls,
                first: sum.first.min(count.first),
                last: sum.last.max(count.last),
            });
            kinds.extend(sum.map(|sum| (Kind::others(), sum)));
        }
        kinds.into_iter().map(|(kind, count)| kind.refused(count)).collect()
    }
}

impl Kind {
    fn others() -> Self {
        let others = || OTHERS.to_owned();
        Self { tenant: DEFAULT_TENANT.to_owned(), who: others(), call: others(), why: String::new() }
    }

    fn refused(self, count: Count) -> RefusedCalls {
        let after = serde_json::json!({
            "calls": count.calls, "first": count.first.to_rfc3339(), "last": count.last.to_rfc3339(),
        });
        RefusedCalls {
            tenant: self.tenant,
            action: OperatorAction {
                actor: self.who,
                action: "call.refused",
                subject: self.call,
                reason: self.why,
                before: None,
                after: Some(after.to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::api_keys::Scope;

    fn calls(refused: &RefusedCalls) -> u64 {
        let after: serde_json::Value = serde_json::from_str(refused.action.after.as_deref().unwrap()).unwrap();
        after["calls"].as_u64().unwrap()
    }

    /// Fails when calls of one kind are not summed up, or a kind beyond the limits is a row of its own.
    #[test]
    fn a_flood_of_refused_calls_is_a_few_rows_and_no_call_is_lost() {
        let (refusals, now) = (Refusals::default(), DateTime::UNIX_EPOCH);
        let lacks = Denial::Scope { tenant: "shop".into(), client: "key:a".into(), needed: Scope::Payments };
        for _ in 0..500 {
            refusals.note(&lacks, "POST /v1/transactions", None, now);
        }
        for n in 0..10_000 {
            refusals.note(&Denial::Unknown, &format!("/x/{}", "y".repeat(9_000)), Some(&n.to_string()), now);
        }
        refusals.note(&Denial::Unavailable, "POST /v1/transactions", None, now);
        assert_eq!(refusals.0.lock().unwrap().len(), KINDS_MAX + 1);
        let rows = refusals.take();
        assert_eq!((rows.len(), rows.iter().map(calls).sum::<u64>()), (ROWS_MAX, 10_500));
        let first = &rows[0];
        assert_eq!((first.tenant.as_str(), first.action.actor.as_str(), calls(first)), ("shop", "key:a", 500));
        assert_eq!(first.action.reason, "key:a lacks the scope payments");
        assert_eq!(rows[ROWS_MAX - 1].action.actor, OTHERS);
        assert!(rows.iter().all(|row| row.action.subject.len() <= CALL_BYTES_MAX));
        assert_eq!(refusals.take(), []);
    }
}
