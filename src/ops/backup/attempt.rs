//! One run with one mirror in the lead: look, choose a parent, announce, look again, walk, commit.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::chain::What;
use crate::format::index::Run;
use crate::format::pack::DataPackSize;
use crate::format::snapshot::Snapshot;
use crate::host::{Host, Timestamp};
use crate::id::Id;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::ops::backup::shrink::{self, Source};
use crate::ops::backup::sink::Packing;
use crate::ops::backup::upload::{Couriers, Uploads, With, sound};
use crate::ops::backup::walk::{Walk, Walked, check};
use crate::ops::backup::{Kept, Options, Report};
use crate::ops::by::By;
use crate::repo::Repo;
use crate::repo::author::{Author, Stamp};
use crate::repo::chain::Chains;
use crate::repo::index::Index;
use crate::repo::loader::Loader;
use crate::repo::look::Look;
use crate::repo::mirrors::Mirror;
use crate::repo::packer::{Packer, Sharing};
use crate::repo::presence::Presence;
use crate::repo::publish::{self, Outcome, SealedEntry, Session};
use crate::repo::{unlisted, view};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a run on the leader ends with: the report and, for other mirrors, what the leader shows now.
type Led = (Report, Option<Arc<Look>>);

pub(crate) struct Attempt<'a> {
    pub(crate) repo: &'a Arc<Repo>,
    pub(crate) leader: &'a Mirror,
    pub(crate) host: &'a Arc<dyn Host>,
    pub(crate) author: &'a Author,
    pub(crate) options: &'a Options,
    pub(crate) monitor: &'a dyn Monitor,
}

/// The snapshot that this one follows.
pub(crate) struct Parent {
    pub(crate) id: Id,
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
    /// One run with this mirror as leader, and every other one in `others`.
    pub(crate) fn lead(&self, others: &[&Mirror]) -> Result<Report> {
        if self.options.dry_run {
            return self.persist(&mut |force| self.rehearse(force, others).map(Some));
        }
        let couriers = Couriers::default();
        let with = With {
            leader: self.leader,
            others,
            author: self.author,
            by: self.by(),
            couriers: &couriers,
        };
        std::thread::scope(|scope| {
            let uploads = Uploads::start(scope, others, with);
            let mut look = None;
            let led = self.persist(&mut |force| {
                let Some((report, shown)) = self.run(force, &uploads)? else {
                    return Ok(None);
                };
                look = shown;
                Ok(Some(report))
            });
            let behind = led.as_ref().is_ok_and(|report| report.lags);
            let others = uploads.end(look.map(|look| (look, !behind)));
            let mut report = led?;
            report.mirrors.push(Kept::of(&self.leader.name, None));
            for (name, done) in others {
                if let Err(error) = &done {
                    self.monitor.problem(error);
                }
                report.mirrors.push(Kept::of(&name, done.as_ref().err()));
            }
            Ok(report)
        })
    }

    fn by(&self) -> By<'_> {
        By {
            host: self.host,
            writer: self.author.writer(),
            monitor: self.monitor,
        }
    }

    /// Begins again where a collector ended the session, and reads everything where the last snapshot cannot be built
    /// upon.
    fn persist(&self, once: &mut dyn FnMut(bool) -> Result<Option<Report>>) -> Result<Report> {
        let mut force = self.options.force;
        publish::persist("backup", || match once(force) {
            Err(error) if error.kind() == Kind::Damaged && !force => {
                self.monitor
                    .problem(&error.during(
                        "the last snapshot cannot be built upon; everything is read again",
                    ));
                force = true;
                Ok(None)
            }
            other => other,
        })
    }

    fn run(&self, force: bool, uploads: &Uploads<'_>) -> Result<Option<Led>> {
        let mut chains = sound(self.author, self.leader, self.monitor)?;
        let parent = self.parent(&chains);
        let writer = self.author.writer();
        let mut session = Session::begin(self.repo, self.host, writer, "backup")?;
        let done = self.within(&mut session, &mut chains, parent, force, uploads);
        let presence = session.presence().clone();
        session.end(self.monitor);
        let Some((report, index)) = done? else {
            return Ok(None);
        };
        let now = (!report.lags).then(|| self.host.now().seconds);
        let marks = presence.marks();
        let remembered = self.author.saw(self.leader, &chains, marks, now);
        if let Err(error) = remembered {
            self.monitor.problem(&error);
        }
        let look =
            (!uploads.is_empty()).then(|| Arc::new(Look::of(self.repo, chains, presence, index)));
        Ok(Some((report, look)))
    }

    fn within(
        &self,
        session: &mut Session,
        chains: &mut Chains,
        parent: Option<Parent>,
        force: bool,
        uploads: &Uploads<'_>,
    ) -> Result<Option<(Report, Arc<Index>)>> {
        let sealer = Arc::clone(session.sealer());
        let presence = session.presence_mut();
        let ground = self.ground(presence, chains, parent, &mut |run| {
            let (area, record) = run.encode();
            let kind = ObjectKind::IndexRun;
            self.repo
                .put_hashed(&sealer, kind, &area, &record, &**self.host)
                .map(|id| vec![id])
        })?;
        let sharing = Sharing {
            size: DataPackSize::beside(uploads.couriers()),
            told: uploads.listener(),
        };
        let (index, settings) = (&ground.index, self.options.settings);
        let packer = Packer::start(self.repo, self.host, &sealer, index, settings, sharing);
        let started = self.host.now();
        let walk = self.walk(&ground, force);
        let mut walked = walk.run(Packing::Packs(Box::new(packer)), &mut || session.renew())?;
        for (pack, len) in &walked.packs {
            session.has_put(*pack, *len);
        }
        // A leader that was away or restored knows of older snapshots only.
        let shown = uploads.shown(self.options.patience, &mut || {
            self.by().require_patience()?;
            session.renew()
        })?;
        for name in &shown.silent {
            let what = format!("{name} has not answered for a while");
            self.monitor.problem(
                &Error::new(Kind::Unreachable, what).hint("the others do not wait for it"),
            );
        }
        let mut all = shown.chains.clone();
        all.join(chains);
        walked.report.lags = chains.lags(&all) || !shown.silent.is_empty();
        self.measure(&all, &mut walked.report);
        if self.options.skip_if_unchanged && self.is_as_before(&ground, walked.built.tree)? {
            let before = ground.parent.as_ref().map(|parent| parent.id);
            walked.report.is_of(before);
            return Ok(Some((walked.report, ground.index)));
        }
        let beside = shrink::beside(&all, self.source(), walked.report.collapse.as_ref());
        let mut snapshot = self.snapshot(&ground.parent, &walked);
        snapshot.losses = session.presence().losses().iter().copied().collect();
        let snapshot = What::Snapshot(Box::new(snapshot));
        let mut sealed = Vec::new();
        for what in beside.into_iter().chain([snapshot]) {
            sealed.push(self.next(session, chains, started, what)?);
        }
        let made = made(&walked.packs, &sealed);
        let Outcome::Committed(id) = session.commit(&sealed)? else {
            return Ok(None);
        };
        let (built, check) = (walked.built, check(self.repo.keys()));
        if let Err(error) = walked.state.finish(id, started, built.state, &check) {
            self.monitor
                .problem(&error.during("the next backup will read every file again"));
        }
        let mut report = walked.report;
        report.snapshot = Some(id);
        report.is_of(report.snapshot);
        report.made = made;
        Ok(Some((report, ground.index)))
    }

    /// The same walk with nothing announced, put or recorded.
    fn rehearse(&self, force: bool, others: &[&Mirror]) -> Result<Report> {
        let mut chains = Chains::read(self.repo, self.monitor)?;
        let parent = self.parent(&chains);
        let mut presence = Presence::read(self.repo, self.monitor)?;
        let ground = self.ground(&mut presence, &mut chains, parent, &mut |_| Ok(Vec::new()))?;
        let walk = self.walk(&ground, force);
        let mut report = walk.run(Packing::Nowhere(0), &mut || Ok(()))?.report;
        for mirror in others {
            match Chains::read(&mirror.repo, self.monitor) {
                Ok(shown) => chains.join(&shown),
                Err(error) => self.monitor.problem(&error),
            }
        }
        self.measure(&chains, &mut report);
        Ok(report)
    }

    /// Opens the index, looks again, and tells whether the parent vouches.
    fn ground(
        &self,
        presence: &mut Presence,
        chains: &mut Chains,
        parent: Option<Parent>,
        publish: &mut (dyn FnMut(&Run) -> Result<Vec<Id>> + Send),
    ) -> Result<Ground> {
        let mut index = Index::open(self.repo, presence, self.monitor, publish)?;
        let unlisted = unlisted::find(self.repo, presence, &index)?;
        if !unlisted.is_empty() {
            presence.extend(unlisted);
            index = Index::open(self.repo, presence, self.monitor, publish)?;
        }
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

    /// Whether the source has collapsed.
    fn measure(&self, chains: &Chains, report: &mut Report) {
        let shrink = self.options.shrink;
        report.collapse = shrink::collapse(chains, self.source(), &report.counts, shrink);
    }

    fn source(&self) -> Source<'_> {
        Source {
            name: &self.options.source,
            device: self.author.device(),
            now: self.host.now().seconds,
        }
    }

    fn snapshot(&self, parent: &Option<Parent>, walked: &Walked) -> Snapshot {
        let options = self.options;
        let mut counts = walked.report.counts;
        counts.new_bytes = walked.report.bytes_added;
        let paths = options.paths.iter();
        let collapse = walked.report.collapse.as_ref();
        Snapshot {
            source: options.source.clone(),
            tree: walked.built.tree,
            parent: parent.as_ref().map(|parent| parent.id),
            paths: paths
                .map(|path| path.as_os_str().as_encoded_bytes().to_vec())
                .collect(),
            excludes: options.excludes.clone(),
            tags: options.tags.clone(),
            counts,
            suspect: collapse.map(|collapse| collapse.why.clone()),
            ..Snapshot::default()
        }
    }

    /// The next entry of the chain, sealed; `chains` goes on from it, and is of no use where the session does not commit.
    fn next(
        &self,
        session: &Session,
        chains: &mut Chains,
        started: Timestamp,
        what: What,
    ) -> Result<SealedEntry> {
        let stamp = Stamp {
            time: started,
            zone: self.options.zone,
            host: self.host.name(),
            user: self.options.user.clone(),
        };
        let entry = self.author.entry(self.repo, chains, stamp, what)?;
        let sealed = session.seal_entry(&entry)?;
        self.author.made(entry.seq, sealed.id())?;
        chains.committed([(sealed.id(), entry)]);
        Ok(sealed)
    }
}

/// What a run puts that has parity.
fn made(packs: &[(Id, u64)], entries: &[SealedEntry]) -> Vec<Name> {
    let name = |folder, id: &Id| Name::hashed(folder, &id.to_hex());
    let packs = packs.iter().map(|(id, _)| name(Folder::Packs, id));
    let entries = entries
        .iter()
        .map(|entry| name(Folder::Entries, &entry.id()));
    packs.chain(entries).collect()
}
