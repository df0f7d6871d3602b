//! A mirror that shows less than it did, and clocks that are wrong. The letters are those of format 19.1; the rest of R
//! stands with the mirrors and with retention.

use crate::client::TestHost;
use crate::schedule::{Scheduled, number};
use crate::several::{World, at_once, failed, of};
use heirloom::error::Kind;
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::prune::Options;
use heirloom::repo::chain::Chains;
use heirloom::repo::heads::Finding;
use heirloom::store::Store;
use std::collections::BTreeSet;
use std::sync::Arc;

const ALL: [usize; 3] = [0, 1, 2];

/// Three snapshots on three mirrors, each in a session of its own, and the slot of each on the first one.
fn three() -> (World, Vec<(Id, Name)>) {
    let mut world = World::new();
    let mut made = Vec::new();
    for number in 1..4 {
        let before = of(&world.stores[0], Folder::Commits);
        world.change(number);
        let id = world.backup(&ALL);
        let after = of(&world.stores[0], Folder::Commits);
        made.push((id, after.difference(&before).next().unwrap().clone()));
    }
    (world, made)
}

/// Takes one away from the first mirror, with its slot or without; what this device and a stranger make of it.
fn without(at: usize, slot: bool) -> [Vec<Finding>; 2] {
    let (mut world, made) = three();
    let (id, name) = &made[at];
    let entry = Name::hashed(Folder::Entries, &id.to_hex());
    world.stores[0].delete(&entry).unwrap();
    if slot {
        world.stores[0].delete(name).unwrap();
    }
    let what = format!("snapshot {at}, its slot: {slot}");
    let stranger = world.device();
    let told = [&world.client, &stranger].map(|client| {
        let judged = client.judge_all(&world.places(&ALL)).unwrap();
        assert!(judged[1].1.is_empty() && judged[2].1.is_empty(), "{what}");
        judged.into_iter().next().unwrap().1
    });
    // Whose slot is there is missed by anybody, on that mirror alone.
    if !slot {
        let monitor = Collected::default();
        let alone = world.client.open_heard(&monitor).unwrap();
        let shown = Chains::read(&alone, &monitor).unwrap();
        assert!(shown.missing().any(|missing| missing == id), "{what}");
    }
    // The others go on, and have everything.
    world.change(9);
    let (report, _) = world.try_backup(&world.client, &ALL);
    let shown = world.assert_whole(1, &what);
    assert!(shown.contains(&report.snapshot.unwrap()), "{what}");
    assert!(made.iter().all(|(id, _)| shown.contains(id)), "{what}");
    if told.iter().all(Vec::is_empty) {
        // What is taken for a gap is filled from the others.
        world.sync(&ALL);
        let shown = world.assert_whole(0, &what);
        assert!(made.iter().all(|(id, _)| shown.contains(id)), "{what}");
    }
    told
}

#[test]
fn r2_the_newest_entry_that_is_gone_is_missed() {
    let [seen, never_seen] = without(2, true);
    assert!(
        matches!(seen[..], [Finding::RolledBack { seq: 2, .. }]),
        "{seen:?}"
    );
    // Whoever has not seen it there, and reads nothing later, cannot tell it from a mirror that lags behind.
    assert_eq!(never_seen, []);
    without(2, false);
}

#[test]
fn r3_an_entry_in_the_middle_that_is_gone_is_missed() {
    without(1, false);
    // The entry after it says that it was visible there, so that nobody has to have seen it.
    for told in without(1, true) {
        assert!(
            matches!(told[..], [Finding::RolledBack { seq: 1, .. }]),
            "{told:?}"
        );
    }
}

/// Just before call `at` of a backup to these mirrors, counted on the last, another device forgets a snapshot and prunes;
/// whether there was such a call.
fn beside_a_prune(which: &[usize], gone: usize, at: usize) -> bool {
    let mut world = World::new();
    let mut made = Vec::new();
    for number in 1..4 {
        world.change(number);
        made.push(world.backup(which));
    }
    let last = which[which.len() - 1];
    let gate = Scheduled::new(Arc::new(world.stores[last].clone()));
    let mut places = world.places(which);
    places.last_mut().unwrap().1 = Arc::<Scheduled>::clone(&gate);
    let (other, others) = (world.device(), world.places(which));
    let gone = made[gone];
    gate.before(number(at), move || {
        other.forget(&others, &[gone]).unwrap();
        let pruned = other.prune(&others, &at_once(), &Collected::default());
        assert!(pruned.is_ok());
    });
    world.change(4);
    let monitor = Collected::default();
    let report = world.client.backup_all(&places, &world.job, &monitor);
    let report = report.unwrap_or_else(|error| panic!("{which:?}, {at}: {}", error.chain()));
    let rolled_back = |(_, kind): &(&str, Kind)| *kind == Kind::Rollback;
    let what = format!("{which:?}, {at}: {:?}", monitor.problems());
    assert!(!failed(&report).iter().any(rolled_back), "{what}");
    // Without any time to take it back, what was forgotten may be in the midst of going from one mirror to another.
    if which.len() == 1 {
        assert_eq!(failed(&report), [], "{what}");
    }
    // How many calls there are differs a little from run to run; the next run is not the one that is looked at.
    let done = gate.is_done();
    if done {
        let again = world.client.backup_all(&places, &world.job, &monitor);
        assert_eq!(failed(&again.unwrap()), [], "{what}");
    }
    done
}

#[test]
fn what_another_device_removes_and_prunes_meanwhile_is_not_missed() {
    for (which, gone) in [(&[0][..], 2), (&[0], 1), (&[0, 1], 2)] {
        let calls = (0..).take_while(|at| beside_a_prune(which, gone, *at));
        assert!(calls.count() > 10, "{which:?}");
    }
}

/// Whatever a device believes the time to be, it saves and gives back; it deletes nothing by such a clock unless told to.
#[test]
fn r8_a_clock_at_1970_or_2099_harms_nobody() {
    for (seed, ahead) in [(70, -1_700_000_000), (99, 2_300_000_000)] {
        let (mut world, made) = three();
        world
            .client
            .forget(&world.places(&ALL), &[made[1].0])
            .unwrap();
        world.snapshots.remove(&made[1].0);
        let mut wrong = world.device();
        let host = TestHost::new(seed, "wrong");
        host.set_ahead(ahead);
        wrong.host = host;
        let before = of(&world.stores[0], Folder::Packs);
        let mut options = Options {
            grace: 14 * 86_400,
            clock_ok: false,
            ..at_once()
        };
        let refused = wrong.prune(&world.places(&ALL), &options, &Collected::default());
        assert_eq!(refused.unwrap_err().kind(), Kind::Refused, "{ahead}");
        assert!(before == of(&world.stores[0], Folder::Packs), "{ahead}");
        world.change(4);
        let id = world.backup_by(&wrong, &ALL);
        world.change(5);
        let right = world.backup(&ALL);
        let wanted: BTreeSet<Id> = [made[0].0, made[2].0, id, right].into();
        for at in ALL {
            assert_eq!(world.assert_whole(at, "a wrong clock"), wanted, "{ahead}");
        }
        // And whoever has the right time may prune beside it, if told that the time is right.
        options.clock_ok = true;
        options.grace = 0;
        let pruned = world
            .client
            .prune(&world.places(&ALL), &options, &Collected::default());
        assert!(pruned.unwrap().mirrors.iter().all(|(_, done)| done.is_ok()));
        for at in ALL {
            assert_eq!(world.assert_whole(at, "pruned"), wanted, "{ahead}");
        }
    }
}
