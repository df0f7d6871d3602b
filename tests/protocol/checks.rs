//! What must hold: the invariants of 11.5, of every state and of every end.

use super::collectors;
use super::state::{COLLECTORS, Collector, Config, MARKS, State, at, gc, members, one};
use super::trace::Next;

/// I1, and with it I9 and I11: whether a mirror shows an entry and lacks a blob of it.
pub(super) fn harm(config: &Config, state: &State) -> Option<&'static str> {
    for mirror in [0, 1] {
        let here = state.blobs(state.packs[mirror]);
        for entry in members(state.live(mirror)) {
            let excused = state.excused[mirror] & one(entry) != 0;
            let lost = if excused { state.lost[mirror] } else { 0 };
            if config.needs[entry as usize] & !here & !lost != 0 {
                return Some(["I1 on A", "I1 on B"][mirror]);
            }
        }
        // An undelete shows a snapshot, which must be there.
        if state.restored[mirror] & !state.committed[mirror] != 0 {
            return Some(["I1 on A: no entry", "I1 on B: no entry"][mirror]);
        }
    }
    None
}

/// Any invariant, those too that say what must never become possible.
pub(super) fn broken(config: &Config, state: &State) -> Option<&'static str> {
    if let Some(harm) = harm(config, state) {
        return Some(harm);
    }
    if state.sins & 1 != 0 {
        return Some("I2, I5");
    }
    if state.sins & 2 != 0 {
        return Some("I3");
    }
    for (number, plan) in (0..).zip(&config.sessions) {
        let me = state.sessions[number as usize];
        let leans = matches!(me.step, at::PACK..=at::COMMIT) || state.asked & one(number) != 0;
        if !leans || state.decided() & one(number) != 0 {
            continue;
        }
        let believed = config.needs[me.entry as usize] & !me.missing & !state.lost[plan.home];
        if believed & !state.blobs(state.packs[plan.home]) != 0 {
            return Some("I4");
        }
        for collector in &state.collectors[..config.collectors] {
            let resolved = matches!(collector.step, gc::LIVE..=gc::DELETE);
            let safe = state.packs[plan.home] & !state.marks[collector.mark as usize];
            if resolved
                && collector.mirror as usize == plan.home
                && believed & !state.blobs(safe) != 0
            {
                return Some("I6");
            }
        }
    }
    None
}

/// I10, asked where nobody can do anything more: two collections on each mirror leave nothing that nobody needs and
/// nothing that a mark names, and break nothing.
pub(super) fn drain(config: &Config, state: &State) -> Result<(), String> {
    let mut state = *state;
    state.luck = Default::default();
    state.gone = [0; 2];
    let mut quiet = config.clone();
    quiet.collectors = 1;
    quiet.marks = 0;
    for mirror in [0, 1] {
        for _ in 0..2 {
            collect(&quiet, &mut state, mirror)?;
        }
        let garbage = garbage(config, &state, mirror);
        let waits = !config.cas[mirror] && state.intents & !state.decided() != 0;
        if garbage != 0 && !waits {
            return Err(format!("I10: packs {garbage:b} stay on mirror {mirror}"));
        }
    }
    Ok(())
}

/// Packs that hold nothing that lives, and packs that a mark names.
fn garbage(config: &Config, state: &State, mirror: usize) -> u8 {
    let needed = config.needs_of(state.live(mirror));
    let useless = |pack: &u8| state.holds[*pack as usize] & needed == 0;
    let packs = state.packs[mirror];
    let useless = members(packs)
        .filter(useless)
        .fold(0, |all, pack| all | one(pack));
    useless | packs & state.tombs(state.shown[mirror])
}

/// One whole collection by a device that comes afterwards: every mark in progress, then one for what is garbage.
fn collect(config: &Config, state: &mut State, mirror: usize) -> Result<(), String> {
    let tombs = state.tombs(state.shown[mirror]);
    let fresh = garbage(config, state, mirror) & !tombs;
    if fresh != 0 && (state.marked as usize) < MARKS {
        state.marks[state.marked as usize] = fresh;
        state.shown[mirror] |= one(state.marked);
        state.marked += 1;
    }
    for mark in members(state.shown[mirror]) {
        state.collectors = [Collector::default(); COLLECTORS];
        let number = u8::try_from(mirror).expect("two mirrors");
        state.collectors[0] = Collector {
            step: gc::INTENTS,
            mirror: number,
            mark,
            ..Collector::default()
        };
        while !matches!(state.collectors[0].step, gc::DONE | gc::IDLE) {
            let mut next = Next::default();
            collectors::steps(config, state, &mut next);
            let Some((_, after)) = next.steps.last() else {
                break;
            };
            *state = *after;
            if let Some(invariant) = broken(config, state) {
                return Err(format!("I10: {invariant} breaks"));
            }
        }
    }
    Ok(())
}
