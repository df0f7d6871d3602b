//! Object Lock as a real server keeps it: what was deleted is hidden and stays.

use crate::contract::list;
use crate::servers::{access, s3, unique};
use crate::util::{Ran, TestEnv};
use crate::world::{assert_same, noise};
use heirloom::name::Folder;
use heirloom::store::{Payload, Store};
use std::fs;
use std::process::Command;
use std::sync::Arc;

const CONFIG: &str = ".config/heirloom/heirloom.toml";

/// A repository in a folder and in a bucket that keeps each object for a day.
struct World {
    env: TestEnv,
    place: String,
}

impl World {
    fn new() -> Self {
        let mut env = TestEnv::new();
        env.set("AWS_ACCESS_KEY_ID", "ciaccess");
        env.set("AWS_SECRET_ACCESS_KEY", "cisecretcisecret");
        let place = format!("locks-{}", unique());
        let world = Self { env, place };
        world.env.write("d/large", &noise(1, 300_000));
        let first = world.env.text("first");
        world.run(&["-r", &first, "backup", "--init", "d", "--name", "d"], 0);
        let table = format!(
            "[mirror.first]\nlocation = {first:?}\n[mirror.safe]\nlocation = \"s3://locked/{}?endpoint=http://127.0.0.1:28333\"\nobject_lock = \"1d\"\n[retention]\ngrace = \"0s\"\n",
            world.place
        );
        world.env.write(CONFIG, table.as_bytes());
        world.run(&["-M", "first", "mirror", "add", "safe"], 0);
        world
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> Ran {
        self.env.run(arguments.iter().copied()).expect(code)
    }

    fn backup(&self, number: u64) {
        self.env.write("d/large", &noise(number, 300_000));
        let ran = self.run(&["backup", "d", "--name", "d"], 0);
        assert_eq!(ran.stderr, "");
    }

    fn store(&self) -> Arc<dyn Store> {
        s3(28333, "locked", &self.place, access())
    }

    #[track_caller]
    fn assert_restores(&self) {
        let latest = format!("latest:{}", self.env.text("d"));
        drop(fs::remove_dir_all(self.env.path("back")));
        let cache = self.env.text("empty");
        let flags = ["-M", "safe", "--cache-dir", &cache];
        self.run(
            &[&flags[..], &["restore", &latest, "-t", "back"]].concat(),
            0,
        );
        assert_same(&self.env.path("d"), &self.env.path("back"));
    }

    /// Keys and versions below `folder`, hidden ones too, and whether each is a version and no delete marker.
    fn versions(&self, folder: &str) -> Vec<(String, String, bool)> {
        let place = &self.place;
        // In the order, and in the writing, in which it is signed.
        let query = format!("?max-keys=1000&prefix={place}%2F{folder}%2F&versions=");
        let (status, text) = curl(&[], &query);
        assert_eq!(status, "200", "{text}");
        let part = |text: &str, tag: &str| {
            let rest = text.split_once(&format!("<{tag}>"))?.1;
            Some(rest.split_once(&format!("</{tag}>"))?.0.to_owned())
        };
        let mut found = Vec::new();
        for (tag, is_version) in [("Version", true), ("DeleteMarker", false)] {
            for item in text.split(&format!("<{tag}>")).skip(1) {
                let key = part(item, "Key").unwrap();
                found.push((key, part(item, "VersionId").unwrap(), is_version));
            }
        }
        found
    }
}

/// Asks the bucket, signed; the status and the body.
fn curl(flags: &[&str], path: &str) -> (String, String) {
    let slash = if path.starts_with('?') { "" } else { "/" };
    let url = format!("http://127.0.0.1:28333/locked{slash}{path}");
    let mut curl = Command::new("curl");
    curl.args([
        "-s",
        "-w",
        "\n%{http_code}",
        "--aws-sigv4",
        "aws:amz:us-east-1:s3",
    ]);
    curl.args(["--user", "ciaccess:cisecretcisecret"])
        .args(flags);
    let output = curl.arg(url).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn o1_what_a_prune_deletes_under_a_lock_is_hidden_and_stays() {
    let world = World::new();
    for number in 2..5 {
        world.backup(number);
    }
    let before = world.versions("packs");
    let listed = list(&*world.store(), Folder::Packs).0.len();
    assert_eq!(before.len(), listed);
    let forget = ["forget", "-s", "d", "-l", "2", "--below-min-good"];
    world.run(&forget, 0);
    let ran = world.run(&["prune"], 0);
    let told = "the bucket keeps what was deleted until its lock ends";
    assert!(ran.stdout.contains(told), "{ran}");
    assert!(list(&*world.store(), Folder::Packs).0.len() < listed);
    let after = world.versions("packs");
    for version in &before {
        assert!(after.contains(version), "{version:?} is gone");
    }
    assert!(
        after.iter().any(|(.., is_version)| !is_version),
        "{after:?}"
    );
    let (key, id, _) = &before[0];
    let (status, body) = curl(&[], &format!("{key}?retention=&versionId={id}"));
    assert!(
        status == "200" && body.contains("COMPLIANCE"),
        "{status} {body}"
    );
    let (status, body) = curl(&["-X", "DELETE"], &format!("{key}?versionId={id}"));
    assert_eq!(status, "403", "{body}");
    world.run(&["verify"], 0);
    world.assert_restores();
    // No name came twice: of each there is one version.
    for folder in ["packs", "index", "entries", "commits", "marks"] {
        let mut keys: Vec<_> = world.versions(folder);
        keys.retain(|(.., is_version)| *is_version);
        let all = keys.len();
        keys.dedup_by(|a, b| a.0 == b.0);
        assert_eq!(keys.len(), all, "{folder}");
    }
    world.run(&["prune"], 0);
    world.backup(5);
    world.assert_restores();
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn o2_an_overwrite_makes_a_version_and_is_found_and_healed() {
    let world = World::new();
    world.backup(2);
    let store = world.store();
    let (pack, _) = list(&*store, Folder::Packs).0.into_iter().next().unwrap();
    let good = store.get(&pack, 64 << 20).unwrap();
    let mut bytes = good.clone();
    bytes[5000] ^= 1;
    store.put(&pack, &Payload::new(bytes)).unwrap();
    let of_it = |world: &World| {
        let all = world.versions("packs").into_iter();
        all.filter(|(key, ..)| key.ends_with(pack.leaf())).count()
    };
    assert_eq!(of_it(&world), 2);
    world.run(&["-M", "safe", "verify"], 5);
    world.run(&["heal"], 0);
    assert!(store.get(&pack, 64 << 20).unwrap() == good);
    assert_eq!(of_it(&world), 3);
    world.run(&["verify"], 0);
    world.assert_restores();
}
