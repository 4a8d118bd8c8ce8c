//! Prints papers on threads for blocking work: as many at once as there are cores, while some wait for a moment. More are
//! refused, so that printing keeps nobody's payment back.

mod paper;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub use self::paper::Paper;
use super::bills::InvoiceDocument;
pub use crate::documents::mail::template::Language;
use crate::protocol::admission::InFlight;

/// Papers that may wait, beside those that are printed.
const WAITING_MAX: usize = 32;
/// How long one may wait: a paper of the most lines takes 9 s.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Makes PDFs. All of it may take a while, and is called on a thread for blocking work.
pub trait Printer: Send + Sync + 'static {
    /// The PDF of a shop's bill.
    ///
    /// # Errors
    /// Why there can be none of this bill.
    fn bill(&self, bill: &InvoiceDocument) -> Result<Vec<u8>, String>;

    /// An invoice or a credit note.
    ///
    /// # Errors
    /// Why it cannot be printed: the field, its value and its limit.
    fn paper(&self, paper: &Paper) -> Result<Printed, String>;

    /// Whether a picture can stand on papers.
    ///
    /// # Errors
    /// Why not: what it is, and what it may be.
    fn check_logo(&self, logo: &[u8]) -> Result<(), String>;
}

/// A paper that is printed, and what a letter says of it, in the paper's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    pub pdf: Vec<u8>,
    pub issued_on: String,
    /// `None`: nothing is to be paid of it.
    pub due_on: Option<String>,
    /// With its currency.
    pub total: String,
}

/// Why there is no paper.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PressError {
    #[error("this Florin was built without PDFs (the cargo feature `pdf`)")]
    NotBuilt,
    #[error("{max} papers are printed or wait for it, which is the limit")]
    Busy { max: usize },
    /// No other attempt can help.
    #[error("{0}")]
    Refused(String),
}

/// Prints; clones share its bounds.
#[derive(Clone)]
pub struct Press {
    printer: Option<Arc<dyn Printer>>,
    threads: Arc<Semaphore>,
    all: InFlight,
}

impl Default for Press {
    /// One that prints nothing.
    fn default() -> Self {
        Self::new(None)
    }
}

impl Press {
    /// `None`: PDFs are not built in.
    pub fn new(printer: Option<Arc<dyn Printer>>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { printer, threads: Arc::new(Semaphore::new(threads)), all: InFlight::new(threads + WAITING_MAX) }
    }

    /// What prints, for who has bounds of its own.
    pub fn printer(&self) -> Option<Arc<dyn Printer>> {
        self.printer.clone()
    }

    /// Whether it prints at all.
    pub fn is_built(&self) -> bool {
        self.printer.is_some()
    }

    /// Prints a paper.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn print(&self, paper: Paper) -> Result<Printed, PressError> {
        self.run(move |printer| printer.paper(&paper)).await
    }

    /// Checks a picture that is to stand on papers.
    ///
    /// # Errors
    /// Why it cannot, or why it cannot be said now.
    pub async fn check_logo(&self, logo: Vec<u8>) -> Result<(), PressError> {
        self.run(move |printer| printer.check_logo(&logo)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Printer) -> Result<T, String> + Send + 'static,
    ) -> Result<T, PressError> {
        let printer = self.printer.clone().ok_or(PressError::NotBuilt)?;
        let busy = || PressError::Busy { max: self.all.max() };
        let place = self.all.enter().ok_or_else(busy)?;
        let thread = tokio::time::timeout(WAIT_MAX, self.threads.clone().acquire_owned()).await;
        let thread = thread.map_err(|_| busy())?.map_err(|_| busy())?; // nobody closes the semaphore
        let work = tokio::task::spawn_blocking(move || {
            let done = work(&*printer);
            drop((thread, place)); // also when the caller has left meanwhile
            done
        });
        work.await.unwrap_or_else(|ended| Err(ended.to_string())).map_err(PressError::Refused)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use futures::stream::FuturesUnordered;
    use tokio::sync::Mutex;

    use super::*;

    /// Checks a logo once it comes through the gate.
    struct Slow(Arc<Mutex<()>>);

    impl Printer for Slow {
        fn bill(&self, _: &InvoiceDocument) -> Result<Vec<u8>, String> {
            Err("no bills".into())
        }

        fn paper(&self, _: &Paper) -> Result<Printed, String> {
            Err("no papers".into())
        }

        fn check_logo(&self, logo: &[u8]) -> Result<(), String> {
            drop(self.0.blocking_lock());
            if logo.is_empty() { Err("is 0 bytes: it may be a picture".into()) } else { Ok(()) }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_beyond_the_bound_is_refused_and_the_rest_waits_its_turn() {
        let gate = Arc::new(Mutex::new(()));
        let press = Press::new(Some(Arc::new(Slow(gate.clone()))));
        let max = press.all.max();
        let shut = gate.lock().await;
        let mut checks: FuturesUnordered<_> = (0..=max).map(|_| press.check_logo(vec![1])).collect();
        assert_eq!(checks.next().await, Some(Err(PressError::Busy { max })), "nobody comes through the gate");
        drop(shut);
        assert_eq!(checks.collect::<Vec<_>>().await, vec![Ok(()); max]);
        assert_eq!(press.all.now(), 0);
        let refused = Err(PressError::Refused("is 0 bytes: it may be a picture".into()));
        assert_eq!(press.check_logo(Vec::new()).await, refused);
        assert_eq!(Press::default().check_logo(vec![1]).await, Err(PressError::NotBuilt));
    }
}
