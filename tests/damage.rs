//! Every sort of damage to every kind of object, with a warm cache and with none: snapshots stay listed, what does not
//! depend on the damage comes back bit for bit and the rest is named, verify says so and never gives up, and the next
//! backup of the unchanged source works and sends again what the packs have lost.
//!
//! A cell is one kind, one harm, one cache. All cells are judged before the test fails, and the table is printed.

use crate::client::{Client, Job, TestHost};
use crate::stage::{HARMS, Harm, Stage, hurt, put_mark, words};
use crate::world::{assert_same, key};
use heirloom::compress::Level;
use heirloom::error::Kind;
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::Folder;
use heirloom::ops::verify;
use heirloom::store::memory::MemoryStore;
use heirloom::store::{Payload, Store};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// What one cell must answer.
struct Cell<'a> {
    stage: &'a mut Stage,
    victim: usize,
    harm: Harm,
    wrong: Vec<String>,
}

impl Cell<'_> {
    fn must(&mut self, true_or: bool, what: impl FnOnce() -> String) {
        if !true_or {
            self.wrong.push(what());
        }
    }

    fn label(&self) -> &'static str {
        self.stage.victims[self.victim].label
    }

    fn is(&self, kind: &str) -> bool {
        self.label().contains(kind)
    }

    fn run(&mut self) {
        // With both copies of the key file's slot gone the words open.
        let opened = self.stage.world.reopen(key());
        if self.is("key slot, both") {
            let kind = opened.err().map(|error| error.kind());
            let right = matches!(kind, Some(Kind::Damaged | Kind::NoKey));
            self.must(right, || format!("opened with the lost slot: {kind:?}"));
            self.stage.world.reopen(words()).unwrap();
        } else if let Err(error) = opened {
            return self.wrong.push(format!("open: {}", error.chain()));
        }
        let newest_gone = self.label().starts_with("newer entry") || self.is("newer commit");
        let listed = self.stage.world.snapshots();
        let gone = usize::from(self.is("entry") || self.is("commit slot"));
        // Two slots swapped say together what they said before: a slot does not hold its own name.
        let gone = if self.is("commit slot") && self.harm == Harm::Swapped {
            0
        } else {
            gone
        };
        let gone = gone + usize::from(self.is("entry") && self.harm == Harm::Swapped);
        self.must(listed.len() == 2 - gone, || {
            format!("{} snapshots listed", listed.len())
        });
        let lost = listed
            .last()
            .map(|(_, root)| self.restore(*root, newest_gone && gone > 0));
        self.verify(listed.last().map(|(id, _)| *id), lost.unwrap_or_default());
        self.back_up();
    }

    /// Restores; the files that are not whole.
    fn restore(&mut self, root: Id, older: bool) -> BTreeSet<String> {
        let world = &self.stage.world;
        let _ = fs::remove_dir_all(world.target(""));
        let answer = world.restore_heard(root, &world.options(), &Collected::default());
        let losses: Vec<_> = match &answer {
            Ok(report) => report.losses.iter().map(|loss| loss.path.clone()).collect(),
            Err(error) if error.kind() == Kind::Damaged && self.is("tree pack") => {
                vec![b"/".to_vec()]
            }
            Err(error) => {
                self.wrong.push(format!("restore: {}", error.chain()));
                return BTreeSet::new();
            }
        };
        let mut lost = BTreeSet::new();
        let mut wrong = Vec::new();
        for (path, bytes) in &self.stage.files {
            if older && path.starts_with("two") {
                continue;
            }
            let found = fs::read(world.target(path)).ok();
            let named = is_below(world.source(path).as_os_str().as_bytes(), &losses);
            match found {
                Some(found) if &found != bytes => wrong.push(format!("{path} is not what it was")),
                Some(_) if named => wrong.push(format!("{path} is whole and named as lost")),
                None if !named => wrong.push(format!("{path} is neither there nor named")),
                _ => {}
            }
            if named {
                lost.insert(path.clone());
            }
        }
        self.wrong.extend(wrong);
        self.must(self.is("pack") || lost.is_empty(), || {
            format!("restore lost {lost:?}")
        });
        let one_header = matches!(self.harm, Harm::Header | Harm::Tail);
        self.must(!one_header || lost.is_empty(), || {
            format!("one header cost {lost:?}")
        });
        let side = if self.is("older") { "one/" } else { "two/" };
        let swapped = self.harm == Harm::Swapped || !self.is("data pack");
        let bounded = swapped || lost.iter().all(|path| path.starts_with(side));
        self.must(bounded, || format!("restore lost {lost:?}"));
        lost
    }

    fn verify(&mut self, newest: Option<Id>, lost: BTreeSet<String>) {
        for level in [verify::Level::Structure, verify::Level::Stored] {
            if let Err(error) = self.stage.world.verify(level) {
                self.wrong
                    .push(format!("verify {level:?}: {}", error.chain()));
            }
        }
        let report = match self.stage.world.verify(verify::Level::Content) {
            Ok(report) => report,
            Err(error) => return self.wrong.push(format!("verify: {}", error.chain())),
        };
        let told: Vec<_> = report
            .damaged
            .iter()
            .map(|damage| damage.name.clone())
            .collect();
        let cannot_tell = (self.is("commit slot")
            && matches!(self.harm, Harm::Swapped | Harm::Deleted))
            || (["intent", "mark", "index run"]
                .iter()
                .any(|kind| self.is(kind))
                && self.harm == Harm::Deleted)
            || (self.is("both") && self.harm == Harm::Deleted)
            || (self.is(".txt")
                && matches!(
                    self.harm,
                    Harm::Header | Harm::First | Harm::Middle | Harm::Last
                ));
        for name in self.stage.victims[self.victim].names.clone() {
            self.must(cannot_tell || told.contains(&name), || {
                format!("verify does not name {name}: {told:?}")
            });
        }
        self.must(cannot_tell || !report.is_sound(), || {
            "verify finds it sound".to_owned()
        });
        // Verify speaks of every snapshot, the restore was of the newest.
        let losses = report.losses.into_iter();
        let losses = losses.filter(|loss| newest.is_some_and(|id| loss.snapshots.contains(&id)));
        let losses: Vec<_> = losses.map(|loss| loss.path).collect();
        let world = &self.stage.world;
        let named = self
            .stage
            .files
            .keys()
            .filter(|path| is_below(world.source(path).as_os_str().as_bytes(), &losses));
        let named: BTreeSet<_> = named.cloned().collect();
        self.must(named == lost, || {
            format!("verify names {named:?}, restore {lost:?}")
        });
    }

    fn back_up(&mut self) {
        let world = &self.stage.world;
        let done = world.try_backup(Level::Fast, false, &Collected::default());
        let refused = match self.label() {
            "mirror" => Some(Kind::Refused),
            "mark" if self.harm != Harm::Deleted => Some(Kind::Damaged),
            _ => None,
        };
        match (done, refused) {
            (Err(error), Some(kind)) => {
                self.must(error.kind() == kind, || {
                    format!("backup: {}", error.chain())
                });
                self.must(error.hint_text().is_some(), || "backup: no hint".to_owned());
                return;
            }
            (Ok(_), Some(_)) => return self.wrong.push("backup went on".to_owned()),
            (Err(error), None) => return self.wrong.push(format!("backup: {}", error.chain())),
            (Ok(_), None) => {}
        }
        let in_place = !matches!(self.harm, Harm::Deleted | Harm::Empty | Harm::Truncated);
        if self.is("pack") && in_place {
            self.mark_as_lost();
        }
        let world = &self.stage.world;
        let (id, root) = *world.snapshots().last().unwrap();
        let _ = fs::remove_dir_all(world.target(""));
        match world.restore_heard(root, &world.options(), &Collected::default()) {
            Ok(report) if report.losses.is_empty() => {
                assert_same(&world.source(""), &world.target(""))
            }
            Ok(report) => {
                let count = report.losses.len();
                self.wrong
                    .push(format!("{count} losses after the next backup"));
            }
            Err(error) => self
                .wrong
                .push(format!("after the next backup: {}", error.chain())),
        }
        match self.stage.world.verify(verify::Level::Content) {
            Ok(report) => {
                let of_newest = report
                    .losses
                    .iter()
                    .any(|loss| loss.snapshots.contains(&id));
                self.must(!of_newest, || {
                    "verify after the next backup: losses".to_owned()
                });
            }
            Err(error) => self
                .wrong
                .push(format!("verify after the next backup: {}", error.chain())),
        }
    }

    /// What heal leaves behind: a mark over the packs that verify found. Damage that keeps name and length is seen by
    /// nobody who does not read the pack.
    fn mark_as_lost(&mut self) {
        let world = &self.stage.world;
        let report = world.verify(verify::Level::Content).unwrap();
        let packs = report
            .damaged
            .iter()
            .filter(|damage| damage.name.folder() == Folder::Packs);
        let packs: BTreeSet<_> = packs
            .filter_map(|damage| Id::from_hex(damage.name.leaf()))
            .collect();
        put_mark(world, packs.into_iter().collect(), true);
        if let Err(error) = world.try_backup(Level::Fast, false, &Collected::default()) {
            self.wrong
                .push(format!("backup after a loss mark: {}", error.chain()));
        }
    }
}

fn is_below(path: &[u8], losses: &[Vec<u8>]) -> bool {
    losses.iter().any(|loss| {
        let rest = path.strip_prefix(loss.as_slice());
        loss == b"/" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

/// Judges every harm to the victims whose label `wanted` accepts.
fn matrix(wanted: impl Fn(&str) -> bool) {
    let mut stage = Stage::new();
    let (mut table, mut wrong) = (String::new(), Vec::new());
    for victim in 0..stage.victims.len() {
        let label = stage.victims[victim].label;
        if !wanted(label) {
            continue;
        }
        table += &format!("{label:<18}");
        for harm in HARMS {
            // What lies in the cache is about packs.
            for warm in [true, false] {
                if warm && !label.contains("pack") && !label.contains("index") {
                    continue;
                }
                stage.reset(warm);
                if !hurt(&stage, &stage.victims[victim], harm) {
                    table += " -";
                    continue;
                }
                let mut cell = Cell {
                    stage: &mut stage,
                    victim,
                    harm,
                    wrong: Vec::new(),
                };
                cell.run();
                table += if cell.wrong.is_empty() { " ." } else { " X" };
                let cache = if warm { "warm" } else { "cold" };
                let told = cell
                    .wrong
                    .iter()
                    .map(|what| format!("{label}, {harm:?}, {cache}: {what}"));
                wrong.extend(told);
            }
            table += " |";
        }
        table += "\n";
    }
    wrong.truncate(40);
    assert!(wrong.is_empty(), "{HARMS:?}\n{table}\n{}", wrong.join("\n"));
}

#[test]
fn e11_damaged_data_packs_cost_what_lies_in_them() {
    matrix(|label| label.contains("data pack"));
}

#[test]
fn damaged_tree_packs_cost_their_folders() {
    matrix(|label| label.contains("tree pack"));
}

#[test]
fn other_damage_costs_no_file() {
    matrix(|label| !label.contains("pack"));
}

#[test]
fn a_number_is_not_used_twice_while_a_slot_is_unreadable() {
    let place = tempfile::tempdir().unwrap();
    let store = MemoryStore::new("memory");
    let client = Client::new(
        place.path(),
        1,
        Arc::new(store.clone()),
        TestHost::new(1, "one"),
    );
    client.init().unwrap();
    let path = place.path().join("source");
    fs::create_dir(&path).unwrap();
    let mut saved = Vec::new();
    let job = Job {
        source: "all".to_owned(),
        path: path.clone(),
        force: true,
    };
    for text in ["first", "second"] {
        fs::write(path.join("file"), text).unwrap();
        saved.push(client.backup_well(&job));
    }
    let mut slots = Vec::new();
    store
        .list(Folder::Commits, &mut |listed| {
            slots.push(listed.name);
            Ok(())
        })
        .unwrap();
    let good: Vec<_> = slots
        .iter()
        .map(|slot| store.get(slot, 1 << 20).unwrap())
        .collect();
    for slot in &slots {
        store.put(slot, &Payload::new(vec![0; 8192])).unwrap();
    }
    fs::remove_dir_all(client.cache()).unwrap();
    let monitor = Collected::default();
    saved.extend(client.backup(&job, &monitor).unwrap().snapshot);
    assert!(!monitor.problems().is_empty());
    for (slot, bytes) in slots.iter().zip(good) {
        store.put(slot, &Payload::new(bytes)).unwrap();
    }
    let listed: Vec<_> = client.snapshots().into_iter().map(|(id, _)| id).collect();
    assert_eq!(listed, saved);
    let fourth = client.backup_well(&job);
    assert_eq!(
        client.snapshots().last().unwrap().0,
        fourth,
        "the chain has not forked"
    );
    client.assert_clean();
}
