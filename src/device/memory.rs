//! What this device remembers of its mirrors: which mirror is which, the newest entry of every device seen on each,
//! every mark, and what it has been waiting for.
//!
//! ```text
//! heirloom memory 1
//! fingerprint <text>                                  of the repository, as `status` shows it
//! own <seq> <entry>                                   the newest entry this device ever made, published or not
//! pin <mirror> <name>                                 the id that the mirror of that name had when it was added
//! head <mirror> <device> <seq> <entry>                visible there
//! mark <mirror> <mark>                                seen there
//! current <mirror> <seconds>                          when it last had all that was saved, by our own clock
//! observed <mirror> <session> <number> <seconds>      its newest intent, and since when by our own clock
//! accepted <mirror> <device> <seq>                    this entry is gone there, and the user has said that it may be
//! removal <entry> <seconds>                           a remove by another device, and when it was first seen by our own clock
//! check <32 bytes>                                    over all before, keyed
//! ```
//!
//! Ids are hex. An honest memory is how a mirror that went back in time is found out, so a file that fails its check is
//! an error and not an empty memory. Text, because who is told that a mirror was rolled back will want to look.

use crate::device::Check;
use crate::error::{Error, Kind, Result};
use crate::id::{Id, from_hex, to_hex};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const FIRST_LINE: &str = "heirloom memory 1";
const CHECK: &str = "check ";

/// One entry of a chain, by its number and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its number in the chain.
    pub seq: u64,
    /// The hash of its stored bytes.
    pub entry: Id,
}

/// Since when a session's newest intent has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The number of its newest intent.
    pub number: u32,
    /// Seconds since 1970, by this device's clock, when that number was first seen.
    pub since: i64,
}

/// What was seen on one mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorMemory {
    /// The newest visible entry of each device.
    pub heads: BTreeMap<[u8; 16], Seen>,
    /// Every mark.
    pub marks: BTreeSet<Id>,
    /// When it last had all that this device had saved: seconds since 1970, by this device's clock.
    pub current: Option<i64>,
    /// Sessions that have not ended.
    pub observed: BTreeMap<[u8; 16], Observed>,
    /// Device and number of entries that are gone there, which the user has taken note of.
    pub accepted: BTreeSet<([u8; 16], u64)>,
}

/// All that this device remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Of the repository, as people see it.
    pub fingerprint: Option<String>,
    /// The newest entry this device ever made. Written before the entry is put anywhere, so that no number is used
    /// twice, whatever is interrupted and whichever mirror is away.
    pub own: Option<Seen>,
    /// Mirror ids by the name the configuration gives them.
    pub pins: BTreeMap<String, [u8; 16]>,
    /// What was seen on each mirror, by its id.
    pub mirrors: BTreeMap<[u8; 16], MirrorMemory>,
    /// Removes that other devices wrote, each with when it was first seen: seconds since 1970, by this device's clock.
    pub removals: BTreeMap<Id, i64>,
}

impl Memory {
    /// What was seen on one mirror; nothing yet, if it is new.
    pub fn mirror(&mut self, id: &[u8; 16]) -> &mut MirrorMemory {
        self.mirrors.entry(*id).or_default()
    }

    /// The bytes of the file. Equal memories have equal bytes.
    pub fn encode(&self, check: Check<'_>) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\n");
        let mut line = |args: std::fmt::Arguments<'_>| {
            text.write_fmt(args)
                .and_then(|()| text.write_char('\n'))
                .expect("a string takes everything");
        };
        if let Some(fingerprint) = &self.fingerprint {
            line(format_args!("fingerprint {}", plain(fingerprint)));
        }
        if let Some(Seen { seq, entry }) = &self.own {
            line(format_args!("own {seq} {}", entry.to_hex()));
        }
        for (name, id) in &self.pins {
            line(format_args!("pin {} {}", to_hex(id), plain(name)));
        }
        for (id, mirror) in &self.mirrors {
            let id = to_hex(id);
            for (device, Seen { seq, entry }) in &mirror.heads {
                let (device, entry) = (to_hex(device), entry.to_hex());
                line(format_args!("head {id} {device} {seq} {entry}"));
            }
            for mark in &mirror.marks {
                line(format_args!("mark {id} {}", mark.to_hex()));
            }
            if let Some(seconds) = mirror.current {
                line(format_args!("current {id} {seconds}"));
            }
            for (session, Observed { number, since }) in &mirror.observed {
                let session = to_hex(session);
                line(format_args!("observed {id} {session} {number} {since}"));
            }
            for (device, seq) in &mirror.accepted {
                let device = to_hex(device);
                line(format_args!("accepted {id} {device} {seq}"));
            }
        }
        for (entry, seconds) in &self.removals {
            line(format_args!("removal {} {seconds}", entry.to_hex()));
        }
        let sum = to_hex(&check(text.as_bytes()));
        text.push_str(&format!("{CHECK}{sum}\n"));
        text.into_bytes()
    }

    /// Reads what [`encode`](Self::encode) wrote; anything else is [`Kind::Damaged`], a newer version
    /// [`Kind::TooNew`].
    pub fn decode(bytes: &[u8], check: Check<'_>) -> Result<Self> {
        let damaged = |why: &'static str| {
            Error::new(Kind::Damaged, "read what this device remembers").because(why)
        };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
        let first = text.lines().next().unwrap_or_default();
        if first != FIRST_LINE && first.starts_with("heirloom memory ") {
            return Err(Error::new(Kind::TooNew, "read what this device remembers"));
        }
        let (body, sum) = text
            .rfind(CHECK)
            .map(|at| text.split_at(at))
            .ok_or_else(|| damaged("its end is missing"))?;
        let sum = sum[CHECK.len()..].strip_suffix('\n').and_then(from_hex);
        if sum != Some(check(body.as_bytes()).to_vec()) {
            return Err(damaged("it fails its check"));
        }
        let mut lines = body.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(damaged("it is another sort of file"));
        }
        let mut memory = Self::default();
        for line in lines {
            memory
                .take_line(line)
                .ok_or_else(|| damaged("a line makes no sense"))?;
        }
        Ok(memory)
    }

    fn take_line(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "fingerprint" => self.fingerprint = Some(rest.to_owned()),
            "pin" => {
                let (id, name) = rest.split_once(' ')?;
                self.pins.insert(name.to_owned(), short_id(id)?);
            }
            _ => {
                let fields: Vec<&str> = rest.split(' ').collect();
                match (word, &fields[..]) {
                    ("own", [seq, entry]) => self.own = Some(seen(seq, entry)?),
                    ("head", [mirror, device, seq, entry]) => {
                        let heads = &mut self.mirror(&short_id(mirror)?).heads;
                        heads.insert(short_id(device)?, seen(seq, entry)?);
                    }
                    ("mark", [mirror, mark]) => {
                        let marks = &mut self.mirror(&short_id(mirror)?).marks;
                        marks.insert(Id::from_hex(mark)?);
                    }
                    ("current", [mirror, seconds]) => {
                        self.mirror(&short_id(mirror)?).current = Some(seconds.parse().ok()?);
                    }
                    ("observed", [mirror, session, number, since]) => {
                        let observed = Observed {
                            number: number.parse().ok()?,
                            since: since.parse().ok()?,
                        };
                        let all = &mut self.mirror(&short_id(mirror)?).observed;
                        all.insert(short_id(session)?, observed);
                    }
                    ("removal", [entry, seconds]) => {
                        let seconds = seconds.parse().ok()?;
                        self.removals.insert(Id::from_hex(entry)?, seconds);
                    }
                    ("accepted", [mirror, device, seq]) => {
                        let number = (short_id(device)?, seq.parse().ok()?);
                        self.mirror(&short_id(mirror)?).accepted.insert(number);
                    }
                    _ => return None,
                }
            }
        }
        Some(())
    }
}

fn short_id(hex: &str) -> Option<[u8; 16]> {
    from_hex(hex)?.try_into().ok()
}

fn seen(seq: &str, entry: &str) -> Option<Seen> {
    Some(Seen {
        seq: seq.parse().ok()?,
        entry: Id::from_hex(entry)?,
    })
}

/// One line stays one line, whatever a name holds.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::proptest;

    fn check(bytes: &[u8]) -> [u8; 32] {
        let mut sum = [7_u8; 32];
        for (at, byte) in bytes.iter().enumerate() {
            let cell = &mut sum[at % 32];
            *cell = cell.rotate_left(3).wrapping_mul(5).wrapping_add(*byte);
        }
        sum
    }

    fn example() -> Memory {
        let seen = |n: u8| Seen {
            seq: u64::from(n) << 50,
            entry: Id::new([n; 32]),
        };
        let mut memory = Memory {
            fingerprint: Some("able acid army baby bean bird".to_owned()),
            own: Some(seen(9)),
            ..Memory::default()
        };
        memory.pins.insert("the disk: check ".to_owned(), [1; 16]);
        for id in [[1; 16], [2; 16]] {
            let mirror = memory.mirror(&id);
            mirror.heads.insert([3; 16], seen(3));
            mirror.heads.insert([4; 16], seen(4));
            mirror.marks.insert(Id::new([5; 32]));
            mirror.current = Some(-7);
            mirror.accepted.insert(([3; 16], u64::MAX));
            let observed = Observed {
                number: 3,
                since: -1,
            };
            mirror.observed.insert([6; 16], observed);
        }
        memory.removals.insert(Id::new([7; 32]), -2);
        memory
    }

    #[test]
    fn memory_comes_back_as_it_was() {
        for memory in [example(), Memory::default()] {
            let bytes = memory.encode(&check);
            assert_eq!(Memory::decode(&bytes, &check).unwrap(), memory);
        }
    }

    #[test]
    fn a_damaged_memory_is_never_an_empty_one() {
        let good = example().encode(&check);
        for at in 0..good.len() {
            assert!(Memory::decode(&good[..at], &check).is_err(), "cut at {at}");
            let mut wrong = good.clone();
            wrong[at] ^= 1;
            assert!(Memory::decode(&wrong, &check).is_err(), "flipped at {at}");
        }
        assert!(Memory::decode(&good, &|_| [0; 32]).is_err(), "another key");
        let newer = Memory::decode(b"heirloom memory 2\n", &check).unwrap_err();
        assert_eq!(newer.kind(), Kind::TooNew);
    }

    #[test]
    fn a_name_cannot_add_a_line() {
        let mut memory = Memory::default();
        memory.pins.insert("a\nown 1 2".to_owned(), [1; 16]);
        let read = Memory::decode(&memory.encode(&check), &check).unwrap();
        assert_eq!(read.own, None);
        assert_eq!(read.pins.keys().collect::<Vec<_>>(), ["a own 1 2"]);
    }

    proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes: Vec<u8>, text: String) {
            let _ = Memory::decode(&bytes, &check);
            let mut whole = format!("{FIRST_LINE}\n{text}\n");
            let sum = to_hex(&check(whole.as_bytes()));
            whole.push_str(&format!("{CHECK}{sum}\n"));
            let _ = Memory::decode(whole.as_bytes(), &check);
        }
    }
}
