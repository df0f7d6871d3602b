//! `ls` shows what is in a folder of a snapshot.

use crate::util::TestEnv;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

fn world() -> TestEnv {
    let env = TestEnv::with_repository();
    env.write("d/b/file", &[1; 2000]);
    env.write("d/a", b"content");
    fs::set_permissions(env.path("d/a"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("a", env.path("d/link")).unwrap();
    env.run(["backup", "d", "--name", "d"]).expect(0);
    env
}

#[test]
fn a_folder_is_listed_flat_or_whole() {
    let env = world();
    let at = format!("latest:{}", env.text("d"));
    assert_eq!(
        env.run(["ls", "-s", "d", &at]).expect(0).stdout,
        "a\nb/\nlink\n"
    );
    assert_eq!(
        env.run(["ls", "-s", "d", "-R", &at]).expect(0).stdout,
        "a\nb/\nb/file\nlink\n"
    );
    let long = env.run(["ls", "-s", "d", "-l", &at]).expect(0).out();
    let lines: Vec<_> = long.lines().collect();
    assert!(
        lines[0].starts_with("-rw-r-----") && lines[0].ends_with("7 B  DATE  a"),
        "{long}"
    );
    assert!(
        lines[2].starts_with("lrwxrwxrwx") && lines[2].ends_with("DATE  link -> a"),
        "{long}"
    );
    let nodes = env
        .run(["ls", "-s", "d", "--json", &format!("{at}/b/file")])
        .expect(0);
    assert_eq!(nodes.field("node", "bytes"), "2000");
    assert_eq!(nodes.field("node", "mode"), "420");
}

#[test]
fn what_is_not_there_is_named() {
    let env = world();
    let ran = env.run(["ls", "-s", "d", "latest:/nowhere"]).expect(1);
    assert!(
        ran.stderr.contains("/nowhere is not in this snapshot"),
        "{ran}"
    );
    env.run(["ls", "-s", "d", "latest~7"]).expect(1);
    env.run(["ls", "ffffffffffff"]).expect(1);
    env.run(["ls", "-s", "d", "nonsense!"]).expect(2);
    let ran = env.run(["ls"]).expect(2);
    assert!(
        ran.stderr
            .contains("latest could mean several sources: d, first"),
        "{ran}"
    );
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let env = TestEnv::with_repository();
    for number in 0..3000 {
        env.write(&format!("many/{number:04}-{}", "x".repeat(60)), b"");
    }
    env.run(["backup", "many", "--name", "many"]).expect(0);
    let mut command = env.command(["ls", "-R", "-s", "many"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ran = env.ran(child.wait_with_output().unwrap()).expect(0);
    assert_eq!(ran.stderr, "");
}
