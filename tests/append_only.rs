//! A mirror on which one device deletes nothing: not one delete is tried, what it leaves is in nobody's way, and another
//! device prunes there.

use crate::client::{Client, Places};
use crate::several::{World, at_once, of};
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::Folder;
use heirloom::ops::prune::Report;
use heirloom::repo::Writer;
use heirloom::repo::publish::Session;
use heirloom::store::Store;
use heirloom::store::append_only::AppendOnly;
use heirloom::store::calls::{Call, Counted};
use heirloom::store::memory::MemoryStore;
use std::collections::BTreeSet;
use std::sync::Arc;

const BOTH: [usize; 2] = [0, 1];

type Watched = Counted<AppendOnly<MemoryStore>>;

/// The first mirror as its device sees it; what is called there is written down before it is refused.
fn watched(world: &World) -> (Arc<Watched>, Places) {
    let watched = Arc::new(Counted::new(AppendOnly::new(world.stores[0].clone())));
    let one: Arc<dyn Store> = Arc::<Watched>::clone(&watched);
    let two: Arc<dyn Store> = Arc::new(world.stores[1].clone());
    (
        watched,
        vec![("one".to_owned(), one), ("two".to_owned(), two)],
    )
}

fn backup(world: &mut World, client: &Client, places: &Places, number: u64) -> Id {
    world.change(number);
    let monitor = Collected::default();
    let report = client.backup_all(places, &world.job, &monitor);
    let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(monitor.problems(), Vec::<String>::new());
    report.snapshot.unwrap()
}

#[track_caller]
fn prune(client: &Client, places: &Places) -> Report {
    let options = at_once();
    let monitor = Collected::default();
    let report = client.prune(places, &options, &monitor);
    let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
    for (name, done) in &report.mirrors {
        let done = done.as_ref();
        let done = done.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
        assert!(done.waits.is_empty(), "{name}: {:?}", done.waits);
    }
    assert_eq!(monitor.problems(), Vec::<String>::new());
    report
}

#[track_caller]
fn sync(client: &Client, places: &Places) {
    let monitor = Collected::default();
    for (name, report) in client.sync_all(places, &monitor).unwrap() {
        let report = report.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
        assert_eq!(report.left, [], "{name}");
    }
    assert_eq!(monitor.problems(), Vec::<String>::new());
}

fn open_sessions(store: &MemoryStore) -> Vec<String> {
    let leaves = |folder| -> BTreeSet<String> {
        let names = of(store, folder).into_iter();
        names.map(|name| name.leaf()[..32].to_owned()).collect()
    };
    let slots = leaves(Folder::Commits);
    let intents = leaves(Folder::Intents).into_iter();
    intents.filter(|session| !slots.contains(session)).collect()
}

#[test]
fn not_one_delete_is_tried_and_another_device_prunes() {
    let mut world = World::new();
    let (watched, places) = watched(&world);
    let client = world.client.with_store(Arc::<Watched>::clone(&watched));
    let all: Vec<_> = (1..5)
        .map(|number| backup(&mut world, &client, &places, number))
        .collect();
    client.forget(&places, &all[1..3]).unwrap();
    let report = prune(&client, &places);
    let pruned: Vec<_> = report.mirrors.iter().map(|(name, _)| name).collect();
    assert_eq!(pruned, ["two"]);
    assert_eq!(of(&world.stores[0], Folder::Marks).len(), 0);
    let whole = |what: &str| {
        for at in BOTH {
            world.assert_whole(at, what);
        }
        assert_eq!(watched.count(Call::Delete), 0, "{what}");
        // Intents stay, and each of their sessions is decided.
        assert_ne!(of(&world.stores[0], Folder::Intents).len(), 0);
        assert_eq!(open_sessions(&world.stores[0]), Vec::<String>::new());
    };
    whole("pruned elsewhere");
    // The mark of the other mirror travels; then packs are tombed here and alive nowhere else.
    sync(&client, &places);
    whole("synced");
    sync(&client, &places);
    whole("synced again");
    backup(&mut world, &client, &places, 5);
    prune(&client, &places);
    let before = of(&world.stores[0], Folder::Packs).len();
    let other = world.device();
    let report = prune(&other, &world.places(&BOTH));
    assert_eq!(report.mirrors.len(), 2);
    for at in BOTH {
        world.assert_whole(at, "pruned by another");
    }
    assert!(of(&world.stores[0], Folder::Packs).len() < before);
    assert_eq!(of(&world.stores[0], Folder::Intents).len(), 0);
    backup(&mut world, &client, &places, 6);
    sync(&client, &places);
    for at in BOTH {
        world.assert_whole(at, "went on");
    }
    assert_eq!(watched.count(Call::Delete), 0);
}

#[test]
fn a_session_that_ends_without_a_commit_is_waited_for_by_nobody() {
    let mut world = World::new();
    let (watched, places) = watched(&world);
    let client = world.client.with_store(Arc::<Watched>::clone(&watched));
    let first = backup(&mut world, &client, &places, 1);
    backup(&mut world, &client, &places, 2);
    let repo = client.open().unwrap();
    let writer = Writer {
        device: [9; 16],
        started_ns: 1,
    };
    let session = Session::begin(&repo, &client.host, writer, "backup").unwrap();
    assert_eq!(open_sessions(&world.stores[0]).len(), 1);
    let monitor = Collected::default();
    session.end(&monitor);
    assert_eq!(monitor.problems(), Vec::<String>::new());
    assert_eq!(open_sessions(&world.stores[0]), Vec::<String>::new());
    assert_eq!(watched.count(Call::Delete), 0);
    client.forget(&places, &[first]).unwrap();
    prune(&world.device(), &world.places(&BOTH));
    world.assert_whole(0, "pruned");
}
