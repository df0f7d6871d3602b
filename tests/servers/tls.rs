//! Certificates that are right and wrong, at real TLS servers, by the program itself.

use crate::servers::{servers, unique};
use crate::util::{Ran, TestEnv};
use std::time::{Duration, Instant};

const GOOD: u16 = 28431;

/// A repository in a folder, and a configuration that says where its second mirror is.
struct World {
    env: TestEnv,
    repository: String,
    place: String,
}

impl World {
    fn new() -> Self {
        let mut env = TestEnv::new();
        env.set("AWS_ACCESS_KEY_ID", "ciaccess");
        env.set("AWS_SECRET_ACCESS_KEY", "cisecretcisecret");
        env.write("source/letter", b"a letter\n");
        let first = env.text("first");
        env.run(["-r", &first, "backup", "--init", "source"])
            .expect(0);
        let shown = env.run(["-r", &first, "--json", "snapshots"]).expect(0);
        let repository = shown.events()[0]["repository"].to_string();
        Self {
            env,
            repository,
            place: format!("tls-{}", unique()),
        }
    }

    /// That the mirror called `bad` is there.
    fn at(&self, location: &str, more: &str) {
        let (repository, first) = (&self.repository, self.env.text("first"));
        let text = format!(
            "repository = {repository}\n[mirror.first]\nlocation = {first:?}\n[mirror.bad]\nlocation = {location:?}\n{more}\n"
        );
        self.env
            .write(".config/heirloom/heirloom.toml", text.as_bytes());
    }

    /// Both kinds of server on that port.
    fn locations(&self, port: u16, tls: bool) -> [(String, String); 2] {
        let s = if tls { "s" } else { "" };
        let place = &self.place;
        let dav = format!("webdav{s}://ci@127.0.0.1:{port}/{place}");
        let password = "password_command = [\"echo\", \"secret\"]\n".to_owned();
        let bucket = format!("s3://plain/{place}?endpoint=http{s}://127.0.0.1:{port}");
        [(dav, password), (bucket, String::new())]
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> Ran {
        self.env.run(arguments.iter().copied()).expect(code)
    }

    /// Every verb says this and does no harm, and none tries for long.
    #[track_caller]
    fn assert_bad(&self, what: &str, hint: &str, limit: Duration) {
        for arguments in [
            &["mirror", "test", "bad"][..],
            &["mirror", "add", "bad"],
            &["-M", "bad", "snapshots"],
        ] {
            let begun = Instant::now();
            let ran = self.run(arguments, 13);
            assert!(begun.elapsed() < limit, "{:?}: {ran}", begun.elapsed());
            assert!(ran.stderr.contains(what), "{arguments:?} {ran}");
            assert!(ran.stderr.contains(hint), "{arguments:?} {ran}");
            assert!(ran.stderr.contains("127.0.0.1") || ran.stderr.contains("s3://plain/"));
        }
        let begun = Instant::now();
        let ran = self.run(&["backup", "source"], 4);
        assert!(begun.elapsed() < limit, "{:?}: {ran}", begun.elapsed());
        assert!(
            ran.stdout.contains("first current      bad behind ("),
            "{ran}"
        );
        assert!(ran.stdout.contains(what), "{ran}");
        assert!(
            ran.stdout.contains("next: heirloom mirror sync bad"),
            "{ran}"
        );
        let synced = self.run(&["mirror", "sync", "bad"], 4);
        assert!(synced.stderr.contains(what), "{synced}");
        assert!(synced.stderr.contains(hint), "{synced}");
        self.run(&["-M", "first", "verify"], 0);
    }
}

fn authority() -> String {
    let path = servers().join("tls/ca.crt");
    format!("ca_file = {:?}\n", path.to_str().unwrap())
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let world = World::new();
    for (location, more) in world.locations(GOOD, true) {
        world.at(&location, &format!("{more}{}", authority()));
        world.run(&["mirror", "add", "bad"], 0);
        world.env.write("source/letter", location.as_bytes());
        let ran = world.run(&["backup", "source"], 0);
        assert!(ran.stdout.contains("bad current"), "{ran}");
        world.run(&["-M", "bad", "verify"], 0);
        // The same mirror with its authority forgotten.
        world.at(&location, &more);
        let what = "the server's certificate is signed by nobody whom this device trusts";
        world.assert_bad(what, "ca_file", Duration::from_secs(5));
    }
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn each_bad_certificate_is_told_from_the_others_at_once() {
    let world = World::new();
    for (port, what, hint) in [
        (
            28432,
            "the server's certificate expired on 2020-02-01",
            "check this device's clock",
        ),
        (
            28433,
            "the server's certificate is for elsewhere.example.org, not for 127.0.0.1",
            "check the location",
        ),
        (
            28434,
            "the server has signed its certificate itself",
            "ca_file",
        ),
    ] {
        for (location, more) in world.locations(port, true) {
            world.at(&location, &format!("{more}{}", authority()));
            world.assert_bad(what, hint, Duration::from_secs(5));
        }
    }
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn the_port_of_the_other_protocol_is_told() {
    let world = World::new();
    let mut spoken = world.locations(28430, true);
    spoken[1].0 = spoken[1].0.replace("28430", "28333");
    for (location, more) in spoken {
        world.at(&location, &more);
        let what = "what answers there does not speak TLS";
        world.assert_bad(what, "check the port", Duration::from_secs(5));
    }
    for (location, more) in world.locations(GOOD, false) {
        world.at(&location, &format!("{more}patience = \"2s\"\n"));
        // A server may also hang up, which is worth another attempt.
        world.assert_bad("", "if this port is for TLS", Duration::from_secs(20));
    }
}
