//! Parse, dispatch, report. A verb is its `Args` and one function; what it prints goes through `ui`.

pub mod backup;
pub mod cat;
pub mod configuration;
pub mod context;
pub mod create;
pub mod environment;
pub mod exit;
pub mod flags;
pub mod forget;
pub mod heal;
pub mod host;
pub mod init;
pub mod jobs;
pub mod keep;
pub mod kept;
pub mod key;
pub mod kit;
pub mod ls;
pub mod mirror;
pub mod open;
pub mod paths;
pub mod pin;
pub mod places;
pub mod prune;
pub mod restore;
pub mod secret;
pub mod select;
pub mod snapshots;
pub mod spread;
pub mod style;
pub mod terminal;
pub mod undelete;
pub mod verify;
pub mod zone;

use crate::cli::context::Context;
use crate::cli::exit::{Done, Ending, Outcome};
use crate::cli::flags::Globals;
use crate::error::{Error, Kind, Result};
use crate::ui::json::{self, Event};
use crate::ui::{self, Ui};
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;

/// Backups that outlive the device, the disk and the cloud
///
/// heirloom keeps snapshots of files in a repository: a folder, best on another disk, in which everything is encrypted
/// and equal content is stored once.
#[derive(Parser, Debug)]
#[command(name = "heirloom", version, after_help = exit::help(), propagate_version = false)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Init(init::InitArgs),
    #[command(visible_alias = "create")]
    Backup(backup::BackupArgs),
    Snapshots(snapshots::SnapshotsArgs),
    Ls(ls::LsArgs),
    #[command(visible_alias = "extract")]
    Restore(restore::RestoreArgs),
    #[command(visible_alias = "check")]
    Verify(verify::VerifyArgs),
    #[command(visible_alias = "repair")]
    Heal(heal::HealArgs),
    Prune(prune::PruneArgs),
    Mirror(mirror::MirrorArgs),
    Forget(Box<forget::ForgetArgs>),
    Pin(pin::PinArgs),
    Undelete(undelete::UndeleteArgs),
    Key(key::KeyArgs),
    Cat(cat::CatArgs),
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Backup(_) => "backup",
            Self::Snapshots(_) => "snapshots",
            Self::Ls(_) => "ls",

            Self::Restore(_) => "restore",
            Self::Verify(_) => "verify",
            Self::Heal(_) => "heal",
            Self::Prune(_) => "prune",
            Self::Mirror(_) => "mirror",
            Self::Forget(_) => "forget",
            Self::Pin(_) => "pin",
            Self::Undelete(_) => "undelete",
            Self::Key(_) => "key",
            Self::Cat(_) => "cat",
        }
    }

    fn run(&self, context: &Context) -> Result<Done> {
        match self {
            Self::Init(args) => init::run(args, context),
            Self::Backup(args) => backup::run(args, context),
            Self::Snapshots(args) => snapshots::run(args, context),
            Self::Ls(args) => ls::run(args, context),

            Self::Restore(args) => restore::run(args, context),
            Self::Verify(args) => verify::run(args, context),
            Self::Heal(args) => heal::run(args, context),
            Self::Prune(args) => prune::run(args, context),
            Self::Mirror(args) => mirror::run(args, context),
            Self::Forget(args) => forget::run(args, context),
            Self::Pin(args) => pin::run(args, context),
            Self::Undelete(args) => undelete::run(args, context),
            Self::Key(args) => key::run(args, context),
            Self::Cat(args) => cat::run(args, context),
        }
    }
}

/// The whole command line, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command line; what the process returns.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    host::keep_buffers_apart();
    panic::set_hook(Box::new(tell_bug));
    let code = panic::catch_unwind(AssertUnwindSafe(|| run(arguments.collect())));
    ExitCode::from(code.unwrap_or(1))
}

/// A panic is a bug of ours; whoever sees one wants to know first whether anything is lost.
fn tell_bug(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or(payload.downcast_ref::<String>().map(String::as_str));
    let place = info
        .location()
        .map(|place| format!(" at {}:{}", place.file(), place.line()))
        .unwrap_or_default();
    ui::last_words(&format!(
        "heirloom: this is a bug in heirloom{place}: {}\n\nhint: what is stored is not changed by it; run the same command again, and please report this text",
        ui::escape_text(message.unwrap_or("no message"))
    ));
}

fn run(arguments: Vec<OsString>) -> u8 {
    let json = arguments.iter().any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return answer(&error, json),
    };
    let context = match Context::new(cli.globals.clone(), cli.verb.name()) {
        Ok(context) => context,
        Err(error) => return without_context(&error, cli.verb.name(), json),
    };
    let result = cli.verb.run(&context);
    finish(context.ui(), result)
}

/// Says how the run ended, as text or as the last event.
fn finish(ui: &Ui, result: Result<Done>) -> u8 {
    let mut result = result;
    if let Ok(done) = &mut result
        && ui.saw_damage()
        && !done.has_damage()
    {
        done.add(Outcome::Damage, "damage was met on the way");
    }
    // Whatever was to be told after the reader left had nobody to be told to.
    if let Err(error) = ui.finish()
        && result.is_ok()
    {
        result = Err(error);
    }
    if let Err(error) = &result {
        ui.error(error);
    }
    let ending = Ending::of(&result);
    ui.event(&Event::Exit {
        code: ending.code,
        kind: ending.kind,
        what: &ending.what,
        hint: ending.hint.as_deref(),
        outcomes: &ending.outcomes,
    });
    // A reader that leaves before the last event is no error either.
    let _ = ui.finish();
    ending.code
}

/// Help and version go to stdout, everything else that clap says is a usage error.
fn answer(error: &clap::Error, json: bool) -> u8 {
    let rendered = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            ui::help(&rendered.to_string());
            return 0;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            ui::last_words(rendered.to_string().trim_end());
            return exit::code_of(Kind::Usage);
        }
        _ => {}
    }
    let text = rendered.to_string();
    let mut parts = text.trim_end().split("\n\n");
    let first = parts.next().unwrap_or_default();
    let what = first
        .strip_prefix("error: ")
        .unwrap_or(first)
        .replace("\n  ", " ");
    let tip = error
        .get(ContextKind::SuggestedArg)
        .or(error.get(ContextKind::SuggestedSubcommand));
    let hint = match tip {
        Some(tip) => format!("did you mean {tip}? heirloom help lists everything"),
        None => match text.lines().find_map(|line| line.strip_prefix("Usage: ")) {
            Some(usage) => format!("usage: {usage}"),
            None => "heirloom help".to_owned(),
        },
    };
    without_context(&Error::new(Kind::Usage, what).hint(hint), "", json)
}

/// An error from before there was anybody to tell it.
fn without_context(error: &Error, command: &str, json: bool) -> u8 {
    let code = exit::code_of(error.kind());
    let hint = error
        .hint_text()
        .map(|hint| format!("\n\nhint: {}", ui::escape_text(hint)))
        .unwrap_or_default();
    ui::last_words(&format!(
        "heirloom: {}{hint}",
        ui::escape_text(&error.chain())
    ));
    if json {
        let begin = Event::Begin {
            schema: json::SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            command,
            repository: None,
            device: "",
        };
        let what = error.chain();
        let kind = json::kind_name(error.kind());
        let exit = Event::Exit {
            code,
            kind,
            what: &what,
            hint: error.hint_text(),
            outcomes: &[code],
        };
        for event in [begin, exit] {
            ui::help(&String::from_utf8_lossy(&json::line(&event)));
        }
    }
    code
}
