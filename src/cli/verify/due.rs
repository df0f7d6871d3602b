//! `verify --due` and `--budget`: what has been unread for too long, the longest unread first.

use crate::cli::context::Context;
use crate::cli::exit::Done;
use crate::cli::flags::duration;
use crate::cli::verify::history::History;
use crate::cli::verify::tell;
use crate::cli::{places, verify};
use crate::error::{Error, Kind, Result};
use crate::name::Name;
use crate::ops::verify::remember::{self, Known};
use crate::ops::verify::trees::Bad;
use crate::ops::verify::{Level, Only, Report};
use crate::repo::look::Look;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::store::Listed;
use crate::ui::counted;
use crate::units::{age_to_text, size_from_text, size_to_text};
use std::time::Duration;

/// How much of a mirror may be read in one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// So many bytes.
    Bytes(u64),
    /// So many bytes of each hundred.
    Percent(f64),
    /// So long.
    Time(Duration),
}

impl Budget {
    /// Reads `2GiB`, `5%`, `1/7`, `20m`. A number alone could mean either.
    ///
    /// # Errors
    /// `Usage`.
    pub fn from_text(text: &str) -> Result<Self> {
        let part = |text: &str| text.parse::<f64>().ok().filter(|part| *part > 0.0);
        if let Some(percent) = text.strip_suffix('%').and_then(part) {
            return Ok(Self::Percent(percent));
        }
        // As restic writes one part of several; which one is for the ledger to say.
        if let Some(parts) = text.split_once('/').and_then(|(_, parts)| part(parts)) {
            return Ok(Self::Percent(100.0 / parts));
        }
        let has_unit = !text.ends_with(|c: char| c.is_ascii_digit());
        let time = duration(text).filter(|_| has_unit).map(Self::Time);
        let size = || size_from_text(text).filter(|_| has_unit).map(Self::Bytes);
        time.or_else(size).ok_or_else(|| {
            let what = format!("--budget: {text:?} is not like 2GiB, 5% or 20m");
            Error::new(Kind::Usage, what)
        })
    }

    /// In bytes, of a mirror of so many.
    fn bytes(self, all: u64) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a part of the whole, rounded"
            )]
            Self::Percent(percent) => Some((all as f64 * percent / 100.0).ceil() as u64),
            Self::Time(_) => None,
        }
    }
}

/// What was due on one mirror, and what became of it.
struct Part {
    objects: u64,
    bytes: u64,
    /// Chosen within the budget.
    chosen: u64,
    report: Report,
}

/// Reads what is due on each mirror, and says what was found.
///
/// # Errors
/// Those of reading; damage is an outcome.
pub fn run(
    context: &Context,
    mirrors: &Mirrors,
    level: Level,
    budget: Option<Budget>,
    done: &mut Done,
) -> Result<()> {
    let began = context.host().elapsed();
    let mut found = Vec::new();
    let history = History::read(context, mirrors)?;
    for mirror in &mirrors.here {
        found.push(one(context, (mirror, &history), (level, budget), done)?);
    }
    let is_sound = found.iter().all(|(_, report, _)| report.damaged.is_empty());
    let alone = mirrors.here.len() == 1 && mirrors.away.is_empty();
    // Files are named where something is wrong; else there is no need to read the trees.
    let all = match is_sound {
        true => verify::sum(&mut found),
        false => verify::together(context, mirrors, &mut found)?,
    };
    context.ui().end_progress();
    let seconds = (context.host().elapsed() - began).as_secs_f64();
    if is_sound {
        tell::others(context, all.newer, all.strangers);
        tell::verified(context, &all, level, seconds, "");
    } else if alone {
        tell::losses(context, &all);
        tell::others(context, all.newer, all.strangers);
        let next = tell::verdict(context, &all, done);
        tell::verified(context, &all, level, seconds, &next);
    } else {
        tell::together(context, (&all, mirrors), level, began, done);
    }
    verify::away(context, mirrors, done);
    Ok(())
}

fn one(
    context: &Context,
    (mirror, history): (&Mirror, &History),
    (level, budget): (Level, Option<Budget>),
    done: &mut Done,
) -> Result<(Look, Report, Bad)> {
    let host = &**context.host();
    let every = places::verify_every(context, &mirror.name)?;
    let look = Look::at(&mirror.repo, &**context.ui())?;
    let now = host.now().seconds;
    let mut known = Known::read(&look, now)?;
    let every_seconds = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
    let due = known.due(level, now.saturating_sub(every_seconds));
    let chosen = within(&due, budget.and_then(|budget| budget.bytes(known.bytes())));
    let began = host.elapsed();
    let over = || matches!(budget, Some(Budget::Time(time)) if host.elapsed() - began >= time);
    let only = Only {
        names: chosen
            .iter()
            .map(|listed| &listed.name)
            .collect::<Vec<&Name>>(),
        over: &over,
    };
    let part = (due.len() as u64, due.iter().map(|due| due.len).sum());
    let (mut report, bad) = verify::objects(context, &look, &known.scope(Some(only)), level)?;
    tell::unsteady(&mirror.name, report.unsteady.len() as u64, done);
    history.judge(context, (mirror, &look), &mut report, done);
    let part = Part {
        objects: part.0,
        bytes: part.1,
        chosen: chosen.len() as u64,
        report,
    };
    let is_news = !part.report.good.is_empty() || !part.report.damaged.is_empty();
    if is_news || !known.ledger.damaged().is_empty() {
        let what = (&mirror.name[..], &look, &part.report);
        verify::enter(context, what, &mut known, (level, false));
    }
    context.ui().end_progress();
    tell_part(context, &mirror.name, &part, (&known, level, now));
    if let Some(bytes) = budget.and_then(|budget| budget.bytes(known.bytes())) {
        promise(context, &mirror.name, (bytes, known.bytes()), every);
    }
    tell::damage_events(context, &mirror.name, &part.report);
    Ok((look, part.report, bad))
}

/// As many as the budget allows, and one at least: else nothing would ever be read where it is smaller than a pack.
fn within<'a>(due: &[&'a Listed], budget: Option<u64>) -> Vec<&'a Listed> {
    let mut sum = 0;
    let mut chosen = Vec::new();
    for listed in due {
        sum += listed.len;
        if budget.is_some_and(|budget| sum > budget) && !chosen.is_empty() {
            break;
        }
        chosen.push(*listed);
    }
    chosen
}

fn tell_part(
    context: &Context,
    mirror: &str,
    part: &Part,
    (known, level, now): (&Known, Level, i64),
) {
    let report = &part.report;
    let age = known.ledger.age(remember::number(level));
    let bad = report.damaged.len() as u64;
    let read = part.chosen - report.unread.min(part.chosen);
    let judged = match bad {
        0 if part.objects == 0 => {
            let oldest = age.oldest.map_or(0, |oldest| now - oldest);
            let oldest = age_to_text(u64::try_from(oldest).unwrap_or(0));
            let all = counted(age.objects, "object", "objects");
            format!("nothing due; all {all} read back within {oldest}")
        }
        bad => {
            let due = counted(part.objects, "object", "objects");
            let words = match bad {
                0 => "all good".to_owned(),
                bad => format!("{} damaged or missing", counted(bad, "object", "objects")),
            };
            let left = match part.objects - read.min(part.objects) {
                0 => String::new(),
                left => format!("; the budget ends here, {left} left"),
            };
            format!(
                "{due} of {} due, {}: read {read}, {words}{left}",
                age.objects,
                size_to_text(part.bytes)
            )
        }
    };
    context.ui().line(&format!("{mirror}  {judged}"));
}

/// Says so where a run each night would not read everything in time.
fn promise(context: &Context, mirror: &str, (budget, all): (u64, u64), every: Duration) {
    let days = all.div_ceil(budget.max(1));
    let limit = every.as_secs() / 86_400;
    if days > limit {
        context.ui().line(&format!(
            "at {} a night {mirror} takes {days} days, the limit is {limit}",
            size_to_text(budget)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_size_a_part_or_a_time() {
        let read = |text| Budget::from_text(text).ok();
        assert_eq!(read("2GiB"), Some(Budget::Bytes(2 << 30)));
        assert_eq!(read("50M"), Some(Budget::Bytes(50 << 20)));
        assert_eq!(read("20m"), Some(Budget::Time(Duration::from_secs(1200))));
        assert_eq!(read("5%"), Some(Budget::Percent(5.0)));
        assert_eq!(read("2/5"), Some(Budget::Percent(20.0)));
        assert_eq!(Budget::Percent(20.0).bytes(1001), Some(201));
        for wrong in ["", "20", "1/0", "-5%", "2 nights", "/"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
