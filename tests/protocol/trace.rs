//! What can happen next, and how a story is told.

use super::state::{State, members};
use std::fmt;

/// Who acts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    Session(u8),
    /// Its number and its mirror.
    Collector(usize, u8),
    /// Something that happens to a mirror.
    Store(usize),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mirror = |at: usize| ["A", "B"][at];
        match *self {
            Self::Session(number) => write!(f, "session {number}     "),
            Self::Collector(number, at) => write!(f, "collector {number} {} ", mirror(at as usize)),
            Self::Store(at) => write!(f, "mirror {}      ", mirror(at)),
        }
    }
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    who: Who,
    what: &'static str,
    set: u8,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<_> = members(self.set).map(|at| at.to_string()).collect();
        let set = if members.is_empty() {
            "none".to_owned()
        } else {
            members.join(",")
        };
        write!(f, "{}{} {set}", self.who, self.what)
    }
}

/// The steps that are possible, each with the world after it.
#[derive(Default)]
pub(super) struct Next {
    pub(super) steps: Vec<(Step, State)>,
}

impl Next {
    pub(super) fn push(&mut self, who: Who, what: &'static str, set: u8, state: State) {
        self.steps.push((Step { who, what, set }, state));
    }
}
