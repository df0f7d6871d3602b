//! `init`: a new repository in empty places.

use crate::cli::configuration;
use crate::cli::context::Context;
use crate::cli::create::{self, Alone, Created, KitArgs};
use crate::cli::exit::{Done, Outcome};
use crate::cli::mirror::add;
use crate::cli::places::{self, Place};
use crate::config::{self, New};
use crate::error::{Error, Kind, Result};
use crate::id::to_hex;
use crate::ui::json::Event;
use clap::Args;
use std::ffi::OsString;

/// Make a repository in one empty place or several
///
/// It opens with a passphrase, which is asked for or read from where the common options say, or with a key file, which
/// is made if --key-file names a file that does not exist. The recovery kit is a sheet of text with twelve words that
/// open the repository when everything else is lost: print it, then delete the file.
///
/// Places with a name, as in usb=/media/usb/heirloom, and several places are entered in heirloom.toml; from then on every
/// command uses them.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// An empty or new folder, s3://bucket/prefix, sftp://host/path, webdavs://host/path or rclone:remote:path, with NAME= before
    /// it if it shall have a name
    #[arg(value_name = "[NAME=]LOCATION")]
    locations: Vec<OsString>,
    #[command(flatten)]
    kit: KitArgs,
    /// How much parity each of them shall have, which brings damaged sectors back without another mirror; 0 for none
    /// [default: 5% in a folder, 0 elsewhere]
    #[arg(long, value_name = "PCT", value_parser = add::parity)]
    parity: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// `Refused`, `Usage`, `Full`.
pub fn run(args: &InitArgs, context: &Context) -> Result<Done> {
    let Meant {
        mut places,
        enter,
        known,
    } = meant(args, context)?;
    if enter && context.config().repository.is_some() {
        let what = "heirloom.toml is about another repository";
        return Err(
            Error::new(Kind::Refused, what).hint("name another file for this one: --config FILE")
        );
    }
    if args.parity.is_some() && !enter {
        let what = "--parity is entered in heirloom.toml, and a place without a name is not";
        return Err(Error::new(Kind::Usage, what).hint("heirloom init NAME=LOCATION"));
    }
    for place in &mut places {
        place.table.parity.clone_from(&args.parity);
    }
    let created = create::repository(context, &places, &args.kit, Alone::Refuse)?;
    let mut done = Done::well();
    if enter {
        write_down(context, &created, &places)?;
    }
    places::tell_shared(context, &places);
    let next = tell(context, &created, &places, known, &mut done);
    let whole = &created.mirrors.whole;
    let text = |path: &Option<std::path::PathBuf>| {
        let path = path.as_deref();
        path.map(|path| path.to_string_lossy().into_owned())
    };
    context.ui().event(&Event::Made {
        repository: &to_hex(whole.id().as_bytes()),
        fingerprint: &whole.keys().fingerprint(),
        kit: text(&created.kit).as_deref(),
        key_file: text(&created.key_file).as_deref(),
        next: &next,
    });
    Ok(done)
}

/// The places that are meant.
struct Meant {
    places: Vec<Place>,
    /// Whether they go into heirloom.toml.
    enter: bool,
    /// Whether every command finds them by itself.
    known: bool,
}

fn meant(args: &InitArgs, context: &Context) -> Result<Meant> {
    let flags = &context.globals().repo;
    if !args.locations.is_empty() && !flags.is_empty() {
        return Err(
            Error::new(Kind::Usage, "the location was given twice").hint("heirloom init LOCATION")
        );
    }
    let texts = match (&args.locations[..], &flags[..]) {
        ([], []) => {
            return Ok(Meant {
                places: places::all(context)?.0,
                enter: false,
                known: true,
            });
        }
        ([], flags) => flags,
        (given, _) => given,
    };
    let mut named = texts.len() > 1;
    let mut places: Vec<Place> = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let (mut place, has_name) = Place::maybe_named(context, text)?;
        named |= has_name;
        if !has_name && texts.len() > 1 {
            place.name = match number {
                0 => "first".to_owned(),
                number => format!("mirror-{}", number + 1),
            };
        }
        let same = |other: &Place| other.name == place.name || other.address == place.address;
        if let Some(other) = places.iter().find(|other| same(other)) {
            let what = format!("{} and {} are the same", other.name, place.name);
            return Err(Error::new(Kind::Usage, what)
                .hint("every mirror needs a place and a name of its own"));
        }
        places.push(place);
    }
    let default = context.default_repository()?;
    let is_default = context.config().mirror.is_empty() && places[0].folder() == Some(&default);
    Ok(Meant {
        places,
        enter: named,
        known: named || is_default,
    })
}

/// Writes the mirrors into heirloom.toml, those too that could not be made: heirloom.toml says what there shall be.
fn write_down(context: &Context, created: &Created, places: &[Place]) -> Result<()> {
    let repository = to_hex(created.mirrors.whole.id().as_bytes());
    for place in places {
        let location = place.shown();
        config::check_name(&place.name)?;
        let new = New {
            location: &location,
            parity: place.table.parity.as_deref(),
            ..New::default()
        };
        configuration::write_mirror(context, &repository, &place.name, &new)?;
    }
    Ok(())
}

/// Says what comes next, and returns it.
fn tell(
    context: &Context,
    created: &Created,
    places: &[Place],
    known: bool,
    done: &mut Done,
) -> String {
    for away in &created.mirrors.away {
        let what = format!("{} was not made a mirror", away.name);
        let error = Error::new(Kind::Unreachable, what.clone()).because(away.error.chain());
        context.ui().problem(&error);
        done.add(Outcome::Behind, what);
        done.hint(format!("heirloom mirror add {}", away.name));
    }
    let next = match known {
        true => "heirloom backup PATH".to_owned(),
        false => format!("heirloom backup PATH -r {}", places[0].quoted()),
    };
    let ui = context.ui();
    ui.line(&format!("nothing has been saved yet         next: {next}"));
    if places.len() == 1 {
        ui.note("one copy alone is lost with its disk: heirloom mirror add NAME LOCATION makes a second");
    }
    next
}
