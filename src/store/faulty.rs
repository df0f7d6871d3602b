//! A decorator that fails on purpose, and always in the same way for the same seed.
//!
//! A call without an answer may have happened or not; both are tried: the fault comes before the effect or after it,
//! once or from then on. Reads of chosen names can be made to lie by one bit, as cables, controllers and disks do.

use crate::error::{Error, Kind, Result};
use crate::name::{Folder, Name};
use crate::store::calls::Call;
use crate::store::{Listed, Location, Payload, Placed, Store};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which calls count towards the one that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Every call.
    All,
    /// Only those that may change what lies there; no other ever fails.
    Mutating,
}

/// When the fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing has happened.
    Before,
    /// All has happened and the answer is lost.
    After,
}

/// One planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The call that fails, counted from 0.
    pub at: u64,
    /// Which calls count.
    pub counting: Counting,
    /// Before or after the effect.
    pub moment: Moment,
    /// Every counted call from then on fails too, without effect.
    pub for_good: bool,
    /// What the caller is told.
    pub kind: Kind,
}

type Chosen = Box<dyn Fn(&Name) -> bool + Send + Sync>;

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    calls: u64,
    tripped: bool,
    lies: Option<(u64, Chosen)>,
}

/// Passes everything on, until the planned moment.
pub struct Faulty<S> {
    inner: S,
    state: Mutex<State>,
}

impl<S: Store> Faulty<S> {
    /// Sound until told otherwise.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    /// What is decorated.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Plans a fault, or none; counting begins anew.
    pub fn plan(&self, fault: Option<Fault>) {
        let mut state = self.state();
        state.fault = fault;
        state.calls = 0;
        state.tripped = false;
    }

    /// Calls since the plan was made: of the kind that it counts, or all calls without a plan.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Whether the planned fault has come.
    pub fn has_tripped(&self) -> bool {
        self.state().tripped
    }

    /// From now on one bit of each read of the chosen names is wrong, another one each time.
    pub fn lie_about(&self, seed: u64, chosen: impl Fn(&Name) -> bool + Send + Sync + 'static) {
        self.state().lies = Some((seed, Box::new(chosen)));
    }

    /// Reads are true again.
    pub fn lie_no_more(&self) {
        self.state().lies = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one call; the fault, if this is its moment.
    fn count(&self, call: Call) -> Option<(Moment, Kind)> {
        let mut state = self.state();
        let state = &mut *state;
        let counts = |fault: &Fault| fault.counting == Counting::All || call.is_mutating();
        if !state.fault.as_ref().is_none_or(counts) {
            return None;
        }
        let number = state.calls;
        state.calls += 1;
        let fault = state.fault?;
        if number == fault.at {
            state.tripped = true;
            return Some((fault.moment, fault.kind));
        }
        (number > fault.at && fault.for_good).then_some((Moment::Before, fault.kind))
    }

    /// Does `act` under the plan; `what` says what it was when the answer is withheld.
    fn under_plan<T>(
        &self,
        call: Call,
        what: impl FnOnce(&Location) -> String,
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let fault = self.count(call);
        if !matches!(fault, Some((Moment::Before, _))) {
            let answer = act();
            if fault.is_none() || answer.is_err() {
                return answer;
            }
        }
        let kind = fault.map_or(Kind::Other, |(_, kind)| kind);
        Err(Error::new(kind, what(self.location())).because("a planned fault"))
    }

    fn flip(&self, name: &Name, bytes: &mut [u8]) {
        if let Some((seed, chosen)) = &mut self.state().lies
            && chosen(name)
            && !bytes.is_empty()
        {
            // An odd multiplier and increment visit every state: Knuth's MMIX generator, high bits used.
            *seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let bits = bytes.len() as u64 * 8;
            let bit = (*seed >> 24) % bits;
            let byte = usize::try_from(bit / 8).expect("below a length in memory");
            bytes[byte] ^= 1 << (bit % 8);
        }
    }
}

impl<S: Store> Store for Faulty<S> {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        let act = || self.inner.get_into(name, len_max, into);
        self.under_plan(Call::Get, |at| at.reading(name), act)?;
        self.flip(name, into);
        Ok(())
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let act = || self.inner.get_range(name, range);
        let mut bytes = self.under_plan(Call::GetRange, |at| at.reading(name), act)?;
        self.flip(name, &mut bytes);
        Ok(bytes)
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let act = || self.inner.put(name, payload);
        self.under_plan(Call::Put, |at| at.writing(name), act)
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        let act = || self.inner.put_if_absent(name, payload);
        self.under_plan(Call::PutIfAbsent, |at| at.writing(name), act)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        let act = || self.inner.list(folder, each);
        self.under_plan(Call::List, |at| at.listing(folder), act)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        let act = || self.inner.delete(name);
        self.under_plan(Call::Delete, |at| at.deleting(name), act)
    }
    fn sweep(&self) -> Result<()> {
        self.inner.sweep()
    }
}
