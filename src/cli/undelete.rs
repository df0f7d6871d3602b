//! `undelete`: forgotten snapshots come back, as long as no prune has marked them.

use crate::cli::context::Context;
use crate::cli::exit::Done;
use crate::cli::snapshots as listed;
use crate::cli::{keep, open, spread};
use crate::error::{Error, Kind, Result};
use crate::format::chain::What;
use crate::id::Id;
use crate::ops::undelete::{self, Removed};
use crate::repo::look::Look;
use crate::repo::snapshots::{Filter, Found};
use crate::ui::json::{Event, SnapshotEvent};
use crate::ui::table::{Side, Table};
use crate::ui::{counted, escape};
use crate::units::moment_to_rfc3339;
use clap::Args;
use std::time::Duration;

/// Bring back what was forgotten
///
/// Without an ID it lists what can come back and until when. Everything a snapshot needs is asked for before it counts as
/// back, on each mirror, and what one lacks is brought from the others.
#[derive(Args, Debug)]
pub struct UndeleteArgs {
    /// Which ones
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Look whether they could come back, and write nothing
    #[arg(short = 'n', long, requires = "ids")]
    dry_run: bool,
}

/// Runs the verb.
///
/// # Errors
/// `NotFound`, `Usage`, `Damaged` where something it needs is gone, `Refused` when a prune has marked it.
pub fn run(args: &UndeleteArgs, context: &Context) -> Result<Done> {
    let grace = keep::grace(context)?;
    if args.ids.is_empty() {
        let look = open::look(context)?;
        show(context, &look, &Filter::default(), grace);
        return Ok(Done::well());
    }
    let mut opened = open::repository(context)?;
    let held = match args.dry_run {
        true => None,
        false => Some(open::hold(context, &mut opened.mirrors)?),
    };
    let mut look = Look::at(opened.whole(), &**context.ui())?;
    let ids = chosen(args, context, &look, grace)?;
    let mut done = Done::well();
    if let Some(held) = &held {
        let what = (
            open::stamp(context),
            What::Undelete(ids.clone()),
            "undelete",
        );
        let spread = spread::entries(context, (&opened, held), &mut look, [what], &mut done);
        spread.map_err(|error| error.during("bring back what was forgotten"))?;
    }
    context.ui().end_progress();
    let words = match held {
        Some(_) => "is back",
        None => "could come back; nothing was written",
    };
    for id in ids {
        tell(context, &look, &id, words);
    }
    Ok(done)
}

fn chosen(args: &UndeleteArgs, context: &Context, look: &Look, grace: Duration) -> Result<Vec<Id>> {
    let all = undelete::list(look, grace, context.host().now().seconds);
    let mut ids = Vec::new();
    for prefix in &args.ids {
        if prefix.is_empty() {
            return Err(Error::new(Kind::Usage, "an id is empty"));
        }
        let one = undelete::find(look, &all, prefix)?;
        undelete::require_whole(look, one, &**context.ui())?;
        if !ids.contains(&one.id) {
            ids.push(one.id);
        }
    }
    Ok(ids)
}

fn tell(context: &Context, look: &Look, id: &Id, words: &str) {
    let all = [look.chains.snapshots(), look.chains.removed_snapshots()].concat();
    let Some((_, entry, snapshot)) = all.into_iter().find(|(other, ..)| other == id) else {
        return;
    };
    context.ui().line(&format!(
        "{}  {}  {}  {words}",
        id.short(),
        context.local(entry.time.seconds),
        escape(snapshot.source.as_bytes())
    ));
    let found = Found {
        id: *id,
        entry,
        snapshot,
    };
    let event = listed::event(&look.chains, &found);
    context.ui().event(&Event::Snapshot(event));
}

fn found<'a>(one: &Removed<'a>) -> Found<'a> {
    Found {
        id: one.id,
        entry: one.entry,
        snapshot: one.snapshot,
    }
}

/// Lists what can come back, who removed it when, and until when an undelete works.
pub fn show(context: &Context, look: &Look, filter: &Filter, grace: Duration) {
    let now = context.host().now().seconds;
    let mut all = undelete::list(look, grace, now);
    all.retain(|one| filter.accepts(&found(one)));
    context.ui().end_progress();
    let mut table = Table::new(&[Side::Left; 7]);
    for one in &all {
        context.ui().event(&Event::Snapshot(SnapshotEvent {
            delete_after: Some(moment_to_rfc3339(one.until)),
            ..listed::event(&look.chains, &found(one))
        }));
        let by = format!("{}@{}", one.by.user, one.by.host);
        table.row(vec![
            one.id.short(),
            context.local(one.entry.time.seconds),
            escape(one.entry.host.as_bytes()),
            escape(one.snapshot.source.as_bytes()),
            counted(one.snapshot.counts.files, "file", "files"),
            format!(
                "removed {} by {}",
                context.local(one.by.time.seconds),
                escape(by.as_bytes())
            ),
            match one.until >= now {
                true => format!("undelete works until {} at least", context.local(one.until)),
                false => "undelete may end with any prune".to_owned(),
            },
        ]);
    }
    for line in table.lines() {
        context.ui().line(&line);
    }
    let same = context.same_repository();
    match all.is_empty() {
        true => context
            .ui()
            .note("nothing was forgotten that could come back"),
        false => context
            .ui()
            .note(&format!("next: heirloom undelete ID{same}")),
    }
}
