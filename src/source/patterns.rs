//! Many patterns, asked at once which of them is the last that matches a path.
//!
//! A set compiles to automata of which each may take 10 MiB, and a pattern such as `x?1*.txt` has one of its own (some
//! 9 KiB). So many patterns make several sets, and how many of them may have wildcards is bounded: what they hold
//! stays below 100 MiB.

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How many patterns may have wildcards.
pub const WILD_MAX: usize = 5000;
/// Of these, how many make a set: few enough for its automata.
const WILD_PER_SET: usize = 1000;
/// How many patterns make a set: while it is built, each takes some 1.5 KiB.
const PER_SET: usize = 20_000;

/// The patterns, in their order.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    /// Each set, and how many patterns come before it.
    sets: Vec<(usize, GlobSet)>,
}

/// Why they cannot be looked for.
#[derive(Debug)]
pub enum Cannot {
    /// The one at this place, and why.
    One(usize, String),
    /// So many have wildcards.
    Many(usize),
}

/// `pattern` as it is looked for; what is wrong with it, if it makes no sense.
pub fn pattern(pattern: &str, any_case: bool) -> Result<Glob, String> {
    GlobBuilder::new(&translate(pattern).ok_or("it is empty")?)
        .literal_separator(true)
        .backslash_escape(true)
        .case_insensitive(any_case)
        .build()
        .map_err(|error| error.kind().to_string())
}

impl Patterns {
    /// All of them.
    pub fn new(globs: &[Glob]) -> Result<Self, Cannot> {
        let wild = globs.iter().filter(|glob| has_wildcards(glob)).count();
        if wild > WILD_MAX {
            return Err(Cannot::Many(wild));
        }
        let (mut patterns, mut from, mut wild) = (Self::default(), 0, 0);
        for (at, glob) in globs.iter().enumerate() {
            if at - from == PER_SET || wild == WILD_PER_SET {
                patterns.add(from, &globs[from..at])?;
                (from, wild) = (at, 0);
            }
            wild += usize::from(has_wildcards(glob));
        }
        patterns.add(from, &globs[from..])?;
        Ok(patterns)
    }

    /// As one set, or as two halves if they are too long for one.
    fn add(&mut self, from: usize, globs: &[Glob]) -> Result<(), Cannot> {
        if globs.is_empty() {
            return Ok(());
        }
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(glob.clone());
        }
        match set.build() {
            Ok(set) => self.sets.push((from, set)),
            Err(error) if globs.len() == 1 => {
                return Err(Cannot::One(from, error.kind().to_string()));
            }
            Err(_) => {
                let (one, other) = globs.split_at(globs.len() / 2);
                self.add(from, one)?;
                self.add(from + one.len(), other)?;
            }
        }
        Ok(())
    }

    /// The place of the last pattern that matches `path`.
    pub fn last(&self, path: &[u8], scratch: &mut Vec<usize>) -> Option<usize> {
        if self.sets.is_empty() {
            return None;
        }
        let path = Candidate::new(Path::new(OsStr::from_bytes(path)));
        self.sets.iter().rev().find_map(|(from, set)| {
            // In rising order.
            set.matches_candidate_into(&path, scratch);
            scratch.last().map(|at| from + at)
        })
    }
}

fn has_wildcards(glob: &Glob) -> bool {
    let anywhere = glob.glob().trim_start_matches("**/");
    anywhere.contains(['*', '?', '['])
}

/// The same pattern in globset's words: braces are plain there only when escaped, and a pattern that is not anchored
/// may begin at any folder.
fn translate(pattern: &str) -> Option<String> {
    let bare = pattern.trim_end_matches('/');
    let bare = if bare.is_empty() && !pattern.is_empty() {
        "/"
    } else {
        bare
    };
    if bare.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(bare.len() + 4);
    if !bare.starts_with('/') {
        out.push_str("**/");
    }
    let mut class = false;
    let mut chars = bare.strip_prefix("./").unwrap_or(bare).chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                out.push(char);
                out.extend(chars.next());
                continue;
            }
            '[' => class = true,
            ']' => class = false,
            '{' | '}' if !class => out.push('\\'),
            _ => {}
        }
        out.push(char);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(each: impl Iterator<Item = String>) -> Result<Patterns, Cannot> {
        let globs: Vec<_> = each.map(|one| pattern(&one, false).unwrap()).collect();
        Patterns::new(&globs)
    }

    #[test]
    fn many_patterns_make_several_sets() {
        let many = patterns((0..3 * WILD_PER_SET).map(|n| format!("x?{n}*.txt"))).unwrap();
        assert_eq!(many.sets.len(), 3);
        let mut scratch = Vec::new();
        for (path, expected) in [
            ("/a/xy0.txt", Some(0)),
            ("/a/xy1.txt", Some(1)),
            // 2, 29, 299 and 2999 match.
            ("/a/xy2999.txt", Some(2999)),
            ("/a/xy1500-.txt", Some(1500)),
            ("/a/x2999.txt", Some(999)),
            ("/a/y", None),
        ] {
            assert_eq!(many.last(path.as_bytes(), &mut scratch), expected, "{path}");
        }
        let plain = patterns((0..2 * PER_SET).map(|n| format!("/a/{n}"))).unwrap();
        assert_eq!(plain.sets.len(), 2);
        let last = 2 * PER_SET - 1;
        assert_eq!(
            plain.last(format!("/a/{last}").as_bytes(), &mut scratch),
            Some(last)
        );
        assert_eq!(plain.last(b"/a/7", &mut scratch), Some(7));
    }

    #[test]
    fn long_patterns_are_parted() {
        let long = "[a-z]?x*".repeat(40);
        let many = patterns((0..WILD_PER_SET).map(|n| format!("{long}{n}"))).unwrap();
        assert!(many.sets.len() > 1, "{}", many.sets.len());
        let path = format!("/a/{}999", "qqx".repeat(40));
        let found = many.last(path.as_bytes(), &mut Vec::new());
        assert_eq!(found, Some(WILD_PER_SET - 1));
    }

    #[test]
    fn what_cannot_be_looked_for_is_told() {
        let one = "[^a]*?".repeat(200_000);
        let error = patterns(["/a".to_owned(), one].into_iter()).unwrap_err();
        assert!(matches!(error, Cannot::One(1, _)), "{error:?}");
        let error = patterns((0..=WILD_MAX).map(|n| format!("*{n}"))).unwrap_err();
        assert!(
            matches!(error, Cannot::Many(count) if count == WILD_MAX + 1),
            "{error:?}"
        );
        patterns((0..=WILD_MAX).map(|n| format!("/a/{n}"))).unwrap();
    }
}
