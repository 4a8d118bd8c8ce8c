//! Stub until the outbox room lands.
/// Event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// a
    PaymentAuthorized = 1,
}
impl EventType {
    /// code
    pub fn code(self) -> i16 {
        self as i16
    }
}
/// Event.
#[derive(Clone, Debug)]
pub struct Event {
    /// type
    pub event: EventType,
    /// key
    pub aggregate: String,
    /// json
    pub body: String,
}
