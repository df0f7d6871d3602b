//! The mutation engine: an input is a function of its family and one number, so a number is all a finding needs.

use crate::fuzz::coverage::{self, Reached};
use crate::fuzz::heap;
use crate::fuzz::kept::{self, Shelf};
use heirloom::host::split_mix;
use heirloom::id::to_hex;
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// No parser takes longer for one of these inputs, on any machine and in any profile.
const SLOWEST: Duration = Duration::from_secs(20);

/// Executions after which all counters are looked at.
const LEARN_AFTER: usize = 32;

/// Memory that an execution may hold for each byte of its input, beside what its family may hold anyway.
const HEAP_EACH: u64 = 100;

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
    /// Bytes of memory that an execution may hold, however small its input is.
    pub(crate) heap: u64,
    /// Inputs in an ordinary test run.
    pub(crate) brief: u64,
}

/// What inputs are made of: the seeds first, then what a campaign has found.
struct Pool {
    inputs: Vec<Vec<u8>>,
    seeds: usize,
}

impl Pool {
    /// Any of the seeds. Of what was found the last and the small ones more often than others.
    fn pick(&self, chance: &mut Chance) -> &[u8] {
        let count = self.inputs.len();
        if count == self.seeds {
            return &self.inputs[chance.below(count)];
        }
        let at = match chance.below(4) {
            0 => count - 1 - chance.below(count.min(20)),
            1 => chance.below(count),
            _ => {
                let two = [chance.below(count), chance.below(count)];
                let len = |at: &usize| self.inputs[*at].len();
                two.into_iter().min_by_key(len).unwrap()
            }
        };
        &self.inputs[at]
    }
}

/// What an execution came to.
struct Ran {
    taken: bool,
    took: Duration,
    heap: u64,
}

impl Family {
    /// The input of this number, as long as the pool is the same.
    fn input(&self, pool: &Pool, number: u64) -> Vec<u8> {
        let mut chance = Chance::new(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        if chance.below(64) == 0 || pool.inputs.is_empty() {
            let len = chance.below(400);
            return chance.bytes(len);
        }
        let mut bytes = pool.pick(&mut chance).to_vec();
        for _ in 0..chance.below(6) {
            self.mutate(pool, &mut bytes, &mut chance);
        }
        bytes.truncate(LONGEST);
        if chance.below(2) == 0 {
            (self.mend)(&mut bytes);
        }
        bytes
    }

    fn mutate(&self, pool: &Pool, bytes: &mut Vec<u8>, chance: &mut Chance) {
        // Half of the places near the beginning, where lengths and headers are.
        let reach = [bytes.len(), bytes.len().min(200)][chance.below(2)];
        let at = chance.below(reach + 1).min(bytes.len());
        let power = chance.below(8);
        let len = chance.below(1 << power).min(bytes.len() - at);
        match chance.below(10) {
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
                let other = pool.pick(chance);
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
            8 => {
                if let Some(byte) = bytes.get_mut(at) {
                    let step = chance.word().to_le_bytes()[0] % 9;
                    *byte = byte.wrapping_add(step).wrapping_sub(4);
                }
            }
            _ => {
                let noise = chance.bytes(len);
                bytes[at..at + len].copy_from_slice(&noise);
            }
        }
    }

    fn once(&self, input: &[u8], number: Option<u64>) -> Ran {
        let told = Told(self.name, number, input);
        let started = Instant::now();
        let (taken, heap) = heap::measured(|| (self.target)(input));
        let took = started.elapsed();
        assert!(took < SLOWEST, "it took {took:?}");
        let most = self.heap + HEAP_EACH * input.len() as u64;
        assert!(heap <= most, "it held {heap} bytes of memory");
        drop(told);
        Ran { taken, took, heap }
    }

    /// Runs the seeds and what is kept as they are, then mutated ones for as long as is wanted.
    pub(crate) fn run(&self) {
        coverage::assert_alone();
        let taken = |seed: &&Vec<u8>| (self.target)(seed);
        if let Some(path) = std::env::var_os("HEIRLOOM_FUZZ_FILE") {
            self.once(&std::fs::read(path).unwrap(), None);
            return;
        }
        let seeds = Pool {
            inputs: self.seeds.clone(),
            seeds: self.seeds.len(),
        };
        if let Some(one) = number("HEIRLOOM_FUZZ_ONE") {
            self.once(&self.input(&seeds, one), Some(one));
            return;
        }
        let untouched = self.seeds.iter().filter(taken).count();
        assert!(untouched > 0, "{}: no seed is taken", self.name);
        let mut told = Tally::new(self, untouched);
        if let Some(folder) = std::env::var_os("HEIRLOOM_FUZZ_MINIMISE") {
            self.minimise(Path::new(&folder));
        } else if coverage::counters() > 0 {
            self.explore(seeds, &mut told);
        } else {
            let kept = kept::committed(self.name);
            assert!(!kept.is_empty(), "nothing is kept for it");
            for input in &kept {
                self.once(input, None);
            }
            while told.more() {
                let number = told.first + told.runs;
                told.add(&self.once(&self.input(&seeds, number), Some(number)));
            }
            told.print(None);
        }
    }

    /// Keeps what reaches something new, and goes on from there.
    fn explore(&self, mut pool: Pool, told: &mut Tally) {
        let shelf = Shelf::new(self.name);
        let moment = shelf.moment();
        let mut reached = Reached::new();
        let run = |input: &[u8], told: &mut Tally, reached: &mut Reached| {
            moment.set(input);
            told.add(&self.once(input, None));
            reached.add()
        };
        for _ in 0..2 {
            for seed in &self.seeds {
                run(seed, told, &mut reached);
            }
            reached.learn();
        }
        let before = reached.edges();
        let mut known = kept::committed(self.name);
        known.extend(shelf.read());
        let mut known = known.into_iter();
        let mut lately = Vec::new();
        while told.more() || known.len() > 0 {
            let old = known.next();
            let is_new = old.is_none();
            let input = old.unwrap_or_else(|| self.input(&pool, told.first + told.runs));
            let mut found = Vec::new();
            match run(&input, told, &mut reached) {
                true => found.push(input),
                false => lately.push(input),
            }
            if lately.len() == LEARN_AFTER || known.len() == 0 && !is_new {
                // One of them was the first to come to a line of counters: again, now that it is known.
                if reached.learn() {
                    let mut again = |input: &Vec<u8>| run(input, told, &mut reached);
                    found.extend(lately.extract_if(.., |input| again(input)));
                }
                lately.clear();
            }
            for input in found {
                if is_new {
                    shelf.keep(&input);
                }
                pool.inputs.push(input);
            }
        }
        told.print(Some((before, reached.edges(), pool.inputs.len())));
        let addresses = coverage::addresses().into_iter();
        shelf.write_edges(addresses.zip(reached.all()));
    }

    /// Few and small inputs that reach what all do that are kept.
    #[expect(clippy::print_stdout, reason = "it tells what has become of them")]
    fn minimise(&self, folder: &Path) {
        assert!(coverage::counters() > 0, "nothing counts in this build");
        let mut inputs = Shelf::new(self.name).read();
        inputs.extend(kept::committed(self.name));
        inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        inputs.dedup();
        drop(coverage::features());
        let run = |input: Vec<u8>| {
            self.once(&input, None);
            (input, coverage::features())
        };
        let mut seen = HashMap::<_, u32>::new();
        for seed in &self.seeds {
            self.once(seed, None);
            seen.extend(coverage::features().into_iter().map(|feature| (feature, 1)));
        }
        let all = inputs.len();
        let mut some = Vec::new();
        for (input, features) in inputs.into_iter().map(run) {
            if features.iter().any(|feature| !seen.contains_key(feature)) {
                for feature in &features {
                    *seen.entry(*feature).or_default() += 1;
                }
                some.push((input, features));
            }
        }
        // The largest first: what others reach as well is not missed.
        let mut few = Vec::new();
        for (input, features) in some.into_iter().rev() {
            if features.iter().all(|feature| seen[feature] > 1) {
                for feature in &features {
                    *seen.get_mut(feature).unwrap() -= 1;
                }
            } else {
                few.push(input);
            }
        }
        few.reverse();
        let (count, len) = kept::commit(folder, self.name, &few);
        println!(
            "\nkept {}: {all} inputs, {} reach as much, {count} of them in {len} bytes",
            kept::slug(self.name),
            few.len()
        );
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What a run has come to so far.
struct Tally<'a> {
    family: &'a Family,
    untouched: usize,
    /// The number of its first input.
    first: u64,
    /// For as long as this, or as many inputs as the family says.
    wanted: Option<Duration>,
    started: Instant,
    spent: Duration,
    runs: u64,
    taken: u64,
    slowest: (Duration, u64),
    heap: u64,
}

impl<'a> Tally<'a> {
    fn new(family: &'a Family, untouched: usize) -> Self {
        let first = number("HEIRLOOM_FUZZ_FIRST").unwrap_or(0);
        Self {
            family,
            untouched,
            first,
            wanted: number("HEIRLOOM_FUZZ_SECONDS").map(Duration::from_secs),
            started: Instant::now(),
            spent: spent(),
            runs: 0,
            taken: 0,
            slowest: (Duration::ZERO, first),
            heap: 0,
        }
    }

    fn more(&self) -> bool {
        match self.wanted {
            None => self.runs < self.family.brief,
            Some(wanted) => self.started.elapsed() < wanted,
        }
    }

    fn add(&mut self, ran: &Ran) {
        self.slowest = self.slowest.max((ran.took, self.first + self.runs));
        self.heap = self.heap.max(ran.heap);
        self.taken += u64::from(ran.taken);
        self.runs += 1;
    }

    /// With the edges of the seeds, those of all inputs, and how many these are.
    #[expect(
        clippy::print_stdout,
        reason = "a campaign tells how far it came, with --nocapture"
    )]
    fn print(&self, reached: Option<(usize, usize, usize)>) {
        let name = self.family.name;
        println!(
            "\nfuzz {name}: {} executions from number {} in {:?}, {} taken, slowest {:?} at {}, most memory {}; {} of {} seeds taken",
            self.runs,
            self.first,
            self.started.elapsed(),
            self.taken,
            self.slowest.0,
            self.slowest.1,
            self.heap,
            self.untouched,
            self.family.seeds.len()
        );
        if let Some((before, edges, inputs)) = reached {
            println!("reached {name}: {before} edges by seeds, {edges} by {inputs} inputs");
        }
        let spent = spent().saturating_sub(self.spent).as_secs_f64();
        println!("spent {} {spent:.2} {}", kept::slug(name), self.runs);
    }
}

/// What this process has had of processors, to a hundredth of a second; nothing where the system does not tell.
fn spent() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ');
    let ticks = fields.skip(12).take(2).flat_map(str::parse::<u64>);
    Duration::from_millis(10 * ticks.sum::<u64>())
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
struct Told<'a>(&'static str, Option<u64>, &'a [u8]);

impl Drop for Told<'_> {
    #[expect(
        clippy::print_stderr,
        reason = "the input is what a finding is found again by"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(name, number, input) = self;
            let number = number.map_or(String::new(), |it| format!(" HEIRLOOM_FUZZ_ONE={it}"));
            let path = Shelf::new(name).keep_finding(input);
            let shown = &input[..input.len().min(2000)];
            eprintln!(
                "fuzz {name}:{number} HEIRLOOM_FUZZ_FILE={}, {} bytes: {}\n{}",
                path.display(),
                input.len(),
                to_hex(shown),
                shown.escape_ascii()
            );
        }
    }
}
