//! Answers a call when its caller's deadline passes: the transport below would say CANCELLED, which is another outcome.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either};
use http::{Request, Response};
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use tower::{Layer, Service};

use crate::gateway::grpc::call::patience;
use crate::teller::failure::Failure;

/// Wraps all services of the listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines;

#[derive(Clone, Debug)]
pub(super) struct Timely<S>(S);

impl<S> Layer<S> for Deadlines {
    type Service = Timely<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timely(inner)
    }
}

impl<S, B, R> Service<Request<B>> for Timely<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<R>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    /// A call without a deadline costs nothing. The transport's own clock starts after this one and is looked at after
    /// it, so that it never comes first.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let deadline = patience(request.headers()).and_then(|patience| Instant::now().checked_add(patience));
        let answer = self.0.call(request);
        let Some(deadline) = deadline else { return Either::Left(answer) };
        Either::Right(Box::pin(async move {
            let (mut answer, mut passed) = (pin!(answer), pin!(sleep_until(deadline)));
            poll_fn(|context| {
                if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                    return Poll::Ready(answer);
                }
                // the clock itself is asked too: a timer may be a moment late
                if passed.as_mut().poll(context).is_ready() || Instant::now() >= deadline {
                    return Poll::Ready(Ok(Status::from(Failure::Deadline).into_http()));
                }
                Poll::Pending
            })
            .await
        }))
    }
}
