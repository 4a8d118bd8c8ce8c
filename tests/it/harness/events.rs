//! What the product tells of the journal: its events in words.

use florin::protocol::events::EventType;
use florin::protocol::live::LiveEvent;
use florin::store::journal_rows::{self, Names};
use florin::store::live;

use super::TestDatabase;

impl TestDatabase {
    /// Every event there is, in order, as Kafka and those who watch hear it.
    pub async fn events(&self) -> Vec<LiveEvent> {
        let mut db = self.pool.acquire().await.unwrap();
        let tip = journal_rows::tip(&mut *db).await.unwrap();
        let part = live::read(&mut db, &mut Names::default(), 0, tip, i64::MAX).await.unwrap();
        part.events.into_iter().map(|event| event.event.unwrap()).collect()
    }

    /// The texts of one kind of event, in order.
    pub async fn told(&self, event: EventType) -> Vec<String> {
        self.events().await.into_iter().filter(|told| told.event == event).map(|told| told.body.to_string()).collect()
    }
}
