//! Sound stores pass, and each lie is found.

use crate::error::{Error, Kind, Result};
use crate::host::{FixedHost, Host, Timestamp};
use crate::mirror::probe::races::ROUNDS_MAX;
use crate::mirror::probe::{Probe, probe};
use crate::name::{Folder, Name};
use crate::store::append_only::AppendOnly;
use crate::store::calls::{Call, Counted};
use crate::store::memory::MemoryStore;
use crate::store::{Abilities, Listed, Location, Payload, Placed, Store};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What a store tells that is not true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    /// The condition is accepted and ignored.
    Overwrites,
    /// The first writer's bytes stay and the second is told that they are its own.
    FalseMine,
    /// It looks and then writes, and others do so meanwhile.
    LooksFirst,
    RangesPastTheEnd,
    RangesShifted,
    ListsLate,
    ListsDeleted,
    ReadsLate,
    DeletesNothing,
    TakesNothingLarge,
    Unreachable,
}

struct Lying {
    inner: MemoryStore,
    lie: Lie,
    deleted: Mutex<Vec<Listed>>,
    put: AtomicBool,
}

fn lying(lie: Lie) -> Lying {
    Lying {
        inner: MemoryStore::new("memory"),
        lie,
        deleted: Mutex::default(),
        put: AtomicBool::new(false),
    }
}

impl Store for Lying {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        if self.lie == Lie::ReadsLate && self.put.swap(false, Ordering::Relaxed) {
            return Err(Error::new(Kind::NotFound, "read it"));
        }
        self.inner.get_into(name, len_max, into)
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        match self.lie {
            Lie::RangesPastTheEnd => self
                .inner
                .get_range(name, range)
                .or_else(|_| self.inner.get(name, u64::MAX)),
            Lie::RangesShifted if range.start > 0 => {
                self.inner.get_range(name, range.start - 1..range.end - 1)
            }
            _ => self.inner.get_range(name, range),
        }
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let error = |kind| Err(Error::new(kind, "write it"));
        match self.lie {
            Lie::TakesNothingLarge if payload.len() > 1 << 20 => return error(Kind::Other),
            Lie::Unreachable if payload.len() > 1 << 20 => return error(Kind::Unreachable),
            _ => {}
        }
        self.put.store(true, Ordering::Relaxed);
        self.inner.put(name, payload)
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        match self.lie {
            Lie::Overwrites => self.inner.put(name, payload).map(|()| Placed::Mine),
            Lie::FalseMine => self
                .inner
                .put_if_absent(name, payload)
                .map(|_| Placed::Mine),
            Lie::LooksFirst => {
                if let Ok(found) = self.inner.get(name, u64::MAX) {
                    let mine = found[..] == payload[..];
                    return Ok(if mine { Placed::Mine } else { Placed::Taken });
                }
                std::thread::sleep(Duration::from_millis(5));
                self.inner.put(name, payload).map(|()| Placed::Mine)
            }
            _ => self.inner.put_if_absent(name, payload),
        }
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        if self.lie == Lie::ListsDeleted {
            self.deleted
                .lock()
                .unwrap()
                .clone()
                .into_iter()
                .try_for_each(&mut *each)?;
        }
        let mut skipped = self.lie != Lie::ListsLate;
        self.inner.list(folder, &mut |listed| {
            if skipped {
                each(listed)
            } else {
                skipped = true;
                Ok(())
            }
        })
    }

    fn delete(&self, name: &Name) -> Result<()> {
        if self.lie == Lie::DeletesNothing {
            return Err(Error::new(Kind::Refused, "delete it"));
        }
        let len = self
            .inner
            .get(name, u64::MAX)
            .map_or(0, |bytes| bytes.len() as u64);
        self.deleted.lock().unwrap().push(Listed {
            name: name.clone(),
            len,
        });
        self.inner.delete(name)
    }
}

/// Time goes by in steps of a millisecond for each question.
struct Ticking(FixedHost, AtomicU64);

impl Host for Ticking {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.1.fetch_add(1, Ordering::Relaxed))
    }
    fn sleep(&self, _: Duration) {}
    fn random(&self, into: &mut [u8]) {
        self.0.random(into);
    }
    fn name(&self) -> String {
        self.0.name()
    }
}

fn host() -> Ticking {
    Ticking(FixedHost::new(7), AtomicU64::new(0))
}

fn found(lie: Lie) -> Probe {
    let store = lying(lie);
    let found = probe(&store, &host(), false).unwrap();
    if lie != Lie::DeletesNothing {
        assert!(store.inner.contents().is_empty(), "{lie:?} left something");
    }
    found
}

#[test]
fn a_sound_store_passes() {
    let second = LARGE_RATE;
    let expected = Probe {
        put_if_absent: true,
        against: None,
        rounds: ROUNDS_MAX,
        read_after_write: true,
        list_after_write: true,
        list_after_delete: true,
        ranges: true,
        delete: true,
        delete_tried: true,
        left: 0,
        latency: Duration::from_millis(1),
        upload: Some(second),
        download: Some(second),
        large: None,
        strangers: 0,
    };
    assert_eq!(found(Lie::None), expected);
    let store = lying(Lie::None);
    let quick = probe(&store, &host(), true).unwrap();
    assert_eq!(
        quick,
        Probe {
            rounds: 0,
            upload: None,
            download: None,
            ..expected
        }
    );
    assert!(store.inner.contents().is_empty());
}

/// 40 MiB in a millisecond.
const LARGE_RATE: u64 = (40 << 20) * 1000;

#[test]
fn each_lie_is_found() {
    let sound = found(Lie::None);
    for lie in [Lie::Overwrites, Lie::FalseMine, Lie::LooksFirst] {
        let found = found(lie);
        assert!(!found.put_if_absent && found.against.is_some(), "{lie:?}");
        let rest = Probe {
            put_if_absent: true,
            against: None,
            rounds: ROUNDS_MAX,
            ..found
        };
        assert_eq!(rest, sound, "{lie:?}");
    }
    for lie in [Lie::RangesPastTheEnd, Lie::RangesShifted] {
        assert_eq!(
            found(lie),
            Probe {
                ranges: false,
                ..sound.clone()
            }
        );
    }
    assert_eq!(
        found(Lie::ListsLate),
        Probe {
            list_after_write: false,
            ..sound.clone()
        }
    );
    assert_eq!(
        found(Lie::ListsDeleted),
        Probe {
            list_after_delete: false,
            ..sound.clone()
        }
    );
    assert!(!found(Lie::ReadsLate).read_after_write);
    let refused = found(Lie::DeletesNothing);
    assert!(!refused.delete && !refused.list_after_delete && refused.left > 32);
    let small = found(Lie::TakesNothingLarge);
    assert_eq!(small.large.as_deref(), Some("write it"));
    assert_eq!((small.upload, small.download), (None, None));
}

#[test]
fn no_answer_is_an_error_and_is_cleaned_up_after() {
    let store = lying(Lie::Unreachable);
    let error = probe(&store, &host(), false).unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(store.inner.contents().is_empty());
}

#[test]
fn what_is_not_claimed_is_not_tried() {
    let abilities = Abilities {
        put_if_absent: false,
        delete: true,
        ranges: true,
    };
    let store = MemoryStore::with_abilities("memory", abilities);
    let found = probe(&store, &host(), false).unwrap();
    assert_eq!(
        (found.put_if_absent, found.against, found.rounds),
        (false, None, 0)
    );
}

#[test]
fn where_nothing_is_deleted_no_delete_is_tried_and_little_stays() {
    let store = Counted::new(AppendOnly::new(MemoryStore::new("memory")));
    let found = probe(&store, &host(), false).unwrap();
    assert_eq!(store.count(Call::Delete), 0);
    assert!(!found.delete_tried && !found.facts().1.contains_key("delete"));
    assert!(found.put_if_absent && found.rounds > 0 && found.ranges && found.list_after_write);
    let (left, _) = size(&store);
    assert_eq!(left, found.left);
    assert!(left < 32, "{found:?}");
}

fn size(store: &dyn Store) -> (u64, u64) {
    let (mut objects, mut bytes) = (0, 0);
    let strangers = store.list(Folder::Tmp, &mut |listed| {
        objects += 1;
        bytes += listed.len;
        Ok(())
    });
    assert_eq!(strangers.unwrap(), 0);
    (objects, bytes)
}

#[test]
fn what_a_killed_trial_left_goes_on_one_of_the_next_days() {
    let host = host();
    let today = host.now().seconds / (24 * 3600);
    let store = MemoryStore::new("memory");
    let put = |leaf: String| {
        let name = Name::new(Folder::Tmp, &leaf).unwrap();
        store.put(&name, &Payload::new(vec![1])).unwrap();
    };
    put(format!("probe-{}-xab", today - 2));
    put(format!("probe-{}-xab", today - 1));
    put("0a1b2c3d-0123456789abcdef".to_owned());
    probe(&store, &host, true).unwrap();
    assert_eq!(store.contents().len(), 2);
}
