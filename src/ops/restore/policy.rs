//! What the overwrite rule says of one item, given what stands in its place.

use crate::error::Result;
use crate::format::tree::node::{Node, NodeKind};
use crate::host::Timestamp;
use crate::ops::restore::Overwrite;
use crate::target::{Existing, Found, FoundKind, Target};

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Write it.
    Write,
    /// What is there is the same.
    Identical,
    /// What is there differs and stays.
    Keep,
}

/// Judges the item at `path`, and says what was found there.
pub(crate) fn judge(
    rule: Overwrite,
    target: &Target,
    path: &[u8],
    node: &Node,
) -> Result<(Verdict, Option<Found>)> {
    let found = target.stat(path)?;
    let same_link = match (&found, node.kind) {
        (Some(found), NodeKind::Symlink) if found.kind == FoundKind::Symlink => {
            target.read_link(path)? == node.link
        }
        _ => false,
    };
    Ok((verdict(rule, found.as_ref(), node, same_link), found))
}

fn verdict(rule: Overwrite, found: Option<&Found>, node: &Node, same_link: bool) -> Verdict {
    let Some(found) = found else {
        return Verdict::Write;
    };
    let same = same_link || is_same(found, node);
    match rule {
        Overwrite::Always => Verdict::Write,
        Overwrite::Never => Verdict::Keep,
        Overwrite::IfChanged | Overwrite::IfNewer if same => Verdict::Identical,
        Overwrite::IfNewer if found.mtime >= mtime(node) => Verdict::Keep,
        Overwrite::IfChanged | Overwrite::IfNewer => Verdict::Write,
    }
}

/// Same kind, size and time. A file that somebody else has a name for is not taken for ours.
fn is_same(found: &Found, node: &Node) -> bool {
    let alone = found.links == 1 || node.hard_link.is_some();
    let alike = match node.kind {
        NodeKind::File => found.kind == FoundKind::File && found.size == node.size,
        NodeKind::Fifo | NodeKind::CharDevice | NodeKind::BlockDevice => {
            found.kind == FoundKind::Other
        }
        NodeKind::Folder | NodeKind::Symlink => false,
    };
    alike && alone && found.mtime == mtime(node)
}

/// What may be done to what stands where something is written.
pub(crate) fn existing(rule: Overwrite, delete: bool) -> Existing {
    match rule {
        Overwrite::Never => Existing::Refuse,
        _ if delete => Existing::ReplaceAll,
        _ => Existing::Replace,
    }
}

/// The node's time of change.
pub(crate) fn mtime(node: &Node) -> Timestamp {
    Timestamp {
        seconds: node.mtime,
        nanos: node.mtime_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_says_what_its_name_says() {
        let node = Node {
            size: 5,
            mtime: 100,
            mtime_ns: 7,
            ..Node::default()
        };
        let found = |size, seconds, nanos| Found {
            kind: FoundKind::File,
            size,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: Timestamp { seconds, nanos },
            device: 0,
            inode: 0,
            links: 1,
        };
        use Overwrite::{Always, IfChanged, IfNewer, Never};
        use Verdict::{Identical, Keep, Write};
        for (rule, size, seconds, nanos, expected) in [
            (Always, 5, 100, 7, Write),
            (IfChanged, 5, 100, 7, Identical),
            (IfChanged, 5, 100, 8, Write),
            (IfChanged, 6, 100, 7, Write),
            (IfNewer, 5, 100, 7, Identical),
            (IfNewer, 6, 100, 7, Keep),
            (IfNewer, 6, 101, 0, Keep),
            (IfNewer, 6, 99, 0, Write),
            (Never, 6, 99, 0, Keep),
        ] {
            let verdict = verdict(rule, Some(&found(size, seconds, nanos)), &node, false);
            assert_eq!(verdict, expected, "{rule:?} {size} {seconds}");
            assert_eq!(super::verdict(rule, None, &node, false), Write);
        }
        let shared = Found {
            links: 2,
            ..found(5, 100, 7)
        };
        assert_eq!(verdict(IfChanged, Some(&shared), &node, false), Write);
        let link = Node {
            hard_link: Some((1, 2)),
            ..node
        };
        assert_eq!(verdict(IfChanged, Some(&shared), &link, false), Identical);
    }
}
