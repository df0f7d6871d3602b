//! What a collection does where the place is poor or the world has moved on: no put-if-absent, no byte free, lists that
//! leave things out, packs that come back, months apart, dead sessions, two collectors at once. The letters are those of
//! format 19.1.

use crate::client::{Client, Dice, Places, TestHost, seeds};
use crate::schedule::{Scheduled, nth};
use crate::several::{World, at_once, of};
use crate::world::{describe, noise};
use heirloom::error::{Error, Kind, Result};
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::prune;
use heirloom::store::calls::Call;
use heirloom::store::faulty::{Counting, Fault, Moment};
use heirloom::store::memory::MemoryStore;
use heirloom::store::{Abilities, Listed, Location, Payload, Placed, Store};
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::sync::{Arc, Mutex};

const BOTH: [usize; 2] = [0, 1];
const DAY: i64 = 86_400;

pub(crate) fn try_prune(client: &Client, places: &Places) -> Result<prune::Report> {
    client.prune(places, &at_once(), &Collected::default())
}

/// Prunes; every mirror must be done with.
#[track_caller]
pub(crate) fn prune(client: &Client, places: &Places) -> prune::Report {
    let report = try_prune(client, places).unwrap_or_else(|error| panic!("{}", error.chain()));
    for (name, done) in &report.mirrors {
        let done = done.as_ref();
        let done = done.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
        assert_eq!((&done.waits, done.carried.lost), (&vec![], 0), "{name}");
    }
    report
}

/// Four snapshots on these mirrors, of which the second and the third are removed; packs that stay hold parts of both.
fn world(which: &[usize]) -> World {
    let mut world = World::new();
    let mut all = Vec::new();
    for number in 1..5 {
        world.change(number);
        all.push(world.backup(which));
    }
    forget(&mut world, which, &all[1..3]);
    world
}

pub(crate) fn forget(world: &mut World, which: &[usize], ids: &[Id]) {
    world.client.forget(&world.places(which), ids).unwrap();
    world.snapshots.retain(|id, _| !ids.contains(id));
}

pub(crate) fn packs(store: &MemoryStore) -> BTreeSet<Name> {
    of(store, Folder::Packs)
}

pub(crate) fn place<S: Store + 'static>(name: &str, store: &Arc<S>) -> (String, Arc<dyn Store>) {
    (name.to_owned(), Arc::<S>::clone(store))
}

/// A mirror that cannot decide between two, on which packs wait for being deleted: the last one of these places.
pub(crate) fn undecided() -> (World, MemoryStore, Places) {
    let mut world = world(&BOTH);
    let plain = Abilities {
        put_if_absent: false,
        delete: true,
        ranges: true,
    };
    let store = MemoryStore::with_abilities("plain", plain);
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let first = world.places(&[0]);
    world.client.plant(&first, Arc::clone(&shared)).unwrap();
    let mut places = first;
    places.push(("plain".to_owned(), shared));
    world
        .client
        .sync_all(&places, &Collected::default())
        .unwrap();
    let own = world.backup(&BOTH);
    world
        .client
        .sync_all(&places, &Collected::default())
        .unwrap();
    forget(&mut world, &BOTH, &[own]);
    world
        .client
        .sync_all(&places, &Collected::default())
        .unwrap();
    (world, store, places)
}

/// Somebody died there: whoever collects waits for ever, whatever its own clock says and whosever the session was, and what
/// is needed stays.
#[test]
fn g13_without_put_if_absent_nobody_is_ended_and_nothing_goes() {
    let (mut world, store, places) = undecided();
    // Dies with its entries put, and cannot take its intent away.
    let gate = Scheduled::new(Arc::new(store.clone()));
    let at = vec![place("plain", &gate)];
    gate.hold(nth(Call::Put, Folder::Commits, 0));
    world.change(5);
    let died = world
        .client
        .backup_all(&at, &world.job, &Collected::default());
    assert_eq!(died.unwrap_err().kind(), Kind::Unreachable);
    assert_eq!(of(&store, Folder::Intents).len(), 1);
    let before = store.contents();
    let mut later = world.client.clone();
    let host = TestHost::new(91, "host");
    host.set_ahead(400 * DAY);
    later.host = host;
    for client in [&world.client, &world.device(), &later] {
        let report = try_prune(client, &places).unwrap();
        let done = report.mirrors.iter().find(|(name, _)| name == "plain");
        let waits = &done.unwrap().1.as_ref().unwrap().waits;
        assert!(waits.len() == 1 && waits[0].for_ever, "{waits:?}");
        let after = store.contents();
        let kept = |(name, bytes): (&Name, &Vec<u8>)| after.get(name) == Some(bytes);
        let goes = |name: &Name| name.folder() == Folder::Ledger;
        assert!(before.iter().all(|one| kept(one) || goes(one.0)));
        assert_eq!(of(&store, Folder::Commits).len(), slots(&before));
    }
    assert!(gate.land(), "and then it commits after all");
    let report = prune(&world.client, &places);
    assert!(!report.mirrors.is_empty());
    assert!(packs(&store).len() < packs_in(&before), "then it goes");
    world.stores[2] = store;
    world.assert_whole(2, "who was waited for has committed");
}

fn slots(objects: &crate::several::Objects) -> usize {
    let all = objects.keys();
    all.filter(|name| name.folder() == Folder::Commits).count()
}

fn packs_in(objects: &crate::several::Objects) -> usize {
    let all = objects.keys();
    all.filter(|name| name.folder() == Folder::Packs).count()
}

/// So many bytes and no more.
pub(crate) struct Disk {
    pub(crate) inner: MemoryStore,
    pub(crate) room: u64,
    pub(crate) refused: Mutex<usize>,
}

impl Disk {
    pub(crate) fn used(&self) -> u64 {
        let all = self.inner.contents().into_values();
        all.map(|bytes| bytes.len() as u64).sum()
    }

    fn fits(&self, name: &Name, payload: &Payload) -> Result<()> {
        if self.used() + payload.len() as u64 <= self.room {
            return Ok(());
        }
        *self.refused.lock().unwrap() += 1;
        Err(Error::new(Kind::Full, self.location().writing(name)))
    }
}

impl Store for Disk {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        self.inner.get_into(name, len_max, into)
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        self.inner.get_range(name, range)
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        self.fits(name, payload)?;
        self.inner.put(name, payload)
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        self.fits(name, payload)?;
        self.inner.put_if_absent(name, payload)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        self.inner.list(folder, each)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        self.inner.delete(name)
    }
}

/// Not one byte is free, and every write is refused until something has gone: prune makes room and comes to its end.
#[test]
fn g14_a_mirror_with_no_byte_free_is_pruned_to_the_end() {
    let mut world = world(&BOTH);
    let large = world.job.path.join("large");
    fs::write(&large, noise(50, 300_000)).unwrap();
    let gone = world.backup(&BOTH);
    fs::remove_file(&large).unwrap();
    world.backup(&BOTH);
    forget(&mut world, &BOTH, &[gone]);
    let all = world.stores[0].contents().into_values();
    let room = all.map(|bytes| bytes.len() as u64).sum();
    let disk = Arc::new(Disk {
        inner: world.stores[0].clone(),
        room,
        refused: Mutex::default(),
    });
    let mut places = vec![place("one", &disk)];
    places.extend(world.places(&[1]));
    let before = packs(&world.stores[0]);
    let report = prune(&world.client, &places);
    assert!(!report.plan.dead.is_empty() && !report.plan.moving.is_empty());
    assert!(*disk.refused.lock().unwrap() > 0, "it was full");
    assert!(packs(&world.stores[0]) != before && disk.used() < room);
    for at in BOTH {
        world.assert_whole(at, "full");
    }
    assert!(prune(&world.client, &places).plan.is_nothing());
}

/// Write after write of a prune finds the place full, for a moment or until somebody makes room: nothing is lost, and with
/// room it is done.
#[test]
fn g14_a_prune_that_finds_no_room_at_any_write_loses_nothing() {
    let world = world(&BOTH);
    let kept = world.keep();
    for for_good in [false, true] {
        for at in 0.. {
            let what = format!("write {at}, for good: {for_good}");
            world.put_back(&kept);
            world.faulty[0].plan(Some(Fault {
                at,
                counting: Counting::Mutating,
                moment: Moment::Before,
                for_good,
                kind: Kind::Full,
            }));
            drop(try_prune(&world.client, &world.places(&BOTH)));
            let tripped = world.faulty[0].has_tripped();
            world.faulty[0].plan(None);
            BOTH.iter().for_each(|at| {
                world.assert_whole(*at, &what);
            });
            prune(&world.client, &world.places(&BOTH));
            prune(&world.client, &world.places(&BOTH));
            BOTH.iter().for_each(|at| {
                world.assert_whole(*at, &what);
            });
            if !tripped {
                assert!(at > 3, "{what}");
                break;
            }
        }
    }
}

/// One mirror lies in a drawer for half a year. A second device has it there and writes to it; at home snapshots come
/// and go, and prunes rewrite what the device in the drawer leans on.
#[test]
fn g17_half_a_year_apart_with_a_second_device_writing_there() {
    let mut world = World::new();
    let mut home = Vec::new();
    for number in 1..4 {
        world.change(number);
        home.push(world.backup(&BOTH));
    }
    let host = TestHost::new(55, "host");
    world.client.host = host.clone();
    let away = world.device();
    for month in 0..6 {
        host.set_ahead(month * 30 * DAY);
        let gone = home.remove(0);
        forget(&mut world, &[0], &[gone]);
        prune(&world.client, &world.places(&[0]));
        world.change(10 + month.unsigned_abs());
        home.push(world.backup(&[0]));
        // What is removed at home is what they have there: the same files, leant on in the packs that went.
        for file in 1..4 {
            fs::write(
                world.job.path.join(format!("folder/{file}")),
                noise(file, 40_000),
            )
            .unwrap();
        }
        world.change(20 + month.unsigned_abs());
        world.backup_by(&away, &[1]);
    }
    let tombed: BTreeSet<_> = {
        let look = world.client.look_all(&world.places(&[0]));
        let all = packs(&world.stores[1]).into_iter();
        all.filter(|name| look.presence.is_tombed(&Id::from_hex(name.leaf()).unwrap()))
            .collect()
    };
    assert!(!tombed.is_empty(), "they lean on what went at home");
    world.sync(&BOTH);
    let wanted: BTreeSet<Id> = world.snapshots.keys().copied().collect();
    for at in BOTH {
        let shown = world.assert_whole(at, "together again");
        assert!(wanted.is_subset(&shown), "{at}");
    }
    prune(&world.client, &world.places(&BOTH));
    prune(&away, &world.places(&BOTH));
    for at in BOTH {
        assert_eq!(world.assert_whole(at, "and pruned"), wanted);
        assert!(packs(&world.stores[at]).is_disjoint(&tombed), "{at}");
    }
}

/// Prunes with these listings of the first mirror coming back empty; how many listings there were.
fn prune_with_short(world: &World, short: &[usize], what: &str) -> usize {
    let gate = Scheduled::new(Arc::new(world.stores[0].clone()));
    gate.shorten(short);
    let mut places = vec![place("one", &gate)];
    places.extend(world.places(&[1]));
    drop(try_prune(&world.client, &places));
    for at in BOTH {
        world.assert_whole(at, what);
    }
    gate.lists()
}

/// Each listing of a prune comes back empty, alone and with each other one: what lives is whole on both mirrors, shown by
/// both once the lists are right.
#[test]
fn g18_lists_that_leave_everything_out_cost_nothing() {
    let world = world(&BOTH);
    let kept = world.keep();
    let wanted: BTreeSet<Id> = world.snapshots.keys().copied().collect();
    let check = |short: &[usize], again: bool| {
        world.put_back(&kept);
        let what = format!("lists {short:?}");
        let lists = prune_with_short(&world, short, &what);
        if again {
            prune(&world.client, &world.places(&BOTH));
        }
        for at in BOTH {
            assert!(wanted.is_subset(&world.assert_whole(at, &what)), "{what}");
        }
        lists
    };
    let lists = check(&[], true);
    assert!(lists > 20, "{lists}");
    for at in 0..lists {
        check(&[at], true);
    }
    // Neighbours are those that are read twice; the rest by the dice.
    let mut dice = Dice(18);
    for one in 0..lists {
        for two in [one + 1, one + 1 + dice.below(lists)] {
            check(&[one, two], false);
        }
    }
}

/// The same for a backup: what is not listed is stored again or asked for by name, and nothing goes.
#[test]
fn g18_a_backup_with_short_lists_is_whole_or_does_not_end_well() {
    let mut world = world(&BOTH);
    world.change(6);
    let kept = world.keep();
    let mut lists = 1;
    for pair in [false, true] {
        for one in 0.. {
            world.put_back(&kept);
            let gate = Scheduled::new(Arc::new(world.stores[0].clone()));
            gate.shorten(&if pair { vec![one, one + 1] } else { vec![one] });
            let places = vec![place("one", &gate)];
            let what = format!("list {one}, pair: {pair}");
            let done = world
                .client
                .backup_all(&places, &world.job, &Collected::default());
            world.assert_whole(0, &what);
            if let Ok(report) = done {
                let id = report.snapshot.unwrap();
                world.snapshots.insert(id, describe(&world.job.path));
                assert!(world.assert_whole(0, &what).contains(&id), "{what}");
            }
            lists = lists.max(gate.lists());
            if one > lists {
                break;
            }
        }
    }
    assert!(lists > 5, "{lists}");
}

/// Somebody copies back by hand what a prune has deleted.
#[test]
fn g19_packs_copied_back_from_outside_are_not_leant_on_and_go_again() {
    let mut world = World::new();
    world.change(1);
    world.backup(&BOTH);
    world.change(2);
    let second = world.backup(&BOTH);
    let all = world.stores[0].contents();
    fs::remove_file(world.job.path.join("folder/2")).unwrap();
    world.change(1);
    world.backup(&BOTH);
    forget(&mut world, &BOTH, &[second]);
    prune(&world.client, &world.places(&BOTH));
    let left = packs(&world.stores[0]);
    let gone: Vec<_> = all
        .into_iter()
        .filter(|(name, _)| name.folder() == Folder::Packs && !left.contains(name))
        .collect();
    assert!(!gone.is_empty());
    for (name, bytes) in gone.clone() {
        world.stores[0].put(&name, &Payload::new(bytes)).unwrap();
    }
    // The same content again, by the device that knows and by one that has never been here.
    world.change(2);
    world.backup(&BOTH);
    let other = world.device();
    world.backup_by(&other, &BOTH);
    world.sync(&BOTH);
    let there = |world: &World, at: usize| {
        let packs = packs(&world.stores[at]);
        gone.iter().filter(|(name, _)| packs.contains(name)).count()
    };
    assert_eq!([there(&world, 0), there(&world, 1)], [gone.len(), 0]);
    for (name, _) in &gone {
        let kept = world.stores[0].contents()[name].clone();
        world.stores[0].delete(name).unwrap();
        world.assert_whole(0, "nobody leans on it");
        world.stores[0].put(name, &Payload::new(kept)).unwrap();
    }
    prune(&other, &world.places(&BOTH));
    assert_eq!([there(&world, 0), there(&world, 1)], [0, 0]);
    BOTH.iter().for_each(|at| {
        world.assert_whole(*at, "collected again");
    });
}

/// The backup was killed, and its device prunes: it need not wait for itself.
#[test]
fn a_dead_session_of_ones_own_device_is_ended_at_once() {
    let mut world = world(&BOTH);
    world.change(7);
    world.faulty[0].plan(Some(Fault {
        at: 3,
        counting: Counting::Mutating,
        moment: Moment::Before,
        for_good: true,
        kind: Kind::Unreachable,
    }));
    let places = world.places(&[0]);
    let killed = world
        .client
        .backup_all(&places, &world.job, &Collected::default());
    assert_eq!(killed.unwrap_err().kind(), Kind::Unreachable);
    world.faulty[0].plan(None);
    assert_eq!(of(&world.stores[0], Folder::Intents).len(), 1);
    let stranger = try_prune(&world.device(), &places).unwrap();
    let waits = &stranger.mirrors[0].1.as_ref().unwrap().waits;
    assert_eq!(waits.len(), 1, "anybody else waits a day");
    let before = packs(&world.stores[0]);
    prune(&world.client, &places);
    assert!(packs(&world.stores[0]).len() < before.len());
    assert_eq!(of(&world.stores[0], Folder::Intents).len(), 0);
    world.assert_whole(0, "ended");
}

/// Two devices prune the same two mirrors in two threads, on ground that is new in each round.
#[test]
fn g11_two_collectors_at_once_take_nothing_that_is_needed() {
    for seed in seeds(8) {
        println!("HEIRLOOM_SEED={seed}");
        let mut dice = Dice(seed);
        let mut world = World::new();
        let others = [world.device(), world.device()];
        let mut alive = Vec::new();
        for round in 0..4 {
            for _ in 0..2 {
                world.change(1 + dice.roll() % 6);
                alive.push(world.backup(&BOTH));
            }
            let gone = alive.remove(dice.below(alive.len()));
            forget(&mut world, &BOTH, &[gone]);
            let (one, mut two) = (world.places(&BOTH), world.places(&BOTH));
            two.reverse();
            std::thread::scope(|scope| {
                for (client, places) in others.iter().zip([one, two]) {
                    scope.spawn(move || drop(try_prune(client, &places)));
                }
            });
            let what = format!("HEIRLOOM_SEED={seed}, round {round}");
            for at in BOTH {
                let shown = world.assert_whole(at, &what);
                assert!(alive.iter().all(|id| shown.contains(id)), "{what}");
            }
        }
        prune(&world.client, &world.places(&BOTH));
        prune(&world.client, &world.places(&BOTH));
        assert!(prune(&world.client, &world.places(&BOTH)).plan.is_nothing());
        BOTH.iter().for_each(|at| {
            world.assert_whole(*at, "at the end");
        });
    }
}

/// What one device has in its cache, of a mirror that another one has pruned since, leads nobody astray: neither a backup
/// nor a reader.
#[test]
fn x3_a_cache_from_before_anothers_collection_is_leant_on_by_nobody() {
    let mut world = World::new();
    world.change(1);
    world.backup(&[0]);
    world.change(2);
    let second = world.backup(&[0]);
    let places = world.places(&[0]);
    let loader = world.client.loader_of_all(&places);
    let first = world.client.snapshots()[0];
    fs::remove_file(world.job.path.join("folder/2")).unwrap();
    world.change(1);
    let other = world.device();
    world.backup_by(&other, &[0]);
    let before = packs(&world.stores[0]);
    other.forget(&places, &[second]).unwrap();
    world.snapshots.remove(&second);
    prune(&other, &places);
    assert!(!before.is_subset(&packs(&world.stores[0])));
    // The index and the state of this device still know what went; the source has it again.
    world.change(2);
    let id = world.backup(&[0]);
    assert!(world.assert_whole(0, "a stale cache").contains(&id));
    let target = world.home.path().join("target");
    let loader_now = world.client.loader();
    world
        .client
        .restore(&loader_now, first.1, &world.job.path, &target);
    drop(loader);
}

/// A place turns out to decide between two after all, while somebody is at work there who does not know.
#[test]
fn a_place_is_not_taken_to_decide_while_somebody_is_at_work_there() {
    let world = world(&[0]);
    let with = |put_if_absent| {
        let abilities = Abilities {
            put_if_absent,
            delete: true,
            ranges: true,
        };
        MemoryStore::with_abilities("place", abilities)
    };
    let first = world.places(&[0]);
    let plain = with(false);
    let decides = |store: &MemoryStore| {
        let store: Arc<dyn Store> = Arc::new(store.clone());
        world.client.plant(&first, Arc::clone(&store)).unwrap();
        let repo = world.stranger(store).open().unwrap();
        repo.mirror().unwrap().cas
    };
    assert!(!decides(&plain));
    let host: Arc<dyn heirloom::host::Host> = TestHost::new(600, "other");
    let repo = world.stranger(Arc::new(plain.clone())).open().unwrap();
    let writer = heirloom::repo::Writer {
        device: [9; 16],
        started_ns: 1,
    };
    let session = heirloom::repo::publish::Session::begin(&repo, &host, writer, "backup");
    let session = session.unwrap();
    let better = with(true);
    better.replace(plain.contents());
    assert!(!decides(&better), "its plain put would go over an ABORT");
    session.end(&Collected::default());
    better.replace(plain.contents());
    assert!(decides(&better));
}
