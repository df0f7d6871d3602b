//! Every promise to the user, one module each.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect has failed"
)]

/// What remote stores make of each answer.
#[cfg(feature = "remote")]
mod answers;
/// A mirror on which one device deletes nothing.
mod append_only;
/// Reading while another device prunes.
mod beside;
/// Authentic boxes that would make a reader allocate, loop or wander off.
mod bombs;
/// Blocks of packs that go move as they are.
mod carried;
/// The chunker cuts as its frozen vectors say.
mod chunker;
/// What is typed and what is answered, verb by verb.
mod cli;
/// One installation of the program, for tests of whole lives.
#[path = "util/client.rs"]
mod client;
/// What a collection does where the place is poor and the world has moved on.
mod collect;
/// What opens under two keys opens under one.
mod commitment;
/// What an earlier heirloom wrote is read for ever.
mod compat;
/// The contract of a store.
#[path = "util/contract.rs"]
mod contract;
/// Every store call fails once, the program is killed at any moment; what was committed stays.
mod crash;
/// Every sort of damage to every kind of object.
mod damage;
/// Authentic boxes with any content, made as an attacker with the keys would.
#[path = "util/forge.rs"]
mod forge;
/// Frozen bytes of every record kind, whole and malformed.
mod format;
/// A full disk and a read-only one.
mod full;
/// Parsers and bytes that nobody would think of.
mod fuzz;
/// The golden repository: made, opened, compared.
#[path = "util/golden.rs"]
mod golden;
/// A mirror that means harm.
mod hostile;
/// Verbs of the real program killed on two mirrors.
mod kills;
/// A bucket that lies as it is told to.
#[cfg(feature = "remote")]
#[path = "util/liar.rs"]
mod liar;
/// What is damaged costs its own range.
mod lone;
mod losses;
/// Man pages, completions and README say what the program does.
mod manual;
/// One memory budget for every verb at every size.
mod memory;
/// What mirrors mend with parity.
mod mends;
/// One repository on several mirrors.
mod mirrors;
/// Random lives of a source, each snapshot compared with the tree as it was.
mod model;
/// Names that other systems refuse, confuse or obey.
mod names;
/// What a newer version wrote.
mod newer;
/// The numbers that FORMAT.txt gives to check against.
mod numbers;
/// A restore over what stands there already.
mod overwrite;
/// What parity brings back.
mod parity;
/// Nothing in clear, on a mirror or on the device.
mod privacy;
/// Sessions and collectors as a model, every state of which is met.
mod protocol;
/// A proxy that does harm on purpose.
#[cfg(feature = "remote")]
#[path = "util/proxy.rs"]
mod proxy;
/// What a prune leaves.
mod prune;
/// Interleavings of sessions and collectors, each as its test says it.
mod races;
/// How many calls a verb makes on a mirror.
mod requests;
/// What is saved comes back without this program.
mod rescue;
/// What is saved comes back.
mod restore;
/// A mirror that shows less than it did, and clocks that are wrong.
mod rollback;
/// A store at whose calls others act.
#[path = "util/schedule.rs"]
mod schedule;
/// An HTTP server that answers as a test tells it to.
#[cfg(feature = "remote")]
#[path = "util/script.rs"]
mod script;
/// Stores against real servers; needs tests/servers.sh.
#[cfg(feature = "remote")]
mod servers;
/// One repository on three mirrors that can fail.
#[path = "util/several.rs"]
mod several;
/// A mirror that stops answering.
mod silent;
/// Devices and mirrors in bad weather.
mod sim;
/// Many key slots, and secrets that were in use once.
mod slots;
/// What every source must do.
mod sources;
/// A world with two of every kind of object, to be hurt.
#[path = "util/stage.rs"]
mod stage;
/// Stores and decorators that need no server.
mod stores;
/// A store in bad weather.
#[path = "util/storm.rs"]
mod storm;
/// Restore writes below its target and nowhere else.
mod target;
/// Floors, doors, file heads, sizes.
mod tidy;
mod tidying;
/// Prune where there is next to no room.
mod tight;
/// What takes a removal back, and when it is too late.
mod undelete;
/// Readings that are wrong now and then.
mod unsteady;
/// A small world for one test.
mod util;
/// A source, a repository in memory and a target, for tests of the library.
#[path = "util/world.rs"]
mod world;
