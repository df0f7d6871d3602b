//! `prune`: space taken back from what no snapshot needs.

mod tell;

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::keep;
use crate::cli::mirror::sync;
use crate::cli::open::{self, Held, Opened};
use crate::cli::places;
use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::ops::parity;
use crate::ops::prune::collect::Collected;
use crate::ops::prune::plan::Limits;
use crate::ops::prune::{self, Options, Report};
use crate::repo::chain::Chains;
use crate::repo::mirrors::Mirror;
use crate::units::{duration_to_text, size_from_text, size_to_text};
use clap::Args;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a session shows no sign of life before it is ended, in seconds.
const EXPIRY: i64 = 86_400;

/// What may lie unused, if nothing is said.
const UNUSED: &str = "5%";

/// Delete what no snapshot needs, and take back its space
///
/// It may run beside backups, syncs and restores of any device, and be killed anywhere: the next run goes on. Snapshots that
/// were forgotten can be taken back for 14 days from when this device first heard of that, and keep what they hold for as
/// long. What is needed of packs that go is written anew before.
#[derive(Args, Debug)]
pub struct PruneArgs {
    /// Say what would be freed, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// What may lie unused in packs that stay, of what is used
    #[arg(long, value_name = "PERCENT", default_value = UNUSED)]
    max_unused: String,
    /// Write at most so much anew; the rest waits for the next run
    #[arg(long, value_name = "SIZE")]
    max_rewrite: Option<String>,
    /// End what died at work where the place cannot decide that; only if you know that nobody is at work there
    #[arg(long)]
    end_dead: bool,
    /// Whatever this device's clock says
    #[arg(long)]
    clock_ok: bool,
}

impl PruneArgs {
    /// As if nothing was said.
    fn usual() -> Self {
        Self {
            dry_run: false,
            max_unused: UNUSED.to_owned(),
            max_rewrite: None,
            end_dead: false,
            clock_ok: false,
        }
    }
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
    let mut opened = open::repository(context)?;
    let held = open::hold(context, &mut opened.mirrors)?;
    let mut done = Done::well();
    if args.dry_run {
        let by = held.by(context, &**context.ui());
        prunable(context, &held, &opened, &mut done)?;
        let plan = prune::rehearse(&opened.mirrors, &options, (&held.author, by))?;
        held.wrote_nothing();
        context.ui().end_progress();
        tell::plan(context, &plan);
        return Ok(done);
    }
    everywhere(context, (&opened, &held), &options, &mut done)?;
    Ok(done)
}

/// What `prune` does if it is told nothing else, after a verb that made something superfluous.
///
/// # Errors
/// As [`run`].
pub fn after(context: &Context, at: (&Opened, &Held), done: &mut Done) -> Result<()> {
    everywhere(context, at, &options(&PruneArgs::usual(), context)?, done)
}

/// Says what that would free if these snapshots were forgotten: at once, and when nothing of them can be taken back any more,
/// at `until` in seconds since 1970. Writes nothing.
///
/// # Errors
/// As [`run`].
pub fn foretell(
    context: &Context,
    (opened, held): (&Opened, &Held),
    going: &BTreeSet<Id>,
    until: i64,
) -> Result<()> {
    let options = options(&PruneArgs::usual(), context)?;
    let by = held.by(context, &**context.ui());
    let later = prune::foresee(&opened.mirrors, &options, going, (&held.author, by))?;
    let now = match options.grace {
        0 => None,
        _ => Some(prune::rehearse(
            &opened.mirrors,
            &options,
            (&held.author, by),
        )?),
    };
    context.ui().end_progress();
    tell::foretold(context, now.as_ref(), &later, until);
    Ok(())
}

fn everywhere(
    context: &Context,
    (opened, held): (&Opened, &Held),
    options: &Options,
    done: &mut Done,
) -> Result<()> {
    let began = context.host().elapsed();
    let by = held.by(context, &**context.ui());
    let on = prunable(context, held, opened, done)?;
    let report = prune::run(&opened.mirrors, &on, options, (&held.author, by))?;
    context.ui().end_progress();
    tell::report(context, &report, done);
    bring_parity(context, &on, &report, done)?;
    for away in &opened.mirrors.away {
        let what = format!("{} was not pruned: {}", away.name, away.error.chain());
        context.ui().line(&format!(
            "{}  not there; it catches up with the next heirloom mirror sync and prune",
            away.name
        ));
        done.add(Outcome::Behind, what);
    }
    tell::staying(context, &report.plan);
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
    let stuck = |(_, done): &(String, Result<Collected>)| {
        let done = done.as_ref().ok()?;
        done.lacks.filter(|_| done.freed == 0)
    };
    if let Some(bytes) = report.mirrors.iter().filter_map(stuck).max() {
        let what = format!(
            "nothing can be freed: about {} of room would let prune go on",
            size_to_text(bytes)
        );
        return Err(Error::new(Kind::Full, what).hint(
            "make that room there, or heirloom forget more, or leave more unused: heirloom prune --max-unused 50%",
        ));
    }
    let waits = |(_, done): &(String, Result<Collected>)| {
        done.as_ref().is_ok_and(|done| !done.waits.is_empty())
    };
    match report.mirrors.iter().any(waits) && !context.wait().is_zero() {
        true => Err(
            Error::new(Kind::Busy, "somebody is still at work, and was waited for")
                .hint("prune again later"),
        ),
        false => Ok(()),
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
        end_dead: false,
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
    tell::report(context, &report, done);
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
                done.add(Outcome::of(&error), error.chain());
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
        end_dead: args.end_dead,
        clock_ok: args.clock_ok,
    })
}
