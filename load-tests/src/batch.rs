//! The client's side of florin.v1's batches: streams of messages with many payments each. Closed loop; a message's
//! latency is that of its payments.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_client::LedgerClient;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Streaming};

use crate::grpc::{CURRENCY, Dial, Keys};
use crate::mix::Chooser;
use crate::outcome::Outcome;
use crate::record::{Figures, Recorder, Window};
use crate::run::{PATIENCE, Timing, join};

/// What the server takes in one message.
pub const MESSAGE_PAYMENTS_MAX: usize = 1_000;

/// Keeps `in_flight` messages of `payments` payments each in flight, spread over the connections, one stream on each.
///
/// # Errors
/// When the server cannot be reached, or a worker panics.
pub async fn closed(
    dial: &Dial,
    chooser: &Chooser,
    payments: usize,
    in_flight: usize,
    timing: Timing,
) -> Result<Figures> {
    let channels = dial.channels().await?;
    let recorder = Arc::new(Recorder::new(Window::after(timing.warm_up, timing.run))?);
    let maker = Arc::new(Maker {
        keys: Keys::fresh(),
        prefix: dial.prefix.clone(),
        chooser: chooser.clone(),
        payments: payments.clamp(1, MESSAGE_PAYMENTS_MAX),
        next: AtomicU64::new(0),
    });
    let streams = channels.len().min(in_flight).max(1);
    let mut workers = JoinSet::new();
    for (worker, channel) in channels.into_iter().take(streams).enumerate() {
        let share = in_flight / streams + usize::from(worker < in_flight % streams);
        let (maker, recorder, client) = (maker.clone(), recorder.clone(), dial.client(worker)?);
        workers.spawn(async move {
            let (sender, messages) = mpsc::channel(share);
            let mut request = Request::new(ReceiverStream::new(messages));
            request.metadata_mut().insert("x-client-id", client);
            let mut stream = Stream { worker, share, maker, recorder, sender, open: HashMap::new() };
            stream.run(LedgerClient::new(channel), request).await;
        });
    }
    join(workers).await?;
    recorder.figures()
}

/// Makes messages.
struct Maker {
    keys: Keys,
    prefix: String,
    chooser: Chooser,
    payments: usize,
    next: AtomicU64,
}

impl Maker {
    fn message(&self, sequence: u64) -> pb::PostTransactionsRequest {
        pb::PostTransactionsRequest { sequence, transactions: (0..self.payments).map(|_| self.transaction()).collect() }
    }

    fn transaction(&self) -> pb::PostTransactionRequest {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let choice = self.chooser.choose(n);
        pb::PostTransactionRequest {
            idempotency_key: self.keys.next(),
            kind: "payment".to_owned(),
            postings: vec![pb::Posting {
                source_account_id: format!("{}{}", self.prefix, choice.payer),
                destination_account_id: format!("{}{}", self.prefix, choice.payee),
                amount: choice.amount(),
                currency: CURRENCY.to_owned(),
                ..pb::Posting::default()
            }],
            ..pb::PostTransactionRequest::default()
        }
    }
}

/// One stream and its messages in flight.
struct Stream {
    worker: usize,
    share: usize,
    maker: Arc<Maker>,
    recorder: Arc<Recorder>,
    sender: mpsc::Sender<pb::PostTransactionsRequest>,
    open: HashMap<u64, Instant>,
}

impl Stream {
    async fn run(
        &mut self,
        mut service: LedgerClient<Channel>,
        request: Request<ReceiverStream<pb::PostTransactionsRequest>>,
    ) {
        let mut sequence = 0;
        self.fill(&mut sequence); // the server may answer the call only when it has seen a message
        let end = match tokio::time::timeout(PATIENCE, service.post_transactions(request)).await {
            Err(_) => Outcome::Unanswered,
            Ok(Err(status)) => Outcome::of(&status),
            Ok(Ok(answers)) => self.follow(answers.into_inner(), &mut sequence).await,
        };
        let payments = u64::try_from(self.maker.payments).unwrap_or(u64::MAX);
        for began in std::mem::take(&mut self.open).into_values() {
            self.recorder.add(self.worker, began, end, payments);
        }
    }

    /// Sends and receives until the end of the run; answers what became of messages that are still open.
    async fn follow(&mut self, mut answers: Streaming<pb::PostTransactionsResponse>, sequence: &mut u64) -> Outcome {
        while !self.open.is_empty() {
            match tokio::time::timeout(PATIENCE, answers.message()).await {
                Err(_) => return Outcome::Unanswered,
                Ok(Err(status)) => return Outcome::of(&status),
                Ok(Ok(None)) => return Outcome::Transport, // the stream ended with messages open
                Ok(Ok(Some(answer))) => self.count(&answer),
            }
            self.fill(sequence);
        }
        Outcome::Paid
    }

    fn fill(&mut self, sequence: &mut u64) {
        while self.open.len() < self.share && Instant::now() < self.recorder.window().to {
            let message = self.maker.message(*sequence);
            if self.sender.try_send(message).is_err() {
                return; // the stream has ended: its answer says why
            }
            self.open.insert(*sequence, Instant::now());
            *sequence += 1;
        }
    }

    fn count(&mut self, answer: &pb::PostTransactionsResponse) {
        let Some(began) = self.open.remove(&answer.sequence) else { return };
        let mut counted = 0;
        for outcome in answer.outcomes.iter().take(self.maker.payments) {
            self.recorder.add(self.worker, began, outcome_of(outcome), 1);
            counted += 1;
        }
        let missing = u64::try_from(self.maker.payments - counted).unwrap_or(u64::MAX);
        if missing > 0 {
            self.recorder.add(self.worker, began, Outcome::Unanswered, missing);
        }
    }
}

fn outcome_of(outcome: &pb::PostTransactionOutcome) -> Outcome {
    use pb::post_transaction_outcome::Outcome as Answer;
    match &outcome.outcome {
        None => Outcome::Unanswered,
        Some(Answer::Error(error)) => match (Code::from_i32(error.code), error.reason.as_str()) {
            (_, "RATE_LIMIT") => Outcome::RateLimited,
            (code, _) => Outcome::Refused(code),
        },
        Some(Answer::Response(answer)) if answer.replayed => Outcome::Duplicate,
        Some(Answer::Response(answer)) => match answer.transaction.as_ref().map(pb::Transaction::status) {
            Some(pb::TransactionStatus::Completed) => Outcome::Paid,
            _ => Outcome::Declined,
        },
    }
}
