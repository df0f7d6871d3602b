//! Collectors (G1 to G7), and what happens to mirrors by other hands: removals, couriers, media.

use super::state::{Collector, Config, MARKS, Rule, State, at, gc, members, one};
use super::trace::{Next, Who};

/// Everything that collectors can do next.
pub(super) fn steps(config: &Config, state: &State, next: &mut Next) {
    for number in 0..config.collectors {
        let me = state.collectors[number];
        let turn = Turn {
            config,
            state,
            number,
            me,
            mirror: me.mirror as usize,
        };
        match me.step {
            gc::IDLE => turn.begin(next),
            gc::INTENTS => turn.intents(next),
            gc::WAIT => turn.wait(next),
            gc::LIVE => turn.live(next),
            gc::COPY => turn.copy(next),
            gc::FETCH => turn.fetch(next),
            gc::DELETE => turn.delete(next),
            _ => {}
        }
    }
}

struct Turn<'a> {
    config: &'a Config,
    state: &'a State,
    number: usize,
    me: Collector,
    mirror: usize,
}

impl Turn<'_> {
    fn push(&self, next: &mut Next, what: &'static str, set: u8, me: Collector, mut state: State) {
        state.collectors[self.number] = me;
        next.push(Who::Collector(self.number, me.mirror), what, set, state);
    }

    fn to(&self, step: u8) -> Collector {
        Collector { step, ..self.me }
    }

    /// G1 and G2: plans and marks, or takes over a mark in progress. Whatever is planned must be safe, so a plan names
    /// any one pack of any mirror, or all of them.
    fn begin(&self, next: &mut Next) {
        let state = self.state;
        for mirror in 0..2u8 {
            let at = mirror as usize;
            let (all, shown) = (state.packs[at], state.shown[at]);
            let fresh = (all | state.packs[1 - at]) & !state.tombs(shown);
            let mut plans: Vec<u8> = members(fresh).map(one).collect();
            if plans.len() > 1 {
                plans.push(fresh);
            }
            let written = (state.marked as usize) - state.loss_marks.count_ones() as usize;
            if written >= self.config.marks {
                plans.clear();
            }
            for packs in plans {
                let mut after = *state;
                let mark = write_mark(&mut after, at, packs);
                let me = Collector {
                    step: gc::INTENTS,
                    mirror,
                    mark,
                    ..self.me
                };
                self.push(next, "G2 marks packs", packs, me, after);
            }
            for mark in members(shown).filter(|mark| state.marks[*mark as usize] & all != 0) {
                let me = Collector {
                    step: gc::INTENTS,
                    mirror,
                    mark,
                    ..self.me
                };
                self.push(next, "takes over mark", one(mark), me, *state);
            }
        }
    }

    /// G3: who may depend on what the mark names.
    fn intents(&self, next: &mut Next) {
        let mut state = *self.state;
        let mut wait = 0;
        for number in members(state.intents & !state.decided()) {
            let here = self.config.sessions[number as usize].home == self.mirror;
            let named = state.sessions[number as usize].named;
            if here && named & one(self.me.mark) == 0 {
                wait |= one(number);
            }
        }
        if !self.config.keeps(Rule::Wait) {
            wait = 0;
        }
        let mut me = Collector {
            wait,
            ..self.to(gc::WAIT)
        };
        if !self.config.keeps(Rule::LiveAfterWait) {
            me.live = state.live(self.mirror);
        }
        self.push(
            next,
            "G3 lists intents; it waits for sessions",
            wait,
            me,
            state,
        );
        if state.luck.shorts > 0 && !self.config.keeps(Rule::IntentsTwice) {
            state.luck.shorts -= 1;
            for number in members(wait) {
                let wait = wait & !one(number);
                self.push(
                    next,
                    "G3 lists intents short; it waits for sessions",
                    wait,
                    Collector { wait, ..me },
                    state,
                );
            }
        }
    }

    /// G4: until each has a slot; ABORT for those that stay away too long, which may be any.
    fn wait(&self, next: &mut Next) {
        let mut state = *self.state;
        let pending = self.me.wait & !state.decided();
        let after = match self.config.keeps(Rule::LiveAfterWait) {
            true => gc::LIVE,
            false => gc::COPY,
        };
        let over = Collector {
            wait: 0,
            ..self.to(after)
        };
        if pending == 0 {
            return self.push(next, "G4 has waited for all", 0, over, state);
        }
        if !self.config.keeps(Rule::Abort) {
            return self.push(
                next,
                "G4 believes a clock and goes on without sessions",
                pending,
                over,
                state,
            );
        }
        if self.config.cas[self.mirror] || !self.config.keeps(Rule::AbortNeedsCas) {
            let session = pending & pending.wrapping_neg();
            state.aborts |= session;
            self.push(next, "G4 puts ABORT for session", session, self.me, state);
        }
    }

    /// G5: what lives, from a look after the waiting.
    fn live(&self, next: &mut Next) {
        let mut state = *self.state;
        let live = state.live(self.mirror);
        let step = match self.config.keeps(Rule::Copy) {
            true => gc::COPY,
            false => gc::DELETE,
        };
        let me = Collector {
            live,
            ..self.to(step)
        };
        self.push(next, "G5 lists what lives: entries", live, me, state);
        if state.luck.shorts > 0 && !self.config.keeps(Rule::CommitsTwice) {
            state.luck.shorts -= 1;
            for entry in members(live) {
                let live = live & !one(entry);
                self.push(
                    next,
                    "G5 lists short what lives: entries",
                    live,
                    Collector { live, ..me },
                    state,
                );
            }
        }
    }

    /// G6: what lives and lies in no untombed pack is fetched under its own name, or sealed anew.
    fn copy(&self, next: &mut Next) {
        let (mut state, at) = (*self.state, self.mirror);
        let tombs = state.tombs(state.shown[at]);
        let there = state.packs[1 - at];
        let lacking = self.config.needs_of(self.me.live) & !state.blobs(state.packs[at] & !tombs);
        let readable = lacking & state.blobs(state.packs[at] | there);
        if readable == 0 {
            return self.push(
                next,
                "G6 has all that lives outside marked packs; lost blobs",
                lacking,
                self.to(gc::DELETE),
                state,
            );
        }
        let first = readable & readable.wrapping_neg();
        let has_it = |pack: &u8| state.holds[*pack as usize] & first != 0;
        let banned = match self.config.keeps(Rule::NoRescue) {
            true => tombs | state.tombs(state.shown[1 - at]),
            false => 0,
        };
        for pack in members(there & !banned).filter(has_it) {
            let me = Collector {
                pack,
                ..self.to(gc::FETCH)
            };
            self.push(
                next,
                "G6 fetches from the other mirror pack",
                one(pack),
                me,
                state,
            );
        }
        if !self.config.keeps(Rule::FreshNames) {
            for pack in members(tombs & !state.packs[at]).filter(has_it) {
                let mut after = state;
                after.packs[at] |= one(pack);
                self.push(
                    next,
                    "G6 puts back under its old name pack",
                    one(pack),
                    self.to(gc::DELETE),
                    after,
                );
            }
        }
        if let Some(pack) = state.name(readable) {
            state.packs[at] |= one(pack);
            self.push(
                next,
                "G6 seals anew and puts pack",
                one(pack),
                self.me,
                state,
            );
        }
    }

    /// G6: the copy lands; whether it counts is asked again.
    fn fetch(&self, next: &mut Next) {
        let (mut state, pack) = (*self.state, self.me.pack);
        let me = Collector {
            pack: 0,
            ..self.to(gc::COPY)
        };
        if state.packs[1 - self.mirror] & one(pack) == 0 {
            return self.push(
                next,
                "G6 finds gone from the other mirror pack",
                one(pack),
                me,
                state,
            );
        }
        let counts = !self.config.keeps(Rule::NoRescue) || !self.config.keeps(Rule::FetchAsksAgain);
        let me = if counts {
            Collector {
                pack: 0,
                ..self.to(gc::DELETE)
            }
        } else {
            me
        };
        state.packs[self.mirror] |= one(pack);
        self.push(next, "G6 puts the copy of pack", one(pack), me, state);
    }

    /// G7: what is still purged, and one pack after another.
    fn delete(&self, next: &mut Next) {
        let (at, mark) = (self.mirror, self.me.mark);
        let purged = self.state.purges[mark as usize] & self.state.committed[at] & !self.me.live;
        let purged = purged & self.state.removed[at];
        if purged != 0 {
            let mut after = *self.state;
            after.committed[at] &= !purged;
            return self.push(next, "G7 deletes entries", purged, self.me, after);
        }
        let doomed = self.state.packs[at] & self.state.marks[mark as usize];
        let done = Collector {
            step: gc::DONE,
            ..Collector::default()
        };
        let finish = |state: &mut State| {
            if !self.config.keeps(Rule::MarksStay) {
                state.shown[at] &= !one(mark);
            }
        };
        for pack in members(doomed).filter(|_| self.state.luck.lates > 0) {
            let mut after = *self.state;
            after.luck.lates -= 1;
            after.leaving[at] |= one(pack);
            self.push(
                next,
                "G7 deletes, without an answer, pack",
                one(pack),
                self.me,
                after,
            );
        }
        if doomed == 0 {
            let mut after = *self.state;
            finish(&mut after);
            return self.push(
                next,
                "G7 has nothing to delete of mark",
                one(mark),
                done,
                after,
            );
        }
        for pack in members(doomed) {
            let mut after = *self.state;
            after.packs[at] &= !one(pack);
            let me = if doomed == one(pack) { done } else { self.me };
            if doomed == one(pack) {
                finish(&mut after);
            }
            self.push(next, "G7 deletes pack", one(pack), me, after);
        }
    }
}

fn write_mark(state: &mut State, mirror: usize, packs: u8) -> u8 {
    let mark = state.marked;
    state.marks[mark as usize] = packs;
    state.purges[mark as usize] = state.committed[mirror] & !state.live(mirror);
    state.marked += 1;
    state.shown[mirror] |= one(mark);
    mark
}

/// Removals, couriers of marks and removals, media that lose packs, and heal that says so.
pub(super) fn others(config: &Config, state: &State, next: &mut Next) {
    for mirror in [0, 1] {
        let (here, there) = (Who::Store(mirror), 1 - mirror);
        for mark in members(state.shown[there] & !state.shown[mirror]) {
            let mut after = *state;
            after.shown[mirror] |= one(mark);
            next.push(here, "a courier brings mark", one(mark), after);
        }
        for entry in members(state.removed[there] & !state.removed[mirror]) {
            let mut after = *state;
            after.removed[mirror] |= one(entry);
            next.push(
                here,
                "a courier brings the removal of entry",
                one(entry),
                after,
            );
        }
        let removable = state.live(mirror) & !state.restored[mirror] & !state.removed[mirror];
        for entry in members(removable).filter(|_| state.luck.forgets > 0) {
            let mut after = *state;
            after.luck.forgets -= 1;
            after.removed[mirror] |= one(entry);
            next.push(
                here,
                "someone forgets, without grace, entry",
                one(entry),
                after,
            );
        }
        let tombs = state.tombs(state.shown[mirror]);
        for pack in members(state.packs[mirror] & !tombs).filter(|_| state.luck.losses > 0) {
            let mut after = *state;
            after.luck.losses -= 1;
            after.packs[mirror] &= !one(pack);
            after.gone[mirror] |= one(pack);
            after.lost[mirror] |= state.holds[pack as usize];
            after.excused[mirror] |= state.committed[mirror];
            for (number, plan) in config.sessions.iter().enumerate() {
                let session = &state.sessions[number];
                let looked = !matches!(session.step, at::LOOK..=at::LIST | at::END);
                let undecided = state.asked & 1 << number != 0;
                if plan.home == mirror && (looked || undecided) {
                    after.excused[mirror] |= one(session.entry);
                }
            }
            next.push(here, "the medium loses pack", one(pack), after);
        }
        for pack in members(state.gone[mirror]).filter(|_| (state.marked as usize) < MARKS) {
            let mut after = *state;
            after.gone[mirror] &= !one(pack);
            let mark = write_mark(&mut after, mirror, one(pack));
            after.loss_marks |= one(mark);
            next.push(here, "heal writes a loss mark for pack", one(pack), after);
        }
    }
}
