//! What mirrors mend with parity: by themselves, together, interrupted anywhere, and never at the cost of what is whole.

use crate::world::noise;
use heirloom::crypto::hash;
use heirloom::error::{Error, Kind, Result};
use heirloom::limits::PAGE;
use heirloom::mirror::heal::{Heal, Healed, Others};
use heirloom::mirror::parity::{self, Brought, Seen, name_of};
use heirloom::mirror::scrub;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::heal;
use heirloom::store::calls::{Call, Counted};
use heirloom::store::faulty::{Counting, Fault, Faulty, Moment};
use heirloom::store::memory::MemoryStore;
use heirloom::store::{Listed, Location, Payload, Placed, Store};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Pages of the pack that is hurt, of which parity of 10 percent brings 6 back.
const PAGES: usize = 60;

fn object(folder: Folder, seed: u64, pages: usize) -> (Name, Vec<u8>) {
    let bytes = noise(seed, pages * PAGE);
    let name = Name::hashed(folder, &hash::object_id(&bytes).to_hex());
    (name, bytes)
}

/// A pack, and a mirror that holds it with a smaller one, an entry, and their parity.
fn mirror() -> (Name, MemoryStore) {
    let store = MemoryStore::new("mirror");
    let (pack, bytes) = object(Folder::Packs, 1, PAGES);
    put(&store, &pack, bytes);
    for (folder, seed, pages) in [(Folder::Packs, 2, 3), (Folder::Entries, 3, 2)] {
        let (name, bytes) = object(folder, seed, pages);
        put(&store, &name, bytes);
    }
    let brought = bring(&store, 10, &[]);
    assert_eq!((brought.written, brought.removed), (3, 0));
    (pack, store)
}

fn put(store: &dyn Store, name: &Name, bytes: Vec<u8>) {
    store.put(name, &Payload::new(bytes)).unwrap();
}

fn bring(store: &dyn Store, percent: u8, needed: &[&Name]) -> Brought {
    let needed: BTreeSet<Name> = needed.iter().copied().cloned().collect();
    let monitor = Collected::default();
    parity::bring(store, percent, &mut || Ok(needed.clone()), &monitor).unwrap()
}

fn hurt(store: &MemoryStore, name: &Name, pages: Range<usize>) {
    let hurt = store.change(name, |bytes| {
        pages.for_each(|page| bytes[page * PAGE + 7] ^= 1);
    });
    assert!(hurt);
}

fn heal(target: &dyn Store, others: &[&MemoryStore], name: &Name) -> Result<Healed> {
    let others = others
        .iter()
        .map(|store| Arc::new((*store).clone()) as Arc<dyn Store>);
    let others = Others::new(others);
    let monitor = Collected::default();
    let heal = Heal {
        target,
        others: &others,
        spare: &|_| None,
        tag: "0a1b2c3d",
        dry_run: false,
        monitor: &monitor,
    };
    match name.folder() {
        Folder::Parity => heal.parity(name, 10),
        _ => heal.object(name),
    }
}

fn parity_of(name: &Name) -> Name {
    name_of(name).unwrap()
}

#[test]
fn parity_is_brought_where_it_lacks_and_removed_where_it_belongs_to_nothing() {
    let (pack, store) = mirror();
    assert!(bring(&store, 10, &[]).is_nothing());
    let found = scrub::run(&store, 2, &Collected::default()).unwrap();
    assert!(found.damaged.is_empty() && found.strangers == 0);
    // Another percentage is another length.
    assert_eq!(Seen::read(&store).unwrap().lacking(50).len(), 1);
    assert_eq!(bring(&store, 50, &[]).written, 1);
    assert_eq!(bring(&store, 10, &[]).written, 1);
    // What is damaged keeps the parity that it has, at whatever length it is.
    let before = store.get(&parity_of(&pack), 1 << 20).unwrap();
    store.change(&pack, |bytes| bytes.truncate(50 * PAGE));
    assert_eq!(bring(&store, 10, &[]).written, 0);
    assert!(store.get(&parity_of(&pack), 1 << 20).unwrap() == before);
    // Missing and needed, missing and not.
    store.delete(&pack).unwrap();
    assert!(bring(&store, 10, &[&pack]).is_nothing());
    assert_eq!(bring(&store, 10, &[]).removed, 1);
    let (objects, _) = scrub::list_all(&store).unwrap();
    assert_eq!(bring(&store, 0, &[]).removed, 2);
    assert_eq!(scrub::list_all(&store).unwrap().0.len(), objects.len() - 2);
}

#[test]
fn e7_what_a_mirror_can_mend_by_itself_it_mends_by_itself() {
    let (pack, store) = mirror();
    let (_, whole) = mirror();
    let good = store.contents();
    let zeros = |bytes: &mut Vec<u8>| bytes[PAGE..7 * PAGE].fill(0);
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(54 * PAGE + 1);
    let head = |bytes: &mut Vec<u8>| bytes[..PAGE].fill(0);
    let harms: [fn(&mut Vec<u8>); 3] = [zeros, cut, head];
    for harm in harms {
        store.change(&pack, harm);
        assert_eq!(heal(&store, &[&whole], &pack).unwrap(), Healed::Rebuilt);
        assert!(store.contents() == good, "or something is left beside it");
    }
    // More than that another mirror gives.
    store.change(&pack, |bytes| bytes.fill(0));
    let told = heal(&store, &[&whole], &pack).unwrap();
    assert_eq!(told, Healed::From("mirror".to_owned()));
    store.change(&pack, |bytes| bytes.fill(0));
    let before = store.contents();
    assert_eq!(heal(&store, &[], &pack).unwrap(), Healed::Left);
    assert!(store.contents() == before, "and nothing is done without");
    // An entry of two pages is in its parity as a whole.
    store.replace(good.clone());
    let entry = good.keys().find(|name| name.folder() == Folder::Entries);
    store.delete(entry.unwrap()).unwrap();
    let told = heal(&store, &[], entry.unwrap()).unwrap();
    assert_eq!(told, Healed::Rebuilt);
    assert!(store.contents() == good);
}

#[test]
fn e9_three_mirrors_damaged_at_other_places_make_one_whole() {
    let mirrors = [mirror(), mirror(), mirror()];
    let (pack, good) = (mirrors[0].0.clone(), mirrors[0].1.contents());
    // Each lacks more than its parity gives back, and two have no good parity at all.
    for (number, (_, store)) in mirrors.iter().enumerate() {
        hurt(store, &pack, number * 18..number * 18 + 24);
    }
    mirrors[0].1.delete(&parity_of(&pack)).unwrap();
    mirrors[1]
        .1
        .change(&parity_of(&pack), |bytes| bytes.fill(0));
    let all: Vec<_> = mirrors.iter().map(|(_, store)| store).collect();
    assert_eq!(heal(all[0], &[], &pack).unwrap(), Healed::Left);
    assert_eq!(heal(all[0], &all[1..2], &pack).unwrap(), Healed::Left);
    assert_eq!(heal(all[0], &all[1..], &pack).unwrap(), Healed::Rebuilt);
    assert!(all[0].get(&pack, 1 << 20).unwrap() == good[&pack]);
    // The others are given what is whole now, and the parity is made again.
    for at in [1, 2] {
        let told = heal(all[at], &all[..1], &pack).unwrap();
        assert_eq!(told, Healed::From("mirror".to_owned()));
    }
    assert_eq!(heal(all[1], &[], &parity_of(&pack)).unwrap(), Healed::Anew);
    assert_eq!(bring(all[0], 10, &[]).written, 1);
    assert!(all.iter().all(|store| store.contents() == good));
}

#[test]
fn damaged_parity_is_made_again_of_a_whole_object_and_of_nothing_else() {
    let (pack, store) = mirror();
    let (good, parity) = (store.contents(), parity_of(&pack));
    hurt(&store, &parity, 0..1);
    let found = scrub::run(&store, 1, &Collected::default()).unwrap();
    assert_eq!(found.damaged.len(), 1);
    // One header will do.
    hurt(&store, &pack, 3..9);
    assert_eq!(heal(&store, &[], &parity).unwrap(), Healed::Left);
    assert_eq!(heal(&store, &[], &pack).unwrap(), Healed::Rebuilt);
    assert_eq!(heal(&store, &[], &parity).unwrap(), Healed::Anew);
    assert_eq!(heal(&store, &[], &parity).unwrap(), Healed::Unstable);
    assert!(store.contents() == good);
    // That of an object that is gone belongs to nothing.
    store.delete(&pack).unwrap();
    assert_eq!(heal(&store, &[], &parity).unwrap(), Healed::Unstable);
    store.change(&parity, |bytes| bytes.truncate(9000));
    assert_eq!(heal(&store, &[], &parity).unwrap(), Healed::Removed);
    // Without a key, everything that is listed, objects before their parity.
    let entry = good.keys().find(|name| name.folder() == Folder::Entries);
    let entry = entry.unwrap();
    store.replace(good.clone());
    hurt(&store, entry, 0..1);
    hurt(&store, &pack, 10..16);
    hurt(&store, &parity_of(entry), 5..6);
    let stores: Vec<Arc<dyn Store>> = vec![Arc::new(store.clone())];
    let options = heal::Options {
        dry_run: false,
        all: true,
        workers: 2,
        tag: "0a1b2c3d",
    };
    let monitor = Collected::default();
    let healed = heal::without_key(&stores, (0, Some(10)), options, &monitor).unwrap();
    assert_eq!(healed.len(), 3);
    assert!(healed.values().all(Healed::is_well), "{healed:?}");
    assert!(store.contents() == good);
}

/// Whoever may read everything but one sector of one object.
struct Scratched(MemoryStore, Name, u64);

impl Scratched {
    fn refuse(&self, name: &Name, range: Range<u64>) -> Result<()> {
        match *name == self.1 && range.contains(&self.2) {
            true => Err(Error::new(Kind::Damaged, "the disk cannot read that")),
            false => Ok(()),
        }
    }
}

impl Store for Scratched {
    fn location(&self) -> &Location {
        self.0.location()
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        self.refuse(name, 0..u64::MAX)?;
        self.0.get_into(name, len_max, into)
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        self.refuse(name, range.clone())?;
        self.0.get_range(name, range)
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        self.0.put(name, payload)
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        self.0.put_if_absent(name, payload)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        self.0.list(folder, each)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        self.0.delete(name)
    }
}

#[test]
fn around_a_sector_that_cannot_be_read_everything_else_is_read() {
    let (pack, store) = mirror();
    let parity = store.get(&parity_of(&pack), 1 << 20).unwrap();
    for at in [0, 30 * PAGE + 17, PAGES * PAGE - 1] {
        let scratched = Scratched(store.clone(), pack.clone(), at as u64);
        let made = parity::rebuild(&scratched, &pack, None, &[&scratched]).unwrap();
        assert!(made == store.get(&pack, 1 << 20).unwrap());
    }
    // The same where the parity is the only thing whole elsewhere.
    let keeper = MemoryStore::new("keeper");
    put(&keeper, &parity_of(&pack), parity);
    let scratched = Scratched(store, pack.clone(), 5);
    parity::rebuild(&keeper, &pack, None, &[&keeper, &scratched]).unwrap();
}

/// E12: killed at each store call, before or after its effect, what is whole stays whole, and the next heal ends it.
#[test]
fn e12_a_heal_may_be_killed_anywhere() {
    let (pack, store) = mirror();
    let good = store.contents();
    let parity = parity_of(&pack);
    let harms: [(&Name, &dyn Fn()); 3] = [
        (&pack, &|| hurt(&store, &pack, 3..9)),
        (&parity, &|| hurt(&store, &parity, 0..2)),
        (&parity, &|| {
            store.delete(&pack).unwrap();
            hurt(&store, &parity, 4..5);
        }),
    ];
    for (name, harm) in harms {
        store.replace(good.clone());
        harm();
        let counted = Counted::new(store.clone());
        heal(&counted, &[], name).unwrap();
        let wanted = store.contents();
        let calls = counted.take().len() as u64;
        assert!(calls >= 3, "{calls}");
        for (at, moment) in (0..calls).flat_map(|at| [(at, Moment::Before), (at, Moment::After)]) {
            store.replace(good.clone());
            harm();
            let hurt = store.contents();
            let faulty = Faulty::new(store.clone());
            faulty.plan(Some(Fault {
                at,
                counting: Counting::All,
                moment,
                for_good: true,
                kind: Kind::Unreachable,
            }));
            let killed = heal(&faulty, &[], name);
            assert!(!matches!(killed, Ok(Healed::Removed)) || at + 1 == calls);
            let now = store.contents();
            for (other, bytes) in hurt.iter().filter(|(other, _)| *other != name) {
                assert!(now.get(other) == Some(bytes), "{other} at {at}");
            }
            let stays = |bytes: &Vec<u8>| now.values().any(|kept| kept == bytes);
            assert!(stays(&hurt[name]) || now.get(name) == wanted.get(name));
            heal(&store, &[], name).unwrap();
            let mut now = store.contents();
            now.retain(|name, _| name.folder() != Folder::Tmp);
            assert!(now == wanted, "{name} at {at}, {moment:?}");
        }
    }
}

#[test]
fn parity_costs_one_reading_and_one_put_of_each_object_on_all_folders_together() {
    let (one, two) = (Counted::new(mirror().1), Counted::new(mirror().1));
    let names: Vec<_> = one.inner().contents().into_keys().collect();
    let objects: Vec<_> = names
        .into_iter()
        .filter(|name| name_of(name).is_some())
        .collect();
    let stores: [(&dyn Store, u8); 2] = [(&one, 5), (&two, 5)];
    let wrote = parity::write(&stores, &objects, &Collected::default()).unwrap();
    assert_eq!(wrote.written, 6);
    assert_eq!((one.count(Call::Get), one.count(Call::Put)), (3, 3));
    assert_eq!((two.count(Call::Get), two.count(Call::Put)), (0, 3));
    assert_eq!(one.calls().len() + two.calls().len(), 9);
}
