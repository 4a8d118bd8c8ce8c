//! Posts streams of transactions: one task per stream reads messages, executes up to [`MESSAGES_MAX`] of them at once
//! and answers in their order.
//!
//! A message takes a place before it is read and gives it back when its answer is taken out to be sent. So a caller who
//! does not listen is not read on; but what it has sent is carried to its end, since the task does not wait for the
//! caller.

use std::sync::Arc;

use florin_wire::florin_v1 as pb;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::{FuturesOrdered, Stream, unfold};
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tonic::metadata::MetadataMap;
use tonic::{Status, Streaming};

use crate::admission::auth::Standing;
use crate::admission::limits::Limits;
use crate::gateway::florin_v1::grpc::post::post;
use crate::gateway::grpc::status;
use crate::gateway::listener::STREAM_AGE_MAX;
use crate::resilience::tasks;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;

/// Messages of one stream in execution, or answered and not yet taken, at once.
pub(super) const MESSAGES_MAX: usize = 16;
/// Transactions of one message.
pub(super) const TRANSACTIONS_MAX: usize = 1_000;

type Answer = Result<pb::PostTransactionsResponse, Status>;

/// What the task tells the answering side.
enum Said {
    Answer(Answer, OwnedSemaphorePermit),
    /// Nothing more comes; a stream that breaks off without this has failed.
    End(Option<Status>),
}

/// Executes what comes in.
pub(super) struct Driver {
    pub(super) ledger: Ledger,
    pub(super) call: Call,
    pub(super) incoming: Streaming<pb::PostTransactionsRequest>,
    pub(super) stopping: watch::Receiver<bool>,
    /// Bytes of an answer.
    pub(super) bytes_max: usize,
    /// Each message after the first counts as a call.
    pub(super) limits: Limits,
    /// Names the client.
    pub(super) metadata: MetadataMap,
    /// Looked at before each message.
    pub(super) standing: Option<Standing>,
}

impl Driver {
    /// Starts, and answers the stream of answers.
    pub(super) fn start(self) -> impl Stream<Item = Answer> + Send + use<> {
        let (said, heard) = mpsc::channel(MESSAGES_MAX + 1); // a place for each answer, and the end
        tasks::spawn(self.run(said));
        unfold(Some(heard), |heard| async {
            let mut heard = heard?;
            match heard.recv().await {
                Some(Said::Answer(answer, place)) => {
                    drop(place);
                    Some((answer, Some(heard)))
                }
                Some(Said::End(None)) => None,
                Some(Said::End(Some(status))) => Some((Err(status), None)),
                None => Some((Err(Failure::Unknown.into()), None)),
            }
        })
    }

    async fn run(mut self, said: mpsc::Sender<Said>) {
        let places = Arc::new(Semaphore::new(MESSAGES_MAX));
        let mut running = FuturesOrdered::new();
        let mut end: Option<Option<Status>> = None;
        let mut first = true;
        let mut old = std::pin::pin!(tokio::time::sleep(STREAM_AGE_MAX));
        while end.is_none() || !running.is_empty() {
            tokio::select! {
                biased;
                () = said.closed() => return, // the caller has left; what was handed over goes its way
                Some((answer, place)) = running.next(), if !running.is_empty() => {
                    let _ = said.try_send(Said::Answer(answer, place)); // there is app: it has a place
                }
                _ = self.stopping.wait_for(|stopping| *stopping), if end.is_none() => end = Some(Some(Failure::Interrupted.into())),
                () = &mut old, if end.is_none() => end = Some(Some(Failure::Interrupted.into())),
                denial = Standing::lost(self.standing.as_ref()), if end.is_none() => end = Some(Some(denial.status())),
                next = next(&places, &mut self.incoming), if end.is_none() => match next {
                    Ok(Some((message, place))) if message.transactions.len() <= TRANSACTIONS_MAX => {
                        let (ledger, call) = (self.ledger.clone(), self.call.clone());
                        // the first was judged and counted as the call
                        let again = (!std::mem::take(&mut first)).then(|| (self.limits.clone(), self.standing.clone()));
                        let metadata = self.metadata.clone();
                        running.push_back(async move {
                            let let_in = match again {
                                Some(again) => let_in(&again, &call, &metadata).await,
                                None => Ok(()),
                            };
                            let answer = match let_in {
                                Ok(()) => Ok(execute(&ledger, &call, message, self.bytes_max).await),
                                Err(status) => Err(status),
                            };
                            (answer, place)
                        });
                    }
                    Ok(Some((message, _))) => {
                        let count = message.transactions.len();
                        end = Some(Some(Failure::Invalid(format!("transactions has {count} entries, the limit is {TRANSACTIONS_MAX}: none was executed")).into()));
                    }
                    Ok(None) => end = Some(None),
                    Err(status) => end = Some(Some(status)),
                },
            }
        }
        let _ = said.send(Said::End(end.flatten())).await; // who listened may have left
    }
}

/// Whether a further message is taken: its caller may still call, and is within the limit.
async fn let_in(
    (limits, standing): &(Limits, Option<Standing>),
    call: &Call,
    metadata: &MetadataMap,
) -> Result<(), Status> {
    if let Some(standing) = standing {
        standing.look().await.map_err(|denial| denial.status())?;
    }
    Ok(limits.native(call.caller(), metadata.as_ref(), "PostTransactions").await?)
}

/// A place, then a message for it.
async fn next(
    places: &Arc<Semaphore>,
    incoming: &mut Streaming<pb::PostTransactionsRequest>,
) -> Result<Option<(pb::PostTransactionsRequest, OwnedSemaphorePermit)>, Status> {
    let Ok(place) = places.clone().acquire_owned().await else { return Ok(None) }; // never closed
    Ok(incoming.message().await?.map(|message| (message, place)))
}

/// All transactions of a message at once; each has an outcome of its own.
async fn execute(
    ledger: &Ledger,
    call: &Call,
    message: pb::PostTransactionsRequest,
    bytes_max: usize,
) -> pb::PostTransactionsResponse {
    let deadline = call.deadline(ledger);
    let outcomes = join_all(message.transactions.into_iter().map(|asked| post(ledger, call, deadline, asked))).await;
    let outcomes = outcomes.into_iter().map(|outcome| pb::PostTransactionOutcome {
        outcome: Some(match outcome {
            Ok(response) => pb::post_transaction_outcome::Outcome::Response(response),
            Err(failure) => pb::post_transaction_outcome::Outcome::Error(error(&failure)),
        }),
    });
    let mut answer = pb::PostTransactionsResponse { sequence: message.sequence, outcomes: outcomes.collect() };
    if answer.encoded_len() > bytes_max {
        answer.outcomes.iter_mut().for_each(shorten);
    }
    answer
}

fn error(failure: &Failure) -> pb::OutcomeError {
    pb::OutcomeError {
        code: status::code(failure).into(),
        message: failure.to_string(),
        reason: failure.reason().into(),
    }
}

/// Leaves out what the caller said itself.
fn shorten(outcome: &mut pb::PostTransactionOutcome) {
    if let Some(pb::post_transaction_outcome::Outcome::Response(pb::PostTransactionResponse {
        transaction: Some(transaction),
        ..
    })) = &mut outcome.outcome
    {
        transaction.postings.clear();
        transaction.metadata.clear();
        transaction.description.clear();
    }
}
