//! The trial of a mirror against every server, the lying ones above all.

use crate::contract::conforms_but_for_slots;
use crate::servers::{access, dav, s3, servers, unique};
use heirloom::cli::host::RealHost;
use heirloom::mirror::probe::{Probe, probe};
use heirloom::store::Store;
use heirloom::store::address::parse;
use heirloom::store::folder::FolderStore;
use heirloom::store::open::open;
use std::sync::Arc;

/// The trial's findings, which must be good in all but the question of who was first.
fn tried(store: &dyn Store) -> Probe {
    let found = probe(store, &RealHost::new(), false).unwrap();
    assert!(
        found.read_after_write && found.list_after_write,
        "{found:?}"
    );
    assert!(
        found.list_after_delete && found.delete && found.ranges,
        "{found:?}"
    );
    assert_eq!((found.left, &found.large), (0, &None));
    assert!(found.upload.is_some() && found.download.is_some());
    let left = heirloom::name::Folder::Tmp;
    assert_eq!(crate::contract::list(store, left).0.len(), 0);
    #[expect(clippy::print_stdout, reason = "the figures are what one looks at")]
    let () = println!("{}: {found:?}", store.location());
    found
}

fn honest(store: &dyn Store) {
    let found = tried(store);
    assert!(found.put_if_absent && found.rounds > 0, "{found:?}");
}

fn caught(store: &dyn Store) {
    let found = tried(store);
    assert!(!found.put_if_absent, "{found:?}");
    conforms_but_for_slots(store);
}

fn sftp(host: &str, path: &str) -> Arc<dyn Store> {
    let (address, settings) = parse(&format!("sftp://{host}{path}")).unwrap();
    open(&address, &settings, &access()).unwrap()
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn honest_servers_pass() {
    let folder = tempfile::tempdir().unwrap();
    honest(&FolderStore::create(folder.path(), "0a1b").unwrap());
    let place = servers().join("sftp").join(unique());
    honest(&*sftp("sftpci", place.to_str().unwrap()));
    honest(&*s3(28333, "plain", &unique(), access()));
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_bucket_that_keeps_every_version_passes() {
    honest(&*s3(28333, "locked", &unique(), access()));
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn who_cannot_decide_says_so() {
    let found = tried(&*dav(28430, &unique(), access()));
    assert_eq!(
        (found.put_if_absent, found.against, found.rounds),
        (false, None, 0)
    );
    let folder = tempfile::tempdir().unwrap();
    let text = format!("rclone::local:{}", folder.path().display());
    let (address, settings) = parse(&text).unwrap();
    caught(&*open(&address, &settings, &access()).unwrap());
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn liars_are_caught_and_keep_whole_objects() {
    caught(&*sftp("sftpliar", &format!("/{}", unique())));
    caught(&*dav(28402, &unique(), access()));
    caught(&*s3(28401, "bucket", &unique(), access()));
}
