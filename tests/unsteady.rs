//! A machine that reads wrong now and then: one bad reading is told as such, and is no damage.

use crate::client::TestHost;
use crate::several::{World, of};
use crate::world::describe;
use heirloom::monitor::Collected;
use heirloom::name::Folder;
use heirloom::ops::verify::{self, Level};
use heirloom::repo::look::Look;
use heirloom::store::faulty::Faulty;
use heirloom::store::memory::MemoryStore;
use heirloom::store::{Payload, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

/// The same objects at another address, near or far as that says.
fn copied(from: &MemoryStore, address: &str) -> MemoryStore {
    let copy = MemoryStore::new(address);
    for (name, bytes) in from.contents() {
        copy.put(&name, &Payload::new(bytes)).unwrap();
    }
    copy
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
            let flaky = Arc::new(Faulty::new(copied(&world.stores[0], address)));
            let mut client = world.stranger(Arc::<Faulty<_>>::clone(&flaky));
            client.host = TestHost::new(500, "reader");
            let monitor = Collected::default();
            let repo = client.open_heard(&monitor).unwrap();
            let look = Look::at(&repo, &monitor).unwrap();
            // How many readings there are until one is wrong.
            let left = Arc::new(AtomicIsize::new(at));
            let counted = Arc::clone(&left);
            let is_next = move || counted.fetch_sub(1, Ordering::Relaxed) == 1;
            flaky.lie_about(at.unsigned_abs() as u64, move |_| is_next());
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
            if left.load(Ordering::Relaxed) > 0 {
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
    let far = |at: usize| copied(&world.stores[at], &format!("sftp://{at}"));
    let damaged = far(0);
    for name in of(&damaged, Folder::Packs) {
        let flip = |bytes: &mut Vec<u8>| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        };
        assert!(damaged.change(&name, flip));
    }
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
