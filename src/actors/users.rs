//! Stores the customers that register over Kafka: many in one statement, each once. Of two with one e-mail the first
//! stays.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use super::intake::{Desk, Fate, Incoming, Later};
use crate::billing::Registration;
use crate::messaging::consumer::Bounds;
use crate::protocol::record::TransactionId;
use crate::resilience::health::Part;
use crate::store::StoreError;
use crate::store::billing::registrations::{self, ID_TAKEN, NewCustomer};

/// How much one poll reads.
const POLL: Bounds = Bounds {
    messages_max: 500,
    bytes_max: 8 << 20,
    wait: Duration::from_millis(500),
    linger: Duration::from_millis(10),
};

/// Stores customers.
pub struct Users {
    pub tenant: Arc<str>,
    pub pool: PgPool,
}

impl Desk for Users {
    fn part(&self) -> Part {
        Part::Users
    }

    fn bounds(&self) -> Bounds {
        POLL
    }

    async fn handle(&self, messages: &[Incoming]) -> Result<Vec<Fate>, Later> {
        let mut fates = vec![Fate::Repeated; messages.len()];
        let (mut places, mut rows) = (Vec::with_capacity(messages.len()), Vec::with_capacity(messages.len()));
        for (at, message) in messages.iter().enumerate() {
            match Registration::parse(&message.body) {
                Ok(registration) => {
                    places.push(at);
                    rows.push(self.row(registration));
                }
                Err(broken) => fates[at] = Fate::Dead { code: broken.code(), reason: broken.to_string() },
            }
        }
        self.store(&places, &mut rows, &mut fates).await?;
        Ok(fates)
    }
}

impl Users {
    /// Stores these rows in one statement; if the database refuses it for a value, by halves, until the guilty row is
    /// found.
    async fn store(&self, places: &[usize], rows: &mut [NewCustomer], fates: &mut [Fate]) -> Result<(), StoreError> {
        let all = 0..rows.len();
        let mut spans = vec![all];
        while let Some(span) = spans.pop() {
            if span.is_empty() {
                continue;
            }
            match registrations::insert(&self.pool, &self.tenant, &rows[span.clone()]).await {
                Ok(mut stored) => {
                    for at in span {
                        if let Some(first) = stored.iter().position(|email| *email == rows[at].email) {
                            stored.swap_remove(first); // a second of this e-mail is a repeat
                            fates[places[at]] = Fate::Done;
                        }
                    }
                }
                Err(error) if error.is_transient() || error.code().is_none() => return Err(error),
                Err(_) if span.len() > 1 => {
                    let middle = span.start + span.len() / 2;
                    spans.extend([middle..span.end, span.start..middle]); // the earlier half first
                }
                Err(error) if is_id_taken(&error) && rows[span.start].id != self.own_id(&rows[span.start].email) => {
                    rows[span.start].id = self.own_id(&rows[span.start].email);
                    spans.push(span);
                }
                Err(error) => {
                    let reason = format!("the database refuses it: {error}");
                    fates[places[span.start]] = Fate::Dead { code: "REFUSED", reason };
                }
            }
        }
        Ok(())
    }

    fn row(&self, registration: Registration) -> NewCustomer {
        NewCustomer {
            id: registration.customer_id.unwrap_or_else(|| self.own_id(&registration.email)),
            first_name: registration.first_name,
            middle_name: registration.middle_name,
            last_name: registration.last_name,
            mobile: registration.mobile,
            born_on: registration.born_on,
            extra: registration.extra,
            email: registration.email,
        }
    }

    /// The id of somebody who came with none, or with one that is another's.
    fn own_id(&self, email: &str) -> String {
        TransactionId::of_message("customer", &self.tenant, email).0.to_string()
    }
}

fn is_id_taken(error: &StoreError) -> bool {
    matches!(error, StoreError::Database { constraint: Some(constraint), .. } if constraint == ID_TAKEN)
}
