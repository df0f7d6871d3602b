//! A store of one party at whose calls another party acts, or whose writes get no answer and land when a test says so:
//! with it an interleaving is a function of its test and of nothing else.

use heirloom::error::{Error, Kind, Result};
use heirloom::name::{Folder, Name};
use heirloom::store::calls::Call;
use heirloom::store::{Listed, Location, Payload, Placed, Store};
use std::ops::Range;
use std::sync::{Arc, Mutex};

type Act = Box<dyn FnOnce() + Send>;
/// Which call, of which folder, and how many calls there were before it.
type When = Box<dyn FnMut(Call, Folder, usize) -> bool + Send>;
type Late = Box<dyn FnOnce(&dyn Store) + Send>;

#[derive(Default)]
struct State {
    calls: usize,
    acts: Vec<(When, Act)>,
    held: Option<When>,
    late: Vec<Late>,
    /// Listings that leave something out: by how many listings there were before, what is left out.
    lists: usize,
    short: Vec<usize>,
}

/// Passes everything on.
pub(crate) struct Scheduled {
    inner: Arc<dyn Store>,
    state: Mutex<State>,
}

/// True at call `number` of this sort, counted from 0.
pub(crate) fn nth(call: Call, folder: Folder, number: usize) -> When {
    let mut seen = 0;
    Box::new(move |one, at, _| {
        let hit = one == call && at == folder;
        seen += usize::from(hit);
        hit && seen == number + 1
    })
}

/// True at call `number` of all, counted from 0.
pub(crate) fn number(number: usize) -> When {
    Box::new(move |_, _, calls| calls == number)
}

/// True at write `number`, counted from 0.
pub(crate) fn write(number: usize) -> When {
    let mut seen = 0;
    Box::new(move |call, _, _| {
        seen += usize::from(call.is_mutating());
        call.is_mutating() && seen == number + 1
    })
}

impl Scheduled {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            state: Mutex::default(),
        })
    }

    /// Just before that call, once, this happens.
    pub(crate) fn before(&self, when: When, act: impl FnOnce() + Send + 'static) {
        let act: Act = Box::new(act);
        self.state.lock().unwrap().acts.push((when, act));
    }

    /// What was to happen happens.
    pub(crate) fn now(&self) {
        let acts = std::mem::take(&mut self.state.lock().unwrap().acts);
        for (_, act) in acts {
            act();
        }
    }

    /// That write gets no answer, and has no effect before [`Self::land`].
    pub(crate) fn hold(&self, when: When) {
        self.state.lock().unwrap().held = Some(when);
    }

    /// What was held takes effect; whether anything was.
    pub(crate) fn land(&self) -> bool {
        let late = std::mem::take(&mut self.state.lock().unwrap().late);
        let any = !late.is_empty();
        late.into_iter().for_each(|late| late(&*self.inner));
        any
    }

    /// These listings, counted from 0, are empty, and nobody is told.
    pub(crate) fn shorten(&self, lists: &[usize]) {
        self.state.lock().unwrap().short = lists.to_vec();
    }

    /// How many listings there were.
    pub(crate) fn lists(&self) -> usize {
        self.state.lock().unwrap().lists
    }

    /// Whether all that was planned has happened.
    pub(crate) fn is_done(&self) -> bool {
        self.state.lock().unwrap().acts.is_empty()
    }

    fn count(&self, call: Call, folder: Folder) -> bool {
        let mut state = self.state.lock().unwrap();
        let calls = state.calls;
        state.calls += 1;
        let mut due = Vec::new();
        let mut at = 0;
        while at < state.acts.len() {
            if (state.acts[at].0)(call, folder, calls) {
                due.push(state.acts.remove(at).1);
            } else {
                at += 1;
            }
        }
        let held = state
            .held
            .as_mut()
            .is_some_and(|when| when(call, folder, calls));
        drop(state);
        due.into_iter().for_each(|act| act());
        held
    }

    fn write<T>(
        &self,
        (call, name): (Call, &Name),
        late: impl FnOnce(&dyn Store) + Send + 'static,
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if !self.count(call, name.folder()) {
            return act();
        }
        self.state.lock().unwrap().late.push(Box::new(late));
        Err(Error::new(Kind::Unreachable, format!("{call:?} {name}")).because("no answer"))
    }
}

impl Store for Scheduled {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        self.count(Call::Get, name.folder());
        self.inner.get_into(name, len_max, into)
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        self.count(Call::GetRange, name.folder());
        self.inner.get_range(name, range)
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let (at, bytes) = (name.clone(), payload.clone());
        let late = move |store: &dyn Store| store.put(&at, &bytes).unwrap();
        self.write((Call::Put, name), late, || self.inner.put(name, payload))
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        let (at, bytes) = (name.clone(), payload.clone());
        let late = move |store: &dyn Store| {
            store.put_if_absent(&at, &bytes).unwrap();
        };
        self.write((Call::PutIfAbsent, name), late, || {
            self.inner.put_if_absent(name, payload)
        })
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        self.count(Call::List, folder);
        let short = {
            let mut state = self.state.lock().unwrap();
            state.lists += 1;
            let number = state.lists - 1;
            state.short.contains(&number)
        };
        if short {
            return Ok(0);
        }
        self.inner.list(folder, each)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        let at = name.clone();
        let late = move |store: &dyn Store| store.delete(&at).unwrap();
        self.write((Call::Delete, name), late, || self.inner.delete(name))
    }
}
