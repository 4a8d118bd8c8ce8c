//! The one place that spawns tasks: work that an actor's handler hands off, and whose result comes back as a message.

/// A delay up to half as long again, so that what failed together does not come back together.
pub fn jittered(delay: std::time::Duration) -> std::time::Duration {
    let random = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    delay + delay * random / 512
}

/// Runs work beside the actor that starts it. The work must report its end even when it panics: give it a guard.
#[expect(clippy::disallowed_methods, reason = "the one place for it")]
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(work)
}
