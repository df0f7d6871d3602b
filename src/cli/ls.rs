//! `ls`: what is in a folder of a snapshot.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::open;
use crate::cli::select::FilterArgs;
use crate::error::{Error, Kind, Result};
use crate::format::tree::node::{Node, NodeKind};
use crate::id::Id;
use crate::limits::FOLDER_DEPTH_MAX;
use crate::repo::loader::Loader;
use crate::repo::snapshots::{self, Wanted};
use crate::repo::view::{self, Found, Nodes, OwnerNames};
use crate::ui::json::{self, Event};
use crate::ui::{Ui, escape};
use crate::units::{moment_to_rfc3339, size_to_text};
use clap::Args;
use std::ffi::OsString;

/// List a folder of a snapshot
#[derive(Args, Debug)]
pub struct LsArgs {
    /// An id's first digits, latest, or latest~N; with :PATH a folder or file in it
    #[arg(value_name = "SNAPSHOT[:PATH]", default_value = "latest")]
    snapshot: OsString,
    /// Mode, owner, size and time too
    #[arg(short, long)]
    long: bool,
    /// All folders below
    #[arg(short = 'R', long)]
    recursive: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Runs the verb.
///
/// # Errors
/// `NotFound`, and those of opening; a damaged folder is passed by and is an outcome.
pub fn run(args: &LsArgs, context: &Context) -> Result<Done> {
    let wanted = Wanted::parse(args.snapshot.as_encoded_bytes())?;
    let view = open::look(context)?;
    let (filter, now) = (args.filter.filter(), context.host().now().seconds);
    let found = snapshots::resolve(&view.chains, &wanted.which, &filter, now)?;
    context.ui().end_progress();
    let mut lister = Lister {
        args,
        context,
        ui: context.ui(),
        loader: &view.loader,
        damaged: 0,
    };
    let prefix = wanted.path.strip_suffix(b"/").unwrap_or(&wanted.path);
    match view::find(&view.loader, found.snapshot.tree, &wanted.path)? {
        Found::Root(tree) => lister.folder(tree, b"", 0)?,
        Found::Node(node, names) => match node.tree {
            Some(tree) => lister.folder(tree, b"", 0)?,
            None => lister.show(&node, prefix.strip_prefix(b"/").unwrap_or(prefix), &names),
        },
    }
    let mut done = Done::well();
    if lister.damaged > 0 {
        done.add(
            Outcome::Damage,
            format!("{} folders could not be read whole", lister.damaged),
        );
        done.hint(format!("heirloom verify{}", context.same_repository()));
    }
    Ok(done)
}

struct Lister<'a> {
    args: &'a LsArgs,
    context: &'a Context,
    ui: &'a Ui,
    loader: &'a Loader,
    damaged: u64,
}

impl Lister<'_> {
    fn folder(&mut self, tree: Id, above: &[u8], depth: usize) -> Result<()> {
        let mut nodes = Nodes::of(self.loader, tree);
        loop {
            if self.ui.stopped() {
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
            let node = match nodes.next_node() {
                _ if self.ui.reader_left() => return Ok(()),
                Ok(Some(node)) => node,
                Ok(None) => return Ok(()),
                Err(error) if matches!(error.kind(), Kind::Damaged | Kind::NotFound) => {
                    let what = format!(
                        "list {}",
                        escape(if above.is_empty() { b"/" } else { above })
                    );
                    self.ui
                        .problem(&error.during(what).with_kind(Kind::Damaged));
                    self.damaged += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let path = if above.is_empty() {
                node.name.clone()
            } else {
                [above, b"/", &node.name].concat()
            };
            self.show(&node, &path, nodes.owner_names());
            if let Some(tree) = node
                .tree
                .filter(|_| self.args.recursive && depth < FOLDER_DEPTH_MAX)
            {
                self.folder(tree, &path, depth + 1)?;
            }
        }
    }

    fn show(&self, node: &Node, path: &[u8], names: &OwnerNames) {
        let slash = if node.kind == NodeKind::Folder {
            "/"
        } else {
            ""
        };
        let name = format!("{}{slash}", escape(path));
        let (user, group) = (
            owner(&names.users, node.uid),
            owner(&names.groups, node.gid),
        );
        self.ui.event(&Event::Node {
            path: escape(path),
            path_base64: json::exact(path),
            kind: kind_name(node.kind),
            mode: node.mode,
            user: user.clone(),
            group: group.clone(),
            bytes: node.size,
            time: moment_to_rfc3339(node.mtime),
            link: (node.kind == NodeKind::Symlink).then(|| escape(&node.link)),
        });
        if !self.args.long {
            self.ui.line(&name);
            return;
        }
        let link = match node.kind {
            NodeKind::Symlink => format!(" -> {}", escape(&node.link)),
            _ => String::new(),
        };
        let size = match node.kind {
            NodeKind::File => size_to_text(node.size),
            _ => String::new(),
        };
        let time = self.context.local(node.mtime);
        self.ui.line(&format!(
            "{}  {user:<8} {group:<8} {size:>10}  {time}  {name}{link}",
            mode_text(node)
        ));
    }
}

fn owner(names: &[(u32, Vec<u8>)], number: u32) -> String {
    let at = names.binary_search_by_key(&number, |(number, _)| *number);
    at.map_or_else(|_| number.to_string(), |at| escape(&names[at].1))
}

fn kind_name(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::File => "file",
        NodeKind::Folder => "folder",
        NodeKind::Symlink => "symlink",
        NodeKind::CharDevice => "char-device",
        NodeKind::BlockDevice => "block-device",
        NodeKind::Fifo => "fifo",
    }
}

/// `drwxr-sr-t`.
fn mode_text(node: &Node) -> String {
    let mut text = String::from(match node.kind {
        NodeKind::File => "-",
        NodeKind::Folder => "d",
        NodeKind::Symlink => "l",
        NodeKind::CharDevice => "c",
        NodeKind::BlockDevice => "b",
        NodeKind::Fifo => "p",
    });
    for (shift, special, mark) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = node.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (node.mode & special != 0, bits & 1 != 0) {
            (true, true) => mark,
            (true, false) => mark.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_read_as_in_ls() {
        let text = |kind, mode| {
            mode_text(&Node {
                kind,
                mode,
                ..Node::default()
            })
        };
        assert_eq!(text(NodeKind::File, 0o644), "-rw-r--r--");
        assert_eq!(text(NodeKind::Folder, 0o1777), "drwxrwxrwt");
        assert_eq!(text(NodeKind::File, 0o6711), "-rws--s--x");
        assert_eq!(text(NodeKind::File, 0o4600), "-rwS------");
    }
}
