//! heirloom.toml: found, read, and changed by `mirror add` and `mirror remove`.

use crate::cli::context::Context;
use crate::config::{self, Config, New};
use crate::error::{Error, Kind, Result};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What it says; nothing where there is none and nobody named one.
///
/// # Errors
/// `Usage`, with the line.
pub fn read(context: &Context) -> Result<Config> {
    // Without a home folder there is no default, and that is no error.
    let Ok((path, named)) = context.config_path() else {
        return Ok(Config::default());
    };
    match fs::read_to_string(&path) {
        Ok(text) => config::parse(&text, &path.to_string_lossy()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => Ok(Config::default()),
        Err(error) => {
            let what = format!("read {}", path.display());
            Err(Error::io(what, error).with_kind(Kind::Usage))
        }
    }
}

/// Where it is, and its text; empty if there is none yet.
fn text(context: &Context) -> Result<(PathBuf, String)> {
    let (path, _) = context.config_path()?;
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io(format!("read {}", path.display()), error)),
    };
    Ok((path, text))
}

/// Puts a mirror of this repository into heirloom.toml, which is made if it is not there.
///
/// # Errors
/// Those of the file.
pub fn write_mirror(context: &Context, repository: &str, name: &str, new: &New<'_>) -> Result<()> {
    let (path, mut text) = text(context)?;
    // Another repository under one of these places is refused from then on.
    if config::parse(&text, &path.to_string_lossy())?
        .repository
        .is_none()
    {
        text.insert_str(0, &format!("repository = \"{repository}\"\n"));
    }
    text.push_str(&config::mirror_text(name, new));
    config::parse(&text, &path.to_string_lossy())?;
    replace_file(&path, &text)
}

/// Takes one out.
///
/// # Errors
/// `Refused` where it does not stand as a table of its own; those of the file.
pub fn erase_mirror(context: &Context, name: &str) -> Result<()> {
    let (path, text) = text(context)?;
    let less = config::without_mirror(&text, name).ok_or_else(|| {
        let what = format!(
            "[mirror.{name}] is no table of its own in {}",
            path.display()
        );
        Error::new(Kind::Refused, what).hint("take it out by hand")
    })?;
    replace_file(&path, &less)
}

/// Puts this text into the place of a file of the owner's alone, whole or not at all.
///
/// # Errors
/// Those of writing.
fn replace_file(path: &Path, text: &str) -> Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let beside = path.with_extension("toml.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| Error::io(format!("write {}", path.display()), error))
}
