//! Man pages, completions and the README's table agree with flags, exit codes and the format. They are written by
//! `UPDATE=1 cargo test manual`.

use heirloom::cli;
use std::fs;
use std::path::{Path, PathBuf};

/// Compares a file with what it should be, or writes it.
fn check(path: &Path, expected: &[u8]) {
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, expected).unwrap();
        return;
    }
    let found = fs::read(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not up to date: UPDATE=1 cargo test manual",
        path.display()
    );
}

fn at_top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Only files that are made here may lie there.
fn check_folder(folder: &str, mut made: Vec<String>) {
    let mut found: Vec<String> = fs::read_dir(at_top(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    made.sort();
    assert_eq!(found, made, "{folder}/");
}

#[test]
fn man_pages_say_what_the_flags_are() {
    let mut made = Vec::new();
    let mut command = cli::command().disable_help_subcommand(true);
    command.build();
    pages(&command, "heirloom", &mut made);
    check(&at_top("man/heirloom-format.5"), &format_page());
    made.push("heirloom-format.5".to_owned());
    check_folder("man", made);
}

fn pages(command: &clap::Command, name: &str, made: &mut Vec<String>) {
    let spaced = name.replace('-', " ");
    // The table is a section of its own in man pages.
    let shown = command
        .clone()
        .bin_name(spaced)
        .after_help("")
        .display_name(name.to_owned());
    let man = clap_mangen::Man::new(shown)
        .manual("heirloom")
        .date("")
        .source(concat!("heirloom ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render(&mut page).unwrap();
    page.extend(exit_section());
    let file = format!("{name}.1");
    check(&at_top("man").join(&file), &page);
    made.push(file);
    for inner in command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
    {
        pages(inner, &format!("{name}-{}", inner.get_name()), made);
    }
}

fn exit_section() -> Vec<u8> {
    let mut text = String::from(".SH \"EXIT CODES\"\n");
    for row in cli::exit::TABLE {
        text.push_str(
            &format!(".TP\n\\fB{}\\fR\n{}: {}\n", row.code, row.means, row.then).replace('`', ""),
        );
    }
    text.into_bytes()
}

fn format_page() -> Vec<u8> {
    let mut page = String::from(
        ".TH heirloom-format 5\n.SH NAME\nheirloom\\-format \\- the bytes of a heirloom repository\n.SH DESCRIPTION\n.nf\n",
    );
    for line in heirloom::rescue::FORMAT.lines() {
        let escaped = line
            .replace('\\', "\\e")
            .replace('-', "\\-")
            .replace('\'', "\\(aq");
        let guard = if escaped.starts_with('.') { "\\&" } else { "" };
        page.push_str(&format!("{guard}{escaped}\n"));
    }
    page.push_str(".fi\n");
    page.into_bytes()
}

#[test]
fn completions_know_every_verb() {
    use clap_complete::Shell;
    let mut made = Vec::new();
    for (shell, file) in [
        (Shell::Bash, "heirloom.bash"),
        (Shell::Zsh, "_heirloom"),
        (Shell::Fish, "heirloom.fish"),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut cli::command(), "heirloom", &mut script);
        check(&at_top("completions").join(file), &script);
        made.push(file.to_owned());
    }
    check_folder("completions", made);
}

#[test]
fn readme_has_the_table_of_exit_codes() {
    let path = at_top("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let begin = "<!-- exit codes: made from cli/exit.rs, checked by the tests -->\n";
    let (before, rest) = text
        .split_once(begin)
        .expect("README has a place for the table");
    let (_, after) = rest
        .split_once("<!-- end -->")
        .expect("the table has an end");
    let expected = format!(
        "{before}{begin}{}<!-- end -->{after}",
        cli::exit::markdown()
    );
    check(&path, expected.as_bytes());
}
