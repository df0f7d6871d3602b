//! `mirror`: the places that hold the repository. All are equal; each is a full copy.

pub mod add;
pub mod sync;

use crate::cli::configuration;
use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::open::{self, Opened};
use crate::cli::places::{self, Place};
use crate::error::{Error, Kind, Result};
use crate::host::Timestamp;
use crate::mirror::probe;
use crate::repo::chain::Chains;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::store::place;
use crate::ui::counted;
use crate::ui::json::Event;
use crate::units::moment_to_rfc3339;
use clap::{Args, Subcommand};

/// Add, list, try out, sync and remove the places that hold the repository
#[derive(Args, Debug)]
pub struct MirrorArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand, Debug)]
enum Act {
    /// Add a mirror: try the place out, write it into heirloom.toml, and bring it everything
    ///
    /// A place that holds a copy of this repository, made with cp or rclone while nothing was written to it, is taken on
    /// as it is.
    Add(add::AddArgs),
    /// List the mirrors, what each lacks and what they share
    List,
    /// Try out what a place really does; nothing stays behind
    Test(TestArgs),
    /// Bring mirrors what others have
    ///
    /// Only what is missing travels, each object is checked against its name on the way, and nothing is ever deleted. A
    /// mirror that shows an older state than it did receives nothing until that is explained.
    Sync(sync::SyncArgs),
    /// Forget a mirror; nothing is deleted there
    Remove(RemoveArgs),
}

#[derive(Args, Debug)]
struct TestArgs {
    /// Which one
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(Args, Debug)]
struct RemoveArgs {
    /// Which one
    #[arg(value_name = "NAME")]
    name: String,
    /// Also if it alone holds a snapshot, or nobody can tell
    #[arg(long)]
    abandon: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening; `Usage`, `Refused`, `Full`, `Unreachable`.
pub fn run(args: &MirrorArgs, context: &Context) -> Result<Done> {
    let mut done = Done::well();
    match &args.act {
        Act::Add(args) => add::run(args, context, &mut done)?,
        Act::List => list(context, &mut done)?,
        Act::Test(args) => test(args, context)?,
        Act::Sync(args) => sync::run(args, context, &mut done)?,
        Act::Remove(args) => remove(args, context)?,
    }
    Ok(done)
}

fn list(context: &Context, done: &mut Done) -> Result<()> {
    let mut opened = open::repository(context)?;
    let held = open::hold(context, &mut opened.mirrors)?;
    let monitor = &**context.ui();
    let all = Chains::read(opened.whole(), monitor)?;
    let mut behind = Vec::new();
    for mirror in &opened.mirrors.here {
        let here = Chains::read(&mirror.repo, monitor)?;
        let lacks = lacking(&all, &here);
        let newest = here.snapshots().last().map(|(_, entry, _)| entry.time);
        let findings = sync::judge(&held, mirror, &here, &all);
        let state = match (findings.first(), lacks) {
            (Some(finding), _) => {
                let error = finding.error(&mirror.name);
                done.add(Outcome::Rollback, error.chain());
                finding.state()
            }
            (None, 0) => "current",
            (None, _) => {
                behind.push(mirror.name.clone());
                "behind"
            }
        };
        tell_state(context, mirror, state, lacks, newest);
    }
    for away in &opened.mirrors.away {
        behind.push(away.name.clone());
        let (name, why) = (&away.name, away.error.chain());
        context.ui().line(&format!("{name}  not there ({why})    "));
        context.ui().event(&Event::Mirror {
            name,
            state: "unreachable",
            snapshots_behind: None,
            newest: None,
        });
    }
    let (places, _) = places::all(context)?;
    for (at, place) in places.iter().enumerate() {
        let of =
            |place: &Place| place::place_at(&place.address, place.settings.endpoint.as_deref());
        for other in places.iter().skip(at + 1) {
            if let Some(what) = of(place).shared(&of(other)) {
                context
                    .ui()
                    .line(&format!("! {} and {}: {what}", place.name, other.name));
            }
        }
    }
    if !behind.is_empty() {
        let next = format!("heirloom mirror sync {}", behind.join(" "));
        context.ui().line(&format!("         next: {next}"));
        done.add(
            Outcome::Behind,
            format!("{} behind or not there", behind.join(", ")),
        );
        done.hint(next);
    }
    Ok(())
}

/// One line and one event of a mirror that is there: it lacks so many snapshots, and its newest one is of that time.
fn tell_state(
    context: &Context,
    mirror: &Mirror,
    state: &str,
    lacks: u64,
    newest: Option<Timestamp>,
) {
    let words = match state {
        "current" => state.to_owned(),
        "behind" => format!("behind by {}", counted(lacks, "snapshot", "snapshots")),
        _ => "shows an older state".to_owned(),
    };
    let local = newest.map(|time| context.local(time.seconds));
    let local = local.unwrap_or_else(|| "no snapshot".to_owned());
    let (name, location) = (&mirror.name, mirror.repo.store().location());
    let ui = context.ui();
    ui.line(&format!("{name}  {words}  {local}  {location}"));
    ui.event(&Event::Mirror {
        name,
        state,
        snapshots_behind: Some(lacks),
        newest: newest.map(|time| moment_to_rfc3339(time.seconds)),
    });
}

/// Live snapshots that are not visible there.
fn lacking(all: &Chains, here: &Chains) -> u64 {
    let snapshots = all.snapshots();
    let lacks = snapshots.iter().filter(|(id, ..)| !here.is_live(id));
    lacks.count() as u64
}

fn test(args: &TestArgs, context: &Context) -> Result<()> {
    let table = context.config().mirror.get(&args.name).cloned();
    let table = table.ok_or_else(|| places::unknown(&args.name, context.config()))?;
    let place = Place::configured(context, &args.name, table)?;
    let store = place.store(context)?;
    let found = probe::probe(&*store, &**context.host(), false)?;
    add::tell_probe(context, &found);
    Ok(())
}

fn remove(args: &RemoveArgs, context: &Context) -> Result<()> {
    if !context.config().mirror.contains_key(&args.name) {
        return Err(places::unknown(&args.name, context.config()));
    }
    if !args.abandon {
        let opened = open::repository(context)?;
        alone(&opened, &args.name, context)?;
    }
    configuration::erase_mirror(context, &args.name)?;
    context.ui().line(&format!(
        "{} is forgotten; nothing was deleted there",
        args.name
    ));
    Ok(())
}

/// Refuses while this mirror alone holds a snapshot, or is not there to be asked.
fn alone(opened: &Opened, name: &str, context: &Context) -> Result<()> {
    let Mirrors { here, .. } = &opened.mirrors;
    let hint = "heirloom mirror sync first, or: --abandon";
    let Some(mirror) = here.iter().find(|mirror| mirror.name == name) else {
        let what = format!("{name} is not there, so nobody can tell what it alone holds");
        return Err(Error::new(Kind::Refused, what).hint(hint));
    };
    let monitor = &**context.ui();
    let mine = Chains::read(&mirror.repo, monitor)?;
    let mut only: Vec<_> = mine.snapshots().iter().map(|(id, ..)| *id).collect();
    for other in here.iter().filter(|other| other.name != name) {
        let theirs = Chains::read(&other.repo, monitor)?;
        only.retain(|id| !theirs.is_live(id));
    }
    match only.len() {
        0 => Ok(()),
        n => {
            let what = format!(
                "{name} alone holds {}",
                counted(n as u64, "snapshot", "snapshots")
            );
            Err(Error::new(Kind::Refused, what).hint(hint))
        }
    }
}
