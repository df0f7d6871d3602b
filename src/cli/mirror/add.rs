//! `mirror add`: a place is tried out, made a mirror, entered in heirloom.toml and brought everything.

use crate::cli::configuration;
use crate::cli::context::Context;
use crate::cli::exit::Done;
use crate::cli::flags;
use crate::cli::mirror::sync;
use crate::cli::open;
use crate::cli::places::{self, Place};
use crate::config::{self, New};
use crate::error::{Error, Kind, Result};
use crate::id::to_hex;
use crate::mirror::probe::{self, Probe};
use crate::repo::look::Look;
use crate::repo::mirrors::Mirror;
use crate::store::folder::FolderStore;
use crate::ui::counted;
use crate::units::size_to_text;
use clap::Args;
use std::ffi::OsString;
use std::sync::Arc;

/// What `mirror add` takes.
#[derive(Args, Debug)]
pub struct AddArgs {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: String,
    /// Where it is: a folder, s3://bucket/prefix, sftp://host/path, webdavs://host/path, rclone:remote:path [default: what
    /// heirloom.toml says of NAME]
    #[arg(value_name = "LOCATION")]
    location: Option<OsString>,
    /// What one fire or theft would take together with other mirrors, as in home
    #[arg(long, value_name = "TEXT")]
    site: Option<String>,
    /// How much parity it shall have, which brings damaged sectors back without another mirror; 0 for none [default: 5% in
    /// a folder, 0 elsewhere]
    #[arg(long, value_name = "PCT", value_parser = parity)]
    parity: Option<String>,
    /// Never delete anything there from this device, whose credentials need no right to; another machine prunes it
    #[arg(long)]
    append_only: bool,
    /// Bring it nothing yet
    #[arg(long)]
    no_sync: bool,
}

/// Runs the verb.
///
/// # Errors
/// `Usage`, `Refused`, `Full`, `Unreachable`.
pub fn run(args: &AddArgs, context: &Context, done: &mut Done) -> Result<()> {
    config::check_name(&args.name)?;
    let mut place = meant(args, context)?;
    if place.configured && (args.parity.is_some() || args.append_only) {
        let what = format!("heirloom.toml says what {} is", args.name);
        return Err(Error::new(Kind::Usage, what).hint("set its parity and append_only there"));
    }
    if !place.configured {
        place.table.parity.clone_from(&args.parity);
        place.table.append_only |= args.append_only;
    }
    let mut opened = open::repository(context)?;
    let held = open::hold(context, &mut opened.mirrors)?;
    if let Some(folder) = place.folder()
        && !folder.join("mirror").exists()
    {
        FolderStore::create(folder, &open::tag(context))?;
    }
    let store = place.store(context)?;
    let found = probe::probe(&*store, &**context.host(), false)?;
    tell_probe(context, &found);
    independence(context, &args.name, &place, args.site.as_deref())?;
    let taken = opened.mirrors.here.iter();
    let taken: Vec<_> = taken
        .filter(|mirror| mirror.name != args.name)
        .filter_map(|mirror| Some(mirror.repo.mirror()?.id))
        .collect();
    let repo = opened
        .whole()
        .plant(store, &taken, &found.facts(), &**context.host())?;
    let name = args.name.clone();
    let mirror = Mirror {
        name,
        repo: Arc::new(repo),
        parity: place.parity()?,
        append_only: place.table.append_only,
    };
    if !place.configured {
        let repository = to_hex(opened.whole().id().as_bytes());
        let site = args.site.as_deref();
        enter(context, &repository, &args.name, &place, site)?;
    }
    held.author
        .pin(&args.name, mirror.repo.mirror().map(|record| record.id))?;
    if args.no_sync {
        context.ui().line(&format!(
            "{} is added and holds nothing new yet         next: heirloom mirror sync {}",
            args.name, args.name
        ));
        return Ok(());
    }
    let look = Look::at(opened.whole(), &**context.ui())?;
    sync::one(context, &held, &look, &mirror, false, done)
}

/// The place that is named here or, with what only heirloom.toml can say of it, there.
fn meant(args: &AddArgs, context: &Context) -> Result<Place> {
    match (context.config().mirror.get(&args.name), &args.location) {
        (None, Some(location)) => Place::of(context, location),
        (Some(table), None) => Place::configured(context, &args.name, table.clone()),
        (Some(_), Some(_)) => {
            let what = format!("there is a mirror {} already", args.name);
            let hint = "another name, or: heirloom mirror remove; without LOCATION it is added as it stands in heirloom.toml";
            Err(Error::new(Kind::Usage, what).hint(hint))
        }
        (None, None) => {
            let what = format!("heirloom.toml says nothing of a mirror {}", args.name);
            Err(Error::new(Kind::Usage, what).hint("say where it is behind its name"))
        }
    }
}

/// Writes the mirror into heirloom.toml; where that names none yet, the repository's own place too, lest it be left out
/// from then on.
fn enter(
    context: &Context,
    repository: &str,
    name: &str,
    place: &Place,
    site: Option<&str>,
) -> Result<()> {
    if context.config().mirror.is_empty() {
        let all = places::all(context)?.0;
        let others = all.iter().filter(|old| old.address != place.address);
        for (number, old) in others.enumerate() {
            let old_name = match number {
                0 if name != "first" => "first".to_owned(),
                number => format!("mirror-{}", number + 1),
            };
            let location = old.table.location.clone();
            let location = old
                .folder()
                .map_or(location, |folder| folder.display().to_string());
            let new = New {
                location: &location,
                ..New::default()
            };
            configuration::write_mirror(context, repository, &old_name, &new)?;
            context.ui().note(&format!(
                "heirloom.toml calls {location} {old_name} from now on"
            ));
        }
    }
    let location = place.folder().map_or_else(
        || place.table.location.clone(),
        |folder| folder.display().to_string(),
    );
    let new = New {
        location: &location,
        site,
        parity: place.table.parity.as_deref(),
        append_only: place.table.append_only,
    };
    configuration::write_mirror(context, repository, name, &new)
}

/// Reads `--parity`.
///
/// # Errors
/// What is wrong with it.
pub fn parity(text: &str) -> std::result::Result<String, String> {
    let percent = flags::percent(text).ok_or("not like 5% or 0: 0 to 50 percent")?;
    Ok(match percent {
        0 => "0".to_owned(),
        percent => format!("{percent}%"),
    })
}

/// Tells what was found out about a place.
pub fn tell_probe(context: &Context, found: &Probe) {
    let ui = context.ui();
    ui.line(&words(found));
    if let Some(against) = &found.against {
        ui.note(&format!(
            "put-if-absent: {against}; backups are safe all the same, and a prune may have to wait"
        ));
    }
    if !found.delete_tried {
        ui.note(&format!(
            "{} of this trial stay below tmp there, since this device deletes nothing: heirloom mirror test on a machine that does clears them after a day",
            counted(found.left, "small object", "small objects")
        ));
    }
    let rate = |rate: Option<u64>| {
        rate.map_or_else(
            || "?".to_owned(),
            |rate| format!("{}/s", size_to_text(rate)),
        )
    };
    ui.line(&format!(
        "{} out, {} in, a small read takes {:.1} ms",
        rate(found.upload),
        rate(found.download),
        found.latency.as_secs_f64() * 1000.0
    ));
}

/// What was found out, in one line.
fn words(found: &Probe) -> String {
    let all = [
        ("put-if-absent", found.put_if_absent),
        ("read after write", found.read_after_write),
        ("listing complete", found.list_after_write),
        ("ranged read", found.ranges),
    ];
    let word = |(what, is): &(&str, bool)| format!("{what} {}", if *is { "yes" } else { "no" });
    let mut words: Vec<_> = all.iter().map(word).collect();
    words.push(match (found.delete_tried, found.delete) {
        (false, _) => "delete not tried".to_owned(),
        (true, is) => word(&("delete", is)),
    });
    words.join(" · ")
}

/// Calls out what the new mirror shares with one that is there.
fn independence(context: &Context, name: &str, new: &Place, site: Option<&str>) -> Result<()> {
    let others = places::all(context)?.0.into_iter();
    for other in others.filter(|other| other.name != name) {
        let mut shared: Vec<String> = new.shared(&other).into_iter().collect();
        if let Some(site) = site.filter(|site| other.table.site.as_deref() == Some(*site)) {
            shared.push(format!("both are at {site:?}: fire or theft can take both"));
        }
        for what in shared {
            places::tell_finding(context, [name, &other.name], &what);
        }
    }
    Ok(())
}
