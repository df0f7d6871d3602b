//! What no mirror has whole: marked, so that it is sent again, and named as files.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::mark::Mark;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::ops::heal::Report;
use crate::ops::verify;
use crate::ops::verify::trees::Bad;
use crate::repo::look::Look;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::store::{Payload, Store};
use std::collections::BTreeSet;

/// Packs that one mirror should have and none has whole, from the reports of all.
pub fn packs(reports: &[(&Mirror, &Report)]) -> BTreeSet<Id> {
    let mut lost = BTreeSet::new();
    for (_, report) in reports {
        let packs = report.left().filter(|name| name.folder() == Folder::Packs);
        lost.extend(packs.filter_map(|name| Id::from_hex(name.leaf())));
        lost.extend(&report.spoilt);
    }
    lost
}

/// Writes the loss mark on every mirror that is there.
///
/// # Errors
/// `Refused` while a mirror is away that may have them; those of the stores.
pub fn mark(mirrors: &Mirrors, lost: &BTreeSet<Id>, by: By<'_>) -> Result<()> {
    if let Some(away) = mirrors.away.first() {
        let what = format!(
            "{} packs are whole on no mirror that is there, and {} is away",
            lost.len(),
            away.name
        );
        return Err(Error::new(Kind::Refused, what)
            .hint("connect it and run heirloom heal again: it may have them"));
    }
    let mark = Mark {
        device: by.writer.device,
        time: by.host.now().seconds,
        packs: lost.iter().copied().collect(),
        loss: true,
        ..Mark::default()
    };
    let leader = mirrors.leader()?;
    let sealer = leader.repo.sealer(by.writer);
    let mut random = [0; 32];
    by.host.random(&mut random);
    let bytes = sealer.seal(ObjectKind::Mark, &[], &mark.encode(), &random)?;
    let id = hash::object_id(&bytes);
    let name = Name::hashed(Folder::Marks, &id.to_hex());
    let payload = Payload::new(bytes);
    for mirror in &mirrors.here {
        mirror.repo.store().put(&name, &payload)?;
    }
    Ok(())
}

/// The files that lean on these packs, and the snapshots that hold them.
///
/// # Errors
/// Those of the stores, and `Interrupted`.
pub fn files(
    mirrors: &Mirrors,
    lost: &BTreeSet<Id>,
    monitor: &dyn Monitor,
) -> Result<verify::Report> {
    let look = Look::at(&mirrors.whole, monitor)?;
    let bad = Bad {
        packs: lost.iter().copied().collect(),
        ..Bad::default()
    };
    let mut report = verify::Report::default();
    verify::snapshots(&look, &bad, &mut report, monitor)?;
    Ok(report)
}
