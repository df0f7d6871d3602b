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
mod walk;

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::chain::{Entry, What};
use crate::format::index::Run;
use crate::format::snapshot::{Counts, Snapshot};
use crate::host::{Host, Timestamp};
use crate::id::Id;
use crate::monitor::Monitor;
use crate::ops::backup::sink::Packing;
use crate::ops::backup::walk::{Walk, Walked, check};
use crate::repo::Repo;
use crate::repo::author::{Author, Stamp};
use crate::repo::chain::Chains;
use crate::repo::index::Index;
use crate::repo::loader::Loader;
use crate::repo::packer::{Packer, Settings};
use crate::repo::publish::{Outcome, Presence, Session};
use crate::repo::view;
use crate::source::exclude::Rules;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// Read and count, and write nothing anywhere but on this device.
    pub dry_run: bool,
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
    /// The new snapshot; `None` in a rehearsal, and if nothing had changed and none was wanted.
    pub snapshot: Option<Id>,
    /// What it holds.
    pub counts: Counts,
    /// Items that the last snapshot had none of that name of.
    pub new: u64,
    /// Items not in the last snapshot as they are now.
    pub changed: u64,
    /// Items as they were.
    pub unchanged: u64,
    /// There was a snapshot and nothing to compare with it: all was read again and counts as changed.
    pub reread: bool,
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
    author: &Author,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Report> {
    let mut force = options.force;
    for _ in 0..ATTEMPTS {
        let attempt = Attempt {
            repo,
            host,
            author,
            options,
            monitor,
        };
        let done = match options.dry_run {
            true => attempt.rehearse(force).map(Some),
            false => attempt.run(force),
        };
        match done {
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
    author: &'a Author,
    options: &'a Options,
    monitor: &'a dyn Monitor,
}

/// The snapshot that this one follows.
struct Parent {
    id: Id,
    tree: Id,
    /// The loss marks it knew.
    losses: BTreeSet<Id>,
}

/// What is known before the walk.
struct Ground {
    index: Arc<Index>,
    parent: Option<Parent>,
    /// Whether the parent's blobs may be leant on without asking.
    vouched: bool,
}

impl Attempt<'_> {
    fn run(&self, force: bool) -> Result<Option<Report>> {
        let mut chains = Chains::read_to_write(self.repo, self.monitor)?;
        let parent = self.parent(&chains);
        let writer = self.author.writer();
        let mut session = Session::begin(self.repo, self.host, writer, "backup")?;
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
        let ground = self.ground(session.presence(), chains, parent, &mut |run| {
            let (area, record) = run.encode();
            let kind = ObjectKind::IndexRun;
            self.repo
                .put_hashed(&sealer, kind, &area, &record, &**self.host)
                .map(|id| vec![id])
        })?;
        let (index, settings) = (&ground.index, self.options.settings);
        let packer = Packer::start(self.repo, self.host, &sealer, index, settings);
        let started = self.host.now();
        let walk = self.walk(&ground, force);
        let walked = walk.run(Packing::Packs(Box::new(packer)), &mut || session.renew())?;
        if self.options.skip_if_unchanged && self.is_as_before(&ground, walked.built.tree)? {
            return Ok(Some(walked.report));
        }
        let mut entry = self.entry(chains, &ground.parent, &walked, started)?;
        if let What::Snapshot(snapshot) = &mut entry.what {
            snapshot.losses = session.presence().losses().iter().copied().collect();
        }
        let sealed = session.seal_entry(&entry)?;
        self.author.made(entry.seq, sealed.id())?;
        match session.commit(&[sealed])? {
            Outcome::Aborted => Ok(None),
            Outcome::Committed(id) => {
                let (built, check) = (walked.built, check(self.repo.keys()));
                if let Err(error) = walked.state.finish(id, started, built.state, &check) {
                    self.monitor
                        .problem(&error.during("the next backup will read every file again"));
                }
                let mut report = walked.report;
                report.snapshot = Some(id);
                Ok(Some(report))
            }
        }
    }

    /// The same walk with nothing announced, put or recorded.
    fn rehearse(&self, force: bool) -> Result<Report> {
        let mut chains = Chains::read(self.repo, self.monitor)?;
        let parent = self.parent(&chains);
        let presence = Presence::read(self.repo, self.monitor)?;
        let ground = self.ground(&presence, &mut chains, parent, &mut |_| Ok(Vec::new()))?;
        let walk = self.walk(&ground, force);
        Ok(walk.run(Packing::Nowhere(0), &mut || Ok(()))?.report)
    }

    /// Opens the index, looks again, and tells whether the parent vouches.
    fn ground(
        &self,
        presence: &Presence,
        chains: &mut Chains,
        parent: Option<Parent>,
        publish: &mut (dyn FnMut(&Run) -> Result<Vec<Id>> + Send),
    ) -> Result<Ground> {
        let index = Index::open(self.repo, presence, self.monitor, publish)?;
        chains.look_again(self.repo, self.monitor)?;
        let losses = presence.losses();
        let knows =
            |parent: &Parent| chains.is_live(&parent.id) && parent.losses.is_superset(losses);
        let vouched = parent.as_ref().is_some_and(knows)
            && !presence.has_mark_in_progress()
            && index.missing().is_empty();
        if !index.missing().is_empty() {
            self.report_missing(index.missing());
        }
        Ok(Ground {
            index: Arc::new(index),
            parent,
            vouched,
        })
    }

    fn walk<'a>(&'a self, ground: &'a Ground, force: bool) -> Walk<'a> {
        Walk {
            repo: self.repo,
            options: self.options,
            monitor: self.monitor,
            index: &ground.index,
            parent: ground.parent.as_ref().filter(|_| !force),
            again: ground.parent.is_some(),
            vouched: ground.vouched,
        }
    }

    /// Whether the paths of this source are what they were. The folders above them change with every neighbour.
    fn is_as_before(&self, ground: &Ground, tree: Id) -> Result<bool> {
        let Some(parent) = &ground.parent else {
            return Ok(false);
        };
        let loader = Loader::new(self.repo, &ground.index);
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
            entry.device == self.author.device() && snapshot.source == self.options.source
        });
        own.map(|(id, _, snapshot)| Parent {
            id,
            tree: snapshot.tree,
            losses: snapshot.losses.iter().copied().collect(),
        })
    }

    fn entry(
        &self,
        chains: &Chains,
        parent: &Option<Parent>,
        walked: &Walked,
        started: Timestamp,
    ) -> Result<Entry> {
        let options = self.options;
        let mut counts = walked.report.counts;
        counts.new_bytes = walked.report.bytes_added;
        let snapshot = Snapshot {
            source: options.source.clone(),
            tree: walked.built.tree,
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
        };
        let stamp = Stamp {
            time: started,
            zone: options.zone,
            host: self.host.name(),
            user: options.user.clone(),
        };
        let what = What::Snapshot(Box::new(snapshot));
        self.author.entry(self.repo, chains, stamp, what)
    }
}
