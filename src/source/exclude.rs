//! What is left out, and by which rule, so that it can be told.
//!
//! Patterns read as restic's do, since people bring their lists along: a leading `/` anchors a pattern at the root of
//! the file system, any other matches at every depth; `*`, `?` and `[…]` stay within one name, `**` crosses folders;
//! a folder that matches takes everything below with it; `!` takes a match of the lines before it back. Braces are
//! plain characters. Names are bytes, so `?` is one byte and case is ASCII's.
//!
//! Of several patterns that match, the last one decides. What a user named as a root is never left out by a pattern.

use crate::error::{Error, Kind, Result};
use crate::source::metadata::open_file;
use crate::source::patterns::{Cannot, Patterns, WILD_MAX, pattern};
use std::io::Read;

/// The first 43 bytes of a `CACHEDIR.TAG` (bford.info/cachedir).
const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// The wishes as they were given.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Patterns.
    pub globs: Vec<String>,
    /// Patterns for which case does not matter; they come after `globs`.
    pub globs_any_case: Vec<String>,
    /// Exact paths, for what the program itself leaves out, such as a mirror inside a source.
    pub paths: Vec<Vec<u8>>,
    /// Leave out what lies beside a valid `CACHEDIR.TAG`.
    pub caches: bool,
    /// Leave out what lies beside `NAME`, or beside a `NAME` that begins as in `NAME:header`.
    pub if_present: Vec<String>,
    /// Leave out files larger than this.
    pub larger_than: Option<u64>,
}

/// The wishes, ready to be asked about many paths.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    set: Patterns,
    patterns: Vec<Pattern>,
    paths: Vec<Vec<u8>>,
    markers: Vec<Marker>,
    larger_than: Option<u64>,
}

/// Which rule left something out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A pattern, by its place.
    Pattern(usize),
    /// An exact path.
    Path,
    /// A marker beside it, by its place.
    Marker(usize),
    /// Its size.
    Size,
    /// It lies on another file system.
    FileSystem,
}

#[derive(Clone, Debug)]
struct Pattern {
    said: String,
    takes_back: bool,
}

#[derive(Clone, Debug)]
struct Marker {
    said: String,
    name: Vec<u8>,
    header: Vec<u8>,
}

impl Rules {
    /// Compiles the wishes.
    ///
    /// # Errors
    /// [`Kind::Usage`]: a pattern that makes no sense, which is named, or too many with wildcards.
    pub fn new(wishes: &Wishes) -> Result<Self> {
        let mut rules = Self {
            paths: wishes.paths.clone(),
            larger_than: wishes.larger_than,
            ..Self::default()
        };
        let cased = wishes.globs.iter().map(|glob| (glob, false));
        let any_case = wishes.globs_any_case.iter().map(|glob| (glob, true));
        let mut patterns = Vec::new();
        for (glob, any_case) in cased.chain(any_case) {
            let (takes_back, bare) = match glob.strip_prefix('!') {
                Some(bare) => (true, bare),
                None => (false, glob.as_str()),
            };
            patterns.push(pattern(bare, any_case).map_err(|why| bad(glob, &why))?);
            rules.patterns.push(Pattern {
                said: glob.clone(),
                takes_back,
            });
        }
        rules.set = Patterns::new(&patterns).map_err(|cannot| match cannot {
            Cannot::One(at, why) => bad(&rules.patterns[at].said, &why),
            Cannot::Many(count) => Error::new(
                Kind::Usage,
                format!("{count} patterns have wildcards, at most {WILD_MAX} can be looked for"),
            )
            .hint("name the folder that the files lie in, or a pattern that takes many of them"),
        })?;
        if wishes.caches {
            rules.markers.push(Marker {
                said: "CACHEDIR.TAG".to_owned(),
                name: b"CACHEDIR.TAG".to_vec(),
                header: CACHE_SIGNATURE.to_vec(),
            });
        }
        for spec in &wishes.if_present {
            let (name, header) = spec.split_once(':').unwrap_or((spec, ""));
            if name.is_empty() || name.contains('/') {
                return Err(Error::new(
                    Kind::Usage,
                    format!(
                        "exclude if present {spec:?}: a file's name is expected, or NAME:header"
                    ),
                ));
            }
            rules.markers.push(Marker {
                said: spec.clone(),
                name: name.as_bytes().to_vec(),
                header: header.as_bytes().to_vec(),
            });
        }
        Ok(rules)
    }

    /// Which rule leaves out the item at `path`, if one does; its size is not looked at.
    pub fn by_path(&self, path: &[u8], scratch: &mut Vec<usize>) -> Option<Rule> {
        if let Some(last) = self.set.last(path, scratch)
            && !self.patterns[last].takes_back
        {
            return Some(Rule::Pattern(last));
        }
        self.paths
            .iter()
            .any(|exact| exact == path)
            .then_some(Rule::Path)
    }

    /// Whether a file of `size` bytes is left out.
    pub fn by_size(&self, size: u64) -> Option<Rule> {
        self.larger_than
            .is_some_and(|most| size > most)
            .then_some(Rule::Size)
    }

    /// Which marker empties the folder at `path`, and its name there; `has` tells whether the folder has a name.
    pub fn by_marker(&self, path: &[u8], has: &dyn Fn(&[u8]) -> bool) -> Option<(Rule, &[u8])> {
        let place = self.markers.iter().position(|marker| {
            has(&marker.name) && (marker.header.is_empty() || begins(path, marker))
        })?;
        Some((Rule::Marker(place), &self.markers[place].name))
    }

    /// Whether [`Rules::by_marker`] can have an answer.
    pub fn has_markers(&self) -> bool {
        !self.markers.is_empty()
    }

    /// The rule in words, as it was given.
    pub fn said(&self, rule: Rule) -> String {
        match rule {
            Rule::Pattern(place) => self.patterns[place].said.clone(),
            Rule::Path => "left out by heirloom".to_owned(),
            Rule::Marker(place) => format!("beside {}", self.markers[place].said),
            Rule::Size => format!("larger than {} bytes", self.larger_than.unwrap_or(0)),
            Rule::FileSystem => "on another file system".to_owned(),
        }
    }
}

/// The patterns of an exclude file: one a line, blanks around them dropped, empty lines and those with `#` skipped.
/// `\#` and `\!` begin a pattern with that character.
pub fn patterns_in(text: &[u8], file: &str) -> Result<Vec<String>> {
    let mut patterns = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let line = std::str::from_utf8(line).map_err(|error| {
            Error::new(
                Kind::Usage,
                format!("{file} line {}: the pattern is not UTF-8", number + 1),
            )
            .because(error)
        })?;
        patterns.push(line.to_owned());
    }
    Ok(patterns)
}

fn bad(glob: &str, why: &str) -> Error {
    Error::new(Kind::Usage, format!("exclude pattern {glob:?}: {why}"))
}

fn begins(folder: &[u8], marker: &Marker) -> bool {
    let path = [folder, b"/", &marker.name].concat();
    let Ok(opened) = open_file(&path) else {
        return false;
    };
    let mut head = Vec::new();
    let most = marker.header.len() as u64;
    opened.file.take(most).read_to_end(&mut head).is_ok() && head == marker.header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(globs: &[&str]) -> Rules {
        Rules::new(&Wishes {
            globs: globs.iter().map(|glob| (*glob).to_owned()).collect(),
            ..Wishes::default()
        })
        .unwrap()
    }

    fn out(globs: &[&str], path: &[u8]) -> bool {
        rules(globs).by_path(path, &mut Vec::new()).is_some()
    }

    #[test]
    fn patterns_read_as_in_restic() {
        for (glob, path, expected) in [
            ("*.o", "/home/a/x.o", true),
            ("*.o", "/home/a/x.oo", false),
            ("cache", "/home/a/cache", true),
            ("cache/", "/home/a/cache", true),
            ("cache", "/home/a/cache/deep", false), // never asked: the folder above is gone
            ("/home/a", "/home/a", true),
            ("/a", "/home/a", false),
            ("/home/*/x", "/home/a/x", true),
            ("/home/*/x", "/home/a/b/x", false),
            ("/home/**/x", "/home/a/b/x", true),
            ("/home/**/x", "/home/x", true),
            ("a/x", "/home/a/x", true),
            ("a/x", "/home/ba/x", false),
            ("a/**/x", "/home/a/b/c/x", true),
            ("x?", "/h/x1", true),
            ("x?", "/h/x", false),
            ("x[0-9]", "/h/x7", true),
            ("x[^0-9]", "/h/x7", false),
            ("{a,b}", "/h/a", false),
            ("{a,b}", "/h/{a,b}", true),
            ("\\*", "/h/*", true),
            ("\\*", "/h/a", false),
            ("A", "/h/a", false),
            ("a**b", "/h/axxb", true),
        ] {
            assert_eq!(out(&[glob], path.as_bytes()), expected, "{glob} {path}");
        }
    }

    #[test]
    fn the_last_pattern_decides() {
        let globs = ["*.log", "!keep.log", "/x/keep.log"];
        assert!(out(&globs, b"/a/b.log"));
        assert!(!out(&globs, b"/a/keep.log"));
        assert!(out(&globs, b"/x/keep.log"));
        let rules = rules(&globs);
        let rule = rules.by_path(b"/x/keep.log", &mut Vec::new()).unwrap();
        assert_eq!(rules.said(rule), "/x/keep.log");
    }

    #[test]
    fn names_are_bytes() {
        assert!(out(&["*.o"], b"/a/\xff\xfe.o"));
        assert!(out(&["a?b"], b"/x/a\xffb"));
        assert!(!out(&["*.o"], b"/a/\xff"));
        let rules = Rules::new(&Wishes {
            globs_any_case: vec!["*.TMP".to_owned()],
            paths: vec![b"/mnt/\xff".to_vec()],
            ..Wishes::default()
        })
        .unwrap();
        let mut scratch = Vec::new();
        assert!(rules.by_path(b"/a/\xff.tMp", &mut scratch).is_some());
        assert_eq!(rules.by_path(b"/mnt/\xff", &mut scratch), Some(Rule::Path));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        for wrong in ["a[", "", "!", "x[9-0]"] {
            let error = Rules::new(&Wishes {
                globs: vec![wrong.to_owned()],
                ..Wishes::default()
            })
            .unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.what().contains(&format!("{wrong:?}")), "{error}");
        }
    }

    #[test]
    fn lines_of_a_file_are_patterns() {
        let text = b"# caches\n\n  *.o  \r\n!keep.o\n\\#x\n";
        assert_eq!(patterns_in(text, "f").unwrap(), ["*.o", "!keep.o", "\\#x"]);
        let error = patterns_in(b"a\n\xff\n", "list").unwrap_err();
        assert_eq!(error.what(), "list line 2: the pattern is not UTF-8");
    }
}
