//! What is asked, and what an answer must look like. The terminal itself is handed in, so that every dialogue can be
//! tested; without one nothing is asked and the safe answer is taken.

use crate::crypto::secret::SecretText;
use crate::error::{Error, Kind, Result};

/// Asks one question and returns the line that was typed; `hidden` lines do not show.
pub type Ask<'a> = &'a mut dyn FnMut(&str, bool) -> Result<SecretText>;

/// How often a person may mistype before it is an error.
const TRIES: usize = 3;

/// A passphrase that exists.
///
/// # Errors
/// `Usage` when nothing is typed, and those of the terminal.
pub fn passphrase(ask: Ask<'_>) -> Result<SecretText> {
    for _ in 0..TRIES {
        let typed = ask("passphrase: ", true)?;
        if !typed.expose().is_empty() {
            return Ok(typed);
        }
    }
    Err(Error::new(Kind::Usage, "no passphrase was typed"))
}

/// A new passphrase, typed twice.
///
/// # Errors
/// `Usage` when it stays empty or the two differ, and those of the terminal.
pub fn new_passphrase(ask: Ask<'_>) -> Result<SecretText> {
    let mut question = "new passphrase: ";
    for _ in 0..TRIES {
        let first = ask(question, true)?;
        if first.expose().is_empty() {
            question = "an empty passphrase protects nothing; new passphrase: ";
            continue;
        }
        if ask("the same again: ", true)?.expose() == first.expose() {
            return Ok(first);
        }
        question = "the two differ; new passphrase: ";
    }
    Err(Error::new(Kind::Usage, "no new passphrase was typed twice"))
}

/// The recovery words as `read` accepts them; what it says is wrong is shown before the next try.
///
/// # Errors
/// What `read` said at the last try, and those of the terminal.
pub fn words<T>(ask: Ask<'_>, read: &dyn Fn(&str) -> Result<T>) -> Result<T> {
    let mut question = "twelve words: ".to_owned();
    for last in [false, false, true] {
        match read(ask(&question, true)?.expose()) {
            Ok(words) => return Ok(words),
            Err(error) if last => return Err(error),
            Err(error) => question = format!("{}\ntwelve words: ", error.chain()),
        }
    }
    Err(Error::new(Kind::Usage, "no recovery words were typed"))
}

/// Yes or no; everything but a clear yes is no.
///
/// # Errors
/// Those of the terminal.
pub fn yes(ask: Ask<'_>, question: &str) -> Result<bool> {
    let typed = ask(&format!("{question} [y/N] "), false)?;
    Ok(matches!(
        typed.expose().trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typing(lines: &[&str]) -> impl FnMut(&str, bool) -> Result<SecretText> {
        let mut lines: Vec<String> = lines.iter().rev().map(|line| (*line).to_owned()).collect();
        move |_, _| {
            lines
                .pop()
                .map(SecretText::new)
                .ok_or_else(|| Error::new(Kind::Usage, "asked too often"))
        }
    }

    #[test]
    fn a_new_passphrase_is_typed_twice() {
        assert_eq!(
            new_passphrase(&mut typing(&["a", "b", "", "c", "c"]))
                .unwrap()
                .expose(),
            "c"
        );
        assert!(new_passphrase(&mut typing(&["", "", ""])).is_err());
        assert!(new_passphrase(&mut typing(&["a", "b", "a", "b", "a", "b"])).is_err());
    }

    #[test]
    fn only_a_clear_yes_is_yes() {
        for (typed, expected) in [("y", true), (" YES ", true), ("", false), ("yep", false)] {
            assert_eq!(
                yes(&mut typing(&[typed]), "delete?").unwrap(),
                expected,
                "{typed:?}"
            );
        }
    }
}
