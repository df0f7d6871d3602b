//! The mutation engine: an input is a function of its family and one number, so a number is all a finding needs.

use heirloom::host::split_mix;
use heirloom::id::to_hex;
use std::time::{Duration, Instant};

/// No parser takes longer for one of these inputs, on any machine and in any profile.
const SLOWEST: Duration = Duration::from_secs(20);

/// Inputs are no longer than this.
const LONGEST: usize = 1 << 20;

/// SplitMix64 from one seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn word(&mut self) -> u64 {
        split_mix(&mut self.0)
    }

    /// 0 for `end` 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.word() % (end.max(1) as u64)).unwrap()
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.word().to_le_bytes()[0]).collect()
    }
}

/// One parser, with what its inputs are made of.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// Inputs that it takes, or nearly.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// What its language is made of.
    pub(crate) words: &'static [&'static [u8]],
    /// Makes checksums right again; half of the inputs are mended.
    pub(crate) mend: fn(&mut Vec<u8>),
    /// Says whether the input was taken; panics where that is a finding.
    pub(crate) target: fn(&[u8]) -> bool,
    /// Inputs in an ordinary test run.
    pub(crate) brief: u64,
}

impl Family {
    /// The input of this number.
    fn input(&self, number: u64) -> Vec<u8> {
        let mut chance = Chance::new(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        if chance.below(64) == 0 || self.seeds.is_empty() {
            let len = chance.below(400);
            return chance.bytes(len);
        }
        let mut bytes = self.seeds[chance.below(self.seeds.len())].clone();
        for _ in 0..chance.below(6) {
            self.mutate(&mut bytes, &mut chance);
        }
        bytes.truncate(LONGEST);
        if chance.below(2) == 0 {
            (self.mend)(&mut bytes);
        }
        bytes
    }

    fn mutate(&self, bytes: &mut Vec<u8>, chance: &mut Chance) {
        // Half of the places near the beginning, where lengths and headers are.
        let reach = [bytes.len(), bytes.len().min(200)][chance.below(2)];
        let at = chance.below(reach + 1).min(bytes.len());
        let power = chance.below(8);
        let len = chance.below(1 << power).min(bytes.len() - at);
        match chance.below(9) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = chance.word().to_le_bytes()[0];
                }
            }
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + len)),
            4 => {
                let part = bytes[at..at + len].to_vec();
                let to = chance.below(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            5 => {
                let other = &self.seeds[chance.below(self.seeds.len())];
                let from = chance.below(other.len() + 1);
                let some = chance.below(other.len() - from + 1);
                bytes.splice(at..at + len, other[from..from + some].iter().copied());
            }
            6 => length(bytes, at, chance),
            7 if !self.words.is_empty() => {
                let word = self.words[chance.below(self.words.len())];
                let gone = [0, word.len().min(bytes.len() - at)][chance.below(2)];
                bytes.splice(at..at + gone, word.iter().copied());
            }
            _ => {
                let noise = chance.bytes(len);
                bytes[at..at + len].copy_from_slice(&noise);
            }
        }
    }

    fn once(&self, number: u64) -> (bool, Duration) {
        let input = self.input(number);
        let told = Told(self.name, number, &input);
        let started = Instant::now();
        let taken = (self.target)(&input);
        let took = started.elapsed();
        assert!(took < SLOWEST, "it took {took:?}");
        drop(told);
        (taken, took)
    }

    /// Runs the seeds as they are, then mutated ones for as long as is wanted.
    #[expect(
        clippy::print_stdout,
        reason = "a campaign tells how far it came, with --nocapture"
    )]
    pub(crate) fn run(&self) {
        let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
        if let Some(one) = number("HEIRLOOM_FUZZ_ONE") {
            self.once(one);
            return;
        }
        let untouched = self.seeds.iter().filter(|seed| (self.target)(seed)).count();
        assert!(untouched > 0, "{}: no seed is taken", self.name);
        let seconds = number("HEIRLOOM_FUZZ_SECONDS").map(Duration::from_secs);
        let first = number("HEIRLOOM_FUZZ_FIRST").unwrap_or(0);
        let started = Instant::now();
        let (mut runs, mut taken, mut slowest) = (0_u64, 0_u64, (Duration::ZERO, first));
        loop {
            let more = match seconds {
                None => runs < self.brief,
                Some(seconds) => started.elapsed() < seconds,
            };
            if !more {
                break;
            }
            let (was_taken, took) = self.once(first + runs);
            slowest = slowest.max((took, first + runs));
            taken += u64::from(was_taken);
            runs += 1;
        }
        println!(
            "fuzz {}: {runs} executions from number {first} in {:?}, {taken} taken, slowest {:?} at {}; {untouched} of {} seeds taken",
            self.name,
            started.elapsed(),
            slowest.0,
            slowest.1,
            self.seeds.len()
        );
    }
}

/// Writes a number that lengths are wrong at.
fn length(bytes: &mut [u8], at: usize, chance: &mut Chance) {
    let len = bytes.len() as u64;
    let numbers = [
        0,
        1,
        len,
        len.wrapping_sub(1),
        len + 1,
        0xff,
        0xffff,
        1 << 20,
        1 << 22,
        (1 << 26) + 1,
        0x7fff_ffff,
        0xffff_ffff,
        1 << 62,
        u64::MAX - 4095,
        u64::MAX,
        1 << chance.below(64),
    ];
    let number = numbers[chance.below(numbers.len())];
    let width = [1, 2, 4, 8][chance.below(4)];
    let digits = match chance.below(2) {
        0 => number.to_le_bytes()[..width].to_vec(),
        _ => number.to_be_bytes()[8 - width..].to_vec(),
    };
    let place = bytes.iter_mut().skip(at);
    place.zip(digits).for_each(|(to, from)| *to = from);
}

/// Says which input it was when a target panics.
struct Told<'a>(&'static str, u64, &'a [u8]);

impl Drop for Told<'_> {
    #[expect(
        clippy::print_stderr,
        reason = "the number is what a finding is found again by"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = &self.2[..self.2.len().min(2000)];
            eprintln!(
                "fuzz {}: HEIRLOOM_FUZZ_ONE={}, {} bytes: {}\n{}",
                self.0,
                self.1,
                self.2.len(),
                to_hex(shown),
                shown.escape_ascii()
            );
        }
    }
}
