//! Random cases of a test, shrunk when one fails, with the seed that makes them again; and how large tests are.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

const SEED: &str = "PROPTEST_RNG_SEED";

/// Tries so many. A test on a multi-threaded runtime, which it blocks.
pub fn try_all<S: Strategy>(cases: u32, strategy: &S, run: impl AsyncFn(S::Value)) {
    let seed = std::env::var(SEED).map_or_else(|_| uuid::Uuid::new_v4().as_u64_pair().0, |seed| seed.parse().unwrap());
    let config = Config {
        cases,
        max_shrink_iters: 60,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let tried = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(strategy, |value| {
            tokio::runtime::Handle::current().block_on(run(value));
            Ok(())
        })
    });
    tried.unwrap_or_else(|error| panic!("{error}\n{SEED}={seed} makes the same cases again"));
}

/// Whether tests are as large as they can be, not only as large as every day allows: `make test-large`.
pub fn is_large() -> bool {
    std::env::var("FLORIN_LARGE").is_ok()
}
