//! When was which object of one mirror read back and found good, and what is known to be damaged there.
//!
//! Many small records are folded to what they say together. They are convenience: one that is lost, damaged or of
//! another mirror costs another reading and nothing else, so none of that is an error. What is remembered is bounded by
//! what the mirror lists now, however many records there are.

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::ledger::{LEVEL_CONTENT, LEVEL_STORED, LedgerRecord};
use crate::host::Host;
use crate::limits::LEDGER_OBJECTS_MAX;
use crate::name::{Folder, Name};
use crate::repo::{Repo, Writer};
use crate::store::{Listed, Store};
use std::collections::{BTreeMap, BTreeSet};

/// The folders whose objects the ledger knows one by one. The few others are read at every verify.
pub const FOLDERS: [Folder; 5] = [
    Folder::Packs,
    Folder::Index,
    Folder::Entries,
    Folder::Marks,
    Folder::Commits,
];
/// A clock that is further ahead than this was wrong, and so is what it says.
const AHEAD: i64 = 86_400;
/// How far apart clocks are, where the newer of two records should say so.
const SKEW: i64 = 60;
/// Paths in one record, so that it stays within its kind's bound.
const PATHS_MAX: usize = 1 << 15;

/// How the ledger calls an object: the first 8 bytes of its name. Nothing for one that it does not know.
pub fn short(name: &Name) -> Option<[u8; 8]> {
    let digits = FOLDERS
        .contains(&name.folder())
        .then(|| name.leaf().get(..16))??;
    u64::from_str_radix(digits, 16).ok().map(u64::to_be_bytes)
}

/// What one reading found, to be written down.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// [`LEVEL_STORED`] or [`LEVEL_CONTENT`].
    pub level: u8,
    /// Objects found good, in any order.
    pub good: Vec<[u8; 8]>,
    /// Paths found bad.
    pub damaged: Vec<String>,
    /// Paths known to be bad before, and good now.
    pub healed: Vec<String>,
    /// How many bytes were read.
    pub bytes: u64,
}

/// When the objects of a mirror were read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    /// How many there are.
    pub objects: u64,
    /// How many never were.
    pub never: u64,
    /// When the one was that has waited longest; nothing if none ever was.
    pub oldest: Option<i64>,
}

/// What all records of one mirror say together.
#[derive(Default)]
pub struct Ledger {
    mirror: [u8; 16],
    now: i64,
    rows: Vec<Row>,
    records: Vec<Record>,
}

/// One listed object, and the newest records that found it good: at least stored, and content. 0 is none.
struct Row {
    short: [u8; 8],
    read: [u32; 2],
}

struct Record {
    name: Name,
    /// `i64::MIN` where the clock was wrong.
    time: i64,
    level: u8,
    damaged: BTreeSet<String>,
    healed: BTreeSet<String>,
}

/// The records that lie on a mirror. Ask before the other folders are listed: an object that a record knows is then
/// listed, or gone.
///
/// # Errors
/// Those of the store.
pub fn names(store: &dyn Store) -> Result<Vec<Name>> {
    let mut names = Vec::new();
    store.list(Folder::Ledger, &mut |listed| {
        names.push(listed.name);
        Ok(())
    })?;
    Ok(names)
}

impl Ledger {
    /// Folds these records over what is listed now; what else is listed does not matter.
    ///
    /// # Errors
    /// Those of the store. Records that are damaged, newer or another mirror's are passed by.
    pub fn read(repo: &Repo, records: &[Name], listed: &[Listed], now: i64) -> Result<Self> {
        let Some(marker) = repo.mirror() else {
            return Ok(Self::default());
        };
        let mut ledger = Self::over(marker.id, listed, now);
        for name in records {
            let read = repo.read(ObjectKind::Ledger, name);
            match read.and_then(|opened| LedgerRecord::decode(&opened.record)) {
                Ok(record) => ledger.add(name, record),
                Err(error) if error.is_about_the_object() || error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ledger)
    }

    fn over(mirror: [u8; 16], listed: &[Listed], now: i64) -> Self {
        let shorts = listed.iter().filter_map(|listed| short(&listed.name));
        let row = |short| Row {
            short,
            read: [0; 2],
        };
        let mut rows: Vec<_> = shorts.map(row).collect();
        rows.sort_unstable_by_key(|row| row.short);
        rows.dedup_by_key(|row| row.short);
        Self {
            mirror,
            now,
            rows,
            records: Vec::new(),
        }
    }

    fn add(&mut self, name: &Name, record: LedgerRecord) {
        if record.mirror != self.mirror {
            return;
        }
        let is_sane = record.time <= self.now.saturating_add(AHEAD);
        let time = if is_sane { record.time } else { i64::MIN };
        self.records.push(Record {
            name: name.clone(),
            time,
            level: record.level,
            damaged: record.damaged.into_iter().collect(),
            healed: record.healed.into_iter().collect(),
        });
        let number = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        for short in record.objects.iter().filter(|_| is_sane) {
            let Ok(at) = self.rows.binary_search_by_key(short, |row| row.short) else {
                continue;
            };
            for (slot, level) in [LEVEL_STORED, LEVEL_CONTENT].into_iter().enumerate() {
                let before = self.time(self.rows[at].read[slot]);
                if record.level >= level && before.is_none_or(|before| before < time) {
                    self.rows[at].read[slot] = number;
                }
            }
        }
    }

    fn time(&self, record: u32) -> Option<i64> {
        let at = usize::try_from(record).ok()?.checked_sub(1)?;
        self.records.get(at).map(|record| record.time)
    }

    fn row(&self, name: &Name) -> Option<&Row> {
        let at = self
            .rows
            .binary_search_by_key(&short(name)?, |row| row.short);
        self.rows.get(at.ok()?)
    }

    /// Whether no reading is known.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether this is one of the objects whose readings it tells.
    pub fn knows(&self, name: &Name) -> bool {
        self.row(name).is_some()
    }

    /// When an object was last found good, at that level or deeper.
    pub fn last_read(&self, name: &Name, level: u8) -> Option<i64> {
        self.time(self.row(name)?.read[slot(level)])
    }

    /// When everything that is listed was last found good, at that level or deeper.
    pub fn age(&self, level: u8) -> Age {
        let times = self.rows.iter().map(|row| self.time(row.read[slot(level)]));
        let mut age = Age::default();
        for time in times {
            age.objects += 1;
            age.never += u64::from(time.is_none());
            age.oldest = match (age.oldest, time) {
                (Some(oldest), Some(time)) => Some(oldest.min(time)),
                (oldest, time) => oldest.or(time),
            };
        }
        age
    }

    /// Paths that a record calls damaged and none since then good or healed. What is not listed any more is not among
    /// them: whether it should be there is for index and chains to say.
    pub fn damaged(&self) -> BTreeSet<String> {
        let mut found = BTreeMap::<&String, (i64, u8)>::new();
        for record in &self.records {
            for path in &record.damaged {
                let newest = found.entry(path).or_insert((record.time, record.level));
                *newest = (*newest).max((record.time, record.level));
            }
        }
        let is_bad = |(path, (time, level)): &(&String, (i64, u8))| {
            let since = |record: &Record| record.time >= *time && record.healed.contains(*path);
            if self.records.iter().any(since) {
                return false;
            }
            match Name::at_path(path) {
                Some(name) if short(&name).is_some() => self.row(&name).is_some_and(|row| {
                    let good = self.time(row.read[slot(*level)]);
                    good.is_none_or(|good| good <= *time)
                }),
                name => name.is_some(),
            }
        };
        let bad = found.into_iter().filter(is_bad);
        bad.map(|(path, _)| path.clone()).collect()
    }

    /// What of `listed` was last found good before `since`, or never, or is known to be damaged; the longest unread first.
    pub fn due<'a>(&self, listed: &'a [Listed], level: u8, since: i64) -> Vec<&'a Listed> {
        let damaged = self.damaged();
        let mut due: Vec<_> = listed
            .iter()
            .filter(|listed| self.row(&listed.name).is_some())
            .map(|listed| {
                let last = self.last_read(&listed.name, level);
                let is_bad = !damaged.is_empty() && damaged.contains(&listed.name.path());
                (last.filter(|_| !is_bad), listed)
            })
            .filter(|(last, _)| last.is_none_or(|last| last < since))
            .collect();
        due.sort_unstable_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
        due.into_iter().map(|(_, listed)| listed).collect()
    }

    /// Writes down what was read, then deletes the records that say nothing any more; that this cannot be done is no error.
    ///
    /// # Errors
    /// `Refused`, `TooNew`, and those of the store.
    pub fn write(
        &mut self,
        repo: &Repo,
        writer: Writer,
        host: &dyn Host,
        reading: Reading,
    ) -> Result<()> {
        let marker = repo.require_writable()?;
        if !marker.may_write() {
            let what = format!("{} follows a newer protocol", repo.store().location());
            return Err(Error::new(Kind::TooNew, what));
        }
        let sealer = repo.sealer(writer);
        for record in self.split(reading, writer, host.now().seconds) {
            let bytes = record.encode();
            let id = repo.put_hashed(&sealer, ObjectKind::Ledger, &[], &bytes, host)?;
            self.add(&Name::hashed(Folder::Ledger, &id.to_hex()), record);
        }
        if repo.can_delete() {
            for name in self.idle() {
                if repo.store().delete(&name).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// As many records as it takes, all of one moment, later than what is known.
    fn split(&self, reading: Reading, writer: Writer, now: i64) -> Vec<LedgerRecord> {
        let newest = self.records.iter().map(|record| record.time).max();
        let near = newest.filter(|newest| (now..now.saturating_add(SKEW)).contains(newest));
        let time = near.map_or(now, |newest| newest + 1);
        let mut good = reading.good;
        good.sort_unstable();
        good.dedup();
        let mut good = good.chunks(LEDGER_OBJECTS_MAX);
        let mut damaged = reading.damaged.chunks(PATHS_MAX);
        let mut healed = reading.healed.chunks(PATHS_MAX);
        let mut records = Vec::new();
        loop {
            let (objects, bad, mended) = (good.next(), damaged.next(), healed.next());
            if !records.is_empty() && objects.is_none() && bad.is_none() && mended.is_none() {
                return records;
            }
            records.push(LedgerRecord {
                mirror: self.mirror,
                device: writer.device,
                time,
                level: reading.level,
                objects: objects.unwrap_or_default().to_vec(),
                damaged: bad.unwrap_or_default().to_vec(),
                healed: mended.unwrap_or_default().to_vec(),
                bytes: if records.is_empty() { reading.bytes } else { 0 },
            });
        }
    }

    /// Records without which all of this would be said just the same.
    fn idle(&self) -> Vec<Name> {
        let mut used = vec![false; self.records.len() + 1];
        for row in &self.rows {
            for number in row.read {
                if let Some(used) = used.get_mut(number as usize) {
                    *used = true;
                }
            }
        }
        let bad = self.damaged();
        let mut idle = Vec::new();
        for (record, used) in self.records.iter().zip(&used[1..]) {
            let later = |path: &String| {
                let mut others = self.records.iter();
                others.any(|other| other.time > record.time && other.damaged.contains(path))
            };
            let told = record
                .damaged
                .iter()
                .any(|path| bad.contains(path) && !later(path));
            let mends = |path: &String| {
                let mut others = self.records.iter();
                others.any(|other| other.time <= record.time && other.damaged.contains(path))
            };
            if !used && !told && !record.healed.iter().any(mends) && !self.is_newest(record) {
                idle.push(record.name.clone());
            }
        }
        idle
    }

    /// The newest one stays, so that it is known that somebody read here at all.
    fn is_newest(&self, record: &Record) -> bool {
        self.records.iter().all(|other| other.time <= record.time)
    }
}

fn slot(level: u8) -> usize {
    usize::from(level >= LEVEL_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;
    const MIRROR: [u8; 16] = [7; 16];

    fn pack(number: u8) -> Name {
        Name::hashed(Folder::Packs, &format!("{number:02x}").repeat(32))
    }

    fn listed(numbers: &[u8]) -> Vec<Listed> {
        let listed = |number: &u8| Listed {
            name: pack(*number),
            len: 100,
        };
        numbers.iter().map(listed).collect()
    }

    fn record(time: i64, level: u8, good: &[u8], damaged: &[u8], healed: &[u8]) -> LedgerRecord {
        let paths = |numbers: &[u8]| numbers.iter().map(|number| pack(*number).path()).collect();
        LedgerRecord {
            mirror: MIRROR,
            time,
            level,
            objects: good.iter().map(|number| [*number; 8]).collect(),
            damaged: paths(damaged),
            healed: paths(healed),
            ..LedgerRecord::default()
        }
    }

    /// The records are called by their place.
    fn ledger(objects: &[u8], records: Vec<LedgerRecord>) -> Ledger {
        let mut ledger = Ledger::over(MIRROR, &listed(objects), NOW);
        for (number, record) in records.into_iter().enumerate() {
            let digits = format!("{number:064x}");
            ledger.add(&Name::hashed(Folder::Ledger, &digits), record);
        }
        ledger
    }

    fn idle(ledger: &Ledger) -> Vec<String> {
        let names = ledger.idle().into_iter();
        names
            .map(|name| name.leaf().trim_start_matches('0').to_owned())
            .collect()
    }

    #[test]
    fn the_newest_reading_of_each_level_counts() {
        let ledger = ledger(
            &[1, 2, 3],
            vec![
                record(20, LEVEL_STORED, &[1], &[], &[]),
                record(10, LEVEL_CONTENT, &[1, 2, 9], &[], &[]),
            ],
        );
        assert_eq!(ledger.last_read(&pack(1), LEVEL_STORED), Some(20));
        assert_eq!(ledger.last_read(&pack(1), LEVEL_CONTENT), Some(10));
        assert_eq!(ledger.last_read(&pack(3), LEVEL_STORED), None);
        let age = Age {
            objects: 3,
            never: 1,
            oldest: Some(10),
        };
        assert_eq!(ledger.age(LEVEL_STORED), age);
        let all = listed(&[1, 2, 3]);
        let due = |level, since| {
            let due = ledger.due(&all, level, since).into_iter();
            due.map(|due| due.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(due(LEVEL_STORED, 15), [pack(3), pack(2)]);
        assert_eq!(due(LEVEL_STORED, 10), [pack(3)]);
        assert_eq!(due(LEVEL_CONTENT, 11), [pack(3), pack(1), pack(2)]);
    }

    #[test]
    fn another_mirror_and_a_wrong_clock_say_nothing() {
        let mut copied = record(10, LEVEL_CONTENT, &[1], &[2], &[]);
        copied.mirror = [8; 16];
        let future = record(NOW + AHEAD + 1, LEVEL_CONTENT, &[1], &[], &[]);
        let ledger = ledger(&[1, 2], vec![copied, future]);
        assert_eq!(ledger.age(LEVEL_STORED).never, 2);
        assert!(ledger.damaged().is_empty());
    }

    #[test]
    fn damage_is_known_until_it_is_found_good_as_deeply_or_healed() {
        let bad = |records| ledger(&[1, 2], records).damaged().into_iter().collect();
        let found = || record(10, LEVEL_CONTENT, &[], &[1, 2, 3], &[]);
        let both: Vec<_> = [1, 2].map(|number| pack(number).path()).into();
        // What is not listed any more is for index and chains.
        let known: Vec<String> = bad(vec![found()]);
        assert_eq!(known, both);
        let stored: Vec<String> = bad(vec![found(), record(20, LEVEL_STORED, &[1], &[], &[])]);
        assert_eq!(stored, both);
        let good: Vec<String> = bad(vec![record(20, LEVEL_CONTENT, &[1], &[], &[]), found()]);
        assert_eq!(good, [pack(2).path()]);
        let healed: Vec<String> = bad(vec![found(), record(20, LEVEL_STORED, &[], &[], &[1, 2])]);
        assert!(healed.is_empty());
        let again: Vec<String> = bad(vec![
            found(),
            record(20, LEVEL_STORED, &[], &[], &[1, 2]),
            record(30, LEVEL_STORED, &[], &[1], &[]),
        ]);
        assert_eq!(again, [pack(1).path()]);
    }

    #[test]
    fn a_record_goes_when_others_say_all_it_says() {
        let full = |time| record(time, LEVEL_CONTENT, &[1, 2], &[], &[]);
        assert_eq!(idle(&ledger(&[1, 2], vec![full(10), full(20)])), [""]);
        let part = record(20, LEVEL_CONTENT, &[1], &[], &[]);
        assert!(idle(&ledger(&[1, 2], vec![full(10), part.clone()])).is_empty());
        let rest = record(30, LEVEL_CONTENT, &[2], &[], &[]);
        assert_eq!(idle(&ledger(&[1, 2], vec![full(10), part, rest])), [""]);
        // A cheaper reading does not stand for a deeper one, nor for damage, nor a mending for the damage it mended.
        let stored = record(20, LEVEL_STORED, &[1, 2], &[], &[]);
        assert!(idle(&ledger(&[1, 2], vec![full(10), stored])).is_empty());
        let damage = record(10, LEVEL_CONTENT, &[], &[1], &[]);
        let other = record(20, LEVEL_CONTENT, &[2], &[], &[]);
        assert!(idle(&ledger(&[1, 2], vec![damage.clone(), other])).is_empty());
        let mended = record(20, LEVEL_STORED, &[], &[], &[1]);
        let later = record(30, LEVEL_STORED, &[2], &[], &[]);
        assert_eq!(idle(&ledger(&[1, 2], vec![damage, mended, later])), [""]);
    }

    #[test]
    fn a_large_reading_is_split_and_later_than_what_is_known() {
        let ledger = ledger(&[1], vec![record(NOW, LEVEL_STORED, &[1], &[], &[])]);
        let good = (0..=LEDGER_OBJECTS_MAX as u64).rev().map(u64::to_be_bytes);
        let reading = Reading {
            level: LEVEL_CONTENT,
            good: good.collect(),
            bytes: 5,
            ..Reading::default()
        };
        let writer = Writer {
            device: [1; 16],
            started_ns: 1,
        };
        let records = ledger.split(reading, writer, NOW);
        let sizes: Vec<_> = records.iter().map(|record| record.objects.len()).collect();
        assert_eq!(sizes, [LEDGER_OBJECTS_MAX, 1]);
        assert_eq!([records[0].bytes, records[1].bytes], [5, 0]);
        for record in records {
            assert_eq!(record.time, NOW + 1);
            assert_eq!(LedgerRecord::decode(&record.encode()).unwrap(), record);
        }
        let empty = ledger.split(Reading::default(), writer, NOW + 5);
        assert_eq!((empty.len(), empty[0].time), (1, NOW + 5));
    }
}
