//! One repository on several mirrors, over stores in memory: a run leaves the same on all, a mirror that fails harms no
//! other, and a sync makes them equal again whatever happened meanwhile.

use crate::client::{Client, TestHost, data_packs};
use crate::several::{NAMES, Objects, World, copy, failed, of};
use crate::world::{describe, noise};
use heirloom::crypto::hash;
use heirloom::error::Kind;
use heirloom::format::chain::{Entry, What};
use heirloom::host::Host;
use heirloom::id::Id;
use heirloom::limits::COMMIT_ENTRIES_MAX;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::repo::Writer;
use heirloom::repo::heads::Finding;
use heirloom::repo::publish::{Outcome, Session};
use heirloom::store::faulty::{Counting, Fault, Moment};
use heirloom::store::memory::MemoryStore;
use heirloom::store::{Payload, Store};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_backup_leaves_the_same_on_every_mirror() {
    let mut world = World::with_snapshot();
    let second = world.backup(&[0, 1, 2]);
    let shown = world.assert_equal(&[0, 1, 2], "two backups");
    assert!(shown.len() == 2 && shown.contains(&second));
    let slots: BTreeSet<_> = (0..3)
        .flat_map(|at| of(&world.stores[at], Folder::Commits))
        .collect();
    assert_eq!(
        slots.len(),
        6,
        "each mirror decides each session by a slot of its own"
    );
    for store in &world.stores {
        assert_eq!(of(store, Folder::Intents).len(), 0);
    }
    assert_eq!(world.sync(&[0, 1, 2]), [0, 0, 0]);
}

/// Lets call after call of mirror `at` fail in a backup to all three: for good before it has an effect, or once after it.
fn fail_each_call_of(at: usize) {
    let world = World::with_snapshot();
    let kept = world.keep();
    for (moment, for_good) in [(Moment::Before, true), (Moment::After, false)] {
        for number in 0.. {
            let what = format!("call {number} of {} ({moment:?})", NAMES[at]);
            world.put_back(&kept);
            let fault = Fault {
                at: number,
                counting: Counting::All,
                moment,
                for_good,
                kind: Kind::Unreachable,
            };
            world.faulty[at].plan(Some(fault));
            let (report, _) = world.try_backup(&world.client, &[0, 1, 2]);
            let tripped = world.faulty[at].has_tripped();
            world.faulty[at].plan(None);
            let mut names: Vec<_> = report.mirrors.iter().map(|kept| &*kept.name).collect();
            names.sort_unstable();
            assert_eq!(names, ["one", "three", "two"], "{what}");
            let failed = failed(&report);
            // What follows reads from the leader, so its failure may be theirs.
            let blamed = |(name, kind): &(&str, Kind)| {
                *kind == Kind::Unreachable && (at == 0 || *name == NAMES[at])
            };
            assert!(
                failed.len() < 3 && failed.iter().all(blamed),
                "{what}: {:?}",
                report.mirrors
            );
            let snapshot = report.snapshot.unwrap();
            for (other, name) in NAMES.iter().enumerate() {
                let has = !failed.iter().any(|(failed, _)| failed == name);
                let shown = world.assert_whole(other, &what);
                assert!(!has || shown.contains(&snapshot), "{what}");
            }
            world.sync(&[0, 1, 2]);
            // What a leader that failed has left lies on some of them: packs and an entry that nothing shows.
            let shown = world.stores.iter().map(|store| {
                let store = Arc::new(store.clone());
                world.client.with_store(store).snapshots()
            });
            assert_eq!(shown.collect::<BTreeSet<_>>().len(), 1, "{what}");
            assert!(world.assert_whole(at, &what).contains(&snapshot), "{what}");
            if !tripped {
                assert!(
                    number > 10 && failed.is_empty(),
                    "{what}: there must be something to fail"
                );
                break;
            }
        }
    }
}

#[test]
fn a_mirror_that_fails_at_any_call_harms_no_other() {
    fail_each_call_of(1);
}

#[test]
fn where_the_leader_fails_at_any_call_another_one_leads() {
    fail_each_call_of(0);
}

#[test]
fn r5_months_apart_are_no_alarm_and_are_made_up_for_in_both_directions() {
    let mut world = World::with_snapshot();
    let other = world.device();
    for round in 0..4 {
        world.change(10 + 2 * round);
        world.backup(&[0]);
        world.change(11 + 2 * round);
        world.backup_by(&other, &[1]);
    }
    for client in [&world.client, &other] {
        for (name, findings) in client.judge_all(&world.places(&[0, 1, 2])).unwrap() {
            assert_eq!(findings, [], "{name} lags behind, and nothing is wrong");
        }
    }
    assert_eq!(world.sync(&[0, 1, 2]), [4, 4, 8]);
    let shown = world.assert_equal(&[0, 1, 2], "after months");
    assert_eq!(shown, world.snapshots.keys().copied().collect());
    assert_eq!(shown.len(), 9);
    let before = world.stores.iter().map(MemoryStore::contents);
    let before: Vec<_> = before.collect();
    let (synced, problems) = world.try_sync(&[0, 1, 2]);
    assert_eq!(problems, Vec::<String>::new());
    assert!(
        synced
            .iter()
            .all(|(_, report)| report.as_ref().unwrap().is_nothing())
    );
    let after = world.stores.iter().map(MemoryStore::contents);
    assert!(
        before == after.collect::<Vec<_>>(),
        "a second sync puts nothing"
    );
}

/// Changes one byte in the middle.
fn damage(store: &MemoryStore, name: &Name) {
    assert!(store.change(name, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }));
}

/// The packs that this act adds to the first mirror: those of data, and those of trees.
fn new_packs(world: &mut World, act: impl FnOnce(&mut World)) -> [Vec<Name>; 2] {
    let before = of(&world.stores[0], Folder::Packs);
    act(world);
    let data = data_packs(&world.stores[0]);
    let after = of(&world.stores[0], Folder::Packs);
    let new = after.difference(&before).cloned();
    let (data, trees) = new.partition(|name: &Name| data.contains(name.leaf()));
    [data, trees]
}

#[test]
fn what_is_damaged_at_the_source_comes_from_another_mirror() {
    for sort in 0..2 {
        let mut world = World::with_snapshot();
        let packs = new_packs(&mut world, |world| {
            world.backup(&[0, 1]);
        });
        let pack = &packs[sort][0];
        damage(&world.stores[0], pack);
        world.sync(&[0, 1, 2]);
        world.assert_same(&[1, 2], "the damage stays where it is");
        world.assert_equal(&[1, 2], "from the mirror that is whole");
        world.stores[0].delete(pack).unwrap();
        world.stores[2].delete(pack).unwrap();
        world.sync(&[0, 1, 2]);
        world.assert_equal(&[0, 1, 2], "what is missing comes back");
    }
}

#[test]
fn what_no_mirror_has_stays_behind_and_nothing_damaged_travels() {
    for sort in 0..2 {
        let mut world = World::with_snapshot();
        let mut lost = None;
        let packs = new_packs(&mut world, |world| lost = Some(world.backup(&[0, 1])));
        world.change(3);
        fs::remove_file(world.job.path.join("folder/2")).unwrap();
        let later = world.backup(&[0, 1]);
        for store in &world.stores[..2] {
            damage(store, &packs[sort][0]);
        }
        let (synced, problems) = world.try_sync(&[2, 0, 1]);
        let report = synced[0].1.as_ref().unwrap();
        assert_eq!(report.left, [lost.unwrap()], "{problems:?}");
        assert!(
            problems[0].contains("stays behind on three"),
            "{problems:?}"
        );
        let shown = world.assert_whole(2, "nothing damaged has come");
        assert!(shown.contains(&later) && shown.len() == 2);
        assert!(!of(&world.stores[2], Folder::Packs).contains(&packs[sort][0]));
        let (again, _) = world.try_sync(&[2, 0, 1]);
        assert_eq!(again[0].1.as_ref().unwrap().left, [lost.unwrap()]);
    }
}

#[test]
fn what_a_snapshot_that_stays_behind_shares_with_a_later_one_comes() {
    let mut world = World::new();
    let aside = world.job.path.join("z");
    fs::create_dir(&aside).unwrap();
    fs::write(aside.join("file"), noise(9, 5000)).unwrap();
    let [_, trees] = new_packs(&mut world, |world| {
        world.backup(&[0, 1]);
    });
    world.change(1);
    world.backup(&[0, 1]);
    fs::remove_dir_all(&aside).unwrap();
    let last = world.backup(&[0, 1]);
    for store in &world.stores[..2] {
        damage(store, &trees[0]);
    }
    let (synced, _) = world.try_sync(&[2, 0, 1]);
    assert_eq!(synced[0].1.as_ref().unwrap().left.len(), 2);
    let shown = world.assert_whole(2, "the last one does without the damaged folder");
    assert_eq!(shown, [last].into());
}

#[test]
fn damage_on_every_mirror_that_leaves_one_good_copy_costs_nothing() {
    let mut world = World::with_snapshot();
    let mut packs = Vec::new();
    for number in 3..9 {
        world.change(number);
        packs.extend(new_packs(&mut world, |world| {
            world.backup(&[0, 1, 2]);
        }));
    }
    for (number, pack) in packs.into_iter().flatten().enumerate() {
        damage(&world.stores[number % 3], &pack);
        match number % 4 {
            0 => world.stores[(number + 1) % 3].delete(&pack).unwrap(),
            1 => {
                assert!(world.stores[(number + 1) % 3].change(&pack, |bytes| bytes.truncate(4096)))
            }
            _ => damage(&world.stores[(number + 1) % 3], &pack),
        }
    }
    let reader = world.device();
    let loader = reader.loader_of_all(&world.places(&[0, 1, 2]));
    let all = world.client.with_store(Arc::new(world.stores[0].clone()));
    for (snapshot, root) in all.snapshots() {
        let target = world.home.path().join("target");
        reader.restore(&loader, root, &world.job.path, &target);
        assert!(describe(&target) == world.snapshots[&snapshot]);
    }
}

#[test]
fn key_slots_travel_and_removed_ones_go_everywhere() {
    let mut world = World::with_snapshot();
    let slot = world.client.add_key(9).unwrap();
    let has = |world: &World| {
        let name = Name::hashed(Folder::Keys, &slot.to_hex());
        let has = |store: &MemoryStore| store.contents().contains_key(&name);
        world.stores.iter().map(has).collect::<Vec<_>>()
    };
    assert_eq!(has(&world), [true, false, false]);
    world.sync(&[0, 1, 2]);
    assert_eq!(has(&world), [true; 3]);
    // While the first mirror is away, so that it still has it and leads the next run.
    world
        .client
        .remove_key(&world.places(&[1, 2]), slot)
        .unwrap();
    assert_eq!(has(&world), [true, false, true]);
    world.backup(&[0, 1]);
    assert!(!has(&world)[1], "a removed slot came back");
    world.sync(&[0, 1, 2]);
    assert_eq!(has(&world), [false; 3]);
    world.assert_equal(&[0, 1, 2], "after the keys");
}

#[test]
fn a_copy_of_all_objects_is_adopted_under_an_id_of_its_own() {
    let mut world = World::new();
    world.change(1);
    world.backup(&[0, 1]);
    world.stores[2].replace(world.stores[0].contents());
    let copy: Arc<dyn Store> = Arc::new(world.stores[2].clone());
    world
        .client
        .plant(&world.places(&[0, 1]), Arc::clone(&copy))
        .unwrap();
    world.assert_equal(&[0, 1, 2], "adopted");
    assert_eq!(world.sync(&[0, 1, 2]), [0, 0, 0]);
    let marker = world.stores[2].contents()[&Name::marker()].clone();
    let id = |marker| hash::object_id(marker);
    world.client.plant(&world.places(&[0, 1]), copy).unwrap();
    let again = &world.stores[2].contents()[&Name::marker()];
    assert!(id(&marker) != id(again), "a marker is sealed anew");
    world.change(2);
    world.backup(&[0, 1, 2]);
    world.assert_equal(&[0, 1, 2], "and written to");
}

#[test]
fn r1_r6_a_mirror_put_back_in_time_is_not_written_to_and_is_named() {
    let mut world = World::with_snapshot();
    let earlier = world.stores[1].contents();
    world.backup(&[0, 1, 2]);
    world.change(3);
    world.backup(&[0, 1, 2]);
    world.stores[1].replace(earlier.clone());
    world.change(4);
    let (report, problems) = world.try_backup(&world.client, &[0, 1, 2]);
    assert_eq!(failed(&report), [("two", Kind::Rollback)], "{problems:?}");
    assert!(world.stores[1].contents() == earlier);
    let shown = world.assert_equal(&[0, 2], "the others go on");
    assert!(shown.contains(&report.snapshot.unwrap()));
    // The device that saw it remembers; any other learns it from the entries elsewhere.
    for client in [&world.client, &world.device()] {
        let judged = client.judge_all(&world.places(&[0, 1, 2])).unwrap();
        for (name, findings) in judged {
            let rolled_back = findings.iter();
            let rolled_back =
                rolled_back.filter(|finding| matches!(finding, Finding::RolledBack { .. }));
            assert_eq!(
                rolled_back.count(),
                usize::from(name == "two"),
                "{name}: {findings:?}"
            );
        }
    }
    let (synced, _) = world.try_sync(&[0, 1, 2]);
    assert_eq!(synced[1].1.as_ref().unwrap_err().kind(), Kind::Rollback);
    assert!(world.stores[1].contents() == earlier);
}

#[test]
fn r4_two_installations_with_one_state_are_told_apart_by_what_they_write() {
    let mut world = World::with_snapshot();
    let mut clone = world.client.clone();
    clone.home = world.home.path().join("clone");
    copy(&world.client.home, &clone.home);
    world.backup(&[0]);
    world.change(3);
    world.backup_by(&clone, &[1]);
    world.sync(&[0, 1, 2]);
    let judged = world.client.judge_all(&world.places(&[0, 1, 2])).unwrap();
    for (name, findings) in judged {
        assert!(
            matches!(findings[..], [Finding::Forked { seq: 1, .. }]),
            "{name}: {findings:?}"
        );
    }
    let places = world.places(&[0, 1, 2]);
    let error = clone
        .backup_all(&places, &world.job, &Collected::default())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Rollback);
    assert!(
        error
            .hint_text()
            .unwrap()
            .contains("Move its state folder away")
    );
    assert_eq!(world.assert_equal(&[0, 1, 2], "both histories").len(), 3);
    fs::remove_dir_all(clone.state()).unwrap();
    world.backup_by(&clone, &[0, 1, 2]);
    assert_eq!(
        world.assert_equal(&[0, 1, 2], "under a new identity").len(),
        4
    );
}

#[test]
fn what_is_no_mirror_of_this_repository_is_away_and_stays_as_it_is() {
    let mut world = World::with_snapshot();
    let mut others = World::new();
    others.client.host = TestHost::new(77, "others");
    others.stores[1].replace(Objects::new());
    let stranger = others.client.with_store(Arc::new(others.stores[1].clone()));
    stranger.init().unwrap();
    let empty = MemoryStore::new("nothing");
    let before = (others.stores[1].contents(), world.stores[2].contents());
    let mut places = world.places(&[0]);
    places.push(("other".to_owned(), Arc::new(others.stores[1].clone())));
    places.push(("empty".to_owned(), Arc::new(empty.clone())));
    // Another mirror of the same repository than the one that was used under this name.
    places.push(("two".to_owned(), Arc::new(world.stores[2].clone())));
    let report = world
        .client
        .backup_all(&places, &world.job, &Collected::default())
        .unwrap();
    let mut told = failed(&report);
    told.sort_by_key(|(name, _)| *name);
    let wanted = [
        ("empty", Kind::Unreachable),
        ("other", Kind::Refused),
        ("two", Kind::Refused),
    ];
    assert_eq!(told, wanted);
    assert!(before == (others.stores[1].contents(), world.stores[2].contents()));
    assert!(empty.contents().is_empty());
    world
        .snapshots
        .insert(report.snapshot.unwrap(), describe(&world.job.path));
    assert_eq!(world.assert_whole(0, "the mirror that is one").len(), 2);
}

#[test]
fn a_damaged_entry_or_index_run_of_the_leader_is_not_passed_on() {
    let mut world = World::with_snapshot();
    world.backup(&[0]);
    for folder in [Folder::Entries, Folder::Index] {
        for name in of(&world.stores[0], folder) {
            damage(&world.stores[0], &name);
        }
    }
    world.change(3);
    let (report, problems) = world.try_backup(&world.client, &[0, 1]);
    assert_eq!(failed(&report), [], "{problems:?}");
    assert_eq!(world.assert_whole(1, "from what this device kept").len(), 3);
}

#[test]
fn one_bad_read_of_a_new_pack_makes_nobody_fall_behind() {
    let mut world = World::with_snapshot();
    let before = of(&world.stores[0], Folder::Packs);
    let lied = AtomicBool::new(false);
    world.faulty[0].lie_about(1, move |name| {
        let is_new = name.folder() == Folder::Packs && !before.contains(name);
        is_new && !lied.swap(true, Ordering::Relaxed)
    });
    world.backup(&[0, 1, 2]);
    world.faulty[0].lie_no_more();
    world.assert_equal(&[0, 1, 2], "after a bad read");
}

#[test]
fn two_index_runs_that_know_one_pack_are_no_damage() {
    let mut world = World::with_snapshot();
    let late = of(&world.stores[0], Folder::Index);
    let before = world.stores[0].contents();
    late.iter()
        .for_each(|run| world.stores[0].delete(run).unwrap());
    let other = world.device();
    world.backup_by(&other, &[0]);
    // The run of the first backup lands only now, when another one has been made in its place.
    for run in &late {
        let payload = Payload::new(before[run].clone());
        world.stores[0].put(run, &payload).unwrap();
    }
    // So many that the tables of whoever reads them are merged.
    for number in 3..12 {
        world.change(number);
        world.backup(&[0]);
    }
    world.assert_whole(0, "two runs of one pack");
}

#[test]
fn a_mirror_that_has_lost_its_marker_gets_one_again() {
    let mut world = World::new();
    world.change(1);
    world.backup(&[0, 1, 2]);
    let place: Arc<dyn Store> = Arc::new(world.stores[1].clone());
    world.stores[1].delete(&Name::marker()).unwrap();
    let again = |from: &[usize]| world.client.plant(&world.places(from), Arc::clone(&place));
    again(&[0]).unwrap();
    world.assert_equal(&[0, 1, 2], "a marker again");
    let noise = Payload::new(vec![7; 8192]);
    world.stores[1].put(&Name::marker(), &noise).unwrap();
    again(&[0]).unwrap();
    world.assert_equal(&[0, 1, 2], "in the place of a damaged one");
    world.assert_whole(1, "in the place of a damaged one");
    // The same place again, with what another repository has there.
    let theirs = MemoryStore::new("theirs");
    let store: Arc<dyn Store> = Arc::new(theirs.clone());
    let host = TestHost::new(99, "host");
    let stranger = Client::new(world.home.path(), 50, Arc::clone(&store), host);
    stranger.init().unwrap();
    let places = vec![("theirs".to_owned(), store)];
    let stored = stranger.backup_all(&places, &world.job, &Collected::default());
    assert!(stored.unwrap().snapshot.is_some());
    world.stores[1].replace(theirs.contents());
    for marker in [true, false] {
        if !marker {
            world.stores[1].delete(&Name::marker()).unwrap();
        }
        let before = world.stores[1].contents();
        let error = again(&[0]).map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{marker}");
        assert!(world.stores[1].contents() == before, "{marker}");
    }
}

/// Years of backups and removals: a mirror added then gets them in several sessions, of which each lists what it may.
#[test]
fn more_entries_than_a_slot_lists_are_brought_in_several_sessions() {
    let mut world = World::new();
    world.change(1);
    let snapshot = world.backup(&[0]);
    let repo = world.client.open().unwrap();
    let monitor = Collected::default();
    let writer = Writer {
        device: [7; 16],
        started_ns: 1,
    };
    let host: Arc<dyn Host> = TestHost::new(7, "other");
    let look = world.client.look_all(&world.places(&[0]));
    let any = look.chains.entry(&snapshot).unwrap();
    let mut before: Option<Id> = None;
    let mut all = 0..COMMIT_ENTRIES_MAX as u64 + 300;
    while !all.is_empty() {
        let mut session = Session::begin(&repo, &host, writer, "test").unwrap();
        let mut some = Vec::new();
        for seq in all.by_ref().take(COMMIT_ENTRIES_MAX / 2) {
            let entry = Entry {
                device: writer.device,
                seq,
                prev: before,
                what: What::Unpin(vec![snapshot]),
                ..any.clone()
            };
            let sealed = session.seal_entry(&entry).unwrap();
            before = Some(sealed.id());
            some.push(sealed);
        }
        assert_eq!(
            session.commit(&some).unwrap(),
            Outcome::Committed(before.unwrap())
        );
        session.end(&monitor);
    }
    let slots = |at: usize| of(&world.stores[at], Folder::Commits).len();
    assert_eq!((slots(0), slots(1)), (4, 0));
    let entries = COMMIT_ENTRIES_MAX as u64 + 301;
    assert_eq!(world.sync(&[0, 1]), [0, entries]);
    assert_eq!(slots(1), 2);
    world.assert_same(&[0, 1], "after years");
    assert_eq!(world.sync(&[0, 1]), [0, 0]);
}
