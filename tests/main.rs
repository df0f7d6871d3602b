//! Every promise to the user, one module each.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect has failed"
)]

/// The chunker cuts as its frozen vectors say.
mod chunker;
/// What is typed and what is answered, verb by verb.
mod cli;
/// What an earlier heirloom wrote is read for ever.
mod compat;
/// Frozen bytes of every record kind, whole and malformed.
mod format;
/// The golden repository: made, opened, compared.
#[path = "util/golden.rs"]
mod golden;
/// What is damaged costs its own range.
mod losses;
/// Man pages, completions and README say what the program does.
mod manual;
/// The numbers that FORMAT.txt gives to check against.
mod numbers;
/// A restore over what stands there already.
mod overwrite;
/// What is saved comes back without this program.
mod rescue;
/// What is saved comes back.
mod restore;
/// What every source must do.
mod sources;
/// What every store and decorator must do.
mod stores;
/// Restore writes below its target and nowhere else.
mod target;
/// Floors, doors, file heads, sizes.
mod tidy;
/// A small world for one test.
mod util;
/// A source, a repository in memory and a target, for tests of the library.
#[path = "util/world.rs"]
mod world;
