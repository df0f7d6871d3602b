//! Paths as people type them, made absolute: what is above the last part is resolved, the last part is kept, so that
//! a link that is named is saved as a link.

use crate::cli::context::Context;
use crate::cli::kit::resolved;
use crate::cli::places::{self, Place};
use crate::error::{Error, Kind, Result};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The paths of a source, absolute, each once.
///
/// # Errors
/// `NotFound` for a path that does not exist.
pub fn absolute(typed: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for path in typed {
        let path = absolute_one(path)?;
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn absolute_one(path: &Path) -> Result<PathBuf> {
    let failed = |error| Error::io(format!("look at {}", path.display()), error);
    let Some(Component::Normal(name)) = path.components().next_back() else {
        return fs::canonicalize(path).map_err(failed);
    };
    let above = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let absolute = fs::canonicalize(above).map_err(failed)?.join(name);
    let meta = absolute.symlink_metadata().map_err(failed)?;
    let slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    if slash && meta.is_symlink() {
        return fs::canonicalize(&absolute).map_err(failed);
    }
    Ok(absolute)
}

/// What lies below one of `paths` and is not to be saved: mirrors, and what heirloom keeps on this device.
///
/// # Errors
/// `Usage` when the state folder is not known; `Refused` when a path lies inside the repository.
pub fn own(context: &Context, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let (places, _) = places::all(context)?;
    let mut own = Vec::new();
    for folder in places.iter().filter_map(Place::folder) {
        own.push(outside(&resolved(folder), paths)?);
    }
    own.extend([
        resolved(&context.cache_dir()?),
        resolved(&context.state_dir()?),
    ]);
    own.retain(|own| paths.iter().any(|path| own.starts_with(path)));
    Ok(own)
}

/// The repository's folder, unless something to be saved lies inside it.
fn outside(repository: &Path, paths: &[PathBuf]) -> Result<PathBuf> {
    if let Some(inside) = paths.iter().find(|path| path.starts_with(repository)) {
        let what = format!("{} lies inside the repository itself", inside.display());
        return Err(
            Error::new(Kind::Refused, what).hint("back up something else, or move the repository")
        );
    }
    Ok(repository.to_owned())
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,@%:=~".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_quoted_path() {
        assert_eq!(quoted(Path::new("/a/b-c")), "/a/b-c");
        assert_eq!(quoted(Path::new("/it's here")), "'/it'\\''s here'");
    }

    #[test]
    fn a_link_that_is_named_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir(base.join("real")).unwrap();
        std::os::unix::fs::symlink("real", base.join("link")).unwrap();
        let one = |path: &str| absolute_one(&base.join(path));
        assert_eq!(one("link").unwrap(), base.join("link"));
        assert_eq!(one("link/").unwrap(), base.join("real"));
        assert_eq!(one("link/../real").unwrap(), base.join("real"));
        assert_eq!(one("real/.").unwrap(), base.join("real"));
        assert_eq!(one("real/..").unwrap(), base);
        assert_eq!(one("absent").unwrap_err().kind(), Kind::NotFound);
    }
}
