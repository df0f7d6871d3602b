//! The recovery kit: one sheet of text that is enough, with the copy, to get everything back years later.

use crate::cli::context::Context;
use crate::cli::paths::quoted;
use crate::cli::places::Place;
use crate::cli::secret;
use crate::error::{Error, Kind, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// What the sheet says.
pub struct Sheet<'a> {
    /// Where the copies are, the first of them in the commands.
    pub places: &'a [Place],
    /// The machine it was made on.
    pub machine: &'a str,
    /// The repository's number.
    pub repository: &'a str,
    /// Six words that name its key.
    pub fingerprint: &'a str,
    /// The day.
    pub made: &'a str,
    /// The twelve words.
    pub words: &'a str,
}

impl Sheet<'_> {
    /// The sheet as text.
    pub fn text(&self) -> String {
        let Self {
            machine,
            repository,
            fingerprint,
            made,
            words,
            places,
        } = self;
        let at = places.first().map_or_else(String::new, Place::quoted);
        let copies: String = places
            .iter()
            .map(|place| format!("copy:         {} (from {machine})\n", place.shown()))
            .collect();
        let (rescue, rescued) = rescue_of(places);
        format!(
            "\
HEIRLOOM RECOVERY KIT
=====================

This sheet opens a backup that was made with the program heirloom. Whoever
holds it and the copy can read every file in it: print it, keep the paper where
important papers are, and then delete this file. Check now and then that the
copies below can still be found.

{copies}repository:   {repository}
fingerprint:  {fingerprint}
made:         {made}

The twelve recovery words, in this order:

words: {words}

Restore, with heirloom, on any computer that reaches the copy. Each command
asks for the twelve words; put the copy's present place where it says
{at}

  heirloom restore -r {at} --words
  heirloom snapshots -r {at} --words
  heirloom restore latest -t NEW_FOLDER -r {at} --words
  heirloom verify -r {at} --words

Rescue, without heirloom, with Python 3.6 or newer alone:

  python3 {rescue} {rescued} --list
  python3 {rescue} {rescued} --to NEW_FOLDER

tested on: ____________________   by: ____________________
"
        )
    }
}

/// The script and the folder that it reads: a copy that is no folder has to be fetched first.
fn rescue_of(places: &[Place]) -> (String, String) {
    match places.iter().find_map(Place::folder) {
        Some(folder) => (quoted(&folder.join("rescue.py")), quoted(folder)),
        None => (
            "rescue.py".to_owned(),
            "FOLDER_WITH_ALL_OF_THE_COPY".to_owned(),
        ),
    }
}

/// Where the kit goes: what the user says, else a name in the home folder that is still free.
///
/// # Errors
/// `Refused` inside the repository or over another file.
pub fn place(context: &Context, chosen: Option<&Path>, places: &[Place]) -> Result<PathBuf> {
    let path = match chosen {
        Some(path) => std::path::absolute(path)
            .map_err(|error| Error::io("find the current folder", error))?,
        None => free_name(&context.home()?),
    };
    if path.symlink_metadata().is_ok() {
        return Err(Error::new(
            Kind::Refused,
            format!("the recovery kit {} exists already", path.display()),
        )
        .hint("nothing is ever overwritten: name another file with --kit"));
    }
    let mut folders = places.iter().filter_map(Place::folder);
    if folders.any(|folder| resolved(&path).starts_with(resolved(folder))) {
        return Err(Error::new(
            Kind::Refused,
            "the recovery kit must not lie inside the repository that it opens",
        )
        .hint("name a file elsewhere with --kit"));
    }
    Ok(path)
}

fn free_name(home: &Path) -> PathBuf {
    let first = home.join("heirloom-kit.txt");
    let numbered = (2..).map(|number: u32| home.join(format!("heirloom-kit-{number}.txt")));
    let mut names = std::iter::once(first.clone()).chain(numbered);
    names
        .find(|name| name.symlink_metadata().is_err())
        .unwrap_or(first)
}

/// The path with links resolved as far as it exists.
pub fn resolved(path: &Path) -> PathBuf {
    let mut rest = Vec::new();
    let mut above = path;
    loop {
        if let Ok(real) = fs::canonicalize(above) {
            return rest.iter().rev().fold(real, |path, part| path.join(part));
        }
        match (above.parent(), above.file_name()) {
            (Some(parent), Some(name)) => {
                rest.push(name.to_owned());
                above = parent;
            }
            _ => return path.to_path_buf(),
        }
    }
}

/// A file that holds the kit's place until its words are known; gone again when dropped before.
pub struct Reserved(Option<PathBuf>);

impl Reserved {
    /// Makes the file, so that a folder that cannot be written is found out before a repository exists.
    ///
    /// # Errors
    /// Those of writing.
    pub fn new(path: PathBuf) -> Result<Self> {
        secret::write_private(&path, b"")?;
        Ok(Self(Some(path)))
    }

    /// Writes the sheet.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(mut self, text: &str) -> Result<PathBuf> {
        let path = self.0.take().expect("it is taken here and when dropped");
        let write = || {
            fs::write(&path, text)?;
            fs::File::open(&path)?.sync_all()
        };
        write().map_err(|error| {
            Error::io(format!("write the recovery kit {}", path.display()), error)
        })?;
        Ok(path)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mirror;
    use crate::store::address::{Address, Settings};

    #[test]
    fn the_words_stand_on_one_line() {
        let folder = |text: &str| Place {
            name: text.to_owned(),
            address: Address::Folder(text.into()),
            settings: Settings::default(),
            table: Mirror::default(),
            configured: false,
        };
        let sheet = Sheet {
            places: &[folder("/media/my disk/heirloom"), folder("/srv/second")],
            machine: "laptop",
            repository: "7f3a-91c2-0be4-d815",
            fingerprint: "a b c d e f",
            made: "2026-11-22",
            words: "one two three",
        };
        let text = sheet.text();
        assert!(text.lines().any(|line| line == "words: one two three"));
        assert!(text.contains("-r '/media/my disk/heirloom' --words"));
        assert!(text.contains("copy:         /media/my disk/heirloom (from laptop)\ncopy:         /srv/second (from laptop)\n"));
        assert_eq!(
            text.matches("heirloom restore").count()
                + text.matches("heirloom snapshots").count()
                + text.matches("heirloom verify").count(),
            4
        );
    }

    #[test]
    fn links_are_resolved_as_far_as_they_exist() {
        assert_eq!(
            resolved(Path::new("/nowhere-at-all/x")),
            Path::new("/nowhere-at-all/x")
        );
    }
}
