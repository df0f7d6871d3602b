//! What a backup says at its end.

use crate::cli::backup::name_of;
use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::paths::quoted;
use crate::error::{Error, Kind};
use crate::ops::backup::{Options, Report};
use crate::ui::json::{Counts, Event, SnapshotEvent};
use crate::ui::{counted, escape};
use crate::units::{count_to_text, duration_to_text, moment_to_rfc3339, size_to_text};
use std::path::Path;
use std::time::Duration;

/// The snapshot that was made.
pub(super) fn tell(context: &Context, options: &Options, report: &Report) {
    let (ui, counts) = (context.ui(), &report.counts);
    ui.line(&format!(
        "{}  {}  {}    {}    {} added, {} stored",
        escape(options.source.as_bytes()),
        counted(counts.files, "file", "files"),
        size_to_text(counts.bytes),
        changes(report),
        size_to_text(report.bytes_added),
        size_to_text(report.bytes_stored),
    ));
    let Some(id) = report.snapshot else {
        ui.line("nothing has changed since the last snapshot, so no other was made");
        return;
    };
    ui.line(&format!(
        "snapshot {}  {}",
        id.short(),
        escape(options.source.as_bytes())
    ));
    ui.event(&Event::Snapshot(SnapshotEvent {
        id: id.to_hex(),
        source: &options.source,
        device: &context.host().name(),
        user: &options.user,
        time: moment_to_rfc3339(context.host().now().seconds),
        paths: options
            .paths
            .iter()
            .map(|path| escape(path.as_os_str().as_encoded_bytes()))
            .collect(),
        tags: &options.tags,
        counts: counts_of(report),
        suspect: report.collapse.as_ref().map(|it| it.why.as_str()),
        pinned: false,
        delete_after: None,
        bytes_added: report.bytes_added,
        bytes_stored: Some(report.bytes_stored),
    }));
}

/// That the source has collapsed, and what to do about it.
fn tell_collapse(context: &Context, options: &Options, report: &Report, done: &mut Done) {
    let Some(collapse) = &report.collapse else {
        return;
    };
    let (source, why) = (&options.source, &collapse.why);
    let good = match &collapse.by {
        None => collapse.good.short(),
        Some(device) => format!("{} of {device}", collapse.good.short()),
    };
    let repository = context.same_repository();
    let named = quoted(Path::new(source));
    let rescue = format!("heirloom restore{repository} latest --source {named} --target rescued");
    let problem = match collapse.suspect.map(|id| id.short()) {
        None => Error::new(
            Kind::Other,
            format!("{source}: {why}. A snapshot of this would be suspect, and {good} pinned."),
        ),
        Some(id) => {
            let mut again = format!("heirloom backup{repository}");
            for path in &options.paths {
                again = format!("{again} {}", quoted(path));
            }
            if *source != name_of(&options.paths) {
                again = format!("{again} --name {named}");
            }
            let what =
                format!("{source}: {why}. Snapshot {id} is stored but suspect; {good} is pinned.");
            Error::new(Kind::Other, what).hint(format!(
                "if it is an accident: {rescue}\nif it is intended:    {again} --accept {id}"
            ))
        }
    };
    context.ui().problem(&problem);
    done.add(Outcome::Suspect, format!("{source} is suspect"));
    if done.hint_text().is_none() {
        done.hint(rescue);
    }
}

/// `+61 new, 3 changed`.
fn changes(report: &Report) -> String {
    match report.reread {
        true => format!("{} read again", count_to_text(report.changed)),
        false => format!(
            "+{} new, {} changed",
            count_to_text(report.new),
            count_to_text(report.changed)
        ),
    }
}

/// What `--dry-run` tells: everything but what only the compressor knows.
pub(super) fn rehearsed(
    context: &Context,
    options: &Options,
    report: &Report,
    began: Duration,
    done: &mut Done,
) {
    let (ui, counts) = (context.ui(), &report.counts);
    ui.line(&format!(
        "{}  {}  {}    {}    {} would be added, before compression",
        escape(options.source.as_bytes()),
        counted(counts.files, "file", "files"),
        size_to_text(counts.bytes),
        changes(report),
        size_to_text(report.bytes_added),
    ));
    ui.event(&Event::Plan {
        action: "backup",
        what: options.source.clone(),
        bytes: Some(report.bytes_added),
        reason: None,
    });
    let seconds = (context.host().elapsed() - began).as_secs_f64();
    let mut text = format!("nothing was saved, in {}", duration_to_text(seconds));
    tell_collapse(context, options, report, done);
    note_skipped(report, &mut text, done);
    ui.line(&text);
}

fn note_skipped(report: &Report, text: &mut String, done: &mut Done) {
    let skipped = report.counts.skipped;
    if skipped > 0 {
        let clause = format!("{} skipped", counted(skipped, "entry", "entries"));
        text.push_str(&format!("; {clause}"));
        done.add(Outcome::Skipped, clause);
    }
}

fn counts_of(report: &Report) -> Counts {
    let counts = &report.counts;
    Counts {
        files: counts.files,
        folders: counts.folders,
        bytes: counts.bytes,
        skipped: counts.skipped,
    }
}

/// The summary.
pub(super) fn finish(
    context: &Context,
    verified: bool,
    options: &Options,
    report: &Report,
    began: Duration,
    done: &mut Done,
) {
    let seconds = (context.host().elapsed() - began).as_secs_f64();
    let mut text = format!("saved in {}", duration_to_text(seconds));
    tell_collapse(context, options, report, done);
    note_skipped(report, &mut text, done);
    if report.torn > 0 {
        text.push_str(&format!(
            "; {} changed while being read",
            count_to_text(report.torn)
        ));
    }
    let next = match (done.hint_text(), verified) {
        (Some(hint), _) if !done.has_damage() => hint.to_owned(),
        (None, true) => format!("heirloom restore{}", context.same_repository()),
        _ => format!("heirloom verify{}", context.same_repository()),
    };
    context.ui().line(&format!("{text}         next: {next}"));
    context.ui().event(&Event::Saved {
        source: &options.source,
        snapshot: report.snapshot.map(|id| id.to_hex()),
        counts: counts_of(report),
        new: report.new,
        changed: report.changed,
        unchanged: report.unchanged,
        bytes_read: report.bytes_read,
        bytes_added: report.bytes_added,
        bytes_stored: report.bytes_stored,
        seconds,
        next: &next,
    });
}
