//! `pin`: a snapshot that no retention may take, until it is unpinned.

use crate::cli::context::Context;
use crate::cli::exit::Done;
use crate::cli::select::FilterArgs;
use crate::cli::snapshots as listed;
use crate::cli::{open, spread};
use crate::error::Result;
use crate::format::chain::What;
use crate::id::Id;
use crate::repo::look::Look;
use crate::repo::snapshots;
use crate::ui::escape;
use crate::ui::json::{Event, SnapshotEvent};
use clap::Args;
use std::ffi::OsString;

/// Keep snapshots whatever the rules say, also when they are named
#[derive(Args, Debug)]
pub struct PinArgs {
    /// Which ones
    #[arg(value_name = "ID", required = true)]
    ids: Vec<OsString>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT", conflicts_with = "remove")]
    reason: Option<String>,
    /// Unpin them
    #[arg(long)]
    remove: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening and of the chain.
pub fn run(args: &PinArgs, context: &Context) -> Result<Done> {
    let mut opened = open::repository(context)?;
    let held = open::hold(context, &mut opened.mirrors)?;
    let mut look = Look::at(opened.whole(), &**context.ui())?;
    let (filter, now) = (args.filter.filter(), context.host().now().seconds);
    let find = |text: &OsString| {
        let found = snapshots::whole(&look.chains, text.as_encoded_bytes(), &filter, now)?;
        Ok(found.id)
    };
    let ids: Vec<Id> = args.ids.iter().map(find).collect::<Result<_>>()?;
    // What is so already is not written again, unless there is a reason to add.
    let changes = |id: &Id| look.chains.pin(id).is_some() == args.remove || args.reason.is_some();
    let (ids, same): (Vec<Id>, Vec<Id>) = ids.into_iter().partition(changes);
    let mut done = Done::well();
    if ids.is_empty() {
        held.wrote_nothing();
    } else {
        let what = match args.remove {
            true => What::Unpin(ids.clone()),
            false => What::Pin {
                ids: ids.clone(),
                reason: args.reason.clone().unwrap_or_default(),
            },
        };
        let what = (open::stamp(context), what, "pin");
        spread::entries(context, (&opened, &held), &mut look, [what], &mut done)?;
    }
    context.ui().end_progress();
    tell(
        context,
        &look,
        &ids,
        if args.remove { "unpinned" } else { "pinned" },
    );
    let already = if args.remove {
        "was not pinned"
    } else {
        "is pinned already"
    };
    tell(context, &look, &same, already);
    Ok(done)
}

fn tell(context: &Context, look: &Look, ids: &[Id], became: &str) {
    let all = snapshots::list(&look.chains, &snapshots::Filter::default());
    for found in all.iter().filter(|found| ids.contains(&found.id)) {
        context.ui().line(&format!(
            "{}  {}  {}  {became}",
            found.id.short(),
            context.local(found.entry.time.seconds),
            escape(found.snapshot.source.as_bytes())
        ));
        let event: SnapshotEvent<'_> = listed::event(&look.chains, found);
        context.ui().event(&Event::Snapshot(event));
    }
}
