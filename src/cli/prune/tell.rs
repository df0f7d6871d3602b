//! What `prune` says of its plan and of each mirror.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::error::{Error, Kind};
use crate::ops::prune::Report;
use crate::ops::prune::collect::Collected;
use crate::ops::prune::plan::Plan;
use crate::ops::prune::waiting::Waits;
use crate::ui::counted;
use crate::ui::json::Event;
use crate::units::{moment_to_rfc3339, size_to_text};

/// What became of each mirror.
pub(super) fn report(context: &Context, report: &Report, done: &mut Done) {
    for (name, collected) in &report.mirrors {
        match collected {
            Ok(collected) => mirror(context, name, collected, done),
            Err(error) => {
                let told = Error::new(error.kind(), name.clone()).because(error.chain());
                context.ui().problem(&told);
                let outcome = match error.kind() {
                    Kind::Damaged => Outcome::Damage,
                    _ => Outcome::Behind,
                };
                done.add(outcome, format!("{name} was not pruned: {}", error.chain()));
            }
        }
    }
}

/// What is forgotten and not gone yet.
pub(super) fn staying(context: &Context, plan: &Plan) {
    if let Some((count, first)) = plan.staying {
        let count = counted(count, "forgotten snapshot", "forgotten snapshots");
        let until = context.local(first);
        context.ui().line(&format!(
            "{count} can still be taken back and stay for now, until {until} at least"
        ));
    }
}

/// What a run would do.
pub(super) fn plan(context: &Context, plan: &Plan) {
    let ui = context.ui();
    if plan.is_nothing() {
        ui.line("nothing to prune");
    }
    staying(context, plan);
    if !plan.entries.is_empty() {
        let count = plan.entries.len() as u64;
        ui.line(&format!(
            "{} go for good",
            counted(count, "forgotten snapshot", "forgotten snapshots")
        ));
    }
    if !plan.dead.is_empty() {
        let count = counted(plan.dead.len() as u64, "pack", "packs");
        ui.line(&format!(
            "{count} that nobody needs would go: {} on each mirror",
            size_to_text(plan.dead_bytes)
        ));
    }
    if !plan.moving.is_empty() {
        let count = counted(plan.moving.len() as u64, "pack", "packs");
        ui.line(&format!(
            "{count}, {}, would be written anew with the {} in them that are needed: about {} less",
            size_to_text(plan.moving_bytes),
            size_to_text(plan.moved),
            size_to_text(plan.shed)
        ));
    }
    ui.event(&Event::Pruned {
        mirror: None,
        freed: plan.frees(),
        rewritten: plan.moved,
        packs: (plan.dead.len() + plan.moving.len()) as u64,
        snapshots: plan.entries.len() as u64,
        waits: 0,
        deferred: 0,
    });
}

/// What a prune would free now, unless that is the same, and once nothing that was forgotten by then can be taken back.
pub(super) fn foretold(context: &Context, now: Option<&Plan>, later: &Plan, until: i64) {
    let say = |when: &str, what: &str, plan: &Plan| {
        let bytes = size_to_text(plan.frees());
        context.ui().line(&format!(
            "{when} a prune frees about {bytes} on each mirror"
        ));
        context.ui().event(&Event::Plan {
            action: "prune",
            what: what.to_owned(),
            bytes: Some(plan.frees()),
            reason: None,
        });
    };
    let Some(now) = now else {
        return say("then", "now", later);
    };
    say("at once", "now", now);
    let when = format!(
        "after {}, when none of this can be taken back any more,",
        context.local(until)
    );
    say(&when, &moment_to_rfc3339(until), later);
}

fn mirror(context: &Context, name: &str, collected: &Collected, done: &mut Done) {
    let ui = context.ui();
    let mut words = format!("{name}  {} freed", size_to_text(collected.freed));
    if collected.carried.packed > 0 {
        words += &format!(", {} rewritten", size_to_text(collected.carried.packed));
    }
    if collected.carried.fetched > 0 {
        words += &format!(", {} fetched", size_to_text(collected.carried.fetched));
    }
    let locks = context.config().mirror.get(name);
    if collected.freed > 0 && locks.is_some_and(|table| table.object_lock.is_some()) {
        words += "; the bucket keeps what was deleted until its lock ends";
    }
    ui.line(&words);
    if collected.refused > 0 {
        let count = counted(collected.refused, "object", "objects");
        ui.line(&format!(
            "{name}  {count} that nobody needs cannot be deleted yet, since the place keeps them; a later heirloom prune tries again"
        ));
    }
    if let Some(bytes) = collected.lacks {
        ui.line(&format!(
            "! {name}: what is needed of further packs cannot move, since that takes about {} of room there",
            size_to_text(bytes)
        ));
    }
    for waits in &collected.waits {
        waiting(context, name, waits);
    }
    let kept = collected.carried.kept.len() as u64;
    if kept > 0 {
        let what = format!(
            "{name}: {} with needed blobs that cannot be read stay",
            counted(kept, "pack", "packs")
        );
        ui.line(&format!("! {what}         next: heirloom heal"));
        done.add(Outcome::Damage, what);
    }
    if collected.carried.lost > 0 {
        let what = format!(
            "{name}: {} that snapshots need are on no mirror",
            counted(collected.carried.lost, "blob", "blobs")
        );
        ui.line(&format!("! {what}         next: heirloom verify"));
        done.add(Outcome::Damage, what);
    }
    ui.event(&Event::Pruned {
        mirror: Some(name),
        freed: collected.freed,
        rewritten: collected.carried.packed,
        packs: collected.packs,
        snapshots: collected.entries,
        waits: collected.waits.len() as u64,
        deferred: collected.refused,
    });
}

/// Somebody is at work, or died at it, and may lean on what is to go.
fn waiting(context: &Context, name: &str, waits: &Waits) {
    let began = context.local(waits.started);
    let what = format!("{name}: a {} that began {began} has not ended", waits.kind);
    let how = match waits.for_ever {
        false => {
            "nothing was deleted; prune again when it has ended; if it has died, it is ended a day after a prune has first seen it"
        }
        true => {
            "nothing was deleted; this place cannot decide between two, so it is waited for until it has ended; if it has died and nobody is at work there: heirloom prune --end-dead, a day after a prune has first seen it"
        }
    };
    context.ui().line(&format!("! {what}: {how}"));
}
