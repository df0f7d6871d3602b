//! `forget`: snapshots are dropped by rule or by name, and every one that stays is told with its reason.

use crate::cli::context::Context;
use crate::cli::exit::Done;
use crate::cli::keep::{self, KeepArgs};
use crate::cli::select::FilterArgs;
use crate::cli::snapshots as listed;
use crate::cli::{open, prune, spread};
use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::ops::forget::{self, Options, Plan, Which};
use crate::ops::guard::Lifted;
use crate::ops::undelete;
use crate::repo::look::Look;
use crate::repo::snapshots::{self, Filter, Found};
use crate::ui::json::{Event, SnapshotEvent};
use crate::ui::table::{Side, Table};
use crate::ui::{counted, escape, escape_text};
use crate::units::moment_to_rfc3339;
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::Duration;

/// Drop snapshots by rule or by name; undelete takes them back
///
/// Rules are applied to each source of each device by itself. What is suspect, and what has a date that cannot be right, is
/// neither counted nor dropped by a rule, pinned snapshots are never dropped, and the newest good ones stay (3 of each
/// source, or min_good in heirloom.toml). Without a rule and without an ID the rules under [retention] in heirloom.toml
/// apply. Nothing is deleted: until the time that is told, heirloom undelete brings back what was forgotten.
#[derive(Args, Debug)]
pub struct ForgetArgs {
    /// These, and no others
    #[arg(value_name = "ID")]
    ids: Vec<OsString>,
    #[command(flatten)]
    keep: KeepArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Say what would be forgotten, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Prune afterwards; what is forgotten now still keeps what it holds until its time is over. With -n: say what that
    /// would free now, and what later
    #[arg(long)]
    prune: bool,
    /// This source may lose its last good snapshot; alone, all of its snapshots go
    #[arg(long, value_name = "NAME")]
    drop_source: Vec<String>,
    /// The newest good snapshots may go too
    #[arg(long)]
    below_min_good: bool,
}

/// Runs the verb.
///
/// # Errors
/// `Usage`, `Refused` by a guard; those of opening and of the chain.
pub fn run(args: &ForgetArgs, context: &Context) -> Result<Done> {
    let began = context.host().elapsed();
    let grace = keep::grace(context)?;
    let which = by_rule(args, context)?;
    let mut opened = open::repository(context)?;
    let held = match args.dry_run && !args.prune {
        true => None,
        false => Some(open::hold(context, &mut opened.mirrors)?),
    };
    let mut look = Look::at(opened.whole(), &**context.ui())?;
    let stamp = open::stamp(context);
    let filter = args.filter.filter();
    let options = Options {
        which: match which {
            Some(which) => which,
            None => Which::Named(named(args, context, &look, &filter)?),
        },
        filter,
        min_good: keep::min_good(context),
        lifted: Lifted {
            drop_sources: args.drop_source.clone(),
            below_min_good: args.below_min_good,
        },
        now: stamp.time.seconds,
    };
    let plan = forget::plan(&look.chains, &options)?;
    let until = undelete::until(stamp.time.seconds, grace);
    context.ui().end_progress();
    tell(context, &look, &plan);
    let mut done = Done::well();
    match &held {
        Some(held) if args.dry_run => held.wrote_nothing(),
        Some(_) if plan.gone.is_empty() && args.prune => {}
        Some(held) if plan.gone.is_empty() => held.wrote_nothing(),
        Some(held) => {
            let what = forget::removes(&look.chains, &plan, "forget");
            let what = what.into_iter().map(|what| (stamp.clone(), what, "forget"));
            spread::entries(context, (&opened, held), &mut look, what, &mut done)?;
            tell_gone(context, &look, &plan, until);
        }
        None => {}
    }
    finish(args, context, &plan, until, began, &done);
    match held.as_ref().filter(|_| args.prune) {
        Some(held) if args.dry_run => {
            let going = plan.gone.into_keys().collect();
            prune::foretell(context, (&opened, held), &going, until)?;
        }
        Some(held) => prune::after(context, (&opened, held), &mut done)?,
        None => {}
    }
    Ok(done)
}

/// What the flags or heirloom.toml say; nothing where snapshots are named.
fn by_rule(args: &ForgetArgs, context: &Context) -> Result<Option<Which>> {
    let rules = args.keep.rules()?;
    if !args.ids.is_empty() && !rules.is_empty() {
        let what = "either snapshots are named or rules are given, not both";
        return Err(Error::new(Kind::Usage, what));
    }
    if !args.ids.is_empty() {
        return Ok(None);
    }
    if !rules.is_empty() {
        return Ok(Some(Which::Rules(rules)));
    }
    if !args.drop_source.is_empty() {
        return Ok(Some(Which::Sources(args.drop_source.clone())));
    }
    let rules = keep::configured(context)?;
    if rules.is_empty() {
        let what = "no snapshot is named, and no rule says what to keep";
        return Err(Error::new(Kind::Usage, what).hint(
            "heirloom forget ID, or --keep-daily 14 --keep-monthly 24, or [retention] keep = { daily = 14 } in heirloom.toml",
        ));
    }
    Ok(Some(Which::Rules(rules)))
}

fn named(
    args: &ForgetArgs,
    context: &Context,
    look: &Look,
    filter: &Filter,
) -> Result<BTreeSet<Id>> {
    let now = context.host().now().seconds;
    let find = |text: &OsString| {
        let found = snapshots::whole(&look.chains, text.as_encoded_bytes(), filter, now)?;
        Ok(found.id)
    };
    args.ids.iter().map(find).collect()
}

/// Every snapshot that the filter lets through, by source and device: those that stay and those that go, and why.
fn tell(context: &Context, look: &Look, plan: &Plan) {
    let all = snapshots::list(&look.chains, &Filter::default());
    let mut groups = BTreeMap::<_, Vec<(&Found<'_>, &str, &String)>>::new();
    for found in &all {
        let (kept, gone) = (plan.kept.get(&found.id), plan.gone.get(&found.id));
        let told = kept.map(|why| ("keep", why));
        if let Some((action, why)) = told.or(gone.map(|why| ("forget", why))) {
            let group = (&found.snapshot.source, found.entry.device);
            groups.entry(group).or_default().push((found, action, why));
        }
    }
    for ((source, _), group) in &groups {
        let gone = group.iter().filter(|(_, action, _)| *action == "forget");
        let gone = gone.count();
        let host = group.last().map_or("", |(found, ..)| &found.entry.host);
        context.ui().line(&format!(
            "{}@{}: keep {}, forget {gone}",
            escape(source.as_bytes()),
            escape(host.as_bytes()),
            group.len() - gone
        ));
        let mut table = Table::new(&[Side::Left; 4]);
        for (found, action, why) in group {
            context.ui().event(&Event::Plan {
                action,
                what: found.id.to_hex(),
                bytes: None,
                reason: Some(why),
            });
            table.row(vec![
                (*action).to_owned(),
                found.id.short(),
                context.local(found.entry.time.seconds),
                escape_text(why),
            ]);
        }
        for line in table.lines() {
            context.ui().line(&format!("  {line}"));
        }
    }
}

/// What has gone, for scripts.
fn tell_gone(context: &Context, look: &Look, plan: &Plan, until: i64) {
    for (id, entry, snapshot) in look.chains.removed_snapshots() {
        if plan.gone.contains_key(&id) {
            let found = Found {
                id,
                entry,
                snapshot,
            };
            context.ui().event(&Event::Snapshot(SnapshotEvent {
                delete_after: Some(moment_to_rfc3339(until)),
                ..listed::event(&look.chains, &found)
            }));
        }
    }
}

fn finish(
    args: &ForgetArgs,
    context: &Context,
    plan: &Plan,
    until: i64,
    began: Duration,
    done: &Done,
) {
    let (gone, kept) = (plan.gone.len() as u64, plan.kept.len() as u64);
    let all = counted(gone + kept, "snapshot", "snapshots");
    let same = context.same_repository();
    let (text, next) = match (gone, args.dry_run) {
        (0, _) => (format!("nothing to forget: {all}, all stay"), String::new()),
        (_, true) => (
            format!("would forget {gone} of {all}; nothing was written"),
            String::new(),
        ),
        (_, false) => (
            format!(
                "forgot {gone} of {all}; undelete works until {}",
                context.local(until)
            ),
            match done.hint_text() {
                Some(hint) => hint.to_owned(),
                None => format!("heirloom snapshots --deleted{same}"),
            },
        ),
    };
    let shown = match next.is_empty() {
        true => text,
        false => format!("{text}         next: {next}"),
    };
    context.ui().line(&shown);
    if args.dry_run {
        return;
    }
    context.ui().event(&Event::Forgotten {
        kept,
        forgotten: gone,
        delete_after: (gone > 0).then(|| moment_to_rfc3339(until)),
        seconds: (context.host().elapsed() - began).as_secs_f64(),
        next: &next,
    });
}
