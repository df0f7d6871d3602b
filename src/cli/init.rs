//! `init`: a new repository in an empty folder.

use crate::cli::context::Context;
use crate::cli::create::{self, Alone, KitArgs};
use crate::cli::exit::Done;
use crate::error::{Error, Kind, Result};
use crate::ui::json::Event;
use clap::Args;
use std::ffi::OsString;

/// Make a repository in an empty folder
///
/// It opens with a passphrase, which is asked for or read from where the common options say, or with a key file, which
/// is made if --key-file names a file that does not exist. The recovery kit is a sheet of text with twelve words that
/// open the repository when everything else is lost: print it, then delete the file.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// An empty or new folder
    #[arg(value_name = "LOCATION")]
    location: Option<OsString>,
    #[command(flatten)]
    kit: KitArgs,
}

/// Runs the verb.
///
/// # Errors
/// `Refused`, `Usage`, `Full`.
pub fn run(args: &InitArgs, context: &Context) -> Result<Done> {
    let location = match (&args.location, context.globals().repo.is_empty()) {
        (Some(_), false) => {
            return Err(Error::new(Kind::Usage, "the location was given twice")
                .hint("heirloom init LOCATION"));
        }
        (Some(location), true) => context.folder(location)?,
        (None, _) => context.location()?.0,
    };
    let created = create::repository(context, &location, &args.kit, Alone::Refuse)?;
    let is_default = !context.location()?.1 && context.location()?.0 == location;
    let repo = if is_default {
        String::new()
    } else {
        format!(" -r {}", crate::cli::paths::quoted(&location))
    };
    let next = format!("heirloom backup PATH{repo}");
    let ui = context.ui();
    ui.line(&format!("nothing has been saved yet         next: {next}"));
    ui.event(&Event::Made {
        repository: &crate::id::to_hex(created.repo.id().as_bytes()),
        fingerprint: &created.repo.keys().fingerprint(),
        kit: created
            .kit
            .as_deref()
            .map(|path| path.to_string_lossy())
            .as_deref(),
        key_file: created
            .key_file
            .as_deref()
            .map(|path| path.to_string_lossy())
            .as_deref(),
        next: &next,
    });
    Ok(Done::well())
}
