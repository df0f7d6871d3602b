//! Random lives of a source: made, changed, backed up in every way there is, and each snapshot compared with a
//! description of the tree as it was.
//!
//! A life is a function of its seed but for the file system's clock. `HEIRLOOM_SEEDS=500` tries more lives,
//! `HEIRLOOM_SEED=7` one.

use crate::client::{Client, Dice, Job, TestHost, data_packs, next_tick, seeds};
use crate::world::{describe, make_fifo, noise, set_mtime};
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::store::memory::MemoryStore;
use rustix::fs::XattrFlags;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LIVES: u64 = 5;
const BACKUPS: usize = 7;
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A source folder and the dice that shape it.
struct Tree {
    root: PathBuf,
    dice: Dice,
    /// Bytes of large files that this life may still write.
    large_left: usize,
}

impl Tree {
    fn new(root: PathBuf, seed: u64) -> Self {
        fs::create_dir(&root).unwrap();
        let mut tree = Self {
            root,
            dice: Dice(seed),
            large_left: 14 * MIB,
        };
        for _ in 0..30 {
            tree.make();
        }
        tree
    }

    /// Every folder, or every item that is none.
    fn all(&self, folders: bool) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.root.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let is_folder = fs::symlink_metadata(&path).unwrap().is_dir();
                if is_folder {
                    open.push(path.clone());
                }
                if is_folder == folders {
                    found.push(path);
                }
            }
        }
        // The order of a listing is the file system's.
        found.sort_unstable();
        found
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut all = self.all(false);
        all.retain(|path| fs::symlink_metadata(path).unwrap().is_file());
        all
    }

    fn folder(&mut self) -> PathBuf {
        let mut all = self.all(true);
        all.push(self.root.clone());
        self.dice.one_of(&all).clone()
    }

    fn file(&mut self) -> Option<PathBuf> {
        let all = self.files();
        (!all.is_empty()).then(|| self.dice.one_of(&all).clone())
    }

    fn any(&mut self) -> Option<PathBuf> {
        let mut all = self.all(false);
        all.extend(self.all(true));
        (!all.is_empty()).then(|| self.dice.one_of(&all).clone())
    }

    /// A free name in some folder.
    fn place(&mut self) -> PathBuf {
        loop {
            let number = self.dice.below(1000);
            let name = match self.dice.below(9) {
                0 => format!("{number}\u{e9}\u{4e16} \u{1f4be}").into_bytes(),
                1 => [format!("{number}").as_bytes(), b"\xff\xfe\x80"].concat(),
                2 => format!("-{number} \n\t\"'\\").into_bytes(),
                3 => [vec![b'l'; 250], format!("{number}").into_bytes()].concat(),
                4 => format!(".{number}").into_bytes(),
                5 => format!("{number}.incomplete").into_bytes(),
                _ => format!("name {number}").into_bytes(),
            };
            let path = self.folder().join(OsString::from_vec(name));
            if fs::symlink_metadata(&path).is_err() {
                return path;
            }
        }
    }

    fn size(&mut self) -> usize {
        let edge = match self.dice.below(12) {
            0 => 0,
            1..=2 => 64 * KIB,
            3 => 256 * KIB,
            4 if self.large_left >= MIB => MIB,
            5 if self.large_left >= 5 * MIB => 5 * MIB,
            _ => return self.dice.below(20_000),
        };
        if edge >= MIB {
            self.large_left -= edge;
        }
        (edge + self.dice.below(3)).saturating_sub(1)
    }

    fn content(&mut self) -> Vec<u8> {
        let size = self.size();
        let seed = self.dice.roll();
        let mut bytes = match self.dice.below(5) {
            0 => vec![0; size],
            1 => b"the same words over and over, "
                .iter()
                .copied()
                .cycle()
                .take(size)
                .collect(),
            _ => noise(seed, size),
        };
        let heads: [&[u8]; 3] = [b"SQLite format 3\0", b"\xff\xd8\xff", b"PK\x03\x04"];
        if self.dice.once_in(3) {
            let head = *self.dice.one_of(&heads);
            let len = head.len().min(size);
            bytes[..len].copy_from_slice(&head[..len]);
        }
        bytes
    }

    fn make(&mut self) {
        let path = self.place();
        match self.dice.below(14) {
            0..=2 => fs::create_dir(&path).unwrap(),
            3 => symlink(OsString::from_vec(b"no/such/\xff".to_vec()), &path).unwrap(),
            4 => make_fifo(&path),
            5 => {
                if let Some(file) = self.file() {
                    fs::hard_link(file, &path).unwrap();
                }
            }
            6 => self.make_sparse(&path),
            7 => {
                if let Some(file) = self.file() {
                    fs::copy(file, &path).unwrap();
                }
            }
            _ => {
                let bytes = self.content();
                fs::write(&path, bytes).unwrap();
            }
        }
        if fs::symlink_metadata(&path).is_ok() {
            self.adorn(&path);
        }
    }

    fn make_sparse(&mut self, path: &Path) {
        let file = fs::File::create(path).unwrap();
        for _ in 0..self.dice.below(4) {
            let at = self.dice.below(40) * 512 * KIB + self.dice.below(3);
            let seed = self.dice.roll();
            let len = 1 + self.dice.below(70_000);
            file.write_all_at(&noise(seed, len), at as u64).unwrap();
        }
        let more = self.dice.below(6) * 700 * KIB;
        let len = file.metadata().unwrap().len();
        file.set_len(len + more as u64).unwrap();
    }

    /// Mode, attributes, time.
    fn adorn(&mut self, path: &Path) {
        let stat = fs::symlink_metadata(path).unwrap();
        if !stat.is_symlink() && self.dice.once_in(3) {
            let own = if stat.is_dir() { 0o700 } else { 0o400 };
            let mode = own | u32::try_from(self.dice.below(0o10000)).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        if (stat.is_file() || stat.is_dir()) && self.dice.once_in(4) {
            let len = *self.dice.one_of(&[0, 1, 100, 3000]);
            let value = noise(self.dice.roll(), len);
            // Not every file system has attributes, and some have little room for them.
            let _ = rustix::fs::setxattr(path, "user.heirloom", &value, XattrFlags::empty());
        }
        if self.dice.once_in(2) {
            let nanos = self.dice.below(1_000_000_000);
            let seconds = *self.dice.one_of(&[-2, 0, 1, 1_600_000_000, 4_000_000_000]);
            set_mtime(path, seconds, i64::try_from(nanos).unwrap());
        }
    }

    fn edit(&mut self) {
        match self.dice.below(13) {
            0 => self.make(),
            1 => self.over_file(|tree, path| {
                let bytes = tree.content();
                fs::write(path, bytes).unwrap();
            }),
            2 => self.over_file(|tree, path| {
                let bytes = noise(tree.dice.roll(), 1 + tree.dice.below(100_000));
                let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
                file.write_all(&bytes).unwrap();
            }),
            3 => self.over_file(|tree, path| {
                let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                let len = usize::try_from(file.metadata().unwrap().len()).unwrap();
                file.set_len(tree.dice.below(len + 1) as u64).unwrap();
            }),
            4 => self.rename(),
            5 => {
                if let Some(path) = self.any() {
                    remove(&path);
                }
            }
            6 => self.over_file(|_, path| {
                let stat = fs::metadata(path).unwrap();
                set_mtime(path, stat.mtime(), stat.mtime_nsec());
            }),
            7 => {
                if let Some(path) = self.any() {
                    self.adorn(&path);
                }
            }
            8 => self.over_file(|tree, path| {
                remove(path);
                fs::create_dir(path).unwrap();
                fs::write(path.join("inside"), noise(tree.dice.roll(), 999)).unwrap();
            }),
            9 => {
                let all = self.all(true);
                if !all.is_empty() {
                    let path = self.dice.one_of(&all).clone();
                    remove(&path);
                    let bytes = self.content();
                    fs::write(path, bytes).unwrap();
                }
            }
            10 | 11 => self.over_file(same_size_and_mtime),
            _ => self.over_file(|tree, path| {
                let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                let len = usize::try_from(file.metadata().unwrap().len()).unwrap();
                let at = tree.dice.below(len + 1) as u64;
                file.write_all_at(b"changed in the middle", at).unwrap();
            }),
        }
    }

    fn over_file(&mut self, act: impl FnOnce(&mut Self, &Path)) {
        if let Some(path) = self.file() {
            act(self, &path);
        }
    }

    fn rename(&mut self) {
        let (Some(from), to) = (self.any(), self.place()) else {
            return;
        };
        if !to.starts_with(&from) {
            fs::rename(from, to).unwrap();
        }
    }
}

/// Nothing tells but the time of change, which a program cannot set.
fn same_size_and_mtime(tree: &mut Tree, path: &Path) {
    let stat = fs::metadata(path).unwrap();
    let bytes = noise(
        tree.dice.roll(),
        usize::try_from(stat.len().min(MIB as u64)).unwrap(),
    );
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    drop(file);
    set_mtime(path, stat.mtime(), stat.mtime_nsec());
}

fn remove(path: &Path) {
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

/// A snapshot and what it must give back.
struct Kept {
    snapshot: Id,
    path: PathBuf,
    as_it_was: BTreeMap<Vec<u8>, String>,
}

struct Life {
    seed: u64,
    home: tempfile::TempDir,
    store: MemoryStore,
    host: Arc<TestHost>,
    clients: Vec<Client>,
    trees: Vec<Tree>,
    kept: Vec<Kept>,
    dice: Dice,
}

impl Life {
    fn new(seed: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().canonicalize().unwrap();
        let store = MemoryStore::new("memory");
        let host = TestHost::new(seed, "host");
        let clients: Vec<_> = (0..2)
            .map(|number| Client::new(&path, number, Arc::new(store.clone()), host.clone()))
            .collect();
        clients[0].init().unwrap();
        let trees = (0..2)
            .map(|n| Tree::new(path.join(format!("source-{n}")), seed * 2 + n))
            .collect();
        Self {
            seed,
            home,
            store,
            host,
            clients,
            trees,
            kept: Vec::new(),
            dice: Dice(!seed),
        }
    }

    fn live(mut self) {
        for _ in 0..BACKUPS {
            let tree = usize::from(self.dice.once_in(4));
            for _ in 0..self.dice.below(8) {
                self.trees[tree].edit();
            }
            let client = usize::from(self.dice.once_in(4));
            let snapshot = self.backup(client, tree);
            if self.dice.once_in(2) {
                self.backup_unchanged(client, tree, snapshot);
            }
            next_tick(self.home.path());
        }
        self.clients[0].assert_clean();
        self.restore(0..self.kept.len());
    }

    fn job(&mut self, client: usize, tree: usize) -> Job {
        // A clock ahead makes what was just written look old enough to be skipped; without, it is read again.
        self.host
            .set_ahead(if self.dice.once_in(3) { 0 } else { 10 });
        let source = format!("source {tree}");
        match self.dice.below(6) {
            0 => drop(fs::remove_file(self.clients[client].state_of(&source))),
            1 => drop(fs::remove_dir_all(self.clients[client].cache())),
            _ => {}
        }
        Job {
            source,
            path: self.trees[tree].root.clone(),
            force: self.dice.once_in(6),
        }
    }

    fn backup(&mut self, client: usize, tree: usize) -> Id {
        let job = self.job(client, tree);
        let snapshot = self.clients[client].backup_well(&job);
        self.kept.push(Kept {
            snapshot,
            path: job.path.clone(),
            as_it_was: describe(&job.path),
        });
        self.restore(self.kept.len() - 1..self.kept.len());
        snapshot
    }

    fn backup_unchanged(&mut self, client: usize, tree: usize, last: Id) {
        let before = data_packs(&self.store);
        let job = self.job(client, tree);
        let again = self.clients[client].backup_well(&job);
        assert_eq!(data_packs(&self.store), before, "seed {}", self.seed);
        let tree_of = |snapshot| self.clients[client].tree_at(snapshot, &job.path);
        assert_eq!(tree_of(again), tree_of(last), "seed {}", self.seed);
    }

    fn restore(&self, which: std::ops::Range<usize>) {
        let client = &self.clients[self.kept.len() % 2];
        let loader = client.loader();
        let roots: BTreeMap<Id, Id> = client.snapshots().into_iter().collect();
        let target = self.home.path().join("target");
        for kept in &self.kept[which] {
            client.restore(&loader, roots[&kept.snapshot], &kept.path, &target);
            let found = describe(&target);
            for (path, line) in &kept.as_it_was {
                let shown = path.escape_ascii();
                assert_eq!(found.get(path), Some(line), "seed {}: {shown}", self.seed);
            }
            assert_eq!(found.len(), kept.as_it_was.len(), "seed {}", self.seed);
        }
    }
}

#[test]
fn every_snapshot_of_a_random_life_comes_back() {
    for seed in seeds(LIVES) {
        println!("seed {seed}");
        Life::new(seed).live();
    }
}

#[test]
fn a_file_that_was_not_touched_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().canonicalize().unwrap();
    let host = TestHost::new(1, "host");
    host.set_ahead(10);
    let store = MemoryStore::new("memory");
    let client = Client::new(&path, 0, Arc::new(store), host);
    client.init().unwrap();
    let tree = Tree::new(path.join("source"), 1);
    let job = Job {
        source: "source".to_owned(),
        path: tree.root.clone(),
        force: false,
    };
    client.backup_well(&job);
    let again = client.backup(&job, &Collected::default()).unwrap();
    assert_eq!((again.bytes_read, again.changed), (0, 0), "{again:?}");
    let files = tree.files().len() as u64;
    assert_eq!(again.counts.files, files);
}
