//! One entry by itself: something has happened that no snapshot tells.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::chain::What;
use crate::host::Host;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::ops::backup::Kept;
use crate::ops::by::By;
use crate::ops::sync::{self, New};
use crate::repo::author::{Author, Stamp};
use crate::repo::chain::Chains;
use crate::repo::look::Look;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::repo::presence::Presence;
use crate::repo::publish::{self, Outcome, SealedEntry, Session};
use crate::repo::{Repo, seal};
use std::sync::Arc;

/// Adds an entry to this device's chain; its id.
///
/// # Errors
/// `Refused`, `TooNew`, and those of the store; `Busy` when a prune ends it again and again.
pub fn run(
    repo: &Arc<Repo>,
    host: &Arc<dyn Host>,
    author: &Author,
    (stamp, what): (Stamp, What),
    monitor: &dyn Monitor,
) -> Result<Id> {
    publish::persist("change", || {
        let chains = Chains::read_to_write(repo, monitor)?;
        let mut session = Session::begin(repo, host, author.writer(), "record")?;
        let mut put = || {
            let entry = author.entry(repo, &chains, stamp.clone(), what.clone())?;
            let sealed = session.seal_entry(&entry)?;
            author.made(entry.seq, sealed.id())?;
            session.commit(&[sealed])
        };
        let done = put();
        session.end(monitor);
        Ok(match done? {
            Outcome::Committed(id) => Some(id),
            Outcome::Aborted => None,
        })
    })
}

/// Adds an entry to this device's chain on every mirror that is there, each by a session of its own that brings what the
/// mirror lacks besides; what became of each. `look` is at all mirrors together, and shows the entry afterwards: its chain
/// goes on from all of them, so a mirror that was away cannot make it forget what it has seen.
///
/// # Errors
/// Why no mirror has it.
pub fn everywhere(
    mirrors: &Mirrors,
    look: &mut Look,
    author: &Author,
    (stamp, what, purpose): (Stamp, What, &'static str),
    by: By<'_>,
) -> Result<Vec<Kept>> {
    let sealer = look.repo.sealer(by.writer);
    let entry = author.entry(&look.repo, &look.chains, stamp, what)?;
    let bytes = seal(&sealer, ObjectKind::Entry, &entry.encode(), &**by.host)?;
    let sealed = SealedEntry::of(bytes);
    author.made(entry.seq, sealed.id())?;
    look.chains.committed([(sealed.id(), entry)]);
    let new = New {
        entry: &sealed,
        purpose,
    };
    let (mut kept, mut first) = (Vec::new(), None);
    for mirror in &mirrors.here {
        let done = on_one(mirror, look, author, new, by);
        kept.push(Kept::of(&mirror.name, done.as_ref().err()));
        match done {
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) if first.is_none() => first = Some(error),
            Err(error) => by.monitor.problem(&error),
            Ok(()) => {}
        }
    }
    if let Some(error) = first {
        if kept.iter().all(|one| one.failed.is_some()) {
            return Err(error);
        }
        by.monitor.problem(&error);
    }
    let away = mirrors.away.iter();
    kept.extend(away.map(|away| Kept::of(&away.name, Some(&away.error))));
    Ok(kept)
}

fn on_one(mirror: &Mirror, look: &Look, author: &Author, new: New<'_>, by: By<'_>) -> Result<()> {
    let repo = &mirror.repo;
    let record = repo.require_writable()?;
    let here = Chains::read(repo, by.monitor)?;
    let findings = author.judge(&record.id, &here, &look.chains);
    if let Some(finding) = findings.iter().find(|finding| finding.stops()) {
        return Err(finding.error(&mirror.name));
    }
    let report = sync::run_with(look, repo, Some(new), by)?;
    let here = Chains::read(repo, by.monitor)?;
    if !here.visible().any(|(id, _)| *id == new.entry.id()) {
        let what = format!("{} does not show what was just written", mirror.name);
        return Err(Error::new(Kind::Damaged, what).hint("heirloom verify"));
    }
    let marks = Presence::read(repo, by.monitor)?.marks().clone();
    let now = report.left.is_empty().then(|| by.host.now().seconds);
    author.saw(mirror, &here, &marks, now)
}
