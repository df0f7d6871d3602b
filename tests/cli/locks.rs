//! A bucket that is never asked to delete, and one that does not let go.

use crate::contract::list;
use crate::liar::{Liar, Lie};
use crate::util::{Ran, TestEnv};
use crate::world::{assert_same, noise};
use heirloom::cli::host::RealHost;
use heirloom::name::Folder;
use heirloom::store::access::{Access, Limits};
use heirloom::store::address::parse;
use heirloom::store::open::open;
use heirloom::store::{Payload, Store};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

const CONFIG: &str = ".config/heirloom/heirloom.toml";

/// A repository in a folder, called `first`, and a bucket, called `cloud`.
struct World {
    env: TestEnv,
    liar: Liar,
}

impl World {
    /// The bucket is added with these flags.
    fn new(flags: &[&str]) -> Self {
        let mut env = TestEnv::new();
        env.write("d/large", &noise(0, 300_000));
        env.run(["backup", "--init", "d", "--name", "d"]).expect(0);
        env.set("AWS_ACCESS_KEY_ID", "ciaccess");
        env.set("AWS_SECRET_ACCESS_KEY", "cisecretcisecret");
        let world = Self {
            env,
            liar: Liar::new(),
        };
        let location = world.location();
        let add = [&["mirror", "add", "cloud", &location][..], flags].concat();
        world.run(&add, 0);
        world.configure("[retention]\ngrace = \"0s\"\n");
        world
    }

    fn location(&self) -> String {
        format!(
            "s3://box/a?endpoint=http://127.0.0.1:{}",
            self.liar.server.port
        )
    }

    fn configuration(&self) -> String {
        fs::read_to_string(self.env.path(CONFIG)).unwrap()
    }

    fn configure(&self, more: &str) {
        let text = format!("{}\n{more}", self.configuration());
        self.env.write(CONFIG, text.as_bytes());
    }

    fn change(&self, number: u64) {
        self.env.write("d/large", &noise(number, 300_000));
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> Ran {
        self.env.run(arguments.iter().copied()).expect(code)
    }

    /// So many snapshots of which two stay.
    fn fill(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.change(number);
            let ran = self.run(&["backup", "d", "--name", "d"], 0);
            assert_eq!(ran.stderr, "");
        }
        let forget = ["forget", "-s", "d", "-l", "2", "--below-min-good"];
        self.run(&forget, 0);
    }

    /// Deletes on the wire.
    fn deletes(&self) -> Vec<String> {
        let asked = self.liar.server.asked().into_iter();
        let deletes = asked.filter(|asked| asked.method == "DELETE");
        deletes.map(|asked| asked.path).collect()
    }

    /// The bucket, past the program.
    fn store(&self) -> Arc<dyn Store> {
        let mut access = Access::new(Arc::new(RealHost::new()), "0a1b2c3d", Limits::default());
        access.secret = Some(Arc::new(|| {
            Ok(vec!["ciaccess".to_owned(), "cisecret".to_owned()])
        }));
        let (address, settings) = parse(&self.location()).unwrap();
        open(&address, &settings, &access).unwrap()
    }

    fn count(&self, folder: Folder) -> usize {
        list(&*self.store(), folder).0.len()
    }

    /// Somebody replaces the bytes of every pack.
    fn overwrite(&self) {
        let store = self.store();
        for pack in list(&*store, Folder::Packs).0.into_keys() {
            let mut bytes = store.get(&pack, 64 << 20).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            store.put(&pack, &Payload::new(bytes)).unwrap();
        }
    }

    #[track_caller]
    fn assert_restores(&self) {
        let latest = format!("latest:{}", self.env.text("d"));
        for mirror in ["first", "cloud"] {
            let to = format!("back-{mirror}");
            drop(fs::remove_dir_all(self.env.path(&to)));
            self.run(&["-M", mirror, "restore", &latest, "-t", &to], 0);
            assert_same(&self.env.path("d"), &self.env.path(&to));
        }
        self.run(&["verify"], 0);
    }
}

#[test]
fn an_append_only_mirror_is_never_asked_to_delete() {
    let world = World::new(&["--append-only"]);
    assert!(world.configuration().contains("append_only = true"));
    world.fill(1..5);
    let ran = world.run(&["prune"], 0);
    assert!(ran.stdout.contains("cloud  skipped (append_only)"), "{ran}");
    assert!(ran.stdout.contains("first  "), "{ran}");
    world.run(&["mirror", "sync"], 0);
    world.fill(5..6);
    world.run(&["-M", "cloud", "backup", "d", "--name", "d"], 0);
    world.run(&["mirror", "sync"], 0);
    world.run(&["prune"], 0);
    world.assert_restores();
    world.overwrite();
    world.run(&["verify", "-M", "cloud"], 5);
    world.run(&["heal"], 0);
    world.assert_restores();
    let tested = world.run(&["mirror", "test", "cloud"], 0);
    assert!(tested.stdout.contains("delete not tried"), "{tested}");
    let listed = world.run(&["mirror", "list"], 0);
    assert!(listed.stdout.contains("append_only"), "{listed}");
    let file = world.env.text("second.key");
    world.run(
        &["key", "add", "--new-key-file", &file, "--label", "cron"],
        0,
    );
    let slots = world.run(&["key", "list"], 0);
    let cron = slots.stdout.lines().find(|line| line.contains("cron"));
    let removed = world.run(&["key", "remove", &cron.unwrap()[..8]], 4);
    assert!(
        removed.stderr.contains("cloud still opens with it"),
        "{removed}"
    );
    let synced = world.run(&["mirror", "sync"], 4);
    let told = "cloud still opens with 1 removed key slot";
    assert!(synced.stdout.contains(told), "{synced}");
    world.run(&["backup", "d", "--name", "d"], 0);
    assert_eq!(world.deletes(), Vec::<String>::new());
    // Named it is refused, by its address too.
    let location = world.location();
    for named in [["-M", "cloud"], ["-r", &location]] {
        let ran = world.run(&[&named[..], &["prune"]].concat(), 16);
        assert!(ran.stderr.contains("is append_only"), "{ran}");
        assert!(ran.stderr.contains("without append_only"), "{ran}");
        world.run(&[&named[..], &["prune", "-n"]].concat(), 0);
    }
    assert_eq!(world.deletes(), Vec::<String>::new());
    another_machine_prunes(&world);
}

/// One whose heirloom.toml has the bucket without append_only.
fn another_machine_prunes(world: &World) {
    let intents = world.count(Folder::Intents);
    let packs = world.count(Folder::Packs);
    assert!(intents > 4);
    let text = world.configuration();
    let other = text.replace("append_only = true\n", "");
    let other = world.env.write("other.toml", other.as_bytes());
    let config = ["--config", other.to_str().unwrap()];
    let ran = world.run(&[&config[..], &["prune"]].concat(), 0);
    assert!(!ran.stdout.contains("skipped"), "{ran}");
    assert_eq!(world.count(Folder::Intents), 0);
    assert!(world.count(Folder::Packs) < packs, "{ran}");
    assert_ne!(world.deletes(), Vec::<String>::new());
    world.run(&[&config[..], &["mirror", "sync"]].concat(), 0);
    // And this device goes on.
    let deletes = world.deletes();
    world.change(9);
    world.run(&["backup", "d", "--name", "d"], 0);
    world.run(&["mirror", "sync"], 0);
    world.assert_restores();
    assert_eq!(world.deletes(), deletes);
}

#[test]
fn o1_a_refused_delete_is_deferred_and_tried_again() {
    let world = World::new(&[]);
    world.fill(1..5);
    world.liar.lie(Lie::Keeps);
    let packs = world.count(Folder::Packs);
    let ran = world.run(&["prune", "--json"], 0);
    let events = ran.events();
    let deferred = |mirror: &str| {
        let of = |event: &&serde_json::Value| event["mirror"] == mirror && event["deferred"] != 0;
        events
            .iter()
            .any(|event| of(&event) && event["event"] == "pruned")
    };
    assert!(deferred("cloud") && !deferred("first"), "{ran}");
    assert!(world.count(Folder::Packs) >= packs, "{ran}");
    world.assert_restores();
    // Nothing of it stands in the way of those that come after.
    world.fill(5..7);
    let synced = world.run(&["mirror", "sync"], 0);
    assert_eq!(synced.stderr, "");
    let tried = world.deletes().len();
    let ran = world.run(&["prune"], 0);
    assert!(
        ran.stdout.contains("a later heirloom prune tries again"),
        "{ran}"
    );
    assert!(world.deletes().len() > tried, "{ran}");
    world.assert_restores();
    let kept = world.count(Folder::Packs);
    world.liar.lie(Lie::None);
    let ran = world.run(&["prune"], 0);
    assert!(!ran.stdout.contains("tries again"), "{ran}");
    assert!(world.count(Folder::Packs) < kept, "{ran}");
    world.run(&["mirror", "sync"], 0);
    world.fill(7..9);
    world.run(&["prune"], 0);
    world.assert_restores();
    no_name_is_used_twice(&world);
}

/// Where every version is kept, a create after a delete would succeed: no name is put after it was deleted.
#[track_caller]
fn no_name_is_used_twice(world: &World) {
    let mut gone = BTreeSet::new();
    for asked in world.liar.server.asked() {
        match asked.method.as_str() {
            "DELETE" => drop(gone.insert(asked.path)),
            "PUT" => assert!(!gone.contains(&asked.path), "{} again", asked.path),
            _ => {}
        }
    }
    assert!(gone.iter().any(|path| path.contains("/packs/")));
}

#[test]
fn o2_what_was_overwritten_is_found_and_healed() {
    let world = World::new(&[]);
    world.fill(1..4);
    world.overwrite();
    let found = world.run(&["-M", "cloud", "verify"], 5);
    assert!(
        found.stdout.contains("pack") || found.stderr.contains("pack"),
        "{found}"
    );
    // Alone it cannot be mended.
    let alone = world.run(&["-M", "cloud", "heal", "-n"], 5);
    assert!(alone.stdout.contains("could not be healed"), "{alone}");
    world.run(&["heal"], 0);
    world.assert_restores();
}

#[test]
fn every_object_is_put_under_the_lock_that_was_asked_for() {
    let world = World::new(&[]);
    let text = world.configuration();
    let text = text.replace(
        "[mirror.cloud]\n",
        "[mirror.cloud]\nobject_lock = \"30d\"\n",
    );
    world.env.write(CONFIG, text.as_bytes());
    let before = world.liar.server.asked().len();
    world.fill(1..4);
    world.run(&["mirror", "test", "cloud"], 0);
    let ran = world.run(&["prune"], 0);
    let told = "the bucket keeps what was deleted until its lock ends";
    assert!(ran.stdout.contains(told), "{ran}");
    let mut locked = 0;
    for asked in &world.liar.server.asked()[before..] {
        let wanted = asked.method == "PUT" && !asked.path.contains("/tmp/");
        let mode = asked.has("x-amz-object-lock-mode: COMPLIANCE");
        let date = asked.has("x-amz-object-lock-retain-until-date: 2");
        let what = format!("{} {}", asked.method, asked.path);
        assert_eq!((mode, date), (wanted, wanted), "{what}");
        let signed = |line: &String| {
            line.starts_with("authorization") && line.contains(";x-amz-object-lock-mode;")
        };
        if wanted {
            assert!(asked.headers.iter().any(signed), "{what}");
            locked += 1;
        }
    }
    assert!(locked > 10, "{locked}");
    world.assert_restores();
}

#[test]
fn a_lock_that_cannot_be_is_a_mistake_in_the_configuration() {
    let env = TestEnv::with_repository();
    for (location, lock, why) in [
        ("~/folder", "30d", "cannot lock objects"),
        ("gs://box/a", "30d", "cannot lock objects"),
        ("sftp://nas/a", "30d", "cannot lock objects"),
        ("s3://box/a", "soon", "is not like 30d"),
        ("s3://box/a", "0d", "no time at all"),
    ] {
        let table = format!("[mirror.x]\nlocation = {location:?}\nobject_lock = {lock:?}\n");
        env.write(CONFIG, table.as_bytes());
        let ran = env.run(["mirror", "list"]).expect(2);
        assert!(ran.stderr.contains("[mirror.x] object_lock"), "{ran}");
        assert!(ran.stderr.contains(why), "{ran}");
    }
}
