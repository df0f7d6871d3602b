//! Taking a removal back beside a prune: what a mark names never comes back, on no mirror, and the mark may come late.

use crate::several::World;
use heirloom::crypto::hash::object_id;
use heirloom::error::{Kind, Result};
use heirloom::format::ObjectKind;
use heirloom::format::chain::{Removed, What};
use heirloom::format::mark::Mark;
use heirloom::id::Id;
use heirloom::name::{Folder, Name};
use heirloom::ops::backup::Kept;
use heirloom::ops::undelete;
use heirloom::repo::Writer;
use heirloom::repo::look::Look;
use heirloom::store::{Payload, Store};

/// Mirrors in turn: one, two.
const BOTH: [usize; 2] = [0, 1];

fn remove(world: &World, which: &[usize], id: Id) -> Result<Vec<Kept>> {
    let look = world.client.look_all(&world.places(which));
    let entry = look.chains.entry(&id).unwrap();
    let what = What::Remove {
        entries: vec![Removed {
            device: entry.device,
            seq: entry.seq,
            entry: id,
            prev: entry.prev,
        }],
        reason: String::new(),
    };
    world.client.write_all(&world.places(which), what, |_| ())
}

/// Puts a mark on one mirror, as a prune does.
fn mark(world: &World, look: &Look, at: usize, packs: Vec<Id>, entries: Vec<Id>) {
    let mark = Mark {
        device: [9; 16],
        time: 1,
        packs,
        entries,
        loss: false,
    };
    let writer = Writer {
        device: [9; 16],
        started_ns: 1,
    };
    let sealer = look.repo.sealer(writer);
    let bytes = sealer
        .seal(ObjectKind::Mark, &[], &mark.encode(), &[3; 32])
        .unwrap();
    let name = Name::hashed(Folder::Marks, &object_id(&bytes).to_hex());
    world.stores[at].put(&name, &Payload::new(bytes)).unwrap();
}

/// Two snapshots on two mirrors, the newer one removed, and the packs that it alone needs.
fn removed() -> (World, Id, Vec<Id>) {
    let mut world = World::new();
    world.change(1);
    world.backup(&BOTH);
    let before = world.client.look_all(&world.places(&BOTH));
    let before = before.presence.packs().clone();
    world.change(2);
    let newer = world.backup(&BOTH);
    let look = world.client.look_all(&world.places(&BOTH));
    let packs = look.presence.packs().keys();
    let packs = packs.filter(|pack| !before.contains_key(pack)).copied();
    let packs = packs.collect();
    remove(&world, &BOTH, newer).unwrap();
    assert!(!is_live(&world, &BOTH, newer));
    (world, newer, packs)
}

fn is_live(world: &World, which: &[usize], id: Id) -> bool {
    let look = world.client.look_all(&world.places(which));
    look.chains.is_live(&id)
}

fn take_back(
    world: &World,
    which: &[usize],
    id: Id,
    meanwhile: impl FnOnce(&Look),
) -> Result<Vec<Kept>> {
    let what = What::Undelete(vec![id]);
    world
        .client
        .write_all(&world.places(which), what, meanwhile)
}

#[test]
fn an_undelete_brings_a_snapshot_back_on_every_mirror() {
    let (world, id, _) = removed();
    let kept = take_back(&world, &BOTH, id, |_| ()).unwrap();
    assert!(kept.iter().all(|one| one.failed.is_none()), "{kept:?}");
    for at in BOTH {
        assert!(is_live(&world, &[at], id));
        assert!(world.assert_whole(at, "taken back").contains(&id));
    }
}

#[test]
fn what_a_mark_names_does_not_come_back() {
    let (world, id, packs) = removed();
    let look = world.client.look_all(&world.places(&BOTH));
    mark(&world, &look, 0, packs, vec![id]);
    let look = world.client.look_all(&world.places(&BOTH));
    assert!(undelete::list(&look, undelete::GRACE, 0).is_empty());
    let short = id.short();
    let found = undelete::find(&look, &[], &short).map(|_| ());
    assert_eq!(found.unwrap_err().kind(), Kind::Refused);
    let refused = take_back(&world, &BOTH, id, |_| ()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    assert!(!is_live(&world, &BOTH, id));
}

#[test]
fn a_mark_that_comes_while_somebody_looks_is_seen_by_the_session() {
    let (world, id, packs) = removed();
    let refused = take_back(&world, &BOTH, id, |look| {
        for at in BOTH {
            mark(&world, look, at, packs.clone(), vec![id]);
        }
    });
    assert_eq!(refused.unwrap_err().kind(), Kind::Refused);
    assert!(!is_live(&world, &BOTH, id));
}

/// The packs go, and nothing says that the snapshot does.
#[test]
fn what_only_packs_have_that_go_is_packed_anew() {
    let (world, id, packs) = removed();
    let kept = take_back(&world, &BOTH, id, |look| {
        for at in BOTH {
            mark(&world, look, at, packs.clone(), Vec::new());
        }
    });
    let kept = kept.unwrap();
    assert!(kept.iter().all(|one| one.failed.is_none()), "{kept:?}");
    for at in BOTH {
        assert!(is_live(&world, &[at], id));
        assert!(world.assert_whole(at, "taken back").contains(&id));
    }
}

/// A mirror on which a prune has marked it stays without, and the other one has it.
#[test]
fn each_mirror_answers_for_itself() {
    let (world, id, packs) = removed();
    let kept = take_back(&world, &BOTH, id, |look| {
        mark(&world, look, 1, packs, vec![id]);
    });
    let failed: Vec<_> = kept.unwrap().into_iter().map(|one| one.failed).collect();
    assert!(failed[0].is_none(), "{failed:?}");
    assert_eq!(failed[1].as_ref().unwrap().0, Kind::Refused);
    assert!(is_live(&world, &[0], id) && !is_live(&world, &[1], id));
    world.assert_whole(0, "the mirror without the mark");
}
