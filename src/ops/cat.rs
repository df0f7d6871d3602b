//! One object spelled out, for people who want to see what lies on a mirror. Never a secret.

use crate::error::{Error, Kind, Result};
use crate::format::chain::What;
use crate::format::header::BoxHeader;
use crate::format::index::Run;
use crate::format::key_slot::{KeySlot, SlotKind};
use crate::format::tree::TreeBlob;
use crate::format::tree::node::Node;
use crate::format::{BlobKind, ObjectKind};
use crate::id::{Id, to_hex};
use crate::limits::PAGE;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::chain::Chains;
use crate::repo::index::pack_directory;
use crate::repo::loader::Loader;
use crate::units::moment_to_rfc3339;

/// Names and values, in an order that reads well.
pub type Lines = Vec<(String, String)>;

fn line(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// The header of the object whose name begins with `prefix`, wherever it lies.
///
/// # Errors
/// `NotFound`, `Usage` for an ambiguous prefix, `Damaged`.
pub fn header(repo: &Repo, prefix: &str) -> Result<Lines> {
    let name = find_object(repo, prefix)?;
    let bytes = repo.store().get_range(&name, 0..PAGE as u64)?;
    let header = BoxHeader::decode(&bytes)?;
    let carries = header.recovery.iter().any(|byte| *byte != 0);
    Ok(vec![
        line("object", name.path()),
        line("kind", format!("{:?}", header.kind)),
        line("repository", to_hex(header.repo.as_bytes())),
        line("chunker", header.chunker.to_string()),
        line("body", format!("{} bytes", header.body_len)),
        line("salt", to_hex(&header.salt)),
        line("commitment", to_hex(&header.commitment)),
        line("recovery slot", if carries { "yes" } else { "no" }),
    ])
}

fn find_object(repo: &Repo, prefix: &str) -> Result<Name> {
    let mut found = Vec::new();
    for folder in Folder::ALL {
        repo.store().list(folder, &mut |listed| {
            if listed.name.leaf().starts_with(prefix) && folder != Folder::Keys2 {
                found.push(listed.name);
            }
            Ok(())
        })?;
    }
    one(found, prefix)
}

fn one<T>(mut found: Vec<T>, prefix: &str) -> Result<T> {
    let first = found
        .pop()
        .ok_or_else(|| Error::new(Kind::NotFound, format!("nothing here begins with {prefix}")))?;
    if found.is_empty() {
        return Ok(first);
    }
    Err(Error::new(
        Kind::Usage,
        format!("{prefix} is the beginning of several names"),
    )
    .hint("give more digits"))
}

/// Every key slot: its id, what opens it and what it costs to try.
pub fn slots(repo: &Repo) -> Vec<(Id, Lines)> {
    repo.ring()
        .named()
        .map(|(id, slot)| (*id, slot_lines(repo, slot)))
        .collect()
}

fn slot_lines(repo: &Repo, slot: &KeySlot) -> Lines {
    let mut lines = vec![line("opened by", slot.kind().noun())];
    if let Some((created, label)) = slot.note(repo.root()) {
        lines.push(line("label", label));
        lines.push(line("created", moment_to_rfc3339(created.cast_signed())));
    }
    if slot.kind() == SlotKind::Passphrase {
        let cost = slot.cost();
        let text = format!(
            "Argon2id, {} MiB, {} passes, {} lanes",
            cost.memory_kib >> 10,
            cost.passes,
            cost.lanes
        );
        lines.push(line("cost of a guess", text));
    }
    lines
}

/// One snapshot and its step in the chain.
///
/// # Errors
/// `NotFound`.
pub fn snapshot(chains: &Chains, id: &Id) -> Result<Lines> {
    let (_, entry) = chains
        .visible()
        .find(|(other, _)| *other == id)
        .ok_or_else(|| Error::new(Kind::NotFound, format!("no snapshot {id}")))?;
    let optional = |id: Option<Id>| id.map_or_else(|| "none".to_owned(), |id| id.to_hex());
    let mut lines = vec![
        line("entry", id.to_hex()),
        line("device", to_hex(&entry.device)),
        line("number", entry.seq.to_string()),
        line("before it", optional(entry.prev)),
        line("time", moment_to_rfc3339(entry.time.seconds)),
        line("host", &*entry.host),
        line("user", &*entry.user),
        line("program", &*entry.program),
    ];
    let heads = entry.heads.iter().map(|head| {
        format!(
            "{} {} {}",
            to_hex(&head.device),
            head.seq,
            head.entry.to_hex()
        )
    });
    lines.extend(heads.map(|head| line("head seen", head)));
    let What::Snapshot(snapshot) = &entry.what else {
        return Ok(lines);
    };
    lines.extend([
        line("source", &*snapshot.source),
        line("tree", snapshot.tree.to_hex()),
        line("parent", optional(snapshot.parent)),
        line("files", snapshot.counts.files.to_string()),
        line("folders", snapshot.counts.folders.to_string()),
        line("bytes", snapshot.counts.bytes.to_string()),
        line("new bytes", snapshot.counts.new_bytes.to_string()),
        line("skipped", snapshot.counts.skipped.to_string()),
    ]);
    lines.extend(
        snapshot
            .paths
            .iter()
            .map(|path| line("path", String::from_utf8_lossy(path))),
    );
    lines.extend(
        snapshot
            .excludes
            .iter()
            .map(|rule| line("exclude", &**rule)),
    );
    lines.extend(snapshot.tags.iter().map(|tag| line("tag", &**tag)));
    Ok(lines)
}

/// One tree blob: its nodes, or the trees it is split into.
///
/// # Errors
/// Those of the loader.
pub fn tree(loader: &Loader, id: &Id) -> Result<Lines> {
    Ok(match TreeBlob::decode(&loader.load(BlobKind::Tree, id)?)? {
        TreeBlob::Inner(children) => children
            .iter()
            .map(|child| {
                line(
                    &String::from_utf8_lossy(&child.first),
                    format!("tree {} of {} nodes", child.tree.to_hex(), child.nodes),
                )
            })
            .collect(),
        TreeBlob::Leaf(leaf) => leaf.nodes.iter().map(node).collect(),
    })
}

fn node(node: &Node) -> (String, String) {
    let mut text = format!(
        "{:?} {:04o} {}:{} {}.{:09}",
        node.kind, node.mode, node.uid, node.gid, node.mtime, node.mtime_ns
    );
    if let Some(tree) = node.tree {
        text.push_str(&format!(" tree {}", tree.to_hex()));
    }
    if node.size > 0 {
        text.push_str(&format!(
            " {} bytes, class {}, {} bytes of content items at depth {}",
            node.size,
            node.class,
            node.content.len(),
            node.depth
        ));
    }
    line(&String::from_utf8_lossy(&node.name), text)
}

/// The index runs on the mirror; with a prefix, the packs of one of them.
///
/// # Errors
/// `NotFound`, `Damaged`.
pub fn index(repo: &Repo, prefix: Option<&str>) -> Result<Lines> {
    let mut names = Vec::new();
    repo.store().list(Folder::Index, &mut |listed| {
        if prefix.is_none_or(|prefix| listed.name.leaf().starts_with(prefix)) {
            names.push(listed.name);
        }
        Ok(())
    })?;
    names.sort_unstable();
    if let Some(prefix) = prefix {
        let name = one(names, prefix)?;
        let opened = repo.read(ObjectKind::IndexRun, &name)?;
        let run = Run::decode(&opened.area, &opened.record)?;
        let packs = run.packs.iter();
        return Ok(packs
            .map(|pack| {
                line(
                    &pack.id.to_hex(),
                    format!(
                        "{:?}, {} bytes, {} blocks",
                        pack.kind,
                        pack.file_len,
                        pack.blocks.len()
                    ),
                )
            })
            .collect());
    }
    names
        .iter()
        .map(|name| {
            let opened = repo.read(ObjectKind::IndexRun, name)?;
            let run = Run::decode(&opened.area, &opened.record)?;
            Ok(line(
                name.leaf(),
                format!("{} packs, {} rows", run.packs.len(), run.rows.len()),
            ))
        })
        .collect()
}

/// The directory of one pack.
///
/// # Errors
/// `NotFound`, `Damaged`.
pub fn pack(repo: &Repo, prefix: &str) -> Result<Lines> {
    let mut found = Vec::new();
    repo.store().list(Folder::Packs, &mut |listed| {
        if listed.name.leaf().starts_with(prefix) {
            found.extend(Id::from_hex(listed.name.leaf()).map(|id| (id, listed.len)));
        }
        Ok(())
    })?;
    let (id, len) = one(found, prefix)?;
    let (kind, directory) = pack_directory(repo, &id, len)?;
    let mut lines = vec![
        line("pack", id.to_hex()),
        line("kind", format!("{kind:?}")),
        line("bytes", len.to_string()),
    ];
    for (place, row) in directory.places() {
        let what = format!(
            "{:?}, {} blobs, {} bytes stored, {} expanded",
            row.codec, row.blobs, row.stored_len, row.raw_len
        );
        lines.push(line(&format!("block at {}", place.offset), what));
    }
    Ok(lines)
}

/// The bytes of a blob, of whatever kind.
///
/// # Errors
/// Those of the loader.
pub fn blob(loader: &Loader, id: &Id) -> Result<Vec<u8>> {
    for kind in [BlobKind::Chunk, BlobKind::Tree, BlobKind::List] {
        if !loader.index().places(id, kind)?.is_empty() {
            return loader.load(kind, id);
        }
    }
    Err(Error::new(
        Kind::NotFound,
        format!("no blob {} here", id.to_hex()),
    ))
}
