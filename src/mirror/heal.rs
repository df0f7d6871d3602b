//! Damaged objects of one mirror replaced: from their parity, else from other mirrors: bytes and names alone, so whoever cannot read them can do it.
//!
//! A replacement must hash to the name. What stands there is read once more before anything is done: where two readings
//! differ, not the disk is to blame. The damaged bytes are kept beside until the replacement has been read back.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::mirror::parity;
use crate::mirror::scrub::{self, bytes_max};
use crate::mirror::set::check_name;
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::store::{Payload, Store};
use std::cell::Cell;
use std::sync::Arc;

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Healed {
    /// Replaced by what this mirror has; in a rehearsal, it would be.
    From(String),
    /// Computed from its parity, on this mirror or another.
    Rebuilt,
    /// It is parity, and was made again from its object, which is whole.
    Anew,
    /// It is parity, and its object is gone.
    Removed,
    /// It is an index run that nobody has, and went: what it says is made again from the packs.
    Remade,
    /// It is a copy of a key slot, made again from the other one or from what this device has.
    Copied,
    /// It is an entry that no commit slot listed any more, and one lists it again.
    Listed,
    /// It would have to be deleted, and nothing is deleted there.
    Stays,
    /// It was whole when it was read again: memory, cable or controller is to blame.
    Unstable,
    /// Nobody gives it back, and this mirror, which may have it, gave no answer.
    Unasked(String),
    /// Its place does not let this user read or replace it.
    Denied,
    /// No other mirror has a good copy, and no parity is enough.
    Left,
}

impl Healed {
    /// Whether all is well there now.
    pub fn is_well(&self) -> bool {
        !matches!(
            self,
            Self::Unstable | Self::Unasked(_) | Self::Left | Self::Stays | Self::Denied
        )
    }
}

/// The other mirrors. One that gives no answer is not asked again.
pub struct Others {
    /// Nearest first, and whether it has fallen silent.
    all: Vec<(Arc<dyn Store>, Cell<bool>)>,
}

impl Others {
    /// These, nearest first.
    pub fn new(stores: impl IntoIterator<Item = Arc<dyn Store>>) -> Self {
        let all = stores.into_iter().map(|store| (store, Cell::new(false)));
        Self { all: all.collect() }
    }

    /// Those that have not fallen silent.
    fn answering(&self) -> impl Iterator<Item = &Arc<dyn Store>> {
        let answering = self.all.iter().filter(|(_, silent)| !silent.get());
        answering.map(|(store, _)| store)
    }

    /// The object from the first that has it with the bytes of its name. What keeps one from answering is told to `monitor`.
    fn ask(&self, name: &Name, monitor: &dyn Monitor) -> Asked {
        let mut asked = Asked::Nobody;
        for (store, silent) in &self.all {
            let unknown = || Asked::Unknown(store.location().to_string());
            if silent.get() {
                asked = unknown();
                continue;
            }
            let whole = |bytes: &[u8]| check_name(&**store, name, bytes).is_ok();
            let mut read = store.get(name, bytes_max(name.folder()));
            // What nobody has is given up for good: one bad reading is not believed.
            let is_bad = match &read {
                Ok(bytes) => !whole(bytes),
                Err(error) => error.kind() == Kind::Damaged,
            };
            if is_bad {
                read = store.get(name, bytes_max(name.folder()));
            }
            match read {
                Ok(bytes) if whole(&bytes) => {
                    return Asked::Given(bytes, store.location().to_string());
                }
                Ok(_) => {}
                Err(error) if error.is_about_the_object() => {}
                Err(error) => {
                    monitor.problem(&error);
                    asked = unknown();
                    silent.set(error.kind() == Kind::Unreachable);
                }
            }
        }
        asked
    }
}

/// What the others say to an object.
enum Asked {
    /// Its bytes, and where they are from.
    Given(Vec<u8>, String),
    /// This one gave no answer.
    Unknown(String),
    /// No one has it whole.
    Nobody,
}

/// Heals one mirror.
pub struct Heal<'a> {
    /// The mirror.
    pub target: &'a dyn Store,
    /// The others.
    pub others: &'a Others,
    /// What this device has a copy of itself; whether it is right is seen by its name.
    pub spare: &'a dyn Fn(&Name) -> Option<Vec<u8>>,
    /// How the names of what is kept beside begin.
    pub tag: &'a str,
    /// Write nothing.
    pub dry_run: bool,
    /// Hears of it.
    pub monitor: &'a dyn Monitor,
}

impl Heal<'_> {
    /// Replaces one object that is missing or damaged.
    ///
    /// # Errors
    /// Those of the target; `Interrupted`. That nobody has a good copy is an answer.
    pub fn object(&self, name: &Name) -> Result<Healed> {
        if self.monitor.interrupted() {
            return Err(Error::new(Kind::Interrupted, "interrupted")
                .hint("run it again: what is healed stays healed"));
        }
        let old = match self.target.get(name, bytes_max(name.folder())) {
            Ok(bytes) if check_name(self.target, name, &bytes).is_ok() => {
                return Ok(Healed::Unstable);
            }
            Ok(bytes) => Some(bytes),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Damaged) => None,
            Err(error) => return Err(error),
        };
        let target = self.target;
        // Read in pieces where it could not be read whole, as with a sector that the disk gives up.
        let again: &[&dyn Store] = if old.is_none() { &[target] } else { &[] };
        if let Ok(bytes) = parity::rebuild(target, name, old.as_deref(), again) {
            return self.rebuilt(name, old, bytes);
        }
        let left = match self.others.ask(name, self.monitor) {
            Asked::Given(bytes, from) => {
                if !self.dry_run {
                    self.replace(name, old, bytes)?;
                }
                return Ok(Healed::From(from));
            }
            Asked::Unknown(other) => Healed::Unasked(other),
            Asked::Nobody => Healed::Left,
        };
        let spare = (self.spare)(name).filter(|bytes| check_name(target, name, bytes).is_ok());
        if let Some(bytes) = spare {
            if !self.dry_run {
                self.replace(name, old, bytes)?;
            }
            return Ok(Healed::From("this device's copy".to_owned()));
        }
        // Nobody has it whole: damage at other places, and parity elsewhere, may still make one whole of many.
        let all = self.others.answering();
        let all: Vec<&dyn Store> = all.map(|other| &**other as _).collect();
        let more = [&[target][..], &all].concat();
        for keeper in more.iter().filter(|_| !all.is_empty()) {
            if let Ok(bytes) = parity::rebuild(*keeper, name, old.as_deref(), &more) {
                return self.rebuilt(name, old, bytes);
            }
        }
        Ok(left)
    }

    fn rebuilt(&self, name: &Name, old: Option<Vec<u8>>, bytes: Vec<u8>) -> Result<Healed> {
        if !self.dry_run {
            self.replace(name, old, bytes)?;
        }
        Ok(Healed::Rebuilt)
    }

    /// Makes damaged parity again from its object; that of an object that is gone goes too. Objects are healed before.
    ///
    /// # Errors
    /// Those of the target.
    pub fn parity(&self, name: &Name, percent: u8) -> Result<Healed> {
        match parity::check(self.target, name) {
            Ok(()) => return Ok(Healed::Unstable),
            Err(error) if error.is_about_the_object() => {}
            Err(error) => return Err(error),
        }
        let mut gone = 0;
        let objects = parity::objects_of(name);
        for object in &objects {
            match self.target.get(object, bytes_max(object.folder())) {
                Ok(bytes) if check_name(self.target, object, &bytes).is_ok() => {
                    if !self.dry_run {
                        drop(bytes);
                        let object = std::slice::from_ref(object);
                        parity::write(&[(self.target, percent)], object, self.monitor)?;
                        scrub::check(self.target, name)?;
                    }
                    return Ok(Healed::Anew);
                }
                Err(error) if error.kind() == Kind::NotFound => gone += 1,
                Ok(_) => {}
                Err(error) if error.is_about_the_object() => {}
                Err(error) => return Err(error),
            }
        }
        if gone < objects.len() {
            return Ok(Healed::Left);
        }
        match self.dry_run || discard(self.target, name)? {
            true => Ok(Healed::Removed),
            false => Ok(Healed::Stays),
        }
    }

    fn replace(&self, name: &Name, old: Option<Vec<u8>>, bytes: Vec<u8>) -> Result<()> {
        // Where nothing is deleted it would stay beside for ever; a put replaces in one step, or not at all.
        let beside = match old.filter(|_| self.target.location().abilities.delete) {
            Some(old) => Some(self.keep_beside(old)?),
            None => None,
        };
        let len = bytes.len() as u64;
        self.target.put(name, &Payload::new(bytes))?;
        let read = self.target.get(name, bytes_max(name.folder()))?;
        check_name(self.target, name, &read)?;
        self.monitor.count(Counter::Bytes, len);
        match beside {
            Some(beside) => discard(self.target, &beside).map(drop),
            None => Ok(()),
        }
    }

    fn keep_beside(&self, old: Vec<u8>) -> Result<Name> {
        let leaf = format!("{}-{}", self.tag, &hash::object_id(&old).to_hex()[..16]);
        let name = Name::new(Folder::Tmp, &leaf).ok_or_else(|| {
            Error::new(
                Kind::Other,
                format!("{leaf} is no name of a temporary object"),
            )
        })?;
        self.target.put(&name, &Payload::new(old))?;
        Ok(name)
    }
}

/// Deletes what nothing needs; whether it is gone. Where nothing is deleted no try is made.
///
/// # Errors
/// Those of the store.
pub fn discard(store: &dyn Store, name: &Name) -> Result<bool> {
    if !store.location().abilities.delete {
        return Ok(false);
    }
    match store.delete(name) {
        Err(error) if error.kind() == Kind::Refused => Ok(false),
        other => other.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Collected;
    use crate::store::faulty::{Counting, Fault, Faulty, Moment};
    use crate::store::memory::MemoryStore;

    fn named(bytes: &[u8]) -> Name {
        Name::hashed(Folder::Packs, &hash::object_id(bytes).to_hex())
    }

    #[test]
    fn only_what_hashes_to_the_name_replaces() {
        let (target, bad, good) = (
            MemoryStore::new("target"),
            MemoryStore::new("bad"),
            MemoryStore::new("good"),
        );
        let name = named(b"right");
        let put = |store: &MemoryStore, bytes: &[u8]| {
            store.put(&name, &Payload::new(bytes.to_vec())).unwrap();
        };
        put(&target, b"wrong");
        put(&bad, b"wrong too");
        let monitor = Collected::default();
        let others = Others::new([Arc::new(bad) as Arc<dyn Store>, Arc::new(good.clone())]);
        let mut heal = Heal {
            target: &target,
            others: &others,
            spare: &|_| None,
            tag: "0a1b2c3d",
            dry_run: true,
            monitor: &monitor,
        };
        assert_eq!(heal.object(&name).unwrap(), Healed::Left);
        put(&good, b"right");
        assert_eq!(heal.object(&name).unwrap(), Healed::From("good".to_owned()));
        assert_eq!(target.get(&name, 99).unwrap(), b"wrong");
        heal.dry_run = false;
        heal.object(&name).unwrap();
        assert_eq!(target.get(&name, 99).unwrap(), b"right");
        assert_eq!(target.contents().len(), 1, "nothing is left beside it");
        assert_eq!(heal.object(&name).unwrap(), Healed::Unstable);
        target.delete(&name).unwrap();
        heal.object(&name).unwrap();
        assert_eq!(target.get(&name, 99).unwrap(), b"right");
    }

    #[test]
    fn who_gives_no_answer_may_have_it_and_is_asked_once() {
        let (target, good) = (MemoryStore::new("target"), MemoryStore::new("good"));
        let names = [named(b"one"), named(b"two")];
        for (name, bytes) in names.iter().zip([b"one", b"two"]) {
            good.put(name, &Payload::new(bytes.to_vec())).unwrap();
        }
        let silent = Arc::new(Faulty::new(good));
        let monitor = Collected::default();
        let others = Others::new([Arc::clone(&silent) as Arc<dyn Store>]);
        let heal = Heal {
            target: &target,
            others: &others,
            spare: &|_| None,
            tag: "0a1b2c3d",
            dry_run: false,
            monitor: &monitor,
        };
        let fail = |kind| {
            silent.plan(Some(Fault {
                at: 0,
                counting: Counting::All,
                moment: Moment::Before,
                for_good: false,
                kind,
            }));
        };
        let unasked = Healed::Unasked("good".to_owned());
        // What is refused is this one object.
        fail(Kind::Refused);
        assert_eq!(heal.object(&names[0]).unwrap(), unasked);
        assert!(heal.object(&names[0]).unwrap().is_well());
        fail(Kind::Unreachable);
        assert_eq!(heal.object(&names[1]).unwrap(), unasked);
        assert_eq!(heal.object(&names[1]).unwrap(), unasked);
        assert_eq!(silent.calls(), 1, "it was asked again");
    }
}
