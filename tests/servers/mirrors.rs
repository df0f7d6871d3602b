//! One repository on every kind of mirror at once, by the program itself against real servers.

use crate::contract::{MAX, list};
use crate::proxy::{Action, Proxy};
use crate::servers::{access, dav, s3, servers, unique};
use crate::util::{Ran, TestEnv};
use crate::world::{assert_same, noise};
use heirloom::name::{Folder, Name};
use heirloom::store::address::parse;
use heirloom::store::open::open;
use heirloom::store::{Payload, Store};
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

/// Every mirror of the world below, the first one first.
const ALL: [&str; 6] = ["first", "cloud", "dav", "nas", "s3", "second"];
const FAR: [&str; 4] = ["cloud", "dav", "nas", "s3"];
/// What no server may find on its disk, with the name of the source.
const CLEAR: [&str; 4] = [
    "zebra-diary",
    "quokka-letters.txt",
    "wombats in the attic sing at noon",
    "kept-by-marguerite",
];

/// A source, its repository in a folder, and a place of its own on every server.
struct World {
    env: TestEnv,
    place: String,
}

impl World {
    /// With the repository on its first mirror alone.
    fn new() -> Self {
        let mut env = TestEnv::new();
        env.set("AWS_ACCESS_KEY_ID", "ciaccess");
        env.set("AWS_SECRET_ACCESS_KEY", "cisecretcisecret");
        let place = format!("mirrors-{}", unique());
        let world = Self { env, place };
        world.change(1);
        let first = world.env.text("first");
        world.run(&["-r", &first, "backup", "--init", "zebra-diary"], 0);
        world
    }

    /// With the repository on all of them.
    fn everywhere() -> Self {
        let world = Self::new();
        let (first, second) = (world.env.text("first"), world.env.text("second"));
        world.run(&["-r", &first, "mirror", "add", "second", &second], 0);
        let s3 = world.at_s3(28333);
        world.run(&["mirror", "add", "s3", &s3], 0);
        world.configure(&world.nas("ssh_config"));
        world.configure(&world.dav(28430, "secret"));
        let rclone = servers().join("rclone");
        world.configure(&format!(
            "[mirror.cloud]\nlocation = \"rclone::local:{}\"\nrclone_command = [{rclone:?}, \"--config\", \"/dev/null\"]\n",
            world.env.text("cloud")
        ));
        for name in ["nas", "dav", "cloud"] {
            world.run(&["mirror", "add", name], 0);
        }
        world
    }

    /// The source as it is in that year.
    fn change(&self, year: u64) {
        let letters = format!("{} in {year}\n", CLEAR[2]).repeat(400);
        self.env
            .write("zebra-diary/quokka-letters.txt", letters.as_bytes());
        let file = format!("zebra-diary/kept-by-marguerite/{year}");
        self.env.write(&file, &noise(year, 700_000));
    }

    fn at_s3(&self, port: u16) -> String {
        let place = &self.place;
        format!("s3://plain/{place}?endpoint=http://127.0.0.1:{port}")
    }

    fn dav(&self, port: u16, password: &str) -> String {
        let place = &self.place;
        format!(
            "[mirror.dav]\nlocation = \"webdav://ci@127.0.0.1:{port}/{place}\"\npassword_command = [\"echo\", {password:?}]\n"
        )
    }

    fn nas(&self, config: &str) -> String {
        let (place, config) = (servers().join("sftp"), servers().join(config));
        let place = place.join(&self.place);
        format!(
            "[mirror.nas]\nlocation = \"sftp://sftpci{}\"\nssh_command = [\"ssh\", \"-F\", {config:?}]\n",
            place.display()
        )
    }

    fn configuration(&self) -> String {
        fs::read_to_string(self.env.path(".config/heirloom/heirloom.toml")).unwrap()
    }

    /// Writes more into heirloom.toml.
    fn configure(&self, more: &str) {
        let text = format!("{}\n{more}", self.configuration());
        self.env
            .write(".config/heirloom/heirloom.toml", text.as_bytes());
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> Ran {
        self.env.run(arguments.iter().copied()).expect(code)
    }

    /// A mirror, past the program and past every proxy.
    fn store(&self, name: &str) -> Arc<dyn Store> {
        let place = &self.place;
        let text = match name {
            "s3" => return s3(28333, "plain", place, access()),
            "dav" => return dav(28430, place, access()),
            "nas" => format!("sftp://sftpci{}/sftp/{place}", servers().display()),
            "cloud" => format!("rclone::local:{}", self.env.text("cloud")),
            folder => self.env.text(folder),
        };
        let (address, settings) = parse(&text).unwrap();
        open(&address, &settings, &access()).unwrap()
    }

    /// Restores the newest snapshot and compares it with the source.
    fn assert_restores(&self, flags: &[&str], to: &str) {
        let latest = format!("latest:{}", self.env.text("zebra-diary"));
        let arguments = [flags, &["restore", &latest, "-t", to]].concat();
        let ran = self.run(&arguments, 0);
        assert_eq!(ran.stderr, "");
        assert_same(&self.env.path("zebra-diary"), &self.env.path(to));
    }
}

/// Packs, index runs and entries with the hash of each.
fn objects(store: &dyn Store) -> BTreeMap<Name, String> {
    let mut found = BTreeMap::new();
    for folder in [Folder::Packs, Folder::Index, Folder::Entries] {
        for name in list(store, folder).0.into_keys() {
            let bytes = store.get(&name, MAX).unwrap();
            let hash = blake3::hash(&bytes).to_hex().to_string();
            assert_eq!(hash, name.leaf(), "{}", name.path());
            found.insert(name, hash);
        }
    }
    found
}

#[track_caller]
fn assert_equal(world: &World, names: &[&str]) {
    let first = objects(&*world.store("first"));
    assert!(first.len() >= 4);
    for name in names {
        assert!(objects(&*world.store(name)) == first, "{name}");
    }
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn one_run_serves_every_kind_of_mirror() {
    let world = World::everywhere();
    world.change(2);
    let ran = world.run(&["backup", "zebra-diary"], 0);
    assert_eq!(ran.stderr, "");
    let states: Vec<_> = ran
        .stdout
        .lines()
        .filter(|line| line.contains("first current"))
        .collect();
    let [states] = &states[..] else {
        panic!("{ran}");
    };
    for name in ALL {
        assert!(states.contains(&format!("{name} current")), "{states}");
    }
    let listed = world.run(&["mirror", "list"], 0);
    for name in ALL {
        assert!(
            listed.stdout.contains(&format!("\n{name}  current  ")) || name == "first",
            "{listed}"
        );
    }
    assert_equal(&world, &ALL);
    world.run(&["verify"], 0);
    // Each of them is enough, for somebody who has kept nothing but the key.
    for name in FAR {
        let cache = world.env.text(&format!("cache-{name}"));
        let to = format!("back-{name}");
        world.assert_restores(&["-M", name, "--cache-dir", &cache], &to);
    }
    let limits = ["--limit-upload", "4MiB", "--limit-download", "4MiB"];
    world.change(3);
    world.run(&[&limits[..], &["backup", "zebra-diary"]].concat(), 0);
    world.assert_restores(&[&limits[..], &["-M", "s3"]].concat(), "back-slowly");
    assert_equal(&world, &ALL);
    nothing_is_in_clear(&world);
}

/// On the disks of all servers, in bytes and in names.
fn nothing_is_in_clear(world: &World) {
    let device = world.env.text("");
    let known = [&CLEAR[..], &[device.trim_end_matches('/')]].concat();
    let control = format!("a letter to {}", world.place);
    for name in ["s3", "nas", "dav", "cloud", "second"] {
        let name_there = Name::new(Folder::Tmp, "0a1b2c3d-0123456789abcdef").unwrap();
        let letter = Payload::new(control.clone().into_bytes());
        world.store(name).put(&name_there, &letter).unwrap();
    }
    let folders = [
        servers().join("weed"),
        servers().join("sftp").join(&world.place),
        servers().join("dav").join(&world.place),
        world.env.path("cloud"),
        world.env.path("second"),
    ];
    for folder in folders {
        let holding = |words: &[&str]| {
            let words = words.iter().flat_map(|word| ["-e", word]);
            let mut grep = Command::new("grep");
            grep.args(["-rlaF", "--devices=skip"]).args(words);
            String::from_utf8(grep.arg(&folder).output().unwrap().stdout).unwrap()
        };
        assert_eq!(holding(&known), "");
        // What does stand there in clear is found in this way.
        assert_ne!(holding(&[&control]), "", "{}", folder.display());
        let names = Command::new("find").arg(&folder).output().unwrap().stdout;
        let names = String::from_utf8_lossy(&names);
        assert!(names.lines().count() > 4, "{names}");
        let below = names.replace(&device, "");
        assert!(!known.iter().any(|word| below.contains(word)), "{below}");
    }
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn servers_that_vanish_in_mid_run_fall_behind_alone_and_catch_up() {
    let world = World::everywhere();
    let (bucket, dav) = (Proxy::http(28333), Proxy::http(28430));
    // From here on two servers are reached through proxies, and nobody waits long for them.
    let text = world.configuration();
    let text = text.replace(
        "127.0.0.1:28333\"",
        &format!("127.0.0.1:{}\"\npatience = \"2s\"", bucket.port()),
    );
    let text = text.replace("127.0.0.1:28430", &format!("127.0.0.1:{}", dav.port()));
    let text = text.replace("password_command", "patience = \"2s\"\npassword_command");
    world
        .env
        .write(".config/heirloom/heirloom.toml", text.as_bytes());
    world.run(&["mirror", "list"], 0);
    world.change(2);
    let vanishing = [&bucket, &dav];
    for proxy in vanishing {
        proxy.rule("PUT", "/packs/", u32::MAX, Action::Stall);
        proxy.rule("PUT", "/tmp/", u32::MAX, Action::Stall);
    }
    let mut command = world.env.command(["backup", "zebra-diary"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    for proxy in vanishing {
        while proxy.hits() == 0 {
            sleep(Duration::from_millis(5));
        }
        proxy.down();
    }
    let ran = world.env.ran(child.unwrap().wait_with_output().unwrap());
    let ran = ran.expect(4);
    for name in ["first", "second", "cloud", "nas"] {
        assert!(ran.stdout.contains(&format!("{name} current")), "{ran}");
    }
    for name in ["dav", "s3"] {
        assert!(ran.stdout.contains(&format!("{name} behind (")), "{ran}");
    }
    assert_equal(&world, &["second", "cloud", "nas"]);
    let listed = world.run(&["mirror", "list"], 4);
    assert!(
        listed.stdout.contains("next: heirloom mirror sync dav s3"),
        "{listed}"
    );
    // A run without them is a run all the same.
    world.assert_restores(&[], "back");
    for proxy in vanishing {
        proxy.clear();
        proxy.up();
    }
    let synced = world.run(&["mirror", "sync"], 0);
    for name in ["dav", "s3"] {
        assert!(
            synced.stdout.contains(&format!("{name} is current after")),
            "{synced}"
        );
    }
    assert_equal(&world, &ALL);
    world.run(&["mirror", "list"], 0);
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn three_mirrors_of_which_none_is_whole_are_whole_together() {
    let world = World::everywhere();
    for year in 2..6 {
        world.change(year);
        world.run(&["backup", "zebra-diary"], 0);
    }
    let hurt = ["nas", "dav", "s3"];
    let stores = hurt.map(|name| world.store(name));
    let chance = noise(7, 1000);
    let mut deleted = [0; 3];
    for (name, chance) in objects(&*stores[0]).into_keys().zip(chance) {
        let good = usize::from(chance) % 3;
        for (at, store) in stores.iter().enumerate().filter(|(at, _)| *at != good) {
            if (usize::from(chance >> 4) + at) % 2 == 0 {
                store.delete(&name).unwrap();
                deleted[at] += 1;
                continue;
            }
            let mut bytes = store.get(&name, MAX).unwrap();
            let middle = bytes.len() * usize::from(chance) / 256;
            bytes[middle] ^= 4;
            store.put(&name, &Payload::new(bytes)).unwrap();
        }
    }
    assert!(deleted.iter().all(|number| *number > 0), "{deleted:?}");
    let cache = world.env.text("empty");
    let flags = ["-M", "nas", "-M", "dav", "-M", "s3", "--cache-dir", &cache];
    world.assert_restores(&flags, "back");
}

/// What is wrong with a mirror, and what is said of it.
struct Wrong {
    table: String,
    code: i32,
    what: &'static str,
    hint: &'static str,
}

/// Every way in which a mirror is not to be had that a person can mend.
fn wrongs(world: &World, page: u16) -> Vec<Wrong> {
    let unknown = fs::read_to_string(servers().join("ssh_config")).unwrap();
    let known = servers().join("known_hosts");
    let unknown = unknown.replace(known.to_str().unwrap(), "/dev/null");
    let unknown = world.env.write("unknown", unknown.as_bytes());
    let s3 = world.at_s3(28333);
    let other = servers()
        .join("sftp")
        .join(format!("{}-other", world.place));
    let text = world.env.text("other");
    world.run(&["-r", &text, "backup", "--init", "zebra-diary"], 0);
    let copied = Command::new("cp").arg("-a").arg(text).arg(&other).status();
    assert!(copied.unwrap().success());
    let wrong = |table: String, code, what, hint| Wrong {
        table,
        code,
        what,
        hint,
    };
    vec![
        wrong(
            format!(
                "location = {s3:?}\ncredentials_command = [\"printf\", \"ciaccess\\\\nwrong\\\\n\"]\n"
            ),
            13,
            "the server refused the credentials",
            "check the account and its rights",
        ),
        wrong(
            format!("location = {:?}\n", s3.replace("plain", "nosuch")),
            10,
            "there is no such bucket",
            "check the location",
        ),
        wrong(
            format!("location = {:?}\n", s3.replace("mirrors-", "empty-")),
            10,
            "",
            "check the location",
        ),
        wrong(
            world
                .nas("ssh_config")
                .replace(&world.place, &format!("{}-other", world.place)),
            16,
            "holds repository ",
            "perhaps it is another disk",
        ),
        wrong(
            world.dav(28430, "wrong"),
            13,
            "the server refused the credentials (401)",
            "check the account and its rights",
        ),
        wrong(world.dav(page, "secret"), 13, "web page", "log"),
        wrong(
            world.nas(unknown.to_str().unwrap()),
            13,
            "Host key verification failed",
            "type `ssh sftpci` once",
        ),
        wrong(
            format!("location = {:?}\n", world.at_s3(9)),
            13,
            "Connection refused",
            "",
        ),
    ]
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn a_mirror_that_cannot_be_had_is_named_and_costs_the_others_nothing() {
    let world = World::new();
    let proxy = Proxy::http(28430);
    proxy.rule("*", "", u32::MAX, Action::Html);
    let first = world.env.text("first");
    let made = world.run(&["-r", &first, "--json", "snapshots"], 0);
    let repository = made.events()[0]["repository"].clone();
    for wrong in wrongs(&world, proxy.port()) {
        let table: Vec<_> = wrong
            .table
            .lines()
            .filter(|line| !line.starts_with('['))
            .collect();
        let text = format!(
            "repository = {repository}\n[mirror.first]\nlocation = {first:?}\n[mirror.bad]\npatience = \"1s\"\n{}\n",
            table.join("\n")
        );
        world
            .env
            .write(".config/heirloom/heirloom.toml", text.as_bytes());
        let alone = world.run(&["-M", "bad", "snapshots"], wrong.code);
        assert!(alone.stderr.contains(wrong.what), "{alone}");
        assert!(alone.stderr.contains(wrong.hint), "{alone}");
        let ran = world.run(&["backup", "zebra-diary"], 4);
        assert!(
            ran.stdout.contains("first current      bad behind ("),
            "{ran}"
        );
        assert!(ran.stdout.contains(wrong.what), "{ran}");
        let listed = world.run(&["mirror", "list"], 4);
        assert!(
            listed.stdout.contains("next: heirloom mirror sync bad"),
            "{listed}"
        );
        let synced = world.run(&["mirror", "sync"], 4);
        assert!(synced.stdout.contains("first is current"), "{synced}");
        assert!(synced.stderr.contains(wrong.what), "{synced}");
    }
}
