//! `backup`: one more snapshot of some paths.

mod accept;
mod rules;
mod tell;

use crate::cli::context::Context;
use crate::cli::create::{self, Alone, KitArgs};
use crate::cli::exit::Done;
use crate::cli::open;
use crate::cli::places::Place;
use crate::cli::{kept, paths, verify};
use crate::compress::Level;
use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::ops::backup::shrink::Shrink;
use crate::ops::backup::{self, Options};
use crate::ops::verify::Level as Depth;
use crate::repo::mirrors::Mirrors;
use crate::repo::packer::Settings;
use crate::store::folder::FolderStore;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a source may lose where nobody says.
const SHRINK_PERCENT: u8 = 50;

/// So long the other mirrors may take to show what they have, once the source is read: whoever hangs for longer is not waited
/// for.
const PATIENCE: Duration = Duration::from_secs(300);

/// How hard to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// Light
    Fast,
    /// What pays
    Auto,
    /// Hard and slow
    Max,
    /// Not at all
    Off,
}

/// Save files and folders as one more snapshot
///
/// What is stored already is not stored again, and what has not changed is not read again. Interrupted, it keeps every
/// finished pack: run the same command again.
#[derive(Args, Debug)]
pub struct BackupArgs {
    /// Read and count what would be saved, and save nothing
    #[arg(short = 'n', long, conflicts_with_all = ["init", "verify"])]
    dry_run: bool,
    /// Files and folders to save
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Make the repository first if there is none
    #[arg(long)]
    init: bool,
    #[command(flatten)]
    kit: KitArgs,
    /// Read everything back afterwards, as `heirloom verify` does
    #[arg(long)]
    verify: bool,
    /// Leave out what matches PATTERN; `!PATTERN` takes it back
    #[arg(short, long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// The same, upper and lower case alike
    #[arg(long, value_name = "PATTERN")]
    iexclude: Vec<String>,
    /// Read patterns from FILE, one a line
    #[arg(long, value_name = "FILE")]
    exclude_file: Vec<PathBuf>,
    /// Leave out what lies beside a CACHEDIR.TAG
    #[arg(long)]
    exclude_caches: bool,
    /// Leave out what lies beside a file NAME, or one that begins with HEADER
    #[arg(long, value_name = "NAME[:HEADER]")]
    exclude_if_present: Vec<String>,
    /// Leave out files larger than SIZE
    #[arg(long, value_name = "SIZE")]
    exclude_larger_than: Option<String>,
    /// Stay on the file systems of the paths
    #[arg(short = 'x', long)]
    one_file_system: bool,
    /// A word to find the snapshot by
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Name of the source [default: its paths]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Read every file again
    #[arg(short, long)]
    force: bool,
    /// How hard to compress [default: auto]
    #[arg(long, value_name = "LEVEL")]
    compression: Option<Compression>,
    /// Make no snapshot where nothing has changed
    #[arg(long)]
    skip_if_unchanged: bool,
    /// Part of its files that the source may lose before a snapshot is suspect; `off` for any [default: 50%]
    #[arg(long, value_name = "PERCENT", value_parser = shrink)]
    shrink: Option<Shrink>,
    /// The suspect snapshot ID is as it should be, and what later ones are measured by
    #[arg(long, value_name = "ID", conflicts_with_all = ["dry_run", "init"])]
    accept: Option<String>,
    /// Do not open again what was sealed before it counts as stored
    #[arg(long)]
    no_recheck: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening or making the repository, and of the op.
pub fn run(args: &BackupArgs, context: &Context) -> Result<Done> {
    let began = context.host().elapsed();
    let paths = paths::absolute(&args.paths)?;
    let source = source_name(args, &paths)?;
    let level = level(args, context)?;
    let own = paths::own(context, &paths)?;
    let (rules, excludes) = rules::rules(args, &own)?;
    rules::record_holds(&source, &paths, &excludes, &args.tag)?;
    let mut mirrors = repository(args, context)?;
    let repo = Arc::clone(&mirrors.whole);
    let held = open::hold(context, &mut mirrors)?;
    let ui = context.ui();
    for path in &own {
        ui.note(&format!("left out: {} (heirloom's own)", path.display()));
    }
    for path in paths.iter().filter(|path| path.is_symlink()) {
        ui.note(&format!(
            "{}: this is a link, and the link alone is saved; end it with / for what it leads to",
            path.display()
        ));
    }
    let key = repo.keys().cache();
    let check = |bytes: &[u8]| *hash::keyed(key, bytes).as_bytes();
    let options = Options {
        state: held.device.state_path(&source, &check),
        source,
        paths,
        rules,
        excludes,
        one_file_system: args.one_file_system,
        tags: args.tag.clone(),
        force: args.force,
        skip_if_unchanged: args.skip_if_unchanged,
        dry_run: args.dry_run,
        shrink: args.shrink.unwrap_or(Shrink::Most(SHRINK_PERCENT)),
        settings: Settings::within(level, !args.no_recheck, context.cores(), context.memory()),
        user: context.user(),
        patience: PATIENCE,
        zone: context.zone_minutes(context.host().now().seconds),
    };
    if let Some(id) = &args.accept {
        accept::run(context, (&mirrors, &held), &options.source, id)?;
    }
    let report = backup::run(&mirrors, context.host(), &held.author, &options, &**ui)?;
    ui.end_progress();
    let mut done = Done::well();
    if args.dry_run {
        tell::rehearsed(context, &options, &report, began, &mut done);
        held.wrote_nothing();
        return Ok(done);
    }
    tell::tell(context, &options, &report);
    kept::tell(context, &report.mirrors, &held.author, &mut done)?;
    if report.mirrors.iter().all(|kept| kept.failed.is_none()) {
        held.ended_well();
    }
    drop(held);
    if args.verify {
        verify::mirrors(context, &mirrors, Depth::Content, &mut done)?;
    }
    tell::finish(context, args.verify, &options, &report, began, &mut done);
    Ok(done)
}

fn repository(args: &BackupArgs, context: &Context) -> Result<Mirrors> {
    if !args.init && (args.kit.kit.is_some() || args.kit.no_kit) {
        return Err(
            Error::new(Kind::Usage, "--kit and --no-kit are about a new repository")
                .hint("add --init"),
        );
    }
    if args.init {
        let (location, _) = context.location()?;
        if FolderStore::is_vacant(&location)? {
            let place = Place::of(context, &location.into_os_string())?;
            let made = create::repository(context, &[place], &args.kit, Alone::MakeKeyFile)?;
            return Ok(made.mirrors);
        }
    }
    Ok(open::repository(context)?.mirrors)
}

fn source_name(args: &BackupArgs, paths: &[PathBuf]) -> Result<String> {
    match &args.name {
        Some(name) if name.trim().is_empty() => {
            Err(Error::new(Kind::Usage, "--name: the name is empty"))
        }
        Some(name) => Ok(name.clone()),
        None => Ok(name_of(paths)),
    }
}

/// The name of a source that was given none.
fn name_of(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    names.join(",")
}

fn level(args: &BackupArgs, context: &Context) -> Result<Level> {
    let named = context.variable_text("HEIRLOOM_COMPRESSION")?;
    let compression = match (args.compression, named) {
        (Some(compression), _) => compression,
        (None, None) => Compression::Auto,
        (None, Some(text)) => Compression::from_str(&text, false).map_err(|_| {
            Error::new(
                Kind::Usage,
                format!("HEIRLOOM_COMPRESSION: {text:?} is not fast, auto, max or off"),
            )
        })?,
    };
    Ok(match compression {
        Compression::Fast => Level::Fast,
        Compression::Auto => Level::Auto,
        Compression::Max => Level::Max,
        Compression::Off => Level::Off,
    })
}

/// `50%`, `50`, `off`.
fn shrink(text: &str) -> std::result::Result<Shrink, &'static str> {
    if text == "off" {
        return Ok(Shrink::Off);
    }
    let percent = text.strip_suffix('%').unwrap_or(text).parse().ok();
    let percent = percent.filter(|percent| *percent <= 100);
    percent.map(Shrink::Most).ok_or("not like 50% or off")
}
