//! The tower layer around all services of the gRPC listener.

use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::{BoxFuture, Either, Ready, ready};
use http::{Extensions, Request, Response};
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer, Service};

use super::standing::is_stream;
use super::{Authenticator, Denial, Identity, Verdict, access};
use crate::admission::tls::{PeerCertificate, SecuredPeer};
use crate::telemetry::metrics::AUTH_REFUSED;

/// Wraps services; made by [`Authenticator::layer`].
#[derive(Clone)]
pub struct AuthLayer(Authenticator);

/// A service behind authentication.
#[derive(Clone)]
pub struct AuthService<S> {
    authenticator: Authenticator,
    inner: S,
}

impl AuthLayer {
    pub(super) fn new(authenticator: Authenticator) -> Self {
        Self(authenticator)
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService { authenticator: self.0.clone(), inner }
    }
}

type Answer<R, E> = Either<Ready<Result<R, E>>, BoxFuture<'static, Result<R, E>>>;

impl<S, B, R> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<S::Future, Answer<Response<R>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    /// Only a key that is not remembered costs a look-up and a box.
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let certificate =
            request.extensions_mut().remove::<SecuredPeer>().and_then(|SecuredPeer { tcp, certificate }| {
                request.extensions_mut().insert(tcp); // as on a plain connection
                certificate
            });
        if is_stream(request.uri().path()) {
            let access = access(request.uri().path());
            if let Some(standing) = self.authenticator.standing(access, request.headers(), certificate.clone()) {
                request.extensions_mut().insert(standing);
            }
        }
        let der = certificate.as_ref().map(PeerCertificate::der);
        let identity =
            match self.authenticator.verdict(access(request.uri().path()), request.headers(), der, Instant::now()) {
                Verdict::Pass(identity) => identity,
                Verdict::Deny(denial) => {
                    let refused = self.authenticator.refuse(&denial, request.uri().path(), request.extensions());
                    return Either::Right(Either::Left(ready(Ok(refused))));
                }
                Verdict::Ask(..) => {
                    // The service that was polled ready is the one to call; its clone takes its place.
                    let clone = self.inner.clone();
                    let (mut inner, authenticator) =
                        (std::mem::replace(&mut self.inner, clone), self.authenticator.clone());
                    return Either::Right(Either::Right(Box::pin(async move {
                        let (head, body) = request.into_parts();
                        match authenticator.authenticate(access(head.uri.path()), &head.headers, None).await {
                            Ok(identity) => inner.call(marked(Request::from_parts(head, body), identity)).await,
                            Err(denial) => Ok(authenticator.refuse(&denial, head.uri.path(), &head.extensions)),
                        }
                    })));
                }
            };
        request.extensions_mut().insert(identity);
        Either::Left(self.inner.call(request))
    }
}

fn marked<B>(mut request: Request<B>, identity: Identity) -> Request<B> {
    request.extensions_mut().insert(identity);
    request
}

impl Authenticator {
    /// Counts a refused call and writes its answer.
    fn refuse<R: Default>(&self, denial: &Denial, path: &str, extensions: &Extensions) -> Response<R> {
        metrics::counter!(AUTH_REFUSED, "reason" => denial.reason()).increment(1);
        let peer = extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
        self.note_refused(denial, path, peer.map(|peer| peer.ip().to_string()).as_deref());
        denial.status().into_http()
    }
}
