//! The real clock, the real randomness and the signals, nowhere else.

use crate::error::{Error, Result};
use crate::host::{Host, Timestamp};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// From how many bytes on a buffer has pages of its own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const APART: libc::c_int = 128 << 10;

/// Gives every large buffer pages of its own, which go back when it is freed. Left to itself the allocator of glibc raises
/// that size with each such buffer it gets back, and the buffers of the pipeline then lie among small things and stay: a
/// backup of a whole system took 30 MiB more.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(
    unsafe_code,
    reason = "the allocator has no other door for its settings"
)]
pub fn keep_buffers_apart() {
    // SAFETY: mallopt changes a number of the allocator and reads no memory of ours. No other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, APART);
    }
}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_buffers_apart() {}

/// This machine.
pub struct RealHost {
    started: Instant,
    name: String,
}

impl RealHost {
    /// Its clock of [`Host::elapsed`] begins now.
    pub fn new() -> Self {
        let name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Self {
            started: Instant::now(),
            name,
        }
    }
}

impl Default for RealHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for RealHost {
    fn now(&self) -> Timestamp {
        let signed = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp {
                seconds: signed(after),
                nanos: after.subsec_nanos(),
            },
            Err(before) => Timestamp {
                seconds: -signed(before.duration()),
                nanos: 0,
            },
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, how_long: Duration) {
        std::thread::sleep(how_long);
    }

    fn random(&self, into: &mut [u8]) {
        getrandom::fill(into).expect("without the system's randomness nothing can be sealed");
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// A flag that the first SIGINT, SIGTERM or SIGHUP sets; the second one ends the process at once.
///
/// # Errors
/// When the system refuses the handlers.
pub fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order: the first signal finds the flag unset and only then sets it.
        flag::register_conditional_default(signal, Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| Error::io("listen to signals", error))?;
    }
    Ok(stop)
}
