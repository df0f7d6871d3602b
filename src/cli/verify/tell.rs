//! How `verify` says what it found.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::ops::verify::{Level, Report};
use crate::repo::mirrors::Mirrors;
use crate::ui::json::{self, Event};
use crate::ui::{counted, escape};
use crate::units::{duration_to_text, size_to_text};
use std::time::Duration;

/// The verdict over several mirrors.
pub fn together(
    context: &Context,
    (report, mirrors): (&Report, &Mirrors),
    level: Level,
    began: Duration,
    done: &mut Done,
) {
    let ui = context.ui();
    ui.end_progress();
    let every = match mirrors.away.is_empty() {
        true => "every mirror",
        false => "every mirror that is there",
    };
    losses(context, report);
    let seconds = (context.host().elapsed() - began).as_secs_f64();
    others(context, report.newer, report.strangers);
    nameless(context, report);
    let snapshots = counted(report.snapshots, "snapshot", "snapshots");
    let damaged = counted(report.damaged.len() as u64, "object", "objects");
    let next = match (report.losses.len(), report.damaged.len()) {
        (0, 0) => {
            let whole = all_that_is_whole(report);
            ui.line(&format!(
                "verified: {snapshots}, {whole} is whole on {every}{}",
                at_second_reading(report)
            ));
            String::new()
        }
        (0, _) => {
            let next = format!("heirloom heal{}", context.same_repository());
            let what = format!("{damaged} damaged or missing");
            ui.line(&format!(
                "DAMAGED: {what}, and every file of {snapshots} can be had whole from another mirror         next: {next}"
            ));
            done.add(Outcome::Damage, what);
            next
        }
        (lost, _) => {
            let next = format!(
                "heirloom heal{}, then another backup: it stores again what this device still has",
                context.same_repository()
            );
            let lost = counted(lost as u64, "file", "files");
            let what = format!("{damaged} damaged or missing, {lost} lost on {every}");
            ui.line(&format!("DAMAGED: {what}         next: {next}"));
            done.add(Outcome::Damage, what);
            next
        }
    };
    if !next.is_empty() {
        done.hint(&*next);
    }
    verified(context, report, level, seconds, &next);
}

/// Says what was found, and adds it to how the run ended.
pub fn alone(
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
    nameless(context, report);
    let next = verdict(context, report, done);
    verified(context, report, level, seconds, &next);
}

/// The verdict over one mirror; what to do next.
pub fn verdict(context: &Context, report: &Report, done: &mut Done) -> String {
    let ui = context.ui();
    if report.is_sound() {
        ui.line(&format!(
            "verified: {} is whole{}",
            all_that_is_whole(report),
            at_second_reading(report)
        ));
        String::new()
    } else {
        let what = format!(
            "{} damaged, {} lost",
            counted(report.damaged.len() as u64, "object", "objects"),
            counted(report.losses.len() as u64, "file", "files")
        );
        let mut next = format!("heirloom heal{}", context.same_repository());
        if !report.losses.is_empty() {
            next.push_str(", then another backup: it stores again what this device still has");
        }
        ui.line(&format!("DAMAGED: {what}         next: {next}"));
        done.add(Outcome::Damage, what);
        done.hint(&*next);
        next
    }
}

/// What a mirror has lost without a trace is not among what was found whole.
fn all_that_is_whole(report: &Report) -> &'static str {
    match report.gone {
        0 => "everything",
        _ => "what is there",
    }
}

/// That not all of it was at once.
fn at_second_reading(report: &Report) -> String {
    match report.unsteady.len() as u64 {
        0 => String::new(),
        n => format!(", {} only when read again", counted(n, "object", "objects")),
    }
}

/// What was read, in numbers.
pub fn what_was_read(report: &Report, level: Level) -> String {
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

/// Each damaged object, for scripts.
pub fn damage_events(context: &Context, mirror: &str, report: &Report) {
    for damage in &report.damaged {
        context.ui().event(&Event::Damage {
            mirror,
            object: &damage.name.path(),
            what: &damage.what,
        });
    }
}

/// The summary, for scripts.
pub fn verified(context: &Context, report: &Report, level: Level, seconds: f64, next: &str) {
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
        unsteady: report.unsteady.len() as u64,
        seconds,
        next,
    });
}

/// Each file that cannot be had whole, and in which snapshots.
pub fn losses(context: &Context, report: &Report) {
    for loss in &report.losses {
        let snapshots: Vec<_> = loss.snapshots.iter().map(|id| id.short()).collect();
        let count = snapshots.len() as u64 + loss.more;
        let shown = if count > 3 {
            counted(count, "snapshot", "snapshots")
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
            more_snapshots: loss.more,
            ranges: Vec::new(),
            bytes: loss.bytes,
        });
    }
}

/// Nobody can tell by reading whether there should be a snapshot.
fn nameless(context: &Context, report: &Report) {
    if report.nameless {
        context.ui().line(
            "there are packs and no snapshot; if there was one: heirloom heal --find-snapshots",
        );
    }
}

/// What was passed by.
pub fn others(context: &Context, newer: u64, strangers: u64) {
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

/// That objects were bad at one reading and good at the next.
pub(super) fn unsteady(mirror: &str, objects: u64, done: &mut Done) {
    if objects > 0 {
        let count = counted(objects, "object", "objects");
        let what = format!("two readings of {count} on {mirror} differ");
        done.add(Outcome::Unsteady, what);
    }
}
