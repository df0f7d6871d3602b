//! The one table of outcomes and exit codes. Help, man pages and README are made from it; JSON names the same kinds.
//!
//! One run has one code: an error that ended the work gives its own; else the largest of those outcomes that apply;
//! else 0.

use crate::error::{Error, Kind};
use crate::ui::json;

/// One exit code.
pub struct Row {
    /// What the process returns.
    pub code: u8,
    /// What that means.
    pub means: &'static str,
    /// What to do then.
    pub then: &'static str,
}

const fn row(code: u8, means: &'static str, then: &'static str) -> Row {
    Row { code, means, then }
}

/// Every code this program returns, ascending.
pub const TABLE: &[Row] = &[
    row(0, "done", "nothing"),
    row(1, "failure not covered below", "read the message"),
    row(2, "usage or configuration error", "correct what is quoted"),
    row(
        3,
        "done, with entries skipped or a source suspect",
        "look at the list",
    ),
    row(
        4,
        "a mirror is behind or unreachable; data is safe on another",
        "`heirloom mirror sync`",
    ),
    row(
        5,
        "damage found, not all of it healed",
        "`heirloom heal`, or restore what is whole and make another backup",
    ),
    row(
        10,
        "no repository here",
        "check the location; `heirloom init` for a new one",
    ),
    row(
        11,
        "busy: this device is at work on the repository",
        "run again, or use `--wait`",
    ),
    row(
        12,
        "no key slot opens with this secret",
        "another secret, or `--words` with the kit",
    ),
    row(
        13,
        "unreachable: storage gave no answer",
        "run it again later",
    ),
    row(
        14,
        "full: no space or no quota",
        "free space there, or heirloom prune; then run it again",
    ),
    row(15, "format too new for this version", "upgrade heirloom"),
    row(16, "refused by a safety guard", "read the reason given"),
    row(
        17,
        "rollback or fork detected",
        "find out why before anything is written or deleted",
    ),
    row(130, "interrupted", "run the same command again; it resumes"),
];

/// The code of an error that ended the work.
pub fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::Other | Kind::NotFound | Kind::Denied => 1,
        Kind::Usage => 2,
        Kind::Damaged => 5,
        Kind::NoRepository => 10,
        Kind::Busy => 11,
        Kind::NoKey => 12,
        Kind::Unreachable => 13,
        Kind::Full => 14,
        Kind::TooNew => 15,
        Kind::Refused => 16,
        Kind::Rollback => 17,
        Kind::Interrupted => 130,
    }
}

/// What remains to be said of a run that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Two readings of the same object differ.
    Unsteady,
    /// Some source entries were skipped, or something could not be applied.
    Skipped,
    /// A source has collapsed.
    Suspect,
    /// A mirror does not have what another has.
    Behind,
    /// Damage was found.
    Damage,
    /// A mirror shows less than it did, or two histories.
    Rollback,
}

impl Outcome {
    /// What it comes to that a mirror could not be brought what it lacks.
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            Kind::Rollback => Self::Rollback,
            Kind::Damaged => Self::Damage,
            _ => Self::Behind,
        }
    }
}

/// How a run ended that did its work.
#[derive(Debug, Default)]
pub struct Done {
    said: Vec<(Outcome, String)>,
    hint: Option<String>,
}

impl Done {
    /// Nothing remains to be said.
    pub fn well() -> Self {
        Self::default()
    }

    /// Adds an outcome and one clause about it.
    pub fn add(&mut self, outcome: Outcome, what: impl Into<String>) {
        self.said.push((outcome, what.into()));
    }

    /// Takes over what another step of the run said of these.
    pub fn keep(&mut self, other: Self, outcomes: &[Outcome]) {
        let kept = other.said.into_iter();
        let kept = kept.filter(|(outcome, _)| outcomes.contains(outcome));
        self.said.extend(kept);
    }

    /// The command that helps.
    pub fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }

    /// That command.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether damage is among the outcomes.
    pub fn has_damage(&self) -> bool {
        self.said
            .iter()
            .any(|(outcome, _)| *outcome == Outcome::Damage)
    }
}

/// What the `exit` event says, and the code.
pub struct Ending {
    /// What the process returns.
    pub code: u8,
    /// The kind in one word.
    pub kind: &'static str,
    /// What happened.
    pub what: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The codes of all outcomes, largest first.
    pub outcomes: Vec<u8>,
}

impl Ending {
    /// The end of a run that did its work, or of one that did not.
    pub fn of(result: &Result<Done, Error>) -> Self {
        match result {
            Ok(done) => {
                let said = done.said.iter();
                let mut outcomes: Vec<_> = said.map(|(outcome, _)| *outcome).collect();
                outcomes.sort_unstable_by(|a, b| b.cmp(a));
                let (code, kind) = outcomes
                    .first()
                    .map_or((0, "done"), |outcome| outcome_code(*outcome));
                let mut outcomes: Vec<u8> = outcomes
                    .iter()
                    .map(|outcome| outcome_code(*outcome).0)
                    .collect();
                outcomes.dedup();
                let words: Vec<&str> = done.said.iter().map(|(_, what)| &what[..]).collect();
                Self {
                    code,
                    kind,
                    what: words.join("; "),
                    hint: done.hint.clone(),
                    outcomes,
                }
            }
            Err(error) => {
                let code = code_of(error.kind());
                Self {
                    code,
                    kind: json::kind_name(error.kind()),
                    what: error.chain(),
                    hint: error.hint_text().map(str::to_owned),
                    outcomes: vec![code],
                }
            }
        }
    }
}

fn outcome_code(outcome: Outcome) -> (u8, &'static str) {
    match outcome {
        Outcome::Unsteady => (1, json::kind_name(Kind::Other)),
        Outcome::Skipped => (3, "skipped"),
        Outcome::Suspect => (3, "suspect"),
        Outcome::Behind => (4, "behind"),
        Outcome::Rollback => (17, json::kind_name(Kind::Rollback)),
        Outcome::Damage => (5, json::kind_name(Kind::Damaged)),
    }
}

/// The table as help shows it.
pub fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for row in TABLE {
        text.push_str(&format!(
            "  {:>3}  {:<47} {}\n",
            row.code, row.means, row.then
        ));
    }
    text
}

/// The table as README shows it.
pub fn markdown() -> String {
    let mut text = String::from("| code | means | then |\n|---|---|---|\n");
    for row in TABLE {
        text.push_str(&format!(
            "| {} | {} | {} |\n",
            row.code, row.means, row.then
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [(Kind, u8); 14] = [
        (Kind::Other, 1),
        (Kind::Denied, 1),
        (Kind::NotFound, 1),
        (Kind::Usage, 2),
        (Kind::Damaged, 5),
        (Kind::NoRepository, 10),
        (Kind::Busy, 11),
        (Kind::NoKey, 12),
        (Kind::Unreachable, 13),
        (Kind::Full, 14),
        (Kind::TooNew, 15),
        (Kind::Refused, 16),
        (Kind::Rollback, 17),
        (Kind::Interrupted, 130),
    ];

    #[test]
    fn every_kind_has_its_code_and_every_code_its_row() {
        for (kind, code) in KINDS {
            assert_eq!(code_of(kind), code, "{kind:?}");
            assert!(
                TABLE.iter().any(|row| row.code == code),
                "{code} is not in the table"
            );
        }
        assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
    }

    #[test]
    fn the_largest_outcome_decides() {
        let mut done = Done::well();
        assert_eq!(Ending::of(&Ok(Done::well())).code, 0);
        done.add(Outcome::Skipped, "1 entry skipped");
        done.add(Outcome::Damage, "1 pack damaged");
        let ending = Ending::of(&Ok(done));
        assert_eq!(
            (ending.code, ending.kind, ending.outcomes),
            (5, "damaged", vec![5, 3])
        );
    }
}
