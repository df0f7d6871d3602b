//! `heal`: damaged and missing objects of a mirror replaced from their parity and from the others.

mod search;

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::mirror::sync;
use crate::cli::open::{self, Opened};
use crate::cli::places::{self, Place};
use crate::cli::verify::tell;
use crate::error::Result;
use crate::id::Id;
use crate::mirror::heal::Healed;
use crate::mirror::scrub;
use crate::monitor::Mending;
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::ops::heal::{self, Options, Report, lost};
use crate::repo::ledger::Age;
use crate::repo::mirrors::Mirror;
use crate::store::Store;
use crate::ui::counted;
use crate::ui::json::Event;
use crate::units::age_to_text;
use clap::Args;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Replace what is damaged or missing on a mirror, from its parity or from the others
///
/// What the last verify found damaged is healed, and what index and chains say is missing; everything is read where no
/// verify has run yet. A replacement must hash to the name, and what is damaged is kept until it has been read back.
/// What no mirror has whole is named, and once every mirror has been asked, the next backup sends again what this device
/// still has. No snapshot and no good object is ever deleted.
#[derive(Args, Debug)]
pub struct HealArgs {
    /// Which mirrors [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Say what would be done, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Read everything first, whatever the last verify said
    #[arg(long, conflicts_with = "no_key")]
    all: bool,
    /// Look in the packs for snapshots whose entries no mirror has any more, give those entries up, and list what is found
    /// as snapshots of the source "found again"
    #[arg(long, conflicts_with = "no_key")]
    find_snapshots: bool,
    /// Use no secret: read everything, replace what is there and damaged; what is missing stays so
    #[arg(long)]
    no_key: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening; `Usage`, `Interrupted`. What cannot be mended is an outcome.
pub fn run(args: &HealArgs, context: &Context) -> Result<Done> {
    let mut done = Done::well();
    let wanted = Wanted {
        names: args.names.clone(),
        dry_run: args.dry_run,
        all: args.all,
        find_snapshots: args.find_snapshots,
    };
    match args.no_key {
        true => without_key(&wanted, context, &mut done)?,
        false => {
            let mut opened = open::repository(context)?;
            // What was told of key slots while opening is mended first of all.
            if opened.whole().ring().is_whole() {
                context.ui().forget_damage();
            }
            mirrors(context, &mut opened, &wanted, &mut done)?;
        }
    }
    Ok(done)
}

/// What to heal.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// These mirrors, or all.
    pub names: Vec<String>,
    /// Write nothing.
    pub dry_run: bool,
    /// Read everything first.
    pub all: bool,
    /// Look for snapshots that no entry names.
    pub find_snapshots: bool,
}

/// Heals mirrors of an open repository, and says what became of each object.
///
/// # Errors
/// As [`run`].
pub fn mirrors(
    context: &Context,
    opened: &mut Opened,
    args: &Wanted,
    done: &mut Done,
) -> Result<()> {
    require_known(args, context, opened.mirrors.names())?;
    let tag = open::tag(context);
    let options = options(context, args, &tag);
    let held = open::hold(context, &mut opened.mirrors)?;
    let mending = Mending(&**context.ui());
    let by = held.by(context, &mending);
    let mut reports: Vec<(&Mirror, Report)> = Vec::new();
    let wanted = |name: &String| args.names.is_empty() || args.names.contains(name);
    for mirror in opened
        .mirrors
        .here
        .iter()
        .filter(|mirror| wanted(&mirror.name))
    {
        let report = heal::run(&opened.mirrors, mirror, options, (&held.author, by))?;
        context.ui().end_progress();
        tell_source(context, &mirror.name, &report, args);
        let objects = report.objects.iter().map(|(name, healed)| (name, healed));
        tell_objects(context, &mirror.name, objects, args.dry_run);
        for words in sync::parity_words(&report.parity) {
            context.ui().detail(&format!("{}  {words}", mirror.name));
        }
        still(context, &mirror.name, &report, done);
        unfinished(
            &mirror.name,
            report.objects.iter().map(|(_, healed)| healed),
            done,
        );
        reports.push((mirror, report));
    }
    for away in opened.mirrors.away.iter().filter(|away| wanted(&away.name)) {
        context.ui().problem(&away.error);
        done.add(Outcome::Behind, format!("{} is not there", away.name));
    }
    let borrowed: Vec<_> = reports
        .iter()
        .map(|(mirror, report)| (*mirror, report))
        .collect();
    let lost = lost::packs(&borrowed);
    if !lost.is_empty() {
        tell_lost(context, opened, (&lost, args.dry_run), by)?;
    }
    let left: Vec<&Name> = reports
        .iter()
        .flat_map(|(_, report)| report.left())
        .collect();
    if args.find_snapshots {
        // The entries among them are given up.
        let others = left.iter().filter(|name| name.folder() != Folder::Entries);
        end(context, others.count() as u64, done);
        return search::run(context, (opened, &held), args.dry_run, done);
    }
    let spoilt: BTreeSet<&Id> = reports.iter().flat_map(|(_, it)| &it.spoilt).collect();
    end(context, (left.len() + spoilt.len()) as u64, done);
    if left.iter().any(|name| name.folder() == Folder::Entries) {
        let next = "heirloom heal --find-snapshots looks in the packs for what their entries named";
        context.ui().line(next);
        done.hint(next);
    }
    Ok(())
}

/// What no mirror that was asked has whole: named, and given up where every mirror was asked.
fn tell_lost(
    context: &Context,
    opened: &Opened,
    (lost, dry_run): (&BTreeSet<Id>, bool),
    by: By<'_>,
) -> Result<()> {
    let losses = lost::files(&opened.mirrors, lost, by.monitor)?;
    context.ui().end_progress();
    let asked: BTreeSet<&String> = opened.mirrors.names().collect();
    let configured = context.config().mirror.keys();
    let unasked: Vec<_> = configured.filter(|name| !asked.contains(name)).collect();
    let packs = counted(lost.len() as u64, "pack is", "packs are");
    let line = match unasked.first() {
        None => format!(
            "{packs} whole on no mirror: the next backup sends again what this device still has"
        ),
        Some(other) => format!(
            "{packs} whole on no mirror that was asked, and {other} was not: heirloom heal without -M and -r asks it"
        ),
    };
    context.ui().line(&line);
    tell::losses(context, &losses);
    if !dry_run
        && unasked.is_empty()
        && let Err(error) = lost::mark(&opened.mirrors, lost, by)
    {
        context.ui().problem(&error);
    }
    Ok(())
}

fn options<'a>(context: &Context, args: &Wanted, tag: &'a str) -> Options<'a> {
    Options {
        dry_run: args.dry_run,
        all: args.all,
        workers: context.readers(),
        tag,
    }
}

/// How it is known what is damaged.
fn tell_source(context: &Context, mirror: &str, report: &Report, args: &Wanted) {
    let now = context.host().now().seconds;
    let Age { never, oldest, .. } = report.age;
    let words = match (report.everything, never) {
        (true, _) if args.all => return,
        (true, _) => "no verify has run yet, so everything was read".to_owned(),
        (false, 0) => {
            let age = oldest.map_or(0, |oldest| now - oldest);
            let age = age_to_text(u64::try_from(age).unwrap_or(0));
            return context.ui().detail(&format!(
                "{mirror}  goes by what was read back within {age}; --all reads everything again"
            ));
        }
        (false, never) => format!(
            "{} never read back yet: heirloom verify, or heal --all",
            counted(never, "object was", "objects were")
        ),
    };
    context.ui().line(&format!("{mirror}  {words}"));
}

/// What another mirror cannot mend.
fn still(context: &Context, mirror: &str, report: &Report, done: &mut Done) {
    for name in &report.still {
        let what = "is not as it should be, and no other mirror can mend that";
        context.ui().line(&format!("{mirror}  {name}  {what}"));
        let object = name.path();
        context.ui().event(&Event::Damage {
            mirror,
            object: &object,
            what,
        });
        done.add(Outcome::Damage, format!("{name} on {mirror} {what}"));
    }
    if report.unsteady > 0 {
        done.add(Outcome::Unsteady, differ(mirror));
    }
}

fn without_key(args: &Wanted, context: &Context, done: &mut Done) -> Result<()> {
    let tag = open::tag(context);
    let options = options(context, args, &tag);
    let places = open::stores(context)?;
    require_known(args, context, places.iter().map(|(name, _)| name))?;
    let (mut names, mut stores): (Vec<String>, Vec<Arc<dyn Store>>) = (Vec::new(), Vec::new());
    for (name, store) in places {
        match store {
            Ok(store) => {
                names.push(name);
                stores.push(store);
            }
            Err(error) => {
                context.ui().problem(&error);
                done.add(Outcome::Behind, format!("{name} is not there"));
            }
        }
    }
    let (all, _) = places::all(context)?;
    let mut left = 0;
    for (at, name) in names.iter().enumerate() {
        if !args.names.is_empty() && !args.names.contains(name) {
            continue;
        }
        let place = all.iter().find(|place| place.name == *name);
        let parity = place.map(Place::parity).transpose()?.flatten();
        let mending = Mending(&**context.ui());
        let healed = heal::without_key(&stores, (at, parity), options, &mending)?;
        context.ui().end_progress();
        tell_objects(context, name, healed.iter(), args.dry_run);
        unfinished(name, healed.values(), done);
        left += healed
            .values()
            .filter(|healed| **healed == Healed::Left)
            .count() as u64;
    }
    end(context, left, done);
    Ok(())
}

/// What is still damaged, and not because nobody has it.
fn unfinished<'a>(mirror: &str, mut all: impl Iterator<Item = &'a Healed>, done: &mut Done) {
    let mut all: Vec<_> = all.by_ref().collect();
    if all.contains(&&Healed::Unstable) {
        done.add(Outcome::Unsteady, differ(mirror));
    }
    if all.contains(&&Healed::Denied) {
        let what = format!("{mirror} has what this user may not mend");
        done.add(Outcome::Damage, what);
    }
    all.retain(|healed| matches!(healed, Healed::Stays | Healed::Unasked(_)));
    if all.contains(&&Healed::Stays) {
        let what = format!("{mirror} has what only a delete mends");
        done.add(Outcome::Damage, what);
    }
    if let Some(Healed::Unasked(other)) = all.iter().find(|one| ***one != Healed::Stays) {
        let what = format!("{mirror} has damage that {other} may mend");
        done.add(Outcome::Damage, what);
    }
}

fn differ(mirror: &str) -> String {
    format!("two readings of something on {mirror} differ")
}

fn require_known<'a>(
    args: &Wanted,
    context: &Context,
    known: impl Iterator<Item = &'a String>,
) -> Result<()> {
    let known: Vec<_> = known.collect();
    match args.names.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(places::unknown(name, context.config())),
        None => Ok(()),
    }
}

fn tell_objects<'a>(
    context: &Context,
    mirror: &str,
    objects: impl Iterator<Item = (&'a Name, &'a Healed)>,
    dry_run: bool,
) {
    let ui = context.ui();
    let mut count = 0;
    for (name, healed) in objects {
        count += 1;
        let words = match healed {
            Healed::From(other) if dry_run => format!("would be fetched from {other}"),
            Healed::From(other) => format!("fetched from {other}, read back: ok"),
            Healed::Rebuilt if dry_run => "would be rebuilt from parity".to_owned(),
            Healed::Rebuilt => "rebuilt from parity, read back: ok".to_owned(),
            Healed::Anew if dry_run => "would be made again from its object".to_owned(),
            Healed::Anew => "made again from its object, read back: ok".to_owned(),
            Healed::Removed if dry_run => "belongs to nothing, would be removed".to_owned(),
            Healed::Removed => "belonged to nothing, removed".to_owned(),
            Healed::Remade if dry_run => "would go, and be made again from the packs".to_owned(),
            Healed::Remade => "went, and is made again from the packs".to_owned(),
            Healed::Copied if dry_run => "would be made again from another copy".to_owned(),
            Healed::Copied => "made again from another copy".to_owned(),
            Healed::Listed if dry_run => "would be listed again by a new commit slot".to_owned(),
            Healed::Listed => "no commit slot listed it, listed again".to_owned(),
            Healed::Unstable => {
                ui.problem(&scrub::unsteady(mirror, name));
                continue;
            }
            Healed::Stays => {
                "it has to be deleted, which this device does not do there: heirloom heal on a machine that may".to_owned()
            }
            Healed::Unasked(other) => format!("{other} gave no answer and may have it: heirloom heal again when it is there"),
            Healed::Denied => "this user may not read it or write it anew there".to_owned(),
            Healed::Left => "neither its parity nor another mirror gives it back".to_owned(),
        };
        ui.line(&format!("{mirror}  {name}  {words}"));
        let object = name.path();
        ui.event(&Event::Damage {
            mirror,
            object: &object,
            what: &words,
        });
    }
    if count == 0 {
        ui.line(&format!("{mirror}  nothing to heal"));
    }
}

fn end(context: &Context, left: u64, done: &mut Done) {
    if left == 0 {
        return;
    }
    let what = format!("{} could not be healed", counted(left, "object", "objects"));
    let next = "heirloom backup sends again what this device still has";
    context.ui().line(&format!("{what}         next: {next}"));
    done.add(Outcome::Damage, what);
    done.hint(next);
}
