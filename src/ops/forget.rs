//! Drops snapshots by rule or by name: plan, which can be printed, and run, which writes removes.
//!
//! Nothing is deleted here. A remove names snapshots, and until a prune has marked them an undelete takes them back.

use crate::error::Result;
use crate::format::chain::{Removed, What};
use crate::id::Id;
use crate::ops::guard::{self, Lifted};
use crate::ops::retention::{self, Candidate, Decision, Rules};
use crate::repo::chain::Chains;
use crate::repo::snapshots::{self, Filter};
use std::collections::{BTreeMap, BTreeSet};

/// A remove names at most so many, so that it stays far smaller than any reader accepts.
const NAMED_MAX: usize = 4096;

/// Which snapshots are meant to go.
pub enum Which {
    /// Whatever the rules have no place for.
    Rules(Rules),
    /// These.
    Named(BTreeSet<Id>),
    /// All of these sources.
    Sources(Vec<String>),
}

/// What is asked for.
pub struct Options {
    /// Which ones go.
    pub which: Which,
    /// Others are not touched; they count all the same.
    pub filter: Filter,
    /// The newest good snapshots of each source and device that stay.
    pub min_good: u32,
    /// Guards that the user has lifted.
    pub lifted: Lifted,
    /// Seconds since 1970.
    pub now: i64,
}

/// What becomes of each snapshot that the filter lets through.
pub struct Plan {
    /// Those that stay, and why.
    pub kept: BTreeMap<Id, String>,
    /// Those that go, and why.
    pub gone: BTreeMap<Id, String>,
}

/// Decides.
///
/// # Errors
/// `Refused` by a guard.
pub fn plan(chains: &Chains, options: &Options) -> Result<Plan> {
    let all = Candidate::all(chains, options.now);
    let decided = decide(&all, options);
    let touched = snapshots::list(chains, &options.filter);
    let touched: BTreeSet<Id> = touched.iter().map(|found| found.id).collect();
    let mut plan = Plan {
        kept: BTreeMap::new(),
        gone: BTreeMap::new(),
    };
    for (id, decision) in decided {
        if !touched.contains(&id) {
            continue;
        }
        match decision {
            Ok(why) => plan.kept.insert(id, why),
            Err(why) => plan.gone.insert(id, why),
        };
    }
    let going = plan.gone.keys().copied().collect();
    guard::check(&all, &going, options.min_good, &options.lifted)?;
    Ok(plan)
}

/// Why each one stays, or why it goes.
fn decide(
    all: &[Candidate],
    options: &Options,
) -> BTreeMap<Id, std::result::Result<String, String>> {
    let named = |goes: &dyn Fn(&Candidate) -> bool, why: &str| {
        let decision = |one: &Candidate| match goes(one) {
            true => Err(why.to_owned()),
            false => Ok("not named".to_owned()),
        };
        all.iter().map(|one| (one.id, decision(one))).collect()
    };
    match &options.which {
        Which::Named(ids) => named(&|one| ids.contains(&one.id), "named"),
        Which::Sources(sources) => named(
            &|one| sources.contains(&one.source),
            "its source is dropped",
        ),
        Which::Rules(rules) => {
            let min_good = match options.lifted.below_min_good {
                true => 0,
                false => options.min_good,
            };
            let decided = retention::decide(all, rules, min_good).into_iter();
            let in_words = |decision| match decision {
                Decision::Keep(reasons) => {
                    let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
                    Ok(reasons.join(", "))
                }
                Decision::Forget(why) => Err(why.to_string()),
            };
            decided
                .map(|(id, decision)| (id, in_words(decision)))
                .collect()
        }
    }
}

/// The removes that the plan comes to.
pub fn removes(chains: &Chains, plan: &Plan, reason: &str) -> Vec<What> {
    let removed = |id: &Id| Some(Removed::of(*id, chains.entry(id)?));
    let all: Vec<_> = plan.gone.keys().filter_map(removed).collect();
    let remove = |entries: &[Removed]| What::Remove {
        entries: entries.to_vec(),
        reason: reason.to_owned(),
    };
    all.chunks(NAMED_MAX).map(remove).collect()
}
