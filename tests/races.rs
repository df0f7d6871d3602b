//! Interleavings of sessions and collectors, each as its test says it: another device acts at a chosen call of the first
//! one, or at every call in turn; and writes without an answer land when nobody expects them any more. The letters are
//! those of format 19.1. Each of the rules that [`crate::protocol`] shows to be needed has its schedule here.

use crate::client::{Client, Job, Places};
use crate::schedule::{Scheduled, nth, number, write};
use crate::several::{World, at_once, of};
use crate::world::{describe, noise};
use heirloom::error::{Kind, Result};
use heirloom::format::ObjectKind;
use heirloom::format::commit::CommitSlot;
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::prune::{self, Options};
use heirloom::store::Store;
use heirloom::store::calls::Call;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::sync::{Mutex, atomic::AtomicUsize, atomic::Ordering};
use std::time::Duration;

const BOTH: [usize; 2] = [0, 1];
const DAY: i64 = 86_400;

/// Whoever has not ended is ended after `expiry` seconds of silence: at once, if that is 0.
fn options(expiry: i64) -> Options {
    Options {
        expiry,
        ..at_once()
    }
}

/// Prunes; who is waited for on the first mirror. Nobody else may have anything to say about it.
fn prune(client: &Client, places: &Places, expiry: i64) -> usize {
    let report = client.prune(places, &options(expiry), &Collected::default());
    let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
    waits(&report)
}

fn waits(report: &prune::Report) -> usize {
    let mut waits = 0;
    for (name, done) in &report.mirrors {
        let done = done.as_ref();
        let done = done.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
        assert_eq!(done.carried.lost, 0, "{name}");
        waits = waits.max(done.waits.len());
    }
    waits
}

fn backup(client: &Client, places: &Places, job: &Job) -> Result<Id> {
    let report = client.backup_all(places, job, &Collected::default())?;
    assert!(report.mirrors.iter().all(|kept| kept.failed.is_none()));
    Ok(report.snapshot.unwrap())
}

/// A world in which nobody needs what the source has now: the snapshot that had it is removed, and its packs still lie
/// on both mirrors.
struct Race {
    world: World,
}

impl Race {
    fn new() -> Self {
        let mut world = World::new();
        fs::create_dir(world.job.path.join("same")).unwrap();
        fs::write(world.job.path.join("same/file"), noise(99, 30_000)).unwrap();
        world.change(1);
        world.backup(&BOTH);
        world.change(2);
        let second = world.backup(&BOTH);
        fs::remove_file(world.job.path.join("folder/2")).unwrap();
        world.change(1);
        world.backup(&BOTH);
        world
            .client
            .forget(&world.places(&BOTH), &[second])
            .unwrap();
        world.snapshots.remove(&second);
        world.change(2);
        Self { world }
    }

    /// The first mirrors as this device has them, so that others can act at its calls.
    fn gate(&self, at: usize) -> (Arc<Scheduled>, Places) {
        let gate = Scheduled::new(Arc::new(self.world.stores[at].clone()));
        let store: Arc<dyn Store> = Arc::<Scheduled>::clone(&gate);
        let name = self.world.places(&[at])[0].0.clone();
        (gate, vec![(name, store)])
    }

    /// What the source is now is what this snapshot must give back.
    fn expect(&mut self, snapshot: Id) {
        let tree = describe(&self.world.job.path);
        self.world.snapshots.insert(snapshot, tree);
    }

    /// Each of these mirrors gives back all it shows, now and when nothing is left to prune.
    fn assert_whole(&self, which: &[usize], snapshot: Option<Id>, what: &str) {
        let shows = |at: usize, what: &str| {
            let shown = self.world.assert_whole(at, what);
            assert!(snapshot.is_none_or(|id| shown.contains(&id)), "{what}");
        };
        which.iter().for_each(|at| shows(*at, what));
        let places = self.world.places(which);
        for _ in 0..2 {
            assert_eq!(prune(&self.world.client, &places, 0), 0, "{what}");
            which.iter().for_each(|at| shows(*at, what));
        }
    }

    fn packs(&self, at: usize) -> BTreeSet<Name> {
        of(&self.world.stores[at], Folder::Packs)
    }

    fn slots(&self, at: usize) -> (usize, usize) {
        let repo = self.world.device().open().unwrap();
        let (mut commits, mut aborts) = (0, 0);
        for name in of(&self.world.stores[at], Folder::Commits) {
            let opened = repo.read(ObjectKind::Commit, &name).unwrap();
            match CommitSlot::decode(&opened.record).unwrap() {
                CommitSlot::Commit(_) => commits += 1,
                CommitSlot::Abort { .. } => aborts += 1,
            }
        }
        (commits, aborts)
    }
}

/// At each call of a backup that leans on garbage another device prunes: who is waited for, in how many cases.
fn prune_at_each_call(expiry: i64) -> usize {
    let mut race = Race::new();
    let kept = race.world.keep();
    let waited = Arc::new(AtomicUsize::new(0));
    for at in 0.. {
        race.world.put_back(&kept);
        let (gate, places) = race.gate(0);
        let (other, sound) = (race.world.device(), race.world.places(&[0]));
        let waited = Arc::clone(&waited);
        gate.before(number(at), move || {
            waited.fetch_add(prune(&other, &sound, expiry), Ordering::Relaxed);
        });
        let what = format!("call {at}, expiry {expiry}");
        let id = backup(&race.world.client, &places, &race.world.job);
        let id = id.unwrap_or_else(|error| panic!("{what}: {}", error.chain()));
        race.expect(id);
        race.assert_whole(&[0], Some(id), &what);
        race.world.snapshots.remove(&id);
        if !gate.is_done() {
            assert!(at > 15, "{what}");
            break;
        }
    }
    waited.load(Ordering::Relaxed)
}

/// Without an intent nobody would wait, without a copy what it leant on would be gone with the next prune.
#[test]
fn g1_g5_a_backup_is_whole_whenever_a_prune_comes() {
    assert!(prune_at_each_call(DAY) > 5, "most of them have to wait");
}

/// The same where whoever has not ended is ended: it begins again, and leans on what is left.
#[test]
fn g3_g4_a_backup_that_is_ended_at_any_call_begins_again() {
    assert_eq!(prune_at_each_call(0), 0);
}

/// A backup that stands still at this call, and a way to let it go on and end.
fn stopped(race: &Race, call: Call, folder: Folder) -> impl FnOnce() -> Result<Id> + Send + use<> {
    let (gate, places) = race.gate(0);
    let (reached, is_reached) = channel();
    let (go, gone) = channel::<()>();
    gate.before(nth(call, folder, 0), move || {
        reached.send(()).unwrap();
        gone.recv().unwrap();
    });
    let (client, job) = (race.world.client.clone(), race.world.job.clone());
    let thread = std::thread::spawn(move || backup(&client, &places, &job));
    is_reached.recv().unwrap();
    move || {
        go.send(()).unwrap();
        thread.join().unwrap()
    }
}

#[test]
fn g2_g10_a_prune_that_waits_deletes_nothing_before_the_backup_has_ended() {
    let mut race = Race::new();
    let before = race.packs(0);
    let go_on = stopped(&race, Call::Put, Folder::Entries);
    let (watch, places) = race.gate(0);
    let ended = Arc::new(Mutex::new(None));
    let (end, store) = (Arc::clone(&ended), race.world.stores[0].clone());
    let garbage = before.clone();
    // Looked for twice, then slept; then it ends, and is looked for once more.
    watch.before(nth(Call::List, Folder::Intents, 2), move || {
        let left = of(&store, Folder::Packs);
        assert!(garbage.is_subset(&left), "something went under it");
        *end.lock().unwrap() = Some(go_on().unwrap());
    });
    let patient = Options {
        wait: Duration::from_secs(3600),
        ..options(DAY)
    };
    let other = race.world.device();
    let report = other.prune(&places, &patient, &Collected::default());
    assert_eq!(waits(&report.unwrap()), 0);
    let id = ended.lock().unwrap().take().expect("it was waited for");
    assert!(!before.is_subset(&race.packs(0)), "then the rest goes");
    race.expect(id);
    race.assert_whole(&[0], Some(id), "waited for");
}

/// Duplicacy takes a fossil for safe once every client that it knows has made a backup. One that it does not know, or
/// that began before and is slow, is waited for here all the same.
#[test]
fn g10_that_everybody_else_has_made_a_backup_ends_no_wait() {
    let mut race = Race::new();
    let go_on = stopped(&race, Call::PutIfAbsent, Folder::Commits);
    let (other, places) = (race.world.device(), race.world.places(&[0]));
    assert_eq!(prune(&other, &places, DAY), 1);
    let third = race.world.device();
    let before = race.packs(0);
    for client in [&other, &third] {
        let id = backup(client, &places, &race.world.job).unwrap();
        race.expect(id);
        assert_eq!(prune(client, &places, DAY), 1, "it has not ended");
        assert!(before.is_subset(&race.packs(0)));
    }
    let id = go_on().unwrap();
    race.expect(id);
    race.assert_whole(&[0], Some(id), "the slow one");
    assert!(!before.is_subset(&race.packs(0)));
}

/// What has expired is not taken for dead before its slot says so, and it cannot commit after that: it begins again.
#[test]
fn g3_g4_g8_who_was_ended_while_it_stood_still_finds_abort_and_begins_again() {
    for (call, folder) in [
        (Call::Put, Folder::Packs),
        (Call::Put, Folder::Entries),
        (Call::PutIfAbsent, Folder::Commits),
    ] {
        let what = format!("{call:?} {folder:?}");
        let mut race = Race::new();
        let before = race.packs(0);
        // Something new beside what is leant on.
        race.world.change(3);
        let go_on = stopped(&race, call, folder);
        let places = race.world.places(&[0]);
        let other = race.world.device();
        assert_eq!(prune(&other, &places, 0), 0, "{what}");
        assert!(!before.is_subset(&race.packs(0)), "{what}: nothing went");
        let (commits, aborts) = race.slots(0);
        assert_eq!(aborts, 1, "{what}");
        let id = go_on().unwrap();
        race.expect(id);
        race.world.assert_whole(0, &what);
        let (after, aborts) = race.slots(0);
        assert_eq!((after, aborts), (commits + 1, 1), "{what}: no slot changes");
        race.assert_whole(&[0], Some(id), &what);
    }
}

/// On the second mirror the packs still lie, and a snapshot there leans on them; the first one has had its mark.
#[test]
fn g6_what_a_mark_names_is_packed_anew_and_never_brought_back() {
    let mut race = Race::new();
    let before = race.packs(0);
    let other = race.world.device();
    prune(&other, &race.world.places(&[0]), 0);
    let tombed: BTreeSet<_> = before.difference(&race.packs(0)).cloned().collect();
    assert!(!tombed.is_empty() && tombed.is_subset(&race.packs(1)));
    let third = race.world.device();
    let id = backup(&third, &race.world.places(&[1]), &race.world.job).unwrap();
    race.expect(id);
    race.world.sync(&BOTH);
    assert!(tombed.is_disjoint(&race.packs(0)), "a name came back");
    race.assert_whole(&BOTH, Some(id), "synced");
    for at in BOTH {
        assert!(tombed.is_disjoint(&race.packs(at)), "{at}");
    }
}

/// A put without an answer lands when its pack has long been collected. The mark is still there, so nobody leans on it.
#[test]
fn g7_g12_what_lands_after_its_mark_was_carried_out_is_garbage_again() {
    let mut race = Race::new();
    let alone = backup(
        &race.world.device(),
        &race.world.places(&[1]),
        &race.world.job,
    )
    .unwrap();
    let before = race.packs(0);
    race.world.change(3);
    let third = backup(
        &race.world.device(),
        &race.world.places(&[1]),
        &race.world.job,
    )
    .unwrap();
    let (gate, mut places) = race.gate(0);
    gate.hold(nth(Call::Put, Folder::Packs, 0));
    places.extend(race.world.places(&[1]));
    let synced = race.world.client.sync_all(&places, &Collected::default());
    assert!(synced.unwrap()[0].1.is_err());
    let both = race.world.places(&BOTH);
    race.world.client.forget(&both, &[alone, third]).unwrap();
    race.world.sync(&BOTH);
    let other = race.world.device();
    assert_eq!(prune(&other, &both, 0), 0);
    let left = race.packs(0);
    assert!(gate.land(), "a put was under way");
    let late: BTreeSet<_> = race.packs(0).difference(&left).cloned().collect();
    assert_eq!(late.len(), 1, "{before:?}");
    let fresh = race.world.device();
    let id = backup(&fresh, &race.world.places(&[0]), &race.world.job).unwrap();
    race.expect(id);
    race.assert_whole(&[0], Some(id), "nobody leans on what landed");
    assert!(late.is_disjoint(&race.packs(0)), "it is collected again");
}

/// Each write of a backup in turn gets no answer and lands after a prune that ended the session, or waited for it.
#[test]
fn g12_a_write_of_a_backup_that_lands_after_a_prune_harms_nobody() {
    for expiry in [0, DAY] {
        let mut race = Race::new();
        let kept = race.world.keep();
        for at in 0.. {
            let what = format!("write {at}, expiry {expiry}");
            race.world.put_back(&kept);
            let (gate, places) = race.gate(0);
            gate.hold(write(at));
            drop(backup(&race.world.client, &places, &race.world.job));
            let other = race.world.device();
            let sound = race.world.places(&[0]);
            prune(&other, &sound, expiry);
            let held = gate.land();
            race.world.assert_whole(0, &what);
            prune(&other, &sound, expiry);
            race.world.assert_whole(0, &what);
            let id = backup(&other, &sound, &race.world.job).unwrap();
            race.expect(id);
            race.assert_whole(&[0], Some(id), &what);
            race.world.snapshots.remove(&id);
            if !held {
                assert!(at > 4, "{what}");
                break;
            }
        }
    }
}

/// Each write of a prune in turn gets no answer and lands after a backup and another prune.
#[test]
fn g12_a_write_of_a_prune_that_lands_late_harms_nobody() {
    let mut race = Race::new();
    let kept = race.world.keep();
    for at in 0.. {
        let what = format!("write {at}");
        race.world.put_back(&kept);
        let (gate, places) = race.gate(0);
        gate.hold(write(at));
        let other = race.world.device();
        drop(other.prune(&places, &options(DAY), &Collected::default()));
        let sound = race.world.places(&[0]);
        let id = backup(&race.world.client, &sound, &race.world.job).unwrap();
        race.expect(id);
        race.world.assert_whole(0, &what);
        prune(&race.world.device(), &sound, DAY);
        let held = gate.land();
        race.assert_whole(&[0], Some(id), &what);
        race.world.snapshots.remove(&id);
        if !held {
            assert!(at > 3, "{what}");
            break;
        }
    }
}

/// The parent is removed at one call of the backup that vouches on it, and pruned away at a later one: before the look,
/// between the two looks, after them; with the mark in progress at the listing, and without.
#[test]
fn g15_a_parent_that_goes_at_any_call_vouches_for_nothing_that_goes() {
    let mut race = Race::new();
    let parent = race.world.backup(&[0]);
    race.world.change(3);
    let kept = race.world.keep();
    let (mut calls, mut stopped) = (40, 0);
    for (first, step) in [(0, 1), (1, 1), (2, 3), (3, 5)] {
        for at in (0..calls).step_by(step) {
            let what = format!("removed at {at}, pruned {first} calls later");
            race.world.put_back(&kept);
            let (gate, places) = race.gate(0);
            let (other, sound) = (race.world.device(), race.world.places(&[0]));
            let (again, also) = (other.clone(), sound.clone());
            gate.before(number(at), move || other.forget(&sound, &[parent]).unwrap());
            gate.before(number(at + first), move || {
                prune(&again, &also, DAY);
            });
            let id = match backup(&race.world.client, &places, &race.world.job) {
                // It had read which entries there are, and not yet that one of them is removed: it stops, and runs again.
                Err(error) if error.kind() == Kind::Rollback => {
                    stopped += 1;
                    backup(&race.world.client, &places, &race.world.job)
                }
                other => other,
            };
            let id = id.unwrap_or_else(|error| panic!("{what}: {}", error.chain()));
            race.expect(id);
            race.assert_whole(&[0], Some(id), &what);
            race.world.snapshots.remove(&id);
            if !gate.is_done() {
                assert!(at > 10, "{what}");
                calls = calls.min(at);
                break;
            }
        }
    }
    println!("{stopped} took the removal for an older state");
    assert!(stopped < calls, "most of them see what has happened");
}

/// While one device brings the first mirror what the second one has, another one removes it and prunes both: whatever
/// either mirror shows is whole.
#[test]
fn g16_a_sync_is_whole_whenever_a_prune_of_both_mirrors_comes() {
    for (expiry, step) in [(0, 2), (DAY, 3)] {
        let mut race = Race::new();
        let there = race.world.device();
        let id = backup(&there, &race.world.places(&[1]), &race.world.job).unwrap();
        race.expect(id);
        let kept = race.world.keep();
        for at in (0..).step_by(step) {
            let what = format!("call {at}, expiry {expiry}");
            race.world.put_back(&kept);
            let (gate, mut places) = race.gate(0);
            places.extend(race.world.places(&[1]));
            let (other, sound) = (race.world.device(), race.world.places(&BOTH));
            let removes = (at / step) % 2 == 0;
            gate.before(number(at), move || {
                if removes {
                    other.forget(&sound, &[id]).unwrap();
                }
                prune(&other, &sound, expiry);
            });
            let synced = race.world.client.sync_all(&places, &Collected::default());
            drop(synced.unwrap_or_else(|error| panic!("{what}: {}", error.chain())));
            for at in BOTH {
                race.world.assert_whole(at, &what);
            }
            race.world.sync(&BOTH);
            race.assert_whole(&BOTH, (!removes || !gate.is_done()).then_some(id), &what);
            if !gate.is_done() {
                assert!(at > 15, "{what}");
                break;
            }
        }
    }
}
