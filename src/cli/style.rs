//! How to speak: from flags, variables, and whether somebody is looking.

use crate::cli::context::{bad_value, text_of};
use crate::cli::flags::{Color, Globals, Progress};
use crate::error::Result;
use crate::ui::Style;
use crate::ui::progress::Mode;
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal};

/// The style that was asked for; `plain` says that the terminal shows no colours.
///
/// # Errors
/// `Usage` for a value that is none.
pub fn chosen(
    globals: &Globals,
    variables: &BTreeMap<&'static str, OsString>,
    plain: bool,
) -> Result<Style> {
    let named = text_of(variables, "HEIRLOOM_PROGRESS")?;
    let from_variable = named.map(|text| {
        Progress::from_str(&text, false)
            .map_err(|_| bad_value("HEIRLOOM_PROGRESS", &text, "auto, bar, lines or none"))
    });
    let progress = match (globals.progress, from_variable) {
        (Some(progress), _) => progress,
        (None, Some(progress)) => progress?,
        (None, None) => Progress::Auto,
    };
    let terminal = io::stderr().is_terminal();
    let mode = match progress {
        _ if globals.quiet => Mode::None,
        Progress::Lines => Mode::Lines,
        Progress::Auto | Progress::Bar if terminal && !globals.json => Mode::Bar,
        _ => Mode::None,
    };
    Ok(Style {
        json: globals.json,
        quiet: globals.quiet,
        verbose: globals.verbose > 0,
        color: match globals.color {
            Color::Auto => terminal && !plain,
            Color::Always => true,
            Color::Never => false,
        },
        progress: mode,
    })
}
