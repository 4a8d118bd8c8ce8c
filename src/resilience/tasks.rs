//! The one place that spawns a task: work that left an actor's handler and comes back as a message.

/// Up to half as long again, so that what failed together does not come back together.
pub fn jittered(delay: std::time::Duration) -> std::time::Duration {
    let random = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    delay + delay * random / 512
}

/// Runs work beside the actor that started it. The work must tell somebody that it ended, also when it panics: give it a guard.
#[expect(clippy::disallowed_methods, reason = "the one place for it")]
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(work)
}
