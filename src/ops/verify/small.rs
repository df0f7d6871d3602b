//! Everything but packs is small: at every level it is read whole, compared with its name, opened, and its record read.
//!
//! The name alone is not enough: intents and commit slots are not named by a hash, and anybody can put a file that is.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::chain::Entry;
use crate::format::commit::{CommitSlot, Intent};
use crate::format::index::Run;
use crate::format::key_slot::KeySlot;
use crate::format::ledger::LedgerRecord;
use crate::format::mark::Mark;
use crate::format::mirror::MirrorRecord;
use crate::id::to_hex;
use crate::limits::TEXT_BYTES_MAX;
use crate::mirror::{parity, scrub};
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::ops::verify::{Level, Report, Scope, damaged, unsteady};
use crate::repo::Repo;
use crate::repo::ledger;
use crate::rescue;
use std::collections::BTreeSet;

/// Reads every object that is not a pack, or those of them that were chosen.
///
/// # Errors
/// `Interrupted`, and those of the store. Damage goes to `report`.
pub fn run(
    repo: &Repo,
    scope: &Scope<'_>,
    level: Level,
    report: &mut Report,
    monitor: &dyn Monitor,
) -> Result<()> {
    report.strangers = scope.strangers;
    let mut names = BTreeSet::new();
    for listed in scope.small(level) {
        let name = &listed.name;
        if monitor.interrupted() {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        let known = ledger::short(name);
        if known.is_some() && scope.is_over() {
            report.unread += 1;
            continue;
        }
        report.objects += 1;
        report.bytes += listed.len;
        monitor.count(Counter::Objects, 1);
        let mut checked = check(repo, name);
        if matches!(&checked, Err(error) if error.kind() == Kind::Damaged) {
            checked = check(repo, name);
            if checked.is_ok() {
                unsteady(repo, name.clone(), report, monitor);
            }
        }
        match checked {
            Ok(()) => report.good.extend(known),
            Err(error) if error.kind() == Kind::TooNew => report.newer += 1,
            // Intents come and go while we look.
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) if error.costs_one_object() => {
                damaged(report, name.clone(), error, monitor);
            }
            Err(error) => return Err(error),
        }
        if matches!(name.folder(), Folder::Top | Folder::Keys | Folder::Keys2) {
            names.insert(name.clone());
        }
    }
    key_slots(repo, &names, report, monitor);
    top(repo, &names, report, monitor);
    Ok(())
}

/// Reads one object as far as it can be read.
fn check(repo: &Repo, name: &Name) -> Result<()> {
    let kind = match (name.folder(), name.leaf()) {
        (Folder::Top, "mirror") => ObjectKind::Mirror,
        (Folder::Index, _) => ObjectKind::IndexRun,
        (Folder::Entries, _) => ObjectKind::Entry,
        (Folder::Intents, _) => ObjectKind::Intent,
        (Folder::Commits, _) => ObjectKind::Commit,
        (Folder::Marks, _) => ObjectKind::Mark,
        (Folder::Ledger, _) => ObjectKind::Ledger,
        (Folder::Keys | Folder::Keys2, _) => return key_slot(repo, name),
        (Folder::Top, _) => return text(repo, name),
        (Folder::Parity, _) => return parity::check(&**repo.store(), name),
        _ => return scrub::check(&**repo.store(), name),
    };
    let opened = repo.read(kind, name)?;
    let record = &opened.record;
    match kind {
        ObjectKind::IndexRun => Run::decode(&opened.area, record).map(drop),
        ObjectKind::Entry => Entry::decode(record).map(drop),
        ObjectKind::Intent => own_name(&Intent::decode(record)?, name),
        ObjectKind::Commit => CommitSlot::decode(record).map(drop),
        ObjectKind::Mark => Mark::decode(record).map(drop),
        ObjectKind::Ledger => LedgerRecord::decode(record).map(drop),
        _ => MirrorRecord::decode(record).map(drop),
    }
}

/// An intent under another session's name would make a collector wait for the wrong one.
fn own_name(intent: &Intent, name: &Name) -> Result<()> {
    let session = name.leaf().split('.').next();
    if session == Some(&to_hex(&intent.session)) {
        return Ok(());
    }
    let what = "it lies under the name of another session";
    Err(Error::new(Kind::Damaged, what))
}

fn key_slot(repo: &Repo, name: &Name) -> Result<()> {
    let bytes = repo.store().get(name, ObjectKind::KeySlot.bytes_max())?;
    if hash::object_id(&bytes).to_hex() != name.leaf() {
        let what = "its bytes do not match its name";
        return Err(Error::new(Kind::Damaged, what));
    }
    let whose = KeySlot::from_object(&bytes)?.repo();
    if whose == repo.id() {
        return Ok(());
    }
    let what = format!("it belongs to repository {whose}, not to {}", repo.id());
    Err(Error::new(Kind::Damaged, what))
}

/// Each key slot stands twice, and what opens the repository is one of them.
fn key_slots(repo: &Repo, names: &BTreeSet<Name>, report: &mut Report, monitor: &dyn Monitor) {
    let is_slot = |name: &&Name| matches!(name.folder(), Folder::Keys | Folder::Keys2);
    if !names.iter().any(|name| is_slot(&name)) {
        for (id, _) in repo.ring().named() {
            let name = Name::hashed(Folder::Keys, &id.to_hex());
            let error = Error::new(Kind::Damaged, "both of its copies are gone");
            damaged(report, name, error, monitor);
        }
    }
    for (folder, twin) in [(Folder::Keys, Folder::Keys2), (Folder::Keys2, Folder::Keys)] {
        for name in names.iter().filter(|name| name.folder() == folder) {
            let other = Name::hashed(twin, name.leaf());
            if !names.contains(&other) {
                let error = Error::new(Kind::Damaged, "one of its two copies is gone");
                damaged(report, other, error, monitor);
            }
        }
    }
}

/// What has to be there and is not: the rescue files and the marker.
fn top(repo: &Repo, names: &BTreeSet<Name>, report: &mut Report, monitor: &dyn Monitor) {
    let marker = Name::marker();
    let texts = rescue::FILES.iter().map(|(leaf, _)| {
        Name::new(Folder::Top, leaf).expect("rescue files have names of the top folder")
    });
    let wanted = texts.chain((!repo.is_newer()).then(|| marker.clone()));
    let mut gone: Vec<_> = wanted.filter(|name| !names.contains(name)).collect();
    let told = report.damaged.iter().any(|damage| damage.name == marker);
    if repo.mirror().is_none() && !repo.is_newer() && !told && !gone.contains(&marker) {
        gone.push(marker);
    }
    for name in gone {
        let error = Error::new(Kind::Damaged, "it is missing");
        damaged(report, name, error, monitor);
    }
}

/// A text for a person without this program.
fn text(repo: &Repo, name: &Name) -> Result<()> {
    let bytes = repo.store().get(name, TEXT_BYTES_MAX)?;
    let ours = rescue::FILES.iter().find(|(leaf, _)| *leaf == name.leaf());
    match ours.and_then(|(_, ours)| wrong_text(&bytes, ours)) {
        Some(why) => Err(Error::new(Kind::Damaged, why)),
        None => Ok(()),
    }
}

/// What is wrong with a text for people. It may be another version's, so that it differs from ours says nothing.
fn wrong_text(bytes: &[u8], ours: &str) -> Option<&'static str> {
    let is_text = |byte: &u8| matches!(byte, b'\n' | b'\t' | b' '..=b'~' | 0x80..);
    if bytes.is_empty() {
        Some("it is empty")
    } else if !bytes.iter().all(is_text) || str::from_utf8(bytes).is_err() {
        Some("it is not text")
    } else if bytes.len() < ours.len() && ours.as_bytes().starts_with(bytes) {
        Some("it was cut short")
    } else {
        let others = rescue::FILES.iter().filter(|(_, text)| *text != ours);
        let swapped = others
            .map(|(_, text)| text.as_bytes())
            .any(|text| text == bytes);
        swapped.then_some("it holds another file's text")
    }
}
