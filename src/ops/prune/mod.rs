//! Deletes what no snapshot needs, with no lock and no belief in clocks (format 11.3).
//!
//! What is needed of packs that go is written anew first, under the same names on every mirror. Then the packs are named
//! in a mark, for ever; then whoever may still lean on them is waited for; then what is needed is looked for once more,
//! and they are deleted. Killed anywhere, it leaves marks that the next run carries out.

pub mod collect;
mod moving;
mod narrow;
pub mod plan;
mod require;
mod room;
mod runs;
mod unsaid;
pub mod waiting;

use crate::error::{Error, Kind, Result};
use crate::format::mark::Mark;
use crate::id::Id;
use crate::limits::MARK_PACKS_MAX;
use crate::monitor::Counter;
use crate::ops::by::By;
use crate::ops::keys_and_marks::{bring_marks, marks_of};
use crate::ops::prune::collect::{Collected, Needed, Rooted, Sealed};
use crate::ops::prune::plan::{Limits, Plan};
use crate::ops::reach::Reach;
use crate::repo::Repo;
use crate::repo::author::Author;
use crate::repo::index::reached::Reached;
use crate::repo::look::Look;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::repo::presence::Presence;
use std::collections::BTreeSet;
use std::time::Duration;

/// How to prune.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which packs go.
    pub limits: Limits,
    /// How long a removed snapshot can be taken back, in seconds.
    pub grace: i64,
    /// A session that shows no sign of life for so long, in seconds of this device's own observation, is ended.
    pub expiry: i64,
    /// How long to wait for sessions that have not ended.
    pub wait: Duration,
    /// Sessions that show no sign of life for so long, and those of this device, are over on mirrors that cannot decide
    /// that too: a person says so.
    pub end_dead: bool,
    /// Whatever this device's clock says.
    pub clock_ok: bool,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    /// What was to be done.
    pub plan: Plan,
    /// What became of each mirror.
    pub mirrors: Vec<(String, Result<Collected>)>,
}

/// Says what a run would do.
///
/// # Errors
/// As [`run`].
pub fn rehearse(mirrors: &Mirrors, options: &Options, with: (&Author, By<'_>)) -> Result<Plan> {
    survey(mirrors, options, &BTreeSet::new(), with)?.plan(options.limits, with.1)
}

/// Says what a run would do once these snapshots are forgotten and nothing that is removed by then can be taken back.
///
/// # Errors
/// As [`run`].
pub fn foresee(
    mirrors: &Mirrors,
    options: &Options,
    going: &BTreeSet<Id>,
    with: (&Author, By<'_>),
) -> Result<Plan> {
    let options = Options {
        grace: 0,
        ..*options
    };
    survey(mirrors, &options, going, with)?.plan(options.limits, with.1)
}

/// Prunes the mirrors in `on`; all that are there are asked what is needed.
///
/// # Errors
/// `Refused` where the clock cannot be right, `TooNew`, `Damaged` where a snapshot's trees cannot be read, `Interrupted`.
/// What became of each mirror is in the report.
pub fn run(
    mirrors: &Mirrors,
    on: &[&Mirror],
    options: &Options,
    (author, by): (&Author, By<'_>),
) -> Result<Report> {
    let survey = survey(mirrors, options, &BTreeSet::new(), (author, by))?;
    let plan = survey.plan(options.limits, by)?;
    let Survey {
        look, mut needed, ..
    } = survey;
    let mut report = Report::default();
    // What was marked elsewhere while a mirror was away goes there too.
    for mirror in on {
        let bring =
            || marks_of(&mirror.repo).and_then(|here| bring_marks(&look, &mirror.repo, &here));
        if let Err(error) = room::with(mirror, &plan.dead, &bring) {
            keep_on(&mut report, mirror, Err(error))?;
        }
    }
    // What was begun is ended first, and what nobody needs makes room for what moves.
    for mark in marks(&plan.dead, &plan.entries, by) {
        put_everywhere(&mirrors.whole, on, &mark, &mut report, by)?;
    }
    for mirror in well(on, &report) {
        let collected = collect::run(&look, mirror, &mut needed, (author, by), options);
        keep_on(&mut report, mirror, collected)?;
    }
    moving::run(
        (mirrors, on),
        &plan.moving,
        (&mut needed, &mut report),
        (author, by),
        options,
    )?;
    tidy_runs(on, &mut report, by)?;
    report.plan = plan;
    Ok(report)
}

/// Carries out what was marked and still lies on these mirrors, and marks nothing (format 11.4, S7).
///
/// # Errors
/// As [`run`].
pub fn execute(
    mirrors: &Mirrors,
    on: &[&Mirror],
    options: &Options,
    (author, by): (&Author, By<'_>),
) -> Result<Report> {
    let mut report = Report::default();
    let mut begun = Vec::new();
    for mirror in on {
        if Presence::to_collect(&mirror.repo, &BTreeSet::new())?.has_mark_in_progress() {
            begun.push(*mirror);
        }
    }
    if begun.is_empty() {
        return Ok(report);
    }
    let Survey {
        look, mut needed, ..
    } = survey(mirrors, options, &BTreeSet::new(), (author, by))?;
    for mirror in begun {
        let collected = collect::run(&look, mirror, &mut needed, (author, by), options);
        keep_on(&mut report, mirror, collected)?;
    }
    tidy_runs(on, &mut report, by)?;
    Ok(report)
}

fn tidy_runs(on: &[&Mirror], report: &mut Report, by: By<'_>) -> Result<()> {
    let mut merged = Vec::new();
    for mirror in well(on, report) {
        if let Err(error) = runs::tidy(mirror, &mut merged, by) {
            keep_on(report, mirror, Err(error))?;
        }
    }
    Ok(())
}

/// Marks that name all of these, none of them more than a reader accepts.
fn marks(packs: &BTreeSet<Id>, entries: &BTreeSet<Id>, by: By<'_>) -> Vec<Mark> {
    let (packs, entries) = (Vec::from_iter(packs), Vec::from_iter(entries));
    let mut packs = packs.chunks(MARK_PACKS_MAX);
    let mut entries = entries.chunks(MARK_PACKS_MAX);
    let ids = |named: Option<&[&Id]>| named.unwrap_or_default().iter().copied().copied().collect();
    let mut marks = Vec::new();
    loop {
        let (packs, entries) = (packs.next(), entries.next());
        if packs.is_none() && entries.is_none() {
            return marks;
        }
        marks.push(Mark {
            device: by.writer.device,
            time: by.host.now().seconds,
            packs: ids(packs),
            entries: ids(entries),
            loss: false,
        });
    }
}

/// Puts a mark on every mirror on which all went well so far.
fn put_everywhere(
    repo: &Repo,
    on: &[&Mirror],
    mark: &Mark,
    report: &mut Report,
    by: By<'_>,
) -> Result<()> {
    let sealed = Sealed::of(mark, repo, by)?;
    for mirror in well(on, report) {
        if let Err(error) = sealed.put(mirror) {
            keep_on(report, mirror, Err(error))?;
        }
    }
    Ok(())
}

fn well<'a>(on: &[&'a Mirror], report: &Report) -> Vec<&'a Mirror> {
    let on = on.iter().copied();
    on.filter(|mirror| report.is_well(mirror)).collect()
}

impl Report {
    /// Whether nothing has failed on this mirror, nobody is waited for there, and it has room.
    fn is_well(&self, mirror: &Mirror) -> bool {
        let mut all = self.mirrors.iter().filter(|(name, _)| *name == mirror.name);
        let goes_on = |done: &Collected| done.waits.is_empty() && done.lacks.is_none();
        all.all(|(_, done)| done.as_ref().is_ok_and(goes_on))
    }
}

/// One mirror that fails does not keep the others.
fn keep_on(report: &mut Report, mirror: &Mirror, done: Result<Collected>) -> Result<()> {
    if let Err(error) = &done
        && error.kind() == Kind::Interrupted
    {
        return done.map(|_| ());
    }
    let before = report
        .mirrors
        .iter_mut()
        .find(|(name, _)| *name == mirror.name);
    match (before, done) {
        (Some((_, Ok(before))), Ok(done)) => before.add(done),
        (Some((_, before)), done) => *before = done,
        (None, done) => report.mirrors.push((mirror.name.clone(), done)),
    }
    Ok(())
}

/// What all mirrors show together, and what of it is needed.
struct Survey {
    look: Look,
    needed: Needed,
    /// Removed snapshots whose time to be taken back has passed.
    purged: BTreeSet<Id>,
    /// See [`Plan::staying`].
    staying: Option<(u64, i64)>,
}

/// Looks at all mirrors and walks every snapshot that is not purged; those in `going` are taken as purged.
fn survey(
    mirrors: &Mirrors,
    options: &Options,
    going: &BTreeSet<Id>,
    (author, by): (&Author, By<'_>),
) -> Result<Survey> {
    let look = Look::at(&mirrors.whole, by.monitor)?;
    let now = by.host.now().seconds;
    let required = require::all(&look, now, options);
    required.map_err(|error| silent_or(&look.repo, error))?;
    let removed = author.removed_since(&look.chains, now)?;
    let lies_there = |id: &Id| look.chains.entry(id).is_some();
    let removed = removed.into_iter().filter(|(id, _)| lies_there(id));
    let until = removed.map(|(id, since)| (id, since.saturating_add(options.grace)));
    let (over, staying): (Vec<_>, Vec<_>) = until.partition(|(_, until)| *until <= now);
    let first = staying.iter().map(|(_, until)| *until).min();
    let staying = first.map(|first| (staying.len() as u64, first));
    let over = over.into_iter().map(|(id, _)| id);
    let purged: BTreeSet<Id> = over.chain(going.iter().copied()).collect();
    let mut needed = Needed {
        reached: Reached::new(&look.index),
        walked: BTreeSet::new(),
    };
    let (visible, hidden) = collect::kept(&look.chains, &purged, now);
    walk(&look, (&visible, &hidden), &mut needed, by)?;
    Ok(Survey {
        look,
        needed,
        purged,
        staying,
    })
}

impl Survey {
    fn plan(&self, limits: Limits, by: By<'_>) -> Result<Plan> {
        let reached = &self.needed.reached;
        let mut uses = reached.uses()?;
        let mut plan = plan::choose(&uses, limits);
        if reached.has_nowhere()? {
            let mut asked = BTreeSet::new();
            loop {
                let go = plan.dead.union(&plan.moving).copied();
                let go: Vec<Id> = go.filter(|pack| asked.insert(*pack)).collect();
                let unsaid = unsaid::of(&self.look, reached, &go, by)?;
                if unsaid.is_empty() {
                    break;
                }
                uses.retain(|pack, _| !unsaid.contains(pack));
                plan = plan::choose(&uses, limits);
            }
        }
        let here = |id: &&Id| self.look.chains.entry(id).is_some();
        plan.entries = self.purged.iter().filter(here).copied().collect();
        plan.staying = self.staying;
        Ok(plan)
    }
}

/// What seems to be missing or damaged may be on a mirror that does not answer: then that is what is wrong.
fn silent_or(whole: &Repo, error: Error) -> Error {
    match whole.store().silent() {
        Some(silent) if error.is_about_the_object() => silent.during("find what is needed"),
        _ => error,
    }
}

/// Notes every blob that these snapshots reach. Of those in the second list nobody has said that they are whole.
///
/// # Errors
/// `Damaged` where a tree of the first list cannot be read: what lies below it is not known then.
fn walk(
    look: &Look,
    (visible, hidden): (&[Rooted], &[Rooted]),
    needed: &mut Needed,
    by: By<'_>,
) -> Result<()> {
    let total = (Counter::Objects, (visible.len() + hidden.len()) as u64);
    by.monitor.phase("finding what is needed", Some(total));
    let mut reach = Reach::new(&look.loader);
    for (id, tree) in visible {
        let reached = &mut needed.reached;
        let walked = reach.snapshot(*tree, None, &mut |kind, blob| {
            by.require_patience()?;
            reached.add(kind, blob)
        });
        match walked {
            Err(error) if error.is_about_the_object() => {
                let next = match look.chains.removal(id) {
                    None => "heirloom heal; what cannot be healed: heirloom forget that snapshot",
                    Some(_) => {
                        "heirloom heal; or prune again when its time to be taken back is over"
                    }
                };
                let what = format!("find what snapshot {} needs", id.short());
                return Err(silent_or(&look.repo, error.during(what).hint(next)));
            }
            other => other?,
        }
        needed.walked.insert(*id);
        by.monitor.count(Counter::Objects, 1);
    }
    for (id, tree) in hidden {
        // What another one missed this one may need.
        let mut reach = Reach::as_far_as_it_goes(&look.loader);
        let reached = &mut needed.reached;
        let mut lacks = false;
        reach.snapshot(*tree, None, &mut |kind, blob| {
            by.require_patience()?;
            // Of a session that was ended, what is gone already is missed by nobody.
            if look.index.places_of(&blob.prefix(), kind)?.is_empty() {
                lacks = true;
                return Ok(());
            }
            reached.add(kind, blob)
        })?;
        // Should it become visible, it is walked again unless all of it is noted.
        if !lacks && !reach.has_missed() {
            needed.walked.insert(*id);
        }
        by.monitor.count(Counter::Objects, 1);
    }
    Ok(())
}
