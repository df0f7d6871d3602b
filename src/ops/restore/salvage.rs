//! A chunk whose block failed: had from another place, or from what is good around the damage.
//!
//! A block stored without compression is readable in parts, so damage costs only the chunks it touches. Of any other
//! block all is lost, but a chunk may lie in further packs.

use crate::compress::Expander;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::block::blob_id;
use crate::format::directory::Codec;
use crate::id::Id;
use crate::ops::restore::shared::Shared;
use crate::repo::index::row::Place;
use std::collections::HashSet;

/// Memory for it, made when it is first needed.
pub(crate) struct Salvage {
    expander: Option<Expander>,
    bytes: Vec<u8>,
    held: Option<(Id, u32)>,
    told: HashSet<Id>,
}

impl Salvage {
    /// Empty.
    pub(crate) fn new() -> Self {
        Self {
            expander: None,
            bytes: Vec::new(),
            held: None,
            told: HashSet::new(),
        }
    }

    /// The chunk's bytes from anywhere but the failed block as a whole.
    pub(crate) fn chunk(&mut self, shared: &Shared<'_>, id: &Id, failed: &Place) -> Option<&[u8]> {
        let mut tried = HashSet::new();
        // What lay elsewhere may have moved once more.
        loop {
            let places = match shared.loader.places(id, BlobKind::Chunk) {
                Ok(places) => places,
                Err(error) => {
                    shared.fail(error);
                    return None;
                }
            };
            let same = |place: &Place| {
                place.pack == failed.pack && place.block_offset == failed.block_offset
            };
            let open = |place: &Place| !same(place) || place.codec == Codec::Stored;
            let mut places = places.into_iter().filter(open);
            let place = places
                .find(|place| tried.insert((place.pack, place.block_offset, place.offset)))?;
            match self.read(shared, &place) {
                Ok(start) => {
                    let keys = shared.loader.repo().keys();
                    let range = start..start + place.len as usize;
                    let bytes = self.bytes.get(range.clone());
                    if bytes.is_some_and(|bytes| blob_id(keys, BlobKind::Chunk, bytes) == *id) {
                        return self.bytes.get(range);
                    }
                }
                Err(error) => match shared.loader.has_moved(&place.pack) {
                    Ok(true) => {}
                    _ => self.tell(shared, &place, error),
                },
            }
        }
    }

    /// Tells why a pack could not be read; once for each pack, whatever it costs.
    pub(crate) fn tell(&mut self, shared: &Shared<'_>, place: &Place, error: Error) {
        if error.kind() == Kind::Unreachable || self.told.insert(place.pack) {
            shared.problem(error);
        }
    }

    /// Reads what holds `place`; where in `bytes` the chunk begins.
    fn read(&mut self, shared: &Shared<'_>, place: &Place) -> Result<usize> {
        if place.codec == Codec::Stored {
            self.held = None;
            let offset = u64::from(place.block_offset) + u64::from(place.offset);
            return shared
                .loader
                .read_plain(place, offset, u64::from(place.len), &mut self.bytes);
        }
        let key = (place.pack, place.block_offset);
        if self.held != Some(key) {
            self.held = None;
            let expander = self.expander.get_or_insert_with(Expander::new);
            shared.loader.read_block(place, expander, &mut self.bytes)?;
            self.held = Some(key);
        }
        Ok(place.offset as usize)
    }
}
