//! The tower layer around all services of the gRPC listener.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::{BoxFuture, Either, Ready, ready};
use http::{Request, Response};
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tower::{Layer, Service};

use super::{Authenticator, Denial, Identity, Verdict, access};
use crate::telemetry::metrics::AUTH_REFUSED;

/// The client's certificate in DER. Listeners that do their own handshake put it into the request's extensions.
#[derive(Clone, Debug)]
pub struct PeerCertificate(pub Arc<[u8]>);

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
        let certificate = certificate(&request);
        let der = certificate.as_ref().map(|PeerCertificate(der)| &**der);
        let identity =
            match self.authenticator.verdict(access(request.uri().path()), request.headers(), der, Instant::now()) {
                Verdict::Pass(identity) => identity,
                Verdict::Deny(denial) => return Either::Right(Either::Left(ready(Ok(refuse(&denial))))),
                Verdict::Ask(..) => {
                    // The service that was polled ready is the one to call; its clone takes its place.
                    let clone = self.inner.clone();
                    let (mut inner, authenticator) =
                        (std::mem::replace(&mut self.inner, clone), self.authenticator.clone());
                    return Either::Right(Either::Right(Box::pin(async move {
                        let (head, body) = request.into_parts();
                        match authenticator.authenticate(access(head.uri.path()), &head.headers, None).await {
                            Ok(identity) => inner.call(marked(Request::from_parts(head, body), identity)).await,
                            Err(denial) => Ok(refuse(&denial)),
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

fn refuse<R: Default>(denial: &Denial) -> Response<R> {
    metrics::counter!(AUTH_REFUSED, "reason" => denial.reason()).increment(1);
    denial.status().into_http()
}

fn certificate<B>(request: &Request<B>) -> Option<PeerCertificate> {
    let extensions = request.extensions();
    let of_tonic = || {
        let certificates = extensions.get::<TlsConnectInfo<TcpConnectInfo>>()?.peer_certs()?;
        certificates.first().map(|der| PeerCertificate(der.as_ref().into()))
    };
    extensions.get::<PeerCertificate>().cloned().or_else(of_tonic)
}
