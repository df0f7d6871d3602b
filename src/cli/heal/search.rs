//! `heal --find-snapshots`: what no entry names any more, found in the packs.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::open::{self, Held, Opened};
use crate::cli::spread;
use crate::error::{Error, Kind, Result};
use crate::ops::heal::gone;
use crate::ops::heal::search::{self, Root};
use crate::repo::look::Look;
use crate::ui::{counted, escape};
use crate::units::size_to_text;

/// Looks for snapshots that no entry names, gives up the entries that no mirror has, and lists anew what was found.
///
/// # Errors
/// `Refused` while a mirror is away that may have the entries; those of the ops.
pub(super) fn run(
    context: &Context,
    (opened, held): (&Opened, &Held),
    dry_run: bool,
    done: &mut Done,
) -> Result<()> {
    let by = held.by(context, &**context.ui());
    let look = Look::at(opened.whole(), by.monitor)?;
    let mut found = search::run(&look, by.monitor)?;
    context.ui().end_progress();
    tell(context, &found, dry_run, done);
    if dry_run {
        return Ok(());
    }
    require_all(context, opened)?;
    for mirror in &opened.mirrors.here {
        let lost = gone::give_up_lost((&opened.mirrors, mirror), &held.author, by)?;
        if lost > 0 {
            let entries = counted(lost as u64, "entry", "entries");
            let line = format!("{}  {entries} that no mirror has given up", mirror.name);
            context.ui().line(&line);
        }
    }
    // The newest last, so that it is the latest.
    found.whole.sort_by_key(|root| root.newest);
    let look = &mut Look::at(opened.whole(), by.monitor)?;
    let entries = found.whole.iter().map(|root| {
        let what = root.snapshot(newest(context, root));
        (open::stamp(context), what, "heal")
    });
    spread::entries(context, (opened, held), look, entries, done)
}

fn newest(context: &Context, root: &Root) -> String {
    format!("changed {}", context.local(root.newest.0))
}

fn tell(context: &Context, found: &search::Found, dry_run: bool, done: &mut Done) {
    let ui = context.ui();
    for root in &found.whole {
        ui.line(&format!(
            "{}  {}  {}, {}  {}",
            if dry_run {
                "could be listed again:"
            } else {
                "found again:"
            },
            escape(&root.path),
            counted(root.counts.files, "file", "files"),
            size_to_text(root.counts.bytes),
            newest(context, root)
        ));
    }
    if found.whole.is_empty() {
        ui.line("no snapshot lies in the packs that no entry names");
    }
    if found.more > 0 {
        let more = counted(found.more, "more snapshot is", "more snapshots are");
        let what = format!("{more} whole: find them by the same command again, before any prune");
        ui.line(&what);
        done.add(Outcome::Damage, what);
    }
    if found.broken > 0 {
        let broken = counted(found.broken, "more lacks", "more lack");
        let what = format!("{broken} some of what they need");
        ui.line(&what);
        done.add(Outcome::Damage, what);
    }
}

/// A mirror that is not here may have the entries themselves.
fn require_all(context: &Context, opened: &Opened) -> Result<()> {
    let away = opened.mirrors.away.iter().map(|away| &away.name);
    let here: Vec<_> = opened
        .mirrors
        .here
        .iter()
        .map(|mirror| &mirror.name)
        .collect();
    let unasked = context
        .config()
        .mirror
        .keys()
        .filter(|name| !here.contains(name));
    match away.chain(unasked).next() {
        None => Ok(()),
        Some(name) => Err(Error::new(
            Kind::Refused,
            format!("{name} was not asked, and may have the entries"),
        )
        .hint("connect it and run heirloom heal without -M and -r")),
    }
}
