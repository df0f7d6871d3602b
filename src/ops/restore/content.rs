//! The chunks of a file in order, where a list that cannot be read costs what it covers and nothing more.

use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::tree::content::{self, ContentItem, List};
use crate::format::tree::node::Node;
use crate::repo::loader::Loader;

/// A stretch of a file's data; holes are not counted.
pub(crate) enum Part {
    /// A chunk.
    Chunk(ContentItem),
    /// As many bytes of which not even the chunks are known.
    Lost(u64, Error),
}

/// Hands every part to `each`, one list in memory at each depth.
pub(crate) fn for_each_part(
    loader: &Loader,
    node: &Node,
    each: &mut dyn FnMut(Part) -> Result<()>,
) -> Result<()> {
    descend(loader, &node.content, node.depth, each)
}

fn descend(
    loader: &Loader,
    items: &[u8],
    depth: u8,
    each: &mut dyn FnMut(Part) -> Result<()>,
) -> Result<()> {
    if depth == 0 {
        return content::read_items(items)?
            .into_iter()
            .try_for_each(|item| each(Part::Chunk(item)));
    }
    for item in content::read_list_items(items)? {
        let list = loader.load(BlobKind::List, &item.id);
        match list.and_then(|bytes| List::decode(&bytes, depth - 1, item.covers)) {
            Ok(list) => descend(loader, &list.items, depth - 1, each)?,
            Err(error) => each(Part::Lost(item.covers, error))?,
        }
    }
    Ok(())
}

/// Where each stretch of data lies in a file with holes.
pub(crate) struct Offsets<'a> {
    holes: std::iter::Peekable<std::slice::Iter<'a, (u64, u64)>>,
    at: u64,
}

impl<'a> Offsets<'a> {
    /// At the beginning of the file of `node`.
    pub(crate) fn of(node: &'a Node) -> Self {
        Self {
            holes: node.holes.iter().peekable(),
            at: 0,
        }
    }

    /// Where the next of `left` bytes of data go, and how many of them until a hole interrupts.
    pub(crate) fn next(&mut self, left: u64) -> (u64, u64) {
        while let Some((_, hole)) = self.holes.next_if(|(start, _)| *start <= self.at) {
            self.at = self.at.saturating_add(*hole);
        }
        let at = self.at;
        let room = self
            .holes
            .peek()
            .map_or(left, |(start, _)| left.min(start - at));
        self.at = at.saturating_add(room);
        (at, room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_goes_around_the_holes() {
        let node = Node {
            holes: vec![(0, 10), (30, 5), (40, 5)],
            ..Node::default()
        };
        let mut offsets = Offsets::of(&node);
        assert_eq!(offsets.next(20), (10, 20));
        assert_eq!(
            offsets.next(9),
            (35, 5),
            "the rest comes after the next hole"
        );
        assert_eq!(offsets.next(4), (45, 4));
    }
}
