//! What the world of the model is: mirrors, packs, marks, slots, and where each actor stands.
//!
//! Sets are bits of a byte: of packs (a pack's name is its number and is never given twice), of marks, of entries, of
//! sessions, of blobs. A state is a few dozen bytes, so that millions of them fit.

/// Packs that can be named in one run.
pub(super) const NAMES: u8 = 8;
/// Marks that can be written in one run.
pub(super) const MARKS: usize = 8;
/// Sessions of one run.
pub(super) const SESSIONS: usize = 3;
/// Collectors of one run.
pub(super) const COLLECTORS: usize = 2;
/// Entries of one run.
pub(super) const ENTRIES: usize = 5;

/// The members of a set.
pub(super) fn members(set: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |at| set >> at & 1 == 1)
}

/// The set of one.
pub(super) fn one(at: u8) -> u8 {
    1 << at
}

/// Rules of section 11 that can be taken away, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// P1 of a backup.
    IntentOfBackup,
    /// S2: P1 of a sync.
    IntentOfSync,
    /// P2 in a backup: nothing that a mark names is leant on.
    TombsInBackup,
    /// S3 in a sync.
    TombsInSync,
    /// P2 comes after P1.
    TombsAfterIntent,
    /// S3 asks the marks of the mirror that is written to, and not only those of the source.
    TombsOfTarget,
    /// S3 asks the marks of the source, and not only those of the mirror that is written to.
    TombsOfSource,
    /// P2 lists marks twice.
    TombsTwice,
    /// P3: a row of the index counts only if its pack is listed.
    IndexAskedOfListing,
    /// P3: a pack that the index knows, and the listing lacks, is asked for by name, tombed or not.
    MissingAskedByName,
    /// P4: nobody vouches while a mark is in progress.
    VouchProgress,
    /// P0: the parent stood before.
    VouchBefore,
    /// P4: the parent stands after the listing.
    VouchAfter,
    /// P4 lists entries and slots twice, lest a removal be missed.
    VouchTwice,
    /// P4 comes after P3.
    VouchAfterListing,
    /// P4: a removed parent does not vouch.
    VouchNotRemoved,
    /// P4: the parent knows every loss mark.
    VouchLosses,
    /// P5: a renewed intent names what the first one named, not marks that came since.
    RenewalNames,
    /// P6: commit only what was acknowledged.
    Barrier,
    /// P8: an ABORT is never overwritten.
    CommitYields,
    /// P9: intents stay while the slot that was asked for has given no answer.
    IntentStays,
    /// Undelete asks for every blob.
    UndeleteAsks,
    /// Undelete gives up where a mark names the entry.
    UndeleteRefused,
    /// A sync that brings an undelete asks for every blob.
    UndeleteTravels,
    /// A sync never brings an entry that a mark names.
    EntryTombsInSync,
    /// G3: who may depend is waited for.
    Wait,
    /// G3: `intents/` is listed twice.
    IntentsTwice,
    /// G4: a session without a slot is ended by ABORT, not by time.
    Abort,
    /// G4: no ABORT where put-if-absent is not to be had.
    AbortNeedsCas,
    /// G5 comes after G4.
    LiveAfterWait,
    /// G5: `commits/` is listed twice.
    CommitsTwice,
    /// G6: what is live and only in marked packs is copied first.
    Copy,
    /// G6: marks are asked again when a fetched pack has landed.
    FetchAsksAgain,
    /// G6: a tombed name is never put back.
    FreshNames,
    /// G6: a pack that a mark names on the other mirror is not fetched for use.
    NoRescue,
    /// Marks are never deleted.
    MarksStay,
}

/// Who a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Commits this entry.
    Backup(u8),
    /// Brings any entry that the other mirror shows.
    Sync,
    /// The same beside a backup that leads on the other mirror: it begins before the entry is there, and copies packs
    /// that nobody needs yet.
    Follow,
    /// Takes the removal of this entry back.
    Undelete(u8),
}

/// A session: its role, its mirror, and the entry that may vouch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) role: Role,
    pub(super) home: usize,
    pub(super) parent: Option<u8>,
}

/// How many of each misfortune may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Luck {
    /// Snapshots removed, without grace.
    pub(super) forgets: u8,
    /// Listings that miss one name. Two in a row, united, miss none if one of them may be short, and are one step.
    pub(super) shorts: u8,
    /// Puts and deletes without an answer, which take effect later or never.
    pub(super) lates: u8,
    /// Packs that a medium loses.
    pub(super) losses: u8,
}

/// One scope that is explored.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) name: &'static str,
    pub(super) sessions: Vec<Plan>,
    pub(super) collectors: usize,
    /// Marks that collectors may write.
    pub(super) marks: usize,
    /// Packs that each mirror has at the start.
    pub(super) packs: [u8; 2],
    /// Which blobs each of these holds.
    pub(super) holds: Vec<u8>,
    /// Which blobs each entry needs.
    pub(super) needs: [u8; ENTRIES],
    /// Entries visible at the start.
    pub(super) visible: [u8; 2],
    /// Whether each mirror has put-if-absent.
    pub(super) cas: [bool; 2],
    pub(super) luck: Luck,
    /// The rule that nobody keeps, if any.
    pub(super) broken: Option<Rule>,
}

impl Config {
    /// Whether the rule is kept.
    pub(super) fn keeps(&self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    /// The blobs that these entries need.
    pub(super) fn needs_of(&self, entries: u8) -> u8 {
        members(entries).fold(0, |all, entry| all | self.needs[entry as usize])
    }
}

/// Where a session stands. Each is what it will do next.
pub(super) mod at {
    pub(in super::super) const LOOK: u8 = 0;
    pub(in super::super) const NAME: u8 = 1;
    pub(in super::super) const INTENT: u8 = 2;
    pub(in super::super) const TOMBS: u8 = 3;
    pub(in super::super) const LIST: u8 = 4;
    pub(in super::super) const AGAIN: u8 = 5;
    pub(in super::super) const PACK: u8 = 6;
    pub(in super::super) const CARRY: u8 = 7;
    pub(in super::super) const COMMIT: u8 = 8;
    pub(in super::super) const END: u8 = 9;
    pub(in super::super) const FOLLOW: u8 = 10;
}

/// Where a collector stands.
pub(super) mod gc {
    pub(in super::super) const IDLE: u8 = 0;
    pub(in super::super) const INTENTS: u8 = 1;
    pub(in super::super) const WAIT: u8 = 2;
    pub(in super::super) const LIVE: u8 = 3;
    pub(in super::super) const COPY: u8 = 4;
    pub(in super::super) const FETCH: u8 = 5;
    pub(in super::super) const DELETE: u8 = 6;
    pub(in super::super) const DONE: u8 = 7;
}

/// What a session knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) step: u8,
    /// Marks that its intent names.
    pub(super) named: u8,
    /// Packs that it believes to be tombed.
    pub(super) tombs: u8,
    /// Blobs that it still has to bring.
    pub(super) missing: u8,
    /// The entry that it will commit.
    pub(super) entry: u8,
    /// The pack on its way; before the listing, what its index names; of one that follows, what it may lean on.
    pub(super) pack: u8,
    /// The parent stood in P0.
    pub(super) stood: bool,
    /// A mark was in progress at the listing.
    pub(super) progress: bool,
    /// It has seen the loss mark.
    pub(super) warned: bool,
}

/// What a collector knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Collector {
    pub(super) step: u8,
    pub(super) mirror: u8,
    pub(super) mark: u8,
    /// Sessions that it waits for.
    pub(super) wait: u8,
    /// Entries that it saw live in G5.
    pub(super) live: u8,
    /// The pack on its way.
    pub(super) pack: u8,
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Packs on each mirror.
    pub(super) packs: [u8; 2],
    /// Packs that a put without an answer may still bring.
    pub(super) coming: [u8; 2],
    /// Packs that a delete without an answer may still take.
    pub(super) leaving: [u8; 2],
    /// Blobs in each pack.
    pub(super) holds: [u8; NAMES as usize],
    /// Names given.
    pub(super) names: u8,
    /// Packs that each mark names.
    pub(super) marks: [u8; MARKS],
    /// Purged entries that each mark names.
    pub(super) purges: [u8; MARKS],
    /// Marks written.
    pub(super) marked: u8,
    /// Marks that say what is lost.
    pub(super) loss_marks: u8,
    /// Marks visible on each mirror.
    pub(super) shown: [u8; 2],
    /// Entries that a COMMIT lists, that a remove names, that an undelete took back.
    pub(super) committed: [u8; 2],
    pub(super) removed: [u8; 2],
    pub(super) restored: [u8; 2],
    /// Entries that know the loss mark.
    pub(super) knows: u8,
    /// Packs and blobs that the media lost.
    pub(super) gone: [u8; 2],
    pub(super) lost: [u8; 2],
    /// Entries whose session had looked before that, or leant on one that had.
    pub(super) excused: [u8; 2],
    /// Sessions with an intent, a COMMIT, an ABORT, and a COMMIT on its way that gave no answer.
    pub(super) intents: u8,
    pub(super) commits: u8,
    pub(super) aborts: u8,
    pub(super) asked: u8,
    /// What was done against I2 and I5 (1) or I3 (2).
    pub(super) sins: u8,
    pub(super) luck: Luck,
    pub(super) sessions: [Session; SESSIONS],
    pub(super) collectors: [Collector; COLLECTORS],
}

impl State {
    /// How it begins.
    pub(super) fn new(config: &Config) -> Self {
        let mut state = Self {
            packs: config.packs,
            coming: [0; 2],
            leaving: [0; 2],
            holds: [0; NAMES as usize],
            names: u8::try_from(config.holds.len()).expect("a few packs"),
            marks: [0; MARKS],
            purges: [0; MARKS],
            marked: 0,
            loss_marks: 0,
            shown: [0; 2],
            committed: config.visible,
            removed: [0; 2],
            restored: [0; 2],
            knows: 0,
            gone: [0; 2],
            lost: [0; 2],
            excused: [0; 2],
            intents: 0,
            commits: 0,
            aborts: 0,
            asked: 0,
            sins: 0,
            luck: config.luck,
            sessions: [Session::default(); SESSIONS],
            collectors: [Collector::default(); COLLECTORS],
        };
        state.holds[..config.holds.len()].copy_from_slice(&config.holds);
        for (session, plan) in state.sessions.iter_mut().zip(&config.sessions) {
            let waits = matches!(plan.role, Role::Backup(_) | Role::Follow);
            let looks = plan.parent.is_some() || !waits;
            session.step = if looks { at::LOOK } else { at::NAME };
            if let Role::Backup(entry) | Role::Undelete(entry) = plan.role {
                session.entry = entry;
            }
        }
        state
    }

    /// Entries visible and not removed.
    pub(super) fn live(&self, mirror: usize) -> u8 {
        self.committed[mirror] & (!self.removed[mirror] | self.restored[mirror])
    }

    /// Packs that these marks name.
    pub(super) fn tombs(&self, marks: u8) -> u8 {
        members(marks).fold(0, |all, mark| all | self.marks[mark as usize])
    }

    /// Entries that these marks name.
    pub(super) fn purged(&self, marks: u8) -> u8 {
        members(marks).fold(0, |all, mark| all | self.purges[mark as usize])
    }

    /// Blobs in these packs.
    pub(super) fn blobs(&self, packs: u8) -> u8 {
        members(packs).fold(0, |all, pack| all | self.holds[pack as usize])
    }

    /// The next name, for a pack of these blobs.
    pub(super) fn name(&mut self, blobs: u8) -> Option<u8> {
        if self.names == NAMES {
            return None;
        }
        self.holds[self.names as usize] = blobs;
        self.names += 1;
        Some(self.names - 1)
    }

    /// Sessions whose slot holds something.
    pub(super) fn decided(&self) -> u8 {
        self.commits | self.aborts
    }

    /// A number that stands for this state among all that are met. Two states share one with a chance of 2^-64.
    pub(super) fn fingerprint(&self) -> u64 {
        let two = |of: [u8; 2]| u64::from(of[0]) << 8 | u64::from(of[1]);
        let mut holds = 0;
        for blobs in self.holds {
            holds = holds << 2 | u64::from(blobs);
        }
        let luck = self.luck;
        let few = [luck.forgets, luck.shorts, luck.lates, luck.losses];
        let few = few.iter().fold(0, |all, of| all << 2 | u64::from(*of));
        let mut hash = mix(
            0x9e37_79b9,
            two(self.packs) << 48 | two(self.coming) << 32 | holds,
        );
        hash = mix(hash, u64::from_le_bytes(self.marks));
        hash = mix(hash, u64::from_le_bytes(self.purges));
        hash = mix(hash, two(self.leaving) << 16 | two(self.excused));
        let counts = u64::from(self.names) << 12 | u64::from(self.marked) << 8 | few;
        hash = mix(
            hash,
            two(self.shown) << 48 | two(self.committed) << 32 | counts << 8,
        );
        hash = mix(
            hash,
            two(self.removed) << 48
                | two(self.restored) << 32
                | two(self.gone) << 16
                | two(self.lost),
        );
        let slots = [self.intents, self.commits, self.aborts, self.asked];
        let slots = u64::from(u32::from_le_bytes(slots)) << 32;
        hash = mix(
            hash,
            slots
                | u64::from(self.knows) << 16
                | u64::from(self.loss_marks) << 8
                | u64::from(self.sins),
        );
        for session in &self.sessions {
            let bits = u8::from(session.stood)
                | u8::from(session.progress) << 1
                | u8::from(session.warned) << 2;
            let Session {
                step,
                named,
                tombs,
                missing,
                entry,
                pack,
                ..
            } = *session;
            hash = mix(
                hash,
                u64::from_le_bytes([step, named, tombs, missing, entry, pack, bits, 1]),
            );
        }
        for collector in &self.collectors {
            let Collector {
                step,
                mirror,
                mark,
                wait,
                live,
                pack,
            } = *collector;
            hash = mix(
                hash,
                u64::from_le_bytes([step, mirror, mark, wait, live, pack, 0, 2]),
            );
        }
        hash
    }
}

fn mix(hash: u64, word: u64) -> u64 {
    const ODD: u64 = 0xa076_1d64_78bd_642f;
    let from = hash ^ word;
    let high = (u128::from(from) * u128::from(ODD)) >> 64;
    let high = u64::try_from(high).expect("half of it");
    (from.wrapping_mul(ODD) ^ high).rotate_left(29) ^ word.wrapping_mul(0x9fb2_1c65_1e98_df25)
}
