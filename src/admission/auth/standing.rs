//! Whether a caller whose stream is open may still call: what it showed is judged again, before each of its messages and
//! by a timer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::time::Instant;

use super::{Access, Authenticator, Denial};
use crate::admission::tls::PeerCertificate;

/// Between two looks, whatever the setting says.
const EVERY_MIN: Duration = Duration::from_millis(200);
const EVERY_MAX: Duration = Duration::from_secs(60);

/// The methods of gRPC that go on for as long as the caller likes.
const STREAMS: [&str; 2] = ["/florin.v1.Ledger/WatchEvents", "/florin.v1.Ledger/PostTransactions"];

/// Whether a call of this path may go on after its credentials have ended.
pub fn is_stream(path: &str) -> bool {
    STREAMS.contains(&path)
}

/// What a caller showed, and what for.
#[derive(Clone)]
pub struct Standing {
    authenticator: Authenticator,
    access: Access,
    /// Its credentials alone.
    headers: Arc<HeaderMap>,
    certificate: Option<PeerCertificate>,
    /// When the timer looks next; of all clones.
    next: Arc<Mutex<Instant>>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("access", &self.access).finish_non_exhaustive() // no credentials
    }
}

impl Authenticator {
    /// What a stream with these credentials must go on having; `None`: nothing is asked.
    pub fn standing(
        &self,
        access: Access,
        headers: &HeaderMap,
        certificate: Option<PeerCertificate>,
    ) -> Option<Standing> {
        if access == Access::Open || (!self.asks() && certificate.is_none()) {
            return None;
        }
        let shown = [AUTHORIZATION.as_str(), "x-api-key"]
            .into_iter()
            .filter_map(|name| Some((http::HeaderName::from_static(name), headers.get(name)?.clone())));
        let next = Arc::new(Mutex::new(Instant::now() + self.every()));
        let headers = Arc::new(shown.collect());
        Some(Standing { authenticator: self.clone(), access, headers, certificate, next })
    }

    /// A look is as old as what is remembered of a key may be.
    fn every(&self) -> Duration {
        self.remembers().clamp(EVERY_MIN, EVERY_MAX)
    }
}

impl Standing {
    /// Judges it now. While the store does not answer, it stands: nothing can be written or read then either.
    ///
    /// # Errors
    /// Why it may call no more.
    pub async fn look(&self) -> Result<(), Denial> {
        if self.certificate.as_ref().is_some_and(|certificate| !certificate.is_valid()) {
            return Err(Denial::Expired);
        }
        let der = self.certificate.as_ref().map(PeerCertificate::der);
        match self.authenticator.authenticate(self.access, &self.headers, der).await {
            Err(denial) if denial != Denial::Unavailable => Err(denial),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Judges one, if it is time to. What goes on without a pause asks here, what waits by [`Standing::lost`].
    ///
    /// # Errors
    /// Why it may call no more.
    pub async fn still(standing: Option<&Self>) -> Result<(), Denial> {
        match standing {
            Some(standing) if standing.next() <= Instant::now() => standing.look_and_note().await,
            _ => Ok(()),
        }
    }

    async fn look_and_note(&self) -> Result<(), Denial> {
        self.look().await?;
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + self.authenticator.every();
        Ok(())
    }

    fn next(&self) -> Instant {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one may call no more: for ever where nothing was asked. A wait that is dropped and begun anew goes on
    /// where it was.
    pub async fn lost(standing: Option<&Self>) -> Denial {
        let Some(standing) = standing else { return std::future::pending().await };
        loop {
            tokio::time::sleep_until(standing.next()).await;
            if let Err(denial) = standing.look_and_note().await {
                return denial;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// Fails when a method that streams is added and not listed: its calls would go on with a key that is revoked.
    #[test]
    fn every_method_that_streams_is_listed() {
        let descriptors = FileDescriptorSet::decode(florin_wire::DESCRIPTORS).unwrap();
        let services = descriptors.file.iter().flat_map(|file| file.service.iter().map(move |service| (file, service)));
        let streams = services.flat_map(|(file, service)| {
            let methods = service.method.iter().filter(|method| method.client_streaming() || method.server_streaming());
            methods.map(move |method| format!("/{}.{}/{}", file.package(), service.name(), method.name()))
        });
        let (mut streams, mut listed) = (streams.collect::<Vec<_>>(), STREAMS.to_vec());
        streams.sort();
        listed.sort_unstable();
        assert_eq!(streams, listed);
    }
}
