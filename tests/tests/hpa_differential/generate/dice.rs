//! Random numbers, in streams that do not disturb each other.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// One stream of random numbers.
#[derive(Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream `stream` of case number `case`. The case before may have drawn any number of times: the next one
    /// stays the same.
    pub(crate) fn new(seed: u64, case: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(case * 16 + stream);
        Self(rng)
    }

    /// True in `percent` of 100.
    pub(crate) fn chance(&mut self, percent: f64) -> bool {
        self.0.random_bool(percent / 100.0)
    }

    /// Both ends included.
    pub(crate) fn within(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// Both ends included.
    pub(crate) fn within_i32(&mut self, low: i32, high: i32) -> i32 {
        self.0.random_range(low..=high)
    }

    /// Both ends included.
    pub(crate) fn index(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..=high)
    }

    /// Any of them; name one more than once to have it more often.
    pub(crate) fn of<T: Clone>(&mut self, any: &[T]) -> T {
        any[self.index(0, any.len() - 1)].clone()
    }
}
