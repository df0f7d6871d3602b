//! A bucket that lies, or cannot be had, as a person meets it: code, words and next step, and no harm to the mirror
//! beside it.

use crate::liar::{Liar, Lie};
use crate::util::{Ran, TestEnv};
use crate::world::noise;

/// A repository in a folder, called `first`, and a bucket, called `cloud`, with one snapshot on both.
struct World {
    env: TestEnv,
    liar: Liar,
}

impl World {
    fn new() -> Self {
        let mut env = TestEnv::with_repository();
        env.set("AWS_ACCESS_KEY_ID", "ciaccess");
        env.set("AWS_SECRET_ACCESS_KEY", "cisecretcisecret");
        let liar = Liar::new();
        let location = format!("s3://box/a?endpoint=http://127.0.0.1:{}", liar.server.port);
        env.run(["mirror", "add", "cloud", &location]).expect(0);
        let world = Self { env, liar };
        world.change(1);
        world.run(&["backup", "d"], 0);
        world
    }

    fn change(&self, number: u64) {
        self.env
            .write(&format!("d/{number}"), &noise(number, 20_000));
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> Ran {
        self.env.run(arguments.iter().copied()).expect(code)
    }
}

#[test]
fn what_a_bucket_says_is_passed_on_in_words() {
    let world = World::new();
    let lies = [
        (
            Lie::Skewed,
            13,
            "the clocks of this device and of the server differ too much (403 RequestTimeTooSkewed)",
            "days ahead of the server's: set it right",
        ),
        (
            Lie::Page,
            13,
            "a web page came instead of an answer",
            "open a browser and log in to this network",
        ),
        (
            Lie::NoBucket,
            10,
            "there is no such bucket (404 NoSuchBucket)",
            "check the location",
        ),
        (
            Lie::Refuses,
            13,
            "the server refused the credentials (403 SignatureDoesNotMatch)",
            "check the account and its rights",
        ),
    ];
    for (number, (lie, code, what, hint)) in (2..).zip(lies) {
        world.liar.lie(lie);
        for arguments in [
            &["-M", "cloud", "snapshots"][..],
            &["mirror", "test", "cloud"],
        ] {
            let alone = world.run(arguments, code);
            assert!(alone.stderr.contains(what), "{lie:?} {alone}");
            assert!(alone.stderr.contains(hint), "{lie:?} {alone}");
            assert!(alone.stderr.contains("s3://box/a"), "{lie:?} {alone}");
        }
        if code == 13 {
            let alone = world.run(&["-M", "cloud", "snapshots"], code);
            let begin = "heirloom: cloud: read mirror from s3://box/a: ";
            assert!(alone.stderr.starts_with(begin), "{lie:?} {alone}");
        }
        world.change(number);
        let ran = world.run(&["backup", "d"], 4);
        let state = "first current      cloud behind (";
        assert!(ran.stdout.contains(state), "{lie:?} {ran}");
        assert!(ran.stdout.contains(what), "{lie:?} {ran}");
        let synced = world.run(&["mirror", "sync"], 4);
        assert!(synced.stderr.contains("! cloud: "), "{lie:?} {synced}");
        assert!(synced.stderr.contains(hint), "{lie:?} {synced}");
        world.run(&["-M", "first", "verify"], 0);
    }
    world.liar.lie(Lie::None);
    world.run(&["mirror", "sync"], 0);
    world.run(&["verify"], 0);
}

#[test]
fn a_full_bucket_is_behind_alone() {
    let world = World::new();
    world.liar.lie(Lie::Full);
    world.change(2);
    let ran = world.run(&["backup", "d"], 4);
    assert!(
        ran.stdout.contains("first current      cloud behind ("),
        "{ran}"
    );
    assert!(ran.stdout.contains("the server has no room left"), "{ran}");
    let alone = world.run(&["-M", "cloud", "backup", "d"], 14);
    assert!(alone.stderr.contains("make room there"), "{alone}");
    world.liar.lie(Lie::None);
    world.run(&["mirror", "sync"], 0);
    world.run(&["verify"], 0);
}

#[test]
fn a_bucket_that_replaces_all_the_same_is_found_out_and_serves() {
    let world = World::new();
    world.liar.lie(Lie::NoCondition);
    let ran = world.run(&["mirror", "test", "cloud"], 0);
    assert!(ran.stdout.contains("put-if-absent no"), "{ran}");
    world.change(2);
    world.run(&["-M", "cloud", "backup", "d"], 0);
    world.run(&["mirror", "sync"], 0);
    world.run(&["verify"], 0);
}

#[test]
fn g18_packs_that_a_listing_leaves_out_are_asked_for_by_name() {
    let world = World::new();
    world.liar.lie(Lie::ShortLists);
    world.change(2);
    let before = world.liar.puts("/packs/");
    let ran = world.run(&["-M", "cloud", "backup", "d"], 0);
    assert_eq!(ran.stderr, "");
    // The new file, and the folders above it.
    assert_eq!(world.liar.puts("/packs/") - before, 2);
    world.liar.lie(Lie::None);
    world.run(&["-M", "cloud", "verify"], 0);
}

#[test]
fn g18_a_listing_that_leaves_out_too_much_ends_the_run() {
    let world = World::new();
    for number in 2..36 {
        world.change(number);
        world.run(&["-M", "cloud", "backup", "d"], 0);
    }
    world.liar.lie(Lie::ShortLists);
    let ran = world.run(&["-M", "cloud", "backup", "d"], 13);
    assert!(
        ran.stderr
            .contains("the listing of packs on s3://box/a is short: "),
        "{ran}"
    );
    assert!(ran.stderr.contains("heirloom heal"), "{ran}");
    world.liar.lie(Lie::None);
    world.run(&["mirror", "sync"], 0);
    world.run(&["verify"], 0);
}
