//! What a backup leaves out.

use crate::cli::backup::BackupArgs;
use crate::error::{Error, Kind, Result};
use crate::limits::RECORD_BYTES_MAX;
use crate::source::exclude::{self, Rules, Wishes};
use crate::units::{size_from_text, size_to_text};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Of the bytes of an entry, those for what the user said. The entry is read by each device at each run.
const SAID_BYTES_MAX: u64 = RECORD_BYTES_MAX / 2;

/// What is left out, and the same in words for the snapshot.
pub(super) fn rules(args: &BackupArgs, own: &[PathBuf]) -> Result<(Rules, Vec<String>)> {
    let mut globs = Vec::new();
    for file in &args.exclude_file {
        let text = read(file)?;
        globs.extend(exclude::patterns_in(&text, &file.to_string_lossy())?);
    }
    globs.extend(args.exclude.iter().cloned());
    let larger_than = match &args.exclude_larger_than {
        None => None,
        Some(text) => Some(size_from_text(text).ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!("--exclude-larger-than: {text:?} is not a size such as 64MiB"),
            )
        })?),
    };
    let mut said = globs.clone();
    said.extend(
        args.iexclude
            .iter()
            .map(|glob| format!("--iexclude {glob}")),
    );
    said.extend(args.exclude_caches.then(|| "--exclude-caches".to_owned()));
    said.extend(
        args.exclude_if_present
            .iter()
            .map(|spec| format!("--exclude-if-present {spec}")),
    );
    said.extend(larger_than.map(|size| format!("--exclude-larger-than {size}")));
    said.extend(args.one_file_system.then(|| "--one-file-system".to_owned()));
    let wishes = Wishes {
        globs,
        globs_any_case: args.iexclude.clone(),
        paths: own
            .iter()
            .map(|path| path.as_os_str().as_encoded_bytes().to_vec())
            .collect(),
        caches: args.exclude_caches,
        if_present: args.exclude_if_present.clone(),
        larger_than,
    };
    Ok((Rules::new(&wishes)?, said))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let cannot = |error| {
        Error::io(format!("read the exclude file {}", file.display()), error).with_kind(Kind::Usage)
    };
    let mut text = Vec::new();
    let file_read = File::open(file).map_err(cannot)?;
    file_read
        .take(RECORD_BYTES_MAX + 1)
        .read_to_end(&mut text)
        .map_err(cannot)?;
    if text.len() as u64 > RECORD_BYTES_MAX {
        let what = format!("the exclude file {} is longer than 1 MiB", file.display());
        return Err(Error::new(Kind::Usage, what));
    }
    Ok(text)
}

/// Whether the snapshot's record will hold what the user said, before any work is done.
pub(super) fn record_holds(
    source: &str,
    paths: &[PathBuf],
    excludes: &[String],
    tags: &[String],
) -> Result<()> {
    let paths = paths.iter().map(|path| path.as_os_str().len());
    let texts = excludes.iter().chain(tags).map(String::len);
    // Five bytes are the longest head of a text.
    let said: usize = paths.chain(texts).map(|len| len + 5).sum();
    let said = (said + source.len()) as u64;
    if said <= SAID_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(
        Kind::Usage,
        format!(
            "paths, exclude patterns and tags take {}, and the record of a snapshot holds {} of them",
            size_to_text(said),
            size_to_text(SAID_BYTES_MAX)
        ),
    )
    .hint("name folders instead of each file in them"))
}
