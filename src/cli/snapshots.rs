//! `snapshots`: what can be had.

use crate::cli::context::Context;
use crate::cli::exit::Done;
use crate::cli::select::FilterArgs;
use crate::cli::{keep, open, undelete};
use crate::error::Result;
use crate::format::snapshot::Snapshot;
use crate::id::Id;
use crate::repo::chain::Chains;
use crate::repo::snapshots::{self, Found};
use crate::ui::json::{Counts, Event, SnapshotEvent};
use crate::ui::table::{Side, Table};
use crate::ui::{counted, escape};
use crate::units::{moment_to_rfc3339, size_to_text};
use clap::Args;

/// List the snapshots, oldest first
#[derive(Args, Debug)]
pub struct SnapshotsArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Those that were forgotten and can still be taken back
    #[arg(long)]
    deleted: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening and reading.
pub fn run(args: &SnapshotsArgs, context: &Context) -> Result<Done> {
    if args.deleted {
        let look = open::look(context)?;
        let grace = keep::grace(context)?;
        undelete::show(context, &look, &args.filter.filter(), grace);
        return Ok(Done::well());
    }
    let opened = open::repository(context)?;
    let repo = opened.whole();
    let chains = Chains::read(repo, &**context.ui())?;
    let found = snapshots::list(&chains, &args.filter.filter());
    let ui = context.ui();
    ui.end_progress();
    for snapshot in &found {
        ui.event(&Event::Snapshot(event(&chains, snapshot)));
    }
    for line in table(context, &chains, &found).lines() {
        if ui.reader_left() {
            break;
        }
        ui.line(&line);
    }
    if chains.visible().next().is_none() && chains.hidden().next().is_some() {
        let hidden = counted(chains.hidden().count() as u64, "entry lies", "entries lie");
        ui.note(&format!(
            "{hidden} there, and no commit slot lists any         next: heirloom verify{}",
            context.same_repository()
        ));
    } else if found.is_empty() {
        ui.note(&format!(
            "no snapshots yet         next: heirloom backup PATH{}",
            context.same_repository()
        ));
    }
    Ok(Done::well())
}

/// One line for each snapshot.
pub fn table(context: &Context, chains: &Chains, found: &[Found<'_>]) -> Table {
    use Side::{Left, Right};
    let mut table = Table::new(&[Left, Left, Left, Left, Right, Right, Left, Left]);
    for Found {
        id,
        entry,
        snapshot,
    } in found
    {
        table.row(vec![
            id.short(),
            context.local(entry.time.seconds),
            escape(entry.host.as_bytes()),
            escape(snapshot.source.as_bytes()),
            counted(snapshot.counts.files, "file", "files"),
            size_to_text(snapshot.counts.bytes),
            escape(snapshot.tags.join(",").as_bytes()),
            marks(chains, id, snapshot),
        ]);
    }
    table
}

/// What is special about it.
fn marks(chains: &Chains, id: &Id, snapshot: &Snapshot) -> String {
    let pinned = chains.pin(id).map(|_| "pinned");
    let suspect = chains.is_suspect(id, snapshot).then_some("suspect");
    let marks: Vec<_> = pinned.into_iter().chain(suspect).collect();
    marks.join(", ")
}

/// A snapshot for scripts.
pub fn event<'a>(chains: &Chains, found: &Found<'a>) -> SnapshotEvent<'a> {
    let Found {
        id,
        entry,
        snapshot,
    } = found;
    let counts = &snapshot.counts;
    SnapshotEvent {
        id: id.to_hex(),
        source: &snapshot.source,
        device: &entry.host,
        user: &entry.user,
        time: moment_to_rfc3339(entry.time.seconds),
        paths: snapshot.paths.iter().map(|path| escape(path)).collect(),
        tags: &snapshot.tags,
        counts: Counts {
            files: counts.files,
            folders: counts.folders,
            bytes: counts.bytes,
            skipped: counts.skipped,
        },
        suspect: snapshot
            .suspect
            .as_deref()
            .filter(|_| chains.is_suspect(id, snapshot)),
        pinned: chains.pin(id).is_some(),
        delete_after: None,
        bytes_added: counts.new_bytes,
        bytes_stored: None,
    }
}
