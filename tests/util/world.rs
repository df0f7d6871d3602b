//! A world for tests of the library: a folder to back up, a repository in memory, a folder to restore into.
//!
//! The host is fixed, so that packs and ids of one test are the same in every run of it.

use heirloom::compress::Level;
use heirloom::crypto::passphrase::Argon2Cost;
use heirloom::crypto::secret::Secret;
use heirloom::error::Result;
use heirloom::format::boxes::Sealer;
use heirloom::format::key_slot::SlotSecret;
use heirloom::host::{FixedHost, Host};
use heirloom::id::Id;
use heirloom::monitor::{Collected, Monitor};
use heirloom::name::{Folder, Name};
use heirloom::ops::backup;
use heirloom::ops::backup::shrink::Shrink;
use heirloom::ops::restore::{self, Options, Report};
use heirloom::ops::verify;
use heirloom::repo::author::Author;
use heirloom::repo::chain::Chains;
use heirloom::repo::index::Index;
use heirloom::repo::keyring::NewSlot;
use heirloom::repo::loader::Loader;
use heirloom::repo::look::Look;
use heirloom::repo::mirrors::Mirrors;
use heirloom::repo::packer::Settings;
use heirloom::repo::presence::Presence;
use heirloom::repo::unlock::Unlock;
use heirloom::repo::{Repo, Writer};
use heirloom::source::exclude::Rules;
use heirloom::store::Store;
use heirloom::store::memory::MemoryStore;
use rustix::fs::{CWD, Mode, Timespec, Timestamps};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who makes the backups of a world.
const WRITER: Writer = Writer {
    device: [7; 16],
    started_ns: 1,
};

/// What opens the repository of every world.
pub(crate) fn key() -> SlotSecret {
    SlotSecret::KeyFile(Secret::new([3; 32]))
}

/// The world.
pub(crate) struct World {
    keep: tempfile::TempDir,
    home: PathBuf,
    /// The mirror, as the storage sees it.
    pub(crate) store: MemoryStore,
    host: Arc<dyn Host>,
    repo: Arc<Repo>,
}

impl World {
    /// An empty source and an empty repository.
    pub(crate) fn new() -> Self {
        Self::seeded(1)
    }

    /// The same with other ids and keys under the same secret.
    pub(crate) fn seeded(seed: u64) -> Self {
        let store = MemoryStore::new("memory");
        Self::with(Arc::new(store.clone()), store, seed)
    }

    /// The same on another store; `store` stays empty.
    pub(crate) fn over(shared: Arc<dyn Store>) -> Self {
        Self::with(shared, MemoryStore::new("unused"), 1)
    }

    fn with(shared: Arc<dyn Store>, store: MemoryStore, seed: u64) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let home = keep.path().canonicalize().unwrap();
        for folder in ["source", "cache", "state"] {
            fs::create_dir(home.join(folder)).unwrap();
        }
        let host: Arc<dyn Host> = Arc::new(FixedHost::new(seed));
        let slot = NewSlot {
            secret: key(),
            cost: Argon2Cost::default(),
            label: "test".to_owned(),
        };
        let repo = Repo::init(
            shared,
            &[slot],
            &home.join("cache"),
            &*host,
            &mut |_| Ok(()),
        )
        .unwrap();
        Self {
            keep,
            home,
            store,
            host,
            repo: Arc::new(repo),
        }
    }

    /// A path below the source.
    pub(crate) fn source(&self, path: &str) -> PathBuf {
        join(&self.home.join("source"), path)
    }

    /// A path below the target, which does not exist in the beginning.
    pub(crate) fn target(&self, path: &str) -> PathBuf {
        join(&self.home.join("target"), path)
    }

    /// A path outside both.
    pub(crate) fn outside(&self, path: &str) -> PathBuf {
        join(self.keep.path(), path)
    }

    /// Writes a file of the source, with the folders above it.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let path = self.source(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Backs the source up, reading everything; the root tree of the snapshot.
    pub(crate) fn backup(&self) -> Id {
        self.backup_with(Level::Fast)
    }

    /// The same with a compression level.
    pub(crate) fn backup_with(&self, level: Level) -> Id {
        let (tree, problems) = self.backup_heard(level);
        assert_eq!(problems, Vec::<String>::new());
        tree
    }

    /// The same with the problems told.
    pub(crate) fn backup_heard(&self, level: Level) -> (Id, Vec<String>) {
        let monitor = Collected::default();
        let done = self.try_backup(level, true, &monitor).unwrap();
        let snapshot = done.snapshot.unwrap();
        let (_, tree) = self
            .snapshots()
            .into_iter()
            .find(|(id, _)| *id == snapshot)
            .unwrap();
        (tree, monitor.problems())
    }

    /// Backs the source up; what is as the last run saw it is not read, unless `force` says so.
    pub(crate) fn try_backup(
        &self,
        level: Level,
        force: bool,
        monitor: &dyn Monitor,
    ) -> Result<backup::Report> {
        let options = backup::Options {
            source: "home".to_owned(),
            paths: vec![self.source("")],
            rules: Rules::default(),
            excludes: Vec::new(),
            one_file_system: false,
            tags: Vec::new(),
            force,
            skip_if_unchanged: false,
            dry_run: false,
            shrink: Shrink::Most(50),
            settings: Settings {
                level,
                workers: 2,
                recheck: true,
            },
            state: self.home.join("state/home"),
            user: "somebody".to_owned(),
            patience: std::time::Duration::ZERO,
            zone: 0,
        };
        let author = Author::forgetful(WRITER);
        let mirrors = Mirrors::one("memory", Arc::clone(&self.repo));
        backup::run(&mirrors, &self.host, &author, &options, monitor)
    }

    /// Verifies the mirror as deeply as `level` says.
    pub(crate) fn verify(&self, level: verify::Level) -> Result<verify::Report> {
        let monitor = &Collected::default();
        let options = verify::Options { level, workers: 2 };
        verify::run(&Look::at(&self.repo, monitor)?, &options, monitor)
    }

    /// Opens the repository anew, as the next run of the program does; the problems told.
    pub(crate) fn reopen(&mut self, secret: SlotSecret) -> Result<Vec<String>> {
        let monitor = Collected::default();
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let cache = self.home.join("cache");
        self.repo = Arc::new(Repo::open(store, &Unlock::new(secret), &cache, &monitor)?);
        Ok(monitor.problems())
    }

    /// As on a device that has never seen the repository.
    pub(crate) fn lose_cache(&self) {
        fs::remove_dir_all(self.home.join("cache")).unwrap();
        fs::create_dir(self.home.join("cache")).unwrap();
    }

    /// The open repository.
    pub(crate) fn repo(&self) -> &Arc<Repo> {
        &self.repo
    }

    /// What this world runs on.
    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    /// Makes boxes as an honest writer of this repository would.
    pub(crate) fn sealer(&self) -> Sealer {
        self.repo.sealer(WRITER)
    }

    /// Live snapshots and their root trees, oldest first.
    pub(crate) fn snapshots(&self) -> Vec<(Id, Id)> {
        let chains = Chains::read(&self.repo, &Collected::default()).unwrap();
        let all = chains.snapshots().into_iter();
        all.map(|(id, _, snapshot)| (id, snapshot.tree)).collect()
    }

    /// A loader over what the mirror has now.
    pub(crate) fn loader(&self) -> Arc<Loader> {
        let presence = Presence::read(&self.repo, &Collected::default()).unwrap();
        let publish = &mut |_: &_| Ok(Vec::new());
        let index = Index::open(&self.repo, &presence, &Collected::default(), publish).unwrap();
        Arc::new(Loader::new(&self.repo, &Arc::new(index)))
    }

    /// What lies in the source goes into the target, and nothing is asked for beyond that.
    pub(crate) fn options(&self) -> Options {
        Options {
            target: self.target(""),
            path: self.source("").as_os_str().as_bytes().to_vec(),
            workers: 3,
            ..Options::default()
        }
    }

    /// Restores; the report and the problems told.
    pub(crate) fn restore(&self, root: Id, options: &Options) -> (Report, Vec<String>) {
        let monitor = Collected::default();
        let report = self.restore_heard(root, options, &monitor).unwrap();
        (report, monitor.problems())
    }

    /// Restores with one's own monitor.
    pub(crate) fn restore_heard(
        &self,
        root: Id,
        options: &Options,
        monitor: &dyn Monitor,
    ) -> Result<Report> {
        restore::run(&self.loader(), root, options, monitor)
    }

    /// Restores what must come back whole, and compares it with the source.
    pub(crate) fn restore_whole(&self, root: Id) -> Report {
        let (report, problems) = self.restore(root, &self.options());
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((&report.losses, &report.not_applied), (&vec![], &vec![]));
        self.assert_restored();
        report
    }

    /// The target is as the source.
    pub(crate) fn assert_restored(&self) {
        assert_same(&self.source(""), &self.target(""));
    }

    /// The packs of the mirror and their lengths, the largest first.
    pub(crate) fn packs(&self) -> Vec<(Name, usize)> {
        let all = self.store.contents().into_iter();
        let packs = all.filter(|(name, _)| name.folder() == Folder::Packs);
        let mut packs: Vec<_> = packs.map(|(name, bytes)| (name, bytes.len())).collect();
        packs.sort_by_key(|(_, len)| std::cmp::Reverse(*len));
        packs
    }
}

fn join(folder: &Path, path: &str) -> PathBuf {
    if path.is_empty() {
        folder.to_owned()
    } else {
        folder.join(path)
    }
}

/// Sets a time of change, down to the nanosecond; links are not followed.
pub(crate) fn set_mtime(path: &Path, seconds: i64, nanos: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Makes a named pipe.
pub(crate) fn make_fifo(path: &Path) {
    rustix::fs::mknodat(
        CWD,
        path,
        rustix::fs::FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
}

/// Bytes that do not compress and differ with the seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    FixedHost::new(seed).random(&mut bytes);
    bytes
}

/// Everything that a restore gives back, of every item below `root`, by path: type, mode, owner, time, size, content,
/// target of a link, attributes, and which names are one file.
pub(crate) fn describe(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut found = BTreeMap::new();
    let mut names = BTreeMap::<(u64, u64), usize>::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort_unstable();
        for path in entries {
            let stat = fs::symlink_metadata(&path).unwrap();
            let mut line = format!("{:o} {}:{} ", stat.mode(), stat.uid(), stat.gid());
            let kind = stat.file_type();
            line += &format!("{}.{:09} ", stat.mtime(), stat.mtime_nsec());
            if kind.is_symlink() {
                line += &format!("-> {:?}", fs::read_link(&path).unwrap());
            } else if kind.is_file() {
                let bytes = fs::read(&path).unwrap();
                line += &format!(
                    "{} {}",
                    bytes.len(),
                    heirloom::crypto::hash::object_id(&bytes)
                );
            } else if kind.is_char_device() || kind.is_block_device() {
                line += &format!("{:x}", stat.rdev());
            }
            for (name, value) in xattrs(&path) {
                line += &format!(" {name}={}", heirloom::crypto::hash::object_id(&value));
            }
            let relative = path
                .strip_prefix(root)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec();
            if stat.nlink() > 1 && !kind.is_dir() {
                let count = names.len();
                let number = names.entry((stat.dev(), stat.ino())).or_insert(count);
                line += &format!(" names {} as {number}", stat.nlink());
            }
            if kind.is_dir() {
                folders.push(path);
            }
            found.insert(relative, line);
        }
    }
    found
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0; 65_536];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..len]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let mut all: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 65_536];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            value.truncate(len);
            (String::from_utf8_lossy(name).into_owned(), value)
        })
        .collect();
    all.sort();
    all
}

/// Both trees are alike in all that a restore gives back.
pub(crate) fn assert_same(one: &Path, two: &Path) {
    let (one, two) = (describe(one), describe(two));
    for (path, line) in &one {
        let shown = String::from_utf8_lossy(path);
        assert_eq!(two.get(path), Some(line), "{shown}");
    }
    let more: Vec<_> = two.keys().filter(|path| !one.contains_key(*path)).collect();
    assert!(more.is_empty(), "{more:?}");
}
