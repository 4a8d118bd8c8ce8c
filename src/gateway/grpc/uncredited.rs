//! Streams for which nobody has to say who they are: health that is watched, and reflection. There are few of them, so
//! that they cost nothing that callers need.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{Either, MapOk, Ready, TryFutureExt, ready};
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer, Service};

use crate::admission::places::{Place, Places};
use crate::telemetry::metrics::SHED_REQUESTS;

/// Such streams at once, on all connections.
pub const STREAMS_MAX: usize = 1_024;
/// How many in a hundred of them one address may have.
const ADDRESS_PERCENT: u8 = 50;
/// Bytes of a message of these services: a name.
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// The methods that go on for as long as the caller likes. `Check` is over at once and is never refused.
const STREAMS: [&str; 3] = [
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Bounds them.
#[derive(Clone)]
pub struct Uncredited(Places);

impl Default for Uncredited {
    fn default() -> Self {
        Self(Places::new(STREAMS_MAX, ADDRESS_PERCENT))
    }
}

impl<S> Layer<S> for Uncredited {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded { places: self.0.clone(), inner }
    }
}

/// A service behind the bound.
#[derive(Clone)]
pub struct Bounded<S> {
    places: Places,
    inner: S,
}

type Held<F> = MapOk<F, Box<dyn FnOnce(Response<Body>) -> Response<Body> + Send>>;

impl<S, B> Service<Request<B>> for Bounded<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Either<Held<S::Future>, Ready<Result<Response<Body>, S::Error>>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !STREAMS.contains(&request.uri().path()) {
            return Either::Left(self.inner.call(request));
        }
        let address = request.extensions().get::<TcpConnectInfo>().and_then(|tcp| tcp.remote_addr);
        let address = address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        match self.places.take(address) {
            Ok(place) => {
                let hold: Box<dyn FnOnce(_) -> _ + Send> =
                    Box::new(|answer: Response<Body>| answer.map(|body| Body::new(Holding { body, _place: place })));
                Either::Right(Either::Left(self.inner.call(request).map_ok(hold)))
            }
            Err(_) => {
                metrics::counter!(SHED_REQUESTS, "reason" => "streams_without_credentials").increment(1);
                let why = format!("{STREAMS_MAX} streams of health and reflection are open, or half of them from here");
                Either::Right(Either::Right(ready(Ok(Status::resource_exhausted(why).into_http()))))
            }
        }
    }
}

/// A body that keeps the place of its stream.
struct Holding {
    body: Body,
    _place: Place,
}

impl http_body::Body for Holding {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
