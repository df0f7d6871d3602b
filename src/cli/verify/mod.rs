//! `verify`: prove by reading that everything is whole.

pub mod due;
pub mod history;
pub mod no_key;
pub mod tell;

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::verify::due::Budget;
use crate::cli::verify::history::History;
use crate::cli::{heal, open};
use crate::error::{Error, Kind, Result};
use crate::ops::verify::remember::Known;
use crate::ops::verify::trees::Bad;
use crate::ops::verify::{self, Level, Options, Report, Scope};
use crate::repo::look::Look;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::ui::counted;
use crate::units::duration_to_text;
use clap::{Args, ValueEnum};

/// How deeply to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Depth {
    /// Every needed object is there at the right size, the small ones are whole
    Structure,
    /// And every stored byte is read and compared with the name of its object
    Stored,
    /// And every box is opened, every block expanded, every id recomputed
    #[default]
    Content,
}

/// Read everything back and prove that it is whole
///
/// Without options every stored byte is read, every box opened, every block expanded and every id recomputed. Damage
/// never ends the work: each file that cannot be restored whole is named, with the snapshots that hold it. What was read
/// is entered in the ledger of each mirror, where --due, heal and mirror list find it.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// How deeply to look
    #[arg(long, value_name = "LEVEL", default_value = "content")]
    level: Depth,
    /// Read everything [default]
    #[arg(long, alias = "read-data", conflicts_with_all = ["due", "budget"])]
    all: bool,
    /// Read what has not been read back for verify_every [default: 30d], the longest unread first
    #[arg(long)]
    due: bool,
    /// The same, and end after so many bytes or so long a time of each mirror, as in 2GiB or 20m
    #[arg(long, value_name = "SIZE|TIME", alias = "read-data-subset")]
    budget: Option<String>,
    /// Then heal what was found
    #[arg(long)]
    heal: bool,
    /// Use no secret: compare every object with its name
    #[arg(long, conflicts_with_all = ["level", "due", "budget", "heal"])]
    no_key: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening and reading; damage is an outcome.
pub fn run(args: &VerifyArgs, context: &Context) -> Result<Done> {
    let mut done = Done::well();
    if args.no_key {
        no_key::run(context, &mut done)?;
        return Ok(done);
    }
    let level = match args.level {
        Depth::Structure => Level::Structure,
        Depth::Stored => Level::Stored,
        Depth::Content => Level::Content,
    };
    let budget = args.budget.as_deref().map(Budget::from_text).transpose()?;
    let part = args.due || budget.is_some();
    if part && level == Level::Structure {
        let what = "--due and --budget are about reading back, and --level structure does not";
        return Err(Error::new(Kind::Usage, what).hint("--level stored or content"));
    }
    let mut opened = open::repository(context)?;
    match part {
        true => due::run(context, &opened.mirrors, level, budget, &mut done)?,
        false => mirrors(context, &opened.mirrors, level, &mut done)?,
    }
    if !args.heal || !done.has_damage() {
        return Ok(done);
    }
    context.ui().forget_damage();
    let mut healed = Done::well();
    heal::mirrors(context, &mut opened, &heal::Wanted::default(), &mut healed)?;
    // Neither is mended by that.
    healed.keep(done, &[Outcome::Unsteady, Outcome::Rollback]);
    Ok(healed)
}

/// Verifies every mirror that is there, and says what was found. Of several each is read for itself; a file is lost only
/// if no mirror has all of it.
///
/// # Errors
/// As [`run`].
pub fn mirrors(context: &Context, mirrors: &Mirrors, level: Level, done: &mut Done) -> Result<()> {
    let began = context.host().elapsed();
    let monitor = &**context.ui();
    let history = History::read(context, mirrors)?;
    if let ([one], []) = (&mirrors.here[..], &mirrors.away[..]) {
        let (look, mut report, bad) = everything(context, (one, &history), level, done)?;
        verify::snapshots(&look, &bad, &mut report, monitor)?;
        report.nameless = look.is_nameless();
        tell::alone(context, (&one.name, &report), level, began, done);
        return Ok(());
    }
    let mut found = Vec::new();
    let whole = Look::at(&mirrors.whole, monitor)?;
    for mirror in &mirrors.here {
        let began = context.host().elapsed();
        let (look, mut report, bad) = everything(context, (mirror, &history), level, done)?;
        verify::missing::gone(&whole, &look, &mut report, monitor);
        context.ui().end_progress();
        let took = duration_to_text((context.host().elapsed() - began).as_secs_f64());
        let judged = match report.damaged.len() as u64 {
            0 => "every object is whole".to_owned(),
            n => format!("{} damaged or missing", counted(n, "object", "objects")),
        };
        let read = tell::what_was_read(&report, level);
        context
            .ui()
            .line(&format!("{}  {read}, in {took}: {judged}", mirror.name));
        tell::damage_events(context, &mirror.name, &report);
        found.push((look, report, bad));
    }
    let all = together(context, mirrors, &mut found)?;
    tell::together(context, (&all, mirrors), level, began, done);
    away(context, mirrors, done);
    Ok(())
}

/// Reads all of one mirror and enters it in the ledger there.
fn everything(
    context: &Context,
    (mirror, history): (&Mirror, &History),
    level: Level,
    done: &mut Done,
) -> Result<(Look, Report, Bad)> {
    let look = Look::at(&mirror.repo, &**context.ui())?;
    let mut known = Known::read(&look, context.host().now().seconds)?;
    let (mut report, bad) = objects(context, &look, &known.scope(None), level)?;
    tell::unsteady(&mirror.name, report.unsteady.len() as u64, done);
    history.judge(context, (mirror, &look), &mut report, done);
    if level != Level::Structure {
        let what = (&mirror.name[..], &look, &report);
        enter(context, what, &mut known, (level, true));
    }
    Ok((look, report, bad))
}

fn objects(
    context: &Context,
    look: &Look,
    scope: &Scope<'_>,
    level: Level,
) -> Result<(Report, Bad)> {
    let options = Options {
        level,
        workers: context.readers(),
    };
    verify::objects(look, scope, &options, &**context.ui())
}

/// What was read is worth knowing and no more than that: where nothing can be written, nothing is.
fn enter(
    context: &Context,
    (mirror, look, report): (&str, &Look, &Report),
    known: &mut Known,
    how: (Level, bool),
) {
    let writer = open::writer(context, &look.repo);
    let entered =
        writer.and_then(|writer| known.enter(look, report, how, (writer, &**context.host())));
    if let Err(error) = entered
        && context.globals().verbose > 0
    {
        context.ui().end_progress();
        context.ui().detail(&format!(
            "{mirror}: not entered in the ledger: {}",
            error.chain()
        ));
    }
}

/// Sums what was found on each mirror, and names the files that none has whole.
fn together(
    context: &Context,
    mirrors: &Mirrors,
    found: &mut [(Look, Report, Bad)],
) -> Result<Report> {
    let bads: Vec<_> = found.iter().map(|(look, _, bad)| (look, bad)).collect();
    let bad = verify::bad_everywhere(&bads);
    let mut all = sum(found);
    let monitor = &**context.ui();
    let whole = Look::at(&mirrors.whole, monitor)?;
    verify::snapshots(&whole, &bad, &mut all, monitor)?;
    all.nameless = whole.is_nameless();
    Ok(all)
}

fn sum(found: &mut [(Look, Report, Bad)]) -> Report {
    let mut all = Report::default();
    for (_, report, _) in found {
        all.objects += report.objects;
        all.bytes += report.bytes;
        all.packs += report.packs;
        all.blobs += report.blobs;
        all.blob_bytes += report.blob_bytes;
        all.newer += report.newer;
        all.strangers += report.strangers;
        all.gone += report.gone;
        all.damaged.append(&mut report.damaged);
        all.unsteady.append(&mut report.unsteady);
    }
    all
}

fn away(context: &Context, mirrors: &Mirrors, done: &mut Done) {
    for away in &mirrors.away {
        let what = format!("{} was not verified", away.name);
        let error = Error::new(Kind::Unreachable, what.clone()).because(away.error.chain());
        context.ui().problem(&error);
        done.add(Outcome::Behind, what);
    }
}
