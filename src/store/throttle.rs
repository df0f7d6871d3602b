//! Restraint: how many calls a store is given at once, and how many bytes a second all stores move together.
//!
//! [`Throttle`] counts calls. Bandwidth is kept by the transports themselves, which ask [`Pace`] before every frame of
//! 64 KiB: paid per object it would come in bursts of a whole pack.

use crate::error::Result;
use crate::host::Host;
use crate::name::{Folder, Name};
use crate::store::access::Limits;
use crate::store::{Listed, Location, Payload, Placed, Store};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// As many bytes as a transport moves for one question to [`Pace`].
pub const FRAME: usize = 64 << 10;

/// The bandwidth of one process. Clones share it.
#[derive(Clone)]
pub struct Pace {
    host: Arc<dyn Host>,
    upload: Arc<Bucket>,
    download: Arc<Bucket>,
}

impl Pace {
    /// A pace of its own; an absent limit never makes anybody wait.
    pub fn new(limits: Limits, host: Arc<dyn Host>) -> Self {
        Self {
            host,
            upload: Arc::new(Bucket::new(limits.upload)),
            download: Arc::new(Bucket::new(limits.download)),
        }
    }

    /// Takes part in the bandwidth for `bytes` that are to be sent: how long to wait before that.
    #[must_use]
    pub fn upload(&self, bytes: usize) -> Duration {
        self.upload.take(bytes, &*self.host)
    }

    /// The same for `bytes` that arrived: how long to wait before more are read.
    #[must_use]
    pub fn download(&self, bytes: usize) -> Duration {
        self.download.take(bytes, &*self.host)
    }
}

/// Bytes a second, and the moment from which on nothing is promised to anybody yet.
struct Bucket {
    rate: Option<u64>,
    free: Mutex<Duration>,
}

impl Bucket {
    fn new(rate: Option<u64>) -> Self {
        Self {
            rate,
            free: Mutex::default(),
        }
    }

    fn take(&self, bytes: usize, host: &dyn Host) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let cost = Duration::from_nanos(
            u64::try_from(bytes as u128 * 1_000_000_000 / u128::from(rate.max(1)))
                .unwrap_or(u64::MAX),
        );
        let now = host.elapsed();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let start = now.max(*free);
        *free = start.saturating_add(cost);
        start - now
    }
}

/// Passes everything on, but not too much of it at once.
pub struct Throttle<S> {
    inner: S,
    free: Mutex<usize>,
    freed: Condvar,
}

/// One call's place, given back when dropped.
struct Place<'a, S>(&'a Throttle<S>);

impl<S> Drop for Place<'_, S> {
    fn drop(&mut self) {
        let throttle = self.0;
        *throttle.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        throttle.freed.notify_one();
    }
}

impl<S: Store> Throttle<S> {
    /// At most `calls` at once, and at least one. A listing counts until its last object was passed on: who calls the
    /// same store from there holds two places.
    pub fn new(inner: S, calls: usize) -> Self {
        Self {
            inner,
            free: Mutex::new(calls.max(1)),
            freed: Condvar::new(),
        }
    }

    /// What is decorated.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn place(&self) -> Place<'_, S> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self)
    }
}

impl<S: Store> Store for Throttle<S> {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        let _place = self.place();
        self.inner.get_into(name, len_max, into)
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let _place = self.place();
        self.inner.get_range(name, range)
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let _place = self.place();
        self.inner.put(name, payload)
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        let _place = self.place();
        self.inner.put_if_absent(name, payload)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        let _place = self.place();
        self.inner.list(folder, each)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        let _place = self.place();
        self.inner.delete(name)
    }

    fn sweep(&self) -> Result<()> {
        let _place = self.place();
        self.inner.sweep()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Timestamp;
    use crate::store::memory::MemoryStore;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    /// A clock that is set by hand.
    #[derive(Default)]
    struct Clock(AtomicU64);

    impl Host for Clock {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }
        fn elapsed(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }
        fn sleep(&self, _: Duration) {}
        fn random(&self, _: &mut [u8]) {}
        fn name(&self) -> String {
            "clock".to_owned()
        }
    }

    #[test]
    fn bandwidth_is_shared_and_not_saved_up() {
        let clock = Arc::new(Clock::default());
        let limits = Limits {
            upload: Some(64 << 10),
            download: None,
        };
        let pace = Pace::new(limits, clock.clone());
        let other = pace.clone();
        assert_eq!(pace.upload(FRAME), Duration::ZERO);
        assert_eq!(other.upload(FRAME), Duration::from_secs(1));
        assert_eq!(pace.upload(FRAME / 2), Duration::from_secs(2));
        assert_eq!(pace.download(usize::MAX), Duration::ZERO);
        clock.0.store(60_000, Ordering::Relaxed);
        assert_eq!(pace.upload(FRAME), Duration::ZERO);
        assert_eq!(pace.upload(FRAME), Duration::from_secs(1));
    }

    /// Counts who is inside.
    struct Narrow {
        inner: MemoryStore,
        inside: AtomicUsize,
        most: AtomicUsize,
    }

    impl Store for Narrow {
        fn location(&self) -> &Location {
            self.inner.location()
        }
        fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
            let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(inside, Ordering::SeqCst);
            std::thread::yield_now();
            let answer = self.inner.get_into(name, len_max, into);
            self.inside.fetch_sub(1, Ordering::SeqCst);
            answer
        }
        fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
            self.inner.get_range(name, range)
        }
        fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
            self.inner.put(name, payload)
        }
        fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
            self.inner.put_if_absent(name, payload)
        }
        fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
            self.inner.list(folder, each)
        }
        fn delete(&self, name: &Name) -> Result<()> {
            self.inner.delete(name)
        }
    }

    #[test]
    fn no_more_than_so_many_at_once() {
        let narrow = Narrow {
            inner: MemoryStore::new("memory"),
            inside: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        };
        let store = Throttle::new(narrow, 2);
        let start = Barrier::new(6);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..200 {
                        store.get(&Name::marker(), 1).unwrap_err();
                    }
                });
            }
        });
        let most = store.inner().most.load(Ordering::SeqCst);
        assert!((1..=2).contains(&most), "{most} at once");
        assert_eq!(*store.free.lock().unwrap(), 2);
    }
}
