//! One repository on three mirrors in memory, each of which can be made to fail, and what each alone gives back.

use crate::client::{Client, Job, Places, Synced, TestHost};
use crate::world::{describe, noise};
use heirloom::error::Kind;
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::backup::{self, Kept};
use heirloom::ops::prune;
use heirloom::ops::prune::plan::Limits;
use heirloom::ops::verify::Level;
use heirloom::store::Store;
use heirloom::store::faulty::Faulty;
use heirloom::store::memory::MemoryStore;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const NAMES: [&str; 3] = ["one", "two", "three"];
/// What is byte for byte the same on every mirror.
const SHARED: [Folder; 6] = [
    Folder::Packs,
    Folder::Index,
    Folder::Entries,
    Folder::Marks,
    Folder::Keys,
    Folder::Keys2,
];

pub(crate) type Objects = BTreeMap<Name, Vec<u8>>;
pub(crate) type Tree = BTreeMap<Vec<u8>, String>;

/// A device, its source, and mirrors that can be made to fail.
pub(crate) struct World {
    pub(crate) home: tempfile::TempDir,
    pub(crate) stores: Vec<MemoryStore>,
    pub(crate) faulty: Vec<Arc<Faulty<MemoryStore>>>,
    pub(crate) client: Client,
    pub(crate) job: Job,
    /// The source as it was at each change.
    states: Vec<Tree>,
    /// What each snapshot must give back, where the answer told which it is.
    pub(crate) snapshots: BTreeMap<Id, Tree>,
    /// Clients made so far.
    clients: Cell<u64>,
}

impl World {
    /// Three empty mirrors of one repository.
    pub(crate) fn new() -> Self {
        // The state of a device is made durable at each step, which on a disk takes most of the time.
        let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let home = home.unwrap();
        let path = home.path().canonicalize().unwrap();
        let stores: Vec<_> = NAMES.iter().map(|name| MemoryStore::new(name)).collect();
        let faulty = stores.iter().cloned().map(Faulty::new).map(Arc::new);
        let faulty: Vec<_> = faulty.collect();
        let client = Client::new(
            &path,
            0,
            Arc::<Faulty<_>>::clone(&faulty[0]),
            TestHost::new(1, "host"),
        );
        let job = Job {
            source: "source".to_owned(),
            path: path.join("source"),
            force: false,
        };
        fs::create_dir_all(job.path.join("folder")).unwrap();
        fs::create_dir_all(&client.home).unwrap();
        let world = Self {
            home,
            stores,
            faulty,
            client,
            job,
            states: Vec::new(),
            snapshots: BTreeMap::new(),
            clients: Cell::new(1),
        };
        world.client.init().unwrap();
        for new in &world.faulty[1..] {
            let new: Arc<dyn Store> = Arc::<Faulty<_>>::clone(new);
            world.client.plant(&world.places(&[0]), new).unwrap();
        }
        world
    }

    /// With a snapshot on all of them, and a change after it.
    pub(crate) fn with_snapshot() -> Self {
        let mut world = Self::new();
        world.change(1);
        world.backup(&[0, 1, 2]);
        world.change(2);
        world
    }

    pub(crate) fn places(&self, which: &[usize]) -> Places {
        let place = |at: &usize| {
            let store: Arc<dyn Store> = Arc::<Faulty<_>>::clone(&self.faulty[*at]);
            (NAMES[*at].to_owned(), store)
        };
        which.iter().map(place).collect()
    }

    /// One more file, one that changes, and one that stays.
    pub(crate) fn change(&mut self, number: u64) {
        let write =
            |name: String, bytes: &[u8]| fs::write(self.job.path.join(name), bytes).unwrap();
        write(format!("folder/{number}"), &noise(number, 40_000));
        write(
            "changes".to_owned(),
            &noise(number, 1000 + usize::try_from(number).unwrap()),
        );
        self.states.push(describe(&self.job.path));
    }

    /// Backs up to these; each must have it in the end.
    #[track_caller]
    pub(crate) fn backup(&mut self, which: &[usize]) -> Id {
        let client = self.client.clone();
        self.backup_by(&client, which)
    }

    #[track_caller]
    pub(crate) fn backup_by(&mut self, client: &Client, which: &[usize]) -> Id {
        let (report, problems) = self.try_backup(client, which);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(failed(&report), []);
        let snapshot = report.snapshot.unwrap();
        self.snapshots.insert(snapshot, describe(&self.job.path));
        snapshot
    }

    #[track_caller]
    pub(crate) fn try_backup(
        &self,
        client: &Client,
        which: &[usize],
    ) -> (backup::Report, Vec<String>) {
        let monitor = Collected::default();
        let report = client
            .backup_all(&self.places(which), &self.job, &monitor)
            .unwrap_or_else(|error| panic!("{}", error.chain()));
        (report, monitor.problems())
    }

    pub(crate) fn try_sync(&self, which: &[usize]) -> (Synced, Vec<String>) {
        let monitor = Collected::default();
        let synced = self.client.sync_all(&self.places(which), &monitor).unwrap();
        (synced, monitor.problems())
    }

    /// Syncs these; nothing may stay behind. How many entries each was brought.
    #[track_caller]
    pub(crate) fn sync(&self, which: &[usize]) -> Vec<u64> {
        let (synced, problems) = self.try_sync(which);
        assert_eq!(problems, Vec::<String>::new());
        let brought = synced.into_iter().map(|(name, report)| {
            let report = report.unwrap_or_else(|error| panic!("{name}: {}", error.chain()));
            assert_eq!(report.left, []);
            report.entries
        });
        brought.collect()
    }

    /// One that has nothing in its cache.
    pub(crate) fn stranger(&self, store: Arc<dyn Store>) -> Client {
        let number = self.clients.get();
        self.clients.set(number + 1);
        let host = TestHost::new(1000 + number, "other");
        Client::new(self.home.path(), number, store, host)
    }

    /// Another device, that stays.
    pub(crate) fn device(&self) -> Client {
        let store: Arc<dyn Store> = Arc::<Faulty<_>>::clone(&self.faulty[0]);
        self.stranger(store)
    }

    /// This mirror alone gives back every snapshot that it shows; which these are.
    #[track_caller]
    pub(crate) fn assert_whole(&self, at: usize, what: &str) -> BTreeSet<Id> {
        let client = self.stranger(Arc::new(self.stores[at].clone()));
        let loader = client.loader();
        let shown = client.snapshots();
        for (snapshot, root) in &shown {
            let target = self.home.path().join("target");
            client.restore(&loader, *root, &self.job.path, &target);
            let back = describe(&target);
            match self.snapshots.get(snapshot) {
                Some(tree) => assert!(back == *tree, "{what}: {snapshot} on {}", NAMES[at]),
                None => assert!(self.states.contains(&back), "{what}: {snapshot}"),
            }
        }
        let (report, problems) = client.verify(Level::Content);
        assert_eq!(problems, Vec::<String>::new(), "{what}: {}", NAMES[at]);
        assert!(report.is_sound(), "{what}: {report:?}");
        fs::remove_dir_all(&client.home).unwrap();
        shown.into_iter().map(|(id, _)| id).collect()
    }

    /// All of them hold the same, each with its own marker.
    #[track_caller]
    pub(crate) fn assert_same(&self, which: &[usize], what: &str) {
        let contents = which.iter().map(|at| self.stores[*at].contents());
        let contents: Vec<Objects> = contents.collect();
        let names = |objects: &Objects| objects.keys().map(Name::path).collect::<Vec<_>>();
        for other in &contents[1..] {
            let (one, two) = (shared(&contents[0]), shared(other));
            assert_eq!(names(&one), names(&two), "{what}");
            assert!(one == two, "{what}: the same names, other bytes");
        }
        let markers: BTreeSet<_> = contents.iter().map(|all| &all[&Name::marker()]).collect();
        assert_eq!(
            markers.len(),
            which.len(),
            "{what}: every marker is its own"
        );
    }

    /// The same, and each alone is whole.
    #[track_caller]
    pub(crate) fn assert_equal(&self, which: &[usize], what: &str) -> BTreeSet<Id> {
        self.assert_same(which, what);
        let shown: Vec<_> = which
            .iter()
            .map(|at| self.assert_whole(*at, what))
            .collect();
        assert!(
            shown.iter().all(|one| *one == shown[0]),
            "{what}: {shown:?}"
        );
        shown.into_iter().next().unwrap()
    }

    /// A state to come back to.
    pub(crate) fn keep(&self) -> Vec<Objects> {
        copy(&self.client.home, &self.home.path().join("kept"));
        self.stores.iter().map(MemoryStore::contents).collect()
    }

    pub(crate) fn put_back(&self, kept: &[Objects]) {
        for (store, objects) in self.stores.iter().zip(kept) {
            store.replace(objects.clone());
        }
        fs::remove_dir_all(&self.client.home).unwrap();
        copy(&self.home.path().join("kept"), &self.client.home);
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    let arguments: [&Path; 3] = ["-aT".as_ref(), from, to];
    let copied = Command::new("cp").args(arguments).status().unwrap();
    assert!(copied.success());
}

pub(crate) fn shared(objects: &Objects) -> Objects {
    let shared = objects.iter();
    let shared = shared.filter(|(name, _)| SHARED.contains(&name.folder()));
    shared
        .map(|(name, bytes)| (name.clone(), bytes.clone()))
        .collect()
}

pub(crate) fn of(store: &MemoryStore, folder: Folder) -> BTreeSet<Name> {
    let all = store.contents().into_keys();
    all.filter(|name| name.folder() == folder).collect()
}

/// A prune after which nothing unused stays and nothing can be taken back, and that waits for nobody.
pub(crate) fn at_once() -> prune::Options {
    prune::Options {
        limits: Limits {
            unused: 0,
            rewrite: u64::MAX,
        },
        grace: 0,
        expiry: 86_400,
        wait: Duration::ZERO,
        end_dead: false,
        clock_ok: true,
    }
}

/// Mirrors that do not have the snapshot, and the kind of reason.
pub(crate) fn failed(report: &backup::Report) -> Vec<(&str, Kind)> {
    let failed = |kept: &'_ Kept| Some(kept.failed.as_ref()?.0);
    let mirrors = report.mirrors.iter();
    mirrors
        .filter_map(|kept| Some((kept.name.as_str(), failed(kept)?)))
        .collect()
}
