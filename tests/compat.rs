//! What an earlier heirloom wrote is read for ever.

use crate::golden::{self, MANIFESTS, SOURCE};
use heirloom::monitor::Collected;
use heirloom::ops::restore;
use heirloom::ops::verify::{self, Level, Options};
use heirloom::repo::Repo;
use heirloom::repo::chain::Chains;
use heirloom::repo::index::Index;
use heirloom::repo::loader::Loader;
use heirloom::repo::look::Look;
use heirloom::repo::presence::Presence;
use std::path::Path;
use std::sync::Arc;

fn index(repo: &Repo, presence: &Presence) -> Arc<Index> {
    let monitor = Collected::default();
    let publish = &mut |_: &_| panic!("every pack is in a run");
    let index = Index::open(repo, presence, &monitor, publish).unwrap();
    assert_eq!(monitor.problems(), Vec::<String>::new());
    Arc::new(index)
}

#[test]
fn golden_opens_with_each_of_its_secrets() {
    let place = tempfile::tempdir().unwrap();
    let mirror = golden::mirror(place.path());
    for secret in golden::secrets() {
        let repo = golden::open(&mirror, secret, place.path());
        assert_eq!(repo.ring().slots().count(), 3);
        assert!(repo.mirror().is_some_and(|record| record.may_write()));
    }
}

#[test]
fn golden_is_whole() {
    let place = tempfile::tempdir().unwrap();
    let mirror = golden::mirror(place.path());
    let [key_file, ..] = golden::secrets();
    let repo = golden::open(&mirror, key_file, place.path());
    let monitor = Collected::default();
    let look = Look::at(&repo, &monitor).unwrap();
    let options = Options {
        level: Level::Content,
        workers: 2,
    };
    let report = verify::run(&look, &options, &monitor).unwrap();
    assert_eq!(monitor.problems(), Vec::<String>::new());
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.snapshots, report.newer, report.strangers),
        (2, 0, 0)
    );
}

#[test]
fn golden_comes_back_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let mirror = golden::mirror(place.path());
    let [_, words, _] = golden::secrets();
    let repo = golden::open(&mirror, words, place.path());
    let presence = Presence::read(&repo, &Collected::default()).unwrap();
    let loader = Arc::new(Loader::new(&repo, &index(&repo, &presence)));
    let chains = Chains::read(&repo, &Collected::default()).unwrap();
    let snapshots = chains.snapshots();
    assert_eq!(snapshots.len(), MANIFESTS.len());
    for ((id, _, snapshot), manifest) in snapshots.iter().zip(MANIFESTS) {
        let options = restore::Options {
            target: place.path().join(id.to_hex()),
            path: SOURCE.into(),
            workers: 2,
            ..restore::Options::default()
        };
        let monitor = Collected::default();
        let report = restore::run(&loader, snapshot.tree, &options, &monitor).unwrap();
        assert_eq!(monitor.problems(), Vec::<String>::new());
        assert!(report.losses.is_empty(), "{report:?}");
        assert_manifest(&options.target, manifest, place.path());
    }
}

fn assert_manifest(found: &Path, manifest: &str, place: &Path) {
    let expected = golden::expected(manifest, place);
    similar(&golden::manifest(found), &expected);
}

fn similar(found: &str, expected: &str) {
    for (one, two) in found.lines().zip(expected.lines()) {
        assert_eq!(one, two);
    }
    assert_eq!(found, expected);
}
