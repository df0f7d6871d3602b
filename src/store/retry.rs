//! A decorator that tries again: the only place that does.
//!
//! Stores say by a mark in their errors, [`Trouble`], whether a call may be repeated. Waits double from half a second
//! to 30 seconds, each of random length below that, so that the devices of a family do not come back all at once. A
//! store that was given up is asked once a call until it answers: what remains to be done there is soon over.
//!
//! What must hold:
//! - Every call of [`Store`] may be repeated: a `put` replaces by the same bytes, and a `put_if_absent` whose answer
//!   was lost finds its own bytes and says so.
//! - A listing that broke off is begun anew, and its objects are passed on once, when it is complete.

use crate::error::{Error, Result};
use crate::host::Host;
use crate::name::{Folder, Name};
use crate::store::{Listed, Location, Payload, Placed, Store};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const WAIT_MIN: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The longest wait that a server may ask for.
const AFTER_MAX: Duration = Duration::from_secs(5 * 60);

/// How a call that failed may be repeated. A store attaches it as the innermost cause; it has no words of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Another attempt may go better.
    pub again: bool,
    /// Not before this much time has passed, the server said.
    pub after: Option<Duration>,
}

impl Trouble {
    /// Another attempt may go better.
    pub const AGAIN: Self = Self {
        again: true,
        after: None,
    };
    /// Another attempt would end in the same way.
    pub const FINAL: Self = Self {
        again: false,
        after: None,
    };

    /// A cause to give to [`Error::because`]: these words, and this mark beneath them.
    pub fn told(self, why: impl Into<String>) -> Told {
        Told {
            why: why.into(),
            trouble: self,
        }
    }

    /// The mark in the causes of an error, if there is one.
    pub fn of(error: &Error) -> Option<Self> {
        let mut next = std::error::Error::source(error);
        while let Some(cause) = next {
            if let Some(trouble) = cause.downcast_ref::<Self>() {
                return Some(*trouble);
            }
            next = cause.source();
        }
        None
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Trouble {}

/// Why a call failed, with its mark.
#[derive(Debug)]
pub struct Told {
    why: String,
    trouble: Trouble,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Told {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.trouble)
    }
}

/// Passes everything on, and again where that may help.
pub struct Retry<S> {
    inner: S,
    host: Arc<dyn Host>,
    patience: Duration,
    /// The same before the first answer.
    first: Duration,
    answered: AtomicBool,
    given_up: AtomicBool,
}

impl<S: Store> Retry<S> {
    /// Gives up on a call once the next wait would end later than `patience` after its beginning.
    pub fn new(inner: S, host: Arc<dyn Host>, patience: Duration) -> Self {
        Self {
            inner,
            host,
            patience,
            first: patience,
            answered: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
        }
    }

    /// Has less patience until the first answer has come: who is not there keeps nobody waiting for long.
    #[must_use]
    pub fn with_first(self, first: Duration) -> Self {
        let first = first.min(self.patience);
        Self { first, ..self }
    }

    /// What is decorated.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn patiently<T>(&self, mut act: impl FnMut() -> Result<T>) -> Result<T> {
        let begun = self.host.elapsed();
        let mut wait_max = WAIT_MIN;
        loop {
            let error = match act() {
                Ok(answer) => {
                    self.given_up.store(false, Ordering::Relaxed);
                    self.answered.store(true, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let Some(trouble) = Trouble::of(&error).filter(|trouble| trouble.again) else {
                self.answered.store(true, Ordering::Relaxed);
                return Err(error);
            };
            let patience = match self.answered.load(Ordering::Relaxed) {
                true => self.patience,
                false => self.first,
            };
            let asked = trouble.after.unwrap_or_default().min(AFTER_MAX);
            let wait = asked + self.below(wait_max);
            let spent = self.host.elapsed().saturating_sub(begun);
            let given_up = self.given_up.load(Ordering::Relaxed);
            if given_up || spent + wait > patience {
                self.given_up.store(true, Ordering::Relaxed);
                return Err(error);
            }
            self.host.sleep(wait);
            wait_max = (wait_max * 2).min(WAIT_MAX);
        }
    }

    /// A random time below `limit`.
    fn below(&self, limit: Duration) -> Duration {
        let mut random = [0; 4];
        self.host.random(&mut random);
        limit.mul_f64(f64::from(u32::from_le_bytes(random)) / 4_294_967_296.0)
    }
}

impl<S: Store> Store for Retry<S> {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        self.patiently(|| self.inner.get_into(name, len_max, into))
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        self.patiently(|| self.inner.get_range(name, range.clone()))
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        self.patiently(|| self.inner.put(name, payload))
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        self.patiently(|| self.inner.put_if_absent(name, payload))
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        let mut found = Vec::new();
        let strangers = self.patiently(|| {
            found.clear();
            self.inner.list(folder, &mut |listed| {
                found.push(listed);
                Ok(())
            })
        })?;
        found.into_iter().try_for_each(each)?;
        Ok(strangers)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        self.patiently(|| self.inner.delete(name))
    }

    fn sweep(&self) -> Result<()> {
        self.patiently(|| self.inner.sweep())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::host::Timestamp;
    use crate::store::memory::MemoryStore;
    use std::sync::Mutex;

    /// Waits take no time, and are written down.
    #[derive(Default)]
    struct Patient(Mutex<Vec<Duration>>);

    impl Host for Patient {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }
        fn elapsed(&self) -> Duration {
            self.0.lock().unwrap().iter().sum()
        }
        fn sleep(&self, how_long: Duration) {
            self.0.lock().unwrap().push(how_long);
        }
        fn random(&self, into: &mut [u8]) {
            into.fill(0xf0);
        }
        fn name(&self) -> String {
            "patient".to_owned()
        }
    }

    /// Fails so many times in this way, after the effect or instead of it.
    struct Failing {
        inner: MemoryStore,
        failures: Mutex<u32>,
        trouble: Option<Trouble>,
        after: bool,
    }

    impl Failing {
        fn answer<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
            let mut left = self.failures.lock().unwrap();
            if *left == 0 {
                return act();
            }
            *left -= 1;
            if self.after {
                act()?;
            }
            let error = Error::new(Kind::Unreachable, "do it");
            Err(match self.trouble {
                Some(trouble) => error.because(trouble.told("the server answered 503")),
                None => error.because("no mark"),
            }
            .during("wrapped"))
        }
    }

    impl Store for Failing {
        fn location(&self) -> &Location {
            self.inner.location()
        }
        fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
            self.answer(|| self.inner.get_into(name, len_max, into))
        }
        fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
            self.answer(|| self.inner.get_range(name, range))
        }
        fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
            self.answer(|| self.inner.put(name, payload))
        }
        fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
            self.answer(|| self.inner.put_if_absent(name, payload))
        }
        fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
            self.answer(|| self.inner.list(folder, each))
        }
        fn delete(&self, name: &Name) -> Result<()> {
            self.answer(|| self.inner.delete(name))
        }
    }

    fn failing(
        failures: u32,
        trouble: Option<Trouble>,
        after: bool,
    ) -> (Retry<Failing>, Arc<Patient>) {
        let host = Arc::new(Patient::default());
        let store = Failing {
            inner: MemoryStore::new("memory"),
            failures: Mutex::new(failures),
            trouble,
            after,
        };
        let patience = Duration::from_secs(15 * 60);
        (Retry::new(store, host.clone(), patience), host)
    }

    fn waits(host: &Patient) -> Vec<u64> {
        let waits = host.0.lock().unwrap();
        waits.iter().map(|wait| wait.as_secs()).collect()
    }

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let (store, host) = failing(9, Some(Trouble::AGAIN), false);
        store.put(&Name::marker(), &Payload::new(vec![1])).unwrap();
        assert_eq!(waits(&host), [0, 0, 1, 3, 7, 15, 28, 28, 28]);
        assert_eq!(store.get(&Name::marker(), 1).unwrap(), [1]);
    }

    #[test]
    fn patience_ends() {
        let (store, host) = failing(1000, Some(Trouble::AGAIN), false);
        let error = store.get(&Name::marker(), 1).unwrap_err();
        assert_eq!(error.chain(), "wrapped: do it: the server answered 503");
        let waited = host.elapsed();
        assert!(waited > Duration::from_secs(14 * 60) && waited <= Duration::from_secs(15 * 60));
    }

    #[test]
    fn a_store_that_was_given_up_is_asked_once_until_it_answers() {
        let (store, host) = failing(1000, Some(Trouble::AGAIN), false);
        store.get(&Name::marker(), 1).unwrap_err();
        let waited = waits(&host).len();
        store.delete(&Name::marker()).unwrap_err();
        assert_eq!(waits(&host).len(), waited);
        *store.inner().failures.lock().unwrap() = 0;
        store.delete(&Name::marker()).unwrap();
        *store.inner().failures.lock().unwrap() = 2;
        store.delete(&Name::marker()).unwrap();
        assert_eq!(waits(&host).len(), waited + 2);
    }

    #[test]
    fn a_server_may_ask_for_five_minutes() {
        for (asked, obeyed) in [(7, 7), (3600, 300)] {
            let trouble = Trouble {
                again: true,
                after: Some(Duration::from_secs(asked)),
            };
            let (store, host) = failing(1, Some(trouble), false);
            store.delete(&Name::marker()).unwrap();
            assert_eq!(waits(&host), [obeyed]);
        }
    }

    #[test]
    fn only_what_a_store_marks_is_repeated() {
        for trouble in [None, Some(Trouble::FINAL)] {
            let (store, host) = failing(1, trouble, false);
            store.get_range(&Name::marker(), 0..1).unwrap_err();
            assert!(waits(&host).is_empty());
        }
    }

    #[test]
    fn a_lost_answer_to_an_own_create_is_still_mine() {
        let (store, _) = failing(2, Some(Trouble::AGAIN), true);
        let payload = Payload::new(vec![7; 32]);
        assert_eq!(
            store.put_if_absent(&Name::marker(), &payload).unwrap(),
            Placed::Mine
        );
        let other = Payload::new(vec![8; 32]);
        assert_eq!(
            store.put_if_absent(&Name::marker(), &other).unwrap(),
            Placed::Taken
        );
    }

    #[test]
    fn a_listing_is_passed_on_once() {
        let (store, _) = failing(2, Some(Trouble::AGAIN), true);
        store
            .inner()
            .inner
            .put(&Name::marker(), &Payload::new(vec![1]))
            .unwrap();
        let mut found = 0;
        store
            .list(Folder::Top, &mut |_| {
                found += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(found, 1);
        let stop = || Error::new(Kind::Interrupted, "enough").because(Trouble::AGAIN);
        store.list(Folder::Top, &mut |_| Err(stop())).unwrap_err();
    }

    #[test]
    fn who_never_answered_is_waited_for_less() {
        let (store, host) = failing(1000, Some(Trouble::AGAIN), false);
        let store = store.with_first(Duration::from_secs(10));
        store.get(&Name::marker(), 1).unwrap_err();
        let waited: Duration = host.0.lock().unwrap().iter().sum();
        assert!(waited <= Duration::from_secs(10), "{waited:?}");
    }
}
