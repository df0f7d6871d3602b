//! The real program killed at random moments of backup, prune, sync and heal on two mirrors, two folders or one of them a
//! bucket of a real server: nothing that was committed and not forgotten is ever missing or wrong on one.
//! `HEIRLOOM_KILLS=1000` for more kills, `HEIRLOOM_PROGRAM=target/release/heirloom` for the build that people run.

use crate::client::Dice;
use crate::util::{TestEnv, say};
use crate::world::{assert_same, noise};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Kills in the everyday run.
const KILLS: usize = 12;
/// Kills in one home.
const AT_HOME: usize = 60;
/// Kills between two looks at everything.
const BETWEEN: usize = 4;
const MIRRORS: [&str; 2] = ["one", "two"];

struct Victim {
    env: TestEnv,
    /// The second mirror is a folder, which may be away.
    removable: bool,
    dice: Dice,
    /// How long each act takes that nobody kills.
    whole: [Duration; 5],
    /// Kills that came while the program ran.
    at_work: usize,
    made: usize,
}

impl Victim {
    /// `far` is where the second mirror lies, and the variables that its server wants.
    fn new(seed: usize, far: Option<(&str, &[(&str, &str)])>) -> Self {
        let mut env = TestEnv::new();
        for (name, value) in far.iter().flat_map(|(_, variables)| *variables) {
            env.set(name, value);
        }
        for n in 0..20 {
            env.write(&format!("d/folder-{}/{n}", n % 3), &noise(n, 5_000));
        }
        let key = ["--key-file", ".config/heirloom/key", "--no-kit"];
        env.run(["init", "one"].into_iter().chain(key)).expect(0);
        env.write(
            ".config/heirloom/heirloom.toml",
            b"mirror.one.location = \"~/one\"\n",
        );
        let two = far.map_or_else(|| env.text("two"), |(location, _)| location.to_owned());
        env.run(["mirror", "add", "two", &two]).expect(0);
        let config = format!(
            "mirror.one.location = \"~/one\"\nmirror.two.location = \"{two}\"\n[retention]\ngrace = \"0s\"\n"
        );
        env.write(".config/heirloom/heirloom.toml", config.as_bytes());
        let mut victim = Self {
            env,
            removable: far.is_none(),
            dice: Dice(seed as u64),
            whole: [Duration::from_millis(300); 5],
            at_work: 0,
            made: 0,
        };
        for _ in 0..5 {
            victim.backup();
        }
        victim
    }

    fn change(&mut self) {
        let len = 100_000 + self.dice.below(900_000);
        let large = format!("d/large-{}", self.dice.below(3));
        self.env.write(&large, &noise(self.dice.roll(), len));
        let small = format!("d/folder-1/{}", self.dice.below(40));
        self.env.write(&small, &noise(self.dice.roll(), 20_000));
    }

    /// A backup that nobody kills, and the source as it was.
    fn backup(&mut self) {
        self.change();
        self.env.run(["backup", "d", "--name", "d"]).expect(0);
        self.keep_copy();
    }

    /// The source as the newest snapshot of it has it, by the snapshot's id.
    fn keep_copy(&mut self) {
        let ran = self.env.run(["snapshots", "--json"]).expect(0);
        let newest = ids(&ran.events()).pop().unwrap();
        let target = self.env.path(&format!("copies/{newest}"));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        if !target.exists() {
            let (from, to) = (self.env.path("d"), target);
            let copied = Command::new("cp").arg("-aT").arg(from).arg(to).status();
            assert!(copied.unwrap().success());
            self.made += 1;
        }
    }

    fn act(&mut self) -> (usize, Vec<&'static str>) {
        match self.dice.below(12) {
            0..3 => {
                self.change();
                (0, vec!["backup", "d", "--name", "d"])
            }
            3..8 => {
                let mut forget = vec!["forget", "-s", "d", "-l", "2", "--below-min-good"];
                let tired = self.dice.once_in(4);
                if !tired {
                    self.env.run(forget.iter().copied());
                    forget = vec!["prune", "--max-unused", "0%"];
                }
                (if tired { 1 } else { 2 }, forget)
            }
            8..10 => (3, vec!["mirror", "sync"]),
            _ => (4, vec!["heal"]),
        }
    }

    fn kill(&mut self) -> String {
        // One of them may be away.
        let away = self.removable && self.dice.once_in(5);
        let (one, two) = (self.env.path("two"), self.env.path("away"));
        if away {
            fs::rename(&one, &two).unwrap();
        }
        let (number, arguments) = self.act();
        let limit = u64::try_from(self.whole[number].as_micros()).unwrap();
        let patience = Duration::from_micros(self.dice.roll() % (limit * 11 / 10));
        let mut command = self.env.command(arguments.iter().copied());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        while began.elapsed() < patience && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_none() {
            self.at_work += 1;
            self.whole[number] = self.whole[number].max(patience * 5 / 4);
        } else {
            self.whole[number] = began.elapsed().max(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if away {
            fs::rename(&two, &one).unwrap();
        }
        arguments.join(" ")
    }

    /// Each mirror by itself is whole, and what it shows is what was saved.
    fn check(&mut self, what: &str) {
        for mirror in MIRRORS {
            let what = format!("{what}, {mirror}");
            let verified = self.env.run(["-M", mirror, "verify", "--level", "content"]);
            assert_eq!(verified.code, 0, "{what}: {verified}");
            let ran = self
                .env
                .run(["-M", mirror, "snapshots", "--json"])
                .expect(0);
            let known: Vec<_> = ids(&ran.events())
                .into_iter()
                .filter(|id| self.env.path(&format!("copies/{id}")).exists())
                .collect();
            // All may be of backups that were killed once they had committed.
            if known.is_empty() {
                continue;
            }
            let id = self.dice.one_of(&known).clone();
            drop(fs::remove_dir_all(self.env.path("back")));
            let place = format!("{id}:{}", self.env.text("d"));
            let back = self
                .env
                .run(["-M", mirror, "restore", &place, "-t", "back"]);
            assert_eq!(back.code, 0, "{what}: {back}");
            assert_same(
                &self.env.path(&format!("copies/{id}")),
                &self.env.path("back"),
            );
        }
    }

    /// Everything works, and both mirrors have the same snapshots.
    fn settle(&mut self, what: &str) {
        self.backup();
        self.env.run(["mirror", "sync"]).expect(0);
        self.check(&format!("{what}, synced"));
        self.env.run(["prune", "--max-unused", "0%"]).expect(0);
        self.env.run(["prune", "--max-unused", "0%"]).expect(0);
        self.check(&format!("{what}, pruned"));
        let shown = MIRRORS.map(|mirror| {
            let ran = self
                .env
                .run(["-M", mirror, "snapshots", "--json"])
                .expect(0);
            ids(&ran.events())
        });
        assert_eq!(shown[0], shown[1], "{what}");
    }
}

fn ids(events: &[serde_json::Value]) -> Vec<String> {
    let all = events.iter().filter(|event| event["event"] == "snapshot");
    all.map(|event| event["id"].as_str().unwrap()[..12].to_owned())
        .collect()
}

#[test]
fn whatever_is_killed_at_any_moment_loses_nothing_on_any_mirror() {
    campaign(&mut |seed| Victim::new(seed, None));
}

/// The same beside a bucket; each home has a place of its own there.
#[cfg(feature = "remote")]
pub(crate) fn beside(place: &dyn Fn() -> String, variables: &[(&str, &str)]) {
    campaign(&mut |seed| Victim::new(seed, Some((&place(), variables))));
}

fn campaign(born: &mut dyn FnMut(usize) -> Victim) {
    let kills = std::env::var("HEIRLOOM_KILLS").ok();
    let kills = kills.map_or(KILLS, |text| text.parse().unwrap());
    let seed = std::env::var("HEIRLOOM_SEED").ok();
    let seed = seed.map_or(0, |text| text.parse().unwrap());
    let mut at_work = 0;
    for from in (0..kills).step_by(AT_HOME) {
        let mut victim = born(seed + from);
        for n in from..kills.min(from + AT_HOME) {
            let killed = victim.kill();
            let what = format!("HEIRLOOM_SEED={seed}, kill {n}, {killed}");
            say(&what);
            if (n + 1) % BETWEEN == 0 {
                victim.check(&what);
            }
            if (n + 1) % (3 * BETWEEN) == 0 {
                victim.settle(&what);
            }
        }
        at_work += victim.at_work;
        assert!(victim.made > 4, "there was something to lose");
    }
    say(&format!("{at_work} of {kills} killed at work"));
    assert!(at_work > kills / 4, "{at_work}");
}
