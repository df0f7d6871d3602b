//! Mends one mirror from the others, and says what cannot be mended.
//!
//! What the mirror should have and lacks is told by its index and its chains; what is damaged, by its ledger, or by
//! reading everything where nobody has.
//! Nothing that a mark names comes back. A pack that no mirror has whole is named in a loss mark once every mirror has
//! been asked: from then on no snapshot leans on it, and the next backup sends again what the device still has.

pub mod gone;
pub mod hidden;
pub mod lost;
pub mod search;
pub mod told;

use crate::crypto::hash;
use crate::error::Result;
use crate::format::ledger::LEVEL_STORED;
use crate::id::Id;
use crate::limits::PAGE;
use crate::mirror::heal::{Heal, Healed, Others, discard};
use crate::mirror::parity::{Brought, PERCENT};
use crate::mirror::scrub;
use crate::monitor::Monitor;
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::ops::heal::told::Found;
use crate::ops::parity;
use crate::ops::sync;
use crate::ops::verify::remember::Known;
use crate::repo::Repo;
use crate::repo::author::Author;
use crate::repo::chain::Chains;
use crate::repo::index::Index;
use crate::repo::ledger::Age;
use crate::repo::look::Look;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::repo::publish::Session;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How to heal.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Say what would be done and write nothing.
    pub dry_run: bool,
    /// Read everything, whatever the ledger says.
    pub all: bool,
    /// Threads that read.
    pub workers: usize,
    /// How the names of temporary objects begin.
    pub tag: &'a str,
}

/// What was done to one mirror.
#[derive(Debug, Default)]
pub struct Report {
    /// Each object that was not what it should be, and what became of it.
    pub objects: Vec<(Name, Healed)>,
    /// What sync brought afterwards.
    pub synced: sync::Report,
    /// What was done for its parity afterwards.
    pub parity: Brought,
    /// What is not as it should be and cannot be mended from another mirror.
    pub still: Vec<Name>,
    /// The packs among them: they have the bytes of their names, so that no mirror has them otherwise.
    pub spoilt: BTreeSet<Id>,
    /// How many had the bytes of their names at one reading and not at another.
    pub unsteady: u64,
    /// Whether everything was read, and when what is there was read back before that.
    pub everything: bool,
    /// See there.
    pub age: Age,
}

impl Report {
    /// Objects that no mirror has whole.
    pub fn left(&self) -> impl Iterator<Item = &Name> {
        let left = self
            .objects
            .iter()
            .filter(|(_, healed)| *healed == Healed::Left);
        left.map(|(name, _)| name)
    }

    fn list(&mut self, entries: Vec<Id>) {
        let names = entries
            .iter()
            .map(|id| Name::hashed(Folder::Entries, &id.to_hex()));
        self.objects
            .extend(names.map(|name| (name, Healed::Listed)));
    }
}

/// Heals one mirror from all others that are there.
///
/// # Errors
/// `Refused` where nothing may be written, those of the mirror, `Interrupted`.
pub fn run(
    mirrors: &Mirrors,
    mirror: &Mirror,
    options: Options<'_>,
    (author, by): (&Author, By<'_>),
) -> Result<Report> {
    let repo = &mirror.repo;
    let look = Look::at(repo, by.monitor)?;
    let mut known = Known::read(&look, by.host.now().seconds)?;
    let mut report = Report {
        everything: options.all || known.ledger.is_empty(),
        age: known.ledger.age(LEVEL_STORED),
        ..Report::default()
    };
    let read = match report.everything {
        true => Some(scrub::run(&**repo.store(), options.workers, by.monitor)?),
        false => None,
    };
    let told = known.ledger.damaged();
    let told: Vec<_> = told.iter().filter_map(|path| Name::at_path(path)).collect();
    // What was read and found bad was read.
    let ledger = &known.ledger;
    let never = |name: &&Name| ledger.knows(name) && ledger.last_read(name, LEVEL_STORED).is_none();
    report.age.never -= told.iter().filter(never).count() as u64;
    let found = Found {
        told,
        read: read
            .iter()
            .flat_map(|read| &read.damaged)
            .map(|(name, _)| name.clone())
            .collect(),
    };
    let unsteady = read.iter().flat_map(|read| read.unsteady.clone());
    let unsteady = unsteady.map(|name| (name, Healed::Unstable));
    report.objects.extend(unsteady);
    let mut chains = Chains::read(repo, by.monitor)?;
    let mut session = match options.dry_run {
        true => None,
        false => Some(Session::begin(repo, by.host, by.writer, "heal")?),
    };
    // The session has put them there.
    let copied = repo.ring().lacking().into_iter().map(|id| {
        let name = Name::hashed(Folder::Keys, &id.to_hex());
        (name, Healed::Copied)
    });
    report.objects.extend(copied);
    let done = objects(
        (mirrors, mirror),
        options,
        by,
        (&mut session, &mut chains),
        &found,
        &mut report,
    );
    if let Some(session) = session {
        session.end(by.monitor);
    }
    done?;
    if options.dry_run {
        report.list(hidden::would_list((mirrors, mirror), author, by)?);
        told::healed(repo, &found, options, by, &mut report)?;
    } else {
        let look = Look::at(&mirrors.whole, by.monitor)?;
        report.synced = sync::run(&look, repo, by)?;
        report.list(hidden::list_again((mirrors, mirror), author, by)?);
        report.parity = parity::bring(mirror, by.monitor)?;
        let healed = told::healed(repo, &found, options, by, &mut report)?;
        let whole = read.filter(|read| read.newer == 0);
        told::enter(repo, &mut known, (healed, whole.as_ref()), by)?;
    }
    Ok(report)
}

fn objects(
    (mirrors, mirror): (&Mirrors, &Mirror),
    options: Options<'_>,
    by: By<'_>,
    (session, chains): (&mut Option<Session>, &mut Chains),
    found: &Found,
    report: &mut Report,
) -> Result<()> {
    let repo = &mirror.repo;
    let look = Look::at(repo, by.monitor)?;
    let presence = session.as_ref().map_or(&look.presence, Session::presence);
    let index = Index::open(repo, presence, by.monitor, &mut |_| Ok(Vec::new()))?;
    chains.look_again(repo, by.monitor)?;
    let mut packs = Look::at(&mirrors.whole, by.monitor)?.gone_from(&look);
    packs.extend(index.missing());
    let packs = packs.iter().map(|id| (Folder::Packs, id));
    let gone = packs.chain(chains.missing().map(|id| (Folder::Entries, id)));
    let gone = gone.map(|(folder, id)| Name::hashed(folder, &id.to_hex()));
    let mut bad: BTreeSet<Name> = gone.collect();
    let known = found.told.iter().chain(&found.read).cloned();
    let (named, not): (BTreeSet<Name>, BTreeSet<Name>) =
        known.partition(|name| name.folder().is_named_by_hash());
    bad.extend(named);
    if !options.dry_run {
        told::texts(&**repo.store(), &found.told)?;
    }
    let others = mirrors
        .here
        .iter()
        .filter(|other| other.name != mirror.name);
    let others = Others::new(others.map(|other| Arc::clone(other.repo.store())));
    let spare = |name: &Name| spare(repo, name);
    let heal = Heal {
        target: &**repo.store(),
        others: &others,
        spare: &spare,
        tag: options.tag,
        dry_run: options.dry_run,
        monitor: by.monitor,
    };
    for name in bad {
        // What a mark names goes for good, and never comes back.
        if parity::is_named_by_mark(presence, &name) {
            continue;
        }
        // A ledger record belongs to one mirror, and costs no more than another reading.
        if name.folder() == Folder::Ledger {
            if !options.dry_run && !discard(&**repo.store(), &name)? {
                report.objects.push((name, Healed::Stays));
            }
            continue;
        }
        let healed = or_denied(heal.object(&name), by.monitor)?;
        // It has come meanwhile, or has the bytes of its name, so that what is wrong is not for another mirror to mend.
        if healed == Healed::Unstable && (found.told.contains(&name) || !found.read.contains(&name))
        {
            continue;
        }
        let healed = match healed {
            Healed::Left if name.folder() == Folder::Index => remake(&heal, &name)?,
            healed => healed,
        };
        report.objects.push((name, healed));
    }
    // After their objects, of which they are made.
    for name in not
        .into_iter()
        .filter(|name| name.folder() == Folder::Parity)
    {
        let healed = heal.parity(&name, mirror.parity.unwrap_or(PERCENT));
        let healed = or_denied(healed, by.monitor)?;
        if healed != Healed::Unstable || !found.told.contains(&name) {
            report.objects.push((name, healed));
        }
    }
    Ok(())
}

/// Its place refuses this one, and may not the next.
fn or_denied(healed: Result<Healed>, monitor: &dyn Monitor) -> Result<Healed> {
    match healed {
        Err(error) if error.costs_one_object() => {
            monitor.problem(&error);
            Ok(Healed::Denied)
        }
        healed => healed,
    }
}

/// An index run that nobody has goes: it can be made again from the packs.
fn remake(heal: &Heal<'_>, name: &Name) -> Result<Healed> {
    match heal.dry_run || discard(heal.target, name)? {
        true => Ok(Healed::Remade),
        false => Ok(Healed::Stays),
    }
}

/// What the mirror itself or this device has a second copy of: key slots and entries.
fn spare(repo: &Repo, name: &Name) -> Option<Vec<u8>> {
    let twin = match name.folder() {
        Folder::Entries => return repo.copies().get(name),
        Folder::Keys => Folder::Keys2,
        Folder::Keys2 => Folder::Keys,
        _ => return None,
    };
    let twin = Name::hashed(twin, name.leaf());
    let whole = |bytes: &Vec<u8>| hash::object_id(bytes).to_hex() == name.leaf();
    let here = repo.store().get(&twin, PAGE as u64).ok().filter(whole);
    here.or_else(|| repo.copies().get(&Name::hashed(Folder::Keys, name.leaf())))
}

/// Heals every object that is listed and damaged, without a key. What is missing stays so: without a key nobody can tell
/// what was deleted on purpose.
///
/// # Errors
/// As [`run`].
pub fn without_key(
    stores: &[Arc<dyn Store>],
    (target, percent): (usize, Option<u8>),
    options: Options<'_>,
    monitor: &dyn Monitor,
) -> Result<BTreeMap<Name, Healed>> {
    let others = stores.iter().enumerate().filter(|(at, _)| *at != target);
    let others = Others::new(others.map(|(_, store)| Arc::clone(store)));
    let heal = Heal {
        target: &*stores[target],
        others: &others,
        spare: &|_| None,
        tag: options.tag,
        dry_run: options.dry_run,
        monitor,
    };
    let read = scrub::run(heal.target, options.workers, monitor)?;
    let unsteady = read.unsteady.into_iter();
    let mut healed: BTreeMap<_, _> = unsteady.map(|name| (name, Healed::Unstable)).collect();
    // Parity after its objects, of which it is made.
    let (parity, objects): (Vec<_>, Vec<_>) = read
        .damaged
        .into_iter()
        .partition(|(name, _)| name.folder() == Folder::Parity);
    for (name, _) in objects.into_iter().chain(parity) {
        let became = match name.folder() {
            Folder::Parity => heal.parity(&name, percent.unwrap_or(PERCENT)),
            folder if folder.is_named_by_hash() => heal.object(&name),
            _ => Ok(Healed::Left),
        };
        healed.insert(name, or_denied(became, monitor)?);
    }
    Ok(healed)
}
