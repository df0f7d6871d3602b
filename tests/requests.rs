//! How many calls a verb makes on a mirror. At 50 ms each they are what a person waits for, and some cost money.
//!
//! The numbers are exact: a call more fails, and so does one less. Whoever changes one says why.

use crate::client::{Client, Job, TestHost, next_tick};
use crate::world::noise;
use heirloom::monitor::Collected;
use heirloom::name::Name;
use heirloom::ops::verify::Level;
use heirloom::repo::chain::Chains;
use heirloom::repo::view::Nodes;
use heirloom::rescue;
use heirloom::store::calls::{Call, Called, Counted};
use heirloom::store::memory::MemoryStore;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

struct World {
    home: tempfile::TempDir,
    counted: Arc<Counted<MemoryStore>>,
    client: Client,
    job: Job,
}

impl World {
    /// Three files in two folders and a repository.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().canonicalize().unwrap();
        let counted = Arc::new(Counted::new(MemoryStore::new("memory")));
        let host = TestHost::new(1, "host");
        host.set_ahead(10);
        let client = Client::new(&path, 0, counted.clone(), host);
        let job = Job {
            source: "source".to_owned(),
            path: path.join("source"),
            force: false,
        };
        fs::create_dir_all(job.path.join("folder")).unwrap();
        fs::write(job.path.join("a"), noise(1, 10_000)).unwrap();
        fs::write(job.path.join("folder/b"), noise(2, 100_000)).unwrap();
        fs::write(job.path.join("folder/c"), noise(3, 1_500_000)).unwrap();
        client.init().unwrap();
        Self {
            home,
            counted,
            client,
            job,
        }
    }

    fn backed_up() -> Self {
        let world = Self::new();
        world.client.backup_well(&world.job);
        next_tick(world.home.path());
        world
    }

    /// What `act` asks of the mirror.
    fn calls<T>(&self, act: impl FnOnce() -> T) -> Vec<Called> {
        self.counted.take();
        act();
        self.counted.take()
    }

    fn restore_a(&self, client: &Client) {
        let monitor = Collected::default();
        let repo = client.open().unwrap();
        let chains = Chains::read(&repo, &monitor).unwrap();
        let root = chains.snapshots().last().unwrap().2.tree;
        let loader = client.loader_of(&repo, &monitor);
        let target = self.home.path().join("target");
        client.restore(&loader, root, &self.job.path.join("a"), &target);
        assert_eq!(fs::read(target.join("a")).unwrap(), noise(1, 10_000));
    }
}

/// Which calls, each with how often, as `get keys: 2`.
#[track_caller]
fn assert_calls(calls: &[Called], wanted: &[&str]) {
    let mut counts = BTreeMap::<String, usize>::new();
    for called in calls {
        let verb = match called.call {
            Call::Get => "get",
            Call::GetRange => "range",
            Call::Put => "put",
            Call::PutIfAbsent => "put if absent",
            Call::List => "list",
            Call::Delete => "delete",
        };
        let place = match (called.folder.path(), &called.name) {
            ("", Some(name)) if *name == Name::marker() => "mirror",
            ("", Some(_)) => "rescue file",
            ("", None) => "top",
            (path, _) => path,
        };
        *counts.entry(format!("{verb} {place}")).or_default() += 1;
    }
    let mut wanted: Vec<_> = wanted.iter().map(|line| (*line).to_owned()).collect();
    wanted.sort();
    let files = rescue::FILES.len();
    let found: Vec<_> = counts
        .iter()
        .map(|(what, count)| match what.ends_with("rescue file") {
            true => format!("{what}: {} each", count / files),
            false => format!("{what}: {count}"),
        })
        .collect();
    assert_eq!(found, wanted, "{} in all", calls.len());
}

fn listings(calls: &[Called]) -> usize {
    calls
        .iter()
        .filter(|called| called.call == Call::List)
        .count()
}

#[test]
fn init() {
    let home = tempfile::tempdir().unwrap();
    let counted = Arc::new(Counted::new(MemoryStore::new("memory")));
    let client = Client::new(home.path(), 0, counted.clone(), TestHost::new(1, "host"));
    client.init().unwrap();
    assert_calls(&counted.take(), &[]);
}

#[test]
fn a_first_backup() {
    let world = World::new();
    let calls = world.calls(|| world.client.backup_well(&world.job));
    assert_calls(&calls, &[]);
}

#[test]
fn an_unchanged_backup() {
    let world = World::backed_up();
    for _ in 0..20 {
        world.client.backup_well(&world.job);
    }
    let calls = world.calls(|| world.client.backup_well(&world.job));
    assert!(calls.len() - listings(&calls) <= 16);
    assert_calls(&calls, &[]);
}

#[test]
fn a_backup_of_one_changed_file() {
    let world = World::backed_up();
    fs::write(world.job.path.join("a"), b"changed").unwrap();
    let calls = world.calls(|| world.client.backup_well(&world.job));
    assert_calls(&calls, &[]);
}

#[test]
fn ls() {
    let world = World::backed_up();
    let calls = world.calls(|| {
        let monitor = Collected::default();
        let repo = world.client.open().unwrap();
        let chains = Chains::read(&repo, &monitor).unwrap();
        let mut open = vec![chains.snapshots().last().unwrap().2.tree];
        let loader = world.client.loader_of(&repo, &monitor);
        let mut names = 0;
        while let Some(tree) = open.pop() {
            let mut nodes = Nodes::of(&loader, tree);
            while let Some(node) = nodes.next_node().unwrap() {
                names += 1;
                open.extend(node.tree);
            }
        }
        assert!(names >= 5);
    });
    assert_calls(&calls, &[]);
}

#[test]
fn a_restore_of_one_small_file_where_it_was_backed_up() {
    let world = World::backed_up();
    let calls = world.calls(|| world.restore_a(&world.client));
    assert_calls(&calls, &[]);
}

#[test]
fn a_restore_of_one_small_file_on_a_bare_machine() {
    let world = World::backed_up();
    let host = TestHost::new(2, "other");
    let bare = Client::new(world.home.path(), 1, world.counted.clone(), host);
    let calls = world.calls(|| world.restore_a(&bare));
    let index = calls.iter().filter(|called| {
        called.folder == heirloom::name::Folder::Index && called.call == Call::Get
    });
    assert!(calls.len() - index.count() <= 16, "{calls:?}");
    assert_calls(&calls, &[]);
}

fn verify(level: Level) -> Vec<Called> {
    let world = World::backed_up();
    world.calls(|| assert!(world.client.verify(level).0.is_sound()))
}

#[test]
fn verify_structure() {
    assert_calls(&verify(Level::Structure), &[]);
}

#[test]
fn verify_stored() {
    assert_calls(&verify(Level::Stored), &[]);
}

#[test]
fn verify_content() {
    assert_calls(&verify(Level::Content), &[]);
}
