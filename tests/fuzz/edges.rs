//! The families beyond the format: what this device keeps, what people write, what servers answer, where chunks end.

use crate::fuzz::engine::Chance;
use crate::fuzz::fixed::FIXED;
use crate::fuzz::targets::front;
use heirloom::chunker::class::Class;
use heirloom::chunker::{Chunker, Path};
use heirloom::config::{self, New};
use heirloom::crypto::hash::object_id;
use heirloom::device::memory::Memory;
use heirloom::device::state::StateReader;
use heirloom::device::table::Table;
use heirloom::error::{Error, Kind};
use heirloom::name::Name;
use heirloom::ops::retention::Span;
use heirloom::repo::snapshots::Wanted;
use heirloom::source::exclude::{self, Rule, Wishes};
use heirloom::store::address;
use heirloom::units::{size_from_text, size_to_text};
use std::io::Write as _;

/// Stands for the keyed check: who can make it right can write anything.
pub(crate) fn check(bytes: &[u8]) -> [u8; 32] {
    *object_id(bytes).as_bytes()
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

pub(crate) fn state(bytes: &[u8]) -> bool {
    let file = file(bytes);
    let Some(reader) = StateReader::open(file.path(), &check) else {
        return false;
    };
    // Folders may name each other in circles.
    let mut folders = vec![reader.root()];
    for _ in 0..50 {
        let Some(folder) = folders.pop() else { break };
        let Ok(mut siblings) = reader.siblings(&folder) else {
            continue;
        };
        assert_eq!(siblings.len(), folder.len());
        assert!(siblings.len() * 72 <= bytes.len());
        for name in (0..8_u8).chain([0, 7, 3]) {
            let found = siblings.find(&[name; 16]);
            folders.extend(found.and_then(|(_, folder)| folder));
        }
    }
    true
}

pub(crate) fn memory(bytes: &[u8]) -> bool {
    let one = match Memory::decode(bytes, &check) {
        Ok(one) => one,
        Err(error) => {
            assert!(matches!(error.kind(), Kind::Damaged | Kind::TooNew));
            return false;
        }
    };
    let written = one.encode(&check);
    let two = Memory::decode(&written, &check).expect("what was written is read");
    let odd = |text: &String| text.contains(char::is_control);
    if one.pins.keys().chain(&one.fingerprint).any(odd) {
        return true;
    }
    assert!(two == one && two.encode(&check) == written);
    true
}

pub(crate) fn table(bytes: &[u8]) -> bool {
    let file = file(bytes);
    let table = match Table::open(file.path(), &check) {
        Ok(table) => table,
        Err(error) => {
            assert!(matches!(error.kind(), Kind::Damaged), "{}", error.chain());
            return false;
        }
    };
    assert!(table.aux().len() <= bytes.len());
    let rows: Vec<_> = table.rows().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len() as u64, table.len());
    let ascends = rows.is_sorted_by(|one, two| one[..16] <= two[..16]);
    for row in rows.iter().step_by(17) {
        let mut found = 0;
        let key = row.first_chunk().unwrap();
        table
            .find_at(key, &mut |at, row| {
                assert!(row[..16] == key[..] && at < table.len());
                found += 1;
            })
            .unwrap();
        // The fence is covered by the check and rows are not, so it may be that of other rows.
        assert!(found <= rows.len());
    }
    ascends
}

/// class, a number that says how the bytes come in, content
pub(crate) fn chunker(bytes: &[u8]) -> bool {
    let ([class, pieces @ ..], content) = front::<9>(bytes);
    let class = Class::ALL[usize::from(class) % 4];
    let mut stage1 = [0; heirloom::chunker::filter::STREAM_BYTES];
    FIXED.keys.chunker_stage1(&mut stage1);
    let stage2 = FIXED.keys.chunker_stage2();
    let paths = Path::ALL.into_iter();
    let found: Vec<Vec<usize>> = paths
        .filter_map(|path| Chunker::with_path(&stage1, stage2, path))
        .flat_map(|chunker| {
            let mut chance = Chance::new(u64::from_le_bytes(pieces));
            let whole = cuts(&chunker, class, content, &mut || content.len());
            let pieces = cuts(&chunker, class, content, &mut || {
                let power = 6 + chance.below(12);
                1 + chance.below(1 << power)
            });
            [whole, pieces]
        })
        .collect();
    assert!(found.iter().all(|cuts| *cuts == found[0]), "{found:?}");
    let bounds = class.bounds();
    assert!(found[0].iter().all(|len| (1..=bounds.max).contains(len)));
    let but_last = found[0].split_last().map_or(&[][..], |(_, rest)| rest);
    assert!(but_last.iter().all(|len| *len >= bounds.min));
    assert_eq!(found[0].iter().sum::<usize>(), content.len());
    found[0].len() > 1
}

/// The lengths of all chunks where so many bytes more are known each time.
fn cuts(
    chunker: &Chunker,
    class: Class,
    content: &[u8],
    more: &mut dyn FnMut() -> usize,
) -> Vec<usize> {
    let (mut start, mut known, mut scanned) = (0, 0, 0);
    let mut found = Vec::new();
    while start < content.len() {
        let at_end = known == content.len();
        match chunker.find(class, &content[start..known], &mut scanned, at_end) {
            Some(len) => {
                start += len;
                found.push(len);
            }
            None => known = known.saturating_add(more()).min(content.len()),
        }
    }
    found
}

pub(crate) fn config(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let config = match config::parse(&text, "heirloom.toml") {
        Ok(config) => config,
        Err(error) => {
            assert_eq!(error.kind(), Kind::Usage);
            return false;
        }
    };
    for name in config.mirror.keys() {
        config::check_name(name).unwrap();
        if let Some(kept) = config::without_mirror(&text, name) {
            let mut without = config.clone();
            without.mirror.remove(name);
            assert_eq!(config::parse(&kept, "").unwrap(), without, "{name} left");
        }
    }
    let location = text.chars().take(20).collect::<String>();
    let new = New {
        location: &location,
        site: Some("a \"site\"\n"),
        parity: Some("5%"),
        append_only: false,
    };
    let longer = format!("{text}{}", config::mirror_text("new-one", &new));
    if let (Ok(longer), false) = (config::parse(&longer, ""), location.is_empty()) {
        let made = longer.mirror.get("new-one");
        // Behind an open comment the first line of it is none.
        assert!(made.is_some_and(|made| made.location == location));
    }
    true
}

#[cfg(feature = "remote")]
pub(crate) fn dav(bytes: &[u8]) -> bool {
    use heirloom::dav::{encode, multistatus, path_of_href};
    let back = |path: &str| {
        let there = path_of_href(&format!("/{}", encode(path)));
        assert_eq!(there.as_deref(), Some(path.trim_matches('/')));
    };
    if let Some(path) = path_of_href(&String::from_utf8_lossy(bytes)) {
        back(&path);
    }
    let Ok(found) = multistatus(bytes) else {
        return false;
    };
    let held: usize = found.iter().map(|one| one.path.len() + 8).sum();
    assert!(held <= bytes.len());
    found.iter().for_each(|one| back(&one.path));
    true
}

pub(crate) fn addresses(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match address::parse(&text) {
        Err(error) => {
            assert_eq!(error.kind(), Kind::Usage);
            false
        }
        Ok((address, _)) => {
            let shown = address.to_string();
            let again = address::parse(&shown).map(|(address, _)| address);
            assert_eq!(again.ok(), Some(address), "{shown}");
            true
        }
    }
}

/// Names of objects, and snapshots as people name them.
pub(crate) fn names(bytes: &[u8]) -> bool {
    let _ = Wanted::parse(bytes).map_err(|error| assert_eq!(error.kind(), Kind::Usage));
    let text = String::from_utf8_lossy(bytes);
    let Some(name) = Name::at_path(&text) else {
        return false;
    };
    assert_eq!(name.path(), text);
    assert_eq!(Name::new(name.folder(), name.leaf()), Some(name));
    true
}

/// A path, then the lines of an exclude file.
pub(crate) fn patterns(bytes: &[u8]) -> bool {
    let at = bytes.iter().position(|byte| *byte == b'\n');
    let (path, lines) = bytes.split_at(at.unwrap_or(bytes.len()));
    let fine = |error: Error| assert_eq!(error.kind(), Kind::Usage);
    let Ok(globs) = exclude::patterns_in(lines, "file").map_err(fine) else {
        return false;
    };
    let lines = globs.len();
    let wishes = Wishes {
        globs_any_case: globs.iter().rev().cloned().collect(),
        globs,
        ..Wishes::default()
    };
    let Ok(rules) = exclude::Rules::new(&wishes).map_err(fine) else {
        return false;
    };
    if let Some(rule) = rules.by_path(path, &mut Vec::new()) {
        assert!(matches!(rule, Rule::Pattern(at) if at < 2 * lines));
        assert!(!rules.said(rule).is_empty());
    }
    true
}

/// Sizes and spans as people write them.
pub(crate) fn amounts(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let size = size_from_text(&text);
    if let Some(size) = size {
        assert_eq!(size_from_text(&size.to_string()), Some(size));
    }
    // Fractions of more than 9e18 are refused, and large numbers are shown as such.
    if let Some(size) = size.filter(|size| *size < 7 << 60) {
        let shown = size_from_text(&size_to_text(size)).expect("what is shown is read");
        assert!(
            shown.abs_diff(size) <= size / 10 + 1,
            "{size} is shown as {shown}"
        );
    }
    let span = Span::parse(&text);
    assert!(
        span.is_none_or(|span| Span::parse(&span.to_string()).is_none_or(|again| again == span))
    );
    span.is_some() || size.is_some()
}
