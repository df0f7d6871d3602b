//! `verify --no-key`: what anybody can prove who has the files.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::open;
use crate::cli::verify::tell;
use crate::error::Result;
use crate::mirror::scrub;
use crate::store::Store;
use crate::ui::counted;
use crate::ui::json::Event;
use crate::units::{duration_to_text, size_to_text};

/// Compares every object of every mirror with its name.
///
/// # Errors
/// Those of reading; damage is an outcome.
pub fn run(context: &Context, done: &mut Done) -> Result<()> {
    let stores = open::stores(context)?;
    let several = stores.len() > 1;
    for (name, store) in stores {
        if several {
            context.ui().line(&format!("{name}:"));
        }
        match store {
            Ok(store) => one(context, &name, &*store, done)?,
            Err(error) => {
                done.add(Outcome::Behind, format!("{name} was not verified"));
                context.ui().problem(&error);
            }
        }
    }
    Ok(())
}

fn one(context: &Context, mirror: &str, store: &dyn Store, done: &mut Done) -> Result<()> {
    let began = context.host().elapsed();
    let found = scrub::run(store, context.readers(), &**context.ui())?;
    let ui = context.ui();
    ui.end_progress();
    for name in &found.unsteady {
        ui.problem(&scrub::unsteady(mirror, name));
    }
    for (name, error) in &found.damaged {
        ui.line(&format!("damaged: {}: {}", name.path(), error.chain()));
        ui.event(&Event::Damage {
            mirror,
            object: &name.path(),
            what: &error.chain(),
        });
    }
    let seconds = (context.host().elapsed() - began).as_secs_f64();
    ui.line(&format!(
        "read {}, {}, without a key, in {}",
        counted(found.objects, "object", "objects"),
        size_to_text(found.bytes),
        duration_to_text(seconds)
    ));
    tell::others(context, found.newer, found.strangers);
    let damaged = found.damaged.len() as u64;
    let mut next = String::new();
    if damaged == 0 {
        ui.line("every object matches its name");
    } else {
        let what = format!("{} damaged", counted(damaged, "object", "objects"));
        next = format!("heirloom verify{}", context.same_repository());
        ui.line(&format!(
            "DAMAGED: {what}         next: {next} (with a secret it names the files)"
        ));
        done.add(Outcome::Damage, what);
        done.hint(&*next);
    }
    let unsteady = found.unsteady.len() as u64;
    tell::unsteady(mirror, unsteady, done);
    ui.event(&Event::Verified {
        level: "stored",
        objects: found.objects,
        bytes: found.bytes,
        packs: 0,
        blobs: 0,
        snapshots: 0,
        damaged,
        losses: 0,
        newer: found.newer,
        strangers: found.strangers,
        unsteady,
        seconds,
        next: &next,
    });
    Ok(())
}
