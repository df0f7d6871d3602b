//! Folder trees of this machine, walked depth first with siblings ascending by name bytes.
//!
//! Each name is looked up relative to a descriptor of its folder: the path is not resolved again for every entry, and a
//! folder that is swapped meanwhile cannot lead elsewhere.
//!
//! What must hold:
//! - Nothing is opened but folders, and an entry costs one stat.
//! - The walk is a loop over a stack of its own, with at most [`OPEN_FOLDERS_MAX`] descriptors at any depth.
//! - What a user named is never left out by a pattern, and never silently absent.

use crate::error::{Error, Kind, Result};
use crate::limits::{FOLDER_DEPTH_MAX, NAME_BYTES_MAX};
use crate::source::exclude::{Rule, Rules};
use crate::source::metadata::{fd_path, open_folder, shown, stat_at, stat_at_following, stat_of};
use crate::source::names::Names;
use crate::source::{Item, ItemKind, Source, Stat, Step};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Descriptors held at once; folders above are opened again through `..` on the way back.
const OPEN_FOLDERS_MAX: usize = 64;

/// The trees below some roots.
pub struct Files {
    /// Their parts from `/` down, ascending, none below another.
    roots: Vec<Vec<Vec<u8>>>,
    rules: Rules,
    one_file_system: bool,
    /// Whether folders can be listed through their descriptors.
    proc: bool,
    started: bool,
    stack: Vec<Frame>,
    /// The path of the folder on top, then of the entry looked at; empty for `/`.
    path: Vec<u8>,
    scratch: Vec<usize>,
    left_out: BTreeMap<Rule, u64>,
    vanished: u64,
}

/// A folder that was entered and not yet left.
struct Frame {
    /// Absent once too many are open, and for a folder that has nothing to look up.
    folder: Option<OwnedFd>,
    device: u64,
    inode: u64,
    path_len: usize,
    names: Names,
    part: Part,
    problem: Option<Error>,
}

/// How much of a folder is wanted.
#[derive(Clone)]
enum Part {
    /// Only what leads to these roots.
    Towards(Range<usize>),
    /// Everything; the file system on which its root lies.
    All(u64),
}

/// Why an entry of a folder is wanted.
#[derive(Clone)]
enum Why {
    /// It leads to these roots.
    Towards(Range<usize>),
    /// It is a root.
    Named,
    /// It lies below a root, which is on this file system.
    Below(u64),
}

impl Files {
    /// Walks what lies at and below `roots`: absolute paths without `.` or `..`. A folder above a root may be reached
    /// through a link; a root that is itself a link is kept as a link.
    pub fn new(roots: Vec<PathBuf>, rules: Rules, one_file_system: bool) -> Self {
        let mut roots: Vec<Vec<Vec<u8>>> = roots
            .into_iter()
            .map(|root| {
                let path = root.into_os_string().into_vec();
                let parts = path.split(|byte| *byte == b'/');
                let parts = parts.filter(|part| !part.is_empty());
                parts.map(<[u8]>::to_vec).collect()
            })
            .collect();
        roots.sort_unstable();
        roots.dedup_by(|below, above| below.starts_with(above));
        Self {
            roots,
            rules,
            one_file_system,
            proc: Path::new("/proc/self/fd").exists(),
            started: false,
            stack: Vec::new(),
            path: Vec::new(),
            scratch: Vec::new(),
            left_out: BTreeMap::new(),
            vanished: 0,
        }
    }

    /// What was left out so far: each rule as it was given, and how many items it took. A folder counts once.
    pub fn left_out(&self) -> Vec<(String, u64)> {
        let said = |(rule, count): (&Rule, &u64)| (self.rules.said(*rule), *count);
        self.left_out.iter().map(said).collect()
    }

    /// Entries that were listed and gone when looked at.
    pub fn vanished(&self) -> u64 {
        self.vanished
    }

    /// `/` itself.
    fn start(&mut self) -> Result<Option<Step>> {
        self.started = true;
        let Some(first) = self.roots.first() else {
            return Ok(None);
        };
        let root = open_folder(b"/")
            .map_err(std::io::Error::from)
            .and_then(|root| Ok((stat_of(&root)?, root)));
        let (stat, root) = root.map_err(|error| Error::io("open /", error))?;
        let part = if first.is_empty() {
            Part::All(stat.device)
        } else {
            Part::Towards(0..self.roots.len())
        };
        Ok(Some(self.enter(stat, 0, Ok(root), part)))
    }

    /// Why the entry whose path is in place is wanted.
    fn why(&self, name: &[u8]) -> Option<Why> {
        let depth = self.stack.len();
        match &self.stack.last()?.part {
            Part::All(device) => Some(Why::Below(*device)),
            Part::Towards(roots) => {
                let leads = |root: &usize| self.roots[*root][depth - 1] == name;
                let start = roots.clone().find(leads)?;
                let end = start + (start..roots.end).take_while(leads).count();
                let named = self.roots[start].len() == depth;
                Some(if named {
                    Why::Named
                } else {
                    Why::Towards(start..end)
                })
            }
        }
    }

    /// Looks at the entry whose path is in place. `None`: it is not part of the source.
    fn look(&mut self, name_at: usize) -> Option<Step> {
        let name = &self.path[name_at..];
        let why = self.why(name)?;
        if matches!(why, Why::Below(_))
            && let Some(rule) = self.rules.by_path(&self.path, &mut self.scratch)
        {
            return self.leave_out(rule);
        }
        let folder = self.stack.last()?.folder.as_ref()?.as_fd();
        let stat = match why {
            _ if name.len() > NAME_BYTES_MAX => Err(Errno::NAMETOOLONG.into()),
            Why::Towards(_) => stat_at_following(folder, name),
            _ => stat_at(folder, name),
        };
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return self.gone(&why),
            Err(error) => return Some(self.unreadable("stat", error)),
        };
        if stat.kind == ItemKind::Folder {
            return self.open(stat, name_at, why);
        }
        match why {
            Why::Towards(_) => return Some(self.unreadable("open", Errno::NOTDIR.into())),
            Why::Below(_) if stat.kind == ItemKind::File => {
                if let Some(rule) = self.rules.by_size(stat.size) {
                    return self.leave_out(rule);
                }
            }
            _ => {}
        }
        Some(Step::Item(self.item(stat, name_at)))
    }

    /// Opens the folder whose path is in place and enters it.
    fn open(&mut self, stat: Stat, name_at: usize, why: Why) -> Option<Step> {
        if self.stack.len() > FOLDER_DEPTH_MAX {
            let error = std::io::Error::other("folders are nested too deep");
            return Some(self.unreadable("enter", error));
        }
        // Only folders are told apart by device: on an overlay a file may answer with another device than the folder
        // that holds it.
        if self.one_file_system && matches!(why, Why::Below(device) if device != stat.device) {
            self.leave_out(Rule::FileSystem);
            let part = Part::Towards(0..0);
            return Some(self.enter(stat, name_at, Err(None), part));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let (flags, part) = match &why {
            Why::Towards(roots) => (flags, Part::Towards(roots.clone())),
            Why::Named => (flags | OFlags::NOFOLLOW, Part::All(stat.device)),
            Why::Below(device) => (flags | OFlags::NOFOLLOW, Part::All(*device)),
        };
        let above = self.stack.last()?.folder.as_ref()?;
        match rustix::fs::openat(above, &self.path[name_at..], flags, Mode::empty()) {
            Ok(folder) => Some(self.enter(stat, name_at, Ok(folder), part)),
            Err(Errno::NOENT) => self.gone(&why),
            // It is no longer the folder that was looked at, so there is nothing to enter.
            Err(error @ (Errno::NOTDIR | Errno::LOOP)) => {
                Some(self.unreadable("open", error.into()))
            }
            Err(error) => {
                let problem = self.problem("open", error.into());
                Some(self.enter(stat, name_at, Err(Some(problem)), part))
            }
        }
    }

    /// Lists the folder at the path in place and puts it on top. Without a descriptor it stays empty.
    fn enter(
        &mut self,
        stat: Stat,
        name_at: usize,
        folder: std::result::Result<OwnedFd, Option<Error>>,
        part: Part,
    ) -> Step {
        let mut names = Names::default();
        let (folder, problem) = match folder {
            Ok(folder) => {
                let problem = self.list(&folder, &part, &mut names);
                (Some(folder), problem)
            }
            Err(problem) => (None, problem),
        };
        if let Some(far) = self.stack.len().checked_sub(OPEN_FOLDERS_MAX) {
            self.stack[far].folder = None;
        }
        self.stack.push(Frame {
            folder,
            device: stat.device,
            inode: stat.inode,
            path_len: self.path.len(),
            names,
            part,
            problem,
        });
        Step::Enter(self.item(stat, name_at))
    }

    /// The names wanted in a folder, sorted.
    fn list(&mut self, folder: &OwnedFd, part: &Part, names: &mut Names) -> Option<Error> {
        if let Part::Towards(roots) = part {
            for root in roots.clone() {
                names.push(&self.roots[root][self.stack.len()]);
            }
            names.sort();
            return None;
        }
        let listed = if self.proc {
            let mut path = fd_path(folder.as_fd());
            path.extend_from_slice(b"/.");
            names.list(&path)
        } else {
            names.list(&self.shown_path())
        };
        names.sort();
        if self.rules.has_markers()
            && let Some((rule, name)) = self.rules.by_marker(&self.path, &|name| names.has(name))
        {
            let gone = names.len() as u64 - 1;
            *names = Names::default();
            names.push(name);
            *self.left_out.entry(rule).or_default() += gone;
        }
        listed.err().map(|error| self.problem("list", error))
    }

    /// Takes the top off and makes sure that the folder below it can be looked into again.
    fn leave(&mut self) {
        let (Some(left), Some(top)) = (self.stack.pop(), self.stack.last_mut()) else {
            return;
        };
        if top.folder.is_some() {
            return;
        }
        self.path.truncate(top.path_len);
        top.folder = left.folder.and_then(|below| up(&below, top));
        if top.folder.is_none() && top.names.more() {
            let again = open_folder(&self.path);
            top.folder = again.ok().filter(|folder| is_it(folder, top));
            if top.folder.is_none() {
                top.names = Names::default();
                let what = format!("{}: moved while it was being read", shown(&self.path));
                top.problem = Some(Error::new(Kind::Other, what));
            }
        }
    }

    fn leave_out(&mut self, rule: Rule) -> Option<Step> {
        *self.left_out.entry(rule).or_default() += 1;
        None
    }

    /// An entry that was listed a moment ago may go; what a user named may not.
    fn gone(&mut self, why: &Why) -> Option<Step> {
        if matches!(why, Why::Below(_)) {
            self.vanished += 1;
            return None;
        }
        Some(self.unreadable("stat", Errno::NOENT.into()))
    }

    fn item(&self, stat: Stat, name_at: usize) -> Item {
        Item {
            path: self.shown_path(),
            name: self.path[name_at..].to_vec(),
            stat,
        }
    }

    fn shown_path(&self) -> Vec<u8> {
        if self.path.is_empty() {
            return b"/".to_vec();
        }
        self.path.clone()
    }

    fn problem(&self, what: &str, error: std::io::Error) -> Error {
        Error::io(format!("{what} {}", shown(&self.shown_path())), error)
    }

    fn unreadable(&self, what: &str, error: std::io::Error) -> Step {
        Step::Unreadable(self.shown_path(), self.problem(what, error))
    }
}

impl Source for Files {
    fn next(&mut self) -> Result<Option<Step>> {
        if !self.started {
            return self.start();
        }
        loop {
            let Some(top) = self.stack.last_mut() else {
                return Ok(None);
            };
            self.path.truncate(top.path_len);
            if let Some(problem) = top.problem.take() {
                return Ok(Some(Step::Unreadable(self.shown_path(), problem)));
            }
            let name_at = top.path_len + 1;
            let Some(name) = top.names.next() else {
                self.leave();
                return Ok(Some(Step::Leave));
            };
            self.path.push(b'/');
            self.path.extend_from_slice(name);
            if let Some(step) = self.look(name_at) {
                return Ok(Some(step));
            }
        }
    }
}

/// The folder above, if it is still the one that was entered.
fn up(below: &OwnedFd, above: &Frame) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(below, &b".."[..], flags, Mode::empty()).ok()?;
    is_it(&folder, above).then_some(folder)
}

fn is_it(folder: &OwnedFd, frame: &Frame) -> bool {
    stat_of(folder).is_ok_and(|stat| (stat.device, stat.inode) == (frame.device, frame.inode))
}
