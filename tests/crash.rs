//! Store call 1, 2, 3 … fails, before or after its effect, for a moment or for good, until none is left to fail; and
//! the program is killed at random moments: `HEIRLOOM_KILLS=1000` for more of them.
//!
//! After each: what was committed restores, the same act works the next time, everything verifies. A thread that hangs
//! ends the test with the number of the call.

use crate::client::{Client, Dice, Job, TestHost, next_tick};
use crate::util::TestEnv;
use crate::world::{assert_same, describe, noise};
use heirloom::error::{Error, Kind, Result};
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::ops::verify::Level;
use heirloom::repo::chain::Chains;
use heirloom::store::faulty::{Counting, Fault, Faulty, Moment};
use heirloom::store::folder::FolderStore;
use heirloom::store::memory::MemoryStore;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Does `act`; where it never ends the process does, saying what it was.
#[expect(
    clippy::print_stderr,
    reason = "nothing is left to print it but this thread"
)]
fn watched<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let (done, waiting) = channel::<()>();
    let what = what.to_owned();
    std::thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{what}: hangs");
            std::process::abort();
        }
    });
    let answer = act();
    drop(done);
    answer
}

/// Every way in which one call can fail.
fn ways() -> Vec<(Counting, Moment, bool)> {
    let mut all = Vec::new();
    for counting in [Counting::Mutating, Counting::All] {
        for moment in [Moment::Before, Moment::After] {
            for for_good in [false, true] {
                all.push((counting, moment, for_good));
            }
        }
    }
    all
}

struct World {
    home: tempfile::TempDir,
    store: MemoryStore,
    faulty: Arc<Faulty<MemoryStore>>,
    client: Client,
    job: Job,
    trees: BTreeMap<Id, BTreeMap<Vec<u8>, String>>,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().canonicalize().unwrap();
        let store = MemoryStore::new("memory");
        let faulty = Arc::new(Faulty::new(store.clone()));
        let host = TestHost::new(1, "host");
        host.set_ahead(10);
        let client = Client::new(&path, 0, Arc::new(store.clone()), host);
        let job = Job {
            source: "source".to_owned(),
            path: path.join("source"),
            force: false,
        };
        fs::create_dir_all(job.path.join("folder")).unwrap();
        fs::write(job.path.join("folder/a"), noise(1, 300_000)).unwrap();
        fs::write(job.path.join("b"), b"b").unwrap();
        fs::create_dir_all(&client.home).unwrap();
        Self {
            home,
            store,
            faulty,
            client,
            job,
            trees: BTreeMap::new(),
        }
    }

    /// With a snapshot, and a change after it.
    fn with_snapshot() -> Self {
        let world = Self::new();
        world.saved_before(|source| {
            fs::write(source.join("folder/c"), noise(2, 200_000)).unwrap();
            fs::write(source.join("b"), b"c").unwrap();
        })
    }

    /// With a snapshot of a dozen files and more, of which few are left.
    fn collapsed() -> Self {
        let world = Self::new();
        let files = world.job.path.join("files");
        fs::create_dir(&files).unwrap();
        for number in 0..12 {
            fs::write(files.join(number.to_string()), [number]).unwrap();
        }
        world.saved_before(|source| fs::remove_dir_all(source.join("files")).unwrap())
    }

    fn saved_before(mut self, change: impl FnOnce(&Path)) -> Self {
        let world = &mut self;
        world.client.init().unwrap();
        world.client.backup_well(&world.job);
        world.remember(&world.client.clone());
        next_tick(world.home.path());
        change(&world.job.path);
        // What the changed source is as a tree, another device says, of which nothing stays.
        let before = world.store.contents();
        let host = TestHost::new(2, "other");
        host.set_ahead(20);
        let other = Client::new(world.home.path(), 1, world.client.store.clone(), host);
        other.backup_well(&world.job);
        world.remember(&other);
        world.store.replace(before);
        self
    }

    /// What the newest snapshot must give back is what lies in the source now.
    fn remember(&mut self, client: &Client) {
        let (snapshot, _) = *client.snapshots().last().unwrap();
        let tree = client.tree_at(snapshot, &self.job.path);
        self.trees.insert(tree, describe(&self.job.path));
    }

    /// Fails one call after the other in every way; `act` runs over the faulty store, `then` over the sound one.
    fn fail_each(
        &self,
        name: &str,
        act: impl Fn(&Client) -> Result<()>,
        then: impl Fn(&str, Result<()>),
    ) {
        let before = self.store.contents();
        let kept = self.home.path().join("kept");
        copy(&self.client.home, &kept);
        let faulty = self.client.with_store(self.faulty.clone());
        for (counting, moment, for_good) in ways() {
            for at in 0.. {
                let what =
                    format!("{name}: call {at} ({counting:?}, {moment:?}, for good: {for_good})");
                self.store.replace(before.clone());
                fs::remove_dir_all(&self.client.home).unwrap();
                copy(&kept, &self.client.home);
                self.faulty.plan(Some(Fault {
                    at,
                    counting,
                    moment,
                    for_good,
                    kind: Kind::Unreachable,
                }));
                let done = watched(&what, || act(&faulty));
                let tripped = self.faulty.has_tripped();
                if let Err(error) = &done {
                    assert_is_the_fault(&what, error);
                }
                self.faulty.plan(None);
                watched(&what, || then(&what, done));
                if !tripped {
                    assert!(at > 1, "{what}: there must be something to fail");
                    break;
                }
            }
        }
    }

    /// Every snapshot there is comes back, and nothing is damaged.
    fn assert_sound(&self, what: &str) {
        let loader = self.client.loader();
        for (snapshot, root) in self.client.snapshots() {
            let tree = self.client.tree_at(snapshot, &self.job.path);
            let target = self.home.path().join("target");
            self.client.restore(&loader, root, &self.job.path, &target);
            assert_eq!(Some(&describe(&target)), self.trees.get(&tree), "{what}");
        }
        let (report, problems) = self.client.verify(Level::Content);
        assert!(
            report.is_sound() && problems.is_empty(),
            "{what}: {problems:?}"
        );
    }
}

/// Nobody panicked and nobody ended early: the answer is the fault and nothing else.
fn assert_is_the_fault(what: &str, error: &Error) {
    let chain = error.chain();
    assert_eq!(error.kind(), Kind::Unreachable, "{what}: {chain}");
    assert!(chain.contains("a planned fault"), "{what}: {chain}");
}

fn copy(from: &Path, to: &Path) {
    let arguments: [&Path; 3] = ["-aT".as_ref(), from, to];
    assert!(
        Command::new("cp")
            .args(arguments)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn any_failing_call_of_a_backup_leaves_all_that_was_committed() {
    let world = World::with_snapshot();
    let backup = |client: &Client| client.backup(&world.job, &Collected::default()).map(drop);
    world.fail_each("backup", backup, |what, _| {
        let snapshots = world.client.snapshots().len();
        assert!((1..=2).contains(&snapshots), "{what}");
        world.client.backup_well(&world.job);
        assert_eq!(world.client.snapshots().len(), snapshots + 1, "{what}");
        world.assert_sound(what);
    });
}

#[test]
fn any_failing_call_of_a_backup_of_what_collapsed_pins_the_good_one_with_the_suspect_one() {
    let world = World::collapsed();
    let standing = |what: &str| {
        let repo = world.client.open().unwrap();
        let chains = Chains::read(&repo, &Collected::default()).unwrap();
        let all = chains.snapshots();
        let suspect = all
            .iter()
            .map(|(id, _, snapshot)| chains.is_suspect(id, snapshot));
        let suspect: Vec<bool> = suspect.collect();
        let (good, others) = suspect.split_first().unwrap();
        assert!(!good && others.iter().all(|suspect| *suspect), "{what}");
        assert_eq!(
            chains.pin(&all[0].0).is_some(),
            !others.is_empty(),
            "{what}"
        );
        others.len()
    };
    let backup = |client: &Client| client.backup(&world.job, &Collected::default()).map(drop);
    world.fail_each("backup", backup, |what, _| {
        let suspect = standing(what);
        world.client.backup_well(&world.job);
        assert_eq!(standing(what), suspect + 1, "{what}");
        world.assert_sound(what);
    });
}

#[test]
fn any_failing_call_of_init_leaves_a_place_for_init() {
    let world = World::new();
    let init = |client: &Client| client.init();
    world.fail_each("init", init, |what, done| {
        if done.is_err() {
            match world.client.init() {
                Ok(()) => {}
                // All was done, and the last answer was lost.
                Err(error) => assert_eq!(error.kind(), Kind::Refused, "{what}: {}", error.chain()),
            }
        }
        world.client.backup_well(&world.job);
        let (report, problems) = world.client.verify(Level::Content);
        assert!(
            report.is_sound() && problems.is_empty(),
            "{what}: {problems:?}"
        );
        assert_eq!(report.snapshots, 1, "{what}");
    });
}

#[test]
fn any_failing_call_of_a_new_key_leaves_the_old_ones() {
    let world = World::with_snapshot();
    let add = |client: &Client| client.add_key(9).map(drop);
    world.fail_each("key add", add, |what, _| {
        world.client.backup_well(&world.job);
        world.assert_sound(what);
    });
}

#[test]
fn a_folder_without_its_marker_is_free_only_if_nothing_was_saved_there() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("repository");
    let store = Arc::new(FolderStore::create(&root, "test").unwrap());
    let client = Client::new(home.path(), 0, store, TestHost::new(1, "host"));
    let vacant = || FolderStore::is_vacant(&root).unwrap();
    assert!(vacant());
    client.init().unwrap();
    assert!(!vacant());
    fs::remove_file(root.join("mirror")).unwrap();
    assert!(vacant(), "key slots alone open nothing");
    fs::write(root.join("letter"), "").unwrap();
    assert!(!vacant(), "what is not ours stays");
    fs::remove_file(root.join("letter")).unwrap();
    fs::create_dir(root.join("packs/ab")).unwrap();
    assert!(!vacant());
    client.init().unwrap();
}

/// Kills in the everyday run.
const KILLS: usize = 20;
/// Kills in one home: what is stored grows with each.
const KILLS_AT_HOME: usize = 40;

/// Kills the program after `patience`; whether it was still running.
fn kill_after(mut child: Child, patience: Duration) -> bool {
    std::thread::sleep(patience);
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    running
}

/// A home and the program in it, killed again and again.
struct Victim {
    env: TestEnv,
    dice: Dice,
    /// How long a backup takes that nobody kills.
    whole: Duration,
}

impl Victim {
    fn new(seed: u64) -> Self {
        let mut victim = Self {
            env: TestEnv::new(),
            dice: Dice(seed),
            whole: Duration::from_secs(1),
        };
        for n in 0..20 {
            victim
                .env
                .write(&format!("d/folder-{}/{n}", n % 3), &noise(n, 5_000));
        }
        victim.change();
        victim
    }

    /// Something large and something small.
    fn change(&mut self) {
        let len = 500_000 + self.dice.below(3_000_000);
        self.env.write("d/large", &noise(self.dice.roll(), len));
        let name = format!("d/folder-1/{}", self.dice.below(40));
        self.env.write(&name, &noise(self.dice.roll(), 20_000));
    }

    fn kill(&mut self, arguments: &[&str]) -> bool {
        let micros = u64::try_from(self.whole.as_micros()).unwrap();
        let patience = Duration::from_micros(self.dice.roll() % micros);
        let mut command = self.env.command(arguments.iter().copied());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        kill_after(command.spawn().unwrap(), patience)
    }

    /// The same without a kill, which must work; then everything is whole.
    fn finish(&mut self, what: &str, arguments: &[&str]) {
        let began = Instant::now();
        let done = self.env.run(arguments.iter().copied());
        self.whole = began.elapsed();
        assert_eq!(done.code, 0, "{what}: {done}");
        self.assert_verifies(what);
        let latest = format!("latest:{}", self.env.text("d"));
        drop(fs::remove_dir_all(self.env.path("back")));
        let back = self.env.run(["restore", &latest, "-t", "back"]);
        assert_eq!(back.code, 0, "{what}: {back}");
        assert_same(&self.env.path("d"), &self.env.path("back"));
    }

    fn assert_verifies(&self, what: &str) {
        let verified = self.env.run(["verify"]);
        assert_eq!(
            (verified.code, &*verified.stderr),
            (0, ""),
            "{what}: {verified}"
        );
    }
}

fn kills() -> usize {
    let wanted = std::env::var("HEIRLOOM_KILLS").ok();
    wanted.map_or(KILLS, |text| text.parse().unwrap())
}

#[test]
fn a_backup_killed_at_any_moment_leaves_all_that_was_committed() {
    let mut at_work = 0;
    for from in (0..kills()).step_by(KILLS_AT_HOME) {
        println!("seed {from}");
        let mut victim = Victim::new(from as u64);
        victim.finish("first", &["backup", "--init", "d"]);
        for n in from..kills().min(from + KILLS_AT_HOME) {
            victim.change();
            let what = format!("kill {n}");
            at_work += usize::from(victim.kill(&["backup", "d"]));
            victim.assert_verifies(&what);
            victim.finish(&what, &["backup", "d"]);
        }
    }
    assert!(
        at_work > kills() / 4,
        "most of them were killed at work, {at_work} in all"
    );
}

#[test]
fn an_init_killed_at_any_moment_is_begun_again() {
    for n in 0..kills() / 4 {
        let mut victim = Victim::new(n as u64);
        victim.whole = Duration::from_millis(60);
        victim.kill(&["backup", "--init", "d"]);
        victim.finish(&format!("kill {n}"), &["backup", "--init", "d"]);
    }
}
