//! Which snapshot a person means: id prefix, `latest`, `latest~2`, each optionally with `:PATH`.

use crate::error::{Error, Kind, Result};
use crate::format::chain::Entry;
use crate::format::snapshot::Snapshot;
use crate::id::Id;
use crate::repo::chain::Chains;

/// A snapshot as people name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which one.
    pub which: Which,
    /// The part of it below this path; empty for all.
    pub path: Vec<u8>,
}

/// By id or by age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one whose id begins so.
    Prefix(String),
    /// The newest, or this many before it.
    Latest(usize),
}

impl Wanted {
    /// Reads `5d20e1f4`, `latest`, `latest~2`, each optionally with `:PATH`.
    ///
    /// # Errors
    /// `Usage`.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let colon = text
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(text.len());
        let (which, path) = text.split_at(colon);
        let which = String::from_utf8_lossy(which);
        let wrong = || {
            Error::new(Kind::Usage, format!("{which:?} names no snapshot"))
                .hint("an id's first digits, latest, or latest~2; heirloom snapshots lists them")
        };
        let which = match which.strip_prefix("latest") {
            Some("") => Which::Latest(0),
            Some(back) => Which::Latest(
                back.strip_prefix('~')
                    .and_then(|n| n.parse().ok())
                    .ok_or_else(wrong)?,
            ),
            None => {
                let hex = which
                    .bytes()
                    .all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
                if !hex || !(2..=64).contains(&which.len()) {
                    return Err(wrong());
                }
                Which::Prefix(which.into_owned())
            }
        };
        Ok(Self {
            which,
            path: path.get(1..).unwrap_or_default().to_vec(),
        })
    }
}

/// A live snapshot and where it stands in its device's chain.
pub struct Found<'a> {
    /// The entry id, of which people see the first digits.
    pub id: Id,
    /// Its step in the chain.
    pub entry: &'a Entry,
    /// What was saved.
    pub snapshot: &'a Snapshot,
}

/// Live snapshots that pass the filters, oldest first.
pub fn list<'a>(chains: &'a Chains, filter: &Filter) -> Vec<Found<'a>> {
    let all = chains.snapshots().into_iter();
    let all = all.map(|(id, entry, snapshot)| Found {
        id,
        entry,
        snapshot,
    });
    all.filter(|found| filter.accepts(found)).collect()
}

/// A date so far ahead of now, in seconds, is wrong.
pub const AHEAD_MAX: i64 = 24 * 3600;

/// Whether this was made at a time that is still to come; `now` in seconds since 1970.
pub fn is_ahead(entry: &Entry, now: i64) -> bool {
    entry.time.seconds > now.saturating_add(AHEAD_MAX)
}

/// Which snapshots count.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this source alone.
    pub source: Option<String>,
    /// Of this host alone.
    pub host: Option<String>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// Of one of these paths.
    pub paths: Vec<Vec<u8>>,
}

impl Filter {
    /// Whether it counts.
    pub fn accepts(&self, found: &Found<'_>) -> bool {
        let snapshot = found.snapshot;
        self.source
            .as_ref()
            .is_none_or(|source| *source == snapshot.source)
            && self
                .host
                .as_ref()
                .is_none_or(|host| *host == found.entry.host)
            && self.tags.iter().all(|tag| snapshot.tags.contains(tag))
            && (self.paths.is_empty()
                || self.paths.iter().any(|path| snapshot.paths.contains(path)))
    }
}

/// The one snapshot meant. By `now`, in seconds since 1970, what comes from a clock that was ahead is not the latest as long
/// as there is another.
///
/// # Errors
/// `Usage` when a prefix is ambiguous or `latest` could mean several sources, `NotFound`.
pub fn resolve<'a>(
    chains: &'a Chains,
    which: &Which,
    filter: &Filter,
    now: i64,
) -> Result<Found<'a>> {
    let mut all = list(chains, filter);
    match which {
        Which::Prefix(prefix) => {
            let mut fitting = all.into_iter().filter(|found| found.id.starts_with(prefix));
            let first = fitting.next().ok_or_else(|| {
                Error::new(Kind::NotFound, format!("no snapshot {prefix}"))
                    .hint("heirloom snapshots lists them")
            })?;
            if fitting.next().is_some() {
                return Err(Error::new(
                    Kind::Usage,
                    format!("{prefix} is the beginning of several snapshots"),
                )
                .hint("give more digits; heirloom snapshots lists them"));
            }
            Ok(first)
        }
        Which::Latest(back) => {
            let sound = |found: &Found<'_>| !chains.is_suspect(&found.id, found.snapshot);
            if all.iter().any(sound) {
                all.retain(sound);
            }
            all.sort_by_key(|found| !is_ahead(found.entry, now));
            let mut sources: Vec<_> = all
                .iter()
                .map(|found| found.snapshot.source.as_str())
                .collect();
            sources.sort_unstable();
            sources.dedup();
            if sources.len() > 1 {
                let what = format!("latest could mean several sources: {}", sources.join(", "));
                return Err(Error::new(Kind::Usage, what).hint("choose one with --source NAME"));
            }
            let at = back
                .checked_add(1)
                .and_then(|back| all.len().checked_sub(back));
            at.map(|at| all.swap_remove(at)).ok_or_else(|| {
                Error::new(
                    Kind::NotFound,
                    format!("there are only {} snapshots here", all.len()),
                )
                .hint("heirloom snapshots lists them; heirloom backup makes one")
            })
        }
    }
}

/// The one snapshot meant by these words, as a whole.
///
/// # Errors
/// As [`resolve`]; `Usage` where a path is named.
pub fn whole<'a>(chains: &'a Chains, text: &[u8], filter: &Filter, now: i64) -> Result<Found<'a>> {
    let wanted = Wanted::parse(text)?;
    if !wanted.path.is_empty() {
        let what = "a snapshot is meant as a whole, and this names a part of one";
        return Err(Error::new(Kind::Usage, what).hint("leave out what follows the colon"));
    }
    resolve(chains, &wanted.which, filter, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::chain::What;
    use crate::host::Timestamp;

    #[test]
    fn people_name_snapshots_in_three_ways() {
        let wanted = |text: &str| Wanted::parse(text.as_bytes()).unwrap();
        assert_eq!(
            wanted("latest"),
            Wanted {
                which: Which::Latest(0),
                path: Vec::new()
            }
        );
        assert_eq!(wanted("latest~2:/a:b").path, b"/a:b");
        assert_eq!(
            wanted("5d20e1f4").which,
            Which::Prefix("5d20e1f4".to_owned())
        );
        for wrong in ["", "x", "latest~", "latest2", "5D20", "5", "latest~-1"] {
            assert_eq!(
                Wanted::parse(wrong.as_bytes()).unwrap_err().kind(),
                Kind::Usage,
                "{wrong}"
            );
        }
    }

    const DAY: i64 = 86_400;
    /// 2001.
    const NOW: i64 = 1_000_000_000;

    /// Snapshots of one source by these devices, made on these days after now.
    fn chains(of: &[(u8, &[i64])]) -> Chains {
        let mut chains = Chains::default();
        for (device, days) in of {
            for (seq, day) in days.iter().enumerate() {
                let snapshot = Snapshot {
                    source: "d".to_owned(),
                    ..Snapshot::default()
                };
                let entry = Entry {
                    repo: [0; 16],
                    device: [*device; 16],
                    seq: seq as u64,
                    prev: None,
                    heads: Vec::new(),
                    acked: Vec::new(),
                    time: Timestamp {
                        seconds: NOW + day * DAY,
                        nanos: 0,
                    },
                    zone: 0,
                    host: String::new(),
                    user: String::new(),
                    program: String::new(),
                    what: What::Snapshot(Box::new(snapshot)),
                    unknown: 0,
                };
                chains.committed([(id(*device, seq), entry)]);
            }
        }
        chains
    }

    fn id(device: u8, seq: usize) -> Id {
        let mut bytes = [device; 32];
        bytes[31] = u8::try_from(seq).unwrap();
        Id::new(bytes)
    }

    #[test]
    fn what_comes_from_a_clock_that_was_wrong_is_not_the_latest_for_ever() {
        for (of, latest) in [
            // The chain of a device tells, whatever its clock said.
            (&[(1, &[-3, 36_000, -1][..])][..], id(1, 2)),
            (&[(1, &[-3, -2, -11_000][..])], id(1, 2)),
            // A device whose clock is ahead still, beside one whose is right.
            (&[(1, &[-3, -1][..]), (2, &[-2, 36_000][..])], id(1, 1)),
            // Within a day it may be the other clock that is right.
            (&[(1, &[-3, -1][..]), (2, &[-2, 1][..])], id(2, 1)),
            // Where there is no other.
            (&[(2, &[36_000][..])], id(2, 0)),
        ] {
            let chains = chains(of);
            let found = resolve(&chains, &Which::Latest(0), &Filter::default(), NOW);
            assert_eq!(found.unwrap().id, latest, "{of:?}");
        }
    }
}
