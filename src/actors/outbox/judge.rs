//! Whether the publisher may go on, and from where: a pure rule on what was found at the start.
//!
//! It may go on only from what a publisher that died can have left behind: the copy in PostgreSQL equals the position
//! in Kafka, or the position before it. (It died between Kafka's commit and the copy; the copy is always written before
//! the next transaction.) Anything else means that data was lost somewhere, and a guess would lose or repeat events.

use crate::messaging::position::Position;
use crate::store::outbox::{Copy, Database};

/// What was found at both ends.
#[derive(Clone, Debug)]
pub struct Found {
    /// The id of the cluster that answers now.
    pub cluster: String,
    /// The database that answers now.
    pub database: Database,
    /// The position in Kafka.
    pub position: Option<Position>,
    /// PostgreSQL's copy of the position.
    pub copy: Option<Copy>,
    /// Every place up to this one is taken.
    pub tip: i64,
    /// The hash of the event at the position; `None`: there is none.
    pub last: Option<String>,
}

/// Whether the publisher may go on, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first start: position 0 is written.
    First,
    /// Go on after this place.
    Resume(i64),
    /// Begin again with the whole journal: only where settings allow that.
    StartOver(Refusal),
    /// Do not publish.
    Refuse(Refusal),
}

/// What was lost, as far as can be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// PostgreSQL is older than what was published from it, or is another database.
    #[error(
        "PostgreSQL lost data: {0}; `florin outbox repair` publishes again what lies behind the last event that PostgreSQL knows to be published, so that none is skipped"
    )]
    PostgresLost(String),
    /// Kafka is older than what PostgreSQL knows to be published.
    #[error(
        "the broker lost data: {0}; `florin outbox repair` goes on after the last event that PostgreSQL knows to be published, or from the place given with --from"
    )]
    BrokerLost(String),
    /// Kafka is another cluster.
    #[error(
        "this is another Kafka cluster: {0}; `florin outbox repair` goes on here after the last event published there, or from the place given with --from"
    )]
    OtherCluster(String),
}

/// Judges. With `start_over`, another cluster or another database counts as a fresh start (for development only).
pub fn judge(found: &Found, start_over: bool) -> Verdict {
    match refusal(found) {
        None => match (&found.position, &found.copy) {
            (Some(position), _) => Verdict::Resume(position.position),
            (None, _) => Verdict::First,
        },
        Some(refusal) if start_over && elsewhere(found) => Verdict::StartOver(refusal),
        Some(refusal) => Verdict::Refuse(refusal),
    }
}

fn elsewhere(found: &Found) -> bool {
    let position =
        found.position.as_ref().is_some_and(|it| it.cluster != found.cluster || it.system != found.database.system);
    position
        || found
            .copy
            .as_ref()
            .is_some_and(|it| it.cluster != found.cluster || it.database.system != found.database.system)
}

fn refusal(found: &Found) -> Option<Refusal> {
    let Found { cluster, database, position, copy, tip, last } = found;
    let clusters = [position.as_ref().map(|it| &it.cluster), copy.as_ref().map(|it| &it.cluster)];
    if let Some(other) = clusters.into_iter().flatten().find(|it| *it != cluster) {
        return Some(Refusal::OtherCluster(format!("its id is {cluster}, and events were published to {other}")));
    }
    let databases = [
        position.as_ref().map(|it| Database { system: it.system.clone(), timeline: it.timeline }),
        copy.as_ref().map(|it| it.database.clone()),
    ];
    if let Some(other) = databases.into_iter().flatten().find(|it| it != database) {
        return Some(Refusal::PostgresLost(format!(
            "events were published from system {} timeline {}, and this is system {} timeline {}",
            other.system, other.timeline, database.system, database.timeline
        )));
    }
    match (position, copy) {
        (None, None) => None,
        (None, Some(copy)) if copy.position == 0 => None,
        (None, Some(copy)) => {
            Some(Refusal::BrokerLost(format!("it has no position, and events up to {} were published", copy.position)))
        }
        (Some(position), None) if position.position == 0 => None,
        (Some(position), None) => Some(Refusal::PostgresLost(format!(
            "it knows of no published event, and events up to {} were published",
            position.position
        ))),
        (Some(position), Some(copy)) => {
            let (at, before, known) = (position.position, position.previous, copy.position);
            if at > *tip {
                Some(Refusal::PostgresLost(format!("its journal ends at {tip}, and events up to {at} were published")))
            } else if at < known {
                Some(Refusal::BrokerLost(format!("its position is {at}, and events up to {known} were published")))
            } else if at == known {
                None
            } else if before != known {
                Some(Refusal::PostgresLost(format!(
                    "it knows of published events up to {known}, and events up to {at} were published ({before} before the last transaction)"
                )))
            } else if last.as_deref() != Some(position.last.as_str()) {
                Some(Refusal::PostgresLost(format!("event {at} is not the one that was published under this id")))
            } else {
                None
            }
        }
    }
}

/// What a repair does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Nothing is wrong.
    Nothing,
    /// Publish again what is after `after`, and give no new row a place up to `to`.
    Again {
        /// The last place that PostgreSQL knows to be published.
        after: i64,
        /// The last place that was published.
        to: i64,
    },
    /// Go on after this place.
    Set(i64),
}

/// Plans the repair. `from` is the first place to publish again where the broker lost data.
pub fn mend(found: &Found, from: Option<i64>) -> Mend {
    let known = found.copy.as_ref().map_or(0, |copy| copy.position);
    match refusal(found) {
        None => from.map_or(Mend::Nothing, |from| Mend::Set((from - 1).max(0))),
        Some(Refusal::PostgresLost(_)) => match &found.position {
            Some(position) => Mend::Again { after: known.min(position.position), to: position.position.max(known) },
            None => Mend::Set(known),
        },
        Some(Refusal::BrokerLost(_) | Refusal::OtherCluster(_)) => {
            Mend::Set(from.map_or(known, |from| (from - 1).max(0)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Database {
        Database { system: "s".into(), timeline: 1 }
    }

    fn found(position: Option<(i64, i64)>, copy: Option<i64>, tip: i64) -> Found {
        Found {
            cluster: "k".into(),
            database: database(),
            position: position.map(|(position, previous)| Position {
                publisher: "main".into(),
                position,
                previous,
                last: format!("hash {position}"),
                cluster: "k".into(),
                system: "s".into(),
                timeline: 1,
            }),
            copy: copy.map(|position| Copy { position, cluster: "k".into(), database: database() }),
            tip,
            last: position.map(|(position, _)| format!("hash {position}")),
        }
    }

    #[derive(Debug, PartialEq)]
    enum Is {
        First,
        Resume(i64),
        Postgres,
        Broker,
        Cluster,
        Over,
    }

    fn is(found: &Found, start_over: bool) -> Is {
        match judge(found, start_over) {
            Verdict::First => Is::First,
            Verdict::Resume(at) => Is::Resume(at),
            Verdict::StartOver(_) => Is::Over,
            Verdict::Refuse(refusal) => {
                assert!(refusal.to_string().contains("`florin outbox repair`"), "{refusal}");
                match refusal {
                    Refusal::PostgresLost(_) => Is::Postgres,
                    Refusal::BrokerLost(_) => Is::Broker,
                    Refusal::OtherCluster(_) => Is::Cluster,
                }
            }
        }
    }

    #[test]
    fn the_table_of_positions_and_copies() {
        type Line = (Option<(i64, i64)>, Option<i64>, i64, Is);
        // (position and the one before it, copy, tip) -> verdict
        let table: &[Line] = &[
            (None, None, 0, Is::First),
            (None, None, 900, Is::First),
            (None, Some(0), 900, Is::First),
            (Some((0, 0)), None, 900, Is::Resume(0)), // died while starting for the first time
            (Some((0, 0)), Some(0), 0, Is::Resume(0)),
            (Some((50, 40)), Some(50), 50, Is::Resume(50)),
            (Some((50, 40)), Some(50), 99, Is::Resume(50)),
            (Some((50, 40)), Some(40), 99, Is::Resume(50)), // died between Kafka's commit and the copy
            (Some((50, 0)), Some(0), 50, Is::Resume(50)),
            (Some((50, 40)), Some(39), 99, Is::Postgres),
            // a dump was restored, and new payments have passed the position
            (Some((50, 40)), Some(30), 99, Is::Postgres),
            (Some((50, 40)), Some(45), 99, Is::Postgres),
            (Some((50, 40)), Some(50), 49, Is::Postgres),
            (Some((50, 40)), Some(40), 49, Is::Postgres),
            (Some((50, 40)), None, 99, Is::Postgres),
            (Some((50, 40)), None, 0, Is::Postgres),
            (Some((50, 40)), Some(51), 99, Is::Broker),
            (Some((0, 0)), Some(51), 99, Is::Broker),
            (None, Some(51), 99, Is::Broker),
        ];
        for (position, copy, tip, expected) in table {
            let found = found(*position, *copy, *tip);
            for start_over in [false, true] {
                assert_eq!(is(&found, start_over), *expected, "{position:?} {copy:?} {tip}");
            }
            if matches!(expected, Is::First | Is::Resume(_)) {
                assert_eq!(mend(&found, None), Mend::Nothing);
            }
        }
    }

    #[test]
    fn another_row_under_the_position_s_id_is_noticed() {
        // One batch was published after the dump, and after the restore new events took its ids before the publisher
        // came up.
        for last in [None, Some("another".to_owned())] {
            let found = Found { last, ..found(Some((50, 40)), Some(40), 99) };
            assert_eq!(is(&found, false), Is::Postgres);
            assert_eq!(mend(&found, None), Mend::Again { after: 40, to: 50 });
        }
        let dropped_since = Found { last: None, ..found(Some((50, 40)), Some(50), 99) };
        assert_eq!(is(&dropped_since, false), Is::Resume(50));
    }

    #[test]
    fn another_identity_is_refused_or_started_over() {
        let good = || found(Some((50, 40)), Some(50), 99);
        let other_timeline = Found { database: Database { timeline: 2, ..database() }, ..good() };
        assert_eq!((is(&other_timeline, false), is(&other_timeline, true)), (Is::Postgres, Is::Postgres));
        let other_system = Found { database: Database { system: "t".into(), ..database() }, ..good() };
        assert_eq!((is(&other_system, false), is(&other_system, true)), (Is::Postgres, Is::Over));
        let other_cluster = Found { cluster: "l".into(), ..found(None, Some(50), 99) };
        assert_eq!((is(&other_cluster, false), is(&other_cluster, true)), (Is::Cluster, Is::Over));
        let fresh_database =
            Found { database: Database { system: "t".into(), ..database() }, ..found(Some((50, 40)), None, 0) };
        assert_eq!((is(&fresh_database, false), is(&fresh_database, true)), (Is::Postgres, Is::Over));
    }

    #[test]
    fn repair_skips_nothing() {
        assert_eq!(mend(&found(Some((50, 40)), Some(30), 99), None), Mend::Again { after: 30, to: 50 });
        assert_eq!(mend(&found(Some((50, 40)), Some(50), 20), None), Mend::Again { after: 50, to: 50 });
        assert_eq!(mend(&found(Some((50, 40)), None, 20), None), Mend::Again { after: 0, to: 50 });
        assert_eq!(mend(&found(None, Some(51), 99), None), Mend::Set(51));
        assert_eq!(mend(&found(None, Some(51), 99), Some(10)), Mend::Set(9));
    }
}
