//! `restore`: files back from a snapshot. In place is never implied, and nothing is deleted unasked.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::jobs::{self, Job};
use crate::cli::kit::resolved;
use crate::cli::paths::quoted;
use crate::cli::select::FilterArgs;
use crate::cli::{kept, open, places};
use crate::cli::{snapshots as list, terminal};
use crate::error::{Error, Kind, Result};
use crate::ops::restore::{self, Options, Overwrite, Report};
use crate::repo::look::Look;
use crate::repo::snapshots::{Filter, Wanted, Which};
use crate::ui::json::{self, Event};
use crate::ui::{counted, escape, prompt};
use crate::units::{count_to_text, duration_to_text, size_to_text};
use clap::{Args, ValueEnum};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What to do with what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Replace {
    /// Replace every file
    Always,
    /// Replace what differs in size or time
    #[default]
    IfChanged,
    /// Replace what is older than in the snapshot
    IfNewer,
    /// Replace nothing
    Never,
}

/// Bring files back from a snapshot
///
/// Without arguments it lists what can be had. Files that are there already as they should be are skipped, so typing
/// the same command again resumes. A file with missing pieces becomes NAME.incomplete, and everything else is restored.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// An id's first digits, latest, or latest~N; with :PATH only what is below, the part above stripped
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    snapshot: Option<OsString>,
    /// The folder to write into
    #[arg(short, long, value_name = "DIR")]
    target: Option<PathBuf>,
    /// Write everything to where it came from
    #[arg(long, conflicts_with = "target")]
    in_place: bool,
    #[command(flatten)]
    filter: FilterArgs,
    /// Only what matches PATTERN
    #[arg(short, long, value_name = "PATTERN")]
    include: Vec<String>,
    /// All but what matches PATTERN
    #[arg(short, long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// What to do with files that are there
    #[arg(long, value_name = "WHEN", default_value = "if-changed")]
    overwrite: Replace,
    /// Delete from restored folders what the snapshot does not have; asks first
    #[arg(long)]
    delete: bool,
    /// Answer the question of --delete with yes
    #[arg(long)]
    yes: bool,
    /// Read everything back afterwards
    #[arg(long)]
    verify: bool,
    /// Device nodes, set-id bits and attributes that grant something too
    #[arg(long)]
    privileged: bool,
    /// Leave out files with missing pieces
    #[arg(long)]
    skip_incomplete: bool,
    /// Write nothing; say what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening and of the op; losses are an outcome.
pub fn run(args: &RestoreArgs, context: &Context) -> Result<Done> {
    let began = context.host().elapsed();
    let somewhere = args.in_place || args.target.is_some();
    if args.snapshot.is_some() && !somewhere {
        return Err(
            Error::new(Kind::Usage, "where to? In place is never implied")
                .hint("add --target DIR, or --in-place to write to where it came from"),
        );
    }
    let wanted = match &args.snapshot {
        Some(text) => Wanted::parse(text.as_encoded_bytes())?,
        None => Wanted {
            which: Which::Latest(0),
            path: Vec::new(),
        },
    };
    if let Some(target) = &args.target {
        refuse_own(context, target)?;
    }
    let opened = open::repository(context)?;
    let view = Look::at(opened.whole(), &**context.ui())?;
    if !somewhere {
        offer(context, &view, &args.filter.filter());
        return Ok(Done::well());
    }
    let jobs = jobs::jobs(
        &view,
        &wanted,
        &args.filter.filter(),
        args.target.as_deref(),
        context.host().now().seconds,
    )?;
    if args.delete && !args.dry_run {
        ask_to_delete(args, context, &view, &jobs)?;
    }
    let mut sum = Report::default();
    for job in &jobs {
        if jobs.len() > 1 {
            context.ui().line(&format!(
                "{} -> {}",
                escape(job.label.as_bytes()),
                job.target.display()
            ));
        }
        let report = restore::run(
            &view.loader,
            job.root,
            &options(args, context, job, args.dry_run),
            &**context.ui(),
        )?;
        add(&mut sum, report);
    }
    context.ui().end_progress();
    let mut done = Done::well();
    let seconds = (context.host().elapsed() - began).as_secs_f64();
    if args.dry_run {
        tell_plan(context, &jobs, &sum);
    } else {
        let silent = opened.whole().store().silent();
        tell(context, &sum, (seconds, silent), &mut done);
        kept::tell_served(context, &opened);
    }
    Ok(done)
}

fn refuse_own(context: &Context, target: &Path) -> Result<()> {
    let target =
        std::path::absolute(target).map_err(|error| Error::io("find the current folder", error))?;
    let (places, _) = places::all(context)?;
    let mut folders = places.iter().filter_map(|place| place.folder());
    if folders.any(|folder| resolved(&target).starts_with(resolved(folder))) {
        return Err(Error::new(
            Kind::Refused,
            format!("{} lies inside the repository itself", target.display()),
        )
        .hint("restore into another folder"));
    }
    Ok(())
}

/// The newest good snapshot of each source, and the command that brings one back.
fn offer(context: &Context, view: &Look, filter: &Filter) {
    let ui = context.ui();
    ui.end_progress();
    let newest = jobs::newest_of_each(view, filter, context.host().now().seconds);
    for found in &newest {
        ui.event(&Event::Snapshot(list::event(&view.chains, found)));
    }
    for line in list::table(context, &view.chains, &newest).lines() {
        ui.line(&line);
    }
    let repo = context.same_repository();
    match newest.as_slice() {
        [] => ui.line(&format!(
            "no snapshots yet         next: heirloom backup PATH{repo}"
        )),
        [_] => ui.line(&format!(
            "next: heirloom restore latest --target ~/back{repo}"
        )),
        [.., last] => ui.line(&format!(
            "next: heirloom restore latest --source {} --target ~/back{repo}",
            quoted(Path::new(&last.snapshot.source))
        )),
    }
}

fn options(args: &RestoreArgs, context: &Context, job: &Job, dry_run: bool) -> Options {
    Options {
        target: job.target.clone(),
        path: job.path.clone(),
        include: args.include.clone(),
        exclude: args.exclude.clone(),
        overwrite: match args.overwrite {
            Replace::Always => Overwrite::Always,
            Replace::IfChanged => Overwrite::IfChanged,
            Replace::IfNewer => Overwrite::IfNewer,
            Replace::Never => Overwrite::Never,
        },
        delete: args.delete,
        verify: args.verify,
        privileged: args.privileged,
        skip_incomplete: args.skip_incomplete,
        dry_run,
        workers: context.readers(),
    }
}

fn ask_to_delete(args: &RestoreArgs, context: &Context, view: &Look, jobs: &[Job]) -> Result<()> {
    let ui = context.ui();
    let mut count = 0;
    for job in jobs {
        let plan = restore::run(
            &view.loader,
            job.root,
            &options(args, context, job, true),
            &**ui,
        )?;
        ui.end_progress();
        for path in &plan.to_delete {
            ui.note(&format!(
                "delete {}",
                escape(
                    job.target
                        .join(OsStr::from_bytes(path))
                        .as_os_str()
                        .as_bytes()
                )
            ));
        }
        count += plan.to_delete.len() as u64;
    }
    if count == 0 || args.yes {
        return Ok(());
    }
    let what = format!("{} would be deleted", counted(count, "item", "items"));
    if !terminal::is_there() {
        return Err(Error::new(Kind::Usage, what)
            .hint("there is no terminal to ask on: add --yes, or leave out --delete"));
    }
    if prompt::yes(
        &mut terminal::ask,
        &format!("delete {}?", counted(count, "item", "items")),
    )? {
        return Ok(());
    }
    Err(Error::new(
        Kind::Interrupted,
        format!("{what}, and the answer was no"),
    ))
}

fn add(sum: &mut Report, more: Report) {
    sum.files += more.files;
    sum.folders += more.folders;
    sum.others += more.others;
    sum.bytes += more.bytes;
    sum.identical += more.identical;
    sum.kept += more.kept;
    sum.deleted += more.deleted;
    sum.losses.extend(more.losses);
    sum.not_applied.extend(more.not_applied);
    sum.to_delete.extend(more.to_delete);
}

fn tell_plan(context: &Context, jobs: &[Job], sum: &Report) {
    let ui = context.ui();
    let mut text = format!(
        "would restore {}, {}",
        counted(sum.files, "file", "files"),
        size_to_text(sum.bytes)
    );
    text.push_str(&rest(sum));
    ui.line(&text);
    for path in &sum.to_delete {
        ui.line(&format!("would delete {}", escape(path)));
    }
    ui.event(&Event::Plan {
        action: "restore",
        what: text,
        bytes: Some(sum.bytes),
        reason: None,
    });
    if let Some(free) = jobs.first().and_then(|job| free_space(&job.target)) {
        ui.line(&format!("free there: {}", size_to_text(free)));
        if free < sum.bytes {
            ui.note("that is less than would be written");
        }
    }
}

fn rest(sum: &Report) -> String {
    let mut text = String::new();
    for (count, what) in [
        (sum.identical, "identical already"),
        (sum.kept, "left alone"),
        (sum.deleted, "deleted"),
        (sum.to_delete.len() as u64, "to delete"),
    ] {
        if count > 0 {
            text.push_str(&format!("; {} {what}", count_to_text(count)));
        }
    }
    text
}

/// Bytes free at a path, or at what exists above it.
fn free_space(target: &Path) -> Option<u64> {
    let there = target.ancestors().find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn tell(context: &Context, sum: &Report, (seconds, silent): (f64, Option<Error>), done: &mut Done) {
    let ui = context.ui();
    for loss in &sum.losses {
        let bytes: u64 = loss.ranges.iter().map(|(_, len)| len).sum();
        ui.line(&format!(
            "lost: {}  {} in {}",
            escape(&loss.path),
            size_to_text(bytes),
            counted(loss.ranges.len() as u64, "place", "places")
        ));
        ui.event(&Event::Loss {
            source: "",
            path: escape(&loss.path),
            path_base64: json::exact(&loss.path),
            snapshots: Vec::new(),
            more_snapshots: 0,
            ranges: loss.ranges.clone(),
            bytes,
        });
    }
    for what in &sum.not_applied {
        ui.problem(&Error::new(Kind::Other, what.clone()));
    }
    ui.line(&format!(
        "restored {}, {} in {}{}",
        counted(sum.files, "file", "files"),
        size_to_text(sum.bytes),
        duration_to_text(seconds),
        rest(sum)
    ));
    let mut next = String::new();
    if !sum.losses.is_empty() {
        next = match silent {
            None => format!("heirloom verify{}", context.same_repository()),
            Some(_) => "the same command again when every mirror answers".to_owned(),
        };
        let incomplete = format!(
            "{} not whole",
            counted(sum.losses.len() as u64, "file", "files")
        );
        done.add(Outcome::Damage, incomplete.clone());
        done.hint(&*next);
        ui.line(&format!("{incomplete}         next: {next}"));
    }
    if !sum.not_applied.is_empty() {
        done.add(
            Outcome::Skipped,
            format!(
                "not applied: {}",
                counted(sum.not_applied.len() as u64, "detail", "details")
            ),
        );
    }
    ui.event(&Event::Restored {
        files: sum.files,
        folders: sum.folders,
        others: sum.others,
        bytes: sum.bytes,
        identical: sum.identical,
        kept: sum.kept,
        deleted: sum.deleted,
        incomplete: sum.losses.len() as u64,
        seconds,
        next: &next,
    });
}
