//! Prove by reading that all is whole, and name what is not as files and snapshots.
//!
//! Packs are read first, each object once: hashed against its name, every box opened, every block expanded, every id
//! recomputed. Then each snapshot is walked down to its chunks. A damaged object never ends the work.

pub mod packs;
pub mod trees;

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::mirror::scrub;
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::ops::verify::packs::Packs;
use crate::ops::verify::trees::{Bad, Loss, Walk};
use crate::repo::Repo;
use crate::repo::chain::Chains;
use crate::repo::index::Index;
use crate::repo::loader::Loader;
use crate::repo::publish::Presence;
use crate::rescue;
use crate::store::Listed;
use std::sync::Arc;

/// How deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every needed object is listed at the right size, small ones are whole, index and directories agree.
    Structure,
    /// And every stored byte was read and hashes to its name.
    Stored,
    /// And each box opens, each block expands, each id is recomputed.
    Content,
}

/// What to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How deeply.
    pub level: Level,
    /// Threads that read.
    pub workers: usize,
}

/// An object that is not what it should be.
#[derive(Debug)]
pub struct Damage {
    /// The object.
    pub name: Name,
    /// What is wrong with it, the whole chain.
    pub what: String,
}

/// What was read and found.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects looked at.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Packs among them.
    pub packs: u64,
    /// Blobs whose ids were recomputed.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Live snapshots walked.
    pub snapshots: u64,
    /// Objects that are damaged.
    pub damaged: Vec<Damage>,
    /// Files that cannot be restored whole.
    pub losses: Vec<Loss>,
    /// Objects of a newer version: not damaged, not judged.
    pub newer: u64,
    /// Files on the mirror that are not ours.
    pub strangers: u64,
}

impl Report {
    /// Whether anything is wrong.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.losses.is_empty()
    }
}

/// Verifies one mirror.
///
/// # Errors
/// `Interrupted`, `TooNew` where nothing could be judged, and those of the store. Damage is in the report.
pub fn run(
    repo: &Arc<Repo>,
    presence: &Presence,
    index: &Arc<Index>,
    chains: &Chains,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Report> {
    let mut report = Report::default();
    let mut bad = Bad::default();
    small_objects(repo, &mut report, monitor)?;
    for pack in index.missing() {
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        damaged(
            &mut report,
            name,
            Error::new(Kind::Damaged, "the index knows it and it is gone"),
            monitor,
        );
    }
    for id in chains.missing() {
        let name = Name::hashed(Folder::Entries, &id.to_hex());
        if !report.damaged.iter().any(|damage| damage.name == name) {
            damaged(
                &mut report,
                name,
                Error::new(Kind::Damaged, "a commit slot lists it and it is gone"),
                monitor,
            );
        }
    }
    let total = presence.packs().values().sum();
    monitor.phase(
        "reading packs",
        (options.level != Level::Structure).then_some(total),
    );
    let sums = index.sums()?;
    Packs {
        repo,
        presence,
        sums,
        options,
        monitor,
    }
    .run(&mut report, &mut bad)?;
    walk(repo, index, chains, &bad, &mut report, monitor)?;
    Ok(report)
}

fn damaged(report: &mut Report, name: Name, error: Error, monitor: &dyn Monitor) {
    let error = error.during(name.to_string());
    monitor.problem(&error);
    report.damaged.push(Damage {
        name,
        what: error.chain(),
    });
}

/// Everything but packs is small: it is read and compared with its name at every level.
fn small_objects(repo: &Repo, report: &mut Report, monitor: &dyn Monitor) -> Result<()> {
    let (all, strangers) = scrub::list_all(&**repo.store())?;
    report.strangers = strangers;
    let small = all
        .iter()
        .filter(|listed| listed.name.folder() != Folder::Packs);
    for listed in small {
        if monitor.interrupted() {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        report.objects += 1;
        report.bytes += listed.len;
        monitor.count(Counter::Objects, 1);
        // Nothing but its key tells whether a commit slot is whole: it is not named by its bytes.
        let checked = match listed.name.folder() {
            Folder::Commits => repo.read(ObjectKind::Commit, &listed.name).map(drop),
            _ => scrub::check(&**repo.store(), &listed.name),
        };
        match checked {
            Ok(()) => {}
            Err(error) if error.kind() == Kind::TooNew => report.newer += 1,
            Err(error) if error.kind() == Kind::Damaged => {
                monitor.problem(&error);
                report.damaged.push(Damage {
                    name: listed.name.clone(),
                    what: error.chain(),
                });
            }
            // Intents come and go while we look.
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    rescue_files(repo, &all, report, monitor);
    key_slots(
        &all.iter()
            .map(|listed| listed.name.clone())
            .collect::<Vec<_>>(),
        report,
        monitor,
    );
    Ok(())
}

/// Each key slot stands twice.
fn key_slots(names: &[Name], report: &mut Report, monitor: &dyn Monitor) {
    for (folder, twin) in [(Folder::Keys, Folder::Keys2), (Folder::Keys2, Folder::Keys)] {
        for name in names.iter().filter(|name| name.folder() == folder) {
            let other = Name::hashed(twin, name.leaf());
            if !names.contains(&other) {
                damaged(
                    report,
                    other,
                    Error::new(Kind::Damaged, "one of its two copies is gone"),
                    monitor,
                );
            }
        }
    }
}

fn rescue_files(repo: &Repo, listed: &[Listed], report: &mut Report, monitor: &dyn Monitor) {
    for (leaf, _) in rescue::FILES {
        let name = Name::new(Folder::Top, leaf).expect("rescue files have names of the top folder");
        let why = match listed.iter().find(|listed| listed.name == name) {
            None => "it is gone",
            Some(listed) if listed.len == 0 => "it is empty",
            Some(_) => continue,
        };
        damaged(report, name, Error::new(Kind::Damaged, why), monitor);
    }
    if repo.mirror().is_none()
        && !report
            .damaged
            .iter()
            .any(|damage| damage.name == Name::marker())
    {
        damaged(
            report,
            Name::marker(),
            Error::new(Kind::Damaged, "missing, or sealed for something else"),
            monitor,
        );
    }
}

fn walk(
    repo: &Arc<Repo>,
    index: &Arc<Index>,
    chains: &Chains,
    bad: &Bad,
    report: &mut Report,
    monitor: &dyn Monitor,
) -> Result<()> {
    let loader = Loader::new(repo, index);
    let mut walk = Walk::new(&loader, bad, monitor);
    let snapshots = chains.snapshots();
    monitor.phase("walking snapshots", Some(snapshots.len() as u64));
    for (id, _, snapshot) in &snapshots {
        walk.snapshot(&snapshot.source, *id, snapshot.tree)?;
        report.snapshots += 1;
        monitor.count(Counter::Objects, 1);
    }
    report.newer += walk.newer + chains.newer() as u64;
    report.losses = walk.losses();
    Ok(())
}
