//! What a prune leaves: all that is needed, the same on every mirror, and nothing under whoever is at work.

use crate::client::{Client, TestHost, data_packs};
use crate::collect::{place, undecided};
use crate::schedule::{Scheduled, nth, number};
use crate::several::{World, at_once, of};
use heirloom::crypto::hash::object_id;
use heirloom::error::Result;
use heirloom::format::chain::{Entry, What};
use heirloom::format::directory::{BlockRow, Codec};
use heirloom::format::index::{Run, RunPack};
use heirloom::format::{BlobKind, ObjectKind};
use heirloom::host::Host;
use heirloom::id::Id;
use heirloom::monitor::Collected as Heard;
use heirloom::name::{Folder, Name};
use heirloom::ops::prune::collect::Collected;
use heirloom::ops::prune::{self, Options};
use heirloom::repo::Writer;
use heirloom::repo::publish::{Outcome, Session};
use heirloom::store::calls::Call;
use heirloom::store::faulty::{Counting, Fault, Moment};
use heirloom::store::{Payload, Store};
use std::sync::Arc;

const BOTH: [usize; 2] = [0, 1];
const DAY: i64 = 86_400;

fn prune(world: &World, client: &Client, options: &Options) -> Result<prune::Report> {
    client.prune(&world.places(&BOTH), options, &Heard::default())
}

#[track_caller]
fn prune_well(world: &World) -> prune::Report {
    let report = prune(world, &world.client, &at_once());
    let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
    for (name, done) in &report.mirrors {
        let done = done.as_ref();
        let done = done.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
        assert_eq!((&done.waits, done.carried.lost), (&vec![], 0), "{name}");
    }
    report
}

/// Four snapshots on two mirrors, of which the second and the third are removed.
fn world() -> World {
    let mut world = World::new();
    let mut all = Vec::new();
    for number in 1..5 {
        world.change(number);
        all.push(world.backup(&BOTH));
    }
    world
        .client
        .forget(&world.places(&BOTH), &all[1..3])
        .unwrap();
    for id in &all[1..3] {
        world.snapshots.remove(id);
    }
    world
}

fn packs(world: &World, at: usize) -> usize {
    of(&world.stores[at], Folder::Packs).len()
}

#[track_caller]
fn assert_whole(world: &World, what: &str) {
    for at in BOTH {
        world.assert_whole(at, what);
    }
}

#[test]
fn what_lives_stays_the_same_everywhere_and_a_second_prune_does_nothing() {
    let world = world();
    let before = [packs(&world, 0), packs(&world, 1)];
    let report = prune_well(&world);
    assert_eq!(report.plan.entries.len(), 2);
    assert_whole(&world, "pruned");
    for at in BOTH {
        assert!(packs(&world, at) < before[at], "{at}");
        assert_eq!(of(&world.stores[at], Folder::Intents).len(), 0);
    }
    let names = |at: usize| of(&world.stores[at], Folder::Packs);
    assert_eq!(names(0), names(1));
    let kept = world.keep();
    assert!(prune_well(&world).plan.is_nothing());
    assert!(world.keep() == kept, "a second prune wrote");
}

#[test]
fn within_grace_nothing_goes() {
    let world = world();
    let before = [packs(&world, 0), packs(&world, 1)];
    let grace = Options {
        grace: 14 * DAY,
        ..at_once()
    };
    let report = prune(&world, &world.client, &grace).unwrap();
    assert!(report.plan.entries.is_empty() && report.plan.dead.is_empty());
    assert!(
        BOTH.iter()
            .all(|at| packs(&world, *at) >= before[*at].min(2))
    );
    assert_whole(&world, "within grace");
}

/// What another device says of when it removed something cuts nobody's time short (D10).
#[test]
fn a_remove_that_is_dated_back_leaves_the_whole_grace_all_the_same() {
    let mut world = World::new();
    world.change(1);
    let first = world.backup(&BOTH);
    world.change(2);
    world.backup(&BOTH);
    let mut thief = world.device();
    let host = TestHost::new(77, "thief");
    host.set_ahead(-20 * DAY);
    thief.host = host;
    thief.forget(&world.places(&BOTH), &[first]).unwrap();
    let grace = Options {
        grace: 14 * DAY,
        clock_ok: false,
        ..at_once()
    };
    let host = TestHost::new(78, "this");
    world.client.host = Arc::<TestHost>::clone(&host);
    for (days, gone) in [(0, 0), (13, 0), (15, 1)] {
        host.set_ahead(days * DAY);
        let report = prune(&world, &world.client, &grace).unwrap();
        assert_eq!(report.plan.entries.len(), gone, "after {days} days");
        let all = report
            .mirrors
            .iter()
            .map(|(_, done)| done.as_ref().unwrap());
        let entries: u64 = all.map(|done| done.entries).sum();
        assert_eq!(entries, 2 * gone as u64, "after {days} days");
    }
}

/// Another device's session on the first mirror that leans on what is there.
fn session(world: &World, device: u8, seed: u64) -> Session {
    session_at(world, world.places(&[0])[0].1.clone(), device, seed)
}

fn session_at(world: &World, store: Arc<dyn Store>, device: u8, seed: u64) -> Session {
    let host: Arc<dyn Host> = TestHost::new(seed, "other");
    let repo = world.stranger(store).open().unwrap();
    let writer = Writer {
        device: [device; 16],
        started_ns: 1,
    };
    Session::begin(&repo, &host, writer, "backup").unwrap()
}

fn entry(world: &World, device: u8) -> Entry {
    let look = world.client.look_all(&world.places(&[0]));
    let (_, any, _) = look.chains.snapshots().into_iter().next().unwrap();
    Entry {
        device: [device; 16],
        seq: 0,
        prev: None,
        what: What::Unpin(Vec::new()),
        ..any.clone()
    }
}

#[test]
fn g8_g9_who_has_not_ended_is_waited_for_and_after_a_day_ended() {
    let world = world();
    let mut late = session(&world, 9, 1000);
    let before = packs(&world, 0);
    let first = prune(&world, &world.client, &at_once()).unwrap();
    let waits = |report: &prune::Report| report.mirrors[0].1.as_ref().unwrap().waits.clone();
    assert_eq!(waits(&first).len(), 1);
    assert!(!waits(&first)[0].for_ever && waits(&first)[0].kind == "backup");
    assert!(packs(&world, 0) >= before, "something went under it");
    // A day after it was first seen by this device, whatever its own clock says.
    let host = TestHost::new(77, "host");
    host.set_ahead(DAY + 60);
    let mut tomorrow = world.client.clone();
    tomorrow.host = host;
    let second = prune(&world, &tomorrow, &at_once()).unwrap();
    assert!(waits(&second).is_empty());
    assert!(packs(&world, 0) < before);
    let sealed = late.seal_entry(&entry(&world, 9)).unwrap();
    assert_eq!(late.commit(&[sealed]).unwrap(), Outcome::Aborted);
    late.end(&Heard::default());
    let mut again = session(&world, 9, 2000);
    let sealed = again.seal_entry(&entry(&world, 9)).unwrap();
    assert!(matches!(
        again.commit(&[sealed]).unwrap(),
        Outcome::Committed(_)
    ));
    again.end(&Heard::default());
    world.assert_whole(0, "after the abort");
}

#[test]
fn a_slow_session_that_shows_life_is_not_ended() {
    let world = world();
    let _late = session(&world, 9, 3000);
    prune(&world, &world.client, &at_once()).unwrap();
    let intent = of(&world.stores[0], Folder::Intents).into_iter().next();
    let intent = intent.unwrap();
    let bytes = world.stores[0].contents()[&intent].clone();
    let session = intent.leaf().split_once('.').unwrap().0;
    let next = Name::new(Folder::Intents, &format!("{session}.1")).unwrap();
    world.stores[0].put(&next, &Payload::new(bytes)).unwrap();
    let host = TestHost::new(78, "host");
    host.set_ahead(DAY + 60);
    let mut tomorrow = world.client.clone();
    tomorrow.host = host;
    let report = prune(&world, &tomorrow, &at_once()).unwrap();
    assert_eq!(report.mirrors[0].1.as_ref().unwrap().waits.len(), 1);
}

#[test]
fn g11_collectors_killed_at_every_call_and_taken_over() {
    let world = world();
    let kept = world.keep();
    let other = world.stranger(world.places(&[0])[0].1.clone());
    for at in 0.. {
        world.put_back(&kept);
        world.faulty[0].plan(Some(Fault {
            at,
            counting: Counting::Mutating,
            moment: if at % 2 == 0 {
                Moment::Before
            } else {
                Moment::After
            },
            for_good: true,
            kind: heirloom::error::Kind::Unreachable,
        }));
        drop(prune(&world, &world.client, &at_once()));
        let tripped = world.faulty[0].has_tripped();
        world.faulty[0].plan(None);
        assert_whole(&world, &format!("killed at {at}"));
        let report = prune(&world, &other, &at_once()).unwrap();
        let went = |(_, done): &(_, Result<Collected>)| {
            done.as_ref().is_ok_and(|done| done.carried.kept.is_empty())
        };
        assert!(report.mirrors.iter().all(went), "{at}: {report:?}");
        assert_whole(&world, &format!("killed at {at}, taken over"));
        prune_well(&world);
        assert!(prune_well(&world).plan.is_nothing(), "{at}");
        assert_whole(&world, &format!("killed at {at}, pruned"));
        if !tripped {
            assert!(at > 3, "there was something to fail");
            break;
        }
    }
}

#[test]
fn an_undelete_on_another_mirror_counts() {
    let world = world();
    let look = world.client.look_all(&world.places(&[1]));
    let removed: Vec<Id> = look.chains.purgeable().into_keys().collect();
    let what = What::Undelete(removed.clone());
    let undeleted = world.client.write_all(&world.places(&[1]), what, |_| ());
    undeleted.unwrap();
    let report = prune_well(&world);
    assert!(report.plan.entries.is_empty());
    let chains = world.client.look_all(&world.places(&[1])).chains;
    assert!(removed.iter().all(|id| chains.is_live(id)));
    world.sync(&BOTH);
    let chains = world.client.look_all(&world.places(&[0])).chains;
    assert!(removed.iter().all(|id| chains.is_live(id)));
    for at in BOTH {
        world.assert_whole(at, "undeleted");
    }
}

/// Just before each call of a prune on one of the mirrors another device takes the removals back, on the first mirror alone.
/// If that came in time, no mirror lets go of what is back.
#[test]
fn an_undelete_beside_a_prune_counts_on_every_mirror() {
    let mut in_time = 0;
    for mirror in BOTH {
        for at in 0.. {
            let world = world();
            let look = world.client.look_all(&world.places(&[0]));
            let removed: Vec<Id> = look.chains.purgeable().into_keys().collect();
            let gate = Scheduled::new(Arc::new(world.stores[mirror].clone()));
            let mut places = world.places(&BOTH);
            places[mirror].1 = Arc::<Scheduled>::clone(&gate);
            let (other, first) = (world.device(), world.places(&[0]));
            let (tell, told) = std::sync::mpsc::channel();
            let what = What::Undelete(removed.clone());
            gate.before(number(at), move || {
                let undeleted = other.write_all(&first, what, |_| ());
                tell.send(undeleted.is_ok()).unwrap();
            });
            let pruned = world.client.prune(&places, &at_once(), &Heard::default());
            if !gate.is_done() {
                break;
            }
            if !told.recv().unwrap() {
                continue;
            }
            in_time += 1;
            let what = format!("before call {at} on {mirror}: {pruned:?}");
            for store in &world.stores[..2] {
                let entries = of(store, Folder::Entries);
                let lies = |id: &Id| entries.contains(&Name::hashed(Folder::Entries, &id.to_hex()));
                assert!(removed.iter().all(lies), "{what}");
            }
            world.sync(&[0, 1, 2]);
            for at in [0, 1, 2] {
                let shown = world.assert_whole(at, &what);
                assert!(removed.iter().all(|id| shown.contains(id)), "{what}");
            }
        }
    }
    assert!(in_time > 10, "{in_time}");
}

/// Another device backs up to one of them meanwhile; what it sent there the other one neither has nor misses.
#[test]
fn what_came_to_one_mirror_beside_a_prune_is_not_told_to_be_lost() {
    let mut beside = 0;
    for at in 0.. {
        let mut world = world();
        world.change(7);
        let gate = Scheduled::new(Arc::new(world.stores[0].clone()));
        let (other, one) = (world.device(), world.places(&[0]));
        let job = world.job.clone();
        gate.before(nth(Call::List, Folder::Entries, at), move || {
            other.backup_all(&one, &job, &Heard::default()).unwrap();
        });
        let places = vec![place("one", &gate), world.places(&[1]).remove(0)];
        let report = world.client.prune(&places, &at_once(), &Heard::default());
        let report = report.unwrap();
        for (name, done) in &report.mirrors {
            let done = done.as_ref().unwrap();
            assert_eq!(done.carried.lost, 0, "list {at}: {name}");
        }
        if !gate.is_done() {
            break;
        }
        beside += 1;
        for mirror in BOTH {
            world.assert_whole(mirror, "after the prune");
        }
    }
    assert!(beside > 3, "{beside}");
}

#[test]
fn what_a_mirror_has_lost_is_brought_before_a_mark_hides_it() {
    let mut world = World::new();
    world.change(1);
    let gone = world.backup(&BOTH);
    let packs = of(&world.stores[1], Folder::Packs);
    world.change(2);
    world.backup(&BOTH);
    world.client.forget(&world.places(&BOTH), &[gone]).unwrap();
    world.snapshots.remove(&gone);
    for name in packs {
        world.stores[1].delete(&name).unwrap();
    }
    let report = prune_well(&world);
    assert!(report.plan.moving_bytes > 0);
    for at in BOTH {
        world.assert_whole(at, "after the prune");
    }
}

/// Where nobody can decide a session is over when a person says so. Who is alive after all begins again.
#[test]
fn g13_without_put_if_absent_a_person_says_who_has_died() {
    let (mut world, store, places) = undecided();
    let begin = |device| session_at(&world, Arc::new(store.clone()), device, u64::from(device));
    let (dead, mut alive) = (begin(8), begin(9));
    drop(dead);
    let said = Options {
        end_dead: true,
        ..at_once()
    };
    let before = of(&store, Folder::Packs).len();
    let client = &mut world.client;
    let host = TestHost::new(91, "host");
    client.host = Arc::<TestHost>::clone(&host);
    for (days, options, left) in [
        (0, at_once(), 2),
        (0, said, 2),
        (2, at_once(), 2),
        (3, said, 0),
    ] {
        host.set_ahead(days * DAY);
        let report = client.prune(&places, &options, &Heard::default());
        let report = report.unwrap();
        let done = report.mirrors.iter().find(|(name, _)| name == "plain");
        let done = done.unwrap().1.as_ref().unwrap();
        assert_eq!(done.waits.len(), left, "after {days} days");
        assert_eq!(of(&store, Folder::Intents).len(), left);
        assert_eq!(of(&store, Folder::Packs).len() < before, left == 0);
    }
    let entry = alive.seal_entry(&entry(&world, 9)).unwrap();
    assert_eq!(alive.commit(&[entry]).unwrap(), Outcome::Aborted);
    alive.end(&Heard::default());
    world.stores[2] = store;
    world.assert_whole(2, "who was declared dead has not committed");
}

/// Replaces what the index of the first mirror says by a run that names its data packs and leaves out what they hold.
fn hide(world: &World, blocks: &[BlockRow]) -> Name {
    let store = &world.stores[0];
    for run in of(store, Folder::Index) {
        store.delete(&run).unwrap();
    }
    let sizes = store.contents();
    let pack = |leaf: String| {
        let name = Name::hashed(Folder::Packs, &leaf);
        RunPack {
            id: Id::from_hex(&leaf).unwrap(),
            kind: ObjectKind::DataPack,
            file_len: sizes[&name].len() as u64,
            blocks: blocks.to_vec(),
        }
    };
    let run = Run {
        packs: data_packs(store).into_iter().map(pack).collect(),
        covers: vec![],
        rows: vec![],
    };
    let (area, record) = run.encode();
    let writer = Writer {
        device: [9; 16],
        started_ns: 1,
    };
    let repo = world.client.open().unwrap();
    let sealer = repo.sealer(writer);
    let bytes = sealer.seal(ObjectKind::IndexRun, &area, &record, &[3; 32]);
    let bytes = bytes.unwrap();
    let name = Name::hashed(Folder::Index, &object_id(&bytes).to_hex());
    store.put(&name, &Payload::new(bytes)).unwrap();
    name
}

#[test]
fn what_an_index_run_leaves_out_of_a_pack_is_not_deleted() {
    let block = BlockRow {
        stored_len: 10,
        raw_len: 10,
        blobs: 1,
        codec: Codec::Stored,
        kind: BlobKind::Chunk,
    };
    for blocks in [vec![], vec![block]] {
        let mut world = World::new();
        world.change(1);
        world.backup(&[0]);
        let before = of(&world.stores[0], Folder::Packs);
        let run = hide(&world, &blocks);
        // One who has not seen the honest run.
        let other = world.device();
        let told = Heard::default();
        other
            .prune(&world.places(&[0]), &at_once(), &told)
            .unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_ne!(told.problems(), Vec::<String>::new());
        assert!(of(&world.stores[0], Folder::Packs).is_superset(&before));
        let _ = world.stores[0].delete(&run);
        world.assert_whole(0, "after the prune");
    }
}
