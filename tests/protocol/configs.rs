//! The scopes that are explored, and for each rule the scopes in which its absence does harm.

use super::state::{Config, ENTRIES, Luck, Plan, Role, Rule};

const A: usize = 0;
const B: usize = 1;

fn backup(entry: u8, home: usize) -> Plan {
    Plan {
        role: Role::Backup(entry),
        home,
        parent: None,
    }
}

fn sync_to(home: usize) -> Plan {
    Plan {
        role: Role::Sync,
        home,
        parent: None,
    }
}

fn follow(home: usize) -> Plan {
    Plan {
        role: Role::Follow,
        home,
        parent: None,
    }
}

fn undelete(entry: u8, home: usize) -> Plan {
    Plan {
        role: Role::Undelete(entry),
        home,
        parent: None,
    }
}

impl Plan {
    fn after(self, parent: u8) -> Self {
        Self {
            parent: Some(parent),
            ..self
        }
    }
}

/// One collector, one mark, one pack of blob 0 on each mirror, nothing visible, one removal.
fn scope(name: &'static str, sessions: &[Plan]) -> Config {
    Config {
        name,
        sessions: sessions.to_vec(),
        collectors: 1,
        marks: 1,
        packs: [1, 1],
        holds: vec![1],
        needs: [1; ENTRIES],
        visible: [0; 2],
        cas: [true; 2],
        luck: Luck {
            forgets: 1,
            ..Luck::default()
        },
        broken: None,
    }
}

impl Config {
    fn collectors(self, collectors: usize, marks: usize) -> Self {
        Self {
            collectors,
            marks,
            ..self
        }
    }

    fn packs(self, packs: [u8; 2], holds: &[u8]) -> Self {
        Self {
            packs,
            holds: holds.to_vec(),
            ..self
        }
    }

    fn needs(self, needs: [u8; ENTRIES]) -> Self {
        Self { needs, ..self }
    }

    fn visible(self, visible: [u8; 2]) -> Self {
        Self { visible, ..self }
    }

    fn luck(self, forgets: u8, shorts: u8, lates: u8, losses: u8) -> Self {
        Self {
            luck: Luck {
                forgets,
                shorts,
                lates,
                losses,
            },
            ..self
        }
    }

    fn without_cas(self) -> Self {
        Self {
            cas: [false; 2],
            ..self
        }
    }

    pub(super) fn without(&self, rule: Rule) -> Self {
        Self {
            broken: Some(rule),
            ..self.clone()
        }
    }
}

/// Explored with every rule kept.
pub(super) fn bases() -> Vec<Config> {
    let mut all = fair();
    all.extend(foul());
    all
}

/// Stores do what they are told.
fn fair() -> Vec<Config> {
    let two = [1, 3, 2, 3, 3];
    vec![
        scope(
            "backup A, sync A>B; A has the pack",
            &[backup(0, A), sync_to(B)],
        )
        .packs([1, 0], &[1]),
        scope("backup A, sync A>B", &[backup(0, A), sync_to(B)]),
        scope(
            "backup A, backup B, 2 collectors",
            &[backup(0, A), backup(1, B)],
        )
        .collectors(2, 1),
        scope("backup A, 2 collectors, 2 marks", &[backup(0, A)]).collectors(2, 2),
        scope(
            "backup A, sync A>B, 2 collectors",
            &[backup(0, A), sync_to(B)],
        )
        .collectors(2, 1),
        scope("sync both ways", &[sync_to(B), sync_to(A)])
            .packs([1, 2], &[1, 2])
            .needs([1, 2, 0, 0, 0])
            .visible([1, 2]),
        scope(
            "a backup that begins again, 2 collectors",
            &[backup(0, A), backup(0, A)],
        )
        .collectors(2, 1),
        scope("vouching backup, 2 collectors", &[backup(1, A).after(0)])
            .collectors(2, 1)
            .visible([1, 1]),
        scope(
            "vouching backup beside a backup",
            &[backup(1, A).after(0), backup(2, A)],
        )
        .visible([1, 0]),
        scope("vouching sync", &[backup(1, A), sync_to(B).after(0)]).visible([1, 1]),
        scope(
            "vouching on what a sync brings",
            &[backup(1, A).after(0), sync_to(A)],
        )
        .visible([0, 1]),
        scope("undelete, and a sync of it", &[undelete(0, A), sync_to(B)]).visible([1, 1]),
        scope(
            "undelete, and a sync of it, 2 collectors",
            &[undelete(0, A), sync_to(B)],
        )
        .collectors(2, 1)
        .visible([1, 1]),
        scope("two blobs", &[backup(1, A).after(0), sync_to(B)])
            .packs([3, 1], &[1, 2])
            .needs(two)
            .visible([1, 0]),
        scope("a leader and who follows it", &[backup(0, A), follow(B)]).collectors(2, 1),
        scope(
            "a leader and who follows it, vouching",
            &[backup(1, A), follow(B).after(0)],
        )
        .visible([1, 1]),
    ]
}

/// They answer late, list short, lose packs, decide nothing.
fn foul() -> Vec<Config> {
    vec![
        scope("late puts and deletes", &[backup(0, A), sync_to(B)]).luck(1, 0, 1, 0),
        scope(
            "late puts and deletes, 2 collectors, 2 marks",
            &[backup(0, A)],
        )
        .collectors(2, 2)
        .luck(0, 0, 1, 0),
        scope("late puts and deletes, vouching", &[backup(1, A).after(0)])
            .visible([1, 0])
            .luck(1, 0, 2, 0),
        scope("short listings", &[backup(1, A).after(0), sync_to(B)])
            .visible([1, 0])
            .luck(1, 1, 0, 0),
        scope("a lost pack", &[backup(1, A).after(0)])
            .visible([1, 0])
            .luck(1, 0, 0, 1),
        scope(
            "a lost pack and the backup after the next",
            &[backup(1, A).after(0), backup(2, A).after(1)],
        )
        .collectors(1, 0)
        .visible([1, 0])
        .luck(0, 0, 0, 1),
        scope("no put-if-absent", &[backup(0, A), sync_to(B)])
            .without_cas()
            .luck(1, 0, 1, 0),
    ]
}

/// Explored by the long campaign alone.
pub(super) fn campaign() -> Vec<Config> {
    let ways = scope("sync both ways, 2 collectors", &[sync_to(B), sync_to(A)]);
    vec![
        scope(
            "backup A, sync A>B, 2 collectors, 2 marks",
            &[backup(0, A), sync_to(B)],
        )
        .collectors(2, 2),
        ways.collectors(2, 1)
            .packs([1, 2], &[1, 2])
            .needs([1, 2, 0, 0, 0])
            .visible([1, 2]),
        scope(
            "undelete, and a sync of it, 2 collectors, 2 marks",
            &[undelete(0, A), sync_to(B)],
        )
        .collectors(2, 2)
        .visible([1, 1]),
        scope(
            "a lost pack, two backups, a removal",
            &[backup(1, A).after(0), backup(2, A).after(1)],
        )
        .visible([1, 0])
        .luck(1, 0, 0, 1),
        scope("vouching, 2 collectors, 2 marks", &[backup(1, A).after(0)])
            .collectors(2, 2)
            .visible([1, 1]),
        scope(
            "vouching on what a sync brings, 2 collectors, late puts",
            &[backup(1, A).after(0), sync_to(A)],
        )
        .collectors(2, 1)
        .visible([0, 1])
        .luck(1, 0, 1, 0),
        scope(
            "everything goes wrong",
            &[backup(1, A).after(0), sync_to(B)],
        )
        .collectors(2, 2)
        .visible([1, 1])
        .luck(2, 1, 1, 1),
    ]
}

/// Each rule, and where its absence must be found.
pub(super) fn mutations() -> Vec<(Rule, Vec<Config>)> {
    let pair = || scope("backup A, sync A>B", &[backup(0, A), sync_to(B)]);
    let alone = || scope("backup A", &[backup(0, A)]);
    let bringing = || scope("sync A>B", &[sync_to(B)]).visible([1, 0]);
    let vouching = || scope("vouching backup", &[backup(1, A).after(0)]).visible([1, 1]);
    let brought = || {
        scope(
            "vouching on what a sync brings",
            &[backup(1, A).after(0), sync_to(A)],
        )
        .collectors(2, 1)
        .packs([0, 1], &[1])
        .visible([0, 1])
    };
    let taken_back =
        || scope("undelete, and a sync of it", &[undelete(0, A), sync_to(B)]).visible([1, 1]);
    vec![
        (Rule::IntentOfBackup, vec![alone()]),
        (Rule::IntentOfSync, vec![pair()]),
        (Rule::TombsInBackup, vec![alone()]),
        (Rule::TombsInSync, vec![pair()]),
        (Rule::TombsAfterIntent, vec![alone(), bringing()]),
        (Rule::TombsOfTarget, vec![pair()]),
        (Rule::TombsTwice, vec![alone().luck(0, 1, 0, 0)]),
        (Rule::IndexAskedOfListing, vec![alone().luck(0, 0, 0, 1)]),
        (Rule::MissingAskedByName, vec![vouching().luck(1, 1, 0, 0)]),
        (Rule::VouchProgress, vec![vouching()]),
        (Rule::VouchBefore, vec![brought()]),
        (Rule::VouchAfter, vec![vouching()]),
        (Rule::VouchTwice, vec![vouching().luck(1, 1, 0, 0)]),
        (Rule::VouchAfterListing, vec![vouching()]),
        (Rule::VouchNotRemoved, vec![vouching()]),
        (Rule::VouchLosses, vec![vouching().luck(0, 0, 0, 1)]),
        (
            Rule::RenewalNames,
            vec![alone().packs([1, 0], &[1]).needs([3; ENTRIES])],
        ),
        (
            Rule::Barrier,
            vec![alone().packs([0, 0], &[]).luck(0, 0, 1, 0)],
        ),
        (Rule::CommitYields, vec![alone()]),
        (Rule::IntentStays, vec![alone().luck(0, 0, 1, 0)]),
        (Rule::UndeleteAsks, vec![taken_back()]),
        (Rule::UndeleteRefused, vec![taken_back()]),
        (Rule::EntryTombsInSync, vec![taken_back()]),
        (Rule::UndeleteTravels, vec![taken_back()]),
        (Rule::Wait, vec![alone()]),
        (Rule::IntentsTwice, vec![alone().luck(0, 1, 0, 0)]),
        (Rule::Abort, vec![alone()]),
        (Rule::AbortNeedsCas, vec![alone().without_cas()]),
        (Rule::LiveAfterWait, vec![alone()]),
        (Rule::CommitsTwice, vec![vouching().luck(0, 1, 0, 0)]),
        (Rule::Copy, vec![vouching()]),
        (
            Rule::FreshNames,
            vec![alone().collectors(2, 2).luck(0, 0, 1, 0)],
        ),
        (Rule::NoRescue, vec![vouching().collectors(2, 1)]),
        (Rule::MarksStay, vec![pair().collectors(2, 1)]),
    ]
}

/// Rules that safety does not rest on, and where that is seen.
pub(super) fn comforts() -> Vec<(Rule, Vec<Config>)> {
    let pair = || {
        scope(
            "backup A, sync A>B, 2 collectors",
            &[backup(0, A), sync_to(B)],
        )
        .collectors(2, 1)
    };
    let follower =
        scope("a leader and who follows it", &[backup(0, A), follow(B)]).collectors(2, 1);
    let copying = scope("2 collectors, 2 marks", &[])
        .collectors(2, 2)
        .packs([1, 2], &[1, 1])
        .visible([1, 1]);
    vec![
        (
            Rule::TombsOfSource,
            vec![pair(), pair().packs([1, 0], &[1]), follower],
        ),
        (Rule::FetchAsksAgain, vec![copying]),
    ]
}
