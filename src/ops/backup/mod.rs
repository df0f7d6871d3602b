//! One backup, told from start to end.
//!
//! Look at what the mirror shows and choose a parent; announce the session and list what may be leaned on; look again,
//! so that the parent can vouch; walk, read, cut, seal and send; then entry and commit slot. Killed anywhere, it leaves
//! packs that the next run finds and uses.

pub mod changed;
pub mod pipeline;
pub mod reader;
pub mod sink;
mod teller;
pub mod trees;

use crate::crypto::derive::Keys;
use crate::crypto::hash;
use crate::device::state::{self, StateReader, StateWriter};
use crate::error::{Error, Kind, Result};
use crate::format::chain::{Entry, What};
use crate::format::snapshot::{Counts, Snapshot};
use crate::host::{Host, Timestamp};
use crate::id::Id;
use crate::monitor::Monitor;
use crate::ops::backup::changed::Walker;
use crate::ops::backup::pipeline::{Readers, chunker};
use crate::ops::backup::sink::Sink;
use crate::ops::backup::teller::Teller;
use crate::ops::backup::trees::{Builder, Built};
use crate::repo::chain::Chains;
use crate::repo::index::Index;
use crate::repo::loader::Loader;
use crate::repo::packer::{Packer, Settings, Stored};
use crate::repo::publish::{Outcome, Session};
use crate::repo::view;
use crate::repo::{Repo, Writer};
use crate::source::exclude::Rules;
use crate::source::files::Files;
use crate::source::metadata::Names;
use crossbeam_channel::bounded;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Threads that open and read files: more than there are cores, since most of the time they wait for a disk.
const READERS: usize = 8;
/// Messages of the walk that may wait.
const MESSAGES: usize = 4;
/// How often a collector's ABORT is answered by beginning again.
const ATTEMPTS: usize = 5;

/// What is backed up, and how.
pub struct Options {
    /// The source's name, under which its snapshots follow each other.
    pub source: String,
    /// Absolute paths.
    pub paths: Vec<PathBuf>,
    /// What is left out.
    pub rules: Rules,
    /// The same, in words, for the snapshot.
    pub excludes: Vec<String>,
    /// Stay on the file systems that the paths are on.
    pub one_file_system: bool,
    /// Words to find the snapshot by.
    pub tags: Vec<String>,
    /// Read every file again.
    pub force: bool,
    /// Make no snapshot where nothing has changed.
    pub skip_if_unchanged: bool,
    /// How packs are made.
    pub settings: Settings,
    /// Where the records of the last run of this source are.
    pub state: PathBuf,
    /// Who runs this.
    pub user: String,
    /// Minutes east of UTC, for showing the time as it was.
    pub zone: i32,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The new snapshot; `None` if nothing had changed and none was wanted.
    pub snapshot: Option<Id>,
    /// What it holds.
    pub counts: Counts,
    /// Items not in the last snapshot as they are now.
    pub changed: u64,
    /// Items as they were.
    pub unchanged: u64,
    /// Files that changed while they were read.
    pub torn: u64,
    /// Bytes read, of files new or changed.
    pub bytes_read: u64,
    /// Bytes of new blobs.
    pub bytes_added: u64,
    /// Bytes of new packs.
    pub bytes_stored: u64,
}

/// Backs up one source.
///
/// # Errors
/// `Refused`, `TooNew`, `Interrupted`, `Full`, and those of the source as a whole. What could not be read is in the
/// report and was told to `monitor`.
pub fn run(
    repo: &Arc<Repo>,
    host: &Arc<dyn Host>,
    writer: Writer,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Report> {
    let mut force = options.force;
    for _ in 0..ATTEMPTS {
        let attempt = Attempt {
            repo,
            host,
            writer,
            options,
            monitor,
        };
        match attempt.run(force) {
            Ok(Some(report)) => return Ok(report),
            // A collector gave up waiting for us; what was sent is found again.
            Ok(None) => {}
            Err(error) if error.kind() == Kind::Damaged && !force => {
                monitor
                    .problem(&error.during(
                        "the last snapshot cannot be built upon; everything is read again",
                    ));
                force = true;
            }
            Err(error) => return Err(error),
        }
    }
    Err(
        Error::new(Kind::Busy, "a prune ended this backup several times")
            .hint("run it again when the prune has ended"),
    )
}

struct Attempt<'a> {
    repo: &'a Arc<Repo>,
    host: &'a Arc<dyn Host>,
    writer: Writer,
    options: &'a Options,
    monitor: &'a dyn Monitor,
}

struct Parent {
    id: Id,
    tree: Id,
    /// The loss marks it knew.
    losses: BTreeSet<Id>,
}

impl Attempt<'_> {
    fn run(&self, force: bool) -> Result<Option<Report>> {
        let mut chains = Chains::read_to_write(self.repo, self.monitor)?;
        let parent = self.parent(&chains);
        let mut session = Session::begin(self.repo, self.host, self.writer, "backup")?;
        let done = self.within(&mut session, &mut chains, parent, force);
        session.end(self.monitor);
        done
    }

    fn within(
        &self,
        session: &mut Session,
        chains: &mut Chains,
        parent: Option<Parent>,
        force: bool,
    ) -> Result<Option<Report>> {
        let sealer = Arc::clone(session.sealer());
        let index = Index::open(self.repo, session.presence(), self.monitor, &mut |run| {
            let (area, record) = run.encode();
            let kind = crate::format::ObjectKind::IndexRun;
            self.repo
                .put_hashed(&sealer, kind, &area, &record, &**self.host)
                .map(|id| vec![id])
        })?;
        let index = Arc::new(index);
        chains.look_again(self.repo, self.monitor)?;
        let losses = session.presence().losses().clone();
        let knows =
            |parent: &Parent| chains.is_live(&parent.id) && parent.losses.is_superset(&losses);
        let vouched = parent.as_ref().is_some_and(knows)
            && !session.presence().has_mark_in_progress()
            && index.missing().is_empty();
        if !index.missing().is_empty() {
            self.report_missing(index.missing());
        }
        let started = self.host.now();
        let (built, stored, mut report) =
            self.walk(session, &index, parent.as_ref().filter(|_| !force), vouched)?;
        report.bytes_added = stored.raw;
        report.bytes_stored = stored.stored;
        if self.options.skip_if_unchanged
            && self.is_as_before(&index, parent.as_ref(), built.0.tree)?
        {
            state::discard(&self.options.state)?;
            return Ok(Some(report));
        }
        let mut entry = self.entry(chains, &parent, &built.0, &report, started)?;
        if let What::Snapshot(snapshot) = &mut entry.what {
            snapshot.losses = losses.into_iter().collect();
        }
        match session.commit(&entry)? {
            Outcome::Aborted => Ok(None),
            Outcome::Committed(id) => {
                let check = self.check();
                if let Err(error) = built.1.finish(id, started, built.0.state, &check) {
                    self.monitor
                        .problem(&error.during("the next backup will read every file again"));
                }
                report.snapshot = Some(id);
                Ok(Some(report))
            }
        }
    }

    /// Whether the paths of this source are what they were. The folders above them change with every neighbour.
    fn is_as_before(&self, index: &Arc<Index>, parent: Option<&Parent>, tree: Id) -> Result<bool> {
        let Some(parent) = parent else {
            return Ok(false);
        };
        let loader = Loader::new(self.repo, index);
        for path in &self.options.paths {
            let path = path.as_os_str().as_encoded_bytes();
            let (before, now) = (
                view::find(&loader, parent.tree, path),
                view::find(&loader, tree, path)?,
            );
            if before.map_or(true, |before| before != now) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn report_missing(&self, missing: &[Id]) {
        let what = format!(
            "{} packs that the index knows are gone from {}, {} for one",
            missing.len(),
            self.repo.store().location(),
            missing[0]
        );
        self.monitor.problem(&Error::new(Kind::Damaged, what).hint(
            "this run stores again what the source still has; heirloom verify names what is lost",
        ));
    }

    /// The newest live snapshot of this source by this device.
    fn parent(&self, chains: &Chains) -> Option<Parent> {
        let all = chains.snapshots();
        let own = all.into_iter().rev().find(|(_, entry, snapshot)| {
            entry.device == self.writer.device && snapshot.source == self.options.source
        });
        own.map(|(id, _, snapshot)| Parent {
            id,
            tree: snapshot.tree,
            losses: snapshot.losses.iter().copied().collect(),
        })
    }

    fn check(&self) -> impl Fn(&[u8]) -> [u8; 32] + use<> {
        let keys: Arc<Keys> = Arc::clone(self.repo.keys());
        move |bytes| *hash::keyed(keys.cache(), bytes).as_bytes()
    }

    fn walk(
        &self,
        session: &mut Session,
        index: &Arc<Index>,
        parent: Option<&Parent>,
        vouched: bool,
    ) -> Result<((Built, StateWriter), Stored, Report)> {
        let options = self.options;
        let keys = Arc::clone(self.repo.keys());
        let check = self.check();
        let name_hash = |name: &[u8]| hash::keyed(keys.cache(), name).prefix();
        let last = StateReader::open(&options.state, &check);
        let last = last.filter(|last| parent.is_some_and(|parent| parent.id == last.snapshot()));
        let loader = Loader::new(self.repo, index);
        let packer = Packer::start(
            self.repo,
            self.host,
            session.sealer(),
            index,
            options.settings,
        );
        let sink = Sink::new(Arc::clone(index), packer, Arc::clone(&keys));
        let state = StateWriter::create(&options.state)?;
        let mut source = Files::new(
            options.paths.clone(),
            options.rules.clone(),
            options.one_file_system,
        );
        let names = Names::load();
        let users = |number| names.user(number).map(<[u8]>::to_vec);
        let groups = |number| names.group(number).map(<[u8]>::to_vec);
        let readers = Readers::start(chunker(&keys), Arc::clone(&keys), READERS);
        self.monitor.phase("backing up", None);
        let (messages, heard) = bounded(MESSAGES);
        let mut teller = Teller {
            monitor: self.monitor,
            report: Report::default(),
            builder: Builder::new(sink, state, &loader, &name_hash, (&users, &groups), vouched),
            readers: &readers,
        };
        std::thread::scope(|scope| {
            let walker = Walker {
                source: &mut source,
                state: last.as_ref(),
                hash: &name_hash,
                readers: &readers,
                messages,
                monitor: self.monitor,
            };
            let walking = scope.spawn(move || walker.run());
            let heard = teller.listen(heard, session);
            let walked = walking.join().unwrap_or_else(|_| {
                Err(Error::new(
                    Kind::Other,
                    "the thread that walks the source panicked: this is a bug",
                ))
            });
            heard.and(walked)
        })?;
        if self.monitor.interrupted() {
            return Err(Error::new(Kind::Interrupted, "interrupted")
                .hint("run the same command again: every finished pack is kept and used"));
        }
        let Teller {
            builder, report, ..
        } = teller;
        let (built, sink, state) = builder.finish()?;
        self.monitor.phase("finishing packs", None);
        let stored = sink.packer.finish()?;
        Ok(((built, state), stored, report))
    }

    fn entry(
        &self,
        chains: &Chains,
        parent: &Option<Parent>,
        built: &Built,
        report: &Report,
        started: Timestamp,
    ) -> Result<Entry> {
        let options = self.options;
        let head = chains.head(&self.writer.device)?;
        let mut counts = report.counts;
        counts.new_bytes = report.bytes_added;
        Ok(Entry {
            repo: *self.repo.id().as_bytes(),
            device: self.writer.device,
            seq: head.map_or(0, |(_, seq)| seq + 1),
            prev: head.map(|(id, _)| id),
            heads: chains.other_heads(&self.writer.device),
            acked: Vec::new(),
            time: started,
            zone: options.zone,
            host: self.host.name(),
            user: options.user.clone(),
            program: concat!("heirloom ", env!("CARGO_PKG_VERSION")).to_owned(),
            what: What::Snapshot(Box::new(Snapshot {
                source: options.source.clone(),
                tree: built.tree,
                parent: parent.as_ref().map(|parent| parent.id),
                paths: options
                    .paths
                    .iter()
                    .map(|path| path.as_os_str().as_encoded_bytes().to_vec())
                    .collect(),
                excludes: options.excludes.clone(),
                tags: options.tags.clone(),
                counts,
                ..Snapshot::default()
            })),
            unknown: 0,
        })
    }
}
