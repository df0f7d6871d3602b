//! Which snapshot is restored into which folder.

use crate::crypto::hash;
use crate::error::Result;
use crate::id::Id;
use crate::repo::look::Look;
use crate::repo::snapshots::{self, Filter, Found, Wanted, Which};
use crate::repo::view;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Of a source's name, how much makes the name of its folder.
const NAME_CHARS: usize = 60;

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

/// The newest good snapshot of each source, the newest first; `now` as in [`snapshots::resolve`].
pub fn newest_of_each<'a>(view: &'a Look, filter: &Filter, now: i64) -> Vec<Found<'a>> {
    let mut seen = BTreeSet::new();
    let mut newest: Vec<_> = snapshots::list(&view.chains, filter);
    newest.retain(|found| !view.chains.is_suspect(&found.id, found.snapshot));
    newest.sort_by_key(|found| !snapshots::is_ahead(found.entry, now));
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
    now: i64,
) -> Result<Vec<Job>> {
    let all = newest_of_each(view, filter, now);
    if let (Which::Latest(0), Some(target), true) = (&wanted.which, target, all.len() > 1) {
        // Each source's own latest, into its own folder.
        let sources: Vec<_> = all.iter().map(|found| &*found.snapshot.source).collect();
        let job = |(found, folder): (&Found<'_>, String)| Job {
            label: found.snapshot.source.clone(),
            root: found.snapshot.tree,
            path: wanted.path.clone(),
            target: target.join(folder),
        };
        return Ok(all.iter().zip(folder_names(&sources)).map(job).collect());
    }
    let found = snapshots::resolve(&view.chains, &wanted.which, filter, now)?;
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

/// Each source's name as the name of a folder that is no other's: else the older would be written over the newer. Where
/// names come out alike, apart from case, or were cut, they end with some of their hash, so that a later restore finds the
/// same folder.
fn folder_names(sources: &[&str]) -> Vec<String> {
    let plain: Vec<_> = sources.iter().map(|source| folder_name(source)).collect();
    let mut times = BTreeMap::<String, u32>::new();
    for name in &plain {
        *times.entry(name.to_lowercase()).or_default() += 1;
    }
    let unlike = |(name, source): (&String, &&str)| {
        let alone = times.get(&name.to_lowercase()) == Some(&1);
        match alone && source.chars().count() <= NAME_CHARS {
            true => name.clone(),
            false => format!("{name}-{}", hash::object_id(source.as_bytes()).short()),
        }
    };
    plain.iter().zip(sources).map(unlike).collect()
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
        _ => name.chars().take(NAME_CHARS).collect(),
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

    #[test]
    fn no_two_sources_have_the_same_folder() {
        let long = format!("/home/{}", "a".repeat(80));
        let longer = format!("{long}, /srv");
        let alike = ["/home/a", "home-a", "/Home/A", "/b", &long, &longer];
        let names = folder_names(&alike);
        let lower: BTreeSet<_> = names.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(lower.len(), alike.len(), "{names:?}");
        assert_eq!(names[3], "b");
        assert_eq!(names[4], folder_names(&[&long])[0]);
        assert_eq!(folder_names(&["/home/a"]), ["home-a"]);
    }
}
