//! What is read for hours while another device prunes: nothing that lives may be told to be lost.

use crate::client::Client;
use crate::schedule::{Scheduled, number};
use crate::several::{World, at_once};
use crate::world::describe;
use heirloom::error::Kind;
use heirloom::format::BlobKind;
use heirloom::id::Id;
use heirloom::mirror::scrub;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::verify::Level;
use heirloom::repo::look::Look;
use heirloom::store::Store;
use std::fs;
use std::sync::Arc;

/// Three snapshots on the first mirror, and what just before one of the calls is done there: the second is forgotten, and all
/// that it does not share with others goes.
struct Beside {
    world: World,
    gate: Arc<Scheduled>,
    kept: Vec<Id>,
}

impl Beside {
    fn new(at: usize) -> Self {
        let mut world = World::new();
        let mut made = Vec::new();
        for number in 1..4 {
            world.change(number);
            made.push(world.backup(&[0]));
        }
        let gate = Scheduled::new(Arc::new(world.stores[0].clone()));
        let (other, places) = (world.device(), world.places(&[0]));
        let gone = made.remove(1);
        gate.before(number(at), move || {
            other.forget(&places, &[gone]).unwrap();
            let pruned = other.prune(&places, &at_once(), &Collected::default());
            assert!(pruned.unwrap().plan.moving_bytes > 0);
        });
        Self {
            world,
            gate,
            kept: made,
        }
    }

    /// A device that has never seen the repository, on the mirror on which it happens.
    fn reader(&self) -> Client {
        let store: Arc<dyn Store> = Arc::<Scheduled>::clone(&self.gate);
        self.world.stranger(store)
    }
}

#[test]
fn a_restore_beside_a_prune_finds_what_has_moved() {
    for at in 0.. {
        let beside = Beside::new(at);
        let reader = beside.reader();
        let monitor = Collected::default();
        let repo = reader.open_heard(&monitor).unwrap();
        let look = Look::at(&repo, &monitor).unwrap();
        for id in &beside.kept {
            let target = beside.world.home.path().join(id.short());
            let mut shown = look.chains.snapshots().into_iter();
            let root = shown.find(|(shown, ..)| shown == id).unwrap().2.tree;
            reader.restore(&look.loader, root, &beside.world.job.path, &target);
            let tree = describe(&target);
            assert!(
                beside.world.snapshots[id] == tree,
                "call {at}: {}",
                id.short()
            );
            fs::remove_dir_all(&target).unwrap();
        }
        assert_eq!(monitor.problems(), Vec::<String>::new(), "call {at}");
        if !beside.gate.is_done() {
            assert!(at > 20, "only {at} calls");
            break;
        }
    }
}

#[test]
fn a_verify_beside_a_prune_takes_nothing_that_went_for_lost() {
    for level in [Level::Structure, Level::Content] {
        for at in 0.. {
            let beside = Beside::new(at);
            let (report, problems) = beside.reader().verify(level);
            let what = format!(
                "{level:?}, call {at}: {:?} {:?}",
                report.damaged, report.losses
            );
            assert!(report.is_sound(), "{what}");
            assert_eq!(problems, Vec::<String>::new(), "{what}");
            if !beside.gate.is_done() {
                assert!(at > 20, "only {at} calls");
                break;
            }
        }
    }
}

#[test]
fn what_is_lost_does_not_keep_a_reader_from_seeing_what_moves() {
    // No call has this number: what happens beside happens here, where many have asked in vain.
    let beside = Beside::new(usize::MAX);
    let reader = beside.reader();
    let monitor = Collected::default();
    let repo = reader.open_heard(&monitor).unwrap();
    let look = Look::at(&repo, &monitor).unwrap();
    for number in 0..40 {
        let nowhere = Id::new([number; 32]);
        let loaded = look.loader.load(BlobKind::Chunk, &nowhere);
        assert_eq!(loaded.unwrap_err().kind(), Kind::Damaged);
    }
    beside.gate.now();
    for id in &beside.kept {
        let mut shown = look.chains.snapshots().into_iter();
        let root = shown.find(|(shown, ..)| shown == id).unwrap().2.tree;
        let target = beside.world.home.path().join(id.short());
        reader.restore(&look.loader, root, &beside.world.job.path, &target);
        assert!(beside.world.snapshots[id] == describe(&target));
    }
}

#[test]
fn what_goes_while_it_is_verified_and_no_prune_let_go_is_lost() {
    let mut lost = 0;
    for at in 0.. {
        let mut world = World::new();
        world.change(1);
        let first = world.backup(&[0]);
        let store = world.stores[0].clone();
        let gate = Scheduled::new(Arc::new(store.clone()));
        // Its entry too, as if it had been purged.
        gate.before(number(at), move || {
            for folder in [Folder::Packs, Folder::Entries] {
                let of = |name: &Name| name.folder() == folder;
                for name in store.contents().into_keys().filter(of) {
                    store.delete(&name).unwrap();
                }
            }
        });
        let (report, _) = world
            .stranger(Arc::<Scheduled>::clone(&gate))
            .verify(Level::Content);
        if gate.is_done() && report.snapshots > 0 {
            let packs = report.damaged.iter();
            let packs = packs.filter(|damage| damage.name.folder() == Folder::Packs);
            let (packs, losses) = (packs.count(), report.losses.len());
            assert!(
                packs == 0 || losses > 0,
                "call {at}, {}: {packs} {losses}",
                first.short()
            );
            lost += losses;
        }
        if !gate.is_done() {
            break;
        }
    }
    assert!(lost > 10, "{lost}");
}

#[test]
fn what_goes_while_objects_are_compared_with_their_names_is_no_damage() {
    for at in 0.. {
        let mut world = World::new();
        world.change(1);
        world.backup(&[0]);
        let store = world.stores[0].clone();
        let gate = Scheduled::new(Arc::new(store.clone()));
        gate.before(number(at), move || {
            let of = |name: &Name| name.folder() == Folder::Index;
            for name in store.contents().into_keys().filter(of) {
                store.delete(&name).unwrap();
            }
        });
        let scrubbed = scrub::run(&*gate, 1, &Collected::default()).unwrap();
        assert!(
            scrubbed.damaged.is_empty(),
            "call {at}: {:?}",
            scrubbed.damaged
        );
        if !gate.is_done() {
            break;
        }
    }
}
