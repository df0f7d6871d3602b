//! What heal takes from the ledger, and what it tells it.

use crate::error::Result;
use crate::format::ledger::LEVEL_STORED;
use crate::mirror::heal::Healed;
use crate::mirror::scrub::Scrubbed;
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::ops::heal::{Options, Report};
use crate::ops::verify::remember::Known;
use crate::ops::verify::{self, Level, Only};
use crate::repo::Repo;
use crate::repo::ledger::{self, Reading};
use crate::repo::look::Look;
use crate::rescue;
use crate::store::{Payload, Store};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is known to be damaged.
pub struct Found {
    /// The ledger says so.
    pub told: Vec<Name>,
    /// This run has read it.
    pub read: BTreeSet<Name>,
}

/// What is good now. What the ledger called damaged though it has the bytes of its name is looked at as verify does.
///
/// # Errors
/// Those of the mirror, and `Interrupted`.
pub fn healed(
    repo: &Arc<Repo>,
    found: &Found,
    options: Options<'_>,
    by: By<'_>,
    report: &mut Report,
) -> Result<Vec<Name>> {
    let replaced = report.objects.iter();
    let replaced = replaced.filter(|(_, healed)| healed.is_well());
    let mut good: Vec<Name> = replaced.map(|(name, _)| name.clone()).collect();
    let left = report.objects.iter();
    let left = left.filter(|(_, healed)| !healed.is_well() && *healed != Healed::Unstable);
    let left: BTreeSet<_> = left.map(|(name, _)| name.clone()).collect();
    let open = |name: &&Name| !good.contains(name) && !left.contains(name);
    let unsure: Vec<&Name> = found.told.iter().filter(open).collect();
    if unsure.is_empty() {
        return Ok(good);
    }
    let look = Look::at(repo, by.monitor)?;
    let known = Known::read(&look, by.host.now().seconds)?;
    let only = Only {
        names: unsure.clone(),
        over: &|| false,
    };
    let options = verify::Options {
        level: Level::Content,
        workers: options.workers,
    };
    let (looked, spoilt) = verify::objects(&look, &known.scope(Some(only)), &options, by.monitor)?;
    let bad: BTreeSet<_> = looked.damaged.iter().map(|damage| &damage.name).collect();
    let (still, again): (Vec<&Name>, _) = unsure.into_iter().partition(|name| bad.contains(name));
    report.still = still.into_iter().cloned().collect();
    report.unsteady = looked.unsteady.len() as u64;
    report.spoilt = spoilt.spoilt.into_iter().collect();
    good.extend(again.into_iter().cloned());
    Ok(good)
}

/// Tells the ledger.
///
/// # Errors
/// Those of the mirror.
pub fn enter(
    repo: &Repo,
    known: &mut Known,
    (healed, read): (Vec<Name>, Option<&Scrubbed>),
    by: By<'_>,
) -> Result<()> {
    let mut reading = Reading {
        level: LEVEL_STORED,
        good: healed.iter().filter_map(ledger::short).collect(),
        healed: healed.iter().map(Name::path).collect(),
        ..Reading::default()
    };
    if let Some(read) = read {
        let bad: BTreeSet<_> = read.damaged.iter().map(|(name, _)| name).collect();
        let good = known.names().filter(|name| !bad.contains(name));
        reading.good.extend(good.filter_map(ledger::short));
        let left = bad.iter().filter(|name| !healed.contains(name));
        reading.damaged = left.map(|name| name.path()).collect();
        reading.bytes = read.bytes;
    }
    if reading.healed.is_empty() && read.is_none() {
        return Ok(());
    }
    let writer = by.writer;
    known.ledger.write(repo, writer, &**by.host, reading)
}

/// Writes texts for people anew: this program brings them along.
///
/// # Errors
/// Those of the mirror.
pub fn texts(store: &dyn Store, damaged: &[Name]) -> Result<()> {
    for (leaf, text) in rescue::FILES {
        let is_it = |name: &Name| name.folder() == Folder::Top && name.leaf() == leaf;
        if let Some(name) = damaged.iter().find(|name| is_it(name)) {
            store.put(name, &Payload::new(text.as_bytes().to_vec()))?;
        }
    }
    Ok(())
}
