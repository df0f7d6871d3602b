//! `prune`: space taken back from what no snapshot needs.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::keep;
use crate::cli::mirror::sync;
use crate::cli::open::{self, Held, Opened};
use crate::cli::places;
use crate::error::{Error, Kind, Result};
use crate::ops::parity;
use crate::ops::prune::collect::Collected;
use crate::ops::prune::plan::{Limits, Plan};
use crate::ops::prune::waiting::Waits;
use crate::ops::prune::{self, Options, Report};
use crate::repo::chain::Chains;
use crate::repo::mirrors::Mirror;
use crate::ui::counted;
use crate::ui::json::Event;
use crate::units::{duration_to_text, size_from_text, size_to_text};
use clap::Args;
use std::time::Duration;

/// How long a session shows no sign of life before it is ended, in seconds.
const EXPIRY: i64 = 86_400;

/// Delete what no snapshot needs, and take back its space
///
/// It may run beside backups, syncs and restores of any device, and be killed anywhere: the next run goes on. Snapshots that
/// were forgotten can be taken back for 14 days, and keep what they hold for as long. What is needed of packs that go is
/// written anew before.
#[derive(Args, Debug)]
pub struct PruneArgs {
    /// Say what would be freed, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// What may lie unused in packs that stay, of what is used
    #[arg(long, value_name = "PERCENT", default_value = "5%")]
    max_unused: String,
    /// Write at most so much anew; the rest waits for the next run
    #[arg(long, value_name = "SIZE")]
    max_rewrite: Option<String>,
    /// Whatever this device's clock says
    #[arg(long)]
    clock_ok: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening; `Usage`, `Refused`, `Interrupted`. What became of each mirror is an outcome.
pub fn run(args: &PruneArgs, context: &Context) -> Result<Done> {
    let options = options(args, context)?;
    if !args.dry_run {
        require_not_append_only(context)?;
    }
    let began = context.host().elapsed();
    let mut done = Done::well();
    let mut opened = open::repository(context)?;
    let held = open::hold(context, &mut opened.mirrors)?;
    let monitor = &**context.ui();
    let by = held.by(context, monitor);
    if args.dry_run {
        let plan = prune::rehearse(&opened.mirrors, &options, by)?;
        held.wrote_nothing();
        context.ui().end_progress();
        tell_plan(context, &plan);
        return Ok(done);
    }
    let on = prunable(context, &held, &opened, &mut done)?;
    let report = prune::run(&opened.mirrors, &on, &options, (&held.author, by))?;
    context.ui().end_progress();
    tell_all(context, &report, &mut done);
    bring_parity(context, &on, &report, &mut done)?;
    for away in &opened.mirrors.away {
        let what = format!("{} was not pruned: {}", away.name, away.error.chain());
        context.ui().line(&format!(
            "{}  not there; it catches up with the next heirloom mirror sync and prune",
            away.name
        ));
        done.add(Outcome::Behind, what);
    }
    let seconds = (context.host().elapsed() - began).as_secs_f64();
    context.ui().line(&format!(
        "{} used, {} unused in packs that stay, in {}",
        size_to_text(report.plan.used),
        size_to_text(report.plan.unused),
        duration_to_text(seconds)
    ));
    if report
        .mirrors
        .iter()
        .all(|(_, collected)| collected.is_ok())
    {
        held.ended_well();
    }
    let waits = |(_, done): &(String, Result<Collected>)| {
        done.as_ref().is_ok_and(|done| !done.waits.is_empty())
    };
    match report.mirrors.iter().any(waits) && !context.wait().is_zero() {
        true => Err(
            Error::new(Kind::Busy, "somebody is still at work, and was waited for")
                .hint("prune again later"),
        ),
        false => Ok(done),
    }
}

/// What a prune marked while a mirror was away goes from it once it has what others have.
///
/// # Errors
/// `Interrupted`; anything else waits for the next prune, and is told.
pub fn carry_out(
    context: &Context,
    held: &Held,
    (opened, on): (&Opened, &[&Mirror]),
    done: &mut Done,
) -> Result<()> {
    let options = Options {
        limits: Limits {
            unused: 100,
            rewrite: 0,
        },
        grace: keep::grace(context)?.as_secs().cast_signed(),
        expiry: EXPIRY,
        wait: Duration::ZERO,
        clock_ok: false,
    };
    let by = held.by(context, &**context.ui());
    let all = Chains::read(opened.whole(), by.monitor)?;
    let mut may = Vec::new();
    for mirror in on {
        if obstacle(context, held, mirror, &all)?.is_none() {
            may.push(*mirror);
        }
    }
    let report = match prune::execute(&opened.mirrors, &may, &options, (&held.author, by)) {
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        Err(error) => {
            context.ui().problem(&error);
            return Ok(());
        }
        Ok(report) => report,
    };
    tell_all(context, &report, done);
    bring_parity(context, &may, &report, done)
}

/// What was packed anew gets its parity at once: until then nothing could mend it.
fn bring_parity(context: &Context, on: &[&Mirror], report: &Report, done: &mut Done) -> Result<()> {
    let well = |mirror: &&&Mirror| {
        let mut of = report
            .mirrors
            .iter()
            .filter(|(name, _)| *name == mirror.name);
        of.all(|(_, collected)| collected.is_ok())
    };
    for mirror in on.iter().filter(well) {
        match parity::bring(mirror, &**context.ui()) {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => {
                let told = Error::new(error.kind(), mirror.name.clone()).because(error.chain());
                context.ui().problem(&told);
                let what = format!("{} lacks parity: {}", mirror.name, error.chain());
                done.add(Outcome::Behind, what);
            }
        }
    }
    context.ui().end_progress();
    Ok(())
}

/// Refuses where a mirror is named on which this device deletes nothing; when all are meant, it is skipped.
fn require_not_append_only(context: &Context) -> Result<()> {
    let globals = context.globals();
    if globals.mirror.is_empty() && globals.repo.is_empty() {
        return Ok(());
    }
    let (places, _) = places::all(context)?;
    match places.iter().find(|place| place.table.append_only) {
        None => Ok(()),
        Some(place) => {
            let what = format!(
                "{} is append_only: this device deletes nothing there",
                place.name
            );
            Err(Error::new(Kind::Refused, what)
                .hint("heirloom prune on a machine whose heirloom.toml has it without append_only"))
        }
    }
}

/// Why nothing may be deleted on a mirror.
enum Obstacle {
    /// It shows a history that it cannot have.
    History(Error),
    /// This device never deletes there.
    AppendOnly,
    /// The place does not delete.
    Place,
}

fn obstacle(
    context: &Context,
    held: &Held,
    mirror: &Mirror,
    all: &Chains,
) -> Result<Option<Obstacle>> {
    let here = Chains::read(&mirror.repo, &**context.ui())?;
    if let Some(finding) = sync::judge(held, mirror, &here, all).first() {
        return Ok(Some(Obstacle::History(finding.error(&mirror.name))));
    }
    if mirror.append_only {
        return Ok(Some(Obstacle::AppendOnly));
    }
    Ok((!mirror.can_delete()).then_some(Obstacle::Place))
}

/// The mirrors on which something may be deleted; of the others it is told why.
fn prunable<'a>(
    context: &Context,
    held: &Held,
    opened: &'a Opened,
    done: &mut Done,
) -> Result<Vec<&'a Mirror>> {
    let all = Chains::read(opened.whole(), &**context.ui())?;
    let mut on = Vec::new();
    for mirror in &opened.mirrors.here {
        match obstacle(context, held, mirror, &all)? {
            Some(Obstacle::History(error)) => {
                context.ui().problem(&error);
                done.add(Outcome::Rollback, error.chain());
            }
            Some(Obstacle::AppendOnly) => {
                let line = format!("{}  skipped (append_only)", mirror.name);
                context.ui().line(&line);
            }
            Some(Obstacle::Place) => {
                let line = format!("{}  skipped: nothing can be deleted there", mirror.name);
                context.ui().line(&line);
            }
            None => on.push(mirror),
        }
    }
    Ok(on)
}

fn tell_all(context: &Context, report: &Report, done: &mut Done) {
    for (name, collected) in &report.mirrors {
        match collected {
            Ok(collected) => tell(context, name, collected, done),
            Err(error) => {
                let told = Error::new(error.kind(), name.clone()).because(error.chain());
                context.ui().problem(&told);
                let outcome = match error.kind() {
                    Kind::Damaged => Outcome::Damage,
                    _ => Outcome::Behind,
                };
                done.add(outcome, format!("{name} was not pruned: {}", error.chain()));
            }
        }
    }
}

fn options(args: &PruneArgs, context: &Context) -> Result<Options> {
    let percent = args
        .max_unused
        .strip_suffix('%')
        .unwrap_or(&args.max_unused);
    let unused = percent.parse().map_err(|_| {
        Error::new(
            Kind::Usage,
            format!("--max-unused {:?} is not like 5%", args.max_unused),
        )
    })?;
    let rewrite = match &args.max_rewrite {
        None => u64::MAX,
        Some(text) => size_from_text(text).ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!("--max-rewrite {text:?} is not like 2GiB"),
            )
        })?,
    };
    Ok(Options {
        limits: Limits { unused, rewrite },
        grace: keep::grace(context)?.as_secs().cast_signed(),
        expiry: EXPIRY,
        wait: context.wait(),
        clock_ok: args.clock_ok,
    })
}

fn tell_plan(context: &Context, plan: &Plan) {
    let ui = context.ui();
    if plan.is_nothing() {
        ui.line("nothing to prune");
    }
    if !plan.entries.is_empty() {
        let count = plan.entries.len() as u64;
        ui.line(&format!(
            "{} go for good",
            counted(count, "forgotten snapshot", "forgotten snapshots")
        ));
    }
    if !plan.dead.is_empty() {
        let count = counted(plan.dead.len() as u64, "pack", "packs");
        ui.line(&format!(
            "{count} that nobody needs would go: {} on each mirror",
            size_to_text(plan.dead_bytes)
        ));
    }
    if !plan.moving.is_empty() {
        let count = counted(plan.moving.len() as u64, "pack", "packs");
        ui.line(&format!(
            "{count}, {}, would be written anew with the {} in them that are needed",
            size_to_text(plan.moving_bytes),
            size_to_text(plan.moved)
        ));
    }
    ui.event(&Event::Pruned {
        mirror: None,
        freed: plan.dead_bytes,
        rewritten: plan.moved,
        packs: (plan.dead.len() + plan.moving.len()) as u64,
        snapshots: plan.entries.len() as u64,
        waits: 0,
        deferred: 0,
    });
}

fn tell(context: &Context, name: &str, collected: &Collected, done: &mut Done) {
    let ui = context.ui();
    let mut words = format!("{name}  {} freed", size_to_text(collected.freed));
    if collected.carried.packed > 0 {
        words += &format!(", {} rewritten", size_to_text(collected.carried.packed));
    }
    if collected.carried.fetched > 0 {
        words += &format!(", {} fetched", size_to_text(collected.carried.fetched));
    }
    let locks = context.config().mirror.get(name);
    if collected.freed > 0 && locks.is_some_and(|table| table.object_lock.is_some()) {
        words += "; the bucket keeps what was deleted until its lock ends";
    }
    ui.line(&words);
    if collected.refused > 0 {
        let count = counted(collected.refused, "object", "objects");
        ui.line(&format!(
            "{name}  {count} that nobody needs cannot be deleted yet, since the place keeps them; a later heirloom prune tries again"
        ));
    }
    for waits in &collected.waits {
        waiting(context, name, waits);
    }
    let kept = collected.carried.kept.len() as u64;
    if kept > 0 {
        let what = format!(
            "{name}: {} with needed blobs that cannot be read stay",
            counted(kept, "pack", "packs")
        );
        ui.line(&format!("! {what}         next: heirloom heal"));
        done.add(Outcome::Damage, what);
    }
    if collected.carried.lost > 0 {
        let what = format!(
            "{name}: {} that snapshots need are on no mirror",
            counted(collected.carried.lost, "blob", "blobs")
        );
        ui.line(&format!("! {what}         next: heirloom verify"));
        done.add(Outcome::Damage, what);
    }
    ui.event(&Event::Pruned {
        mirror: Some(name),
        freed: collected.freed,
        rewritten: collected.carried.packed,
        packs: collected.packs,
        snapshots: collected.entries,
        waits: collected.waits.len() as u64,
        deferred: collected.refused,
    });
}

/// Somebody is at work, or died at it, and may lean on what is to go.
fn waiting(context: &Context, name: &str, waits: &Waits) {
    let began = context.local(waits.started);
    let what = format!("{name}: a {} that began {began} has not ended", waits.kind);
    let how = match waits.for_ever {
        false => {
            "nothing was deleted; prune again when it has ended; if it has died, it is ended a day after a prune has first seen it"
        }
        true => {
            "nothing was deleted; this place cannot decide between two, so nothing is deleted there before it has ended"
        }
    };
    context.ui().line(&format!("! {what}: {how}"));
}
