//! A movement that is recorded as an operator's action too.

use chrono::{DateTime, Utc};

use super::{Approval, Movement};
use crate::money::Amount;
use crate::protocol::events::EventType;
use crate::protocol::record::{DeclineCode, Follows, Kind, OperatorAction, Posting, Rows, TransactionId};

/// A movement, and what is said of it in the list of operators' actions.
#[derive(Debug)]
pub struct Recorded {
    pub movement: Box<dyn Movement>,
    pub action: OperatorAction,
}

impl Movement for Recorded {
    fn kind(&self) -> Kind {
        self.movement.kind()
    }

    fn rows(&self, id: TransactionId, at: DateTime<Utc>, first: Posting) -> Vec<Rows> {
        let mut rows = self.movement.rows(id, at, first);
        rows.push(Rows::Action(self.action.clone()));
        rows
    }

    fn follows(&self) -> Follows {
        self.movement.follows()
    }

    fn event(&self) -> Option<EventType> {
        self.movement.event()
    }

    fn event_of_decline(&self) -> EventType {
        self.movement.event_of_decline()
    }

    fn facts_of_decline(&self) -> Option<String> {
        self.movement.facts_of_decline()
    }

    fn approval(&self) -> Approval {
        self.movement.approval()
    }

    fn gives_back(&self, first: Amount) -> Option<(TransactionId, Amount)> {
        self.movement.gives_back(first)
    }

    fn exceeded(&self) -> (DeclineCode, String) {
        self.movement.exceeded()
    }

    fn may_be_stale(&self) -> bool {
        self.movement.may_be_stale()
    }
}
