//! Which snapshot is restored into which folder.

use crate::error::Result;
use crate::id::Id;
use crate::repo::look::Look;
use crate::repo::snapshots::{self, Filter, Found, Wanted, Which};
use crate::repo::view;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One folder to fill.
pub struct Job {
    /// The source's name.
    pub label: String,
    /// The root tree of its snapshot.
    pub root: Id,
    /// What is restored of it.
    pub path: Vec<u8>,
    /// Where to.
    pub target: PathBuf,
}

/// The newest good snapshot of each source, the newest first.
pub fn newest_of_each<'a>(view: &'a Look, filter: &Filter) -> Vec<Found<'a>> {
    let mut seen = BTreeSet::new();
    let mut newest: Vec<_> = snapshots::list(&view.chains, filter);
    newest.retain(|found| !view.chains.is_suspect(&found.id, found.snapshot));
    newest.reverse();
    newest.retain(|found| seen.insert(found.snapshot.source.clone()));
    newest
}

/// The folders to fill: `target`, or in place without one.
///
/// # Errors
/// `NotFound`, `Usage` when it is not clear which snapshot is meant.
pub fn jobs(
    view: &Look,
    wanted: &Wanted,
    filter: &Filter,
    target: Option<&Path>,
) -> Result<Vec<Job>> {
    let all = newest_of_each(view, filter);
    if let (Which::Latest(0), Some(target), true) = (&wanted.which, target, all.len() > 1) {
        // Each source's own latest, into its own folder.
        let job = |found: &Found<'_>| Job {
            label: found.snapshot.source.clone(),
            root: found.snapshot.tree,
            path: wanted.path.clone(),
            target: target.join(folder_name(&found.snapshot.source)),
        };
        return Ok(all.iter().map(job).collect());
    }
    let found = snapshots::resolve(&view.chains, &wanted.which, filter)?;
    let root = found.snapshot.tree;
    let job = |path: Vec<u8>, target: PathBuf| Job {
        label: found.snapshot.source.clone(),
        root,
        path,
        target,
    };
    match target {
        Some(target) => Ok(vec![job(wanted.path.clone(), target.to_path_buf())]),
        None if wanted.path.iter().any(|byte| *byte != b'/') => {
            in_place(view, root, &wanted.path, &job).map(|job| vec![job])
        }
        None => found
            .snapshot
            .paths
            .iter()
            .map(|path| in_place(view, root, path, &job))
            .collect(),
    }
}

/// A folder is filled where it was; a file is put into the folder it was in.
fn in_place(
    view: &Look,
    root: Id,
    path: &[u8],
    job: &dyn Fn(Vec<u8>, PathBuf) -> Job,
) -> Result<Job> {
    let is_folder = match view::find(&view.loader, root, path)? {
        view::Found::Root(_) => true,
        view::Found::Node(node, _) => node.tree.is_some(),
    };
    let there = Path::new("/").join(OsStr::from_bytes(path));
    let target = if is_folder {
        there
    } else {
        there.parent().map_or(PathBuf::from("/"), Path::to_path_buf)
    };
    Ok(job(path.to_vec(), target))
}

/// A source's name as the name of one folder.
fn folder_name(source: &str) -> String {
    let name: String = source
        .trim_matches('/')
        .chars()
        .map(|c| if c == '/' || c.is_control() { '-' } else { c })
        .collect();
    match name.as_str() {
        "" | "." | ".." => "source".to_owned(),
        _ => name.chars().take(60).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_one_folder() {
        assert_eq!(folder_name("/home/a/Documents"), "home-a-Documents");
        assert_eq!(folder_name(".."), "source");
        assert_eq!(folder_name("/"), "source");
    }
}
