//! What deletion leaves behind, and what must not stay: index runs, slots of what has gone, marks that are done.

use crate::client::{Client, TestHost};
use crate::several::{World, of};
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::prune::plan::Limits;
use heirloom::ops::prune::{self, Options};
use heirloom::repo::Writer;
use heirloom::repo::publish::Session;
use heirloom::store::{Payload, Store};
use std::collections::BTreeSet;
use std::time::Duration;

const BOTH: [usize; 2] = [0, 1];

fn options(unused: u64, rewrite: u64) -> Options {
    Options {
        limits: Limits { unused, rewrite },
        grace: 0,
        expiry: 86_400,
        wait: Duration::ZERO,
        end_dead: false,
        clock_ok: true,
    }
}

/// One that writes nothing anew.
fn lenient() -> Options {
    options(100, 0)
}

fn prune(world: &World, client: &Client) -> (prune::Report, Vec<String>) {
    prune_by(world, client, &options(0, u64::MAX))
}

fn prune_by(world: &World, client: &Client, options: &Options) -> (prune::Report, Vec<String>) {
    let monitor = Collected::default();
    let report = client.prune(&world.places(&BOTH), options, &monitor);
    let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
    (report, monitor.problems())
}

#[track_caller]
fn prune_well(world: &World) -> prune::Report {
    let (report, problems) = prune(world, &world.client);
    assert_eq!(problems, Vec::<String>::new());
    for (name, done) in &report.mirrors {
        let done = done.as_ref();
        let done = done.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
        assert_eq!((&done.waits, done.carried.lost), (&vec![], 0), "{name}");
    }
    report
}

/// So many snapshots, each with an index run of its own.
fn world(snapshots: u64, on: &[usize]) -> (World, Vec<Id>) {
    let mut world = World::new();
    let mut all = Vec::new();
    for number in 1..=snapshots {
        world.change(number);
        all.push(world.backup(on));
    }
    (world, all)
}

fn forget(world: &mut World, gone: &[Id]) {
    world.client.forget(&world.places(&BOTH), gone).unwrap();
    for id in gone {
        world.snapshots.remove(id);
    }
}

fn runs(world: &World, at: usize) -> BTreeSet<Name> {
    of(&world.stores[at], Folder::Index).into_iter().collect()
}

#[test]
fn many_small_runs_become_one_that_is_the_same_everywhere_and_they_do_not_come_back() {
    let (world, _) = world(70, &BOTH);
    let old = world.stores[1].clone();
    let before: Vec<(Name, Vec<u8>)> = old
        .contents()
        .into_iter()
        .filter(|(name, _)| name.folder() == Folder::Index)
        .collect();
    assert!(before.len() >= 70);
    let packs = of(&world.stores[0], Folder::Packs);
    // Nothing may be written anew, so that the packs stay as many as they are.
    prune_by(&world, &world.client, &lenient());
    assert_eq!(of(&world.stores[0], Folder::Packs), packs);
    assert_eq!(runs(&world, 0), runs(&world, 1));
    assert_eq!(runs(&world, 0).len(), 1);
    // What another mirror still has of the small ones is said again already.
    for (name, bytes) in before {
        world.stores[1].put(&name, &Payload::new(bytes)).unwrap();
    }
    let merged = runs(&world, 0);
    world.sync(&BOTH);
    assert_eq!(runs(&world, 0), merged);
    prune_by(&world, &world.client, &lenient());
    assert_eq!(runs(&world, 1), merged);
    world.assert_whole(0, "with one run");
    // Many small packs become few, which have a run on each mirror.
    prune_well(&world);
    assert!(of(&world.stores[0], Folder::Packs).len() < packs.len());
    assert_eq!(runs(&world, 0), runs(&world, 1));
    assert!((1..3).contains(&runs(&world, 0).len()));
    for at in BOTH {
        world.assert_whole(at, "with one run");
    }
}

#[test]
fn what_a_run_knows_of_a_lost_pack_stays_known() {
    let (mut world, all) = world(70, &[0]);
    let packs = of(&world.stores[0], Folder::Packs);
    forget_on_first(&mut world, &all[..1]);
    let lost = packs
        .iter()
        .max_by_key(|name| world.stores[0].contents()[*name].len());
    let lost = lost.unwrap().clone();
    world.stores[0].delete(&lost).unwrap();
    let client = world.stranger(world.places(&[0])[0].1.clone());
    let monitor = Collected::default();
    drop(client.prune(&world.places(&[0]), &lenient(), &monitor));
    // That of the lost pack and one of all the others.
    assert_eq!(runs(&world, 0).len(), 2);
    let look = world.device().look_all(&world.places(&[0]));
    let missing: Vec<String> = look.index.missing().iter().map(Id::to_hex).collect();
    assert_eq!(missing, [lost.leaf()], "nobody knows of it any more");
}

fn forget_on_first(world: &mut World, gone: &[Id]) {
    world.client.forget(&world.places(&[0]), gone).unwrap();
    for id in gone {
        world.snapshots.remove(id);
    }
}

#[test]
fn a_mark_that_is_done_keeps_nobody_and_a_slot_left_by_a_dead_prune_goes() {
    let (mut world, all) = world(4, &BOTH);
    forget(&mut world, &all[1..2]);
    let slots = |world: &World| of(&world.stores[0], Folder::Commits).len();
    let before = slots(&world);
    let kept: Vec<(Name, Vec<u8>)> = world.stores[0]
        .contents()
        .into_iter()
        .filter(|(name, _)| name.folder() == Folder::Commits)
        .collect();
    let report = prune_well(&world);
    assert_eq!(report.plan.entries.len(), 1);
    assert_eq!(slots(&world), before - 1);
    // As if the prune had died between entry and slot.
    for (name, bytes) in kept {
        world.stores[0].put(&name, &Payload::new(bytes)).unwrap();
    }
    let host: std::sync::Arc<dyn heirloom::host::Host> = TestHost::new(500, "other");
    let repo = world.device().open().unwrap();
    let writer = Writer {
        device: [9; 16],
        started_ns: 1,
    };
    let late = Session::begin(&repo, &host, writer, "backup").unwrap();
    // It knows the old mark; the one that comes now it does not know, and it is waited for.
    late.end(&Collected::default());
    forget(&mut world, &all[2..3]);
    prune_well(&world);
    assert_eq!(
        slots(&world),
        before + 1 - 2,
        "of a forget, and without two"
    );
    assert!(prune_well(&world).plan.is_nothing());
    for at in BOTH {
        world.assert_whole(at, "tidied");
    }
}

#[test]
fn a_session_that_began_before_a_mark_that_is_done_is_not_waited_for() {
    let (mut world, all) = world(3, &BOTH);
    forget(&mut world, &all[..1]);
    prune_well(&world);
    // An intent that names no mark at all, as of a session that began before the first.
    let host: std::sync::Arc<dyn heirloom::host::Host> = TestHost::new(600, "other");
    let marks = of(&world.stores[0], Folder::Marks);
    let bytes: Vec<_> = marks
        .iter()
        .map(|name| (name.clone(), world.stores[0].contents()[name].clone()))
        .collect();
    for (name, _) in &bytes {
        world.stores[0].delete(name).unwrap();
    }
    let repo = world.device().open().unwrap();
    let writer = Writer {
        device: [9; 16],
        started_ns: 1,
    };
    let late = Session::begin(&repo, &host, writer, "backup").unwrap();
    for (name, bytes) in bytes {
        world.stores[0].put(&name, &Payload::new(bytes)).unwrap();
    }
    prune_well(&world);
    late.end(&Collected::default());
}

#[test]
fn a_pack_that_comes_damaged_is_told_and_costs_the_mirror_only_what_lies_in_it() {
    let (mut world, all) = world(2, &BOTH);
    forget(&mut world, &all[..1]);
    // The second mirror was away for a prune, and the first has damaged what it has written anew.
    let before: BTreeSet<Name> = of(&world.stores[0], Folder::Packs).into_iter().collect();
    let alone = (world.places(&[0]), Collected::default());
    let pruned = world
        .client
        .prune(&alone.0, &options(0, u64::MAX), &alone.1);
    assert!(pruned.unwrap().plan.moving_bytes > 0);
    let after: BTreeSet<Name> = of(&world.stores[0], Folder::Packs).into_iter().collect();
    let fresh: Vec<&Name> = after.difference(&before).collect();
    let contents = world.stores[0].contents();
    let data = fresh
        .iter()
        .max_by_key(|name| contents[**name].len())
        .unwrap();
    let mut bytes = contents[*data].clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    world.stores[0].put(data, &Payload::new(bytes)).unwrap();
    let (report, problems) = prune(&world, &world.client);
    assert!(!problems.is_empty());
    for (name, done) in &report.mirrors {
        assert!(done.is_ok(), "{name}: {done:?}");
    }
    world.assert_whole(1, "beside a damaged one");
}

#[test]
fn what_a_mark_names_can_be_read_as_long_as_it_is_there_with_no_index_run() {
    let (mut world, all) = world(2, &BOTH);
    world.client.forget(&world.places(&[0]), &all[..1]).unwrap();
    let monitor = Collected::default();
    let pruned = world
        .client
        .prune(&world.places(&[0]), &options(0, u64::MAX), &monitor);
    assert!(!pruned.unwrap().plan.is_nothing());
    // The mark has come to a mirror on which nobody has forgotten anything.
    for name in of(&world.stores[0], Folder::Marks) {
        let bytes = world.stores[0].contents()[&name].clone();
        world.stores[1].put(&name, &Payload::new(bytes)).unwrap();
    }
    for name in runs(&world, 1) {
        world.stores[1].delete(&name).unwrap();
    }
    let shown = world.assert_whole(1, "marked, without an index run");
    assert!(shown.contains(&all[0]));
    // And it comes to the other mirror from there, under other names.
    world.change(3);
    world.backup(&[1]);
}

#[test]
fn of_blobs_that_lie_twice_one_copy_goes_and_nothing_is_called_damaged() {
    for more in 0..4 {
        let (mut world, all) = world(3 + more, &BOTH);
        let old: Vec<(Name, Vec<u8>)> = world.stores[0]
            .contents()
            .into_iter()
            .filter(|(name, _)| matches!(name.folder(), Folder::Packs | Folder::Index))
            .collect();
        forget(&mut world, &all[1..2]);
        prune_well(&world);
        // As if the prune had been killed before its mark: the old packs are there, and the new ones.
        for at in BOTH {
            for name in of(&world.stores[at], Folder::Marks) {
                world.stores[at].delete(&name).unwrap();
            }
            for (name, bytes) in &old {
                let payload = Payload::new(bytes.clone());
                world.stores[at].put(name, &payload).unwrap();
            }
        }
        let other = world.device();
        let (report, problems) = prune(&world, &other);
        assert_eq!(problems, Vec::<String>::new(), "{more}");
        for (name, done) in &report.mirrors {
            let kept = done.as_ref().map(|done| done.carried.kept.len());
            assert_eq!(kept.ok(), Some(0), "{more}, {name}");
        }
        for at in BOTH {
            world.assert_whole(at, "once more");
        }
    }
}
