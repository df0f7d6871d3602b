//! Every state that can be reached, breadth first, until one breaks an invariant: then how it came to that.

use super::state::{Config, State};
use super::trace::Next;
use super::{checks, collectors, sessions};
use std::collections::HashSet;
use std::fmt::Write;
use std::hash::{BuildHasherDefault, Hasher};

/// What came of it.
pub(super) struct Outcome {
    /// States met.
    pub(super) states: usize,
    /// Steps from the start to the farthest of them.
    pub(super) depth: usize,
    /// Whether these are all.
    pub(super) finished: bool,
    /// Ends of which I10 was asked.
    pub(super) ends: usize,
    /// Which invariant broke, and how.
    pub(super) broken: Option<(String, Vec<String>)>,
}

/// A fingerprint is a hash already.
#[derive(Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("fingerprints are numbers");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

fn successors(config: &Config, state: &State, next: &mut Next) {
    next.steps.clear();
    sessions::steps(config, state, next);
    collectors::steps(config, state, next);
    collectors::others(config, state, next);
    sessions::late(config, state, next);
}

/// What a state breaks, if anything.
pub(super) type Check = fn(&Config, &State) -> Option<&'static str>;

/// Explores until every state has been met, `most` have, or one breaks what must hold.
pub(super) fn explore(config: &Config, check: Check, most: usize) -> Outcome {
    let first = State::new(config);
    let mut met: HashSet<u64, BuildHasherDefault<Taken>> = HashSet::default();
    met.insert(first.fingerprint());
    // From which state each one came, and by which of its steps.
    let mut came: Vec<(u32, u8)> = vec![(0, 0)];
    let (mut layer, mut next) = (vec![(first, 0)], Next::default());
    let mut outcome = Outcome {
        states: 1,
        depth: 0,
        finished: true,
        ends: 0,
        broken: None,
    };
    while !layer.is_empty() {
        let mut following = Vec::new();
        for (state, number) in &layer {
            successors(config, state, &mut next);
            if next.steps.is_empty() {
                outcome.ends += 1;
                if let Err(why) = checks::drain(config, state) {
                    outcome.broken = Some((why, trace(config, &came, *number)));
                    return outcome;
                }
            }
            for (choice, (_, after)) in (0..).zip(&next.steps) {
                if !met.insert(after.fingerprint()) {
                    continue;
                }
                let child = u32::try_from(came.len()).expect("fewer than four thousand million");
                came.push((*number, choice));
                outcome.states = came.len();
                if let Some(invariant) = check(config, after) {
                    outcome.broken = Some((invariant.to_owned(), trace(config, &came, child)));
                    return outcome;
                }
                following.push((*after, child));
            }
            if came.len() >= most {
                outcome.finished = false;
                return outcome;
            }
        }
        outcome.depth += usize::from(!following.is_empty());
        layer = following;
    }
    outcome
}

/// The steps from the start to this state.
fn trace(config: &Config, came: &[(u32, u8)], mut number: u32) -> Vec<String> {
    let mut choices = Vec::new();
    while number != 0 {
        let (from, choice) = came[number as usize];
        choices.push(choice);
        number = from;
    }
    let (mut state, mut next) = (State::new(config), Next::default());
    let mut lines = Vec::new();
    for choice in choices.into_iter().rev() {
        successors(config, &state, &mut next);
        let (step, after) = &next.steps[choice as usize];
        let mut line = String::new();
        write!(line, "{step}").expect("memory is enough");
        lines.push(line);
        state = *after;
    }
    lines
}
