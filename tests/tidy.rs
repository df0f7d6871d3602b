//! The house: floors, doors, file heads, sizes. Read `src/lib.rs` first; this file holds everyone to it.
//!
//! Text is enough because the few forms that would hide an import are banned here too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files over 400 lines without their tests, each with its excuse. 600 is the end.
const LARGE: &[(&str, &str)] = &[];

/// What one floor's rule would allow and the finer line does not: importer, imported.
const NEVER: &[(&str, &str)] = &[
    ("store", "format"),
    ("store", "crypto"),
    ("mirror", "device"),
    ("mirror", "crypto::secret"),
    ("mirror", "crypto::derive"),
    ("mirror", "crypto::passphrase"),
    ("mirror", "crypto::stream"),
    ("ui", "ops"),
    ("ui", "repo"),
    ("ui", "store"),
];

/// Crates and calls that have one door: the text, and the paths that may hold it.
const DOORS: &[(&str, &[&str])] = &[
    ("clap::", &["src/cli"]),
    ("indicatif::", &["src/ui/progress.rs"]),
    ("blake3::", &["src/crypto"]),
    ("chacha20poly1305::", &["src/crypto"]),
    ("argon2::", &["src/crypto"]),
    ("bip39::", &["src/crypto"]),
    ("zstd::", &["src/compress"]),
    ("reed_solomon_simd::", &["src/erasure.rs"]),
    ("rmp_serde::", &["src/format"]),
    ("rmp::", &["src/format"]),
    (
        "serde::",
        &[
            "src/format",
            "src/ui/json.rs",
            "src/config.rs",
            "src/store/rclone",
        ],
    ),
    (
        "serde_json::",
        &[
            "src/ui/json.rs",
            "src/store/bucket/account.rs",
            "src/store/rclone",
        ],
    ),
    (
        "walkdir::",
        &["src/source/names.rs", "src/store/folder", "src/target"],
    ),
    (
        "rustix::",
        &[
            "src/store/folder",
            "src/store/child.rs",
            "src/store/place.rs",
            "src/source",
            "src/device",
            "src/target",
            "src/cli",
        ],
    ),
    (
        "std::fs",
        &[
            "src/store/folder",
            "src/store/place.rs",
            "src/source",
            "src/device",
            "src/target",
            "src/cli",
        ],
    ),
    (
        "process::Command",
        &["src/cli/secret.rs", "src/store/child.rs"],
    ),
    ("toml::", &["src/config.rs"]),
    ("object_store::", &["src/store/bucket"]),
    ("quick_xml::", &["src/dav.rs"]),
    ("reqwest::", &["src/store"]),
    ("russh_sftp::", &["src/store/sftp"]),
    ("rustls::", &["src/store/wire.rs", "src/store/tls.rs"]),
    ("tokio::", &["src/store"]),
    ("hyper::", &["src/store"]),
    ("hyper_util::", &["src/store"]),
    ("SystemTime", &["src/cli/host.rs"]),
    ("Instant::now", &["src/cli/host.rs"]),
    ("thread::sleep", &["src/cli/host.rs"]),
    ("getrandom::", &["src/cli/host.rs"]),
    ("env::var", &["src/cli/context.rs", "src/cli/secret.rs"]),
    ("env::current_dir", &["src/cli/context.rs"]),
    ("unsafe ", &["src/chunker/x86.rs", "src/cli/host.rs"]),
    ("process::exit", &[]),
];

struct Source {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let path = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty());
    found
}

/// The text without comments and without its unit tests.
fn code(source: &Source) -> String {
    let body = source.text.split("#[cfg(test)]").next().unwrap();
    let lines = body.lines().map(|line| {
        let cut = line
            .find("//")
            .filter(|at| !line[..*at].contains('"'))
            .unwrap_or(line.len());
        &line[..cut]
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
}

fn floors() -> BTreeMap<String, usize> {
    let map = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut floors = BTreeMap::new();
    let mut floor = None;
    for line in map.lines() {
        if let Some(heading) = line.strip_prefix("// ") {
            floor = heading
                .split(' ')
                .next()
                .and_then(|number| number.parse::<usize>().ok());
        } else if let Some(module) = line.strip_prefix("pub mod ") {
            floors.insert(
                module.trim_end_matches(';').to_owned(),
                floor.expect("a module before its floor"),
            );
        }
    }
    assert!(floors.len() > 15, "{floors:?}");
    floors
}

fn owner(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let first = inside.split('/').next()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(module, "main" | "lib")).then_some(module)
}

fn crate_paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + 7..];
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
            .unwrap_or(rest.len());
        found.push(rest[..end].trim_end_matches(':').to_owned());
    }
    found
}

#[test]
fn imports_go_down_a_floor() {
    let floors = floors();
    let mut wrong = Vec::new();
    for source in sources("src") {
        let Some(owner) = owner(&source.path) else {
            continue;
        };
        let text = if is_test_file(&source.path) {
            source.text.clone()
        } else {
            code(&source)
        };
        let mine = floors
            .get(owner)
            .unwrap_or_else(|| panic!("{}: not on the map of lib.rs", source.path));
        for import in crate_paths(&text) {
            let target = import.split("::").next().unwrap();
            let Some(floor) = floors.get(target) else {
                wrong.push(format!(
                    "{}: crate::{import} is not on the map of lib.rs",
                    source.path
                ));
                continue;
            };
            let never = NEVER
                .iter()
                .any(|(from, to)| owner == *from && import.starts_with(to));
            if (floor >= mine && target != owner) || never {
                wrong.push(format!(
                    "{}: crate::{import}: imports go down a floor",
                    source.path
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn verbs_use_those_above_them() {
    let map = std::fs::read_to_string(root().join("src/ops/mod.rs")).unwrap();
    let order: Vec<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let mut wrong = Vec::new();
    for source in sources("src/ops") {
        let inside = source.path.strip_prefix("src/ops/").unwrap();
        let verb = inside.split('/').next().unwrap().trim_end_matches(".rs");
        let Some(mine) = order.iter().position(|other| *other == verb) else {
            continue;
        };
        for import in crate_paths(&code(&source)) {
            let Some(other) = import
                .strip_prefix("ops::")
                .and_then(|rest| rest.split("::").next())
            else {
                continue;
            };
            if order
                .iter()
                .position(|verb| *verb == other)
                .is_some_and(|at| at > mine)
            {
                wrong.push(format!(
                    "{}: uses {other}, which comes after it",
                    source.path
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_hides_an_import() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        for banned in ["use crate::{", "pub use ", "::*;", "super::"] {
            if code(&source).contains(banned) && !is_test_file(&source.path) {
                wrong.push(format!("{}: {banned}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn some_things_have_one_door() {
    let mut wrong = Vec::new();
    for source in sources("src")
        .iter()
        .filter(|source| !is_test_file(&source.path))
    {
        let text = code(source);
        for (what, doors) in DOORS {
            let through = doors.iter().any(|door| source.path.starts_with(door));
            if !through && text.contains(what) {
                wrong.push(format!("{}: {what} belongs in {doors:?}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for source in sources(folder) {
            if !source.text.starts_with("//!") {
                wrong.push(format!("{}: does not begin with //!", source.path));
            }
            let lines = source
                .text
                .split("#[cfg(test)]")
                .next()
                .unwrap()
                .lines()
                .count();
            let is_test = folder == "tests" || is_test_file(&source.path);
            let excused = is_test || LARGE.iter().any(|(path, _)| *path == source.path);
            if lines > 600 || (lines > 400 && !excused) {
                wrong.push(format!(
                    "{}: {lines} lines; find the second noun in it",
                    source.path
                ));
            }
            for mark in ["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"] {
                if source.text.contains(mark) && source.path != "tests/tidy.rs" {
                    wrong.push(format!("{}: {mark}", source.path));
                }
            }
            if source.text.contains(concat!("#[", "allow(")) {
                wrong.push(format!("{}: write #[expect(…, reason = …)]", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_is_reachable() {
    let mut wrong = Vec::new();
    let all = sources("src");
    for source in &all {
        let path = Path::new(&source.path);
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if matches!(source.path.as_str(), "src/main.rs" | "src/lib.rs") {
            continue;
        }
        let folder = if stem == "mod" {
            path.parent().unwrap().parent().unwrap()
        } else {
            path.parent().unwrap()
        };
        let module = if stem == "mod" {
            path.parent()
                .unwrap()
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
        } else {
            stem
        };
        let parent = if folder == Path::new("src") {
            "src/lib.rs".to_owned()
        } else {
            format!("{}/mod.rs", folder.display())
        };
        let declared = all
            .iter()
            .any(|other| other.path == parent && other.text.contains(&format!("mod {module};")));
        if !declared {
            wrong.push(format!("{}: {parent} does not declare it", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_top_level_is_as_decided() {
    let wanted = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "benches",
        "completions",
        "man",
        "src",
        "tests",
    ];
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = wanted.contains(&name.as_str()) || name.starts_with('.') || name == "target";
        assert!(known, "{name} does not belong at the top");
    }
}

#[test]
fn dependencies_stay_few() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let count = lock.matches("[[package]]").count();
    assert!(
        count <= CRATES_MAX,
        "{count} crates in Cargo.lock; raise the ceiling in the commit that needs it"
    );
}

/// Crates in Cargo.lock, those of tests and of other systems included.
const CRATES_MAX: usize = 330;
