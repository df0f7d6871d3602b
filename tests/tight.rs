//! A mirror with too little room for all that a prune moves: it goes in rounds, or says what it would take.

use crate::client::data_packs;
use crate::collect::{Disk, forget, packs, place, prune, try_prune};
use crate::several::{World, of};
use crate::world::noise;
use heirloom::error::Kind;
use heirloom::id::Id;
use heirloom::name::{Folder, Name};
use heirloom::store::{Payload, Store};
use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};

/// Twelve packs of which a part is needed, on a mirror that has so many bytes of room left.
fn tight(room: u64) -> (World, Arc<Disk>) {
    let mut world = World::new();
    let mut all = Vec::new();
    for number in 1..13 {
        world.change(number);
        all.push(world.backup(&[0]));
    }
    all.pop();
    forget(&mut world, &[0], &all);
    let disk = disk(&world, room);
    (world, disk)
}

fn disk(world: &World, room: u64) -> Arc<Disk> {
    disk_at(world, 0, room)
}

fn disk_at(world: &World, mirror: usize, room: u64) -> Arc<Disk> {
    let disk = Disk {
        inner: world.stores[mirror].clone(),
        room: 0,
        refused: Mutex::default(),
    };
    let room = disk.used() + room;
    Arc::new(Disk { room, ..disk })
}

#[test]
fn where_all_that_is_needed_has_no_room_at_once_it_moves_in_rounds() {
    let (world, disk) = tight(100_000);
    let report = prune(&world.client, &vec![place("one", &disk)]);
    let done = report.mirrors[0].1.as_ref().unwrap();
    assert!(
        done.lacks.is_none() && report.plan.moving.len() > 8,
        "{report:?}"
    );
    assert!(*disk.refused.lock().unwrap() > 0, "there was room for all");
    assert!(report.plan.moving.is_disjoint(&packs_of(&disk)));
    world.assert_whole(0, "in rounds");
    let places = vec![place("one", &disk)];
    assert!(prune(&world.client, &places).plan.is_nothing());
}

#[test]
fn where_nothing_can_move_nothing_is_marked_and_the_room_that_it_takes_is_said() {
    let mut world = World::new();
    let large = world.job.path.join("large");
    fs::write(&large, noise(50, 300_000)).unwrap();
    world.change(1);
    let gone = world.backup(&[0]);
    world.change(2);
    world.backup(&[0]);
    forget(&mut world, &[0], &[gone]);
    let full = disk(&world, 0);
    let places = vec![place("one", &full)];
    let report = try_prune(&world.client, &places).unwrap();
    let lacks = report.mirrors[0].1.as_ref().unwrap().lacks.unwrap();
    assert!((300_000..400_000).contains(&lacks), "{lacks}");
    assert!(report.plan.moving.is_subset(&packs_of(&full)));
    let look = world.client.look_all(&places);
    assert!(
        report
            .plan
            .moving
            .iter()
            .all(|pack| look.presence.holds(pack))
    );
    assert!(!look.presence.has_mark_in_progress());
    world.assert_whole(0, "no room");
    // With that room, and what an index run and a mark take, it goes on.
    let places = vec![place("one", &disk(&world, lacks + 32_768))];
    let report = prune(&world.client, &places);
    assert!(report.mirrors[0].1.as_ref().unwrap().lacks.is_none());
    assert!(prune(&world.client, &places).plan.is_nothing());
    world.assert_whole(0, "with room");
}

#[test]
fn a_full_mirror_that_lacks_a_snapshot_does_not_hold_up_the_others() {
    // Whether what moves arrives before what is lacking is decided by the packs' names.
    for seed in 60..66 {
        let mut world = World::new();
        // So many small packs that they move together, and nothing that goes before.
        for number in 1..20 {
            world.change(number);
            world.backup(&[0, 1]);
        }
        let large = world.job.path.join("large");
        fs::write(&large, noise(seed, 600_000)).unwrap();
        world.backup(&[0]);
        let full = disk_at(&world, 1, 250_000);
        let places = vec![
            place("one", &Arc::new(world.stores[0].clone())),
            place("two", &full),
        ];
        let report = try_prune(&world.client, &places).unwrap();
        assert!(report.plan.moving.len() > 1, "{report:?}");
        report.mirrors[0].1.as_ref().unwrap();
        match &report.mirrors[1].1 {
            Ok(done) => assert!(done.lacks.is_some(), "seed {seed}: {done:?}"),
            Err(error) => assert_eq!(error.kind(), Kind::Full, "seed {seed}: {error}"),
        }
        world.assert_whole(0, "with room");
        world.assert_whole(1, "full");
    }
}

/// The second mirror is full to the last byte and lacks what has no room there: what nobody needs goes from it all the same.
#[test]
fn a_full_mirror_that_is_behind_is_freed_of_what_nobody_needs() {
    let mut world = World::new();
    world.change(1);
    world.backup(&[0, 1]);
    let large = world.job.path.join("large");
    fs::write(&large, noise(70, 300_000)).unwrap();
    let gone = world.backup(&[0, 1]);
    fs::remove_file(&large).unwrap();
    world.change(2);
    world.backup(&[0, 1]);
    forget(&mut world, &[0, 1], &[gone]);
    fs::write(&large, noise(71, 900_000)).unwrap();
    world.backup(&[0]);
    let full = disk_at(&world, 1, 0);
    let places = vec![
        place("one", &Arc::new(world.stores[0].clone())),
        place("two", &full),
    ];
    let before = full.used();
    let report = prune(&world.client, &places);
    assert!(report.mirrors[1].1.as_ref().unwrap().freed > 250_000);
    assert!(full.used() < before - 200_000);
    world.assert_whole(0, "with room");
    assert_eq!(world.assert_whole(1, "full").len(), 2);
}

/// All was marked while it was away, and there is room for a part of what is needed.
#[test]
fn marks_that_come_to_a_full_mirror_together_are_carried_out_by_turns() {
    let mut world = World::new();
    let mut all = Vec::new();
    for number in 1..7 {
        let path = world.job.path.join(format!("large{number}"));
        fs::write(path, noise(80 + number, 9_000_000)).unwrap();
        fs::write(world.job.path.join("goes"), noise(90 + number, 6_000_000)).unwrap();
        world.change(number);
        all.push(world.backup(&[0, 1]));
    }
    all.pop();
    forget(&mut world, &[0, 1], &all);
    prune(&world.client, &world.places(&[0]));
    let full = disk_at(&world, 1, 21_000_000);
    let places = vec![
        place("one", &Arc::new(world.stores[0].clone())),
        place("two", &full),
    ];
    let report = prune(&world.client, &places);
    let done = report.mirrors[1].1.as_ref().unwrap();
    assert!(*full.refused.lock().unwrap() > 0, "there was room for all");
    assert!(done.lacks.is_none() && done.freed > 60_000_000, "{done:?}");
    let look = world.client.look_all(&vec![place("two", &full)]);
    assert!(!look.presence.has_mark_in_progress());
    world.assert_whole(0, "with room");
    world.assert_whole(1, "by turns");
}

/// The pack of which least is needed is damaged there; what it held the other mirror has in a larger pack.
#[test]
fn a_pack_that_cannot_be_read_does_not_keep_the_others_from_moving() {
    let mut world = World::new();
    let mut all = Vec::new();
    let mut first = BTreeSet::new();
    for (number, size) in (1..6).zip([3, 9, 9, 9, 9]) {
        let path = world.job.path.join(format!("large{number}"));
        fs::write(path, noise(80 + number, size * 1_000_000)).unwrap();
        fs::write(world.job.path.join("goes"), noise(90 + number, 6_000_000)).unwrap();
        world.change(number);
        all.push(world.backup(&[0, 1]));
        if first.is_empty() {
            first = data_packs(&world.stores[1]);
        }
    }
    all.pop();
    forget(&mut world, &[0, 1], &all);
    prune(&world.client, &world.places(&[0]));
    for leaf in &first {
        let name = Name::hashed(Folder::Packs, leaf);
        assert!(!packs(&world.stores[0]).contains(&name), "it moved there");
        let damaged = world.stores[1].change(&name, |bytes| {
            let at = bytes.len() * 4 / 5;
            bytes[at] ^= 1;
        });
        assert!(damaged);
    }
    // The other one is away: what was damaged is nowhere.
    for name in of(&world.stores[0], Folder::Marks) {
        let mark = world.stores[0].contents()[&name].clone();
        world.stores[1].put(&name, &Payload::new(mark)).unwrap();
    }
    let before = packs(&world.stores[1]);
    let full = disk_at(&world, 1, 11_000_000);
    let two = place("two", &full);
    let report = try_prune(&world.client, &vec![two]).unwrap();
    let done = report.mirrors[0].1.as_ref().unwrap();
    assert!(*full.refused.lock().unwrap() > 0, "there was room for all");
    let kept: BTreeSet<String> = done.carried.kept.iter().map(Id::to_hex).collect();
    assert_eq!((kept, done.lacks), (first.clone(), None));
    let gone = before.difference(&packs(&full.inner)).count();
    assert_eq!(done.packs, gone as u64, "each is counted once");
    // Now it is there, and there is room for what was damaged and not for the pack that has it.
    let two = place("two", &disk_at(&world, 1, 5_000_000));
    let places = vec![place("one", &Arc::new(world.stores[0].clone())), two];
    let report = prune(&world.client, &places);
    let done = report.mirrors[1].1.as_ref().unwrap();
    assert!(done.carried.kept.is_empty(), "{done:?}");
    let look = world.client.look_all(&places[1..].to_vec());
    assert!(!look.presence.has_mark_in_progress());
    world.assert_whole(1, "with what the other one had");
}

fn packs_of(disk: &Disk) -> BTreeSet<Id> {
    let names = packs(&disk.inner).into_iter();
    names.filter_map(|name| Id::from_hex(name.leaf())).collect()
}

/// A little room for a mark is made of what can be made again. What an index run tells of a pack that is lost cannot.
#[test]
fn no_room_is_made_of_what_alone_tells_of_a_lost_pack() {
    let mut world = World::new();
    let large = world.job.path.join("large");
    fs::write(&large, noise(99, 200_000)).unwrap();
    let before = packs(&world.stores[0]);
    world.backup(&[0]);
    let after = packs(&world.stores[0]);
    let contents = world.stores[0].contents();
    let lost = after
        .difference(&before)
        .max_by_key(|name| contents[*name].len());
    let lost = lost.unwrap().clone();
    world.change(1);
    let other = world.job.path.join("goes");
    fs::write(&other, noise(98, 200_000)).unwrap();
    let gone = world.backup(&[0]);
    fs::remove_file(&other).unwrap();
    world.backup(&[0]);
    forget(&mut world, &[0], &[gone]);
    world.stores[0].delete(&lost).unwrap();
    let full = disk(&world, 0);
    let places = vec![place("one", &full)];
    drop(try_prune(&world.client, &places));
    assert!(*full.refused.lock().unwrap() > 0, "there was room");
    let look = world.device().look_all(&places);
    let missing: Vec<String> = look.index.missing().iter().map(Id::to_hex).collect();
    assert_eq!(missing, [lost.leaf()], "nobody knows of it any more");
}
