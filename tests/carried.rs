//! Blocks of packs that go: one of which all is needed moves as it was compressed, and nothing moves under a wrong name.

use crate::several::{World, at_once, of};
use crate::world::noise;
use heirloom::compress::{Compressor, Expander, Level};
use heirloom::format::block::check_blobs;
use heirloom::format::directory::Codec;
use heirloom::format::pack::{DataPackSize, PackBuilder, PackedBlock};
use heirloom::format::{BlobKind, ObjectKind};
use heirloom::id::Id;
use heirloom::monitor::Collected;
use heirloom::name::{Folder, Name};
use heirloom::ops::by::By;
use heirloom::ops::carry::{self, Which};
use heirloom::ops::prune;
use heirloom::ops::reach::Reach;
use heirloom::repo::Writer;
use heirloom::repo::index::directories::pack_directory;
use heirloom::repo::index::reached::Reached;
use heirloom::repo::index::row::Place;
use heirloom::repo::loader::expand_block;
use heirloom::repo::look::Look;
use heirloom::repo::presence::Presence;
use heirloom::store::{Payload, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

/// A block as it lies in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    pack: Id,
    stored: Vec<u8>,
    raw: Vec<u8>,
    codec: Codec,
    blobs: Vec<(Id, u32)>,
}

/// Every block of every data pack, in order.
fn blocks(world: &World) -> Vec<Block> {
    let client = &world.client;
    let repo = client.open().unwrap();
    let loader = client.loader();
    let mut blocks = Vec::new();
    for name in of(&world.stores[0], Folder::Packs) {
        let pack = Id::from_hex(name.leaf()).unwrap();
        let pack_len = world.stores[0].contents()[&name].len() as u64;
        let (pack_kind, directory) = pack_directory(&repo, &pack, pack_len).unwrap();
        if pack_kind != ObjectKind::DataPack {
            continue;
        }
        for (at, row) in directory.places() {
            let place = Place {
                pack,
                pack_kind,
                pack_len,
                block_offset: u32::try_from(at.offset).unwrap(),
                stored_len: row.stored_len,
                raw_len: row.raw_len,
                codec: row.codec,
                kind: row.kind,
                offset: 0,
                len: row.raw_len,
            };
            let (mut stored, mut raw) = (Vec::new(), Vec::new());
            loader.read_stored(&place, &mut stored).unwrap();
            expand_block(&place, &stored, &mut Expander::new(), &mut raw).unwrap();
            let ids = directory.ids[at.blobs.clone()].iter().copied();
            let blobs = ids.zip(directory.lens[at.blobs].iter().copied());
            blocks.push(Block {
                pack,
                stored,
                raw,
                codec: row.codec,
                blobs: blobs.collect(),
            });
        }
    }
    blocks
}

/// Text that compresses, and otherwise at each level.
fn text(seed: u64) -> Vec<u8> {
    let words = noise(1000, 4096);
    let numbers = noise(seed, 512 << 10);
    let pick = |pair: &[u8]| {
        let at = usize::from(pair[0]) * 15;
        words[at..at + 3 + usize::from(pair[1] % 12)].to_vec()
    };
    numbers.chunks_exact(2).flat_map(pick).collect()
}

/// Blocks of which all is needed, some of which a part is, and some that nobody needs, in one pack: compressed as no prune
/// compresses.
fn world() -> World {
    let mut world = World::new();
    let write = |name: &str, seed| fs::write(world.job.path.join(name), text(seed)).unwrap();
    write("a", 1);
    write("b", 2);
    write("c", 3);
    let first = world.backup(&[0]);
    fs::remove_file(world.job.path.join("a")).unwrap();
    world.backup(&[0]);
    world.client.forget(&world.places(&[0]), &[first]).unwrap();
    world.snapshots.remove(&first);
    world
}

fn prune(world: &World) -> prune::Report {
    let options = at_once();
    let monitor = Collected::default();
    let pruned = world.client.prune(&world.places(&[0]), &options, &monitor);
    pruned.unwrap_or_else(|error| panic!("{}", error.chain()))
}

#[test]
fn a_block_of_which_all_is_needed_moves_as_it_was_compressed() {
    let world = world();
    let before = blocks(&world);
    prune(&world);
    let after = blocks(&world);
    assert!(after.iter().all(|new| before[0].pack != new.pack));
    let mut compressor = Compressor::new(Level::Auto);
    let old: BTreeMap<_, _> = before.iter().map(|old| (&old.blobs, old)).collect();
    let (mut whole, mut parts) = (0, 0);
    for new in &after {
        assert_eq!(new.codec, Codec::Zstd);
        match old.get(&new.blobs) {
            Some(old) => {
                assert!(old.stored == new.stored && old.raw == new.raw);
                // No prune compresses as this was.
                let mut again = Vec::new();
                assert!(compressor.compress(&new.raw, &mut again) && again != new.stored);
                whole += 1;
            }
            None => parts += 1,
        }
    }
    assert!(whole > 1 && parts > 0, "{whole} and {parts}");
    world.assert_whole(0, "pruned");
}

/// The same blocks in a pack of its own, but that one blob is not what its name says: the one in this block.
fn replace(world: &World, blocks: &[Block], bad: usize) -> Id {
    let mut builder = PackBuilder::new(ObjectKind::DataPack, DataPackSize::ALONE, Vec::new());
    for (at, block) in blocks.iter().enumerate() {
        let mut stored = block.stored.clone();
        if at == bad {
            let mut raw = block.raw.clone();
            raw[10] ^= 1;
            assert!(Compressor::new(Level::Fast).compress(&raw, &mut stored));
        }
        builder.push(&PackedBlock {
            stored: &stored,
            raw_len: u32::try_from(block.raw.len()).unwrap(),
            codec: block.codec,
            kind: BlobKind::Chunk,
            blobs: &block.blobs,
        });
    }
    let repo = world.client.open().unwrap();
    let writer = Writer {
        device: [7; 16],
        started_ns: 1,
    };
    let pack = builder.finish(&repo.sealer(writer), &[5; 32]);
    let store = &world.stores[0];
    let name = |id: &Id| Name::hashed(Folder::Packs, &id.to_hex());
    store.delete(&name(&blocks[0].pack)).unwrap();
    for run in of(store, Folder::Index) {
        store.delete(&run).unwrap();
    }
    store
        .put(&name(&pack.id), &Payload::new(pack.bytes))
        .unwrap();
    pack.id
}

/// Every chunk of the snapshots that are left.
fn needed(world: &World) -> BTreeSet<Id> {
    let loader = world.client.loader();
    let mut needed = BTreeSet::new();
    for (_, root) in world.client.snapshots() {
        let walked = Reach::new(&loader).snapshot(root, None, &mut |_, id| {
            needed.insert(*id);
            Ok(())
        });
        walked.unwrap();
    }
    needed
}

#[test]
fn a_blob_with_a_wrong_name_is_not_carried_with_its_block() {
    let world = world();
    let before = blocks(&world);
    assert!(before.iter().all(|block| block.pack == before[0].pack));
    let needed = needed(&world);
    let all_needed = |block: &Block| block.blobs.iter().all(|(id, _)| needed.contains(id));
    let several = |block: &&Block| block.blobs.len() > 1 && all_needed(block);
    let bad = before.iter().position(|block| several(&block)).unwrap();
    let pack = replace(&world, &before, bad);
    let report = prune(&world);
    let done = report.mirrors[0].1.as_ref().unwrap();
    assert_eq!(done.carried.kept, [pack].into());
    let repo = world.client.open().unwrap();
    let mut carried = Vec::new();
    for block in blocks(&world).iter().filter(|block| block.pack != pack) {
        let (ids, lens): (Vec<_>, Vec<_>) = block.blobs.iter().copied().unzip();
        let wrong = check_blobs(repo.keys(), BlobKind::Chunk, &block.raw, &ids, &lens);
        assert_eq!(wrong, [0_usize; 0], "carried under a wrong name");
        carried.extend(ids);
    }
    // Its neighbours are.
    let [lost, rest @ ..] = &before[bad].blobs[..] else {
        panic!("an empty block");
    };
    assert!(!carried.contains(&lost.0) && !rest.is_empty());
    assert!(rest.iter().all(|(id, _)| carried.contains(id)));
}

/// The other mirrors have stopped answering in the midst of a prune, so nobody tells of what this one alone has, and its own
/// index run may be gone besides: a pack that holds what is needed stays, whatever is marked.
#[test]
fn what_nobody_else_knows_of_is_kept() {
    for run in [true, false] {
        let mut world = World::new();
        world.change(1);
        world.backup(&[1]);
        let monitor = Collected::default();
        let client = world.client.with_store(Arc::new(world.stores[1].clone()));
        let here = Look::at(&client.open().unwrap(), &monitor).unwrap();
        let mut reached = Reached::new(&here.index);
        for (_, _, snapshot) in here.chains.snapshots() {
            let mut note = |kind, id: &Id| reached.add(kind, id);
            let walked = Reach::new(&here.loader).snapshot(snapshot.tree, None, &mut note);
            walked.unwrap();
        }
        let going: BTreeSet<Id> = here.presence.packs().keys().copied().collect();
        assert!(!going.is_empty());
        let client = match run {
            true => client,
            // Nor has this device ever seen the run.
            false => {
                for run in of(&world.stores[1], Folder::Index) {
                    world.stores[1].delete(&run).unwrap();
                }
                world.stranger(Arc::new(world.stores[1].clone()))
            }
        };
        let repo = client.open().unwrap();
        let others = world.client.open().unwrap();
        let others = Look::at(&others, &monitor).unwrap();
        assert!(others.presence.packs().is_empty());
        let by = By {
            host: &client.host,
            writer: Writer {
                device: [7; 16],
                started_ns: 1,
            },
            monitor: &monitor,
        };
        let mut presence = Presence::to_collect(&repo, &going).unwrap();
        let carried = carry::run(
            &others,
            &repo,
            &mut presence,
            (&reached, Which::Lacking),
            by,
        )
        .unwrap();
        assert_eq!(carried.kept, going, "{run}");
    }
}
