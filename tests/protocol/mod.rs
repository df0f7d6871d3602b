//! The protocol (format 11) as a model, every state of which is met: what may be changed in it and what may not.
//!
//! Two mirrors A and B, one or two blobs, a few packs, sessions, collectors and marks. Every actor may stop for ever
//! before any of its steps, since nothing says that it is ever its turn again; so a crash is not a step of its own.
//! What is one step here is one call to a store, or several whose order among themselves cannot matter. Puts, deletes
//! and commit slots without an answer, short listings, lost packs and removals without grace are dealt out by
//! [`state::Luck`].
//!
//! Each rule of section 11 is a [`state::Rule`]. With all of them kept no invariant breaks; without any one of them a
//! mirror comes to show a snapshot that it does not have. Whoever changes the protocol changes it here first.
//!
//! # What each step stands for
//! | here | format | in the program |
//! |---|---|---|
//! | `look` | P0 entries, S1 | `Chains::read_to_write` and the choice of a parent, before `Session::begin`; `sync::run`: what `from` shows |
//! | `name` | P0 marks | `Session::announce`: the marks read before the intent, named in it |
//! | `intent` | P1 | `Session::put_intent`; durable and visible before anything below |
//! | `tombs` | P2, S3 | `Session::announce`: marks read after the intent, twice, together with those that the intent names; a session that brings or takes back an entry that a mark names stops |
//! | `list` | P3 | `list_packs`, then `Index::open`: what counts is listed and not tombed; a pack that the index knows is asked for by name before it is taken to be away, a tombed one too, for on that rests "no mark is in progress" |
//! | `look_again` | P4 | `Attempt::ground`, `Sync::vouching`: `Chains::look_again` after `list`, twice, the parent stood in `look` and stands, no mark in progress at the listing, every loss mark known |
//! | `pack` | P5 | `Packer`: packs and run acknowledged before `commit` (P6). An undelete seals anew what only tombed packs hold |
//! | `renew` | P5 | `Session::renew`: names the marks of the first intent and no others |
//! | `choose`, `carry` | S4 | `Sync::pack_of`, `Sync::packs`: a pack that no mark names is fetched, then put; else its blobs are sealed anew |
//! | `follow` | S4 | `Upload::follow`: packs copied before their entry is known; what is leant on is fixed by `tombs` and `list` |
//! | `commit` | P7, P8, S5 | `Session::commit`: nothing is put over an ABORT. Begun again after ABORT is another session |
//! | `commit` without an answer | P8, P9 | the slot may come to hold COMMIT at any later time: the intents stay until it has been seen to hold something |
//! | collector `begin` | G1, G2, take-over | any pack of any mirror may be planned for, needed or not; the mark names it and all that is purged there; whoever finds a mark in progress may execute it |
//! | `intents` | G3 | `intents/` and `commits/`, listed twice, united; a session waits to be waited for unless its intent names the mark |
//! | `wait` | G4 | until each has a slot; ABORT, by put-if-absent, after however long; where there is none, wait |
//! | `live` | G5 | `commits/` and `entries/` of that mirror, listed twice, after the wait |
//! | `copy`, `fetch` | G6 | for what is live and in no untombed pack: an untombed pack of the other mirror under its name, or a new pack; asked again after each; acknowledged before `delete` |
//! | `delete` | G7 | entries of the mark that were purged in `live`, then its packs, one by one, each delete at any later time again |
//! | `others` | S2, 14.3 | marks and removals that travel; `forget`; media; `heal`, which writes loss marks |
//!
//! P9 and the deletion of intents of decided sessions change nothing and have no step. Not here: index runs and parity
//! (conveniences), G1's rewriting before the mark (G6 does the same after it), 30 days of unlisted entries in G5 (a
//! second net), local memory of marks (it only adds tombs), damaged slots (14.3), key slots.
//!
//! # Invariants
//! I1 on each mirror in every state, which is I9 too, and I11 for a reader that looks again when a pack has gone. I2
//! and I5: no slot changes. I3 and I12: no session leans on a name that its intent has seen marked, or puts one back to
//! lean on it. I4: what an undecided session leans on is there. I6: when G4 is over, what an undecided session leans on
//! is outside the mark. I8: all of this with what comes late. I10 where nobody can do anything more: two collections
//! leave no garbage. Of I7 nothing can be said here: numbers of entries are given away by the device alone.
//!
//! `HEIRLOOM_PROTOCOL_STATES=20000000 cargo test --release protocol -- --nocapture` explores large scopes too.

mod checks;
mod collectors;
mod configs;
mod explore;
mod sessions;
mod state;
mod trace;

use explore::{Outcome, explore};

/// States of one scope in a usual run.
const STATES: usize = 1_000_000;

/// How many states of one scope may be met, if somebody said so.
fn said() -> Option<usize> {
    let said = std::env::var("HEIRLOOM_PROTOCOL_STATES").ok()?;
    Some(said.parse().expect("a number of states"))
}

fn told(outcome: &Outcome) -> String {
    let Some((invariant, trace)) = &outcome.broken else {
        return String::new();
    };
    format!("\n{invariant}\n  {}", trace.join("\n  "))
}

#[test]
fn with_every_rule_nothing_breaks() {
    let mut scopes = configs::bases();
    if said().is_some() {
        scopes.extend(configs::campaign());
    }
    let mut wrong = String::new();
    println!(
        "{:60} {:>9} {:>5} {:>5} ",
        "scope", "states", "depth", "ends"
    );
    for config in scopes {
        let outcome = explore(&config, checks::broken, said().unwrap_or(STATES));
        let Outcome {
            states,
            depth,
            ends,
            ..
        } = outcome;
        let how = match (&outcome.broken, outcome.finished) {
            (Some((invariant, _)), _) => invariant,
            (None, true) => "all met, all invariants hold",
            (None, false) => "boxed, all invariants hold so far",
        };
        println!("{:60} {states:>9} {depth:>5} {ends:>5} {how}", config.name);
        if outcome.broken.is_some() {
            wrong += &format!("{}{}\n", config.name, told(&outcome));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Asked twice of each scope: for the state in which something is lost, and for the first that breaks any invariant.
#[test]
fn without_any_one_rule_something_is_lost() {
    let mut wrong = Vec::new();
    println!(
        "{:22} {:36} {:>7} {:>5}  lost, and before that",
        "rule", "scope", "states", "steps"
    );
    for (rule, scopes) in configs::mutations() {
        for scope in scopes {
            let name = format!("{rule:?}");
            let lost = explore(&scope.without(rule), checks::harm, STATES);
            let (first, last) = match (
                explore(&scope.without(rule), checks::broken, STATES).broken,
                lost.broken,
            ) {
                (Some(first), Some(last)) => (first, last),
                _ => {
                    wrong.push(format!("{rule:?} in {:?}", scope.name));
                    continue;
                }
            };
            let (steps, early) = (last.1.len(), first.1.len());
            println!(
                "{name:22} {:36} {:>7} {steps:>5}  {}, {} after {early}",
                scope.name, lost.states, last.0, first.0
            );
            if said().is_some() {
                println!("  {}", last.1.join("\n  "));
            }
        }
    }
    assert!(wrong.is_empty(), "not missed: {}", wrong.join(", "));
}

/// Rules that no harm has been found without: whoever keeps them does more than safety needs.
#[test]
fn some_rules_are_comforts() {
    for (rule, scopes) in configs::comforts() {
        for scope in scopes {
            let outcome = explore(&scope.without(rule), checks::broken, STATES);
            let name = format!("{rule:?}");
            println!(
                "{name:22} {:40} {:>7} states, nothing broke",
                scope.name, outcome.states
            );
            assert!(outcome.finished, "{rule:?} in {:?}", scope.name);
            assert!(
                outcome.broken.is_none(),
                "{rule:?} in {:?}{}",
                scope.name,
                told(&outcome)
            );
        }
    }
}

/// A counterexample is told step by step.
#[test]
fn a_trace_can_be_read() {
    let (rule, scopes) = configs::mutations().swap_remove(0);
    let outcome = explore(&scopes[0].without(rule), checks::harm, STATES);
    let trace = outcome.broken.expect("a backup without an intent loses").1;
    assert!(
        trace
            .iter()
            .any(|line| line.starts_with("collector 0 A") && line.contains("G7 deletes pack 0")),
        "{trace:#?}"
    );
    assert!(
        trace
            .iter()
            .any(|line| line.ends_with("P8 COMMITS entry 0")),
        "{trace:#?}"
    );
}
