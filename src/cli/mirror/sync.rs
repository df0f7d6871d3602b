//! `mirror sync`: mirrors are brought what others have.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::open::{self, Held};
use crate::cli::places;
use crate::cli::prune;
use crate::error::{Error, Kind, Result};
use crate::mirror::parity::Brought;
use crate::ops::parity;
use crate::ops::sync::{self, Report};
use crate::repo::chain::Chains;
use crate::repo::heads::Finding;
use crate::repo::look::Look;
use crate::repo::mirrors::Mirror;
use crate::repo::presence::Presence;
use crate::ui::counted;
use crate::ui::json::Event;
use crate::units::{duration_to_text, size_to_text};
use clap::Args;

/// What `mirror sync` takes.
#[derive(Args, Debug)]
pub struct SyncArgs {
    /// Which ones [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Take what the mirror shows now for what it should show
    #[arg(long)]
    accept_rollback: bool,
}

/// Runs the verb.
///
/// # Errors
/// `Usage`, `Interrupted`; what became of each mirror is an outcome.
pub fn run(args: &SyncArgs, context: &Context, done: &mut Done) -> Result<()> {
    let mut opened = open::repository(context)?;
    for name in &args.names {
        if !opened.mirrors.names().any(|known| known == name) {
            return Err(places::unknown(name, context.config()));
        }
    }
    let held = open::hold(context, &mut opened.mirrors)?;
    let look = Look::at(opened.whole(), &**context.ui())?;
    let wanted = |name: &String| args.names.is_empty() || args.names.contains(name);
    for mirror in opened
        .mirrors
        .here
        .iter()
        .filter(|mirror| wanted(&mirror.name))
    {
        let synced = one(context, &held, &look, mirror, args.accept_rollback, done);
        if let Err(error) = synced {
            if error.kind() == Kind::Interrupted {
                return Err(error);
            }
            behind(context, &mirror.name, &error, done);
        }
    }
    let here = opened.mirrors.here.iter();
    let on: Vec<_> = here.filter(|mirror| wanted(&mirror.name)).collect();
    prune::carry_out(context, &held, (&opened, &on), done)?;
    for away in opened.mirrors.away.iter().filter(|away| wanted(&away.name)) {
        behind(context, &away.name, &away.error, done);
    }
    Ok(())
}

fn behind(context: &Context, name: &str, error: &Error, done: &mut Done) {
    let told = Error::new(error.kind(), name.to_owned()).because(error.chain());
    context.ui().problem(&match error.hint_text() {
        Some(hint) => told.hint(hint.to_owned()),
        None => told,
    });
    let state = match error.kind() {
        Kind::Rollback => "rolled-back",
        Kind::Unreachable => "unreachable",
        _ => "behind",
    };
    context.ui().event(&Event::mirror(name, state, None));
    done.add(
        Outcome::of(error),
        format!("{name} is behind: {}", error.chain()),
    );
}

/// Brings one mirror what all show together.
///
/// # Errors
/// `Rollback`, and those of the op.
pub fn one(
    context: &Context,
    held: &Held,
    look: &Look,
    mirror: &Mirror,
    accept_rollback: bool,
    done: &mut Done,
) -> Result<()> {
    let began = context.host().elapsed();
    let monitor = &**context.ui();
    let here = Chains::read(&mirror.repo, monitor)?;
    let findings = judge(held, mirror, &here, &look.chains);
    if let Some(finding) = findings.iter().find(|finding| finding.stops())
        && !accept_rollback
    {
        return Err(finding.error(&mirror.name));
    }
    let by = held.by(context, monitor);
    let report = sync::run(look, &mirror.repo, by)?;
    let parity = parity::bring(mirror, monitor)?;
    let here = Chains::read(&mirror.repo, monitor)?;
    let marks = Presence::read(&mirror.repo, monitor)?.marks().clone();
    let now = report.left.is_empty().then(|| context.host().now().seconds);
    if accept_rollback && let Some(record) = mirror.repo.mirror() {
        let left = judge(held, mirror, &here, &look.chains);
        held.author.accept(&record.id, &left)?;
    }
    held.author.saw(mirror, &here, &marks, now)?;
    context.ui().end_progress();
    tell_sync(context, &mirror.name, (&report, &parity), began, done);
    Ok(())
}

/// What was done for the parity of a mirror.
pub fn parity_words(parity: &Brought) -> Vec<String> {
    let mut words = Vec::new();
    if parity.written > 0 {
        let (objects, bytes) = (parity.written, size_to_text(parity.bytes));
        let objects = counted(objects, "object", "objects");
        words.push(format!("parity of {objects} written, {bytes}"));
    }
    if parity.removed > 0 {
        let objects = counted(parity.removed, "object", "objects");
        words.push(format!("parity of {objects} removed"));
    }
    words
}

fn tell_sync(
    context: &Context,
    name: &str,
    (report, parity): (&Report, &Brought),
    began: std::time::Duration,
    done: &mut Done,
) {
    let ui = context.ui();
    let left = report.left.len() as u64;
    ui.event(&Event::mirror(
        name,
        if left == 0 { "current" } else { "behind" },
        Some(left),
    ));
    for words in parity_words(parity) {
        ui.line(&format!("{name}  {words}"));
    }
    if report.slots_kept > 0 {
        let slots = counted(report.slots_kept, "removed key slot", "removed key slots");
        let what = format!("{name} still opens with {slots}, since nothing is deleted there");
        let next = "heirloom mirror sync on a machine that may delete there";
        ui.line(&format!("! {what}         next: {next}"));
        done.add(Outcome::Behind, what);
    }
    if report.is_nothing() {
        ui.line(&format!("{name} is current, nothing was missing"));
        return;
    }
    let objects = report.packs + report.runs + report.entries;
    let took = duration_to_text((context.host().elapsed() - began).as_secs_f64());
    let brought = format!(
        "{}, {}, {}",
        counted(report.snapshots, "snapshot", "snapshots"),
        counted(objects, "object", "objects"),
        size_to_text(report.bytes)
    );
    match left {
        0 => ui.line(&format!("{name} is current after {took}: {brought}")),
        left => {
            let left = counted(left, "snapshot", "snapshots");
            ui.line(&format!(
                "{name}: {brought} in {took}; {left} stay behind, since no mirror has all they need"
            ));
            done.add(
                Outcome::Damage,
                format!("{left} cannot be brought to {name}"),
            );
        }
    }
}

/// What is wrong with the history that a mirror shows.
pub fn judge(held: &Held, mirror: &Mirror, here: &Chains, all: &Chains) -> Vec<Finding> {
    let id = mirror.repo.mirror().map(|record| record.id);
    id.map_or_else(Vec::new, |id| held.author.judge(&id, here, all))
}
