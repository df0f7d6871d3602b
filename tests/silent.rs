//! A mirror that stops answering in the midst of it: what it alone has is neither lost nor damaged.

use crate::several::{World, at_once};
use heirloom::error::{Kind, Result};
use heirloom::monitor::Collected;
use heirloom::ops::prune;
use heirloom::ops::verify;
use heirloom::ops::verify::trees::Bad;
use heirloom::repo::look::Look;
use heirloom::store::faulty::{Counting, Fault, Moment};

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
