//! A world with two of every kind of object, and ways to hurt one of them.

use crate::world::{World, key, noise};
use heirloom::compress::Level;
use heirloom::crypto::hash::object_id;
use heirloom::crypto::passphrase::Argon2Cost;
use heirloom::crypto::secret::Secret;
use heirloom::format::ObjectKind;
use heirloom::format::commit::Intent;
use heirloom::format::key_slot::SlotSecret;
use heirloom::format::mark::Mark;
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::repo::keyring::{NewSlot, put_slot};
use heirloom::store::{Payload, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The columns: where the damage lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    Header,
    First,
    Middle,
    Last,
    Tail,
    Headers,
    Truncated,
    Zeros,
    Deleted,
    Swapped,
    Empty,
}

pub(crate) const HARMS: [Harm; 11] = [
    Harm::Header,
    Harm::First,
    Harm::Middle,
    Harm::Last,
    Harm::Tail,
    Harm::Headers,
    Harm::Truncated,
    Harm::Zeros,
    Harm::Deleted,
    Harm::Swapped,
    Harm::Empty,
];

/// The rows: what is damaged, and another object of its kind.
pub(crate) struct Victim {
    /// What the table calls it.
    pub(crate) label: &'static str,
    /// What is hurt.
    pub(crate) names: Vec<Name>,
    /// Another of its kind.
    pub(crate) other: Option<Name>,
}

/// A world with two of everything, and how to get back to it.
pub(crate) struct Stage {
    pub(crate) world: World,
    contents: BTreeMap<Name, Vec<u8>>,
    pub(crate) victims: Vec<Victim>,
    /// What lies in the source.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

const LATER: std::time::Duration = std::time::Duration::from_secs(400 * 86_400);

impl Stage {
    /// Two backups of two folders.
    pub(crate) fn new() -> Self {
        let mut world = World::new();
        // The clock of the fixed host may be behind the files'; what is as new as the last run is read again.
        world.host().sleep(LATER);
        let words = NewSlot {
            secret: words(),
            cost: Argon2Cost::default(),
            label: "words".to_owned(),
        };
        let slot = words
            .seal(world.repo().root(), world.repo().id(), world.host())
            .unwrap();
        put_slot(&**world.repo().store(), &slot).unwrap();
        // Packs carry the slot of the words that was there when the repository was opened.
        world.reopen(key()).unwrap();
        let mut files = BTreeMap::new();
        let mut add = |path: String, bytes: Vec<u8>| {
            world.write(&path, &bytes);
            files.insert(path, bytes);
        };
        add("one/noise".to_owned(), noise(1, 300_000));
        add("one/text".to_owned(), words_of(2, 60_000));
        (0..5).for_each(|n| add(format!("one/small-{n}"), noise(10 + n, 300)));
        let empty = world.store.contents();
        world.backup();
        let first = world.store.contents();
        add("two/noise".to_owned(), noise(3, 250_000));
        add("two/text".to_owned(), words_of(4, 40_000));
        (0..5).for_each(|n| add(format!("two/small-{n}"), noise(20 + n, 300)));
        let report = world.try_backup(Level::Fast, false, &Collected::default());
        assert!(
            report.unwrap().unchanged > 5,
            "the first folder is not read"
        );
        put_intents_and_marks(&world);
        let contents = world.store.contents();
        for folder in ["cache", "state"] {
            copy(
                &world.outside(folder),
                &world.outside(&format!("kept/{folder}")),
            );
        }
        let victims = victims(&empty, &first, &contents);
        Self {
            world,
            contents,
            victims,
            files,
        }
    }

    /// Everything as it was, but for the cache.
    pub(crate) fn reset(&self, warm: bool) {
        self.world.store.replace(self.contents.clone());
        for folder in ["cache", "state", "target"] {
            let _ = fs::remove_dir_all(self.world.outside(folder));
        }
        copy(
            &self.world.outside("kept/state"),
            &self.world.outside("state"),
        );
        if warm {
            copy(
                &self.world.outside("kept/cache"),
                &self.world.outside("cache"),
            );
        }
    }
}

/// What the second key slot opens with.
pub(crate) fn words() -> SlotSecret {
    SlotSecret::Words(Secret::new([5; 16]))
}

/// Text that compresses and is like no other.
fn words_of(seed: u64, len: usize) -> Vec<u8> {
    let digits = noise(seed, len / 2)
        .into_iter()
        .flat_map(|byte| [b'a' + byte % 16, b' ']);
    digits.collect()
}

fn put_intents_and_marks(world: &World) {
    let store = &world.store;
    let seal = |kind, record: &[u8], seed: u8| {
        world.sealer().seal(kind, &[], record, &[seed; 32]).unwrap()
    };
    for byte in [1u8, 2] {
        let intent = Intent {
            session: [byte; 16],
            device: [9; 16],
            kind: "backup".to_owned(),
            marks: Vec::new(),
            started: 1,
        };
        let name = format!("{}.0", format!("{byte:02x}").repeat(16));
        let bytes = seal(ObjectKind::Intent, &intent.encode(), byte);
        let name = Name::new(Folder::Intents, &name).unwrap();
        store.put(&name, &Payload::new(bytes)).unwrap();
        put_mark(world, vec![Id::new([byte; 32])], false);
    }
}

/// A mark by an honest writer; a loss mark is what heal leaves behind for packs that nothing replaces.
pub(crate) fn put_mark(world: &World, packs: Vec<Id>, loss: bool) {
    let mark = Mark {
        device: [9; 16],
        time: 1,
        packs,
        entries: Vec::new(),
        loss,
    };
    let sealer = world.sealer();
    let bytes = sealer
        .seal(ObjectKind::Mark, &[], &mark.encode(), &[3; 32])
        .unwrap();
    let name = Name::hashed(Folder::Marks, &object_id(&bytes).to_hex());
    world.store.put(&name, &Payload::new(bytes)).unwrap();
}

type Objects = BTreeMap<Name, Vec<u8>>;

fn victims(empty: &Objects, first: &Objects, all: &Objects) -> Vec<Victim> {
    let fresh = |before: &Objects, now: &Objects, folder: Folder, kind: Option<ObjectKind>| {
        let mut found = now.iter().filter(|(name, bytes)| {
            let right = kind.is_none_or(|kind| bytes[10] == kind as u8);
            name.folder() == folder && !before.contains_key(*name) && right
        });
        found.next().unwrap().0.clone()
    };
    let pair = |label, folder, kind, old: bool| {
        let (one, two) = (
            fresh(empty, first, folder, kind),
            fresh(first, all, folder, kind),
        );
        let (name, other) = if old { (one, two) } else { (two, one) };
        Victim {
            label,
            names: vec![name],
            other: Some(other),
        }
    };
    let (data, tree) = (Some(ObjectKind::DataPack), Some(ObjectKind::TreePack));
    let mut victims = vec![
        pair("older data pack", Folder::Packs, data, true),
        pair("newer data pack", Folder::Packs, data, false),
        pair("older tree pack", Folder::Packs, tree, true),
        pair("newer tree pack", Folder::Packs, tree, false),
        pair("older index run", Folder::Index, None, true),
        pair("newer index run", Folder::Index, None, false),
        pair("older entry", Folder::Entries, None, true),
        pair("newer entry", Folder::Entries, None, false),
        pair("older commit slot", Folder::Commits, None, true),
        pair("newer commit slot", Folder::Commits, None, false),
    ];
    let of = |folder| {
        all.keys()
            .filter(move |name| name.folder() == folder)
            .cloned()
    };
    let key_file = |name: &Name| all[name][132] == 2;
    let slot = |folder| of(folder).find(key_file).unwrap();
    let twin = |folder| of(folder).find(|name| !key_file(name));
    for (label, folder) in [("intent", Folder::Intents), ("mark", Folder::Marks)] {
        let found: Vec<_> = of(folder).collect();
        victims.push(Victim {
            label,
            names: vec![found[0].clone()],
            other: Some(found[1].clone()),
        });
    }
    for (label, folders) in [
        ("key slot, copy 1", &[Folder::Keys][..]),
        ("key slot, copy 2", &[Folder::Keys2][..]),
        ("key slot, both", &[Folder::Keys, Folder::Keys2][..]),
    ] {
        let names = folders.iter().map(|folder| slot(*folder)).collect();
        victims.push(Victim {
            label,
            names,
            other: twin(folders[0]),
        });
    }
    let top = |leaf| Name::new(Folder::Top, leaf).unwrap();
    victims.push(Victim {
        label: "mirror",
        names: vec![Name::marker()],
        other: None,
    });
    for (label, leaf, other) in [
        ("README.txt", "README.txt", "FORMAT.txt"),
        ("FORMAT.txt", "FORMAT.txt", "README.txt"),
    ] {
        victims.push(Victim {
            label,
            names: vec![top(leaf)],
            other: Some(top(other)),
        });
    }
    victims
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// Does the harm; `false` where an object of this size has no such place.
pub(crate) fn hurt(stage: &Stage, victim: &Victim, harm: Harm) -> bool {
    let store = &stage.world.store;
    for name in &victim.names {
        let len = stage.contents[name].len();
        let pack = name.folder() == Folder::Packs;
        let text = name.folder() == Folder::Top && name.leaf() != "mirror";
        let end = if pack { len - 4096 } else { len };
        let at = match harm {
            Harm::Header => Some(if text { 0 } else { 200 }),
            Harm::First => (len > 4096 || text).then_some(if text { 300 } else { 4096 + 100 }),
            Harm::Middle => (len > 4096).then_some(len / 2 + 5),
            Harm::Last => (len > 4096).then_some(end - 100),
            Harm::Tail => pack.then_some(len - 100),
            Harm::Headers if pack => Some(200),
            Harm::Headers => None,
            Harm::Truncated | Harm::Zeros | Harm::Deleted | Harm::Empty => Some(0),
            Harm::Swapped => victim.other.as_ref().map(|_| 0),
        };
        let Some(at) = at else { return false };
        match harm {
            Harm::Truncated => store.change(name, |bytes| bytes.truncate(len / 2 + 1)),
            Harm::Zeros => store.change(name, |bytes| bytes.fill(0)),
            Harm::Empty => store.change(name, Vec::clear),
            Harm::Deleted => store.delete(name).is_ok(),
            Harm::Swapped => {
                let other = victim.other.as_ref().unwrap();
                let other = Name::new(name.folder(), other.leaf()).unwrap();
                let (one, two) = (&stage.contents[name], &stage.contents[&other]);
                store.change(&other, |bytes| bytes.clone_from(one));
                store.change(name, |bytes| bytes.clone_from(two))
            }
            Harm::Headers => store.change(name, |bytes| {
                bytes[at] ^= 0x40;
                bytes[len - 4096 + at] ^= 0x40;
            }),
            _ => store.change(name, |bytes| bytes[at] ^= 0x40),
        };
    }
    true
}
