//! Dead letters of the other direction: messages from Kafka that could have no effect.

use std::time::Instant;

use sqlx::PgPool;

use super::{PATIENCE, PAUSE};
use crate::cli::output::{Failure, say};
use crate::store::received::{self, ReceivedLetterRow};

/// As a row of the list, with an `r` before its number.
pub(super) fn row(letter: &ReceivedLetterRow) -> [String; 6] {
    [
        format!("r{}", letter.id),
        letter.failed_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        letter.code.clone(),
        place(letter),
        letter.replayed_at.map_or_else(|| "no".into(), |_| "yes".into()),
        letter.reason.chars().take(60).collect(),
    ]
}

fn place(letter: &ReceivedLetterRow) -> String {
    format!("{}/{}/{}", letter.topic, letter.partition, letter.offset)
}

pub(super) fn json(letter: &ReceivedLetterRow) -> serde_json::Value {
    serde_json::json!({
        "id": format!("r{}", letter.id), "topic": letter.topic, "partition": letter.partition, "offset": letter.offset,
        "key": letter.key.as_deref().map(String::from_utf8_lossy), "headers": letter.headers.0, "code": letter.code, "error": letter.reason,
        "failed_at": letter.failed_at, "replayed_at": letter.replayed_at, "body": String::from_utf8_lossy(&letter.body),
    })
}

pub(super) async fn get(pool: &PgPool, id: i64) -> Result<ReceivedLetterRow, Failure> {
    received::show(pool, id).await?.ok_or_else(|| Failure::new(format!("there is no dead letter r{id}")))
}

/// Prints one whole.
pub(super) fn show(letter: &ReceivedLetterRow) -> Result<(), Failure> {
    say(format!("dead letter  r{}", letter.id))?;
    say(format!("message      {} (topic, partition, offset)", place(letter)))?;
    if let Some(key) = &letter.key {
        say(format!("key          {}", String::from_utf8_lossy(key)))?;
    }
    for (name, value) in &letter.headers.0 {
        say(format!("header       {name}: {}", value.as_deref().unwrap_or_default()))?;
    }
    say(format!("failed at    {}", letter.failed_at.to_rfc3339()))?;
    say(format!("error        {}: {}", letter.code, letter.reason))?;
    say(format!("replayed     {}", letter.replayed_at.map_or_else(|| "no".into(), |at| at.to_rfc3339())))?;
    Ok(say(format!("body         {}", String::from_utf8_lossy(&letter.body)))?)
}

/// Has a message read again, and waits until whoever leads did that.
pub(super) async fn replay(pool: &PgPool, id: i64) -> Result<(), Failure> {
    let before = get(pool, id).await?;
    if !received::ask_replay(pool, id).await? {
        return Err(Failure::new(format!("dead letter r{id} was replayed before")));
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let now = get(pool, id).await?;
        if now.replayed_at.is_some() {
            return Ok(say(format!("dead letter r{id} was read again, and had its effect"))?);
        }
        if now.asked_at.is_none() && now.failed_at > before.failed_at {
            return Err(Failure::new(format!("dead letter r{id} fails again: {}", now.reason)));
        }
        if Instant::now() > until {
            let text = format!("dead letter r{id} is to be read again, and no florin did it within 15 s");
            return Err(Failure::new(text).hint("it is read again as soon as one leads"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The numbers of all that were not replayed.
pub(super) async fn all(pool: &PgPool) -> Result<Vec<i64>, Failure> {
    let (mut ids, mut after) = (Vec::new(), 0);
    loop {
        let page = received::list(pool, after, false, super::PAGE).await?;
        let Some(last) = page.last() else { return Ok(ids) };
        after = last.id;
        ids.extend(page.iter().map(|letter| letter.id));
    }
}
