//! `verify`: prove by reading that everything is whole.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::open;
use crate::error::{Error, Kind, Result};
use crate::mirror::scrub;
use crate::ops::verify::{self, Level, Options, Report};
use crate::repo::look::Look;
use crate::repo::mirrors::Mirrors;
use crate::store::Store;
use crate::ui::json::{self, Event};
use crate::ui::{counted, escape};
use crate::units::{duration_to_text, size_to_text};
use clap::{Args, ValueEnum};
use std::time::Duration;

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
/// never ends the work: each file that cannot be restored whole is named, with the snapshots that hold it.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// How deeply to look
    #[arg(long, value_name = "LEVEL", default_value = "content")]
    level: Depth,
    /// Use no secret: compare every object with its name
    #[arg(long, conflicts_with = "level")]
    no_key: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening and reading; damage is an outcome.
pub fn run(args: &VerifyArgs, context: &Context) -> Result<Done> {
    let mut done = Done::well();
    if args.no_key {
        without_key(context, &mut done)?;
        return Ok(done);
    }
    let level = match args.level {
        Depth::Structure => Level::Structure,
        Depth::Stored => Level::Stored,
        Depth::Content => Level::Content,
    };
    let opened = open::repository(context)?;
    mirrors(context, &opened.mirrors, level, &mut done)?;
    Ok(done)
}

/// Verifies every mirror that is there, and says what was found. Of several each is read for itself; a file is lost only
/// if no mirror has all of it.
///
/// # Errors
/// As [`run`].
pub fn mirrors(context: &Context, mirrors: &Mirrors, level: Level, done: &mut Done) -> Result<()> {
    let began = context.host().elapsed();
    let monitor = &**context.ui();
    let options = Options {
        level,
        workers: context.readers(),
    };
    if let ([one], []) = (&mirrors.here[..], &mirrors.away[..]) {
        let look = Look::at(&one.repo, monitor)?;
        let report = verify::run(&look, &options, monitor)?;
        tell(context, (&one.name, &report), level, began, done);
        return Ok(());
    }
    let mut found = Vec::new();
    for mirror in &mirrors.here {
        let began = context.host().elapsed();
        let look = Look::at(&mirror.repo, monitor)?;
        let (report, bad) = verify::objects(&look, &options, monitor)?;
        context.ui().end_progress();
        let took = duration_to_text((context.host().elapsed() - began).as_secs_f64());
        let judged = match report.damaged.len() as u64 {
            0 => "every object is whole".to_owned(),
            n => format!("{} damaged or missing", counted(n, "object", "objects")),
        };
        let read = what_was_read(&report, level);
        context
            .ui()
            .line(&format!("{}  {read}, in {took}: {judged}", mirror.name));
        damage_events(context, &mirror.name, &report);
        found.push((look, report, bad));
    }
    let bads: Vec<_> = found.iter().map(|(look, _, bad)| (look, bad)).collect();
    let bad = verify::bad_everywhere(&bads);
    let mut all = Report::default();
    for (_, report, _) in &mut found {
        all.objects += report.objects;
        all.bytes += report.bytes;
        all.packs += report.packs;
        all.blobs += report.blobs;
        all.blob_bytes += report.blob_bytes;
        all.newer += report.newer;
        all.strangers += report.strangers;
        all.damaged.append(&mut report.damaged);
    }
    let whole = Look::at(&mirrors.whole, monitor)?;
    verify::snapshots(&whole, &bad, &mut all, monitor)?;
    tell_together(context, &all, level, began, done);
    for away in &mirrors.away {
        let what = format!("{} was not verified", away.name);
        let error = Error::new(Kind::Unreachable, what.clone()).because(away.error.chain());
        context.ui().problem(&error);
        done.add(Outcome::Behind, what);
    }
    Ok(())
}

/// The verdict over several mirrors.
fn tell_together(
    context: &Context,
    report: &Report,
    level: Level,
    began: Duration,
    done: &mut Done,
) {
    let ui = context.ui();
    ui.end_progress();
    losses(context, report);
    let seconds = (context.host().elapsed() - began).as_secs_f64();
    others(context, report.newer, report.strangers);
    let snapshots = counted(report.snapshots, "snapshot", "snapshots");
    let damaged = counted(report.damaged.len() as u64, "object", "objects");
    let next = match (report.losses.len(), report.damaged.len()) {
        (0, 0) => {
            ui.line(&format!(
                "verified: {snapshots}, everything is whole on every mirror"
            ));
            String::new()
        }
        (0, _) => {
            let next = "heirloom heal".to_owned();
            let what = format!("{damaged} damaged or missing");
            ui.line(&format!(
                "DAMAGED: {what}, and every file of {snapshots} can be had whole from another mirror         next: {next}"
            ));
            done.add(Outcome::Damage, what);
            next
        }
        (lost, _) => {
            let next =
                "heirloom heal, then another backup: it stores again what this device still has";
            let lost = counted(lost as u64, "file", "files");
            let what = format!("{damaged} damaged or missing, {lost} lost on every mirror");
            ui.line(&format!("DAMAGED: {what}         next: {next}"));
            done.add(Outcome::Damage, what);
            next.to_owned()
        }
    };
    if !next.is_empty() {
        done.hint(&*next);
    }
    verified(context, report, level, seconds, &next);
}

/// Says what was found, and adds it to how the run ended.
pub fn tell(
    context: &Context,
    (mirror, report): (&str, &Report),
    level: Level,
    began: Duration,
    done: &mut Done,
) {
    let ui = context.ui();
    ui.end_progress();
    let seconds = (context.host().elapsed() - began).as_secs_f64();
    damage_events(context, mirror, report);
    losses(context, report);
    let read = what_was_read(report, level);
    ui.line(&format!(
        "{read}; {}, in {}",
        counted(report.snapshots, "snapshot", "snapshots"),
        duration_to_text(seconds)
    ));
    others(context, report.newer, report.strangers);
    let next = if report.is_sound() {
        ui.line("verified: everything is whole");
        String::new()
    } else {
        let what = format!(
            "{} damaged, {} lost",
            counted(report.damaged.len() as u64, "object", "objects"),
            counted(report.losses.len() as u64, "file", "files")
        );
        let next = "make another backup: it stores again what this device still has".to_owned();
        ui.line(&format!("DAMAGED: {what}         next: {next}"));
        done.add(Outcome::Damage, what);
        done.hint(&*next);
        next
    };
    verified(context, report, level, seconds, &next);
}

fn what_was_read(report: &Report, level: Level) -> String {
    match level {
        Level::Structure => format!("looked at {}", counted(report.objects, "object", "objects")),
        Level::Stored => format!(
            "read {}, {}",
            counted(report.objects, "object", "objects"),
            size_to_text(report.bytes)
        ),
        Level::Content => format!(
            "read {}, {}; recomputed {} over {}",
            counted(report.objects, "object", "objects"),
            size_to_text(report.bytes),
            counted(report.blobs, "id", "ids"),
            size_to_text(report.blob_bytes)
        ),
    }
}

fn damage_events(context: &Context, mirror: &str, report: &Report) {
    for damage in &report.damaged {
        context.ui().event(&Event::Damage {
            mirror,
            object: &damage.name.path(),
            what: &damage.what,
        });
    }
}

fn verified(context: &Context, report: &Report, level: Level, seconds: f64, next: &str) {
    context.ui().event(&Event::Verified {
        level: match level {
            Level::Structure => "structure",
            Level::Stored => "stored",
            Level::Content => "content",
        },
        objects: report.objects,
        bytes: report.bytes,
        packs: report.packs,
        blobs: report.blobs,
        snapshots: report.snapshots,
        damaged: report.damaged.len() as u64,
        losses: report.losses.len() as u64,
        newer: report.newer,
        strangers: report.strangers,
        seconds,
        next,
    });
}

fn losses(context: &Context, report: &Report) {
    for loss in &report.losses {
        let snapshots: Vec<_> = loss.snapshots.iter().map(|id| id.short()).collect();
        let shown = if snapshots.len() > 3 {
            counted(snapshots.len() as u64, "snapshot", "snapshots")
        } else {
            snapshots.join(" ")
        };
        context.ui().line(&format!(
            "lost: {}  {}  {} in {shown}",
            escape(loss.source.as_bytes()),
            escape(&loss.path),
            size_to_text(loss.bytes)
        ));
        context.ui().event(&Event::Loss {
            source: &loss.source,
            path: escape(&loss.path),
            path_base64: json::exact(&loss.path),
            snapshots: loss.snapshots.iter().map(|id| id.to_hex()).collect(),
            ranges: Vec::new(),
            bytes: loss.bytes,
        });
    }
}

fn others(context: &Context, newer: u64, strangers: u64) {
    let ui = context.ui();
    if newer > 0 {
        ui.line(&format!(
            "of a newer version and not judged: {}; upgrade heirloom",
            counted(newer, "object", "objects")
        ));
    }
    if strangers > 0 {
        ui.detail(&format!(
            "passed by, since not heirloom's: {}",
            counted(strangers, "file", "files")
        ));
    }
}

fn without_key(context: &Context, done: &mut Done) -> Result<()> {
    let stores = open::stores(context)?;
    let several = stores.len() > 1;
    for (name, store) in stores {
        if several {
            context.ui().line(&format!("{name}:"));
        }
        match store {
            Ok(store) => one_without_key(context, &name, &*store, done)?,
            Err(error) => {
                done.add(Outcome::Behind, format!("{name} was not verified"));
                context.ui().problem(&error);
            }
        }
    }
    Ok(())
}

fn one_without_key(
    context: &Context,
    mirror: &str,
    store: &dyn Store,
    done: &mut Done,
) -> Result<()> {
    let began = context.host().elapsed();
    let found = scrub::run(store, context.readers(), &**context.ui())?;
    let ui = context.ui();
    ui.end_progress();
    for (name, error) in &found.damaged {
        ui.line(&format!("damaged: {}: {}", name.path(), error.chain()));
        ui.event(&Event::Damage {
            mirror,
            object: &name.path(),
            what: &error.chain(),
        });
    }
    let seconds = (context.host().elapsed() - began).as_secs_f64();
    ui.line(&format!(
        "read {}, {}, without a key, in {}",
        counted(found.objects, "object", "objects"),
        size_to_text(found.bytes),
        duration_to_text(seconds)
    ));
    others(context, found.newer, found.strangers);
    let damaged = found.damaged.len() as u64;
    let mut next = String::new();
    if damaged == 0 {
        ui.line("every object matches its name");
    } else {
        let what = format!("{} damaged", counted(damaged, "object", "objects"));
        next = format!("heirloom verify{}", context.same_repository());
        ui.line(&format!(
            "DAMAGED: {what}         next: {next} (with a secret it names the files)"
        ));
        done.add(Outcome::Damage, what);
        done.hint(&*next);
    }
    ui.event(&Event::Verified {
        level: "stored",
        objects: found.objects,
        bytes: found.bytes,
        packs: 0,
        blobs: 0,
        snapshots: 0,
        damaged,
        losses: 0,
        newer: found.newer,
        strangers: found.strangers,
        seconds,
        next: &next,
    });
    Ok(())
}
