//! Which cases properties draw.

use proptest::test_runner::{Config, RngSeed};

/// At least so many, and the same on every machine, so that a build is as green tomorrow as it is today. New cases are looked
/// for on purpose: `PROPTEST_CASES=100000 PROPTEST_RNG_SEED=7 cargo test --package plimsoll-core --test properties`.
pub(crate) fn same_everywhere(least: u32) -> Config {
    let given = Config::default();
    Config {
        cases: given.cases.max(least),
        rng_seed: match given.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        failure_persistence: None,
        ..given
    }
}
