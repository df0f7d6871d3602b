//! A machine that reads wrong now and then: one bad reading is told as such, and is no damage.

use crate::client::TestHost;
use crate::several::World;
use crate::world::describe;
use heirloom::error::Result;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::verify::{self, Level};
use heirloom::repo::look::Look;
use heirloom::store::memory::MemoryStore;
use heirloom::store::{Listed, Location, Payload, Placed, Store};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

/// One bit of one answer is wrong, or one of each pack's.
struct Flaky {
    inner: MemoryStore,
    location: Location,
    is_damaged: bool,
    /// How many readings there are until then.
    left: AtomicIsize,
}

impl Flaky {
    /// As near or as far as its address says.
    fn at(address: &str, inner: &MemoryStore) -> Self {
        let location = Location {
            address: address.to_owned(),
            abilities: inner.location().abilities,
        };
        Self {
            inner: inner.clone(),
            location,
            is_damaged: false,
            left: AtomicIsize::new(0),
        }
    }

    fn hurt(&self, name: &Name, bytes: &mut [u8]) {
        let is_damaged = self.is_damaged && name.folder() == Folder::Packs;
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 || is_damaged {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
    }
}

impl Store for Flaky {
    fn location(&self) -> &Location {
        &self.location
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        self.inner.get_into(name, len_max, into)?;
        self.hurt(name, into);
        Ok(())
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let mut bytes = self.inner.get_range(name, range)?;
        self.hurt(name, &mut bytes);
        Ok(bytes)
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
fn one_bad_reading_is_no_damage_and_is_told() {
    let mut world = World::new();
    world.change(1);
    world.backup(&[0]);
    world.change(2);
    world.backup(&[0]);
    let mut told = 0;
    let levels = [Level::Structure, Level::Stored, Level::Content];
    let far = [Level::Structure].map(|level| ("sftp://far", level));
    for (address, level) in levels.map(|level| ("near", level)).into_iter().chain(far) {
        for at in 1.. {
            let flaky = Arc::new(Flaky::at(address, &world.stores[0]));
            let mut client = world.stranger(Arc::<Flaky>::clone(&flaky));
            client.host = TestHost::new(500, "reader");
            let monitor = Collected::default();
            let repo = client.open_heard(&monitor).unwrap();
            let look = Look::at(&repo, &monitor).unwrap();
            flaky.left.store(at, Ordering::Relaxed);
            let options = verify::Options { level, workers: 1 };
            let report = verify::run(&look, &options, &monitor).unwrap();
            let what = format!(
                "{address}, {level:?}, reading {at}: {:?}",
                monitor.problems()
            );
            assert!(
                report.is_sound(),
                "{what}: {:?} {:?}",
                report.damaged,
                report.losses
            );
            told += report.unsteady.len();
            assert_eq!(report.unsteady.len(), monitor.problems().len(), "{what}");
            if flaky.left.load(Ordering::Relaxed) > 0 {
                break;
            }
        }
    }
    assert!(told > 30, "{told}");
}

#[test]
fn what_one_far_mirror_has_damaged_is_read_from_the_next() {
    let mut world = World::new();
    world.change(1);
    let snapshot = world.backup(&[0, 1]);
    let far = |at: usize| Flaky::at(&format!("sftp://{at}"), &world.stores[at]);
    let damaged = Flaky {
        is_damaged: true,
        ..far(0)
    };
    let stores: [Arc<dyn Store>; 2] = [Arc::new(damaged), Arc::new(far(1))];
    let places = ["one", "two"].map(str::to_owned).into_iter().zip(stores);
    let monitor = Collected::default();
    let client = world.stranger(Arc::new(far(1)));
    let mirrors = client.open_all(&places.collect(), &monitor).unwrap();
    let look = Look::at(&mirrors.whole, &monitor).unwrap();
    let root = look.chains.snapshots()[0].2.tree;
    let target = world.home.path().join("target");
    client.restore(&look.loader, root, &world.job.path, &target);
    assert!(world.snapshots[&snapshot] == describe(&target));
}
