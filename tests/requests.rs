//! How many calls a verb makes on a mirror. At 50 ms each they are what a person waits for, and some cost money.
//!
//! The numbers are exact: a call more fails, and so does one less. Whoever changes one says why.

use crate::client::{Client, Job, Places, TestHost, next_tick};
use crate::collect;
use crate::world::noise;
use heirloom::host::{FixedHost, Host};
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::verify::remember::Known;
use heirloom::ops::verify::{self, Level, Options};
use heirloom::repo::Writer;
use heirloom::repo::chain::Chains;
use heirloom::repo::look::Look;
use heirloom::repo::view::Nodes;
use heirloom::rescue;
use heirloom::store::Store;
use heirloom::store::calls::{Call, Called, Counted};
use heirloom::store::memory::MemoryStore;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many worlds these tests make, at the most.
const WORLDS: usize = 16;

/// A folder above which nothing changes. A snapshot holds the folders above its source, so in the common temporary
/// folder each other test that comes or goes would be a change, and cost a pack and an index run.
fn quiet_folder() -> tempfile::TempDir {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    static PLACES: LazyLock<PathBuf> = LazyLock::new(|| {
        let places = Path::new(env!("CARGO_TARGET_TMPDIR")).join("requests");
        for number in 0..WORLDS {
            std::fs::create_dir_all(places.join(number.to_string())).unwrap();
        }
        places
    });
    let number = TAKEN.fetch_add(1, Ordering::Relaxed);
    assert!(number < WORLDS, "more worlds than places");
    tempfile::tempdir_in(PLACES.join(number.to_string())).unwrap()
}

struct World {
    home: tempfile::TempDir,
    counted: Arc<Counted<MemoryStore>>,
    client: Client,
    job: Job,
}

impl World {
    /// Three files in two folders and a repository in a place that is near.
    fn new() -> Self {
        Self::at("memory")
    }

    fn at(address: &str) -> Self {
        let home = quiet_folder();
        let path = home.path().canonicalize().unwrap();
        let counted = Arc::new(Counted::new(MemoryStore::new(address)));
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
        Self::backed_up_at("memory")
    }

    fn backed_up_at(address: &str) -> Self {
        let world = Self::at(address);
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
    let mut found: Vec<_> = counts
        .iter()
        .map(|(what, count)| match what.ends_with("rescue file") {
            true => format!("{what}: {} each", count / files),
            false => format!("{what}: {count}"),
        })
        .collect();
    found.sort();
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
    let home = quiet_folder();
    let counted = Arc::new(Counted::new(MemoryStore::new("memory")));
    let client = Client::new(home.path(), 0, counted.clone(), TestHost::new(1, "host"));
    client.init().unwrap();
    assert_calls(
        &counted.take(),
        &[
            // Nothing may be there; key slots of an interrupted init go first.
            "get mirror: 1",
            "list packs: 1",
            "list entries: 1",
            "list commits: 1",
            "list marks: 1",
            "list keys: 1",
            "list keys2: 1",
            // For a person without this program; two slots, each twice; the marker comes last.
            "put rescue file: 1 each",
            "put keys: 2",
            "put keys2: 2",
            "put mirror: 1",
        ],
    );
}

#[test]
fn a_first_backup() {
    let world = World::new();
    let calls = world.calls(|| world.client.backup_well(&world.job));
    assert_calls(
        &calls,
        &[
            // To open: the marker, the names of the key slots, one of which fits and one of which goes into packs.
            "get mirror: 1",
            "list keys: 1",
            "list keys2: 1",
            "get keys: 2",
            // What there is, before and after the intent (P0, P4), there twice.
            "list commits: 3",
            "list entries: 1",
            // Marks after the intent, twice (P2), packs (P3), index runs not known yet.
            "list marks: 2",
            "list packs: 1",
            "list index: 1",
            // The session, from its intent to its slot.
            "put intents: 1",
            "put entries: 1",
            "put if absent commits: 1",
            "delete intents: 1",
            // Contents, trees, and where each blob lies.
            "put packs: 2",
            "put index: 1",
        ],
    );
}

#[test]
fn an_unchanged_backup() {
    let world = World::backed_up();
    for _ in 0..20 {
        world.client.backup_well(&world.job);
    }
    let calls = world.calls(|| world.client.backup_well(&world.job));
    assert!(calls.len() - listings(&calls) <= 16);
    assert_calls(
        &calls,
        &[
            // To open: the marker and the names of the key slots, of which this device has copies.
            "get mirror: 1",
            "list keys: 1",
            "list keys2: 1",
            // What there is, before and after the intent (P0, P4), there twice; slots decide, so entries are listed again
            // only where there is another slot.
            "list commits: 3",
            "list entries: 1",
            // Marks after the intent, twice (P2), packs (P3), index runs not known yet.
            "list marks: 2",
            "list packs: 1",
            "list index: 1",
            // The session, from its intent to its slot.
            "put intents: 1",
            "put entries: 1",
            "put if absent commits: 1",
            "delete intents: 1",
        ],
    );
}

#[test]
fn a_backup_of_one_changed_file() {
    let world = World::backed_up();
    fs::write(world.job.path.join("a"), b"changed").unwrap();
    let calls = world.calls(|| world.client.backup_well(&world.job));
    assert_calls(
        &calls,
        &[
            // To open: the marker and the names of the key slots, of which this device has copies.
            "get mirror: 1",
            "list keys: 1",
            "list keys2: 1",
            // What there is, before and after the intent (P0, P4), there twice; slots decide, so entries are listed again
            // only where there is another slot.
            "list commits: 3",
            "list entries: 1",
            // Marks after the intent, twice (P2), packs (P3), index runs not known yet.
            "list marks: 2",
            "list packs: 1",
            "list index: 1",
            // The session, from its intent to its slot.
            "put intents: 1",
            "put entries: 1",
            "put if absent commits: 1",
            "delete intents: 1",
            // What the folder held before: the header of the tree pack, and one block.
            "range packs: 2",
            "put packs: 2",
            "put index: 1",
        ],
    );
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
    assert_calls(
        &calls,
        &[
            // To open: the marker and the names of the key slots, of which this device has copies.
            "get mirror: 1",
            "list keys: 1",
            "list keys2: 1",
            // Which snapshots there are, and where their blobs lie.
            "list commits: 1",
            "list entries: 1",
            "list marks: 1",
            "list packs: 1",
            "list index: 1",
            // The header of the tree pack, and one block.
            "range packs: 2",
        ],
    );
}

#[test]
fn a_restore_of_one_small_file_where_it_was_backed_up() {
    let world = World::backed_up();
    let calls = world.calls(|| world.restore_a(&world.client));
    assert_calls(
        &calls,
        &[
            // To open: the marker and the names of the key slots, of which this device has copies.
            "get mirror: 1",
            "list keys: 1",
            "list keys2: 1",
            // Which snapshots there are, and where their blobs lie.
            "list commits: 1",
            "list entries: 1",
            "list marks: 1",
            "list packs: 1",
            "list index: 1",
            // A header and a block of the tree pack, the same of the data pack.
            "range packs: 4",
        ],
    );
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
    assert_calls(
        &calls,
        &[
            // To open: the marker, the names of the key slots, one of which fits and one of which goes into packs.
            "get mirror: 1",
            "list keys: 1",
            "list keys2: 1",
            "get keys: 2",
            // Which snapshots there are, and where their blobs lie.
            "list commits: 1",
            "list entries: 1",
            "list marks: 1",
            "list packs: 1",
            "list index: 1",
            // What a device keeps once it has seen it.
            "get commits: 1",
            "get entries: 1",
            "get index: 1",
            // A header and a block of the tree pack, the same of the data pack.
            "range packs: 4",
        ],
    );
}

/// From far away a header comes with what lies behind it, so a small pack is asked once.
#[test]
fn a_restore_of_one_small_file_from_far_away() {
    let world = World::backed_up_at("far://memory");
    let host = TestHost::new(2, "other");
    let bare = Client::new(world.home.path(), 1, world.counted.clone(), host);
    let calls = world.calls(|| world.restore_a(&bare));
    let ranges = calls.iter().filter(|called| called.call == Call::GetRange);
    // All of the tree pack; the front of the data pack, and a block that is larger than that.
    let sizes: Vec<_> = ranges.map(|called| called.amount >> 10).collect();
    assert_eq!(sizes, [12, 260, 1592]);
    assert_eq!(calls.len(), 16);
}

/// What the second of two mirrors is asked in a run that changes nothing; the first one has answered what there is.
#[test]
fn an_unchanged_backup_on_a_mirror_that_follows() {
    let world = World::backed_up();
    let second = Arc::new(Counted::new(MemoryStore::new("far://second")));
    let places: Places = vec![("first".to_owned(), world.counted.clone())];
    world.client.plant(&places, second.clone()).unwrap();
    let places = vec![
        places[0].clone(),
        ("second".to_owned(), second.clone() as Arc<dyn Store>),
    ];
    for _ in 0..3 {
        next_tick(world.home.path());
        world
            .client
            .backup_all(&places, &world.job, &Collected::default())
            .unwrap();
    }
    second.take();
    world
        .client
        .backup_all(&places, &world.job, &Collected::default())
        .unwrap();
    let calls = second.take();
    assert_calls(
        &calls,
        &[
            // To open: the marker and the names of the key slots, which the first mirror has given.
            "get mirror: 1",
            "list keys: 1",
            "list keys2: 1",
            "list commits: 3",
            "list entries: 1",
            "list marks: 2",
            "list packs: 1",
            "list index: 1",
            "put intents: 1",
            "put entries: 1",
            "put if absent commits: 1",
            "delete intents: 1",
        ],
    );
}

/// A pack of which a part goes is written anew: its directory, then neighbouring blocks together and not one by one.
#[test]
fn a_prune_that_moves_most_of_a_pack_far_away() {
    let world = World::at("far://memory");
    for number in 10..18 {
        let bytes = noise(number, 1_000_000);
        fs::write(world.job.path.join(number.to_string()), bytes).unwrap();
    }
    let first = world.client.backup_well(&world.job);
    for number in [12, 13] {
        fs::remove_file(world.job.path.join(number.to_string())).unwrap();
    }
    next_tick(world.home.path());
    world.client.backup_well(&world.job);
    let places: Places = vec![("far".to_owned(), world.counted.clone())];
    world.client.forget(&places, &[first]).unwrap();
    let calls = world.calls(|| {
        let report = collect::prune(&world.client, &places);
        assert!(report.plan.moved > 6_000_000, "{report:?}");
    });
    let packs = |called: &&Called| called.call == Call::GetRange && called.folder == Folder::Packs;
    let asked = calls.iter().filter(packs);
    let mut sizes: Vec<_> = asked.map(|called| called.amount >> 10).collect();
    sizes.sort_unstable();
    // Fronts of packs, the directory, a header; blocks of two MiB, neighbours together; directories of new packs.
    assert_eq!(sizes, [8, 12, 12, 12, 252, 260, 2112, 2112, 2240, 3136]);
    world.restore_a(&world.client);
}

fn verified(level: Level) -> Vec<Called> {
    let world = World::backed_up();
    world.calls(|| assert!(world.client.verify(level).0.is_sound()))
}

/// What opening, reading every small object and walking the trees costs, at each level.
const SMALL_OBJECTS: [&str; 18] = [
    // Once to open, where this device has copies of the key slots, and once to prove.
    "get mirror: 2",
    "list keys: 2",
    "list keys2: 2",
    "get keys: 2",
    "get keys2: 2",
    "list commits: 2",
    "list entries: 2",
    "list marks: 2",
    "list packs: 2",
    "list index: 2",
    // To prove alone.
    "get rescue file: 1 each",
    "get commits: 1",
    "get entries: 1",
    "get index: 1",
    "list top: 1",
    "list intents: 1",
    "list ledger: 1",
    "list parity: 1",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL_OBJECTS.iter().chain(more).copied().collect()
}

#[test]
fn verify_entered_in_the_ledger() {
    let world = World::backed_up();
    let read = |world: &World| {
        let monitor = Collected::default();
        let repo = world.client.open().unwrap();
        let look = Look::at(&repo, &monitor).unwrap();
        let mut known = Known::read(&look, FixedHost::new(1).now().seconds).unwrap();
        let options = Options {
            level: Level::Content,
            workers: 2,
        };
        let (report, _) = verify::objects(&look, &known.scope(None), &options, &monitor).unwrap();
        let writer = Writer {
            device: [1; 16],
            started_ns: 1,
        };
        let by = (writer, &FixedHost::new(1) as &dyn Host);
        let how = (Level::Content, true);
        known.enter(&look, &report, how, by).unwrap();
    };
    // Of the ledger the names, once more than for the listing of all; then one record. No snapshot is walked here.
    let mut wanted = with(&["get packs: 2", "list ledger: 2", "put ledger: 1"]);
    wanted.retain(|line| *line != "list ledger: 1");
    assert_calls(&world.calls(|| read(&world)), &wanted);
    // The record before it is read to be folded and read to be proven, and says nothing more after this one.
    wanted.extend(["get ledger: 2", "delete ledger: 1"]);
    assert_calls(&world.calls(|| read(&world)), &wanted);
}

#[test]
fn verify_structure() {
    // Two directories; then the trees: a header and a block.
    assert_calls(&verified(Level::Structure), &with(&["range packs: 4"]));
}

#[test]
fn verify_stored() {
    // Each pack in one piece; then the trees: a header and a block.
    let packs = ["get packs: 2", "range packs: 2"];
    assert_calls(&verified(Level::Stored), &with(&packs));
}

#[test]
fn verify_content() {
    let packs = ["get packs: 2", "range packs: 2"];
    assert_calls(&verified(Level::Content), &with(&packs));
}
