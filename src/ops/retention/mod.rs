//! Which snapshots stay, and why: pure, from what the chains say to a decision for each.
//!
//! What must hold:
//! - Rules look at the snapshots of one source by one device alone, so nothing that another device writes, under whatever
//!   name and date, can push one of them out.
//! - A snapshot that is suspect, or whose date cannot be right, fills no period and is dropped by no rule.
//! - The newest good snapshots stay whatever the rules say.
//! - Ages are measured from the newest good snapshot, not from now: where backups have stopped nothing ages.

mod rules;
#[cfg(test)]
mod tests;

pub use rules::{Period, Rules, Span};

use crate::format::chain::Entry;
use crate::format::snapshot::Snapshot;
use crate::id::Id;
use crate::repo::chain::Chains;
use crate::repo::snapshots::is_ahead;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What retention has to know of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which one.
    pub id: Id,
    /// Whose chain it stands in.
    pub device: [u8; 16],
    /// Its source.
    pub source: String,
    /// Its number in the chain.
    pub seq: u64,
    /// When its walk began.
    pub seconds: i64,
    /// Minutes east of UTC, where it was made.
    pub zone: i32,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Whether it counts.
    pub standing: Standing,
}

/// Whether a snapshot counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Good,
    /// Its source looked collapsed, and nobody has accepted that.
    Suspect,
    /// Its date is before that of the entry it follows, or over 24 hours ahead of now.
    WrongTime,
}

impl Candidate {
    /// Every live snapshot.
    pub fn all(chains: &Chains, now: i64) -> Vec<Self> {
        let wrong = wrong_times(chains, now);
        let all = chains.snapshots().into_iter();
        let candidate = |(id, entry, snapshot): (Id, &Entry, &Snapshot)| Self {
            id,
            device: entry.device,
            source: snapshot.source.clone(),
            seq: entry.seq,
            seconds: entry.time.seconds,
            zone: entry.zone,
            tags: snapshot.tags.clone(),
            pinned: chains.pin(&id).is_some(),
            standing: match () {
                () if chains.is_suspect(&id, snapshot) => Standing::Suspect,
                () if wrong.contains(&id) => Standing::WrongTime,
                () => Standing::Good,
            },
        };
        all.map(candidate).collect()
    }
}

/// Entries whose date cannot be right. One that is ahead itself says nothing about those after it.
fn wrong_times(chains: &Chains, now: i64) -> BTreeSet<Id> {
    let mut all: Vec<_> = chains.visible().collect();
    all.sort_by_key(|(_, entry)| (entry.device, entry.seq));
    let mut wrong = BTreeSet::new();
    let mut before = None;
    for (id, entry) in all {
        let seconds = entry.time.seconds;
        let follows = before.filter(|(device, _)| *device == entry.device);
        let ahead = is_ahead(entry, now);
        if ahead || follows.is_some_and(|(_, before)| seconds < before) {
            wrong.insert(*id);
        }
        before = match ahead {
            true => follows,
            false => Some((entry.device, seconds)),
        };
    }
    wrong
}

/// Why a snapshot stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The newest of the `nth` period out of `of`.
    Count {
        /// Which periods.
        period: Period,
        /// The how manieth it is, from 1.
        nth: u32,
        /// How many are kept.
        of: u32,
        /// The oldest of all, kept because there are not yet enough.
        oldest: bool,
    },
    /// Young enough, and the newest of its period.
    Within(Period, Span),
    /// It has these tags.
    Tags(Vec<String>),
    /// It is pinned.
    Pinned,
    /// It is suspect: neither counted nor dropped.
    Suspect,
    /// Its date cannot be right: neither counted nor dropped.
    WrongTime,
    /// One of so many newest good ones.
    Newest(u32),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count {
                period,
                nth,
                of,
                oldest,
            } => {
                let note = if *oldest { " (oldest)" } else { "" };
                write!(f, "{} {nth} of {of}{note}", period.word())
            }
            Self::Within(Period::Last, span) => write!(f, "within {span}"),
            Self::Within(period, span) => write!(f, "within {span} {}", period.word()),
            Self::Tags(tags) => write!(f, "tag {}", tags.join(",")),
            Self::Pinned => f.write_str("pinned"),
            Self::Suspect => f.write_str("suspect"),
            Self::WrongTime => f.write_str("its date cannot be right"),
            Self::Newest(1) => f.write_str("the newest good one"),
            Self::Newest(count) => write!(f, "one of the {count} newest good ones"),
        }
    }
}

/// What becomes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays, for at least one reason.
    Keep(Vec<Reason>),
    /// It goes, since the coarsest rule has no place for it.
    Forget(NoPlace),
}

/// Why no rule keeps a snapshot, told by the coarsest that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// So many periods are filled with newer ones.
    Full(Period, u32),
    /// A newer one of the same period is kept.
    Taken(Period),
    /// No rule counts.
    NoRule,
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(period, count) => write!(f, "{} {count} full", period.word()),
            Self::Taken(period) => write!(f, "a newer one of its {} is kept", period.noun()),
            Self::NoRule => f.write_str("no rule keeps it"),
        }
    }
}

/// Snapshots of one source by one device, the newest first.
type Group<'a> = Vec<&'a Candidate>;

fn groups(all: &[Candidate]) -> Vec<Group<'_>> {
    let mut groups = BTreeMap::<(&[u8; 16], &str), Group<'_>>::new();
    for one in all {
        groups
            .entry((&one.device, &one.source))
            .or_default()
            .push(one);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by_key(|one| std::cmp::Reverse((one.seconds, one.seq, one.id)));
    }
    groups
}

/// The good ones among the snapshots of each source and device, the newest first.
pub fn good(all: &[Candidate]) -> Vec<Group<'_>> {
    let mut groups = groups(all);
    for group in &mut groups {
        group.retain(|one| one.standing == Standing::Good);
    }
    groups
}

/// Decides on every snapshot. The `min_good` newest good ones of each source and device stay in any case.
pub fn decide(all: &[Candidate], rules: &Rules, min_good: u32) -> BTreeMap<Id, Decision> {
    let mut decided = BTreeMap::new();
    for one in all {
        let mut reasons = Vec::new();
        match one.standing {
            Standing::Suspect => reasons.push(Reason::Suspect),
            Standing::WrongTime => reasons.push(Reason::WrongTime),
            Standing::Good => {}
        }
        reasons.extend(one.pinned.then_some(Reason::Pinned));
        let fitting = rules.tags.iter();
        let fitting = fitting.filter(|tags| tags.iter().all(|tag| one.tags.contains(tag)));
        reasons.extend(fitting.cloned().map(Reason::Tags));
        decided.insert(one.id, Decision::Keep(reasons));
    }
    for group in good(all) {
        let reasons = by_rules(&group, rules);
        for (at, (one, (reasons, no_place))) in group.iter().zip(reasons).enumerate() {
            let Some(Decision::Keep(all)) = decided.get_mut(&one.id) else {
                continue;
            };
            all.extend(reasons);
            if all.is_empty() && at < min_good as usize {
                all.push(Reason::Newest(min_good));
            }
            if all.is_empty() {
                decided.insert(one.id, Decision::Forget(no_place));
            }
        }
    }
    decided
}

/// For each good snapshot of one source and device, the newest first, what the rules say.
fn by_rules(group: &Group<'_>, rules: &Rules) -> Vec<(Vec<Reason>, NoPlace)> {
    let mut said = vec![(Vec::new(), NoPlace::NoRule); group.len()];
    for (period, count) in &rules.counts {
        let (mut nth, mut newest) = (0, None);
        for (at, one) in group.iter().enumerate() {
            let number = period.number(one.seconds, one.zone);
            let is_new = number.is_none() || newest != number;
            let oldest = at + 1 == group.len();
            let (reasons, no_place) = &mut said[at];
            if nth < *count && (is_new || oldest) {
                nth += 1;
                newest = number;
                reasons.push(Reason::Count {
                    period: *period,
                    nth,
                    of: *count,
                    oldest: !is_new,
                });
            } else {
                // Periods come from the shortest to the longest: the coarsest has the last word.
                *no_place = match is_new {
                    true => NoPlace::Full(*period, *count),
                    false => NoPlace::Taken(*period),
                };
            }
        }
    }
    let Some(youngest) = group.first() else {
        return said;
    };
    for (period, span) in &rules.within {
        let since = span.before(youngest.seconds, youngest.zone);
        let mut newest = None;
        for (one, (reasons, _)) in group.iter().zip(&mut said) {
            let number = period.number(one.seconds, one.zone);
            if one.seconds > since && (number.is_none() || newest != number) {
                newest = number;
                reasons.push(Reason::Within(*period, *span));
            }
        }
    }
    said
}
