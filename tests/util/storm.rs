//! A store in bad weather, by the dice of one seed: calls fail before or after their effect, writes without an answer
//! land calls later, lists come back short, what was just written is not found yet, reads lie by one bit, and the
//! program dies at a call.
//!
//! What was acknowledged is there, for ever: whoever looks when the weather has cleared finds it.

use crate::client::Dice;
use crate::util::say;
use heirloom::error::{Error, Kind, Result};
use heirloom::name::{Folder, Name};
use heirloom::store::memory::MemoryStore;
use heirloom::store::{Listed, Location, Payload, Placed, Store};
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// Calls that the program still makes on all stores together before it dies.
pub(crate) type Life = Arc<AtomicI64>;

/// A write that nobody was told of.
enum Late {
    Put(Name, Payload),
    PutIfAbsent(Name, Payload),
    Delete(Name),
}

struct State {
    dice: Dice,
    /// One call in so many goes wrong; in fair weather none does.
    one_in: Option<usize>,
    late: Vec<(usize, Late)>,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Well,
    Fails,
    LosesTheAnswer,
    Late(usize),
    Lies(u64),
}

pub(crate) struct Storm {
    pub(crate) inner: MemoryStore,
    state: Mutex<State>,
    life: Life,
}

impl Storm {
    pub(crate) fn new(inner: MemoryStore, seed: u64, life: &Life) -> Self {
        let state = State {
            dice: Dice(seed),
            one_in: None,
            late: Vec::new(),
        };
        Self {
            inner,
            state: Mutex::new(state),
            life: Arc::clone(life),
        }
    }

    /// From now on one call in so many goes wrong.
    pub(crate) fn rage(&self, one_in: Option<usize>) {
        self.state.lock().unwrap().one_in = one_in;
    }

    /// Everything that was on its way lands, and the weather clears.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock().unwrap();
        state.one_in = None;
        let late = std::mem::take(&mut state.late);
        drop(state);
        late.into_iter().for_each(|(_, late)| self.land(late));
    }

    fn land(&self, late: Late) {
        match late {
            Late::Put(name, payload) => self.inner.put(&name, &payload).unwrap(),
            Late::PutIfAbsent(name, payload) => {
                self.inner.put_if_absent(&name, &payload).unwrap();
            }
            Late::Delete(name) => self.inner.delete(&name).unwrap(),
        }
    }

    fn fate(&self) -> Fate {
        let mut state = self.state.lock().unwrap();
        let mut due = Vec::new();
        for at in (0..state.late.len()).rev() {
            match state.late[at].0 {
                0 => due.push(state.late.remove(at).1),
                _ => state.late[at].0 -= 1,
            }
        }
        let dice = &mut state.dice;
        let (sort, detail) = (dice.below(5), dice.roll());
        let left = self.life.fetch_sub(1, Ordering::Relaxed);
        let fate = match (left, state.one_in) {
            (..0, _) => Fate::Fails,
            (0, _) => [Fate::Fails, Fate::LosesTheAnswer, Fate::Late(20)][sort % 3],
            (_, Some(one_in)) if state.dice.once_in(one_in) => match sort {
                0 => Fate::Fails,
                1 => Fate::LosesTheAnswer,
                2 => Fate::Late(usize::try_from(detail % 60).unwrap()),
                _ => Fate::Lies(detail),
            },
            _ => Fate::Well,
        };
        drop(state);
        due.into_iter().for_each(|late| self.land(late));
        fate
    }

    fn no_answer(&self, what: String) -> Error {
        Error::new(Kind::Unreachable, what).because("bad weather")
    }

    fn read(&self, name: &Name, act: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
        let what = || self.location().reading(name);
        match self.fate() {
            Fate::Well => act(),
            Fate::Lies(detail) if detail % 2 == 0 => {
                say(&format!("{}: not found", what()));
                Err(Error::new(Kind::NotFound, what()))
            }
            Fate::Lies(detail) => {
                say(&format!("{}: one bit", what()));
                let mut bytes = act()?;
                let bits = bytes.len() as u64 * 8;
                if let Some(bit) = (detail >> 1).checked_rem(bits) {
                    bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
                }
                Ok(bytes)
            }
            _ => Err(self.no_answer(what())),
        }
    }

    fn write<T>(&self, late: Late, what: String, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let fate = self.fate();
        if std::env::var_os("HEIRLOOM_SEED").is_some() {
            say(&format!("{what}: {fate:?}"));
        }
        match fate {
            Fate::Well | Fate::Lies(_) => return act(),
            Fate::LosesTheAnswer => drop(act()?),
            Fate::Late(calls) => self.state.lock().unwrap().late.push((calls, late)),
            Fate::Fails => {}
        }
        Err(self.no_answer(what))
    }
}

impl Store for Storm {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        *into = self.read(name, || self.inner.get(name, len_max))?;
        Ok(())
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        self.read(name, || self.inner.get_range(name, range))
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let late = Late::Put(name.clone(), payload.clone());
        let what = self.location().writing(name);
        self.write(late, what, || self.inner.put(name, payload))
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        let late = Late::PutIfAbsent(name.clone(), payload.clone());
        let what = self.location().writing(name);
        self.write(late, what, || self.inner.put_if_absent(name, payload))
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        match self.fate() {
            Fate::Well => self.inner.list(folder, each),
            Fate::Lies(detail) => {
                let mut dice = Dice(detail);
                say(&format!("{}: short", self.location().listing(folder)));
                self.inner
                    .list(folder, &mut |listed| match dice.once_in(3) {
                        true => Ok(()),
                        false => each(listed),
                    })
            }
            _ => Err(self.no_answer(self.location().listing(folder))),
        }
    }

    fn delete(&self, name: &Name) -> Result<()> {
        let what = self.location().deleting(name);
        self.write(Late::Delete(name.clone()), what, || self.inner.delete(name))
    }
}
