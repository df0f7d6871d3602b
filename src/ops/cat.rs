//! One object spelled out, line by line, for people who look at bytes. Never a secret.

use crate::error::{During, Error, Kind, Result};
use crate::format::chain::{Entry, What};
use crate::format::codec;
use crate::format::header::{BoxHeader, segments};
use crate::format::index::Run;
use crate::format::snapshot::Snapshot;
use crate::format::tree::TreeBlob;
use crate::format::tree::node::{Node, NodeKind};
use crate::format::{BlobKind, ObjectKind};
use crate::id::{Id, to_hex};
use crate::limits::PAGE;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::chain::Chains;
use crate::repo::loader::Loader;
use crate::units::{moment_to_rfc3339, size_to_text};

/// The folders whose objects have a header and can be named by a prefix.
const FOLDERS: [Folder; 6] = [
    Folder::Packs,
    Folder::Index,
    Folder::Entries,
    Folder::Marks,
    Folder::Keys,
    Folder::Ledger,
];

/// The header of the object whose name begins with `prefix`, of the marker without one.
///
/// # Errors
/// `NotFound`, `Usage` for an ambiguous prefix, `Damaged`.
pub fn header(repo: &Repo, prefix: Option<&str>) -> Result<Vec<String>> {
    let name = match prefix {
        None => Name::marker(),
        Some(prefix) => named(repo, &FOLDERS, prefix)?,
    };
    let bytes = repo.store().get_range(&name, 0..PAGE as u64)?;
    let header = BoxHeader::decode(&bytes).during(|| format!("read {}", name.path()))?;
    Ok(vec![
        format!("object      {}", name.path()),
        format!("kind        {:?}, {}", header.kind, header.kind as u8),
        format!("format      {}", crate::format::VERSION),
        format!("chunker     {}", header.chunker),
        format!("repository  {}", to_hex(header.repo.as_bytes())),
        format!(
            "body        {} bytes in {} segments",
            header.body_len,
            segments(header.body_len)
        ),
        format!("file        {} bytes", header.file_len()),
        format!("salt        {}", to_hex(&header.salt)),
        format!("commitment  {}", to_hex(&header.commitment)),
        format!(
            "recovery    {}",
            if header.recovery == [0; 256] {
                "no key slot"
            } else {
                "a copy of the recovery slot"
            }
        ),
    ])
}

/// The one object in these folders whose leaf begins with `prefix`.
fn named(repo: &Repo, folders: &[Folder], prefix: &str) -> Result<Name> {
    let mut found = Vec::new();
    for folder in folders {
        repo.store().list(*folder, &mut |listed| {
            if listed.name.leaf().starts_with(prefix) {
                found.push(listed.name);
            }
            Ok(())
        })?;
    }
    match (found.pop(), found.is_empty()) {
        (Some(name), true) => Ok(name),
        (None, _) => Err(Error::new(Kind::NotFound, format!("no object {prefix}"))),
        _ => Err(Error::new(
            Kind::Usage,
            format!("{prefix} is the beginning of several objects"),
        )
        .hint("give more digits")),
    }
}

/// What each key slot says of itself.
pub fn slots(repo: &Repo) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, slot) in repo.ring().named() {
        let (since, label) = slot.note(repo.root()).unwrap_or_default();
        let since = moment_to_rfc3339(i64::try_from(since).unwrap_or(0));
        let cost = slot.cost();
        lines.push(format!(
            "{}  {}  {label}  {since}",
            id.to_hex(),
            slot.kind().noun()
        ));
        if cost.memory_kib > 0 {
            let memory = size_to_text(u64::from(cost.memory_kib) * 1024);
            lines.push(format!(
                "    Argon2id: {memory}, {} passes, {} lanes",
                cost.passes, cost.lanes
            ));
        }
    }
    lines
}

/// The visible entries whose names begin with `prefix`, by device and number.
pub fn entries(chains: &Chains, prefix: &str) -> Vec<String> {
    let visible = chains.visible().filter(|(id, _)| id.starts_with(prefix));
    let mut found: Vec<_> = visible.collect();
    found.sort_by_key(|(_, entry)| (entry.device, entry.seq));
    let mut lines = Vec::new();
    for (id, one) in found {
        lines.extend(entry(id, one));
        lines.push(String::new());
    }
    lines
}

/// A chain's entry, and the snapshot in it.
pub fn entry(id: &Id, entry: &Entry) -> Vec<String> {
    let mut lines = vec![
        format!("entry       {}", id.to_hex()),
        format!("device      {} number {}", to_hex(&entry.device), entry.seq),
        format!(
            "previous    {}",
            entry
                .prev
                .map_or_else(|| "none".to_owned(), |prev| prev.to_hex())
        ),
        format!(
            "time        {} zone {} min",
            moment_to_rfc3339(entry.time.seconds),
            entry.zone
        ),
        format!(
            "made by     {} on {}, {}",
            entry.user, entry.host, entry.program
        ),
    ];
    for head in &entry.heads {
        lines.push(format!(
            "head seen   {} number {} {}",
            to_hex(&head.device),
            head.seq,
            head.entry.to_hex()
        ));
    }
    match &entry.what {
        What::Snapshot(snapshot) => lines.extend(snapshot_lines(snapshot)),
        other => lines.extend(event_lines(other)),
    }
    lines
}

fn event_lines(what: &What) -> Vec<String> {
    let each = |word: &str, ids: &[Id]| {
        let line = |id: &Id| format!("{word:<12}{}", id.to_hex());
        ids.iter().map(line).collect()
    };
    match what {
        What::Snapshot(_) => Vec::new(),
        What::Remove { entries, reason } => {
            let ids: Vec<_> = entries.iter().map(|removed| removed.entry).collect();
            let mut lines: Vec<_> = each("remove", &ids);
            lines.push(format!("reason      {reason}"));
            lines
        }
        What::Undelete(ids) => each("undelete", ids),
        What::Pin { ids, reason } => {
            let mut lines: Vec<_> = each("pin", ids);
            lines.push(format!("reason      {reason}"));
            lines
        }
        What::Unpin(ids) => each("unpin", ids),
        What::Accept { source, entry } => {
            vec![format!("accept      {} of {source}", entry.to_hex())]
        }
        What::KitChecked(seconds) => vec![format!("kit checked {}", moment_to_rfc3339(*seconds))],
        What::Drill(facts) => vec![format!("drill       {facts:?}")],
        What::SlotRemoved(slot) => vec![format!("slot removed {}", slot.to_hex())],
        What::DeviceName(name) => vec![format!("name        {name}")],
        What::Unknown(word) => vec![format!("unknown     {word:?}")],
    }
}

fn snapshot_lines(snapshot: &Snapshot) -> Vec<String> {
    let counts = &snapshot.counts;
    let mut lines = vec![
        format!("source      {}", snapshot.source),
        format!("tree        {}", snapshot.tree.to_hex()),
        format!(
            "parent      {}",
            snapshot
                .parent
                .map_or_else(|| "none".to_owned(), |id| id.to_hex())
        ),
        format!(
            "counts      {} files, {} folders, {} bytes",
            counts.files, counts.folders, counts.bytes
        ),
        format!(
            "added       {} bytes; {} entries skipped",
            counts.new_bytes, counts.skipped
        ),
    ];
    lines.extend(
        snapshot
            .paths
            .iter()
            .map(|path| format!("path        {}", text(path))),
    );
    lines.extend(
        snapshot
            .excludes
            .iter()
            .map(|rule| format!("left out    {rule}")),
    );
    lines.extend(snapshot.tags.iter().map(|tag| format!("tag         {tag}")));
    lines.extend(
        snapshot
            .suspect
            .iter()
            .map(|why| format!("suspect     {why}")),
    );
    lines
}

/// The nodes of a tree, or the trees below it.
///
/// # Errors
/// `NotFound`, `Damaged`.
pub fn tree(loader: &Loader, id: &Id) -> Result<Vec<String>> {
    let tree = TreeBlob::decode(&loader.load(BlobKind::Tree, id)?)?;
    Ok(match tree {
        TreeBlob::Inner(children) => children
            .iter()
            .map(|child| {
                format!(
                    "tree  {}  {} nodes from {}",
                    child.tree.to_hex(),
                    child.nodes,
                    text(&child.first)
                )
            })
            .collect(),
        TreeBlob::Leaf(leaf) => leaf.nodes.iter().map(node_line).collect(),
    })
}

fn node_line(node: &Node) -> String {
    let name = text(&node.name);
    let head = format!(
        "{:?}  {:04o}  {}:{}  {}",
        node.kind,
        node.mode,
        node.uid,
        node.gid,
        moment_to_rfc3339(node.mtime)
    );
    match node.kind {
        NodeKind::Folder => format!(
            "{head}  {name}  tree {}",
            node.tree.map_or_else(String::new, |id| id.to_hex())
        ),
        NodeKind::File => format!(
            "{head}  {name}  {} bytes, class {}, lists {} deep",
            node.size, node.class, node.depth
        ),
        NodeKind::Symlink => format!("{head}  {name} -> {}", text(&node.link)),
        _ => format!("{head}  {name}"),
    }
}

/// Every index run, or the packs of the one whose name begins with `prefix`.
///
/// # Errors
/// `NotFound`, `Damaged`, `TooNew`.
pub fn index(repo: &Repo, prefix: Option<&str>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    match prefix {
        Some(prefix) => names.push(named(repo, &[Folder::Index], prefix)?),
        None => {
            repo.store().list(Folder::Index, &mut |listed| {
                names.push(listed.name);
                Ok(())
            })?;
            names.sort();
        }
    }
    let mut lines = Vec::new();
    for name in names {
        let opened = repo.read(ObjectKind::IndexRun, &name)?;
        let run = Run::decode(&opened.area, &opened.record)?;
        lines.push(format!(
            "run  {}  {} packs, {} rows",
            name.leaf(),
            run.packs.len(),
            run.rows.len()
        ));
        for pack in run.packs.iter().filter(|_| prefix.is_some()) {
            lines.push(format!(
                "    {:?}  {}  {} bytes, {} blocks",
                pack.kind,
                pack.id.to_hex(),
                pack.file_len,
                pack.blocks.len()
            ));
        }
    }
    Ok(lines)
}

/// The bytes of a blob of any kind, its id recomputed.
///
/// # Errors
/// `NotFound`, `Damaged`.
pub fn blob(loader: &Loader, id: &Id) -> Result<Vec<u8>> {
    for kind in [BlobKind::Chunk, BlobKind::Tree, BlobKind::List] {
        if !loader.index().places(id, kind)?.is_empty() {
            return loader.load(kind, id);
        }
    }
    Err(Error::new(
        Kind::NotFound,
        format!("no blob {}", id.to_hex()),
    ))
}

/// The marker's record.
///
/// # Errors
/// `Refused` without a whole marker.
pub fn marker(repo: &Repo) -> Result<Vec<String>> {
    let record = repo.require_writable()?;
    Ok(vec![
        format!("repository   {}", to_hex(repo.id().as_bytes())),
        format!("fingerprint  {}", repo.keys().fingerprint()),
        format!("mirror       {}", to_hex(&record.id)),
        format!("record       {} bytes", codec::encode(record).len()),
    ])
}

/// Bytes that may be no text.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}
