//! A mirror that stops answering in the midst of it: what it alone has is neither lost nor damaged.

use crate::client::Places;
use crate::collect::place;
use crate::schedule::{Scheduled, nth};
use crate::several::{World, at_once};
use heirloom::error::{Kind, Result};
use heirloom::monitor::Collected;
use heirloom::name::Folder;
use heirloom::ops::prune;
use heirloom::ops::verify;
use heirloom::ops::verify::trees::Bad;
use heirloom::repo::look::Look;
use heirloom::store::calls::Call;
use heirloom::store::faulty::{Counting, Fault, Moment};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const BOTH: [usize; 2] = [0, 1];

/// Two snapshots on two mirrors, of which one is removed, and a third one that the second mirror lacks. From this call on the
/// first one is silent.
fn world(at: u64) -> World {
    let mut world = World::new();
    world.change(1);
    let gone = world.backup(&BOTH);
    world.change(2);
    world.backup(&BOTH);
    world.client.forget(&world.places(&BOTH), &[gone]).unwrap();
    world.snapshots.remove(&gone);
    world.change(3);
    world.backup(&[0]);
    world.faulty[0].plan(Some(Fault {
        at,
        counting: Counting::All,
        moment: Moment::Before,
        for_good: true,
        kind: Kind::Unreachable,
    }));
    world
}

fn prune(world: &World) -> Result<prune::Report> {
    let options = at_once();
    let places = world.places(&BOTH);
    world.client.prune(&places, &options, &Collected::default())
}

#[test]
fn a_prune_takes_no_silence_for_damage() {
    let mut failed = 0;
    for at in 0.. {
        let world = world(at);
        let pruned = prune(&world);
        let reached = world.faulty[0].calls() > at;
        world.faulty[0].plan(None);
        match &pruned {
            Err(error) => assert_eq!(error.kind(), Kind::Unreachable, "{at}: {}", error.chain()),
            Ok(report) => {
                for (name, done) in &report.mirrors {
                    match done {
                        Err(error) => {
                            let what = format!("{at}, {name}: {}", error.chain());
                            assert_eq!(error.kind(), Kind::Unreachable, "{what}");
                        }
                        Ok(done) => assert_eq!(done.carried.lost, 0, "{at}, {name}: {done:?}"),
                    }
                }
            }
        }
        failed += usize::from(pruned.is_err());
        for at in BOTH {
            world.assert_whole(at, "silent");
        }
        if !reached {
            break;
        }
    }
    assert!(failed > 5, "{failed}");
}

#[test]
fn what_a_silent_mirror_may_have_is_not_told_to_be_lost() {
    for at in 0.. {
        let world = world(at);
        let monitor = Collected::default();
        let verified = world
            .client
            .open_all(&world.places(&BOTH), &monitor)
            .and_then(|mirrors| {
                let look = Look::at(&mirrors.whole, &monitor)?;
                let mut report = verify::Report::default();
                verify::snapshots(&look, &Bad::default(), &mut report, &monitor)?;
                Ok(report)
            });
        match verified {
            Err(error) => assert_eq!(error.kind(), Kind::Unreachable, "{at}: {}", error.chain()),
            Ok(report) => assert_eq!(report.losses, [], "{at}"),
        }
        if world.faulty[0].calls() <= at {
            break;
        }
    }
}

#[test]
fn what_a_place_denies_is_no_damage_of_a_snapshot() {
    let mut failed = 0;
    for at in 0.. {
        let mut world = world(u64::MAX);
        world.change(4);
        world.backup(&[0]);
        let denied = Fault {
            at,
            counting: Counting::All,
            moment: Moment::Before,
            for_good: true,
            kind: Kind::Denied,
        };
        world.faulty[0].plan(Some(denied));
        let options = at_once();
        let places = world.places(&[0]);
        let pruned = world.client.prune(&places, &options, &Collected::default());
        let reached = world.faulty[0].calls() > at;
        world.faulty[0].plan(None);
        let errors = match pruned {
            Err(error) => vec![error],
            Ok(report) => {
                let failed = report.mirrors.into_iter();
                failed.filter_map(|(_, done)| done.err()).collect()
            }
        };
        for error in errors {
            assert_eq!(error.kind(), Kind::Denied, "{at}: {}", error.chain());
            failed += 1;
        }
        world.assert_whole(0, "denied");
        if !reached {
            break;
        }
    }
    assert!(failed > 5, "{failed}");
}

/// Two mirrors of which the second hangs when its snapshots are asked for, until the first one is asked for that.
fn hanging(
    world: &World,
    call: Call,
    folder: Folder,
) -> ([Arc<Scheduled>; 2], mpsc::Receiver<bool>) {
    let (go, wait) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let [one, two] = BOTH.map(|at| Scheduled::new(Arc::new(world.stores[at].clone())));
    one.before(nth(call, folder, 0), move || {
        let _ = go.send(());
    });
    two.before(nth(Call::List, Folder::Entries, 0), move || {
        let in_time = wait.recv_timeout(Duration::from_secs(60)).is_ok();
        tell.send(in_time).unwrap();
    });
    ([one, two], told)
}

fn places(gates: &[Arc<Scheduled>; 2]) -> Places {
    let [one, two] = gates;
    vec![place("one", one), place("two", two)]
}

#[test]
fn a_mirror_that_hangs_does_not_keep_the_snapshot_from_the_others() {
    let mut world = World::new();
    world.change(1);
    world.backup(&BOTH);
    world.change(2);
    let (gates, in_time) = hanging(&world, Call::PutIfAbsent, Folder::Commits);
    let mut client = world.client.clone();
    client.patience = Duration::from_millis(200);
    let monitor = Collected::default();
    let places = places(&gates);
    let report = client.backup_all(&places, &world.job, &monitor).unwrap();
    assert!(in_time.recv().unwrap(), "the first one waited for it");
    assert!(report.lags && monitor.problems()[0].starts_with("two has not answered"));
    // It came back in the end.
    assert!(report.mirrors.iter().all(|kept| kept.failed.is_none()));
    world.assert_equal(&BOTH, "after it came back");
}

#[test]
fn who_waits_for_a_mirror_that_hangs_can_be_interrupted() {
    let mut world = World::new();
    world.change(1);
    world.backup(&BOTH);
    world.change(2);
    let (gates, in_time) = hanging(&world, Call::Delete, Folder::Intents);
    let stop = Arc::new(Collected::default());
    let read = Arc::clone(&stop);
    // All is read and sent by then.
    gates[0].before(nth(Call::Put, Folder::Index, 0), move || read.stop());
    let report = world.client.backup_all(&places(&gates), &world.job, &stop);
    assert_eq!(report.unwrap_err().kind(), Kind::Interrupted);
    assert!(in_time.recv().unwrap(), "the first one waited for it");
}
