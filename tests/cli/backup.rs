//! `backup` saves what is named, says what it left out, and is safe to start again.

use crate::util::{TestEnv, contents};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn one_command_begins_everything() {
    let env = TestEnv::new();
    env.write("Documents/a/letter.txt", b"dear");
    env.write("Documents/photo.jpg", &[7; 3000]);
    let ran = env
        .run(["backup", "--init", "--verify", "Documents"])
        .expect(0);
    let out = ran.out();
    for line in [
        "repository REPOSITORY created at ~/.local/share/heirloom/repository\n",
        "key file: ~/.config/heirloom/key: it opens the repository without a question",
        "recovery kit: ~/heirloom-kit.txt: print it, then delete the file\n",
        "~/Documents  2 files  2.9 KiB    ",
        "snapshot ID  ~/Documents\n",
        "1 snapshot, in TIME\nverified: everything is whole\nsaved in TIME         next: heirloom restore\n",
    ] {
        assert!(out.contains(line), "{line}\n{ran}");
    }
    let key = env.path(".config/heirloom/key");
    assert_eq!(
        fs::metadata(key).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn what_is_stored_is_not_stored_again() {
    let env = TestEnv::with_repository();
    env.write("Documents/big", &[1; 100_000]);
    env.run(["backup", "Documents"]).expect(0);
    let again = env.run(["backup", "Documents", "--json"]).expect(0);
    // What changed is the folder above, in which the copy and its cache were made.
    assert!(
        again
            .field("summary", "bytes_added")
            .parse::<u64>()
            .unwrap()
            < 1000,
        "{again}"
    );
    // The folders above are part of the snapshot, and other tests work in one of them.
    let skipped = (0..30).any(|_| {
        let ran = env.run(["backup", "Documents", "--skip-if-unchanged", "--json"]);
        ran.expect(0).field("summary", "snapshot") == "null"
    });
    assert!(skipped);
    let forced = env
        .run(["backup", "Documents", "--force", "--json"])
        .expect(0);
    assert_eq!(forced.field("summary", "bytes_read"), "100000");
    assert!(
        forced
            .field("summary", "bytes_added")
            .parse::<u64>()
            .unwrap()
            < 1000,
        "{forced}"
    );
}

#[test]
fn rules_leave_things_out_and_the_repository_too() {
    let env = TestEnv::with_repository();
    for name in [
        "d/keep.txt",
        "d/a.o",
        "d/B.TMP",
        "d/cache/x",
        "d/huge",
        "d/sub/keep.o",
    ] {
        env.write(name, b"content");
    }
    env.write("d/huge", &[1; 5000]);
    env.write(
        "d/cache/CACHEDIR.TAG",
        b"Signature: 8a477f597d28d172789f06886806bc55\n",
    );
    env.write("rules", b"# objects\n*.o\n!keep.o\n");
    env.run([
        "backup",
        "d",
        "--exclude-file",
        "rules",
        "--iexclude",
        "*.tmp",
        "--exclude-caches",
        "--exclude-larger-than",
        "4K",
    ])
    .expect(0);
    let listed = env
        .run([
            "ls",
            "-R",
            "-s",
            &env.text("d"),
            &format!("latest:{}", env.text("d")),
        ])
        .expect(0);
    assert_eq!(
        listed.stdout,
        "cache/\ncache/CACHEDIR.TAG\nkeep.txt\nsub/\nsub/keep.o\n"
    );
    let home = env.run(["backup", ".", "--name", "home"]).expect(0);
    assert!(
        home.err()
            .contains("left out: ~/.local/share/heirloom/repository"),
        "{home}"
    );
    let listed = env.run(["ls", "-R", "-s", "home"]).expect(0);
    assert!(!listed.stdout.contains("repository/packs"), "{listed}");
    env.run(["backup", &env.repository().join("keys").to_string_lossy()])
        .expect(16);
    env.run(["backup", "d", "-e", "["]).expect(2);
}

#[test]
fn patterns_that_are_too_many_are_told_before_any_work() {
    let env = TestEnv::with_repository();
    env.write("d/a", b"content");
    let wild: String = (0..5001).map(|n| format!("x?{n}*.txt\n")).collect();
    env.write("wild", wild.as_bytes());
    let plain: String = (0..40_000).map(|n| format!("/home/ann/{n}\n")).collect();
    env.write("plain", plain.as_bytes());
    env.write("endless", &vec![b'#'; (1 << 20) + 1]);
    for (file, why) in [
        (
            "wild",
            "5001 patterns have wildcards, at most 5000 can be looked for",
        ),
        ("plain", "the record of a snapshot holds 512.0 KiB"),
        ("endless", "is longer than 1 MiB"),
        ("d", "Is a directory"),
    ] {
        let told = env.run(["backup", "d", "--exclude-file", file]).expect(2);
        assert!(told.err().contains(why), "{told}");
    }
    let few: String = wild
        .lines()
        .take(5000)
        .flat_map(|line| [line, "\n"])
        .collect();
    env.write("wild", few.as_bytes());
    env.write("d/xy4999z.txt", b"content");
    let told = env.run(["backup", "d", "--exclude-file", "wild"]).expect(0);
    assert!(told.stdout.contains("1 file "), "{told}");
}

#[test]
fn what_cannot_be_saved_is_named_and_told_by_the_code() {
    let env = TestEnv::with_repository();
    env.write("d/file", b"content");
    env.write_secret("d/secret", "content");
    fs::set_permissions(env.path("d/secret"), fs::Permissions::from_mode(0o000)).unwrap();
    let ran = env.run_bound(["backup", "d"]).expect(3);
    assert!(
        ran.err().starts_with("! ") && ran.err().contains("~/d/secret"),
        "{ran}"
    );
    assert!(ran.stdout.contains("1 entry skipped"), "{ran}");
    let ran = env.run_bound(["backup", "d", "--json"]).expect(3);
    assert_eq!(ran.field("exit", "outcomes"), "[3]");
    assert_eq!(ran.field("problem", "kind"), "\"other\"");
    env.run(["backup", "nowhere"]).expect(1);
    env.run(["backup"]).expect(2);
    env.run(["backup", "d", "--compression", "best"]).expect(2);
    env.run(["backup", "d", "--memory", "100MiB"]).expect(2);
}

#[test]
fn p13_names_from_strangers_do_not_steer_the_terminal() {
    let env = TestEnv::with_repository();
    env.write("d/\u{1b}[31mred", b"content");
    let ran = env.run(["backup", "d", "--name", "d", "-v"]).expect(0);
    assert!(ran.stdout.contains("\\u{1b}[31mred"), "{ran}");
    let listed = env.run(["ls", "-R", "-l", "-s", "d"]).expect(0);
    for ran in [ran, listed] {
        assert!(
            !ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'),
            "{ran}"
        );
    }
}

#[test]
fn one_session_of_a_device_at_a_time() {
    let env = TestEnv::with_repository();
    env.write("d/file", b"content");
    let state = env.path(".local/state/heirloom");
    let device = fs::read_dir(state).unwrap().next().unwrap().unwrap().path();
    let lock = File::open(device.join("lock")).unwrap();
    lock.lock().unwrap();
    let ran = env.run(["backup", "d"]).expect(11);
    assert!(ran.stderr.contains("--wait"), "{ran}");
    // Interrupted while it waits: at once, with its own code.
    let mut waiting = env.command(["backup", "d", "--wait", "60s"]);
    let child = waiting
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    interrupt(child.id());
    env.ran(child.wait_with_output().unwrap()).expect(130);
    let waiting = env
        .command(["backup", "d", "--wait", "60s"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    lock.unlock().unwrap();
    env.ran(waiting.wait_with_output().unwrap()).expect(0);
}

fn interrupt(process: u32) {
    let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
}

#[test]
fn no_repository_is_made_unasked() {
    let env = TestEnv::new();
    env.write("d/file", b"content");
    let ran = env.run(["backup", "d"]).expect(10);
    assert!(ran.stderr.contains("heirloom backup --init"), "{ran}");
    env.run(["backup", "heirloom-is-here", "-r", "d"]).expect(1);
    env.write("e/file", b"content");
    env.run(["backup", "e", "-r", "d"]).expect(10);
    env.run(["backup", "d", "--no-kit"]).expect(2);
    let ran = env
        .run([
            "backup",
            "d",
            "--init",
            "--no-kit",
            "-r",
            "copy",
            "--key-file",
            "k",
        ])
        .expect(0);
    assert!(
        env.path("k").exists() && !env.path("heirloom-kit.txt").exists(),
        "{ran}"
    );
    env.run(["backup", "d", "--init", "-r", "copy", "--key-file", "k"])
        .expect(0);
}

#[test]
fn sockets_are_passed_by_and_long_names_are_no_problem() {
    let env = TestEnv::with_repository();
    env.write("d/file", b"content");
    let _listening = UnixListener::bind(env.path("d/socket")).unwrap();
    let paths: Vec<_> = (0..20)
        .map(|n| format!("d{n}/{}", "x".repeat(40)))
        .collect();
    for path in &paths {
        env.write(path, b"content");
    }
    let mut arguments = vec!["backup", "d"];
    arguments.extend(paths.iter().map(String::as_str));
    env.run(arguments).expect(0);
    let listed = env
        .run([
            "ls",
            "-R",
            &format!("latest:{}", env.text("d")),
            "--path",
            &env.text("d"),
        ])
        .expect(0);
    assert_eq!(listed.stdout, "file\n");
}

#[test]
fn a_rehearsal_counts_and_writes_nothing() {
    let env = TestEnv::with_repository();
    env.write("photos/old", b"as it was");
    env.write("photos/edited", b"before");
    env.run(["backup", "photos"]).expect(0);
    env.write("photos/edited", b"after, and longer");
    env.write("photos/new", &[7; 5000]);
    let before = (
        contents(&env.repository()),
        contents(&env.path(".local/state")),
    );
    let ran = env.run(["backup", "-n", "photos"]).expect(0);
    let out = ran.out();
    // A file that changed in the second before the last run is read again.
    assert!(out.contains("3 files") && out.contains("+1 new, "), "{ran}");
    assert!(
        out.contains("would be added, before compression\nnothing was saved"),
        "{ran}"
    );
    let after = (
        contents(&env.repository()),
        contents(&env.path(".local/state")),
    );
    assert!(before == after, "a rehearsal wrote something");
    let planned = env.run(["backup", "-n", "photos", "--json"]).expect(0);
    let planned: u64 = planned.field("plan", "bytes").parse().unwrap();
    let saved = env.run(["backup", "photos"]).expect(0);
    assert!(saved.out().contains("+1 new, "), "{saved}");
    assert!((5000..20_000).contains(&planned), "{planned}");
    fs::remove_dir_all(env.path(".local/state")).unwrap();
    let again = env.run(["backup", "photos"]).expect(0);
    assert!(
        again.out().contains("+3 new, 0 changed"),
        "a device without state is new: {again}"
    );
}
