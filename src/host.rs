//! What we run on: its clock, its randomness, its name. The real one lives in `cli/host.rs`; tests use [`FixedHost`].

use std::sync::Mutex;
use std::time::Duration;

/// A moment as people and retention see it: seconds and nanoseconds since 1970 UTC. No safety argument uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// What we run on.
pub trait Host: Send + Sync {
    /// For people and retention; the commit protocol never asks.
    fn now(&self) -> Timestamp;
    /// Monotonic since some fixed moment: patience and rates.
    fn elapsed(&self) -> Duration;
    /// Waits.
    fn sleep(&self, how_long: Duration);
    /// Fills `into` with unpredictable bytes.
    fn random(&self, into: &mut [u8]);
    /// The machine's name.
    fn name(&self) -> String;
}

/// A world of one seed: each `now` is a second later, each `random` the next bytes of a fixed sequence.
pub struct FixedHost {
    state: Mutex<(i64, u64)>,
}

/// The next number of a sequence that its first state decides: SplitMix64 (Steele, Lea, Flood 2014). For tests and
/// benches: nothing here is unpredictable.
pub fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl FixedHost {
    /// A host whose randomness is a function of `seed` alone. For tests: nothing here is unpredictable.
    pub fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new((1_795_305_600, seed)),
        }
    }

    fn step<T>(&self, change: impl FnOnce(&mut (i64, u64)) -> T) -> T {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut state)
    }
}

impl Host for FixedHost {
    fn now(&self) -> Timestamp {
        self.step(|state| {
            state.0 += 1;
            Timestamp {
                seconds: state.0,
                nanos: 0,
            }
        })
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.step(|state| state.0).unsigned_abs())
    }

    fn sleep(&self, how_long: Duration) {
        self.step(|state| state.0 += i64::try_from(how_long.as_secs()).unwrap_or(0));
    }

    fn random(&self, into: &mut [u8]) {
        self.step(|state| {
            for chunk in into.chunks_mut(8) {
                chunk.copy_from_slice(&split_mix(&mut state.1).to_le_bytes()[..chunk.len()]);
            }
        });
    }

    fn name(&self) -> String {
        "fixed".to_owned()
    }
}
