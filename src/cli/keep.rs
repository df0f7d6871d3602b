//! How long snapshots are kept: the flags of `forget`, and the `[retention]` table of heirloom.toml.

use crate::cli::context::Context;
use crate::cli::flags::duration;
use crate::config::Keep;
use crate::error::{Error, Kind, Result};
use crate::ops::retention::{Period, Rules, Span};
use crate::ops::undelete;
use clap::Args;
use std::time::Duration;

/// Newest good snapshots that stay if nothing else is said.
const MIN_GOOD: u32 = 3;

/// What to keep.
#[derive(Args, Clone, Debug, Default)]
pub struct KeepArgs {
    /// Keep the newest N
    #[arg(short = 'l', long, value_name = "N")]
    keep_last: Option<u32>,
    /// Keep the newest of each of N hours
    #[arg(short = 'H', long, value_name = "N")]
    keep_hourly: Option<u32>,
    /// Keep the newest of each of N days
    #[arg(short = 'd', long, value_name = "N")]
    keep_daily: Option<u32>,
    /// Keep the newest of each of N weeks
    #[arg(short = 'w', long, value_name = "N")]
    keep_weekly: Option<u32>,
    /// Keep the newest of each of N months
    #[arg(short = 'm', long, value_name = "N")]
    keep_monthly: Option<u32>,
    /// Keep the newest of each of N years
    #[arg(short = 'y', long, value_name = "N")]
    keep_yearly: Option<u32>,
    /// Keep everything made within this time before the newest good snapshot, as in 2y, 6m or 1y3m14d (m is months)
    #[arg(long, value_name = "TIME")]
    keep_within: Option<String>,
    /// Keep the newest of each hour within this time
    #[arg(long, value_name = "TIME")]
    keep_within_hourly: Option<String>,
    /// Keep the newest of each day within this time
    #[arg(long, value_name = "TIME")]
    keep_within_daily: Option<String>,
    /// Keep the newest of each week within this time
    #[arg(long, value_name = "TIME")]
    keep_within_weekly: Option<String>,
    /// Keep the newest of each month within this time
    #[arg(long, value_name = "TIME")]
    keep_within_monthly: Option<String>,
    /// Keep the newest of each year within this time
    #[arg(long, value_name = "TIME")]
    keep_within_yearly: Option<String>,
    /// Keep what has this tag; A,B wants both, and several flags one of them
    #[arg(long, value_name = "TAG")]
    keep_tag: Vec<String>,
}

impl KeepArgs {
    /// The rules of the flags.
    ///
    /// # Errors
    /// `Usage`.
    pub fn rules(&self) -> Result<Rules> {
        let keep = Keep {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            within: self.keep_within.clone(),
            within_hourly: self.keep_within_hourly.clone(),
            within_daily: self.keep_within_daily.clone(),
            within_weekly: self.keep_within_weekly.clone(),
            within_monthly: self.keep_within_monthly.clone(),
            within_yearly: self.keep_within_yearly.clone(),
            tag: self.keep_tag.clone(),
        };
        rules(&keep, "--keep-")
    }
}

/// The rules of heirloom.toml.
///
/// # Errors
/// `Usage`.
pub fn configured(context: &Context) -> Result<Rules> {
    rules(&context.config().retention.keep, "[retention] keep: ")
}

/// A rule that keeps none is no rule.
fn rules(keep: &Keep, of: &str) -> Result<Rules> {
    let mut rules = Rules::default();
    let counts = [
        keep.last,
        keep.hourly,
        keep.daily,
        keep.weekly,
        keep.monthly,
        keep.yearly,
    ];
    let within = [
        &keep.within,
        &keep.within_hourly,
        &keep.within_daily,
        &keep.within_weekly,
        &keep.within_monthly,
        &keep.within_yearly,
    ];
    for ((period, count), within) in Period::ALL.into_iter().zip(counts).zip(within) {
        if let Some(count) = count.filter(|count| *count > 0) {
            rules.counts.insert(period, count);
        }
        let Some(text) = within else { continue };
        let span = Span::parse(text).ok_or_else(|| {
            let key = match period {
                Period::Last => "within".to_owned(),
                _ => format!("within-{}", period.word()),
            };
            let what = format!("{of}{key}: {text:?} is not a time such as 2y, 6m, 14d or 36h");
            Error::new(Kind::Usage, what)
        })?;
        rules.within.insert(period, span);
    }
    for tags in &keep.tag {
        let tags: Vec<_> = tags.split(',').map(|tag| tag.trim().to_owned()).collect();
        if tags.iter().any(String::is_empty) {
            let what = format!("{of}tag: a tag is empty");
            return Err(Error::new(Kind::Usage, what));
        }
        rules.tags.push(tags);
    }
    Ok(rules)
}

/// How many of the newest good snapshots of each source and device stay.
pub fn min_good(context: &Context) -> u32 {
    context.config().retention.min_good.unwrap_or(MIN_GOOD)
}

/// How long what is forgotten can be taken back.
///
/// # Errors
/// `Usage`.
pub fn grace(context: &Context) -> Result<Duration> {
    let Some(text) = &context.config().retention.grace else {
        return Ok(undelete::GRACE);
    };
    duration(text).ok_or_else(|| {
        let what = format!("[retention] grace: {text:?} is not like 14d");
        Error::new(Kind::Usage, what)
    })
}
