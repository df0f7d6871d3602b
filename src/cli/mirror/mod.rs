//! `mirror`: the places that hold the repository. All are equal; each is a full copy.

pub mod add;
pub mod list;
pub mod sync;

use crate::cli::configuration;
use crate::cli::context::Context;
use crate::cli::exit::Done;
use crate::cli::open::{self, Opened};
use crate::cli::places::{self, Place};
use crate::error::{Error, Kind, Result};
use crate::mirror::probe;
use crate::repo::chain::Chains;
use crate::repo::mirrors::Mirrors;
use crate::ui::counted;
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
    /// List the mirrors: what each lacks, how much it holds, when all of it was last read back, and what they share
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
        Act::List => list::run(context, &mut done)?,
        Act::Test(args) => test(args, context)?,
        Act::Sync(args) => sync::run(args, context, &mut done)?,
        Act::Remove(args) => remove(args, context)?,
    }
    Ok(done)
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
