//! A payment provider on loopback: real HTTP, books of its own, and on demand everything that goes wrong with one.
//!
//! It does each key once, and answers a repeat as it did the first time. Each POST of an action takes the next of the
//! plans made for that action, and is honest when there are none left.

mod http;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::money::spawn;

pub const SECRET: &str = "between us two";

/// How the provider takes a call.
#[derive(Clone, Debug)]
pub enum How {
    /// As it should.
    Honest,
    /// It does it at once, and answers so much later.
    Late(Duration),
    /// It does it, and answers when it is told to: [`Simulator::answer_all`].
    Holds,
    /// It hangs up without doing it.
    LosesRequest,
    /// It does it and hangs up.
    LosesAnswer,
    /// It does it, and answers twice on one connection.
    AnswersTwice,
    /// 500, and nothing done.
    FailsBefore,
    /// 500, and done all the same.
    FailsAfter,
    /// It will not.
    Refuses,
    /// It says pending to this call and to so many polls; then it is done.
    Pends(usize),
    /// The same, but then it is refused.
    PendsThenRefuses(usize),
    /// It does nothing and answers with this status and body, signed.
    Answers(u16, String),
    /// It does nothing and answers these bytes.
    Says(String),
}

/// What has become of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Done,
    Refused,
    Pending {
        polls: usize,
        then: bool,
    },
    /// It was done and is undone, or will never be done.
    Undone,
}

/// One operation in the provider's books.
#[derive(Clone, Debug)]
pub struct Entry {
    pub body: Value,
    pub state: State,
    /// How often it took effect.
    pub effects: u32,
    /// How often it was submitted.
    pub submitted: u32,
}

#[derive(Default)]
struct Books {
    entries: HashMap<String, Entry>,
    /// Undone before it came: never to be done.
    retired: Vec<String>,
    plans: HashMap<String, VecDeque<How>>,
    /// What was wrong with requests.
    complaints: Vec<String>,
    /// Method, path and correlation id of each request.
    calls: Vec<(String, String, Option<String>)>,
}

/// The provider; it ends with this.
pub struct Simulator {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
    open: watch::Sender<bool>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Simulator {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let simulator =
            Self { address, books: Arc::default(), open: watch::Sender::new(true), listening: Mutex::default() };
        simulator.listen(listener);
        simulator
    }

    pub fn url(&self) -> String {
        format!("http://{}/psp/v1", self.address)
    }

    fn listen(&self, listener: TcpListener) {
        *self.listening.lock().unwrap() =
            Some(spawn(http::listen(listener, self.books.clone(), self.open.subscribe())));
    }

    /// From now on nobody listens, and every connection is cut.
    pub async fn down(&self) {
        let listening = self.listening.lock().unwrap().take();
        if let Some(listening) = listening {
            listening.abort();
            let _ = listening.await; // cancelled: the listener and its connections are gone
        }
    }

    pub async fn up(&self) {
        self.listen(TcpListener::bind(self.address).await.unwrap());
    }

    /// How it takes the next calls of an action (`payout`, `charge`, `recall`, `refund`), or questions (`status`).
    pub fn plan(&self, action: &str, how: impl IntoIterator<Item = How>) {
        let mut books = self.books.lock().unwrap();
        let plans = books.plans.entry(action.to_owned()).or_default();
        plans.extend(how);
        if plans.iter().any(|how| matches!(how, How::Holds)) {
            self.open.send_replace(false);
        }
    }

    /// No plans are left for this action.
    pub fn forget(&self, action: &str) {
        self.books.lock().unwrap().plans.remove(action);
    }

    /// Sends all answers that are held back.
    pub fn answer_all(&self) {
        self.open.send_replace(true);
    }

    pub fn entry(&self, key: &str) -> Option<Entry> {
        self.books.lock().unwrap().entries.get(key).cloned()
    }

    /// What was pending is done now.
    pub fn settle(&self, key: &str) {
        let mut books = self.books.lock().unwrap();
        if let Some(Entry { state: State::Pending { polls, .. }, .. }) = books.entries.get_mut(key) {
            *polls = 0;
        }
    }

    /// Somebody at the provider undoes it, without being asked by Florin.
    pub fn undo_by_hand(&self, key: &str) {
        self.books.lock().unwrap().entries.get_mut(key).unwrap().state = State::Undone;
    }

    pub fn calls(&self) -> Vec<(String, String, Option<String>)> {
        self.books.lock().unwrap().calls.clone()
    }

    /// What stands in its books: by action, how many operations have their effect, and cents of them together.
    pub fn standing(&self) -> BTreeMap<String, (usize, i64)> {
        let books = self.books.lock().unwrap();
        let mut standing = BTreeMap::new();
        for entry in books.entries.values().filter(|entry| entry.state == State::Done) {
            let text = |name: &str| entry.body[name].as_str().unwrap().to_owned();
            let cents: i64 = text("amount").replace('.', "").parse().unwrap();
            let sum: &mut (usize, i64) = standing.entry(text("action")).or_default();
            *sum = (sum.0 + 1, sum.1 + cents);
        }
        standing
    }

    /// No key took effect twice, and every request was as it should be.
    pub fn check(&self) {
        let books = self.books.lock().unwrap();
        let twice: Vec<_> = books.entries.iter().filter(|(_, entry)| entry.effects > 1).collect();
        assert!(twice.is_empty(), "done twice: {twice:?}");
        assert!(books.complaints.is_empty(), "{:?}", books.complaints);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.lock().unwrap().take() {
            listening.abort();
        }
    }
}

impl Books {
    /// Takes an operation on; answers status and body.
    fn submit(&mut self, body: &Value, how: &How) -> (u16, Value) {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let key = text("key");
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.submitted += 1;
            if entry.body != *body {
                self.complaints.push(format!("{key} came with another body: {body}"));
            }
            return self.answer(&key);
        }
        let state = match how {
            _ if self.retired.contains(&key) => State::Undone,
            How::Refuses => State::Refused,
            How::Pends(polls) => State::Pending { polls: *polls, then: true },
            How::PendsThenRefuses(polls) => State::Pending { polls: *polls, then: false },
            _ => State::Done,
        };
        self.entries.insert(key.clone(), Entry { body: body.clone(), state, effects: 0, submitted: 1 });
        if state == State::Done {
            self.take_effect(&key);
        }
        self.answer(&key)
    }

    fn take_effect(&mut self, key: &str) {
        let entry = self.entries.get_mut(key).unwrap();
        entry.effects += 1;
        entry.state = State::Done;
        let Some(undone) = entry.body["undoes"].as_str().map(str::to_owned) else { return };
        match self.entries.get_mut(&undone) {
            Some(undone) if undone.state == State::Done => undone.state = State::Undone,
            Some(undone) => undone.state = State::Refused,
            None => self.retired.push(undone),
        }
    }

    /// What there is to say of a key; 404 if nothing.
    fn answer(&self, key: &str) -> (u16, Value) {
        match self.entries.get(key).map(|entry| entry.state) {
            None => (404, json!({ "key": key, "status": "unknown" })),
            Some(State::Pending { .. }) => (202, json!({ "key": key, "status": "pending" })),
            // What is undone was done: its key keeps its answer.
            Some(State::Undone) if !self.retired.iter().any(|retired| retired == key) => {
                (200, json!({ "key": key, "status": "done", "reference": format!("ref-{key}") }))
            }
            Some(State::Done) => (200, json!({ "key": key, "status": "done", "reference": format!("ref-{key}") })),
            Some(State::Undone) => (
                422,
                json!({ "key": key, "status": "refused", "code": "recalled", "message": "it was undone before it came" }),
            ),
            Some(State::Refused) => (
                422,
                json!({ "key": key, "status": "refused", "code": "account_closed", "message": "the account is closed" }),
            ),
        }
    }

    /// A question about a key; one more poll of what is pending.
    fn ask(&mut self, key: &str) -> (u16, Value) {
        let answer = self.answer(key);
        if let Some(Entry { state: State::Pending { polls, then }, .. }) = self.entries.get_mut(key) {
            match (polls.checked_sub(1), *then) {
                (Some(left), _) => *polls = left,
                (None, true) => {
                    self.take_effect(key);
                    return self.answer(key);
                }
                (None, false) => {
                    self.entries.get_mut(key).unwrap().state = State::Refused;
                    return self.answer(key);
                }
            }
        }
        answer
    }

    fn next_plan(&mut self, action: &str) -> How {
        self.plans.get_mut(action).and_then(VecDeque::pop_front).unwrap_or(How::Honest)
    }
}
