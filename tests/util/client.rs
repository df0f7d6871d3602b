//! One installation of the program on one repository, for tests of whole lives: every act opens the repository anew,
//! as a process does, and finds what earlier ones left in the cache and in the state folder.

use heirloom::compress::Level;
use heirloom::crypto::hash;
use heirloom::crypto::passphrase::Argon2Cost;
use heirloom::crypto::secret::Secret;
use heirloom::device::Device;
use heirloom::error::Result;
use heirloom::format::ObjectKind;
use heirloom::format::chain::{Removed, What};
use heirloom::format::facts::Facts;
use heirloom::format::header::BoxHeader;
use heirloom::format::key_slot::SlotSecret;
use heirloom::host::{FixedHost, Host, Timestamp, split_mix};
use heirloom::id::Id;
use heirloom::limits::PAGE;
use heirloom::monitor::Collected;
use heirloom::name::Folder;
use heirloom::ops::backup::Kept;
use heirloom::ops::backup::shrink::Shrink;
use heirloom::ops::by::By;
use heirloom::ops::sync;
use heirloom::ops::{backup, open, prune, record, restore, verify};
use heirloom::repo::Repo;
use heirloom::repo::author::{Author, Stamp};
use heirloom::repo::chain::Chains;
use heirloom::repo::heads::Finding;
use heirloom::repo::index::Index;
use heirloom::repo::keyring::{self, NewSlot};
use heirloom::repo::loader::Loader;
use heirloom::repo::look::Look;
use heirloom::repo::mirrors::{Mirror, Mirrors};
use heirloom::repo::packer::Settings;
use heirloom::repo::presence::Presence;
use heirloom::repo::unlock::Unlock;
use heirloom::repo::view::{self, Found};
use heirloom::source::exclude::Rules;
use heirloom::store::Store;
use heirloom::store::memory::MemoryStore;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Random numbers of a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        split_mix(&mut self.0)
    }

    /// Less than `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).unwrap()
    }

    /// True once in `n`.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Seeds to try: `HEIRLOOM_SEEDS` of them, or as many as the everyday run can afford; `HEIRLOOM_SEED` is one alone.
pub(crate) fn seeds(everyday: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("HEIRLOOM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("HEIRLOOM_SEEDS").unwrap_or(everyday)).collect(),
    }
}

/// The time of the file system, shifted, and the randomness of a seed.
pub(crate) struct TestHost {
    fixed: FixedHost,
    ahead: AtomicI64,
    name: String,
}

impl TestHost {
    pub(crate) fn new(seed: u64, name: &str) -> Arc<Self> {
        Arc::new(Self {
            fixed: FixedHost::new(seed),
            ahead: AtomicI64::new(0),
            name: name.to_owned(),
        })
    }

    /// From now on its clock is so many seconds ahead.
    pub(crate) fn set_ahead(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::Relaxed);
    }
}

impl Host for TestHost {
    fn now(&self) -> Timestamp {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seconds = i64::try_from(now.as_secs()).unwrap();
        Timestamp {
            seconds: seconds + self.ahead.load(Ordering::Relaxed),
            nanos: now.subsec_nanos(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.fixed.elapsed()
    }

    fn sleep(&self, how_long: Duration) {
        self.fixed.sleep(how_long);
    }

    fn random(&self, into: &mut [u8]) {
        self.fixed.random(into);
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// Waits until a change made now has another ctime than one made before: the file system's clock ticks coarsely.
pub(crate) fn next_tick(folder: &Path) {
    let probe = folder.join("tick");
    let look = || {
        fs::write(&probe, b"").unwrap();
        let stat = fs::metadata(&probe).unwrap();
        (stat.ctime(), stat.ctime_nsec())
    };
    let first = look();
    while look() == first {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What is backed up in one run.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) source: String,
    pub(crate) path: PathBuf,
    pub(crate) force: bool,
}

/// The installation.
#[derive(Clone)]
pub(crate) struct Client {
    /// Cache and state lie below.
    pub(crate) home: PathBuf,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) user: String,
    pub(crate) level: Level,
    /// How long a backup waits for the others to show what they have.
    pub(crate) patience: Duration,
    machine: Vec<u8>,
}

impl Client {
    /// Number `number`, with its own folder below `home`.
    pub(crate) fn new(
        home: &Path,
        number: u64,
        store: Arc<dyn Store>,
        host: Arc<dyn Host>,
    ) -> Self {
        Self {
            home: home.join(format!("client-{number}")),
            store,
            host,
            user: "somebody".to_owned(),
            level: Level::Fast,
            patience: Duration::from_secs(300),
            machine: number.to_le_bytes().to_vec(),
        }
    }

    /// The same one with other storage.
    pub(crate) fn with_store(&self, store: Arc<dyn Store>) -> Self {
        Self {
            store,
            ..self.clone()
        }
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.home.join("cache")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.join("state")
    }

    fn secret() -> SlotSecret {
        SlotSecret::KeyFile(Secret::new([3; 32]))
    }

    fn slot(label: &str, secret: SlotSecret) -> NewSlot {
        NewSlot {
            secret,
            cost: Argon2Cost::default(),
            label: label.to_owned(),
        }
    }

    /// Makes the repository, with a key file and recovery words.
    pub(crate) fn init(&self) -> Result<()> {
        let words = SlotSecret::Words(Secret::new([5; 16]));
        let slots = [
            Self::slot("file", Self::secret()),
            Self::slot("words", words),
        ];
        Repo::init(
            Arc::clone(&self.store),
            &slots,
            &self.cache(),
            &*self.host,
            &mut |_| Ok(()),
        )
        .map(drop)
    }

    /// Opens it with the key file; nothing may be wrong.
    pub(crate) fn open(&self) -> Result<Arc<Repo>> {
        self.open_heard(&Collected::default())
    }

    /// Opens it; problems go to `monitor`.
    pub(crate) fn open_heard(&self, monitor: &Collected) -> Result<Arc<Repo>> {
        let unlock = Unlock::new(Self::secret());
        let store = Arc::clone(&self.store);
        Repo::open(store, &unlock, &self.cache(), monitor).map(Arc::new)
    }

    /// Adds another key file.
    pub(crate) fn add_key(&self, byte: u8) -> Result<Id> {
        let repo = self.open()?;
        let secret = SlotSecret::KeyFile(Secret::new([byte; 32]));
        let slot = Self::slot("more", secret).seal(repo.root(), repo.id(), &*self.host)?;
        keyring::put_slot(&*self.store, &slot)
    }

    fn device(&self, repo: &Repo) -> Result<Device> {
        let id = repo.id();
        Device::open(
            &self.state(),
            &self.cache(),
            id.as_bytes(),
            &self.machine,
            &*self.host,
        )
    }

    /// Where the records of the last run of a source are.
    pub(crate) fn state_of(&self, source: &str) -> PathBuf {
        let repo = self.open().unwrap();
        state_path(&repo, &self.device(&repo).unwrap(), source)
    }

    /// Backs up; problems go to `monitor`.
    pub(crate) fn backup(&self, job: &Job, monitor: &Collected) -> Result<backup::Report> {
        let repo = self.open_heard(monitor)?;
        self.backup_to(Mirrors::one("memory", repo), job, monitor)
    }

    /// Backs up to these mirrors.
    fn backup_to(
        &self,
        mut mirrors: Mirrors,
        job: &Job,
        monitor: &Collected,
    ) -> Result<backup::Report> {
        let repo = Arc::clone(&mirrors.whole);
        let device = Arc::new(self.device(&repo)?);
        let options = backup::Options {
            source: job.source.clone(),
            paths: vec![job.path.clone()],
            rules: Rules::default(),
            excludes: Vec::new(),
            one_file_system: false,
            tags: Vec::new(),
            force: job.force,
            skip_if_unchanged: false,
            dry_run: false,
            shrink: Shrink::Most(50),
            settings: Settings {
                level: self.level,
                workers: 2,
                recheck: true,
            },
            state: state_path(&repo, &device, &job.source),
            user: self.user.clone(),
            patience: self.patience,
            zone: 0,
        };
        let _lock = device.lock()?;
        let author = Author::of_device(&device, &repo, 1)?;
        mirrors.keep_pinned(&author);
        backup::run(&mirrors, &self.host, &author, &options, monitor)
    }

    /// Backs up what must be saved without a problem; the new snapshot.
    #[track_caller]
    pub(crate) fn backup_well(&self, job: &Job) -> Id {
        let monitor = Collected::default();
        let report = self
            .backup(job, &monitor)
            .unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(monitor.problems(), Vec::<String>::new());
        report.snapshot.unwrap()
    }

    /// Live snapshots and their root trees, oldest first.
    pub(crate) fn snapshots(&self) -> Vec<(Id, Id)> {
        let repo = self.open().unwrap();
        let monitor = Collected::default();
        let chains = Chains::read(&repo, &monitor).unwrap();
        assert_eq!(monitor.problems(), Vec::<String>::new());
        let all = chains.snapshots().into_iter();
        all.map(|(id, _, snapshot)| (id, snapshot.tree)).collect()
    }

    /// Reads blobs of what the mirror has now.
    pub(crate) fn loader(&self) -> Arc<Loader> {
        let repo = self.open().unwrap();
        self.loader_of(&repo, &Collected::default())
    }

    /// The same with a repository that is open already.
    pub(crate) fn loader_of(&self, repo: &Arc<Repo>, monitor: &Collected) -> Arc<Loader> {
        let presence = Presence::read(repo, monitor).unwrap();
        let index = Index::open(repo, &presence, monitor, &mut |_| Ok(Vec::new())).unwrap();
        Arc::new(Loader::new(repo, &Arc::new(index)))
    }

    /// The root tree of a snapshot.
    pub(crate) fn root_of(&self, snapshot: Id) -> Id {
        let all = self.snapshots();
        all.iter().find(|(id, _)| *id == snapshot).unwrap().1
    }

    /// The tree that a snapshot holds at `path`: folders above it change with the machine.
    pub(crate) fn tree_at(&self, snapshot: Id, path: &Path) -> Id {
        let root = self.root_of(snapshot);
        match view::find(&self.loader(), root, path.as_os_str().as_bytes()).unwrap() {
            Found::Root(tree) => tree,
            Found::Node(node, _) => node.tree.unwrap(),
        }
    }

    /// Restores `path` of a snapshot into an empty folder; nothing may be missing.
    #[track_caller]
    pub(crate) fn restore(&self, loader: &Arc<Loader>, root: Id, path: &Path, target: &Path) {
        drop(fs::remove_dir_all(target));
        let options = restore::Options {
            target: target.to_owned(),
            path: path.as_os_str().as_bytes().to_vec(),
            privileged: true,
            workers: 2,
            ..restore::Options::default()
        };
        let monitor = Collected::default();
        let report = restore::run(loader, root, &options, &monitor)
            .unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(monitor.problems(), Vec::<String>::new());
        assert_eq!((&report.losses, &report.not_applied), (&vec![], &vec![]));
    }

    /// Verifies, with all problems told.
    pub(crate) fn verify(&self, level: verify::Level) -> (verify::Report, Vec<String>) {
        let monitor = Collected::default();
        let repo = self.open_heard(&monitor).unwrap();
        let options = verify::Options { level, workers: 2 };
        let look = Look::at(&repo, &monitor).unwrap();
        let report = verify::run(&look, &options, &monitor).unwrap();
        (report, monitor.problems())
    }

    /// All that is stored was read and is whole.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let (report, problems) = self.verify(verify::Level::Content);
        assert_eq!(problems, Vec::<String>::new());
        assert!(report.is_sound(), "{report:?}");
    }
}

/// What several mirrors are called and where they are.
pub(crate) type Places = Vec<(String, Arc<dyn Store>)>;

/// What became of each mirror in a sync.
pub(crate) type Synced = Vec<(String, Result<sync::Report>)>;

/// One repository on several mirrors.
impl Client {
    /// Opens it on all of them with the key file.
    pub(crate) fn open_all(&self, places: &Places, monitor: &Collected) -> Result<Mirrors> {
        let places = places.iter();
        let places = places.map(|(name, store)| (name.clone(), Ok(Arc::clone(store))));
        let unlock = Unlock::new(Self::secret());
        open::look(places.collect(), None)?
            .open(&unlock, &self.cache(), monitor)
            .map(|(mirrors, _)| mirrors)
    }

    /// Makes a mirror of an empty place, or of a copy.
    pub(crate) fn plant(&self, places: &Places, new: Arc<dyn Store>) -> Result<()> {
        let mirrors = self.open_all(places, &Collected::default())?;
        let here = mirrors.here.iter();
        let taken = here.filter_map(|mirror| Some(mirror.repo.mirror()?.id));
        let probe = (new.location().abilities.put_if_absent, Facts::new());
        let taken: Vec<_> = taken.collect();
        mirrors
            .whole
            .plant(new, &taken, &probe, &*self.host)
            .map(drop)
    }

    /// Backs up to all of them.
    pub(crate) fn backup_all(
        &self,
        places: &Places,
        job: &Job,
        monitor: &Collected,
    ) -> Result<backup::Report> {
        self.backup_to(self.open_all(places, monitor)?, job, monitor)
    }

    /// This device while it writes to the mirrors, as the program goes about it.
    fn author(&self, mirrors: &mut Mirrors) -> Result<Author> {
        let device = Arc::new(self.device(&mirrors.whole)?);
        let author = Author::of_device(&device, &mirrors.whole, 1)?;
        mirrors.keep_pinned(&author);
        Ok(author)
    }

    /// What this device finds wrong with the history of each.
    pub(crate) fn judge_all(&self, places: &Places) -> Result<Vec<(String, Vec<Finding>)>> {
        let monitor = Collected::default();
        let mut mirrors = self.open_all(places, &monitor)?;
        let author = self.author(&mut mirrors)?;
        let all = Chains::read(&mirrors.whole, &monitor)?;
        let judge = |mirror: &Mirror| {
            let here = Chains::read(&mirror.repo, &monitor)?;
            let id = mirror.repo.mirror().unwrap().id;
            Ok((mirror.name.clone(), author.judge(&id, &here, &all)))
        };
        mirrors.here.iter().map(judge).collect()
    }

    /// Brings each what all show together.
    pub(crate) fn sync_all(&self, places: &Places, monitor: &Collected) -> Result<Synced> {
        let mut mirrors = self.open_all(places, monitor)?;
        let author = self.author(&mut mirrors)?;
        let look = Look::at(&mirrors.whole, monitor)?;
        let one = |mirror: &Mirror| {
            let here = Chains::read(&mirror.repo, monitor)?;
            let id = mirror.repo.require_writable()?.id;
            let findings = author.judge(&id, &here, &look.chains);
            if let Some(finding) = findings.iter().find(|finding| finding.stops()) {
                return Err(finding.error(&mirror.name));
            }
            let by = By {
                host: &self.host,
                writer: author.writer(),
                monitor,
            };
            let report = sync::run(&look, &mirror.repo, by)?;
            let here = Chains::read(&mirror.repo, monitor)?;
            let marks = Presence::read(&mirror.repo, monitor)?.marks().clone();
            author.saw(mirror, &here, &marks, None)?;
            Ok(report)
        };
        let here = mirrors.here.iter();
        let mut synced: Synced = here
            .map(|mirror| (mirror.name.clone(), one(mirror)))
            .collect();
        let away = mirrors.away.into_iter();
        synced.extend(away.map(|away| (away.name, Err(away.error))));
        Ok(synced)
    }

    /// Writes down that a key slot is gone, on the first mirror, and takes it away there.
    pub(crate) fn remove_key(&self, places: &Places, slot: Id) -> Result<()> {
        let monitor = Collected::default();
        let mut mirrors = self.open_all(places, &monitor)?;
        let author = self.author(&mut mirrors)?;
        let leader = &mirrors.leader()?.repo;
        let what = (Stamp::default(), What::SlotRemoved(slot));
        record::run(leader, &self.host, &author, what, &monitor)?;
        keyring::delete_slot(&**leader.store(), &slot)
    }

    /// Writes down everywhere that these snapshots are removed.
    pub(crate) fn forget(&self, places: &Places, snapshots: &[Id]) -> Result<()> {
        let monitor = Collected::default();
        let chains = Chains::read(&self.open_all(places, &monitor)?.whole, &monitor)?;
        let target = |id: &Id| Some(Removed::of(*id, chains.entry(id)?));
        let what = What::Remove {
            entries: snapshots.iter().filter_map(target).collect(),
            reason: "for a test".to_owned(),
        };
        self.write_all(places, what, |_| ()).map(drop)
    }

    /// Prunes every mirror on which something can be deleted.
    pub(crate) fn prune(
        &self,
        places: &Places,
        options: &prune::Options,
        monitor: &Collected,
    ) -> Result<prune::Report> {
        let mut mirrors = self.open_all(places, monitor)?;
        let author = self.author(&mut mirrors)?;
        let by = By {
            host: &self.host,
            writer: author.writer(),
            monitor,
        };
        let on = mirrors.here.iter().filter(|mirror| mirror.can_delete());
        let on: Vec<_> = on.collect();
        prune::run(&mirrors, &on, options, (&author, by))
    }

    /// Writes an entry on all of them; `meanwhile` happens after this device has looked, and before it says that it is there.
    pub(crate) fn write_all(
        &self,
        places: &Places,
        what: What,
        meanwhile: impl FnOnce(&Look),
    ) -> Result<Vec<Kept>> {
        let monitor = Collected::default();
        let mut mirrors = self.open_all(places, &monitor)?;
        let author = self.author(&mut mirrors)?;
        let mut look = Look::at(&mirrors.whole, &monitor)?;
        meanwhile(&look);
        let by = By {
            host: &self.host,
            writer: author.writer(),
            monitor: &monitor,
        };
        let stamp = Stamp {
            time: self.host.now(),
            ..Stamp::default()
        };
        record::everywhere(&mirrors, &mut look, &author, (stamp, what, "test"), by)
    }

    /// A look at all of them.
    pub(crate) fn look_all(&self, places: &Places) -> Look {
        let monitor = Collected::default();
        let mirrors = self.open_all(places, &monitor).unwrap();
        Look::at(&mirrors.whole, &monitor).unwrap()
    }

    /// Reads blobs from all of them.
    pub(crate) fn loader_of_all(&self, places: &Places) -> Arc<Loader> {
        let monitor = Collected::default();
        let mirrors = self.open_all(places, &monitor).unwrap();
        self.loader_of(&mirrors.whole, &monitor)
    }
}

fn state_path(repo: &Repo, device: &Device, source: &str) -> PathBuf {
    let key = repo.keys().cache();
    device.state_path(source, &|bytes| *hash::keyed(key, bytes).as_bytes())
}

/// The names of the data packs on a mirror.
pub(crate) fn data_packs(store: &MemoryStore) -> BTreeSet<String> {
    let all = store.contents().into_iter();
    let packs = all.filter(|(name, _)| name.folder() == Folder::Packs);
    packs
        .filter(|(_, bytes)| {
            BoxHeader::decode(&bytes[..PAGE]).unwrap().kind == ObjectKind::DataPack
        })
        .map(|(name, _)| name.leaf().to_owned())
        .collect()
}
