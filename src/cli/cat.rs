//! `cat`: one object spelled out, never a secret.

use crate::cli::context::Context;
use crate::cli::environment;
use crate::cli::exit::Done;
use crate::cli::select::FilterArgs;
use crate::cli::{open, places};
use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::ops::cat;
use crate::repo::chain::Chains;
use crate::repo::snapshots::{self, Found, Wanted};
use crate::repo::view;
use crate::ui::escape_text;
use crate::ui::json::Event;
use crate::units::size_to_text;
use clap::{Args, ValueEnum};
use std::ffi::OsString;

/// What to spell out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// The places and settings in use, and the repository's number and fingerprint
    Config,
    /// The header of the object whose name begins with ID, or of the mirror's marker
    Header,
    /// Every key slot
    Slots,
    /// The snapshot ID, as named elsewhere
    Snapshot,
    /// Every visible entry of every device's chain, or those whose name begins with ID
    Entry,
    /// The tree ID, all digits, or a folder as SNAPSHOT[:PATH]
    Tree,
    /// Every index run, or the packs of the one whose name begins with ID
    Index,
    /// The blob ID, all digits, as it is
    Blob,
}

/// Spell out one object of the repository
#[derive(Args, Debug)]
pub struct CatArgs {
    /// What to spell out
    #[arg(value_name = "WHAT")]
    what: What,
    /// Which one
    #[arg(value_name = "ID")]
    id: Option<OsString>,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening; `NotFound`, `Usage`.
pub fn run(args: &CatArgs, context: &Context) -> Result<Done> {
    let id = args.id.as_ref().map(|id| id.to_string_lossy());
    let id = id.as_deref();
    let lines = match args.what {
        What::Config => config(context)?,
        What::Header => cat::header(open::repository(context)?.whole(), id)?,
        What::Slots => cat::slots(open::repository(context)?.whole()),
        What::Index => cat::index(open::repository(context)?.whole(), id)?,
        What::Snapshot => {
            let opened = open::repository(context)?;
            let chains = Chains::read(opened.whole(), &**context.ui())?;
            let found = wanted(args, context, &chains)?.0;
            cat::entry(&found.id, found.entry)
        }
        What::Entry => {
            let opened = open::repository(context)?;
            let chains = Chains::read(opened.whole(), &**context.ui())?;
            cat::entries(&chains, id.unwrap_or_default())
        }
        What::Tree => tree(args, context)?,
        What::Blob => {
            let id = whole_id(id)?;
            let bytes = cat::blob(&open::look(context)?.loader, &id)?;
            context.ui().end_progress();
            if context.ui().style().json {
                return Err(Error::new(Kind::Usage, "the bytes of a blob are no JSON")
                    .hint("leave out --json"));
            }
            context.ui().content(&bytes);
            return Ok(Done::well());
        }
    };
    let ui = context.ui();
    ui.end_progress();
    for line in &lines {
        ui.line(&escape_text(line));
    }
    ui.event(&Event::Object { lines: &lines });
    Ok(Done::well())
}

fn wanted<'a>(
    args: &CatArgs,
    context: &Context,
    chains: &'a Chains,
) -> Result<(Found<'a>, Vec<u8>)> {
    let latest = OsString::from("latest");
    let wanted = Wanted::parse(args.id.as_ref().unwrap_or(&latest).as_encoded_bytes())?;
    let (filter, now) = (args.filter.filter(), context.host().now().seconds);
    let found = snapshots::resolve(chains, &wanted.which, &filter, now)?;
    Ok((found, wanted.path))
}

fn whole_id(text: Option<&str>) -> Result<Id> {
    text.and_then(Id::from_hex).ok_or_else(|| {
        Error::new(Kind::Usage, "which one? All 64 digits are needed")
            .hint("heirloom cat snapshot and heirloom cat tree show ids")
    })
}

fn tree(args: &CatArgs, context: &Context) -> Result<Vec<String>> {
    let view = open::look(context)?;
    let id = args.id.as_ref().and_then(|id| Id::from_hex(id.to_str()?));
    if let Some(id) = id {
        return cat::tree(&view.loader, &id);
    }
    let (found, path) = wanted(args, context, &view.chains)?;
    let tree = match view::find(&view.loader, found.snapshot.tree, &path)? {
        view::Found::Root(tree) => Some(tree),
        view::Found::Node(node, _) => node.tree,
    };
    let tree = tree.ok_or_else(|| Error::new(Kind::Usage, "that is not a folder"))?;
    cat::tree(&view.loader, &tree)
}

/// The values in use; where there is a repository and a secret, what it says of itself.
fn config(context: &Context) -> Result<Vec<String>> {
    let (places, chosen) = places::all(context)?;
    let place = |dir: Result<std::path::PathBuf>| {
        dir.map_or_else(|error| error.chain(), |dir| dir.display().to_string())
    };
    let mut lines = Vec::new();
    for one in &places {
        let default = if chosen { "" } else { " (default)" };
        lines.push(format!("location     {}{default}", one.address));
        if one.configured {
            lines.push(format!("    is [mirror.{}]", one.name));
        }
    }
    lines.extend([
        format!("key file     {}", place(context.default_key_file())),
        format!("state        {}", place(context.state_dir())),
        format!("cache        {}", place(context.cache_dir())),
        format!("memory       {}", size_to_text(context.memory())),
    ]);
    for (name, _) in environment::KNOWN {
        if context.variable(name).is_some() {
            lines.push(format!("variable     {name} is set"));
        }
    }
    for mirror in &open::repository(context)?.mirrors.here {
        lines.extend(cat::marker(&mirror.repo)?);
    }
    Ok(lines)
}
