//! Server-sent events of the accounts REST API: what was committed, in the journal's order, resumable by
//! `Last-Event-ID` without a gap or a repeat.
//!
//! One committed transaction is several events here: that it was asked for, what it did to each account, that it is
//! done. Their ids are its place in the journal and their number among them, so that a client that has only some of
//! them gets the others.

mod frames;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{Stream, unfold};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use self::frames::{Frame, Of, frames};
use crate::admission::auth::Standing;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::server::Endless;
use crate::gateway::http::{App, Caller, Id};
use crate::gateway::listener::STREAM_AGE_MAX;
use crate::money::Currencies;
use crate::teller::failure::Failure;
use crate::teller::validate::{self, ACCOUNT_MAX, cut};
use crate::teller::watch::{Ended, Wanted, Watcher};

/// A comment is sent so often, so that whoever is between knows that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The last event of every stream when this process stops.
const STOPPING: &str = "event: StreamEnded\ndata: {\"type\":\"StreamEnded\",\"reason\":\"this process stops: watch again after the last event\"}\n\n";
const OLD: &str = "it has been open for an hour: watch again after the last event";
/// Bytes of an event's id.
const ID_MAX: usize = 64;

/// Events of an account.
#[utoipa::path(
    get, path = "/api/v1/events/accounts/{id}", tag = "events",
    params(("id" = String, Path, description = "the account's id"), ("Last-Event-ID" = Option<String>, Header, description = "go on after this one")),
    responses((status = 200, description = "a stream that goes on until the client leaves", content_type = "text/event-stream", body = String))
)]
pub async fn account(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    validate::required("id", &id, ACCOUNT_MAX).map_err(|_| Refusal::no_account(&id))?;
    if app.ledger.posted(&caller.tenant, &id).await?.is_none() {
        return Err(Refusal::no_account(&id));
    }
    let wanted = Wanted { tenant: caller.tenant, account: Some(id.clone()), transaction: None };
    watch(&app, (wanted, caller.standing), Of::Account(id), &headers).await
}

/// Events of a transaction.
#[utoipa::path(
    get, path = "/api/v1/events/transactions/{id}", tag = "events",
    params(("id" = String, Path, description = "the transaction's id"), ("Last-Event-ID" = Option<String>, Header, description = "go on after this one")),
    responses((status = 200, description = "a stream that goes on until the client leaves", content_type = "text/event-stream", body = String))
)]
pub async fn transaction(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let transaction = Uuid::try_parse(&id).map_err(|_| Refusal::no_transaction(&id))?;
    let wanted = Wanted { tenant: caller.tenant, account: None, transaction: Some(transaction) };
    watch(&app, (wanted, caller.standing), Of::Transaction(transaction), &headers).await
}

/// All events.
#[utoipa::path(
    get, path = "/api/v1/events/stream", tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "go on after this one")),
    responses((status = 200, description = "a stream that goes on until the client leaves", content_type = "text/event-stream", body = String))
)]
pub async fn all(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let wanted = Wanted { tenant: caller.tenant, account: None, transaction: None };
    watch(&app, (wanted, caller.standing), Of::All, &headers).await
}

/// A place: after this event's frame of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    event: i64,
    frame: usize,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (event, frame) = text.split_once('.')?;
        Some(Self { event: event.parse().ok().filter(|event| *event > 0)?, frame: frame.parse().ok()? })
    }
}

async fn watch(
    app: &App,
    (wanted, standing): (Wanted, Option<Standing>),
    of: Of,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let place = match headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?")) {
        None | Some("") => None,
        Some(text) if text.len() > ID_MAX => return Err(bad_place(text)),
        Some(text) => Some(Place::parse(text).ok_or_else(|| bad_place(text))?),
    };
    app.ledger.know_all().await?; // old events too are shown with their currency's decimals
    // The event of the place is read again, for its frames that are still to come.
    let watcher = Watcher::start(&app.ledger, wanted, place.map(|place| place.event - 1)).await.map_err(refused)?;
    let currencies = app.ledger.parts().currencies.clone();
    let old = Instant::now() + STREAM_AGE_MAX;
    let streaming = Streaming { watcher, standing, old, of, place, currencies, ready: VecDeque::new() };
    let mut response = Sse::new(events(streaming)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    response.extensions_mut().insert(Endless(STOPPING));
    Ok(response)
}

struct Streaming {
    watcher: Watcher,
    standing: Option<Standing>,
    /// Then it is as old as a stream may be.
    old: Instant,
    of: Of,
    place: Option<Place>,
    currencies: Currencies,
    ready: VecDeque<(i64, usize, Frame)>,
}

fn events(streaming: Streaming) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    unfold(Some(streaming), |streaming| async {
        let mut streaming = streaming?;
        loop {
            if let Some((event, n, frame)) = streaming.ready.pop_front() {
                let event = Event::default().id(format!("{event}.{n}")).event(frame.name).data(frame.data);
                return Some((Ok(event), Some(streaming)));
            }
            let standing = streaming.standing.as_ref();
            let next = match Standing::still(standing).await {
                Err(denial) => Err(denial.status().message().to_owned()),
                Ok(()) => tokio::select! {
                    denial = Standing::lost(standing) => Err(denial.status().message().to_owned()),
                    () = sleep_until(streaming.old) => Err(OLD.to_owned()),
                    next = streaming.watcher.next() => next.map_err(|ended| ended.to_string()),
                },
            };
            match next {
                Ok(event) => {
                    let seen = streaming.place.filter(|place| place.event == event.id).map(|place| place.frame);
                    let frames = frames(&event, &streaming.currencies).into_iter().enumerate();
                    let of = &streaming.of;
                    let wanted = frames.filter(|(n, frame)| frame.is_of(of) && seen.is_none_or(|seen| *n > seen));
                    streaming.ready.extend(wanted.map(|(n, frame)| (event.id, n, frame)));
                }
                Err(reason) => {
                    let data = serde_json::json!({ "type": "StreamEnded", "reason": reason }).to_string();
                    return Some((Ok(Event::default().event("StreamEnded").data(data)), None));
                }
            }
        }
    })
}

fn bad_place(text: &str) -> Refusal {
    Refusal::faults(vec![format!("Last-Event-ID {:?} is not the id of an event", cut(text))])
}

fn refused(ended: Ended) -> Refusal {
    match ended {
        Ended::TooSlow => Failure::Interrupted.into(),
        Ended::NotLeader => Failure::NotLeader.into(),
        Ended::Failed(Failure::Invalid(why)) => Refusal::faults(vec![why]),
        Ended::Failed(failure) => failure.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_event_and_a_number() {
        assert_eq!(Place::parse("12.3"), Some(Place { event: 12, frame: 3 }));
        for bad in ["", "12", "12.", ".3", "0.0", "-1.0", "1.-1", "a.b", "1.2.3", "99999999999999999999.0"] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }
}
