//! Which edges of the program executions went over, where the compiler was told to count them.
//!
//! SanitizerCoverage puts one counter of eight bits at each edge and has a constructor tell where they all lie. In an
//! ordinary build nobody calls these functions, and there is nothing to see.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Where the counters lie: their first and how many.
static COUNTERS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Where the table of their addresses lies: two words each.
static ADDRESSES: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Counters that are looked at together; most of them are 0.
const LINE: usize = 64;

fn noted(place: &[AtomicUsize; 2], first: *const u8, end: *const u8, size: usize) {
    // There is one program and one table; each of its parts tells of it.
    let count = (end.addr() - first.addr()) / size;
    place[0].store(first.expose_provenance(), Ordering::Release);
    place[1].store(count, Ordering::Release);
}

#[expect(
    unsafe_code,
    reason = "the name under which instrumented code looks for it"
)]
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(first: *const u8, end: *const u8) {
    noted(&COUNTERS, first, end, 1);
}

#[expect(
    unsafe_code,
    reason = "the name under which instrumented code looks for it"
)]
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_pcs_init(first: *const u8, end: *const u8) {
    noted(&ADDRESSES, first, end, 2 * size_of::<usize>());
}

/// Counters there are; 0 in an ordinary build.
pub(crate) fn counters() -> usize {
    COUNTERS[1].load(Ordering::Acquire)
}

/// Counters count for the whole process, so what is counted runs alone.
pub(crate) fn assert_alone() {
    let alone = std::env::args().any(|word| word == "--test-threads=1");
    assert!(counters() == 0 || alone, "it wants --test-threads=1");
}

/// Calls back with each counter of a line that is not 0, and makes it 0.
#[expect(
    unsafe_code,
    reason = "counters lie where the compiler has put them, and code that it made writes them"
)]
fn drain(line: usize, found: &mut dyn FnMut(usize, u8)) {
    let first = COUNTERS[0].load(Ordering::Acquire);
    let first = std::ptr::with_exposed_provenance_mut::<u8>(first);
    let at = line * LINE;
    let len = LINE.min(counters() - at);
    let mut values = [0; LINE];
    // SAFETY: `first` and `counters` are the bounds of a table of bytes that lives and may be written as long as the
    // program; counted code runs on this thread only, which is not in it now.
    unsafe { std::ptr::copy_nonoverlapping(first.add(at), values.as_mut_ptr(), len) };
    if values == [0; LINE] {
        return;
    }
    // SAFETY: as above.
    unsafe { std::ptr::write_bytes(first.add(at), 0, len) };
    for (counter, value) in (at..).zip(values).filter(|(_, value)| *value > 0) {
        found(counter, value);
    }
}

fn lines() -> std::ops::Range<usize> {
    0..counters().div_ceil(LINE)
}

/// The address of each edge, in the order of the counters; empty where the compiler has not written them down.
#[expect(unsafe_code, reason = "they lie where the compiler has put them")]
pub(crate) fn addresses() -> Vec<usize> {
    let [first, count] = [0, 1].map(|at: usize| ADDRESSES[at].load(Ordering::Acquire));
    let first = std::ptr::with_exposed_provenance::<usize>(first);
    // SAFETY: the table has two words for each edge and lives as long as the program, and nobody writes it.
    let read = |at: usize| unsafe { first.add(2 * at).read() };
    (0..count).map(read).collect()
}

/// The bit that stands for so many passes of an edge.
fn bucket(passes: u8) -> u8 {
    match passes {
        0 => 0,
        1..4 => 1 << (passes - 1),
        4..8 => 1 << 3,
        8..16 => 1 << 4,
        16..32 => 1 << 5,
        32..128 => 1 << 6,
        128.. => 1 << 7,
    }
}

/// What executions have reached so far.
pub(crate) struct Reached {
    /// The buckets of each counter.
    seen: Vec<u8>,
    /// The lines in which anything was ever counted: few of all, and to look at all takes longer than most executions.
    lines: Vec<usize>,
}

impl Reached {
    /// Nothing. What was counted until now is forgotten.
    pub(crate) fn new() -> Self {
        lines().for_each(|line| drain(line, &mut |_, _| ()));
        Self {
            seen: vec![0; counters()],
            lines: Vec::new(),
        }
    }

    /// Adds what was counted since it was asked last, in lines that it knows; whether anything of it is new.
    pub(crate) fn add(&mut self) -> bool {
        let (seen, mut new) = (&mut self.seen, false);
        for line in &self.lines {
            drain(*line, &mut |at, passes| {
                new |= seen[at] & bucket(passes) == 0;
                seen[at] |= bucket(passes);
            });
        }
        new
    }

    /// Looks for lines that it does not know, and forgets what was counted there; whether there are any.
    pub(crate) fn learn(&mut self) -> bool {
        let before = self.lines.len();
        for line in lines() {
            let mut found = false;
            drain(line, &mut |_, _| found = true);
            if found && !self.lines.contains(&line) {
                self.lines.push(line);
            }
        }
        self.lines.len() > before
    }

    /// Edges that were gone over at least once.
    pub(crate) fn edges(&self) -> usize {
        self.seen.iter().filter(|seen| **seen > 0).count()
    }

    /// Whether each edge was gone over.
    pub(crate) fn all(&self) -> impl Iterator<Item = bool> {
        self.seen.iter().map(|seen| *seen > 0)
    }
}

/// What was counted since it was asked last: a number for each edge and how often, roughly, it was gone over.
pub(crate) fn features() -> Vec<(usize, u8)> {
    let mut found = Vec::new();
    let mut note = |at, passes| found.push((at, bucket(passes)));
    lines().for_each(|line| drain(line, &mut note));
    found
}
